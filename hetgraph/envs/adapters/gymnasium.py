"""Gymnasium faces: one network as an ``Env``, many as a ``VectorEnv``; all stations are one team with one reward."""

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from gymnasium.wrappers import FlattenObservation
from gymnasium.wrappers.vector import FlattenObservation as FlattenVectorObservation
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from hetgraph.envs.adapters.views import Face
from hetgraph.envs.queues.base import QueueEnv

Observation = dict[str, NDArray[np.float32]]


def _observation_space(face: Face) -> Any:
    return spaces.Dict(
        {name: spaces.Box(low, high, shape, np.float32) for name, (low, high, shape) in face.boxes().items()}
    )


def _action_space(face: Face) -> spaces.MultiDiscrete:
    return spaces.MultiDiscrete(np.repeat(face.choices, face.blocks))


class GymnasiumEnv(gymnasium.Env[Observation, NDArray[np.int64]]):
    """One network; ``info`` has the rewards and action masks of the stations.

    Args:
        env: environment of one network.
        levels_db: see :class:`~hetgraph.envs.adapters.views.Face`.
    """

    metadata: dict[str, Any] = {"render_modes": []}

    def __init__(self, env: QueueEnv, levels_db: Sequence[float] | None = None) -> None:
        self.face, self.render_mode = Face(env, levels_db), None
        self.observation_space, self.action_space = _observation_space(self.face), _action_space(self.face)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """First observation of a new episode."""
        super().reset(seed=seed)
        obs, _ = self.face.env.reset(seed=int(self.np_random.integers(2**31)), options=options)
        return self._seen(obs, np.zeros(self.face.env.num_stations, np.float32))

    def step(self, action: NDArray[np.int64]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One slot; the reward is the mean over the stations."""
        step = self.face.env.step(self.face.allocation(action))
        reward = step.reward[0].float().cpu().numpy()
        observation, info = self._seen(step.info.get("final_obs", step.obs), reward)
        return observation, float(reward.mean()), bool(step.terminated[0]), bool(step.truncated[0]), info

    def _seen(self, obs: HeteroData, reward: NDArray[np.float32]) -> tuple[Observation, dict[str, Any]]:
        info = {"station_reward": reward, "action_mask": [mask[0] for mask in self.face.mask(obs)]}
        return {name: value[0] for name, value in self.face.arrays(obs).items()}, info


class GymnasiumVectorEnv(VectorEnv[Observation, NDArray[np.int64], NDArray[np.float64]]):
    """Many networks of one layout; a network that ends is reset in the same step, its last observation is in ``final_obs``.

    Args:
        env: environment.
        levels_db: see :class:`~hetgraph.envs.adapters.views.Face`.
    """

    metadata: dict[str, Any] = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}

    def __init__(self, env: QueueEnv, levels_db: Sequence[float] | None = None) -> None:
        self.face, self.num_envs, self.render_mode = Face(env, levels_db), env.num_envs, None
        self.single_observation_space, self.single_action_space = (
            _observation_space(self.face),
            _action_space(self.face),
        )
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """First observations; the first of several seeds is that of all networks, which draw from one generator."""
        first = seed if seed is None or isinstance(seed, int) else seed[0]
        super().reset(seed=first)
        obs, _ = self.face.env.reset(seed=int(self.np_random.integers(2**31)), options=options)
        return self.face.arrays(obs), {"action_mask": self.face.mask(obs)}

    def step(self, actions: NDArray[np.int64]) -> tuple[Observation, NDArray[np.float64], Any, Any, dict[str, Any]]:
        """One slot of all networks."""
        step = self.face.env.step(self.face.allocation(actions))
        reward = step.reward.double().cpu().numpy()
        info = {"station_reward": reward, "action_mask": self.face.mask(step.obs)}
        done = (step.terminated | step.truncated).cpu().numpy()
        if done.any():
            last = np.full(self.num_envs, None, dtype=object)
            final = self.face.arrays(step.info["final_obs"])
            for place in done.nonzero()[0]:
                last[place] = {name: value[place] for name, value in final.items()}
            info |= {"final_obs": last, "_final_obs": done}
        return (
            self.face.arrays(step.obs),
            reward.mean(1),
            step.terminated.cpu().numpy(),
            step.truncated.cpu().numpy(),
            info,
        )


def flat(env: GymnasiumEnv) -> "gymnasium.Env[NDArray[np.float32], NDArray[np.int64]]":
    """Observations as one vector."""
    return FlattenObservation(env)


def flat_vector(env: GymnasiumVectorEnv) -> "VectorEnv[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64]]":
    """Observations as one vector for each network."""
    return FlattenVectorObservation(env)
