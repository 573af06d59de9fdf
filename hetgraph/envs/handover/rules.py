"""Classical rules for handovers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.levels import known_stations
from hetgraph.graph.schema import CHANNEL, NEIGHBOURS, Level
from hetgraph.radio.handover import HandoverAction
from hetgraph.solvers.announced import PATIENCE, ROUNDS, announced_value
from hetgraph.solvers.handover import Choice
from hetgraph.units import linear_to_db


@dataclass(frozen=True)
class Reports:
    """What users report of the cells that they can be at, the serving one in place 0, and what those cells make known.

    Args:
        choice: cells, where users may be, rates there and the room that cells have.
        gap_db: received power over that of the serving cell, without bias ``[B, U, k + 1]``, dB.
        users: users of those cells ``[B, U, k + 1]``.
        small: power below the network's largest ``[B, U, k + 1]``.
        biased: the rule counts a bias.
        levels: number of resource levels.
    """

    choice: Choice
    gap_db: Tensor
    users: Tensor
    small: Tensor
    biased: bool
    levels: int

    @staticmethod
    def of(obs: HeteroData, level: Level) -> "Reports":
        """Read an observation of a handover environment; cells whose users a level does not know count as full as the own one."""
        bs, edges, b = obs["bs"], obs[CHANNEL], obs.num_graphs
        users, cells = len(obs["ue"].level) // b, len(bs.users) // b
        shape = (b, users, -1)
        node = edges.edge_index[0].view(shape)
        first = cells * torch.arange(b, device=node.device)
        power = bs.power_max_w.view(b, cells)
        small = power < 0.99 * power.amax(1, keepdim=True)
        received_db = linear_to_db(edges.gain.view(shape) * power.flatten()[node])
        scale = obs.rb_bandwidth_hz[:, 0] / obs.rate_unit_bps
        return Reports(
            Choice(
                cell=node - first.reshape(-1, 1, 1),
                allowed=edges.allowed.view(shape),
                rate=edges.spectral_efficiency.view(shape) * scale.reshape(-1, 1, 1),
                room=bs.room.view(b, cells),
            ),
            gap_db=received_db - received_db[..., :1],
            users=_users(obs, level).view(shape),
            small=small.flatten()[node],
            biased=bool(edges.bias_db.any()),
            levels=int(obs.levels[0]),
        )


def _users(obs: HeteroData, level: Level) -> Tensor:
    """Users of each place's cell ``[E]``, those of the user's own cell where they are not known."""
    users: Tensor = obs[CHANNEL].users
    cells = len(obs["bs"].users)
    if level != "neighbourhood" or obs[NEIGHBOURS].edge_index.shape[1] == cells * (cells // obs.num_graphs - 1):
        return users
    own = users[obs[CHANNEL].own][obs[CHANNEL].edge_index[1]]
    return torch.where(known_stations(obs, level), users, own)


class Mover(ABC):
    """Base of rules: ``act`` reads the reports and hands them to ``choose``, and gives all users the same level.

    Equal levels are the best resource rule for users whose rates are well above the utility's unit: where levels share a cell, a
    sum of logarithms is largest for equal shares, and in the paper's model the highest level costs nothing.

    Args:
        level_of_all: resource level; ``None`` for the highest.
    """

    level: Level = "neighbourhood"
    name = ""

    def __init__(self, level_of_all: int | None = None) -> None:
        self.level_of_all = level_of_all

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""
        return None

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """Places and levels, and the memory for the next step."""
        reports = Reports.of(obs, self.level)
        place, state = self.choose(reports, state, generator)
        top = reports.levels - 1
        level = top if self.level_of_all is None else min(self.level_of_all, top)
        return HandoverAction(place, torch.full_like(place, level)), state

    @abstractmethod
    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places ``[B, U]``, and the memory for the next step."""


class Stay(Mover):
    """No handovers."""

    level: Level = "local"
    name = "stay"

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """The serving cells."""
        return torch.zeros_like(reports.choice.cell[..., 0]), state


class RandomMover(Mover):
    """Any place that is allowed, all as likely."""

    name = "random"

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places drawn anew."""
        draw = torch.rand(reports.gap_db.shape, generator=generator, device=reports.gap_db.device)
        return best(reports, draw), state


class Greedy(Mover):
    """The place with the highest rate now: an equal share beside those who are there."""

    name = "greedy"

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the highest rate."""
        return best(reports, reports.choice.rate / _with_it(reports)), state


class RoundRobin(Mover):
    """Users go through the places that are allowed in turn."""

    name = "round_robin"

    def initial_state(self, obs: HeteroData) -> int:
        """The first turn."""
        return 0

    def choose(self, reports: Reports, state: int, generator: Generator | None) -> tuple[Tensor, int]:
        """Of its allowed places each user takes the one whose turn it is, users beginning one after the other."""
        allowed = reports.choice.allowed
        turn = (state + torch.arange(allowed.shape[1], device=allowed.device)) % allowed.sum(2)
        rank = allowed.long().cumsum(2) - 1
        return (allowed & (rank == turn.unsqueeze(2))).to(torch.uint8).argmax(2), state + 1


class StrongestCell(Mover):
    """The strongest cell, with a bias for those of lower power (cell range expansion) or without.

    Args:
        bias_db: added to the received power of cells whose power is below their network's largest.
        counted_db: the same where the rule counts a bias of its own; ``None`` for ``bias_db``.
        level_of_all: resource level; ``None`` for the highest.
    """

    def __init__(
        self, bias_db: float = 0.0, counted_db: float | None = None, *, level_of_all: int | None = None
    ) -> None:
        super().__init__(level_of_all)
        self.bias_db, self.counted_db = bias_db, bias_db if counted_db is None else counted_db
        self.name = "cre" if bias_db else "max_rsrp"

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the largest received power, bias included."""
        bias = self.counted_db if reports.biased else self.bias_db
        return best(reports, reports.gap_db + bias * reports.small), state


class ProportionalFair(Mover):
    """The place by which the user alone would raise the sum of log rates most, as if nobody else went.

    A user that joins n others costs them ``n log(1 + 1 / n)``; loads of the own cell and the candidates are all it needs.

    Args:
        least_gain: by how much a handover has to raise it.
    """

    name = "pf_greedy"

    def __init__(self, least_gain: float = PATIENCE) -> None:
        super().__init__()
        self.least_gain = least_gain

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the largest gain."""
        with_it = _with_it(reports)
        cost = torch.xlogy(with_it, with_it) - torch.xlogy(with_it - 1, with_it - 1)
        gain = reports.choice.rate.clamp_min(1e-9).log() - cost
        gain[..., 0] += self.least_gain
        return best(reports, gain), state


class Announced(Mover):
    """The place by which the user raises the sum of log(1 + rate) most, others doing as they announce.

    An announcement depends on those before it: after a few rounds it tells of users far away.

    Args:
        patience: price of a handover, see :func:`~hetgraph.solvers.handover.priced`.
        rounds: of announcements.
        crowding: see there.
    """

    level: Level = "global"
    name = "pf_announced"

    def __init__(self, patience: float = PATIENCE, rounds: int = ROUNDS, crowding: float = 0.0) -> None:
        super().__init__()
        self.patience, self.rounds, self.crowding = patience, rounds, crowding

    def choose(self, reports: Reports, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the largest value."""
        value = announced_value(reports.choice, rounds=self.rounds, patience=self.patience, crowding=self.crowding)
        return best(reports, value), state


def _with_it(reports: Reports) -> Tensor:
    """Users of each place's cell with this user among them ``[B, U, k + 1]``."""
    users = reports.users + 1
    users[..., 0] -= 1
    return users


def best(reports: Reports, score: Tensor) -> Tensor:
    """Place of the largest score among those allowed, staying where that is as good ``[B, U]``."""
    return score.masked_fill(~reports.choice.allowed, -torch.inf).argmax(2)
