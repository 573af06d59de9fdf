"""PettingZoo parallel face: an agent for each station, which sees its own devices and hears its neighbours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from torch_geometric.data import HeteroData

from hetgraph.envs.adapters.views import Face
from hetgraph.envs.queues.base import QueueEnv

Observation = dict[str, NDArray[np.float32]]


class PettingZooEnv(ParallelEnv[str, Observation, NDArray[np.int64]]):  # type: ignore[misc]
    """One network; agents ``bs_0``, ``bs_1``, ... each with arrays as large as its own cell, nothing padded.

    Args:
        env: environment of one network.
        levels_db: see :class:`~hetgraph.envs.adapters.views.Face`.
    """

    metadata: dict[str, Any] = {"render_modes": [], "name": "hetgraph"}

    def __init__(self, env: QueueEnv, levels_db: Sequence[float] | None = None) -> None:
        self.face, self.render_mode = Face(env, levels_db), None
        face, boxes = self.face, self.face.boxes()
        self.possible_agents = [f"bs_{number}" for number in range(env.num_stations)]
        self.agents: list[str] = []
        self._observations, self._actions = {}, {}
        for agent, devices, choices in zip(self.possible_agents, face.devices, face.choices, strict=True):
            parts: dict[str, spaces.Space[Any]] = {
                name: spaces.Box(low, high, (2,) if name == "heard" else (devices, *shape[1:]), np.float32)
                for name, (low, high, shape) in boxes.items()
            }
            self._observations[agent] = spaces.Dict(parts)
            self._actions[agent] = spaces.MultiDiscrete([choices] * face.blocks)

    def observation_space(self, agent: str) -> spaces.Dict:
        """Observations of a station, always the same object."""
        return self._observations[agent]

    def action_space(self, agent: str) -> spaces.MultiDiscrete:
        """Actions of a station on its resource blocks, always the same object."""
        return self._actions[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """First observations of a new episode; PettingZoo's own test passes options that mean nothing, so they are ignored."""
        self.agents = list(self.possible_agents)
        obs, _ = self.face.env.reset(seed=seed)
        return self._observed(obs), self._infos(obs)

    def step(
        self, actions: dict[str, NDArray[np.int64]]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One slot; agents without an action stay silent."""
        silent = np.zeros(self.face.blocks, np.int64)
        step = self.face.env.step(
            self.face.allocation(np.stack([actions.get(a, silent) for a in self.possible_agents]))
        )
        obs = step.info.get("final_obs", step.obs)
        agents, reward = self.agents, step.reward[0].tolist()
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        if terminated or truncated:
            self.agents = []
        return (
            self._observed(obs),
            dict(zip(agents, reward, strict=True)),
            dict.fromkeys(agents, terminated),
            dict.fromkeys(agents, truncated),
            self._infos(obs),
        )

    def _observed(self, obs: HeteroData) -> dict[str, Observation]:
        cuts = np.cumsum(self.face.devices)[:-1]
        arrays = {name: value[0] for name, value in self.face.arrays(obs).items()}
        parts = {name: list(value) if name == "heard" else np.split(value, cuts) for name, value in arrays.items()}
        return {
            agent: {name: part[place].copy() for name, part in parts.items()}
            for place, agent in enumerate(self.possible_agents)
        }

    def _infos(self, obs: HeteroData) -> dict[str, dict[str, Any]]:
        return {
            agent: {"action_mask": mask[0]}
            for agent, mask in zip(self.possible_agents, self.face.mask(obs), strict=True)
        }

    def render(self) -> None:
        """Nothing to render."""

    def close(self) -> None:
        """Nothing to close."""
