"""Interference against plain loops in double precision, where one's own signal is 1e9 times that of all others."""

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, from_gain
from hetgraph.graph.links import links_of
from hetgraph.graph.sums_of_others import sum_of_other_edges, sum_of_others
from hetgraph.radio import edge_sinr
from hetgraph.radio.interference import signal_and_interference
from hetgraph.radio.relaxed import channels_of, edge_rates, pull, utility

STRONG = 1e9  # own signal over the others'


def loop_over_others(value: Tensor) -> Tensor:
    """Sum of the others along the second dimension of ``[M, n, R]``, in double precision."""
    out = torch.zeros(value.shape, dtype=torch.float64)
    for i in range(value.shape[1]):
        for j in range(value.shape[1]):
            if j != i:
                out[:, i] += value[:, j].double()
    return out


def received(rows: int, count: int, blocks: int, seed: int = 0) -> Tensor:
    """Powers of which one in each row is :data:`STRONG` times the others."""
    g = torch.Generator().manual_seed(seed)
    value = torch.rand(rows, count, blocks, generator=g) + 0.1
    strongest = torch.randint(count, (rows, 1, blocks), generator=g)
    return value.scatter(1, strongest, STRONG * value.gather(1, strongest))


@pytest.mark.parametrize("count", [1, 2, 5, 21, 64, 65, 300])
def test_sums_keep_what_is_small_beside_ones_own(count: int) -> None:
    value = received(40, count, 3)
    expected = loop_over_others(value)
    for found in (sum_of_others(value, 1), sum_of_others(value.transpose(1, 2), -1).transpose(1, 2)):
        assert found.dtype == torch.float32
        torch.testing.assert_close(found.double(), expected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("count", [5, 80])
def test_gradients_keep_what_is_small_too(count: int) -> None:
    """The gradient of a sum over others is a sum over others of what comes back."""
    value = torch.rand(30, count, 2).requires_grad_()
    back = received(30, count, 2, seed=1)
    (found,) = torch.autograd.grad(sum_of_others(value, 1), value, back)
    torch.testing.assert_close(found.double(), loop_over_others(back), rtol=1e-6, atol=0)


def graphs(kind: str, dtype: torch.dtype) -> HeteroData:
    """Two networks in which every user has a station that it hears :data:`STRONG` times as well as the others."""
    gain = received(6, 4, 2).transpose(0, 1)  # [N, U, R]
    made = []
    for shift in (0, 1):
        graph = from_gain(gain.roll(shift, 1).to(dtype), noise_w=1e-9, power_max_w=1.0)
        if kind != "dense":  # three candidates each; of the ragged ones, the first user has two
            drop = graph[CHANNEL].slot == 3
            drop |= (graph[CHANNEL].edge_index[1] == 0) & (graph[CHANNEL].slot == 2) & (kind == "ragged")
            for name in ("gain", "slot"):
                graph[CHANNEL][name] = graph[CHANNEL][name][~drop]
            graph[CHANNEL].edge_index = graph[CHANNEL].edge_index[:, ~drop]
        made.append(graph)
    return Batch.from_data_list(made)


def loop_over_edges(value: Tensor, ue: Tensor) -> Tensor:
    """Sum over the other edges of each edge's user ``[E, R]``."""
    out = torch.zeros(value.shape, dtype=torch.float64)
    for e, user in enumerate(ue.tolist()):
        for other, its in enumerate(ue.tolist()):
            if other != e and its == user:
                out[e] += value[other].double()
    return out


@pytest.mark.parametrize("kind", ["dense", "constant", "ragged"])
def test_sinr_and_relaxed_rates_of_edges_against_loops_in_double(kind: str) -> None:
    graph = graphs(kind, torch.float32)
    links = links_of(graph)
    assert links.dense == (kind == "dense") and (links.degree is None) == (kind == "ragged")
    power = 0.5 + torch.rand(8, 2)
    own = graph[CHANNEL].gain * power[links.bs]
    expected = loop_over_edges(own, links.ue)
    others = links.flat(sum_of_other_edges(links.lift(own), links))
    torch.testing.assert_close(others.double(), expected, rtol=1e-6, atol=0)
    found = links.flat(edge_sinr(graph, power)).double()
    torch.testing.assert_close(found, own.double() / (expected + 1e-9), rtol=1e-6, atol=0)
    rates = edge_rates(channels_of(graph, links), links, power)
    efficiency = (own.double() / (expected + 1e-9)).log1p().mean(1) / torch.log(torch.tensor(2.0))
    torch.testing.assert_close(links.flat(rates.rate).double(), efficiency, rtol=2e-6, atol=0)


@pytest.mark.parametrize("kind", ["dense", "constant", "ragged"])
def test_relaxed_derivatives_are_finite_and_those_of_double_precision(kind: str) -> None:
    found = []
    for dtype in (torch.float32, torch.float64):
        graph = graphs(kind, dtype)
        links = links_of(graph)
        g = torch.Generator().manual_seed(5)
        fraction = (0.5 + torch.rand(8, 2, generator=g)).to(dtype).requires_grad_()
        channels = channels_of(graph, links)
        rates = edge_rates(channels, links, fraction)
        association = links.softmax(rates.rate).detach()
        (gradient,) = torch.autograd.grad(utility(rates, association, links).sum(), fraction)
        with torch.no_grad():
            own, harm, _ = pull(rates, association, channels, links)
        assert bool(gradient.isfinite().all()) and bool((harm >= 0).all())
        # The derivative by the logarithm of the power is the own gain less the harm.
        difference = fraction.detach() * gradient - (own - harm)
        assert float((difference / (own + harm).clamp_min(1e-30)).abs().max()) < 1e-5
        found.append((own.double(), harm.double()))
    for single, double in zip(*found, strict=True):
        torch.testing.assert_close(single, double, rtol=2e-5, atol=0)


def test_signal_and_interference_against_a_loop_in_double() -> None:
    gain = received(7, 12, 5).transpose(1, 2).contiguous()  # [M, U, N]
    own, power = gain.argmax(2), torch.rand(7, 12) + 0.5
    noise = torch.full((7, 1), 1e-6)
    signal, interference = signal_and_interference(gain, power, own, noise)
    for m in range(7):
        for u in range(5):
            parts = gain[m, u].double() * power[m].double()
            mine = int(own[m, u])
            assert float(signal[m, u]) == pytest.approx(float(parts[mine]), rel=1e-6)
            other = sum(float(parts[n]) for n in range(12) if n != mine) + 1e-6
            assert float(interference[m, u]) == pytest.approx(other, rel=1e-6)
    gain.requires_grad_()
    (gradient,) = torch.autograd.grad(signal_and_interference(gain, power, own, noise)[1].sum(), gain)
    expected = power.unsqueeze(1).expand(7, 5, 12).scatter(2, own.unsqueeze(2), 0)
    torch.testing.assert_close(gradient, expected)
