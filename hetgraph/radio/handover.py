"""Which handovers take place, and how a cell's users share it by their resource levels (Algorithms 1 and 2 of the QMIX paper)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from hetgraph.graph.tracing import count

ResourceModel = Literal["shared", "paper"]


@dataclass(frozen=True)
class HandoverRule:
    """When a user may change its cell.

    Args:
        margin_db: how much stronger the new cell has to be.
        max_load: load up to which a cell takes another user.
        max_users: users at which a cell's load is one.
        bias: count the cells' range expansion in the comparison, so that users can be sent to weaker cells.
    """

    margin_db: float = 2.5
    max_load: float = 0.85
    max_users: int = 30
    bias: bool = False

    def __post_init__(self) -> None:
        if self.max_users < 1 or not 0 <= self.max_load <= 1:
            got = f"max_users={self.max_users}, max_load={self.max_load}"
            raise ValueError(f"HandoverRule: got {got}, expected at least one user and a load from 0 to 1")

    @property
    def room(self) -> int:
        """Users from which on a cell takes nobody: it takes one while its load is at most ``max_load``."""
        return int(self.max_load * self.max_users + 1e-9) + 1


@dataclass(frozen=True)
class HandoverAction:
    """Decisions of all cells: for each of their users, or of offsets by which users are then handed over (A3).

    Args:
        place: place of the cell that each user is to go to, 0 for its own ``[B, U]``; one that is not allowed counts as 0.
        level: resource level ``[B, U]``.
        offset: change of each cell's individual offset, 0 for down, 1 for none, 2 for up ``[B, N]``.
        offset_db: each cell's individual offset itself, in place of a change ``[B, N]``, dB.
        margin_db: of A3, from now on ``[B]``, dB; ``None`` to leave it.
        trigger_ticks: ticks before the present one in which A3's condition has to have held, from now on ``[B]``; likewise.
    """

    place: Tensor | None = None
    level: Tensor | None = None
    offset: Tensor | None = None
    offset_db: Tensor | None = None
    margin_db: Tensor | None = None
    trigger_ticks: Tensor | None = None

    def moves(self) -> tuple[Tensor, Tensor]:
        """Places and levels of users.

        Raises:
            ValueError: an action without them.
        """
        if self.place is None or self.level is None:
            missing = "place" if self.place is None else "level"
            raise ValueError(f"action.{missing}: got nothing, expected a tensor of shape [B, U]")
        return self.place, self.level


def handovers(cell: Tensor, target: Tensor, gain_db: Tensor, cells: int, rule: HandoverRule) -> Tensor:
    """Cells after the handovers that may take place ``[B, N]``.

    Of users who ask for the same cell at once the one with the largest gain goes first, and each finds the load that those before
    it left. Users who leave make room in the next step only.

    Args:
        cell: cell of each user ``[B, N]``.
        target: cell that it asks for; its own, or -1, for none ``[B, N]``.
        gain_db: how much stronger the target is ``[B, N]``, with the cells' biases where they count.
        cells: number of cells K.
        rule: when a user may change.
    """
    asks = (target >= 0) & (target != cell) & (gain_db >= rule.margin_db)
    first = cells * torch.arange(len(cell), device=cell.device).unsqueeze(1)
    load = torch.zeros(len(cell) * cells, dtype=torch.long, device=cell.device)
    load.scatter_add_(0, (cell + first).flatten(), torch.ones_like(cell).flatten())
    room = (rule.room - load).clamp_min(0)
    wanted = (target.clamp_min(0) + first).flatten()
    crowd = torch.zeros_like(load).scatter_add_(0, wanted, asks.long().flatten())
    contested = asks.flatten() & (crowd > room)[wanted]
    who = contested.nonzero().squeeze(1)  # few, as a rule: the others have nobody to compare with
    moves = asks.flatten() & ~contested
    if len(who):
        moves[who] = rank_in_group(gain_db.flatten()[who], wanted[who], len(load)) < room[wanted[who]]
    return torch.where(moves.reshape(cell.shape), target, cell)


def rank_in_group(score: Tensor, group: Tensor, groups: int) -> Tensor:
    """How many of its group come before each element ``[M]``: those of a higher score, of equal ones the first.

    Args:
        score: ``[M]``.
        group: number of each element's group, below ``groups`` ``[M]``.
        groups: number of groups.
    """
    by_score = score.argsort(descending=True, stable=True)
    order = by_score[group[by_score].argsort(stable=True)]
    number = count(group, groups)
    place = torch.arange(score.shape[0], device=score.device) - (number.cumsum(0) - number)[group[order]]
    return torch.empty_like(place).scatter_(0, order, place)


def strongest_cells(received_db: Tensor, most: int) -> Tensor:
    """First association ``[B, N]``: each user's strongest cell, but no cell has more than ``most`` users.

    Of those for whom a cell has no place the weakest go on to their next best cell, until all have one: nobody could be at
    a stronger cell without a stronger user's leaving it (Gale and Shapley 1962).

    Args:
        received_db: received power of each user and cell ``[B, N, K]``.
        most: users that a cell takes.

    Raises:
        ValueError: more users than all cells take.
    """
    b, n, k = received_db.shape
    if n > k * most:
        raise ValueError(f"users: got {n}, expected at most {k * most}, {most} in each of {k} cells")
    order = received_db.argsort(dim=2, descending=True, stable=True)
    first = k * torch.arange(b, device=order.device).unsqueeze(1)
    choice = torch.zeros(b, n, 1, dtype=torch.long, device=order.device)
    while True:
        cell = order.gather(2, choice)
        group = (cell.squeeze(2) + first).flatten()
        over = (torch.bincount(group, minlength=b * k) > most)[group].nonzero().squeeze(1)
        if not len(over):
            return cell.squeeze(2)
        power = received_db.gather(2, cell).flatten()[over]
        choice.view(-1)[over] += rank_in_group(power, group[over], b * k) >= most


def resource_rates(
    cell: Tensor, level: Tensor, alone_bps: Tensor, cells: int, *, levels: int = 5, model: ResourceModel = "shared"
) -> Tensor:
    """Rates of users by their resource levels ``[B, N]``, bit/s.

    ``shared``: a cell's users share it in proportion to ``level + 1``. ``paper``: everybody has an equal share, times
    ``(1 + (level + 1) / levels) / 2`` whatever the others have, so that a higher level costs nothing.

    Args:
        cell: cell of each user ``[B, N]``.
        level: resource level, from 0 to ``levels - 1`` ``[B, N]``.
        alone_bps: rate if the cell were the user's alone ``[B, N]``.
        cells: number of cells K.
        levels: number of levels.
        model: how levels count.

    Raises:
        ValueError: an unknown model, or a level that does not exist.
    """
    if model not in ("shared", "paper"):
        raise ValueError(f"resource_model: got {model!r}, expected 'shared' or 'paper'")
    low, high = (int(end) for end in torch.aminmax(level))
    if low < 0 or high >= levels:
        raise ValueError(f"level: got values from {low} to {high}, expected 0..{levels - 1}")
    weight = (level + 1).to(alone_bps.dtype) if model == "shared" else torch.ones_like(alone_bps)
    total = torch.zeros(len(cell), cells, dtype=alone_bps.dtype, device=cell.device).scatter_add_(1, cell, weight)
    rate: Tensor = alone_bps * weight / total.gather(1, cell)
    return rate if model == "shared" else rate * (1 + (level + 1) / levels) / 2
