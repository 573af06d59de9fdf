"""Cells' individual offsets, and the handovers that they lead to (event A3 of TS 38.331, 5.5.4.4)."""

import torch
from torch import Tensor


def stepped_offsets(offset_db: Tensor, change: Tensor, step_db: float, most_db: float) -> Tensor:
    """Offsets ``[B, N]`` after each cell's change by a step: 0 for down, 1 for none, 2 for up; see :func:`centred`."""
    return centred(offset_db + step_db * (change - 1), most_db)


def centred(offset_db: Tensor, most_db: float) -> Tensor:
    """Offsets ``[B, N]`` that are cut to at most ``most_db`` on both sides, then shifted to a mean of zero over each network.

    Only their differences count, so that the shift changes no handover; without it the offsets of a network would drift to a
    limit together and lose their room. The next change is cut where the shifted offsets are beyond the limit.
    """
    cut = offset_db.clamp(-most_db, most_db)
    return cut - cut.mean(1, keepdim=True)


def a3_holds(level_db: Tensor, cell: Tensor, margin_db: Tensor) -> Tensor:
    """Where A3's entering condition holds ``[B, U, K]``: a cell is above the own one by more than the margin, offsets included.

    Args:
        level_db: filtered measurement plus the offset of each cell ``[B, U, K]``, dB.
        cell: cell of each user ``[B, U]``.
        margin_db: ``[B]``.
    """
    threshold = level_db.gather(2, cell.unsqueeze(2)) + margin_db.reshape(-1, 1, 1)
    return level_db > threshold


def best_of(level_db: Tensor, may: Tensor) -> tuple[Tensor, Tensor]:
    """The strongest cell of those that each user may go to ``[B, U]``, and whether there is one ``[B, U]``."""
    value, target = torch.where(may, level_db, -torch.inf).max(2)
    return target, value > -torch.inf
