"""Every rate convention against a loop over users, stations and blocks, on dense, sparse, ragged and batched graphs."""

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, CONFLICTS, check, from_gain, links_of
from hetgraph.radio import Allocation, Convention, edge_sinr, evaluate, feasible, rates_bps

N, U, R = 4, 9, 3
CONVENTIONS: tuple[Convention, ...] = ("equal_airtime", "scheduled", "full", "superposed", "collision")


def random(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def keep(graph: HeteroData, kept: Callable[[int, int], bool]) -> HeteroData:
    """The graph with some of its edges alone; the power of the other stations, at full load, becomes far interference."""
    bs, ue = graph[CHANNEL].edge_index
    mask = torch.tensor([kept(b, u) for b, u in graph[CHANNEL].edge_index.T.tolist()])
    far = graph[CHANNEL].gain * graph["bs"].rb_power_max_w[bs] * (~mask).unsqueeze(1)
    out = graph.clone()
    out["ue"].far_interference_w = torch.zeros(U, R, dtype=far.dtype).index_add(0, ue, far)
    for name, value in graph[CHANNEL].items():
        out[CHANNEL][name] = value[:, mask] if name == "edge_index" else value[mask]
    degree = torch.bincount(ue[mask], minlength=U)
    out[CHANNEL].slot = torch.cat([torch.arange(int(d)) for d in degree])
    check(out)
    return out


def network(kind: str, seed: int = 0) -> tuple[HeteroData, Allocation]:
    """A graph with random gains, powers, layers, airtimes and conflicts; user 4 is not served."""
    width = torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64)
    gain = 10 ** (4 * random(N, U, R, seed=seed) - 2)
    graph = from_gain(gain, noise_w=0.1 + random(U, R, seed=seed + 1), power_max_w=3.0, rb_bandwidth_hz=width)
    if kind != "dense":
        graph = keep(graph, lambda b, u: (b - u) % N < (2 if kind == "sparse" else 1 + u % 3))
    links = links_of(graph)
    serving = links.station_of(torch.zeros(U, dtype=torch.long) + (links.ue.bincount() > 1) * (torch.arange(U) % 2))
    serving[4] = -1
    graph[CONFLICTS].edge_index = torch.tensor([[0, 1, 3, 7, 4], [1, 0, 2, 8, 5]])
    layer = 0.1 * random(U, R, seed=seed + 2) * (serving >= 0).unsqueeze(1)
    power = torch.zeros(N, R, dtype=torch.float64).index_add(0, serving.clamp_min(0), layer)
    airtime = (random(U, R, seed=seed + 3) > 0.4) / links.users_per_bs(serving).clamp_min(1)[serving].unsqueeze(1)
    return graph, Allocation(serving, power, airtime.double(), layer)


def of(convention: Convention, a: Allocation) -> Allocation:
    """The fields that a convention needs."""
    return Allocation(
        a.serving,
        a.power_w,
        a.airtime if convention in ("scheduled", "collision") else None,
        a.layer_power_w if convention == "superposed" else None,
    )


def rates_by_loops(graph: HeteroData, a: Allocation, convention: str) -> list[float]:
    """Equations 9 and 10 user by user."""
    gain = {
        (b, u): g for (b, u), g in zip(graph[CHANNEL].edge_index.T.tolist(), graph[CHANNEL].gain.tolist(), strict=True)
    }
    noise, power, serving = graph["ue"].noise_w.tolist(), a.power_w.tolist(), a.serving.tolist()
    far = graph["ue"].far_interference_w.tolist() if "far_interference_w" in graph["ue"] else [[0.0] * R] * U
    conflicts = graph[CONFLICTS].edge_index.T.tolist()

    def floor(u: int, r: int) -> float:
        other = sum(gain[b, u][r] * power[b][r] for b in range(N) if (b, u) in gain and b != serving[u])
        return float(noise[u][r] + far[u][r] + other)

    rates = []
    for u in range(U):
        rate, b = 0.0, serving[u]
        for r in range(R) if b >= 0 else ():
            cell = [v for v in range(U) if serving[v] == b]
            signal, below = gain[b, u][r] * power[b][r], floor(u, r)
            share = {"equal_airtime": 1 / len(cell), "full": 1.0, "superposed": 1.0}.get(convention)
            if share is None:
                assert a.airtime is not None
                share = float(a.airtime[u, r])
                if convention == "collision" and any(t == u and a.airtime[s, r] > 0 for s, t in conflicts):
                    share = 0.0
            if convention == "superposed":
                assert a.layer_power_w is not None
                layer = a.layer_power_w.tolist()
                quality = {v: gain[b, v][r] / floor(v, r) for v in cell}
                below += gain[b, u][r] * sum(layer[v][r] for v in cell if quality[v] > quality[u])
                signal = gain[b, u][r] * layer[u][r]
            rate += share * float(graph.rb_bandwidth_hz[0, r]) * math.log2(1 + signal / below)
        rates.append(rate)
    return rates


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("kind", ["dense", "sparse", "ragged"])
def test_rates_equal_loops(kind: str, convention: Convention) -> None:
    graph, allocation = network(kind)
    assert feasible(graph, of(convention, allocation))
    expected = rates_by_loops(graph, allocation, convention)
    found = rates_bps(graph, of(convention, allocation), convention)
    assert found[4] == 0 and (found > 0).sum() >= 3
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def joined(*parts: tuple[HeteroData, Allocation]) -> tuple[HeteroData, Allocation]:
    """Networks in one batch, with their allocations."""
    fields = {f.name: [getattr(a, f.name) for _, a in parts] for f in dataclasses.fields(Allocation)}
    fields["serving"] = [torch.where(s >= 0, s + i * N, -1) for i, s in enumerate(fields["serving"])]
    return Batch.from_data_list([graph for graph, _ in parts]), Allocation(
        **{k: torch.cat(v) for k, v in fields.items() if v[0] is not None}
    )


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("kind", ["dense", "sparse", "ragged"])
def test_a_batch_has_the_rates_of_its_networks(kind: str, convention: Convention) -> None:
    parts = [network(kind, seed) for seed in (0, 10, 20)]
    graph, allocation = joined(*parts)
    assert feasible(graph, of(convention, allocation))
    expected = torch.cat([rates_bps(g, of(convention, a), convention) for g, a in parts])
    torch.testing.assert_close(rates_bps(graph, of(convention, allocation), convention), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("changed", [0, 2])
@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("kind", ["dense", "sparse", "ragged"])
def test_another_networks_change_leaves_every_bit(kind: str, convention: Convention, changed: int) -> None:
    """In float32, where rounding would show."""

    def single(parts: tuple[tuple[HeteroData, Allocation], ...]) -> tuple[HeteroData, Allocation]:
        graph, a = joined(*parts)
        for store in (graph["bs"], graph["ue"], graph[CHANNEL], graph._global_store):
            for name, value in store.items():
                if torch.is_tensor(value) and value.is_floating_point():
                    store[name] = value.float()
        assert a.airtime is not None and a.layer_power_w is not None
        return graph, Allocation(a.serving, a.power_w.float(), a.airtime.float(), a.layer_power_w.float())

    parts = [network(kind, seed) for seed in (0, 10, 20)]
    graph, other = network(kind, 30)
    assert other.layer_power_w is not None
    parts_after = list(parts)
    parts_after[changed] = (
        graph,
        dataclasses.replace(other, layer_power_w=other.layer_power_w * 7, power_w=other.power_w * 7),
    )
    before, after = single(tuple(parts)), single(tuple(parts_after))
    first = evaluate(before[0], of(convention, before[1]), convention)
    second = evaluate(after[0], of(convention, after[1]), convention)
    same = torch.arange(3) != changed
    for field in dataclasses.fields(first):
        a, b = (getattr(k, field.name).reshape(3, -1) for k in (first, second))
        assert torch.equal(a[same], b[same]), field.name
    assert not torch.equal(first.sum_rate_bps, second.sum_rate_bps)


@pytest.mark.parametrize("kind", ["dense", "sparse", "ragged"])
def test_sinr_of_every_edge_is_that_of_serving_over_it(kind: str) -> None:
    graph, a = network(kind)
    links = links_of(graph)
    every = links.flat(edge_sinr(graph, a.power_w))
    for slot in range(int(links.ue.bincount().max())):
        has = links.ue.bincount() > slot
        serving = links.station_of(torch.where(has, slot, -1))
        rate = rates_bps(graph, Allocation(serving, a.power_w), "full")
        width = graph.rb_bandwidth_hz[0]
        expected = (torch.log2(1 + every[(links.first_edge + slot)[has]]) * width).sum(1)
        torch.testing.assert_close(rate[has], expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("kind", ["dense", "ragged"])
def test_gradients_equal_finite_differences(kind: str, convention: Convention) -> None:
    graph, a = network(kind)
    assert a.airtime is not None and a.layer_power_w is not None
    inputs = tuple(v.clone().requires_grad_() for v in (a.power_w, a.layer_power_w + 0.01, a.airtime + 0.01))

    def rates(power: Tensor, layer: Tensor, airtime: Tensor) -> Tensor:
        return rates_bps(graph, of(convention, Allocation(a.serving, power, airtime, layer)), convention)

    assert torch.autograd.gradcheck(rates, inputs, eps=1e-7, atol=1e-5)


def test_sic_orders_ties_by_user_and_never_beats_the_whole_power() -> None:
    """A cell alone: layers in equal conditions share the rate of their summed power, whatever the split."""
    graph = from_gain(torch.full((1, 4, 2), 2.0, dtype=torch.float64), noise_w=0.5, power_max_w=4.0)
    layer = random(4, 2, seed=3)
    serving = torch.zeros(4, dtype=torch.long)
    together = Allocation(serving, layer.sum(0, keepdim=True), layer_power_w=layer)
    one = Allocation(torch.tensor([0, -1, -1, -1]), layer.sum(0, keepdim=True))
    total = rates_bps(graph, together, "superposed").sum()
    torch.testing.assert_close(total, rates_bps(graph, one, "full").sum(), rtol=1e-12, atol=0)
