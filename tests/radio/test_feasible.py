"""Each kind of infeasible allocation, its sentence, the slack for rounding; indicators in extreme cases."""

import re
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, from_gain, preset
from hetgraph.radio import Allocation, KPIs, OneShotPolicy, evaluate, feasible, policy, policy_names, violations

N, U, R = 3, 4, 2


def case() -> tuple[HeteroData, Allocation]:
    """Three stations of 2 W, at most 1.5 W on a block; user 3 is not served, station 2 serves none."""
    graph = from_gain(torch.ones(N, U, R), noise_w=1.0, power_max_w=2.0)
    graph["bs"].rb_power_max_w = torch.full((N, R), 1.5)
    graph["bs"].max_users = torch.tensor([2, 1, 0])
    graph[CHANNEL].may_serve = torch.ones(N * U, dtype=torch.bool)
    graph[CHANNEL].may_serve[N * 1 + 1] = False  # station 1, user 1
    power = torch.tensor([[1.0, 1.0], [0.5, 1.5], [0.0, 0.0]])
    return graph, Allocation(torch.tensor([0, 0, 1, -1]), power)


def ones(*shape: int) -> Tensor:
    return torch.ones(*shape)


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "too few users": (
        {"serving": torch.zeros(3, dtype=torch.long)},
        "allocation.serving: got shape (3,), expected (4,)",
    ),
    "power per station": ({"power_w": ones(N)}, "allocation.power_w: got shape (3,), expected (3, 2)"),
    "airtime per user": ({"airtime": ones(U)}, "allocation.airtime: got shape (4,), expected (4, 2)"),
    "layers per station": (
        {"layer_power_w": ones(N, R)},
        "allocation.layer_power_w: got shape (3, 2), expected (4, 2)",
    ),
    "NaN power": (
        {"power_w": ones(N, R) * torch.nan},
        "allocation.power_w: got NaN or infinite values, expected finite",
    ),
    "infinite airtime": ({"airtime": ones(U, R) / 0}, "allocation.airtime: got NaN or infinite values"),
    "a station too many": (
        {"serving": torch.tensor([0, 0, 3, -1]), "airtime": ones(U, R)},
        "allocation.serving: got values outside -1..2, expected station indices",
    ),
    "before none": ({"serving": torch.tensor([0, 0, -2, -1])}, "allocation.serving: got values outside -1..2"),
    "shares as association": ({"serving": ones(U)}, "allocation.serving: got values outside -1..2"),
    "full station": (
        {"serving": torch.tensor([0, 0, 0, 2])},
        "allocation.serving: got 3 users at station 0, expected at most max_users, 2",
    ),
    "an edge that may not serve": (
        {"serving": torch.tensor([0, 1, 0, -1])},
        "allocation.serving: got a station that may not serve its user, expected an edge with may_serve",
    ),
    "negative power": (
        {"power_w": torch.tensor([[1.0, -0.5], [0, 0], [0, 0]])},
        "allocation.power_w: got -0.5 W, expected no negative power",
    ),
    "over the budget": (
        {"power_w": torch.tensor([[1.0, 1.0], [1.4, 1.4], [0, 0]])},
        "allocation.power_w: got 2.8 W at station 1, expected at most 2",
    ),
    "over a block's limit": (
        {"power_w": torch.tensor([[0.0, 1.6], [0, 0], [0, 0]])},
        "allocation.power_w: got more than rb_power_max_w on a resource block, expected at most that",
    ),
    "two users at once": (
        {"airtime": ones(U, R)},
        "allocation.airtime: got shares outside 0..1 per station and block, expected a sum of at most 1",
    ),
    "negative airtime": ({"airtime": -0.1 * ones(U, R)}, "allocation.airtime: got shares outside 0..1"),
    "layers that are less": (
        {"layer_power_w": torch.tensor([[0.5, 0.5], [0.4, 0.5], [0.5, 1.5], [0, 0]])},
        "allocation.layer_power_w: got layers that do not sum to power_w, expected them to",
    ),
    "a negative layer": (
        {"layer_power_w": torch.tensor([[1.5, 0.5], [-0.5, 0.5], [0.5, 1.5], [0, 0]])},
        "allocation.layer_power_w: got layers that do not sum to power_w, expected them to",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_infeasible_allocations_say_why(name: str) -> None:
    change, sentence = BAD[name]
    graph, allocation = case()
    assert violations(graph, allocation) == []
    found = violations(graph, replace(allocation, **change))
    assert found and re.match(re.escape(sentence), found[0]), found
    assert not feasible(graph, replace(allocation, **change))


def test_several_powers_are_wrong_at_once() -> None:
    graph, allocation = case()
    power = torch.tensor([[9.0, -1.0], [0, 0], [0, 0]])
    assert len(violations(graph, replace(allocation, power_w=power, airtime=2 * ones(U, R)))) == 4


def test_rounding_is_allowed_and_no_more() -> None:
    graph, allocation = case()
    for factor, expected in ((1 + 5e-6, True), (1 + 1e-4, False)):
        assert feasible(graph, replace(allocation, power_w=allocation.power_w * factor)) is expected
    assert feasible(graph, replace(allocation, power_w=allocation.power_w * 1.01), tolerance=0.02)


def test_what_an_unserved_user_is_given_counts_for_nothing() -> None:
    graph, allocation = case()
    airtime = torch.tensor([[0.5, 0.5], [0.5, 0.5], [1, 1], [7, 7]])
    layer = torch.tensor([[0.5, 0.5], [0.5, 0.5], [0.5, 1.5], [9, 9]])
    full = replace(allocation, airtime=airtime, layer_power_w=layer)
    assert feasible(graph, full)
    for convention in ("scheduled", "superposed", "equal_airtime", "full"):
        assert evaluate(graph, full, convention).rate_bps[3] == 0


@pytest.mark.parametrize("network", [0, 1, 2])
def test_an_association_with_another_network_is_refused(network: int) -> None:
    graph, allocation = case()
    batch = Batch.from_data_list([graph] * 3)
    serving = torch.cat([torch.where(allocation.serving >= 0, allocation.serving + 3 * i, -1) for i in range(3)])
    good = Allocation(serving, allocation.power_w.repeat(3, 1))
    assert feasible(batch, good)
    wrong = serving.clone()
    wrong[U * network + 3] = (N * (network + 1) + 2) % (3 * N)
    sentence = violations(batch, replace(good, serving=wrong))[0]
    assert sentence.endswith(f"for user {U * network + 3}, expected one of its candidates")
    sparse = preset("hetnet-3tier").scaled(users=0.02)
    sparse = replace(sparse, radio=replace(sparse.radio, candidates=3)).sample(2)
    station = sparse[CHANNEL].edge_index[0].reshape(-1, 3)[:, 0]
    power = torch.zeros(sparse["bs"].num_nodes, sparse["ue"].noise_w.shape[1])
    assert feasible(sparse, Allocation(station, power)) and not feasible(sparse, Allocation(station.flip(0), power))


def test_nobody_served_and_no_power_give_finite_indicators() -> None:
    graph, allocation = case()
    for serving in (allocation.serving, torch.full((U,), -1)):
        found = evaluate(graph, Allocation(serving, torch.zeros(N, R)))
        for field in fields(KPIs):
            assert bool(torch.isfinite(getattr(found, field.name)).all()), field.name
        assert found.sum_rate_bps == 0 and found.jain == 0 and found.power_w == 0
        assert found.unserved == 1 and found.p5_rate_bps == 0
        assert float(found.pf_utility) == pytest.approx(np.log(1e-9 * float(graph.rb_bandwidth_hz.sum())))


def test_energy_efficiency_counts_amplifiers_and_circuits() -> None:
    graph, allocation = case()
    graph["bs"].amplifier_efficiency = torch.tensor([0.5, 0.25, 1.0])
    graph["bs"].circuit_power_w = torch.tensor([3.0, 2.0, 1.0])
    found = evaluate(graph, allocation)
    consumed = 2 / 0.5 + 2 / 0.25 + 0 + 3 + 2 + 1
    assert float(found.energy_efficiency_bpj) == pytest.approx(float(found.sum_rate_bps) / consumed)
    assert float(found.power_w) == 4 and float(found.subchannel_utilisation) == pytest.approx(4 / 6)
    assert float(found.spectral_efficiency) == pytest.approx(float(found.sum_rate_bps) / (2.0 * N))


def test_jain_and_percentile_of_batches_of_any_sizes() -> None:
    sizes, generator = (1, 2, 37), torch.Generator().manual_seed(0)
    gains = [torch.rand(2, u, 1, generator=generator) + 0.1 for u in sizes]
    batch = Batch.from_data_list([from_gain(gain, noise_w=0.1, power_max_w=1.0) for gain in gains])
    serving = torch.cat([torch.arange(u) % 2 + 2 * i for i, u in enumerate(sizes)])
    found = evaluate(batch, Allocation(serving, torch.rand(6, 1, generator=generator)))
    for i, rate in enumerate(np.split(found.rate_bps.double().numpy(), np.cumsum(sizes)[:-1])):
        assert float(found.p5_rate_bps[i]) == pytest.approx(np.percentile(rate, 5), rel=1e-5)
        assert float(found.jain[i]) == pytest.approx(rate.sum() ** 2 / (len(rate) * (rate**2).sum()), rel=1e-5)
        assert float(found.mean_rate_bps[i]) == pytest.approx(rate.mean(), rel=1e-5)


def test_allocation_is_a_pytree() -> None:
    _, allocation = case()
    for full in (allocation, replace(allocation, airtime=ones(U, R)), replace(allocation, layer_power_w=ones(U, R))):
        leaves, spec = pytree.tree_flatten(full)
        assert all(isinstance(leaf, Tensor) for leaf in leaves if leaf is not None)
        again = pytree.tree_unflatten(leaves, spec)
        for field in fields(Allocation):
            assert getattr(again, field.name) is getattr(full, field.name)


def test_an_unknown_policy_is_named_with_the_known_ones() -> None:
    assert {"max_rsrp", "pf", "wmmse", "fp"} <= set(policy_names())
    with pytest.raises(
        ValueError, match=r"policy: got 'magic', expected one of .*max_rsrp.*, or the path of a checkpoint"
    ):
        policy("magic")
    graph, _ = case()
    found = policy("max_rsrp")
    assert isinstance(found, OneShotPolicy) and found.initial_state(graph) is None
