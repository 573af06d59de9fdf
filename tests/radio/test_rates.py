"""Rates and indicators against plain Python and numpy, feasibility, gradients, batch independence."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, CONFLICTS, from_gain, preset
from hetgraph.radio import Allocation, OneShotPolicy, Policy, evaluate, feasible, rates_bps, violations


def case(seed: int = 0) -> tuple[HeteroData, Allocation]:
    g = torch.Generator().manual_seed(seed)
    gain = torch.rand(3, 7, 2, generator=g, dtype=torch.float64) + 0.01
    graph = from_gain(gain, noise_w=0.1, power_max_w=2.0, rb_bandwidth_hz=torch.tensor([1.0, 3.0], dtype=torch.float64))
    power = torch.rand(3, 2, generator=g, dtype=torch.float64)
    serving = torch.tensor([0, 1, 1, 2, 0, 0, -1])
    return graph, Allocation(serving, power)


def sinr_by_hand(graph: HeteroData, a: Allocation, u: int, r: int, signal: float | None = None) -> float:
    gain = graph[CHANNEL].gain.reshape(7, 3, 2)[u, :, r].tolist()
    b = int(a.serving[u])
    other = sum(gain[j] * float(a.power_w[j, r]) for j in range(3) if j != b)
    return gain[b] * (float(a.power_w[b, r]) if signal is None else signal) / (other + 0.1)


@pytest.mark.parametrize("convention", ["equal_airtime", "full", "scheduled"])
def test_rates_by_hand(convention: str) -> None:
    graph, a = case()
    airtime = torch.rand(7, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64) / 3
    if convention == "scheduled":
        a = Allocation(a.serving, a.power_w, airtime)
    found = rates_bps(graph, a, convention)  # type: ignore[arg-type]
    for u in range(7):
        b, expected = int(a.serving[u]), 0.0
        count = a.serving.tolist().count(b)
        for r, band in enumerate((1.0, 3.0)):
            share = {"equal_airtime": 1 / count, "full": 1.0, "scheduled": float(airtime[u, r])}[convention]
            expected += 0.0 if b < 0 else share * band * math.log2(1 + sinr_by_hand(graph, a, u, r))
        assert float(found[u]) == pytest.approx(expected, rel=1e-12)


def test_superposed_rates_cancel_weaker_users_in_the_order_of_gain_over_interference() -> None:
    graph, a = case()
    g = torch.Generator().manual_seed(2)
    layer = torch.rand(7, 2, generator=g, dtype=torch.float64) * (a.serving >= 0).unsqueeze(1)
    power = torch.zeros(3, 2, dtype=torch.float64).index_add(0, a.serving.clamp_min(0), layer)
    a = Allocation(a.serving, power, layer_power_w=layer)
    found = rates_bps(graph, a, "superposed")
    gain = graph[CHANNEL].gain.reshape(7, 3, 2)
    for u in range(6):
        b, expected = int(a.serving[u]), 0.0
        for r, band in enumerate((1.0, 3.0)):

            def floor(i: int, b: int = b, r: int = r) -> float:
                return 0.1 + sum(float(gain[i, j, r] * power[j, r]) for j in range(3) if j != b)

            quality = {i: float(gain[i, b, r]) / floor(i) for i in range(7) if int(a.serving[i]) == b}
            above = sum(float(layer[i, r]) for i in quality if quality[i] > quality[u])
            signal = float(gain[u, b, r] * layer[u, r])
            expected += band * math.log2(1 + signal / (floor(u) + float(gain[u, b, r]) * above))
        assert float(found[u]) == pytest.approx(expected, rel=1e-10)


def test_collisions_silence_a_user_whose_in_neighbour_is_active() -> None:
    graph, a = case()
    graph[CONFLICTS].edge_index = torch.tensor([[0, 3], [1, 4]])
    airtime = torch.ones(7, 2, dtype=torch.float64)
    airtime[3, 0] = 0
    found = rates_bps(graph, Allocation(a.serving, a.power_w, airtime), "collision")
    free = rates_bps(graph, Allocation(a.serving, a.power_w, airtime), "scheduled")
    assert found[1] == 0 and found[0] == free[0]
    assert 0 < found[4] < free[4], "user 3 is active on the second block alone"


def test_conventions_that_lack_a_field_and_unknown_ones_are_refused() -> None:
    graph, a = case()
    for convention, message in (
        ("scheduled", "allocation.airtime: got None"),
        ("superposed", "allocation.layer_power_w: got None"),
        ("fair", "convention: got 'fair', expected one of equal_airtime"),
    ):
        with pytest.raises(ValueError, match=message):
            rates_bps(graph, a, convention)  # type: ignore[arg-type]


def test_indicators_against_numpy() -> None:
    graph, a = case()
    other, b = case(5)
    graph["ue"].rate_min_bps = torch.full((7,), 1.0, dtype=torch.float64)
    other["ue"].rate_min_bps = torch.full((7,), 1.0, dtype=torch.float64)
    batch = Batch.from_data_list([graph, other])
    serving = torch.cat([a.serving, torch.where(b.serving >= 0, b.serving + 3, -1)])
    found = evaluate(batch, Allocation(serving, torch.cat([a.power_w, b.power_w])))
    for i, rate in enumerate(found.rate_bps.reshape(2, 7).numpy()):
        assert float(found.sum_rate_bps[i]) == pytest.approx(rate.sum())
        assert float(found.p5_rate_bps[i]) == pytest.approx(np.percentile(rate, 5))
        assert float(found.jain[i]) == pytest.approx(rate.sum() ** 2 / (7 * (rate**2).sum()))
        assert float(found.qos_violation[i]) == pytest.approx((rate < 1).mean())
        assert float(found.unserved[i]) == pytest.approx(1 / 7)
        least = 1e-9 * float(batch.rb_bandwidth_hz[i].sum())
        assert float(found.pf_utility[i]) == pytest.approx(np.log(np.maximum(rate, least)).mean())
    assert found.load.tolist() == [3, 2, 1, 3, 2, 1]
    assert found.load_imbalance[0] == pytest.approx(np.std([3, 2, 1]) / 2)


def test_ragged_batches_have_right_percentiles() -> None:
    graphs = [
        from_gain(torch.rand(2, u, 1, generator=torch.Generator().manual_seed(u)) + 0.1, noise_w=0.1, power_max_w=1.0)
        for u in (3, 8)
    ]
    batch = Batch.from_data_list(graphs)
    serving = torch.tensor([0, 1, 0, 2, 3, 2, 3, 2, 3, 2, 3])
    found = evaluate(batch, Allocation(serving, torch.ones(4, 1)))
    rate = found.rate_bps.numpy()
    assert found.p5_rate_bps.tolist() == pytest.approx(
        [np.percentile(rate[:3], 5), np.percentile(rate[3:], 5)], rel=1e-5
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: Allocation(a.serving[:3], a.power_w), r"serving: got shape \(3,\)"),
        (lambda a: Allocation(a.serving, a.power_w * torch.nan), "power_w: got NaN"),
        (lambda a: Allocation(a.serving + 9, a.power_w), "serving: got values outside"),
        (lambda a: Allocation(a.serving, -a.power_w), "expected no negative power"),
        (lambda a: Allocation(a.serving, a.power_w + 2), "expected at most 2"),
        (lambda a: Allocation(a.serving, a.power_w, torch.ones(7, 2).double()), "airtime: got shares"),
        (lambda a: Allocation(a.serving, a.power_w, None, torch.ones(7, 2).double()), "layers that do not sum"),
    ],
)
def test_infeasible_allocations_say_why(change, message: str) -> None:  # type: ignore[no-untyped-def]
    graph, a = case()
    a = Allocation(a.serving, a.power_w * 0.9)
    assert feasible(graph, a)
    found = violations(graph, change(a))
    assert found and pytest.importorskip("re").search(message, " ".join(found))


def test_a_batched_association_never_points_into_another_network() -> None:
    graph, a = case()
    batch = Batch.from_data_list([graph, graph])
    power = torch.cat([a.power_w, a.power_w]) * 0.5
    right = torch.cat([a.serving, torch.where(a.serving >= 0, a.serving + 3, -1)])
    assert feasible(batch, Allocation(right, power))
    wrong = right.clone()
    wrong[8] = 0
    assert "got station 0 for user 8" in violations(batch, Allocation(wrong, power))[0]


def test_gradients_match_finite_differences() -> None:
    graph, a = case()

    def total(power: Tensor) -> Tensor:
        return evaluate(graph, Allocation(a.serving, power)).rate_bps[:6].log().sum()

    assert torch.autograd.gradcheck(total, (a.power_w.clone().requires_grad_(),), eps=1e-6, atol=1e-4)


def test_float32_keeps_the_interference_behind_a_strong_signal() -> None:
    gain = torch.tensor([[[1e6]], [[1e-3]]])
    graph = from_gain(gain, noise_w=1e-6, power_max_w=1.0)
    exact = from_gain(gain.double(), noise_w=1e-6, power_max_w=1.0)
    a = Allocation(torch.tensor([0]), torch.ones(2, 1))
    first = rates_bps(graph, a).double()
    torch.testing.assert_close(first, rates_bps(exact, Allocation(a.serving, a.power_w.double())), rtol=1e-5, atol=0)


def test_a_change_in_network_1_leaves_network_0_bit_equal() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.1).sample(2, seed=0)
    serving = torch.arange(21).repeat(3)[:60]
    a = Allocation(torch.cat([serving, serving + 21]), batch["bs"].power_max_w.unsqueeze(1).expand(-1, 12) / 12)
    before = evaluate(batch, a).rate_bps
    batch[CHANNEL].gain[60 * 21 :] *= 3.3
    after = evaluate(batch, a).rate_bps
    assert torch.equal(before[:60], after[:60]) and not torch.equal(before[60:], after[60:])


def test_allocation_is_a_pytree_and_one_shot_policies_are_policies() -> None:
    graph, a = case()
    doubled = pytree.tree_map(lambda x: x * 2, a)
    assert torch.equal(doubled.power_w, a.power_w * 2) and doubled.airtime is None
    one = OneShotPolicy("fixed", lambda _: a)
    assert isinstance(one, Policy)
    assert one.act(graph, one.initial_state(graph), None)[0] is a
