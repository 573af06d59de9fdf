"""Which handovers take place, and how a cell's users share it by their resource levels (Algorithms 1 and 2 of the QMIX paper)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

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
    """What all users do in a step.

    Args:
        place: place among the user's candidates, 0 for staying ``[B, U]``.
        level: resource level ``[B, U]``.
    """

    place: Tensor
    level: Tensor


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
    b, n = cell.shape
    asks = (target >= 0) & (target != cell) & (gain_db >= rule.margin_db)
    load = torch.zeros(b, cells, dtype=torch.long, device=cell.device).scatter_add_(1, cell, torch.ones_like(cell))
    room = (rule.room - load).clamp_min(0)
    wanted = torch.where(asks, target, cells)  # last, in a group of its own
    by_gain = gain_db.argsort(dim=1, descending=True, stable=True)
    order = by_gain.gather(1, wanted.gather(1, by_gain).argsort(dim=1, stable=True))
    group = wanted.gather(1, order)
    place = torch.arange(n, device=cell.device).expand(b, n)
    starts = torch.full((b, cells + 1), n, device=cell.device).scatter_reduce_(1, group, place, "amin")
    rank = place - starts.gather(1, group)
    fits = rank < torch.cat([room, torch.zeros_like(room[:, :1])], 1).gather(1, group)
    moves = torch.zeros_like(asks).scatter(1, order, fits)
    return torch.where(moves, target, cell)


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
    if bool((level < 0).any()) or bool((level >= levels).any()):
        raise ValueError(f"level: got values from {int(level.min())} to {int(level.max())}, expected 0..{levels - 1}")
    weight = (level + 1).to(alone_bps.dtype) if model == "shared" else torch.ones_like(alone_bps)
    total = torch.zeros(len(cell), cells, dtype=alone_bps.dtype, device=cell.device).scatter_add_(1, cell, weight)
    rate: Tensor = alone_bps * weight / total.gather(1, cell)
    return rate if model == "shared" else rate * (1 + (level + 1) / levels) / 2
