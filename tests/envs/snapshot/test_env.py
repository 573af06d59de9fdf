"""One-slot networks: what is drawn, what is resolved, what is refused."""

import copy
import pickle
from dataclasses import replace

import pytest
import torch

from hetgraph.envs import SnapshotEnv
from hetgraph.envs.rollout import rollout
from hetgraph.envs.snapshot.resolve import resolved
from hetgraph.graph import CHANNEL, check, preset
from hetgraph.radio import Allocation, OneShotPolicy, evaluate, one_shot, violations

SCENARIO = preset("hetnet-3tier").scaled(users=0.1)
RULES = ("max_rsrp", "cre", "pf", "wmmse_pf")


def env(networks: int = 3, **options: object) -> SnapshotEnv:
    return SnapshotEnv(SCENARIO, networks, **options)  # type: ignore[arg-type]


def wish(graph: SnapshotEnv, seed: int = 0) -> Allocation:
    return graph.action.sample(torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("level", ["local", "neighbourhood", "global", "genie"])
def test_observations_keep_the_contract(level: str) -> None:
    check(env().observe(level))  # type: ignore[arg-type]


def test_a_network_is_the_same_alone_and_among_many() -> None:
    many, alone = env(3, seed=5), env(1, first=2, seed=5)
    for _ in range(2):  # the next episode, too
        edges, stations = len(alone.graph[CHANNEL].slot), alone.num_stations
        assert torch.equal(many.graph[CHANNEL].gain[2 * edges :], alone.graph[CHANNEL].gain)
        assert torch.equal(many.graph["bs"].pos[2 * stations :], alone.graph["bs"].pos)
        many.reset()
        alone.reset()


def test_rollout_gives_the_indicators_of_evaluate() -> None:
    policies = {name: OneShotPolicy(name, one_shot(name)) for name in RULES}
    trial = rollout(env(4), policies, seed=3)
    graph = SCENARIO.sample(4, seed=3)
    for name in RULES:
        expected = evaluate(graph, one_shot(name)(graph))
        assert torch.allclose(trial.values[name]["pf_utility"][0], expected.pf_utility.double(), atol=1e-6)
        assert trial.values[name]["sum_rate_bps"].shape == (1, 4)
    assert trial.values["wmmse_pf"]["pf_utility"].mean() > trial.values["max_rsrp"]["pf_utility"].mean()


def test_random_and_adversarial_wishes_become_feasible() -> None:
    one = env()
    generator = torch.Generator().manual_seed(0)
    for trial in range(50):
        action = wish(one, trial)
        scale = 10 ** (6 * torch.rand(1, generator=generator) - 3)
        share = torch.rand(len(action.serving), action.power_w.shape[1], generator=generator)
        serving = torch.randint(-1, one.links.num_bs, action.serving.shape, generator=generator)
        action = replace(action, serving=serving, power_w=action.power_w * scale, airtime=share)
        granted, refused = resolved(one.graph, action)
        assert violations(one.graph, granted) == []
        assert refused.shape == (3,) and int(refused.min()) > 0


def test_a_feasible_wish_is_left_alone() -> None:
    one = env()
    action = one_shot("max_rsrp")(one.graph)
    granted, refused = resolved(one.graph, action)
    assert refused.sum() == 0 and torch.equal(granted.serving, action.serving)
    assert torch.allclose(granted.power_w, action.power_w)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("power_w", torch.nan, r"action.power_w: got values from nan"),
        ("power_w", -1.0, r"action.power_w: got values from -1.0"),
        ("power_w", torch.inf, r"action.power_w: got values from inf"),
        ("serving", 10_000, r"action.serving: got values from 10000"),
    ],
)
def test_malformed_actions_change_nothing(field: str, value: float, message: str) -> None:
    one = env()
    action, before = wish(one), one.graph
    broken = replace(action, **{field: torch.full_like(getattr(action, field), value)})
    with pytest.raises(ValueError, match=message):
        one.step(broken)
    assert one.graph is before and one.drawn == 0


def test_the_most_users_of_a_station_are_kept() -> None:
    one = env(1)
    one.graph["bs"].max_users = torch.full((one.num_stations,), 2)
    action = one_shot("max_rsrp")(SCENARIO.sample(1, seed=0))
    granted, refused = resolved(one.graph, action)
    load = torch.bincount(granted.serving[granted.serving >= 0], minlength=one.num_stations)
    assert int(load.max()) == 2
    assert int(refused) == int((granted.serving < 0).sum())


def test_copies_and_pickles_go_on_alike() -> None:
    one = env()
    one.step(wish(one))
    twins = [copy.deepcopy(one), pickle.loads(pickle.dumps(one))]
    reward = one.step(wish(one, 1)).reward
    for twin in twins:
        assert torch.equal(twin.step(wish(twin, 1)).reward, reward)


def test_a_batch_is_taken_as_it_is() -> None:
    batch = SCENARIO.sample(2, seed=9)
    one = SnapshotEnv(batch)
    first = one.step(wish(one)).reward
    assert torch.equal(one.step(wish(one)).reward, first)
    assert torch.equal(one.graph[CHANNEL].gain, batch[CHANNEL].gain)
