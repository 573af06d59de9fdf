"""Handover environments: batches, episodes, seeds, saved states, copies, and settings that are refused."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from hetgraph.envs import HandoverAction, HandoverEnv, HandoverWeights
from hetgraph.envs.handover.reward import INDICATORS
from hetgraph.graph import CHANNEL, Trajectories, roaming
from hetgraph.graph.schema import NEIGHBOURS
from hetgraph.radio.handover import HandoverRule

RULE = HandoverRule(margin_db=2.5, max_load=0.7, max_users=6)
CRE = replace(RULE, bias=True)
DYNAMIC = (
    ("bs", "users"),
    ("bs", "room"),
    ("ue", "rate_bps"),
    ("ue", "far_interference_w"),
    ("ue", "since_slots"),
    (CHANNEL, "gain"),
    (CHANNEL, "spectral_efficiency"),
    (CHANNEL, "allowed"),
    (CHANNEL, "users"),
    (CHANNEL, "edge_index"),
)


def test_a_batch_is_its_networks_alone(
    random_walks: Callable[..., Trajectories], random_action: Callable[..., HandoverAction]
) -> None:
    world, g = random_walks(4), torch.Generator().manual_seed(3)
    options = {"rule": CRE, "steps": 20}
    many, alone = HandoverEnv(world, 4, **options), HandoverEnv(world, 1, **options)  # type: ignore[arg-type]
    for _ in range(20):
        action = random_action(many, g)
        one = HandoverAction(action.place[:1], action.level[:1])
        all_, single = many.step(action), alone.step(one)
        assert torch.equal(all_.reward[:1], single.reward)
        for store, name in DYNAMIC:
            found, want = all_.obs[store][name], single.obs[store][name]
            if "final_obs" in single.info:
                found, want = all_.info["final_obs"][store][name], single.info["final_obs"][store][name]
            found = found[:, : want.shape[1]] if name == "edge_index" else found[: len(want)]
            assert torch.equal(found, want), name
    for name in INDICATORS:
        assert torch.equal(all_.info["episode"][name][:1], single.info["episode"][name])


@pytest.mark.parametrize("trigger", [0, 2])
def test_going_on_from_a_saved_state_gives_the_same_bits(
    random_walks: Callable[..., Trajectories], random_action: Callable[..., HandoverAction], trigger: int
) -> None:
    world = random_walks()
    env = HandoverEnv(world, 2, rule=CRE, steps=15, time_to_trigger=trigger, seed=5)
    g = torch.Generator().manual_seed(4)
    for _ in range(22):
        env.step(random_action(env, g))
    saved, actions = env.state_dict(), [random_action(env, g) for _ in range(20)]
    first = [env.step(action) for action in actions]
    rest = [(s.reward.clone(), s.info["indicators"]["anu"]) for s in first]
    last = env.observe("global").clone()
    other = HandoverEnv(world, 2, rule=CRE, steps=15, time_to_trigger=trigger, seed=0)
    other.load_state_dict(saved)
    for action, (reward, anu) in zip(actions, rest, strict=True):
        step = other.step(action)
        assert torch.equal(step.reward, reward) and torch.equal(step.info["indicators"]["anu"], anu)
    state = other.observe("global")
    for store, name in DYNAMIC:
        assert torch.equal(state[store][name], last[store][name])
    assert torch.equal(state.handover_rate, last.handover_rate)


def test_seeds_episodes_and_resets(
    random_walks: Callable[..., Trajectories], random_action: Callable[..., HandoverAction]
) -> None:
    world = random_walks(3, steps=90)
    env = HandoverEnv(world, 2, steps=10, seed=1)
    assert env.network.tolist() == [0, 1]
    begin = env.begin.clone()
    for _ in range(10):
        step = env.step(random_action(env, torch.Generator().manual_seed(0)))
    assert bool(step.truncated.all()) and not bool(step.terminated.any())
    assert env.network.tolist() == [1, 2] and env.state.step.tolist() == [0, 0]
    assert step.info["final_obs"].slots_left.tolist() == [0, 0] and step.obs.slots_left.tolist() == [10, 10]
    env.reset(seed=1)
    assert torch.equal(env.begin, begin)
    env.reset(seed=2)
    assert not torch.equal(env.begin, begin)
    fresh = HandoverEnv(world, 2, steps=10, seed=2)
    assert torch.equal(fresh.begin, env.begin) and torch.equal(fresh.users.cell, env.users.cell)


def test_a_scenario_by_name_and_its_seed() -> None:
    env = HandoverEnv(num_envs=1, steps=2)
    assert (env.num_cells, env.num_users) == (25, 250)
    gain = env.tables.trajectories.gain
    obs, _ = env.reset(seed=3)
    assert not torch.equal(env.tables.trajectories.gain, gain)
    assert torch.equal(HandoverEnv(num_envs=1, steps=2, seed=3).tables.trajectories.gain, env.tables.trajectories.gain)
    assert obs["bs"].users.shape == (25,) and obs["ue"].level.shape == (250,)
    assert obs[CHANNEL].gain.shape == (1000, 1) and obs[NEIGHBOURS].edge_index.shape == (2, 600)


def test_a_network_is_the_same_alone_and_among_many(random_action: Callable[..., HandoverAction]) -> None:
    scenario = roaming(cells=5, users=10)
    many = HandoverEnv(scenario, 3, steps=4, seed=7)
    alone = HandoverEnv(scenario, 1, first=2, steps=4, seed=7)
    for _ in range(9):  # more than two episodes
        action = random_action(many, torch.Generator().manual_seed(1))
        step = many.step(action)
        single = alone.step(HandoverAction(action.place[2:], action.level[2:]))
        assert torch.equal(step.reward[2:], single.reward)
        assert torch.equal(step.obs[CHANNEL].gain[2 * 40 :], single.obs[CHANNEL].gain)


def test_copies_and_pickles_go_on_alike(
    random_walks: Callable[..., Trajectories], random_action: Callable[..., HandoverAction]
) -> None:
    env, g = HandoverEnv(random_walks(), 2, rule=RULE, steps=10), torch.Generator().manual_seed(0)
    for _ in range(3):
        env.step(random_action(env, g))
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    action = random_action(env, g)
    reward = env.step(action).reward
    assert all(torch.equal(twin.step(action).reward, reward) for twin in twins)


def test_bad_input(random_walks: Callable[..., Trajectories]) -> None:
    world = random_walks()
    env = HandoverEnv(world, 2)
    for options, match in (
        ({"num_envs": 0}, "num_envs: got 0, expected at least 1"),
        ({"steps": 61}, "steps: got 61, expected at most the trajectories' 60"),
        ({"neighbours": 6}, "neighbours: got 6, expected fewer than the 6 cells"),
        ({"resource_model": "free"}, "resource_model: got 'free'"),
        ({"level": "all"}, "level: got 'all'"),
        ({"time_to_trigger": -1}, "time_to_trigger: got -1, expected at least 0"),
        ({"rate_unit_bps": 0.0}, "rate_unit_bps: got 0.0"),
        ({"rule": HandoverRule(max_users=3)}, "users: got 20, expected at most 18"),
    ):
        with pytest.raises(ValueError, match=match):
            HandoverEnv(world, **options)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="options: got x, expected none"):
        env.reset(options={"x": 1})
    with pytest.raises(ValueError, match="level: got 'all'"):
        env.observe("all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"weights\.load: got nan"):
        HandoverWeights(load=float("nan"))
