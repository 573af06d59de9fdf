"""WMMSE: ascent at every iteration, a plain-Python oracle, the exhaustive optimum, both layouts, both modes."""

import dataclasses
import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, from_gain, interference_k, links_of, preset
from hetgraph.radio import Allocation, evaluate, feasible, violations
from hetgraph.solvers import (
    exhaustive,
    fractional_programming,
    max_rsrp_association,
    wmmse,
    wmmse_alpha_fair,
    wmmse_steps,
)
from hetgraph.solvers import kernel as kernel_module

Record = Callable[[str, object], None]


def instance(seed: int, stations: int, users: int, blocks: int, strength: float) -> tuple[HeteroData, Tensor, Tensor]:
    """Random network, association and weights; ``strength`` scales the interference against the noise."""
    g = torch.Generator().manual_seed(seed)
    gain = torch.rand(stations, users, blocks, generator=g, dtype=torch.float64) ** 3 * strength
    serving = torch.randint(stations, (users,), generator=g)
    band = torch.rand(blocks, generator=g, dtype=torch.float64) + 0.5
    gain[serving, torch.arange(users)] += strength / 10
    graph = from_gain(gain, noise_w=0.1, power_max_w=2.0, rb_bandwidth_hz=band)
    return graph, serving, torch.rand(users, generator=g, dtype=torch.float64) + 0.1


def oracle(graph: HeteroData, serving: Tensor, weights: Tensor, rounds: int, *, per_rb: bool) -> list[list[float]]:
    """WMMSE in plain Python floats with loops and bisection, written from its definition: powers per station and block."""
    stations, blocks = graph["bs"].rb_power_max_w.shape
    users, noise = len(serving), 0.1
    gain = graph[CHANNEL].gain.reshape(users, stations, blocks).tolist()
    band, own, weight = graph.rb_bandwidth_hz[0].tolist(), serving.tolist(), weights.tolist()
    count = [own.count(b) for b in range(stations)]
    limit = 2.0
    v = [[math.sqrt(limit / blocks)] * blocks for _ in range(stations)]
    for _ in range(rounds):
        c, w = [[0.0] * blocks for _ in range(users)], [[0.0] * blocks for _ in range(users)]
        for u in range(users):
            for r in range(blocks):
                h = math.sqrt(gain[u][own[u]][r])
                total = noise + sum(gain[u][b][r] * v[b][r] ** 2 for b in range(stations))
                c[u][r] = h * v[own[u]][r] / total
                w[u][r] = 1 / (1 - c[u][r] * h * v[own[u]][r])
        for b in range(stations):
            top, bottom = [0.0] * blocks, [0.0] * blocks
            for r in range(blocks):
                for u in range(users):
                    alpha = weight[u] * band[r] / count[own[u]]
                    if own[u] == b:
                        top[r] += alpha * w[u][r] * c[u][r] * math.sqrt(gain[u][b][r])
                    bottom[r] += alpha * w[u][r] * c[u][r] ** 2 * gain[u][b][r]

            def amplitude(mu: float, top: list[float] = top, bottom: list[float] = bottom) -> list[float]:
                return [t / (d + mu) if t > 0 else 0.0 for t, d in zip(top, bottom, strict=True)]

            if per_rb:
                v[b] = [min(a, math.sqrt(limit / blocks)) for a in amplitude(0.0)]
                continue
            low, high = 0.0, 1e9
            if sum(a * a for a in amplitude(0.0)) > limit:
                for _ in range(200):
                    middle = (low + high) / 2
                    low, high = (middle, high) if sum(a * a for a in amplitude(middle)) > limit else (low, middle)
                v[b] = amplitude(high)
            else:
                v[b] = amplitude(0.0)
    return [[a * a for a in row] for row in v]


@pytest.mark.parametrize("budget", ["total", "per_rb"])
def test_agrees_with_a_plain_python_oracle_on_100_instances(budget: str, record_property: Record) -> None:
    interior, apart = 0, 0.0
    for seed in range(50):
        strength = (0.02, 0.3, 3.0, 40.0, 300.0)[seed % 5]
        graph, serving, weights = instance(seed, 2 + seed % 3, 3 + seed % 4, 1 + seed % 3, strength)
        power = wmmse(graph, serving, weights=weights, iterations=12, budget=budget).power_w  # type: ignore[arg-type]
        expected = torch.tensor(oracle(graph, serving, weights, 12, per_rb=budget == "per_rb"), dtype=torch.float64)
        torch.testing.assert_close(power, expected, rtol=1e-6, atol=1e-6)
        apart = max(apart, float((power - expected).abs().max()))
        interior += int(((power.sum(1) > 0.01) & (power.sum(1) < 1.99)).sum())
    assert interior > 10, "the instances must include stations below their budget"
    record_property("largest difference over a budget of 2 W, W", apart)


@pytest.mark.parametrize("mode", ["per_bs", "per_link"])
@pytest.mark.parametrize("budget", ["total", "per_rb"])
def test_never_descends_and_stays_feasible(mode: str, budget: str, record_property: Record) -> None:
    least = torch.inf
    for seed in range(8):
        graph, serving, weights = instance(seed, 3, 7, 3, (0.1, 1.0, 30.0, 500.0)[seed % 4])
        last = torch.tensor([-torch.inf], dtype=torch.float64)
        for objective, allocation in wmmse_steps(
            graph,
            serving,
            weights=weights,
            iterations=60,
            budget=budget,
            mode=mode,  # type: ignore[arg-type]
        ):
            assert bool((objective >= last * (1 - 1e-12)).all() if torch.isfinite(last).all() else True)
            least = min(least, float((objective / last - 1).min()) if torch.isfinite(last).all() else torch.inf)
            assert violations(graph, allocation) == []
            rate = evaluate(graph, allocation).rate_bps
            torch.testing.assert_close((rate * weights).sum().reshape(1), objective)
            last = objective
    record_property("least relative ascent of an iteration", least)


def test_float32_presets_do_not_descend_beyond_rounding() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.1).sample(3, seed=1)
    values = torch.stack([v for v, _ in wmmse_steps(batch, max_rsrp_association(batch), iterations=40)])
    assert bool((values.diff(dim=0) > -2e-6 * values[:-1]).all())
    assert bool((values[-1] > 1.005 * values[0]).all())


@pytest.mark.parametrize("mode", ["per_bs", "per_link"])
@pytest.mark.parametrize("budget", ["total", "per_rb"])
def test_sparse_and_dense_layouts_agree(mode: str, budget: str, monkeypatch: pytest.MonkeyPatch) -> None:
    graph, serving, weights = instance(3, 4, 9, 3, 5.0)
    batch = Batch.from_data_list([graph, graph])
    serving, weights = torch.cat([serving, serving + 4]), weights.repeat(2)
    options = {"weights": weights, "iterations": 25, "budget": budget, "mode": mode}
    dense = wmmse(batch, serving, **options)  # type: ignore[arg-type]
    for degree in (4, None):
        monkeypatch.setattr(
            kernel_module, "links_of", lambda g, d=degree: dataclasses.replace(links_of(g), dense=False, degree=d)
        )
        sparse = wmmse(batch, serving, **options)  # type: ignore[arg-type]
        torch.testing.assert_close(sparse.power_w, dense.power_w, rtol=1e-9, atol=1e-12)


def test_per_link_beats_or_equals_per_bs_and_meets_it_for_one_user_each() -> None:
    graph, serving, weights = instance(11, 3, 8, 2, 20.0)
    value = {}
    for mode in ("per_bs", "per_link"):
        allocation = wmmse(graph, serving, weights=weights, iterations=500, mode=mode)  # type: ignore[arg-type]
        value[mode] = float((evaluate(graph, allocation).rate_bps * weights).sum())
    assert value["per_link"] >= value["per_bs"] * 0.999
    graph, _, _ = instance(12, 4, 4, 2, 20.0)
    each = torch.arange(4)
    first, second = (wmmse(graph, each, mode=mode).power_w for mode in ("per_bs", "per_link"))  # type: ignore[arg-type]
    torch.testing.assert_close(first, second, rtol=1e-8, atol=1e-10)


def test_never_above_the_polished_grid_optimum(record_property: Record) -> None:
    shares = []
    for seed in range(6):
        graph, serving, _ = instance(seed, 2, 3, 2, (1.0, 30.0)[seed % 2])
        best = evaluate(graph, exhaustive(graph, levels=9, objective="sum_rate", serving=serving)).sum_rate_bps
        starts = [wmmse(graph, serving, iterations=300)]
        starts += [
            wmmse(graph, serving, iterations=300, init="random", generator=torch.Generator().manual_seed(s))
            for s in range(4)
        ]
        found = torch.stack([evaluate(graph, a).sum_rate_bps for a in starts])
        assert bool((found <= best * (1 + 1e-6)).all())
        assert float(found.max()) >= 0.9 * float(best)
        shares.append(float(found.max() / best))
    record_property("best of 5 starts over the optimum, least and most", f"{min(shares):.6f} {max(shares):.9f}")


def test_fractional_programming_gives_the_same_iterates() -> None:
    graph, serving, weights = instance(5, 3, 6, 3, 10.0)
    first = wmmse(graph, serving, weights=weights, iterations=40).power_w
    second = fractional_programming(graph, serving, weights=weights, iterations=40).power_w
    torch.testing.assert_close(first, second, rtol=1e-8, atol=1e-10)


def test_alpha_fair_never_descends_and_beats_the_sum_rate_solution() -> None:
    for seed in range(6):
        graph, serving, _ = instance(seed, 3, 8, 4, (1.0, 50.0)[seed % 2])
        allocation, trace = wmmse_alpha_fair(graph, serving, iterations=60)
        assert bool((trace.utility.diff(dim=0) >= 0).all())
        assert feasible(graph, allocation)
        other = wmmse(graph, serving, iterations=60)
        log_utility = [evaluate(graph, a).rate_bps.clamp_min(1e-3).log().sum() for a in (allocation, other)]
        assert log_utility[0] >= log_utility[1]


def test_alpha_zero_is_the_sum_rate() -> None:
    graph, serving, _ = instance(2, 3, 5, 2, 10.0)
    fair, _ = wmmse_alpha_fair(graph, serving, alpha=0.0, iterations=400)
    plain = wmmse(graph, serving, iterations=400)
    ratio = evaluate(graph, fair).sum_rate_bps / evaluate(graph, plain).sum_rate_bps
    assert 0.97 < float(ratio) < 1.05


def test_networks_of_a_batch_do_not_touch_each_other() -> None:
    scenario = interference_k(10)
    batch, alone = scenario.sample(4, seed=2), scenario.sample(1, seed=2, first=2)
    together = wmmse(batch, batch["ue"].serving_slot + 10 * batch["ue"].batch).power_w[20:30]
    torch.testing.assert_close(together, wmmse(alone, alone["ue"].serving_slot).power_w, rtol=1e-4, atol=1e-6)


def test_unserved_users_and_caps() -> None:
    graph, serving, _ = instance(7, 3, 6, 3, 5.0)
    serving[0] = -1
    graph["bs"].rb_power_max_w[:, 0] = 0.1
    allocation = wmmse(graph, serving)
    assert feasible(graph, allocation)
    assert evaluate(graph, allocation).rate_bps[0] == 0
    assert bool((allocation.power_w[:, 0] <= 0.1 + 1e-9).all())
    assert bool(torch.isfinite(allocation.power_w).all())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "per_user"}, r"mode: got 'per_user', expected one of per_bs, per_link"),
        ({"budget": "none"}, "budget: got 'none'"),
        ({"init": "best"}, "init: got 'best'"),
        ({"init": "random"}, "generator: got None"),
        ({"weights": torch.ones(2)}, r"weights: got shape \(2,\)"),
    ],
)
def test_wrong_options_get_one_sentence(options: dict[str, object], message: str) -> None:
    graph, serving, _ = instance(1, 2, 3, 1, 1.0)
    with pytest.raises(ValueError, match=message):
        wmmse(graph, serving, **options)  # type: ignore[arg-type]


def test_full_start_is_the_whole_budget() -> None:
    graph, serving, _ = instance(1, 2, 3, 4, 1.0)
    assert torch.equal(
        wmmse(graph, serving, iterations=0).power_w, Allocation(serving, torch.full((2, 4), 0.5)).power_w.double()
    )
