"""Gymnasium and PettingZoo faces, held against those projects' own tests."""

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import parallel_api_test, parallel_seed_test
from stable_baselines3 import PPO

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv, to_gymnasium, to_pettingzoo


def make(kind: str, networks: int = 1, slots: int = 30) -> QueueEnv:
    if kind == "conflict":
        return ConflictEnv(num_envs=networks, load=0.4, episode_slots=slots, max_queue=20)
    return CellularEnv("random-19", networks, layouts=1, load=25.0, episode_slots=slots, max_queue=20)


KINDS = pytest.mark.parametrize("kind", ["conflict", "cellular"])


@KINDS
def test_gymnasium_accepts_the_face(kind: str) -> None:
    check_env(to_gymnasium(make(kind)), skip_render_check=True)
    flat = to_gymnasium(make(kind), flat=True)
    assert flat.reset(seed=0)[0] in flat.observation_space and flat.observation_space.shape == (
        sum(int(np.prod(box.shape)) for box in flat.unwrapped.observation_space.values()),
    )


@KINDS
def test_pettingzoo_accepts_the_face(kind: str) -> None:
    env = to_pettingzoo(make(kind))
    parallel_api_test(env, num_cycles=100)
    assert env.agents == [], "an episode that ended has nobody left"
    parallel_seed_test(lambda: to_pettingzoo(make(kind)), num_cycles=50)


@KINDS
def test_an_episode_ends_with_its_own_last_observation(kind: str) -> None:
    env = to_gymnasium(make(kind, slots=5))
    observation, _ = env.reset(seed=3)
    for slot in range(5):
        observation, reward, terminated, truncated, info = env.step(env.action_space.sample() * 0)
        assert truncated == (slot == 4) and not terminated and reward <= 0
    packets = np.expm1(observation["queue"]).sum()
    assert packets > np.expm1(env.reset()[0]["queue"]).sum(), "nothing was served: the last queues are the longest"
    assert len(info["station_reward"]) == env.face.env.num_stations


@KINDS
def test_vector_environments_reset_in_the_same_step(kind: str) -> None:
    env = to_gymnasium(make(kind, networks=3, slots=4))
    assert isinstance(env, gymnasium.vector.VectorEnv)
    first, _ = env.reset(seed=1)
    assert first in env.observation_space
    for slot in range(4):
        observation, reward, _, truncated, info = env.step(env.action_space.sample())
        assert observation in env.observation_space and reward.shape == (3,)
        assert ("final_obs" in info) == truncated.all() == (slot == 3)
    assert info["final_obs"][0] in env.single_observation_space
    again, _ = env.reset(seed=1)
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_a_mask_marks_the_devices_with_packets() -> None:
    env = to_pettingzoo(make("cellular"))
    observations, infos = env.reset(seed=0)
    for agent, info in infos.items():
        waiting = observations[agent]["queue"] > 0
        assert info["action_mask"].tolist() == [1, *np.repeat(waiting, 4).astype(int).tolist()]
        assert env.action_space(agent).nvec.tolist() == [1 + 4 * len(waiting)] * 3


def test_actions_reach_the_devices_they_name() -> None:
    """A station gives subband 1 to its second device at the second power level, and nothing else."""
    env = make("cellular")
    face = to_pettingzoo(env).face
    action = np.zeros((19, 3), np.int64)
    action[4, 1] = 1 + 1 * 4 + 1
    allocation = face.allocation(action)
    device = int(env.cells.device[0, 4, 1])
    assert allocation.airtime is not None
    assert allocation.airtime.nonzero().tolist() == [[device, 1]]
    assert allocation.power_w.nonzero().tolist() == [[4, 1]]
    most = env.observe("local")["bs"].rb_power_max_w[4, 1]
    assert float(allocation.power_w[4, 1] / most) == pytest.approx(10**-0.575)


def test_stable_baselines_trains_on_the_flat_face() -> None:
    model = PPO("MlpPolicy", to_gymnasium(make("conflict", slots=64), flat=True), n_steps=64, batch_size=32, seed=0)
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(128)
    assert any(not p.equal(q) for p, q in zip(model.policy.parameters(), before, strict=True))


def test_what_a_face_cannot_do_is_said() -> None:
    with pytest.raises(ValueError, match="env: got 2 networks, expected one for PettingZoo"):
        to_pettingzoo(make("conflict", networks=2))
    with pytest.raises(ValueError, match="env: got layouts with different cells"):
        to_gymnasium(CellularEnv("random-19", 2))
    with pytest.raises(ValueError, match="levels_db: got "):
        to_gymnasium(make("conflict"), levels_db=(3.0,))
