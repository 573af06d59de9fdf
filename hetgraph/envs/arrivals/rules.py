"""Classical rules for the association of arriving users."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.radio.candidate_stations import CandidateStations, candidate_stations_of


class Rule(ABC):
    """Base of rules: ``act`` reads the candidate stations from the graph and hands them to ``choose``."""

    level: Level = "neighbourhood"
    name = ""

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""
        return None

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the chosen stations ``[B]``."""
        return self.choose(candidate_stations_of(obs), generator), state

    @abstractmethod
    def choose(self, candidates: CandidateStations, generator: Generator | None) -> Tensor:
        """Places of the chosen stations among those that the user hears ``[B]``; K rejects."""


class Strongest(Rule):
    """The strongest station.

    Args:
        overflow: the strongest one with room (the paper's words); else a user is rejected when its strongest station is full,
            which is what the paper's gains need.
    """

    def __init__(self, overflow: bool = True) -> None:
        self.overflow, self.name = overflow, "argmax" if overflow else "argmax_blocking"

    def choose(self, candidates: CandidateStations, generator: Generator | None) -> Tensor:
        """The first place, or the first one with room."""
        return (
            candidates.or_reject(candidates.room.to(torch.uint8).argmax(1)) if self.overflow else candidates.strongest
        )


class RandomStation(Rule):
    """Any station with room, all as likely."""

    name = "random_station"

    def choose(self, candidates: CandidateStations, generator: Generator | None) -> Tensor:
        """A place with room."""
        draw = torch.rand(candidates.room.shape, generator=generator, device=candidates.room.device)
        return best(candidates, draw)


class LeastLoaded(Rule):
    """The station with the fewest users, the strongest of several."""

    name = "least_loaded"

    def choose(self, candidates: CandidateStations, generator: Generator | None) -> Tensor:
        """A place with room."""
        return best(candidates, -candidates.users)


class BestRate(Rule):
    """The station that would give the user the highest rate: what it gives alone over the users that then share it."""

    name = "best_rate"

    def choose(self, candidates: CandidateStations, generator: Generator | None) -> Tensor:
        """A place with room."""
        return best(candidates, candidates.rate / (candidates.users + 1))


class BestRateAdmission(BestRate):
    """Best rate with admission control: who would get less than a least rate at the best station is turned away.

    Args:
        least: least rate, in data a slot; in networks of more stations, whose slots are shorter, in data a ``time_unit``. The default
            was chosen on validation pieces of ``grows-city``.

    Raises:
        ValueError: a rate below zero.
    """

    def __init__(self, least: float = 0.25) -> None:
        if least < 0:
            raise ValueError(f"least: got {least}, expected a rate of zero or more")
        self.least, self.name = least, "best_rate_admission"

    def choose(self, candidates: CandidateStations, generator: Generator | None) -> Tensor:
        """The place of the best rate, or K, which rejects."""
        rate = candidates.rate / (candidates.users + 1) * candidates.time_unit.unsqueeze(1)
        enough = rate.masked_fill(~candidates.room, -torch.inf).amax(1) >= self.least
        return super().choose(candidates, generator).masked_fill(~enough, candidates.room.shape[1])


def best(candidates: CandidateStations, score: Tensor) -> Tensor:
    """Place of the largest score among stations with room, the strongest of several ``[B]``; K where none has."""
    return candidates.or_reject(score.masked_fill(~candidates.room, -torch.inf).argmax(1))
