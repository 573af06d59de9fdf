"""Environments for Gymnasium and PettingZoo, held against those projects' own tests."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test
from pettingzoo.utils import parallel_to_aec
from sb3_contrib import MaskablePPO
from stable_baselines3 import DQN, PPO

from hetgraph.envs import (
    ArrivalEnv,
    CellularEnv,
    ConflictEnv,
    HandoverEnv,
    HandoverTrafficEnv,
    IoTEnv,
    SnapshotEnv,
    to_gymnasium,
    to_pettingzoo,
)
from hetgraph.graph import preset, roaming
from hetgraph.graph.presets import iot_noma

KINDS = ("snapshot", "conflict", "cellular", "arrivals", "handover", "handover-traffic", "iot")
SLOTS = {"snapshot": 4, "conflict": 30, "cellular": 30, "arrivals": 30, "handover": 8, "handover-traffic": 8, "iot": 8}


def make(kind: str, networks: int = 1, slots: int | None = None) -> Any:
    slots = slots or SLOTS[kind]
    if kind == "snapshot":
        return SnapshotEnv(preset("hetnet-3tier").scaled(users=0.02), networks, episode_slots=slots)
    if kind == "conflict":
        return ConflictEnv(num_envs=networks, load=0.4, episode_slots=slots, max_queue=None)
    if kind == "cellular":
        return CellularEnv("random-19", networks, load=25.0, episode_slots=slots, max_queue=None)
    if kind == "arrivals":
        return ArrivalEnv("grows-tiny", networks)
    if kind == "handover":
        return HandoverEnv(roaming(cells=6, users=12), networks, steps=slots)
    if kind == "handover-traffic":
        return HandoverTrafficEnv(roaming(6, 12, "handover-traffic"), networks, steps=slots)
    return IoTEnv(iot_noma(users=6, small_cells=2, subchannels=3), networks, episode_slots=slots)


EACH = pytest.mark.parametrize("kind", KINDS)


@EACH
@pytest.mark.parametrize("flat", [False, True])
def test_gymnasium_accepts_the_environment(kind: str, flat: bool) -> None:
    env = to_gymnasium(make(kind), flat)
    check_env(env, skip_render_check=True)
    observation, info = env.reset(seed=0)
    assert observation in env.observation_space
    assert env.action_masks().shape == (int(env.arrays.choices.sum()),) == info["action_mask"].shape


@EACH
@pytest.mark.filterwarnings("ignore:(Observation|Action space)")  # dictionaries, and several choices
def test_pettingzoo_accepts_the_environment(kind: str) -> None:
    parallel_api_test(to_pettingzoo(make(kind)), num_cycles=20)
    parallel_seed_test(lambda: to_pettingzoo(make(kind)), num_cycles=20)
    api_test(parallel_to_aec(to_pettingzoo(make(kind))), num_cycles=20)


@EACH
def test_actions_of_agents_are_those_of_the_network(kind: str) -> None:
    """What the agents choose, put together, moves the environment as the whole action does."""
    parallel, whole = to_pettingzoo(make(kind)), make(kind)
    observations, infos = parallel.reset(seed=3)
    whole.reset(seed=3)
    generator = np.random.default_rng(0)
    for agent in parallel.agents:
        parallel.action_space(agent).seed(int(generator.integers(1000)))
    actions = {a: parallel.action_space(a).sample(mask=infos[a]["action_mask"]) for a in parallel.agents}
    joined = parallel._joined(actions)
    _, rewards, *_ = parallel.step(actions)
    step = whole.step(parallel.arrays.action(joined[None]))
    assert np.allclose(list(rewards.values()), step.reward.reshape(1, -1).numpy())
    assert sum(info["number"] for info in infos.values()) == len(parallel.arrays.owners(whole.observe(whole.level))[0])
    assert all(observation in parallel.observation_space(agent) for agent, observation in observations.items())


@EACH
def test_vector_environments_reset_in_the_same_step(kind: str) -> None:
    env = to_gymnasium(make(kind, networks=3), flat=True)
    assert isinstance(env, gymnasium.vector.VectorEnv)
    first, _ = env.reset(seed=1)
    assert first in env.observation_space
    length = env.arrays.env.episode_slots
    for slot in range(length):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        assert observation in env.observation_space and reward.shape == (3,)
        assert ("final_obs" in info) == (terminated | truncated).all() == (slot == length - 1)
    assert info["final_obs"][0] in env.single_observation_space
    again, _ = env.reset(seed=1)
    assert np.array_equal(first, again)


@EACH
def test_masked_choices_are_never_refused(kind: str) -> None:
    env = to_gymnasium(make(kind))
    env.reset(seed=0)
    generator = np.random.default_rng(0)
    for _ in range(5):
        parts = np.split(env.action_masks(), np.cumsum(env.arrays.choices)[:-1])
        choice = np.array([generator.choice(np.flatnonzero(part)) for part in parts])
        step = env.arrays.env.step(env.arrays.action(choice[None]))
        unavoidable = {"handover", "iot", "snapshot"}  # cells fill up, budgets and clusters are shared between choices
        assert kind in unavoidable or int(step.info["refused"].sum()) == 0


@pytest.mark.parametrize("name", ["Snapshot", "Conflict", "Cellular", "Arrival", "Handover", "HandoverTraffic", "IoT"])
def test_gymnasium_finds_the_environments_by_name(name: str) -> None:
    assert f"hetgraph/{name}-v0" in gymnasium.registry


def test_an_environment_is_made_by_name() -> None:
    env = gymnasium.make("hetgraph/Handover-v0", scenario=roaming(cells=6, users=12), steps=4, flat=True)
    observation, _ = env.reset(seed=0)
    assert observation.shape == env.observation_space.shape
    many = gymnasium.make_vec("hetgraph/Conflict-v0", num_envs=2, flat=True)
    assert many.reset(seed=0)[0].shape == (2, *many.single_observation_space.shape)


@EACH
def test_stable_baselines_trains(kind: str) -> None:
    model = PPO("MlpPolicy", to_gymnasium(make(kind), flat=True), n_steps=32, batch_size=16, n_epochs=1, seed=0)
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(32)
    assert any(not p.equal(q) for p, q in zip(model.policy.parameters(), before, strict=True))


@EACH
def test_maskable_ppo_trains(kind: str) -> None:
    model = MaskablePPO("MlpPolicy", to_gymnasium(make(kind), flat=True), n_steps=32, batch_size=16, n_epochs=1, seed=0)
    model.learn(32)
    assert model.num_timesteps == 32


def test_dqn_trains_where_an_action_is_one_choice() -> None:
    env = to_gymnasium(make("arrivals"), flat=True)
    assert isinstance(env.action_space, gymnasium.spaces.Discrete)
    model = DQN("MlpPolicy", env, buffer_size=100, learning_starts=10, batch_size=8, seed=0)
    model.learn(40)
    assert model.num_timesteps == 40


def test_what_an_adapter_cannot_do_is_said() -> None:
    with pytest.raises(ValueError, match=r"env: got 2 networks, expected one for PettingZoo"):
        to_pettingzoo(make("conflict", networks=2))
    with pytest.raises(ValueError, match=r"levels_db: got \(3\.0,\)"):
        to_gymnasium(make("conflict"), levels_db=(3.0,))
