"""Rules of a world of handovers with traffic: they know no more than their level, do what they say, and can be tuned."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import HandoverAction, HandoverEnv, HandoverTrafficEnv, rollout
from hetgraph.envs.handover.traffic_lookahead import OffsetLookahead
from hetgraph.envs.handover.traffic_rules import (
    A3,
    A3Parameters,
    BalancingParameters,
    LoadBalancing,
    TierOffsets,
    TrafficRule,
)
from hetgraph.envs.handover.traffic_user_rules import MaxWeight, RateParameters, Users
from hetgraph.envs.handover.tuning import tune
from hetgraph.graph import CHANNEL, Flows, roaming
from hetgraph.graph.levels import canary
from hetgraph.graph.schema import NEIGHBOURS
from hetgraph.radio import handover_policy, traffic_names, traffic_policy

CELLS, STATIONS = 50, (0, 3, 20, 49, 51)
RULES = sorted(traffic_names())
USERS_TOO = ("greedy", "max_rsrp", "pf_greedy")  # of the full-buffer world


@pytest.fixture(scope="module")
def env() -> HandoverTrafficEnv:
    """More cells than hear all of each other, after some seconds of much traffic."""
    made = HandoverTrafficEnv(roaming(CELLS, 150, "handover-traffic"), 2, steps=20, flows=Flows(load_bps=8e6))
    assert made.observe("neighbourhood")[NEIGHBOURS].edge_index.shape[1] == 2 * 8 * CELLS
    for seed in range(4):
        made.step(made.action.sample(torch.Generator().manual_seed(seed)))
    return made


def decided(policy: Any, graph: Any) -> HandoverAction:
    """The second decision on a graph."""
    generator, state = torch.Generator().manual_seed(0), policy.initial_state(graph)
    _, state = policy.act(graph, state, generator)
    action: HandoverAction = policy.act(graph, state, generator)[0]
    return action


def mine(action: HandoverAction, cell: Tensor, station: int) -> list[Tensor]:
    """What a station decides: its own offset, and the places of its users."""
    parts = [value.flatten()[station : station + 1] for value in (action.offset_db,) if value is not None]
    return parts + [value[cell == station] for value in (action.place, action.level) if value is not None]


def test_the_rules_of_the_issue_are_there_by_name() -> None:
    assert RULES == ["a3", "best_expected_rate", "cre", "dual_price", "max_weight", "mlb"]


@pytest.mark.parametrize("name", RULES)
def test_a_decision_keeps_its_bits_whatever_is_outside_the_view(name: str, env: HandoverTrafficEnv) -> None:
    policy = traffic_policy(name)
    assert isinstance(policy, TrafficRule)
    graph = env.observe(policy.level).clone()
    cell, before = env.state.cell + CELLS * torch.arange(2).unsqueeze(1), decided(policy, graph)
    for station in STATIONS:
        other = decided(policy, canary(graph, policy.level, station, torch.Generator().manual_seed(station)))
        pairs = zip(mine(before, cell, station), mine(other, cell, station), strict=True)
        assert all(torch.equal(*pair) for pair in pairs)


@pytest.mark.parametrize("name", [name for name in RULES if name not in ("a3", "cre")])
def test_what_is_inside_the_view_matters(name: str, env: HandoverTrafficEnv) -> None:
    policy = traffic_policy(name)
    assert isinstance(policy, TrafficRule)
    graph = env.observe(policy.level).clone()
    noisy = graph.clone()
    for store, names in (
        ("bs", ("activity", "backlog_slots")),
        ("ue", ("queue_bits",)),
        (CHANNEL, ("spectral_efficiency",)),
    ):
        for each in names:
            value = noisy[store][each]
            noisy[store][each] = value * 5 * torch.rand(value.shape, generator=torch.Generator().manual_seed(1))
    one, two = decided(policy, graph), decided(policy, noisy)
    assert one.offset_db is not None and two.offset_db is not None
    same_places = one.place is None or two.place is None or torch.equal(one.place, two.place)
    assert not (torch.equal(one.offset_db, two.offset_db) and same_places)


@pytest.mark.parametrize("name", [*RULES, *USERS_TOO])
def test_rules_play_an_episode(name: str) -> None:
    env = HandoverTrafficEnv(roaming(6, 24, "handover-traffic"), 2, steps=4)
    trial = rollout(env, {name: (traffic_policy if name in RULES else handover_policy)(name)})
    assert all(bool(value.isfinite().all()) for value in trial.values[name].values())


def test_rules_of_traffic_say_that_they_need_it() -> None:
    env = HandoverEnv(roaming(6, 12), 1, steps=2)
    with pytest.raises(
        ValueError, match=r"^a3: got an observation without traffic, expected one of HandoverTrafficEnv$"
    ):
        rollout(env, {"a3": A3()})


def test_a3_and_its_tiers_set_what_they_are_told(env: HandoverTrafficEnv) -> None:
    obs = env.observe("local")
    action = decided(A3(A3Parameters(torch.tensor([2.0, 3.0]), 0.3)), obs)
    assert action.margin_db is not None and action.margin_db.tolist() == [2.0, 3.0]
    assert action.trigger_ticks is not None and action.trigger_ticks.tolist() == [3, 3]
    offset = decided(TierOffsets(), obs).offset_db
    assert offset is not None
    tier = obs["bs"].tier.view(2, -1)
    assert [float((offset[tier == i] - offset[tier == 0].mean()).mean()) for i in range(3)] == pytest.approx([0, 2, 4])


def test_load_balancing_goes_from_the_loaded_to_the_idle_cell() -> None:
    env = HandoverTrafficEnv(roaming(6, 24, "handover-traffic"), 1, steps=4)
    env.step(HandoverAction(offset_db=torch.zeros(1, 6)))
    obs = env.observe("neighbourhood")
    obs["bs"].activity = torch.tensor([0.9, 0.1, 0.1, 0.1, 0.1, 0.1])
    obs["bs"].backlog_slots = torch.zeros(6)
    rule = LoadBalancing(BalancingParameters(gain_db=2.0, period=2.0))
    action, state = rule.act(obs, 0, None)
    assert action.offset_db is not None
    torch.testing.assert_close(action.offset_db[0, 0], torch.tensor(-2.0 * 0.8))
    assert bool((action.offset_db[0, 1:] >= 0).all()) and float(action.offset_db.max()) <= 2.0 * 0.8 + 1e-6
    later, _ = rule.act(obs, state, None)
    assert later.offset_db is not None and torch.equal(later.offset_db.flatten(), obs["bs"].offset_db), "not yet"


def test_max_weight_ends_where_no_single_move_is_better() -> None:
    env = HandoverTrafficEnv(roaming(6, 16, "handover-traffic"), 2, steps=4, flows=Flows(load_bps=2e7))
    env.step(HandoverAction(offset_db=torch.zeros(2, 6)))
    obs = env.observe("global")
    users = Users.of(obs, "global")
    place, _ = MaxWeight(RateParameters(gain=0.0)).places(obs, users, None)

    def value(places: Tensor, b: int) -> float:
        total, cells = 0.0, users.cell[b].gather(1, places[b].unsqueeze(1)).squeeze(1)
        for k in cells.unique():
            who = [u for u in range(16) if cells[u] == k and users.queue[b, u] > 0]
            total += sum(float(users.queue[b, u] * users.efficiency[b, u, places[b, u]]) for u in who) / max(
                len(who), 1
            )
        return total

    assert int((place > 0).sum()) > 0
    for b in range(2):
        best = value(place, b)
        assert best >= value(torch.zeros_like(place), b)
        for u in range(16):
            for target in range(4):
                other = place.clone()
                other[b, u] = target
                assert value(other, b) <= best * (1 + 1e-5)


def test_tuning_finds_better_numbers_under_a_limit_on_handovers() -> None:
    env = HandoverTrafficEnv(roaming(6, 40, "handover-traffic"), 2, steps=10, flows=Flows(load_bps=6e6))
    kept = env.state_dict()["state"]
    bad = LoadBalancing(BalancingParameters(margin_db=5.0, trigger_s=1.0))
    found = tune(bad, 44, env)
    assert found.tried.shape == (44, 6) and found.costs.shape == (44,) and found.cost == float(found.costs.min())
    assert found.cost < float(found.costs[0]) and isinstance(found.rule, LoadBalancing)
    assert all(torch.equal(value, env.state_dict()["state"][name]) for name, value in kept.items())
    again = rollout(env, {"best": found.rule}, seed=0).values["best"]
    assert float(again["mean_delay_s"].mean()) == pytest.approx(found.cost, rel=1e-3)
    limited = tune(bad, 12, env, most={"handovers_per_min": 1.0})
    rate = rollout(env, {"best": limited.rule}, seed=0).values["best"]["handovers_per_min"]
    assert float(rate.mean()) <= 1.0 or limited.cost > 1.0
    with pytest.raises(ValueError, match="tune: got 2 parameters and 1 draws"):
        tune(A3(), 1, env)


def held(env: HandoverTrafficEnv, offset: Tensor, steps: int) -> Tensor:
    """Summed rewards of each network over the next steps of the true future with offsets held."""
    branch = env.branch(env.drawn, torch.arange(env.num_envs))
    return torch.stack([branch.step(HandoverAction(offset_db=offset)).reward[:, 0] for _ in range(steps)]).sum(0)


def test_the_clairvoyant_s_offsets_are_at_least_as_good_over_its_horizon_as_the_present_ones() -> None:
    env = HandoverTrafficEnv(roaming(6, 40, "handover-traffic"), 3, steps=9, flows=Flows(load_bps=7e6), seed=1)
    for _ in range(2):
        env.step(HandoverAction(offset_db=torch.zeros(3, 6)))
    kept, obs = env.state.clone(), env.observe("genie")
    offset = {}
    for name, futures in (("clairvoyant", 0), ("lookahead", 2)):
        rule = OffsetLookahead(env, futures=futures, horizon=3)
        action, _ = rule.act(obs, rule.initial_state(obs), None)
        again, _ = rule.act(obs, None, None)
        assert rule.name == name and action.offset_db is not None and again.offset_db is not None
        assert torch.equal(action.offset_db, again.offset_db)
        offset[name] = action.offset_db
    assert all(torch.equal(value, getattr(env.state, name)) for name, value in vars(kept).items())
    gain = held(env, offset["clairvoyant"], 3) - held(env, torch.zeros(3, 6), 3)
    assert bool((gain >= -1e-5).all()) and float(gain.max()) > 1e-3
    assert not torch.equal(offset["clairvoyant"], offset["lookahead"])
