"""Vector WMMSE: ascent at every round, an oracle of loops, the scalar solver, sparse layouts, batches, permutations, budgets."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, MOUNTED_ON, from_gain, links_of, preset
from hetgraph.radio import evaluate, rates_bps, violations
from hetgraph.radio import spatial as spatial_module
from hetgraph.solvers import (
    groups_by_gain,
    max_rsrp_association,
    vector_wmmse,
    vector_wmmse_pf,
    vector_wmmse_steps,
    wmmse_steps,
)

Record = Callable[[str, object], None]
Complex = NDArray[np.complex128]


def instance(seed: int, sizes: tuple[int, int, int, int], strength: float) -> tuple[HeteroData, Tensor, Tensor, Tensor]:
    """Random network of ``(stations, users, blocks, antennas)``, association, groups of two or three at most, weights."""
    stations, users, blocks, antennas = sizes
    g = torch.Generator().manual_seed(seed)
    shape = (users * stations, antennas, blocks)
    h = torch.view_as_complex(torch.randn(*shape, 2, generator=g, dtype=torch.float64))
    h = h * (torch.rand(users * stations, 1, 1, generator=g, dtype=torch.float64) ** 3 * strength).sqrt()
    band = torch.rand(blocks, generator=g, dtype=torch.float64) + 0.5
    gain = h.abs().square().mean(1).reshape(users, stations, blocks).transpose(0, 1)
    graph = from_gain(gain, noise_w=0.1, power_max_w=2.0, rb_bandwidth_hz=band)
    with_antennas(graph, h, stations, antennas)
    serving = torch.randint(stations, (users,), generator=g)
    graph.layers = torch.tensor([2 + seed % 2])
    weights = torch.rand(users, generator=g, dtype=torch.float64) + 0.1
    return graph, serving, groups_by_gain(graph, serving), weights


def with_antennas(graph: HeteroData, h: Tensor, stations: int, antennas: int) -> None:
    graph[CHANNEL].h = h
    owner = torch.arange(stations).repeat_interleave(antennas)
    graph[MOUNTED_ON].edge_index = torch.stack([torch.arange(len(owner)), owner])
    graph["antenna"].offset = h.real.new_zeros(len(owner), 3)
    graph["antenna"].boresight = h.real.new_zeros(len(owner), 2)
    graph["antenna"].num_nodes = len(owner)


def oracle(
    graph: HeteroData, serving: Tensor, group: Tensor, weights: Tensor, start: Tensor, rounds: int, *, per_rb: bool
) -> Complex:
    """WMMSE precoding with loops and bisection, from its definition: precoders ``[U, A, R]`` in the root of W."""
    users, antennas, blocks = start.shape
    stations, limit, noise = len(graph["bs"].power_max_w), 2.0, 0.1
    h = graph[CHANNEL].h.reshape(users, stations, antennas, blocks).numpy()
    band, weight = graph.rb_bandwidth_hz[0].tolist(), weights.tolist()
    own, turn = serving.tolist(), group.tolist()
    w = start.numpy().copy()
    turns = [[len({turn[u][r] for u in range(users) if own[u] == b}) for r in range(blocks)] for b in range(stations)]
    for _ in range(rounds):
        c, e = np.zeros((users, blocks), complex), np.zeros((users, blocks))
        for u in range(users):
            for r in range(blocks):
                total = noise
                for v in range(users):
                    power = abs(np.vdot(h[u, own[v], :, r], w[v, :, r])) ** 2
                    if own[v] != own[u]:
                        total += power / turns[own[v]][r]
                    elif turn[v][r] == turn[u][r]:
                        total += power
                amplitude = np.vdot(h[u, own[u], :, r], w[u, :, r])
                c[u, r] = np.conj(amplitude) / total  # receiver
                e[u, r] = 1 / (1 - abs(amplitude) ** 2 / total)  # weight of the error
        new = np.zeros_like(w)
        for b in range(stations):
            parts = []
            for r in range(blocks):
                for q in range(turns[b][r]):
                    members = [u for u in range(users) if own[u] == b and turn[u][r] == q]
                    matrix = np.zeros((antennas, antennas), complex)
                    for u in range(users):
                        alpha = weight[u] * band[r] / turns[own[u]][r]
                        factor = turns[b][r] if u in members else float(own[u] != b)
                        vector = h[u, b, :, r]
                        matrix += factor * alpha * e[u, r] * abs(c[u, r]) ** 2 * np.outer(vector, vector.conj())
                    for u in members:
                        pull = weight[u] * band[r] * e[u, r] * np.conj(c[u, r]) * h[u, b, :, r]
                        parts.append((u, r, matrix, pull))

            def answer(price: float, some: list[tuple[int, int, Complex, Complex]]) -> list[Complex]:
                if price == 0:  # the least of many solutions where users are fewer than antennas
                    return [np.linalg.lstsq(m, p, rcond=1e-12)[0] for _, _, m, p in some]
                return [np.linalg.solve(m + price * np.eye(antennas), p) for _, _, m, p in some]

            pools = [[p for p in parts if p[1] == r] for r in range(blocks)] if per_rb else [parts]
            for pool in pools:
                bound = limit / blocks if per_rb else limit

                def power_of(price: float, pool: list[tuple[int, int, Complex, Complex]] = pool, b: int = b) -> float:
                    both = zip(answer(price, pool), pool, strict=True)
                    return sum(float(np.vdot(x, x).real) / turns[b][p[1]] for x, p in both)

                low, high = 0.0, 1e9
                if power_of(0.0) <= bound:
                    high = 0.0
                for _ in range(200 if high > 1 else 0):
                    middle = (low + high) / 2
                    low, high = (middle, high) if power_of(middle) > bound else (low, middle)
                for x, (u, r, _, _) in zip(answer(high, pool), pool, strict=True):
                    new[u, :, r] = x
        w = new
    return w


@pytest.mark.parametrize("budget", ["total", "per_rb"])
def test_agrees_with_an_oracle_of_loops_on_50_instances(budget: str, record_property: Record) -> None:
    apart, interior = 0.0, 0
    for seed in range(25):
        strength = (0.02, 0.3, 3.0, 40.0, 300.0)[seed % 5]
        sizes = (2 + seed % 2, 4 + seed % 3, 1 + seed % 3, 1 + seed % 4)
        graph, serving, group, weights = instance(seed, sizes, strength)
        options = {"group": group, "weights": weights, "budget": budget, "init": "mrt"}
        start = vector_wmmse(graph, serving, iterations=0, **options).precoder  # type: ignore[arg-type]
        result = vector_wmmse(graph, serving, iterations=8, **options)  # type: ignore[arg-type]
        assert start is not None and result.precoder is not None
        expected = torch.from_numpy(oracle(graph, serving, group, weights, start, 8, per_rb=budget == "per_rb"))
        torch.testing.assert_close(result.precoder, expected, rtol=1e-6, atol=1e-6)
        apart = max(apart, float((result.precoder - expected).abs().max()))
        interior += int(((result.power_w.sum(1) > 0.01) & (result.power_w.sum(1) < 1.99)).sum())
    assert interior > 1, "the instances must include stations below their budget"
    record_property("largest difference of precoders whose square is at most 2 W", apart)


@pytest.mark.parametrize("init", ["mrt", "zf", "slnr"])
@pytest.mark.parametrize("budget", ["total", "per_rb"])
def test_never_descends_and_stays_feasible(init: str, budget: str, record_property: Record) -> None:
    least = torch.inf
    for seed in range(6):
        graph, serving, group, weights = instance(seed, (3, 7, 3, 4), (0.1, 30.0, 500.0)[seed % 3])
        last = torch.tensor([-torch.inf], dtype=torch.float64)
        steps = vector_wmmse_steps(
            graph,
            serving,
            group=group,
            weights=weights,
            iterations=40,
            budget=budget,
            init=init,  # type: ignore[arg-type]
        )
        for objective, allocation in steps:
            if bool(torch.isfinite(last).all()):
                least = min(least, float((objective / last - 1).min()))
            assert violations(graph, allocation) == []
            rate = rates_bps(graph, allocation, "spatial")
            torch.testing.assert_close((rate * weights).sum().reshape(1), objective)
            last = objective
    assert least > -1e-12
    record_property("least relative ascent of a round", least)


def test_presets_in_float32_never_descend_beyond_its_rounding() -> None:
    batch = preset("mimo-7").sample(4, seed=1)
    values = torch.stack([v for v, _ in vector_wmmse_steps(batch, max_rsrp_association(batch), iterations=60)])
    assert bool((values.diff(dim=0) > -1e-6 * values[:-1]).all()) and bool((values[-1] > 1.05 * values[0]).all())


def test_one_antenna_is_the_scalar_solver() -> None:
    """Groups of one user take turns with powers of their own: the scalar solver's mode per link."""
    for seed in range(5):
        graph, serving, _, weights = instance(seed, (3, 7, 2, 1), (0.3, 3.0, 40.0)[seed % 3])
        graph.layers = torch.tensor([1])
        group = groups_by_gain(graph, serving)
        options = {"weights": weights, "iterations": 30}
        vector = list(vector_wmmse_steps(graph, serving, group=group, init="mrt", **options))  # type: ignore[arg-type]
        scalar = list(wmmse_steps(graph, serving, mode="per_link", **options))  # type: ignore[arg-type]
        for (one, _), (other, _) in zip(vector, scalar, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-6, atol=0)
        torch.testing.assert_close(vector[-1][1].power_w, scalar[-1][1].power_w, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("antennas", [3, 12])
def test_sparse_and_dense_layouts_agree(antennas: int, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, serving, group, weights = instance(3, (4, 9, 2, antennas), 5.0)
    batch = Batch.from_data_list([graph, graph])
    serving, group, weights = torch.cat([serving, serving + 4]), torch.cat([group, group]), weights.repeat(2)
    dense = vector_wmmse(batch, serving, group=group, weights=weights, iterations=15).precoder
    for degree in (4, None):
        monkeypatch.setattr(
            spatial_module, "links_of", lambda g, d=degree: dataclasses.replace(links_of(g), dense=False, degree=d)
        )
        sparse = vector_wmmse(batch, serving, group=group, weights=weights, iterations=15).precoder
        torch.testing.assert_close(sparse, dense, rtol=1e-8, atol=1e-10)


def test_a_batch_equals_its_singles() -> None:
    graphs = [instance(seed, (3, 7, 2, 4), (0.3, 300.0)[seed % 2]) for seed in range(4)]
    batch = Batch.from_data_list([graph for graph, *_ in graphs])
    serving = torch.cat([3 * i + parts[1] for i, parts in enumerate(graphs)])
    group = groups_by_gain(batch, serving)
    together = vector_wmmse(batch, serving, group=group, iterations=20)
    for i, (graph, own, turn, _) in enumerate(graphs):
        assert torch.equal(group[7 * i : 7 * i + 7], turn)
        alone = vector_wmmse(graph, own, group=turn, iterations=20)
        assert alone.precoder is not None and together.precoder is not None
        torch.testing.assert_close(together.precoder[7 * i : 7 * i + 7], alone.precoder, rtol=1e-8, atol=1e-8)


def test_permutations_of_users_stations_antennas_and_blocks_permute_the_answer() -> None:
    graph, serving, group, weights = instance(5, (3, 7, 3, 4), 30.0)
    g = torch.Generator().manual_seed(1)
    user, station, antenna, block = (torch.randperm(size, generator=g) for size in (7, 3, 4, 3))
    h = graph[CHANNEL].h.reshape(7, 3, 4, 3)[user][:, station][:, :, antenna][..., block]
    gain = graph[CHANNEL].gain.reshape(7, 3, 3)[user][:, station][..., block]
    band = graph.rb_bandwidth_hz[0, block]
    other = from_gain(gain.transpose(0, 1), noise_w=0.1, power_max_w=2.0, rb_bandwidth_hz=band)
    with_antennas(other, h.reshape(21, 4, 3), 3, 4)
    one = vector_wmmse(graph, serving, group=group, weights=weights, iterations=20).precoder
    place = torch.argsort(station)
    moved = vector_wmmse(
        other, place[serving[user]], group=group[user][:, block], weights=weights[user], iterations=20
    ).precoder
    assert one is not None and moved is not None
    torch.testing.assert_close(moved, one[user][:, antenna][..., block], rtol=1e-7, atol=1e-8)


def test_budgets_of_antennas_and_blocks_hold_and_never_descend() -> None:
    for seed in range(4):
        graph, serving, group, weights = instance(seed, (3, 7, 3, 4), (0.3, 30.0)[seed % 2])
        graph["bs"].antenna_power_max_w = torch.full((3, 4), 0.6, dtype=torch.float64)
        graph["bs"].rb_power_max_w = torch.full((3, 3), 0.9, dtype=torch.float64)
        values = []
        for value, allocation in vector_wmmse_steps(graph, serving, group=group, weights=weights, iterations=150):
            assert violations(graph, allocation, tolerance=1e-9) == []
            values.append(value)
        rises = torch.stack(values).diff(dim=0)
        assert bool((rises > -1e-9 * values[-1]).all())
        free = graph.clone()
        del free["bs"].antenna_power_max_w
        free["bs"].rb_power_max_w = torch.full((3, 3), 2.0, dtype=torch.float64)
        without = list(vector_wmmse_steps(free, serving, group=group, weights=weights, iterations=150))[-1][0]
        assert 0.5 * without < values[-1] < 1.02 * without


def test_loose_budgets_of_antennas_change_nothing() -> None:
    graph, serving, group, weights = instance(2, (3, 7, 2, 4), 30.0)
    free = list(vector_wmmse_steps(graph, serving, group=group, weights=weights, iterations=200))[-1][0]
    graph["bs"].antenna_power_max_w = torch.full((3, 4), 2.0, dtype=torch.float64)
    loose = list(vector_wmmse_steps(graph, serving, group=group, weights=weights, iterations=200))[-1][0]
    torch.testing.assert_close(loose, free, rtol=1e-3, atol=0)


def test_proportional_fairness_never_descends_and_beats_the_sum_rate() -> None:
    batch = preset("mimo-7").sample(2, seed=3)
    serving = max_rsrp_association(batch)
    group = groups_by_gain(batch, serving)
    fair, trace = vector_wmmse_pf(batch, serving, group=group, iterations=30)
    assert bool((trace.utility.diff(dim=0) >= 0).all())
    most = vector_wmmse(batch, serving, group=group, iterations=30)
    fair_kpis, most_kpis = evaluate(batch, fair, "spatial"), evaluate(batch, most, "spatial")
    assert bool((fair_kpis.pf_utility > most_kpis.pf_utility + 0.1).all())
    assert bool((fair_kpis.sum_rate_bps < most_kpis.sum_rate_bps).all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": "some"}, "budget: got 'some', expected one of total, per_rb"),
        ({"init": "best"}, "init: got 'best', expected one of mrt, zf, rzf, slnr"),
        ({"weights": torch.ones(3)}, r"weights: got shape \(3,\), expected \(7,\)"),
        ({"weights": -torch.ones(7)}, "weights: got -1, expected no negative weights"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    graph, serving, group, _ = instance(0, (3, 7, 2, 2), 1.0)
    with pytest.raises(ValueError, match=message):
        vector_wmmse(graph, serving, group=group, **options)  # type: ignore[arg-type]
    del graph[CHANNEL].h
    with pytest.raises(ValueError, match="h: got nothing, expected channels of antennas"):
        vector_wmmse(graph, serving, group=group)
