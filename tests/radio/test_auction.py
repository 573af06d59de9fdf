"""Clusters by demand against a loop, and powers that carry what is needed."""

import math

import pytest
import torch
from torch import Tensor

from hetgraph.radio import noma_rates
from hetgraph.radio.auction import auction, needed_power


def auction_by_loop(
    bid: Tensor, bits: Tensor, need: Tensor, station: Tensor, n: int, layers: int, rounds: int
) -> list[list[list[int]]]:
    """One network: users of each station's and subchannel's layers."""
    users, blocks = bid.shape
    out = [[[-1] * layers for _ in range(blocks)] for _ in range(n)]
    lacks = need.tolist()
    for layer in range(layers):
        for _ in range(rounds):
            asks: dict[tuple[int, int], list[int]] = {}
            for u in range(users):
                if station[u] < 0:
                    continue
                cells = out[int(station[u])]
                got = 0.0
                for s in sorted(range(blocks), key=lambda s: -float(bid[u, s])):
                    if cells[s][layer] >= 0 or u in cells[s] or float(bits[u, s]) <= 0 or got >= lacks[u]:
                        continue
                    asks.setdefault((int(station[u]), s), []).append(u)
                    got += float(bits[u, s])
            for (k, s), rivals in asks.items():
                winner = max(rivals, key=lambda u: (float(bid[u, s]), -u))
                out[k][s][layer] = winner
                lacks[winner] -= float(bits[winner, s])
    return out


@pytest.mark.parametrize("layers", [1, 2])
def test_the_auction_is_the_one_by_loops(layers: int) -> None:
    g = torch.Generator().manual_seed(layers)
    b, n, u, s = 4, 3, 9, 5
    bid = torch.randn(b, u, s, generator=g, dtype=torch.float64)
    bits = torch.rand(b, u, s, generator=g, dtype=torch.float64) * 10
    bits[:, 0, 0] = 0
    bid[:, 2] = bid[:, 1]  # ties
    need = torch.rand(b, u, generator=g, dtype=torch.float64) * 25
    need[:, 4] = 0
    station = torch.randint(-1, n, (b, u), generator=g)
    found = auction(bid, bits, need, station, n, layers, rounds=3)
    assert found.tolist() == [auction_by_loop(bid[i], bits[i], need[i], station[i], n, layers, 3) for i in range(b)]
    assert not (found == 4).any() and (found >= 0).any()


def test_needed_power_carries_what_is_needed_under_the_layers_above() -> None:
    user = torch.tensor([[[[0, 1], [0, -1], [2, 1], [-1, -1]]]])  # one station, four subchannels
    sinr = torch.tensor([[[30.0, 20.0, 1.0, 1.0], [8.0, 1.0, 6.0, 1.0], [1.0, 1.0, 50.0, 1.0]]], dtype=torch.float64)
    need = torch.tensor([[3.0, 2.0, 1.5]], dtype=torch.float64)
    power = needed_power(user, sinr, need)
    assert power.shape == user.shape and bool((power[user < 0] == 0).all())
    carried = torch.zeros(3, dtype=torch.float64)
    for s in range(4):
        here = [u for u in user[0, 0, s].tolist() if u >= 0]
        if here:
            gain = sinr[0, here, s]
            rate = noma_rates(gain, 4 * power[0, 0, s, : len(here)], torch.ones(len(here), dtype=torch.float64))
            carried[here] += rate
    torch.testing.assert_close(carried, need[0], rtol=2e-3, atol=0)
    level = [float(power[0, 0, s, 0]) * 4 for s in (0, 1)]
    assert level[0] == pytest.approx(level[1])  # one level on all subchannels of a user
    most = needed_power(user[..., :1], sinr, torch.full((1, 3), 100.0, dtype=torch.float64))
    assert float(most.max()) == pytest.approx(1 / 4) and math.isfinite(float(most.sum()))
