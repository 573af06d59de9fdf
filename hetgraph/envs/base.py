"""What all environments have in common."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar, get_args

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.action_spec import ActionSpec
from hetgraph.envs.step import Step
from hetgraph.graph.schema import Level

A = TypeVar("A")


class GraphEnv(ABC, Generic[A]):
    """``B`` networks side by side, as one batch of contract graphs whose shapes never change.

    An observation is a graph that passes :func:`hetgraph.graph.check` at its level: it has stations, users and antennas, and its
    channel edges, their order and ``slot`` are the same at every level. ``known [E]`` says which edges a level knows; of the
    others gains and measurements are zero. Level ``genie`` has the gains of the present slot, all others those that were reported
    one slot ago.

    Networks that end are reset within the same step: ``obs`` is then the first observation of the next episode,
    ``info["final_obs"]`` the last one of the old and ``info["episode"]`` its indicators ``{name: [B]}``. ``info["refused"] [B]``
    counts wishes that the rules did not allow. Network i has random numbers of its own, the same alone and among many.
    """

    autoreset = "same_step"
    num_envs: int
    num_stations: int
    level: Level
    device: torch.device
    action: ActionSpec[A]
    seed: int
    episode: int  # number of the running one, from 0 for each seed

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[HeteroData, dict[str, Any]]:
        """Start the next episode of all networks; with a seed, the first episode of that seed.

        Args:
            seed: of everything that is random.
            options: none are known.

        Raises:
            ValueError: an option.
        """
        check_options(options)
        if seed is not None:
            self._set_seed(seed)
        self._start()
        return self.observe(self.level), self._start_info()

    def _set_seed(self, seed: int) -> None:
        """Let the next episode be the first one of a seed."""
        self.seed, self.episode = seed, -1

    @abstractmethod
    def _start(self) -> None:
        """Begin the next episode of all networks."""

    def _start_info(self) -> dict[str, Any]:
        """What ``reset`` tells besides the observation."""
        return {}

    @abstractmethod
    def step(self, action: A) -> Step:
        """One slot. A malformed action raises one sentence and changes nothing."""

    @abstractmethod
    def observe(self, level: Level) -> HeteroData:
        """The networks as a level knows them: views of the state that the next step overwrites."""

    @property
    @abstractmethod
    def episode_slots(self) -> int:
        """Length of an episode."""

    def record_episodes(self) -> None:
        """Keep from the next reset on what ``info["episode"]`` needs, where that costs too much to be kept always."""

    def details(self) -> Any:
        """What the last episode tells beyond its indicators, for figures and for comparing policies; ``None`` for nothing."""

    @abstractmethod
    def masks(self) -> dict[str, Tensor]:
        """For each part of the action that has a mask, which choices are of use: ``{mask: bool [*shape, n]}``."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on, beside the constructor's arguments."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""


def number_of_networks(scenario: object, num_envs: int | None) -> int:
    """``num_envs``; where it is ``None``, as many as a batch of graphs has, one otherwise."""
    if num_envs is not None:
        return num_envs
    return int(getattr(scenario, "num_graphs", 1)) if isinstance(scenario, HeteroData) else 1


def check_level(level: Level) -> None:
    """Refuse an unknown level.

    Raises:
        ValueError: which it is not.
    """
    if level not in get_args(Level):
        raise ValueError(f"level: got {level!r}, expected one of {', '.join(get_args(Level))}")


def check_options(options: dict[str, Any] | None) -> None:
    """Refuse options of ``reset``, of which there are none.

    Raises:
        ValueError: an option.
    """
    if options:
        raise ValueError(f"options: got {', '.join(options)}, expected none")
