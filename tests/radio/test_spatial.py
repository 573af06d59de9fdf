"""Rates under precoders against loops, on dense, sparse, ragged and batched graphs; gradients; the optimal structure; cost."""

import dataclasses
import math
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, MOUNTED_ON, check, from_gain, links_of, preset
from hetgraph.graph.tracing import traced
from hetgraph.radio import Allocation, evaluate, rates_bps, violations
from hetgraph.radio.allocation import mean_antenna_power_w
from hetgraph.radio.complex_vectors import unit_norm
from hetgraph.radio.groups import groups_of
from hetgraph.radio.precoders import from_antennas
from hetgraph.radio.spatial import curvature, received, spatial_channel, structured_precoder
from hetgraph.solvers import max_rsrp_association, vector_wmmse

N, U, R, A = 4, 9, 3, 5
Record = Callable[[str, object], None]


def network(kind: str, seed: int = 0) -> tuple[HeteroData, Allocation]:
    """Random channels, precoders and groups; user 4 is not served, nor is user 5 on block 1."""
    g = torch.Generator().manual_seed(seed)
    h = torch.view_as_complex(torch.randn(U, N, A, R, 2, generator=g, dtype=torch.float64))
    width = torch.tensor([1.0, 3.0, 0.5], dtype=torch.float64)
    gain = h.abs().square().mean(2).transpose(0, 1)
    noise = 0.1 + torch.rand(U, R, generator=g, dtype=torch.float64)
    graph = from_gain(gain, noise_w=noise, power_max_w=30.0, rb_bandwidth_hz=width)
    owner = torch.arange(N).repeat_interleave(A)
    graph[MOUNTED_ON].edge_index = torch.stack([torch.arange(N * A), owner])
    graph["antenna"].offset, graph["antenna"].boresight = torch.zeros(N * A, 3).double(), torch.zeros(N * A, 2).double()
    graph["antenna"].num_nodes = N * A
    graph[CHANNEL].h = h.flatten(0, 1)
    if kind != "dense":
        bs, ue = graph[CHANNEL].edge_index
        mask = (bs - ue) % N < (2 if kind == "sparse" else 1 + ue % 3)
        for name, value in list(graph[CHANNEL].items()):
            graph[CHANNEL][name] = value[:, mask] if name == "edge_index" else value[mask]
        degree = torch.bincount(ue[mask], minlength=U)
        graph[CHANNEL].slot = torch.cat([torch.arange(int(d)) for d in degree])
        graph["ue"].far_interference_w = torch.rand(U, R, generator=g, dtype=torch.float64)
    check(graph)
    links = links_of(graph)
    serving = links.station_of(torch.zeros(U, dtype=torch.long) + (links.ue.bincount() > 1) * (torch.arange(U) % 2))
    serving[4] = -1
    group = torch.randint(2, (U, R), generator=g)
    group[4], group[5, 1] = -1, -1
    w = 0.3 * torch.view_as_complex(torch.randn(U, A, R, 2, generator=g, dtype=torch.float64))
    w = w * (group >= 0).unsqueeze(1)
    wish = Allocation(serving, torch.zeros(N, R, dtype=torch.float64), precoder=w, group=group)
    return graph, dataclasses.replace(wish, power_w=mean_antenna_power_w(wish).sum(1))


def rates_by_loops(graph: HeteroData, a: Allocation) -> list[float]:
    edges = graph[CHANNEL].edge_index.T.tolist()
    h = {(b, u): value for (b, u), value in zip(edges, graph[CHANNEL].h, strict=True)}
    far = graph["ue"].far_interference_w if "far_interference_w" in graph["ue"] else torch.zeros(U, R)
    assert a.precoder is not None and a.group is not None
    own, group = a.serving.tolist(), a.group.tolist()
    rates = []
    for u in range(U):
        rate = 0.0
        for r in range(R):
            if own[u] < 0 or group[u][r] < 0:
                continue
            turns = [len({group[v][r] for v in range(U) if own[v] == b and group[v][r] >= 0}) for b in range(N)]
            below = float(graph["ue"].noise_w[u, r] + far[u, r])
            signal = 0.0
            for v in range(U):
                if own[v] < 0 or group[v][r] < 0 or (own[v], u) not in h:
                    continue
                amplitude = sum(
                    complex(x).conjugate() * complex(y)
                    for x, y in zip(h[own[v], u][:, r], a.precoder[v, :, r], strict=True)
                )
                power = abs(amplitude) ** 2
                if v == u:
                    signal = power
                elif own[v] != own[u]:
                    below += power / turns[own[v]]
                elif group[v][r] == group[u][r]:
                    below += power
            rate += float(graph.rb_bandwidth_hz[0, r]) / turns[own[u]] * math.log2(1 + signal / below)
        rates.append(rate)
    return rates


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("kind", ["dense", "sparse", "ragged"])
def test_rates_equal_loops(kind: str, alone: bool) -> None:
    graph, allocation = network(kind)
    if alone:  # all users of a station at once
        allocation = dataclasses.replace(allocation, group=allocation.groups.clamp_max(0))
        power = mean_antenna_power_w(allocation).sum(1)
        allocation = dataclasses.replace(allocation, power_w=power)
    assert violations(graph, allocation) == []
    expected = rates_by_loops(graph, allocation)
    found = rates_bps(graph, allocation, "spatial")
    assert found[4] == 0 and (found > 0).sum() == U - 1
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=0)


@pytest.mark.parametrize("kind", ["dense", "sparse", "ragged"])
def test_a_batch_has_the_rates_of_its_networks(kind: str) -> None:
    parts = [network(kind, seed) for seed in (0, 10, 20)]
    fields = {name: [getattr(a, name) for _, a in parts] for name in ("serving", "power_w", "precoder", "group")}
    fields["serving"] = [torch.where(s >= 0, s + i * N, -1) for i, s in enumerate(fields["serving"])]
    batch = Batch.from_data_list([graph for graph, _ in parts])
    joined = Allocation(**{name: torch.cat(values) for name, values in fields.items()})
    expected = torch.cat([rates_bps(graph, a, "spatial") for graph, a in parts])
    torch.testing.assert_close(rates_bps(batch, joined, "spatial"), expected, rtol=1e-12, atol=0)
    assert violations(batch, joined) == [] and evaluate(batch, joined, "spatial").sum_rate_bps.shape == (3,)


@pytest.mark.parametrize("kind", ["dense", "ragged"])
def test_gradients_of_rates_equal_finite_differences(kind: str) -> None:
    graph, a = network(kind)

    def rates(w: Tensor) -> Tensor:
        return rates_bps(graph, dataclasses.replace(a, precoder=w), "spatial")

    assert a.precoder is not None
    assert torch.autograd.gradcheck(rates, (a.precoder.clone().requires_grad_(),), eps=1e-7, atol=1e-5)


@pytest.mark.parametrize("kind", ["dense", "ragged"])
def test_gradients_of_the_structure_equal_finite_differences(kind: str) -> None:
    graph, a = network(kind)
    channel = spatial_channel(graph, a.serving, a.groups)
    g = torch.Generator().manual_seed(1)
    sizes = (channel.rows.shape[:2], channel.own.shape[:2], channel.own.shape[:1], channel.own.shape[:2])
    inputs = tuple((0.1 + torch.rand(s, generator=g, dtype=torch.float64)).requires_grad_() for s in sizes)

    def value(rows: Tensor, own: Tensor, price: Tensor, power: Tensor) -> Tensor:
        streams = received(channel, structured_precoder(channel, rows, own, price, power))
        return torch.log1p(streams.signal / streams.other)

    assert torch.autograd.gradcheck(value, inputs, eps=1e-7, atol=1e-5)


def test_streams_without_power_and_empty_places_have_finite_gradients() -> None:
    graph, a = network("dense")
    channel = spatial_channel(graph, a.serving, a.groups)
    occupied = channel.groups.occupied
    assert not bool(occupied.all()), "the table must have empty places"
    own = (1.0 * occupied).requires_grad_()
    power = (0.5 * occupied * (torch.arange(occupied.shape[1]) > 0)).double().requires_grad_()
    price = torch.ones(len(occupied), dtype=torch.float64)
    rows = torch.ones_like(channel.foreign)
    streams = received(channel, structured_precoder(channel, rows, own.double(), price, power))
    torch.log1p(streams.signal / streams.other).sum().backward()
    for value in (own, power):
        assert value.grad is not None and bool(torch.isfinite(value.grad).all())


def test_the_structure_contains_the_precoders_of_wmmse() -> None:
    """At a stationary point lambda are the weighted errors, mu the price: the directions are those of the solver."""
    graph, a = network("dense", 3)
    everyone = torch.where(a.serving >= 0, 0, -1).unsqueeze(1).expand(-1, R)
    best = vector_wmmse(graph, a.serving, group=everyone, iterations=3000, budget="per_rb")
    channel = spatial_channel(graph, a.serving, everyone)
    assert best.precoder is not None
    w = from_antennas(channel, best.precoder)
    streams = received(channel, w)
    band = channel.groups.gather(graph.rb_bandwidth_hz.expand(U, -1))
    own = band * streams.signal / ((streams.signal + streams.other) * streams.other)
    rows = channel.to_others(own)
    # The price follows from the strongest stream: its direction's part along the channel.
    power = w.abs().square().sum(2)
    pull = (band * streams.amplitude / streams.other).unsqueeze(2) * channel.own
    total = curvature(channel, rows, own)
    missing = pull - w @ total.mT  # = mu w
    price = ((missing.conj() * w).real.sum((1, 2)) / power.sum(1).clamp_min(1e-30)).clamp_min(1e-12)
    found = structured_precoder(channel, rows, own, price, power)
    cosine = (unit_norm(found).conj() * unit_norm(w)).sum(2).abs()
    served = power > 1e-3
    assert int(served.sum()) > 8 and float(cosine[served].min()) > 1 - 1e-4


def test_a_spatial_rate_needs_precoders_and_channels() -> None:
    graph, a = network("dense")
    with pytest.raises(ValueError, match=r"allocation.precoder: got None, expected \[U, Amax, R\]"):
        rates_bps(graph, dataclasses.replace(a, precoder=None), "spatial")
    assert violations(graph, dataclasses.replace(a, power_w=a.power_w * 0.5)) != []
    graph["bs"].antenna_power_max_w = torch.full((N, A), 1e-3, dtype=torch.float64)
    assert violations(graph, a) == [
        "allocation.precoder: got more than antenna_power_max_w at an antenna, expected at most that"
    ]
    del graph["bs"].antenna_power_max_w, graph[CHANNEL].h
    with pytest.raises(ValueError, match="h: got nothing"):
        rates_bps(graph, a, "spatial")


def test_cost_is_at_most_linear_in_antennas(record_property: Record) -> None:
    seconds = {}
    for antennas in (4, 128):
        batch = preset(f"mimo-7:antennas={antennas}").sample(2, seed=1)
        serving = max_rsrp_association(batch)
        vector_wmmse(batch, serving, iterations=1)
        start = time.perf_counter()
        vector_wmmse(batch, serving, iterations=5)
        seconds[antennas] = time.perf_counter() - start
    assert seconds[128] < 32 * 1.5 * seconds[4]
    record_property("seconds of five rounds by antennas", seconds)


@pytest.mark.parametrize("seed", range(3))
def test_groups_of_programs_are_the_same(seed: int) -> None:
    _, allocation = network("sparse", seed)
    wanted = groups_of(allocation.groups, allocation.serving)
    with traced():
        found = groups_of(allocation.groups, allocation.serving)
    for name, value in vars(wanted).items():
        assert torch.equal(getattr(found, name), value), name


@pytest.mark.parametrize("users", [[3], []])
def test_groups_of_programs_are_empty_beyond_those_there_are(users: list[int]) -> None:
    serving, group = torch.full((U,), -1), torch.zeros(U, 1, dtype=torch.long)
    serving[users] = 2
    wanted = groups_of(group, serving)
    with traced():
        found = groups_of(group, serving)
    assert found.members.shape == (2, 2) and int(found.occupied.sum()) == len(users)
    assert found.share.tolist() == [1.0, 0.0] if users else not bool(found.share.any())
    stream = torch.rand(U, 1)
    assert torch.equal(found.scatter(found.gather(stream)), wanted.scatter(wanted.gather(stream)))
