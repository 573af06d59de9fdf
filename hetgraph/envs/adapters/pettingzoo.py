"""Environments for PettingZoo: an agent for each station, which sees its own users and decides for them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from pettingzoo import ParallelEnv
from torch_geometric.data import HeteroData

from hetgraph.envs.adapters.arrays import LEVELS_DB, LIMIT, Arrays, Dimension
from hetgraph.envs.base import GraphEnv

Observation = dict[str, NDArray[np.float32]]


class PettingZooEnv(ParallelEnv[str, Observation, NDArray[np.int64]]):  # type: ignore[misc]
    """One network; agents ``bs_0``, ``bs_1``, ... of one shape.

    What an agent sees: its station ``bs [F]``, its users ``ue [P, F]`` and their channel edges ``channel [P, k, F]``, in the order of
    the users and padded with zeros to ``P`` places; ``number`` in the info says how many there are. Its users are those that it
    serves, and those whom nobody serves and who hear it best. Parts of the action that are a station's are its own; parts that
    are a user's go to the places of its users, and one that is of no user in particular to the last user, the arriving one.

    Args:
        env: environment of one network.
        places: P, by default the number of users; users beyond it are left as the first value of each choice says.
        levels_db: see :class:`~hetgraph.envs.adapters.arrays.Arrays`.

    Raises:
        ValueError: users with different numbers of candidates.
    """

    metadata: dict[str, Any] = {"render_modes": [], "name": "hetgraph"}

    def __init__(self, env: GraphEnv[Any], places: int | None = None, levels_db: Sequence[float] = LEVELS_DB) -> None:
        self.arrays, self.render_mode = Arrays(env, levels_db), None
        tables = {name: table.shape[1:] for name, table in self._tables(env.observe(env.level)).items()}
        users, edges = tables["ue"][0], tables["channel"][0]
        if edges % users:
            raise ValueError(f"env: got {edges} channel edges for {users} users, expected equally many for each")
        self.candidates, self.places = edges // users, places or users
        shapes = {
            "bs": tables["bs"][1:],
            "ue": (self.places, tables["ue"][1]),
            "channel": (self.places, self.candidates, tables["channel"][1]),
        }
        box = {name: spaces.Box(-LIMIT, LIMIT, shape, np.float32) for name, shape in shapes.items()}
        self.possible_agents = [f"bs_{number}" for number in range(env.num_stations)]
        self.agents: list[str] = []
        choices = np.concatenate([np.full(self._width(dim), dim.choices) for dim in self.arrays.dimensions])
        self._observations = {agent: spaces.Dict(dict(box)) for agent in self.possible_agents}
        self._actions = {agent: spaces.MultiDiscrete(choices) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> spaces.Dict:
        """Observations of a station, always the same object."""
        return self._observations[agent]

    def action_space(self, agent: str) -> spaces.MultiDiscrete:
        """Actions of a station, always the same object."""
        return self._actions[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """First observations of a new episode; PettingZoo's own test passes options that mean nothing, so they are ignored."""
        self.agents = list(self.possible_agents)
        obs, _ = self.arrays.env.reset(seed=seed)
        return self._result(obs)

    def step(
        self, actions: dict[str, NDArray[np.int64]]
    ) -> tuple[dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One slot; agents without an action take the first value of each choice."""
        step = self.arrays.env.step(self.arrays.action(self._joined(actions)[None]))
        observations, infos = self._result(step.info.get("final_obs", step.obs))
        agents, reward = self.agents, step.reward.reshape(1, -1).expand(1, len(self.possible_agents))[0].tolist()
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        if terminated or truncated:
            self.agents = []
        return (
            observations,
            dict(zip(agents, reward, strict=True)),
            dict.fromkeys(agents, terminated),
            dict.fromkeys(agents, truncated),
            infos,
        )

    def _tables(self, obs: HeteroData) -> dict[str, NDArray[np.float32]]:
        return self.arrays.tables(obs)

    def _result(self, obs: HeteroData) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        tables = {name: table[0] for name, table in self._tables(obs).items()}
        edges = tables["channel"].reshape(-1, self.candidates, tables["channel"].shape[-1])
        owner, masks = self.arrays.owners(obs)[0], self._mask_tables()
        self._users = [np.flatnonzero(owner == n)[: self.places] for n in range(len(self.possible_agents))]
        self._arriving = int(owner[-1])
        observations, infos = {}, {}
        for number, (agent, users) in enumerate(zip(self.possible_agents, self._users, strict=True)):
            own = {"bs": tables["bs"][number]}
            for name, table in (("ue", tables["ue"]), ("channel", edges)):
                own[name] = np.zeros((self.places, *table.shape[1:]), np.float32)
                own[name][: len(users)] = table[users]
            observations[agent] = own
            infos[agent] = {"action_mask": self._agent_mask(number, masks), "number": len(users)}
        return observations, infos

    def _width(self, dim: Dimension) -> int:
        """Choices of an agent in a part of the action."""
        axis = self._axis(dim)
        if axis is None:
            return 1
        rest = dim.count // dim.shape[axis]
        return rest if dim.part.shape[axis + 1] == "N" else self.places * rest

    @staticmethod
    def _axis(dim: Dimension) -> int | None:
        """Axis of stations, else of users, else none."""
        symbols = dim.part.shape[1:]
        return next((symbols.index(symbol) for symbol in ("N", "U") if symbol in symbols), None)

    def _mask_tables(self) -> list[NDArray[np.bool_]]:
        """Masks of the parts, ``[*shape, choices]`` each."""
        flat, out, begin = self.arrays.masks()[0], [], 0
        for dim in self.arrays.dimensions:
            size = dim.count * dim.choices
            out.append(flat[begin : begin + size].reshape(*dim.shape, dim.choices))
            begin += size
        return out

    def _agent_mask(self, number: int, masks: list[NDArray[np.bool_]]) -> tuple[NDArray[np.int8], ...]:
        """Masks of an agent's choices, one array each, as ``MultiDiscrete.sample`` takes them; of free places the first value."""
        rows: list[NDArray[np.int8]] = []
        for dim, mask in zip(self.arrays.dimensions, masks, strict=True):
            axis = self._axis(dim)
            padding = np.zeros((self._width(dim), dim.choices), np.int8)
            padding[:, 0] = 1
            if axis is None:
                own = mask.reshape(1, -1) if number == self._arriving else mask[:0].reshape(0, dim.choices)
            else:
                moved = np.moveaxis(mask, axis, 0)
                own = moved[number] if dim.part.shape[axis + 1] == "N" else moved[self._users[number]]
                own = own.reshape(-1, dim.choices)
            padding[: len(own)] = own
            rows.extend(padding)
        return tuple(rows)

    def _joined(self, actions: dict[str, NDArray[np.int64]]) -> NDArray[np.int64]:
        """Flat choices of the network from those of its agents."""
        out = np.zeros(sum(dim.count for dim in self.arrays.dimensions), np.int64)
        for number, agent in enumerate(self.possible_agents):
            if agent not in actions:
                continue
            begin = 0
            for dim in self.arrays.dimensions:
                width = self._width(dim)
                value, axis = np.asarray(actions[agent])[begin : begin + width], self._axis(dim)
                begin += width
                table = out[dim.begin : dim.end].reshape(dim.shape)
                if axis is None:
                    if number == self._arriving:
                        out[dim.begin] = value[0]
                    continue
                rows = np.moveaxis(table, axis, 0)
                if dim.part.shape[axis + 1] == "N":
                    rows[number] = value.reshape(rows.shape[1:])
                else:
                    users = self._users[number]
                    rows[users] = value.reshape(self.places, *rows.shape[1:])[: len(users)]
        return out

    def render(self) -> None:
        """Nothing to render."""

    def close(self) -> None:
        """Nothing to close."""
