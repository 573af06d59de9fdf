"""WMMSE of superposed layers: ascent, budgets, and the strong policy against exhaustive search on tiny networks."""

import functools
import itertools
import math

import pytest
import torch
from torch import Tensor

from hetgraph.envs.iot.max_weight import MaxWeight
from hetgraph.radio.spectrum import Spectrum
from hetgraph.solvers.layers import layer_gains, layered_wmmse, priced_wmmse

N, U, S, LAYERS = 2, 3, 2, 2


def tiny(seed: int) -> Spectrum:
    """Two stations, three users, two subchannels; queues that a slot cannot empty."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    wide = 10 ** (3 * uniform(1, U, N) - 1)
    gain = wide.unsqueeze(3) * -uniform(1, U, N, S).clamp_min(1e-3).log()
    budget = torch.tensor([[2.0, 1.0]], dtype=torch.float64)
    power = (budget / S).unsqueeze(2).expand(1, N, S)
    noise = torch.ones(1, U, S, dtype=torch.float64)
    rsrp = 10 * (wide * budget.unsqueeze(1)).log10() + 30
    queue = 1e9 * (0.2 + uniform(1, U))
    ones = torch.ones(1, U, dtype=torch.float64)
    whole = torch.ones(1, U, dtype=torch.long)
    interference = noise + (gain * power.unsqueeze(1)).sum(2)
    return Spectrum(
        gain, rsrp, noise, interference, power, budget, torch.ones_like(power), -whole, whole > 0,
        queue, whole, whole, 1e6 * ones, 1e6 * ones, torch.tensor([100.0], dtype=torch.float64), LAYERS,
    )  # fmt: skip


def value(view: Spectrum, user: Tensor, power: Tensor) -> Tensor:
    """Queue-weighted sum of rates of schedules ``[A, N, S, L]`` of network 0."""
    expand = (len(user), -1, -1, -1)
    noise, budget = view.noise_w.expand(len(user), -1, -1), view.power_max_w.expand(len(user), -1)
    gains = layer_gains(view.gain.expand(*expand), user, noise, budget)
    weight = view.queue_bits[0][user.clamp_min(0)] / 1e9 * (user >= 0)
    return (weight * gains.efficiency(power)).sum((1, 2, 3)) / math.log(2)


@functools.cache
def schedules(users: tuple[int, ...], units: int) -> tuple[Tensor, Tensor]:
    """All clusters of a station's users and their powers, in steps of one over ``units`` of its budget."""
    found = []
    pairs = [c for k in range(min(len(users), LAYERS) + 1) for c in itertools.combinations(users, k)]
    for clusters in itertools.product(pairs, repeat=S):
        places = [(s, i) for s, c in enumerate(clusters) for i in range(len(c))]
        for parts in itertools.product(range(1, units + 1), repeat=len(places)):
            if sum(parts) <= units:
                user, power = torch.full((S, LAYERS), -1), torch.zeros(S, LAYERS, dtype=torch.float64)
                for (s, i), part in zip(places, parts, strict=True):
                    user[s, i], power[s, i] = clusters[s][i], part / units
                found.append((user, power))
    users_, powers = zip(*found, strict=True)
    return torch.stack(users_), torch.stack(powers)


def best(view: Spectrum, station: tuple[int, ...], units: int) -> float:
    """Largest value over all clusters and powers of a grid for an association."""
    own = [schedules(tuple(u for u in range(U) if station[u] == n), units) for n in range(N)]
    index = torch.cartesian_prod(*(torch.arange(len(user)) for user, _ in own))
    user = torch.stack([own[n][0][index[:, n]] for n in range(N)], 1)
    power = torch.stack([own[n][1][index[:, n]] for n in range(N)], 1)
    return float(value(view, user, power).max())


def test_the_strong_policy_against_exhaustive_search() -> None:
    """For every association one decision reaches 95% of the best grid point on average, whatever station has to be silent."""
    policy, naive = (
        MaxWeight("queue", margin=0.0, predict=False, rounds=2),
        MaxWeight("queue", power="equal", predict=False),
    )
    ratio, equal = [], []
    for seed in range(4):
        view = tiny(seed)
        for station in itertools.product(range(N), repeat=U):
            top = best(view, station, 5)
            for found, decides in ((ratio, policy), (equal, naive)):
                schedule = decides._schedule(view, torch.tensor([station]), view.gain)
                assert bool((schedule.power.sum((2, 3)) <= 1).all())
                found.append(float(value(view, schedule.user, schedule.power)) / top)
    mean = sum(ratio) / len(ratio)
    assert mean > 0.95 and min(ratio) > 0.5, (mean, min(ratio))
    assert mean > sum(equal) / len(equal) + 0.1


@pytest.mark.parametrize("residual", [0.0, 0.1])
def test_every_round_of_one_cell_is_an_ascent_and_keeps_the_budget(residual: float) -> None:
    """Where the order of decoding does not change, which it cannot in one cell, no round lowers the weighted sum."""
    generator = torch.Generator().manual_seed(1)
    gain = 10 ** (3 * torch.rand(5, 12, 1, 4, generator=generator, dtype=torch.float64) - 1)
    user = torch.arange(12).reshape(1, 1, 4, 3).expand(5, 1, 4, 3)
    gains = layer_gains(gain, user, torch.ones(5, 12, 4).double(), torch.ones(5, 1).double())
    weight = torch.rand(user.shape, generator=generator, dtype=torch.float64)
    power, last = torch.full(user.shape, 1 / 12, dtype=torch.float64), torch.zeros(5, dtype=torch.float64)
    for _ in range(40):
        now = (weight * gains.efficiency(power, sic_residual=residual)).sum((1, 2, 3))
        assert bool((now >= last * (1 - 1e-9)).all())
        power, last = layered_wmmse(gains, weight, power, 1, sic_residual=residual), now
        assert bool((power.sum((1, 2, 3)) <= 1 + 1e-12).all())


def test_interference_between_stations_against_loops() -> None:
    view = tiny(3)
    user = torch.tensor([[[[0, 1], [1, -1]], [[2, -1], [-1, 2]]]])
    gains = layer_gains(view.gain, user, view.noise_w, view.power_max_w)
    power = torch.rand(user.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * (user >= 0) / 4
    interference = gains.interference(power)
    for n, s, i in itertools.product(range(N), range(S), range(LAYERS)):
        u, other = int(user[0, n, s, i]), 1 - n
        if u >= 0:
            sent = float(power[0, other, s].sum() * view.power_max_w[0, other])
            assert float(interference[0, n, s, i]) == pytest.approx(1 + float(view.gain[0, u, other, s]) * sent)
            assert float(gains.own[0, n, s, i]) == pytest.approx(float(view.gain[0, u, n, s] * view.power_max_w[0, n]))


def test_a_round_against_announced_prices_is_a_round_of_wmmse() -> None:
    generator = torch.Generator().manual_seed(5)
    view = tiny(4)
    user = torch.tensor([0, 1, 2, 0, 1, 2, 2, -1]).reshape(1, N, S, LAYERS)
    gains = layer_gains(view.gain, user, view.noise_w, view.power_max_w)
    weight = torch.rand(user.shape, generator=generator, dtype=torch.float64) * (user >= 0)
    start = torch.rand(user.shape, generator=generator, dtype=torch.float64) / 4 * (user >= 0)
    interference = gains.interference(start)
    price = torch.zeros(1, N, S, dtype=torch.float64)
    for n, s, i in itertools.product(range(N), range(S), range(LAYERS)):
        own, quality = gains.own[0, n, s], gains.own[0, n, s] / interference[0, n, s]
        above = [j for j in range(LAYERS) if j != i and (quality[j], j) > (quality[i], -i)]
        other = interference[0, n, s, i] + own[i] * sum(float(start[0, n, s, j]) for j in above)
        signal = own[i] * start[0, n, s, i]
        for m in range(N):
            price[0, m, s] += gains.cross[0, n, s, i, m] * weight[0, n, s, i] * signal / (other * (other + signal))
    found = priced_wmmse(gains.own / interference, weight, price, start, 1)
    torch.testing.assert_close(found, layered_wmmse(gains, weight, start, 1))
    assert float(found.sum((2, 3)).max()) <= 1
    assert float(priced_wmmse(gains.own / interference, weight, 100 * price, start, 1).sum()) < float(found.sum())
