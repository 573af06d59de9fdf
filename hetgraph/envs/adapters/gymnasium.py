"""Environments for Gymnasium: one network as an ``Env``, many as a ``VectorEnv``; all stations are one team with one reward."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from hetgraph.envs.adapters.arrays import LEVELS_DB, LIMIT, Arrays
from hetgraph.envs.arrivals.env import ArrivalEnv
from hetgraph.envs.base import GraphEnv
from hetgraph.envs.handover.env import HandoverEnv
from hetgraph.envs.handover.traffic_env import HandoverTrafficEnv
from hetgraph.envs.iot.env import IoTEnv
from hetgraph.envs.queues.cellular import CellularEnv
from hetgraph.envs.queues.conflict import ConflictEnv
from hetgraph.envs.snapshot.env import SnapshotEnv

ENVIRONMENTS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (SnapshotEnv, ConflictEnv, CellularEnv, ArrivalEnv, HandoverEnv, HandoverTrafficEnv, IoTEnv)
}
Observation = dict[str, NDArray[np.float32]] | NDArray[np.float32]


def observation_space(arrays: Arrays, flat: bool) -> Any:
    """Box of each table of a network, or one box of all their numbers."""
    shapes = {name: table.shape[1:] for name, table in arrays.tables(arrays.env.observe(arrays.env.level)).items()}
    if flat:
        return spaces.Box(-LIMIT, LIMIT, (sum(int(np.prod(shape)) for shape in shapes.values()),), np.float32)
    return spaces.Dict({name: spaces.Box(-LIMIT, LIMIT, shape, np.float32) for name, shape in shapes.items()})


def action_space(arrays: Arrays) -> Any:
    """``Discrete`` of a single choice, ``MultiDiscrete`` of several."""
    choices = arrays.choices
    return spaces.Discrete(int(choices[0])) if len(choices) == 1 else spaces.MultiDiscrete(choices)


def observed(arrays: Arrays, obs: HeteroData, flat: bool) -> Any:
    """Observation of all networks."""
    tables = arrays.tables(obs)
    if not flat:
        return tables
    return np.concatenate([table.reshape(len(table), -1) for table in tables.values()], 1)


def of_network(observation: Any, place: int) -> Any:
    """Observation of one network."""
    if isinstance(observation, dict):
        return {name: table[place] for name, table in observation.items()}
    return observation[place]


class GymnasiumEnv(gymnasium.Env[Observation, Any]):
    """One network; ``info`` has the rewards of the stations and the action mask.

    Args:
        env: environment of one network.
        flat: observations as one vector.
        levels_db: see :class:`~hetgraph.envs.adapters.arrays.Arrays`.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, env: GraphEnv[Any], flat: bool = False, levels_db: Sequence[float] = LEVELS_DB) -> None:
        self.arrays, self.flat, self.render_mode = Arrays(env, levels_db), flat, None
        self.observation_space, self.action_space = observation_space(self.arrays, flat), action_space(self.arrays)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """First observation of a new episode."""
        super().reset(seed=seed)
        env = self.arrays.env
        obs, _ = env.reset(seed=int(self.np_random.integers(2**31)), options=options)
        return self._result(obs, np.zeros(env.num_stations, np.float32))

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One slot; the reward is the mean over the stations."""
        step = self.arrays.env.step(self.arrays.action(np.asarray(action)))
        reward = step.reward.reshape(1, -1)[0].float().cpu().numpy()
        observation, info = self._result(step.info.get("final_obs", step.obs), reward)
        return observation, float(reward.mean()), bool(step.terminated[0]), bool(step.truncated[0]), info

    def action_masks(self) -> NDArray[np.bool_]:
        """Which values of each choice are of use now, as ``MaskablePPO`` of sb3-contrib asks for them."""
        mask: NDArray[np.bool_] = self.arrays.masks()[0]
        return mask

    def _result(self, obs: HeteroData, reward: NDArray[np.float32]) -> tuple[Observation, dict[str, Any]]:
        info = {"station_reward": reward, "action_mask": self.action_masks()}
        return of_network(observed(self.arrays, obs, self.flat), 0), info


class GymnasiumVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[np.float64]]):
    """Many networks; one that ends is reset in the same step, its last observation is in ``final_obs``.

    Args:
        env: environment.
        flat: observations as one vector for each network.
        levels_db: see :class:`~hetgraph.envs.adapters.arrays.Arrays`.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, env: GraphEnv[Any], flat: bool = False, levels_db: Sequence[float] = LEVELS_DB) -> None:
        self.arrays, self.flat = Arrays(env, levels_db), flat
        self.num_envs, self.render_mode = env.num_envs, None
        self.single_observation_space = observation_space(self.arrays, flat)
        self.single_action_space = action_space(self.arrays)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """First observations; of several seeds the first counts: network i draws from streams of this seed and i."""
        first = seed if seed is None or isinstance(seed, int) else seed[0]
        super().reset(seed=first)
        obs, _ = self.arrays.env.reset(seed=int(self.np_random.integers(2**31)), options=options)
        return observed(self.arrays, obs, self.flat), {"action_mask": self.arrays.masks()}

    def step(self, actions: NDArray[np.int64]) -> tuple[Observation, NDArray[np.float64], Any, Any, dict[str, Any]]:
        """One slot of all networks; the reward is the mean over the stations."""
        step = self.arrays.env.step(self.arrays.action(actions))
        reward = step.reward.double().cpu().numpy().reshape(self.num_envs, -1)
        info = {"station_reward": reward, "action_mask": self.arrays.masks()}
        done = (step.terminated | step.truncated).cpu().numpy()
        if done.any():
            last = np.full(self.num_envs, None, dtype=object)
            final = observed(self.arrays, step.info["final_obs"], self.flat)
            for place in done.nonzero()[0]:
                last[place] = of_network(final, int(place))
            info |= {"final_obs": last, "_final_obs": done}
        ends = step.terminated.cpu().numpy(), step.truncated.cpu().numpy()
        return observed(self.arrays, step.obs, self.flat), reward.mean(1), *ends, info


def make(
    environment: str, *, flat: bool = False, levels_db: Sequence[float] = LEVELS_DB, **options: Any
) -> GymnasiumEnv:
    """What ``gymnasium.make("hetgraph/Handover-v0", ...)`` gives: one network.

    Args:
        environment: name of a class of :mod:`hetgraph.envs`.
        flat: observations as one vector.
        levels_db: see :class:`~hetgraph.envs.adapters.arrays.Arrays`.
        options: arguments of the environment.
    """
    return GymnasiumEnv(ENVIRONMENTS[environment](num_envs=1, **options), flat, levels_db)


def make_vector(
    environment: str, num_envs: int = 1, *, flat: bool = False, levels_db: Sequence[float] = LEVELS_DB, **options: Any
) -> GymnasiumVectorEnv:
    """What ``gymnasium.make_vec("hetgraph/Handover-v0", num_envs=8, ...)`` gives: networks side by side."""
    return GymnasiumVectorEnv(ENVIRONMENTS[environment](num_envs=num_envs, **options), flat, levels_db)
