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


def count_trigger(trigger: Tensor, level_db: Tensor, threshold_db: Tensor) -> None:
    """Count for how many ticks A3's entering condition has held, in place ``[B, U, K]`` (int8).

    Args:
        trigger: the counts; up to 127, the caller cuts them.
        level_db: filtered measurement plus the offset of each cell ``[B, U, K]``, dB.
        threshold_db: of each user: the level of its own cell plus the margin, infinity where nothing is measured ``[B, U]``.
    """
    trigger.add_(1).mul_((level_db > threshold_db.unsqueeze(2)).view(torch.int8))


def best_triggered(level_db: Tensor, trigger: Tensor, least: Tensor) -> tuple[Tensor, Tensor]:
    """The strongest cell of those whose count is above ``least [B, U]`` (int8), and whether there is one ``[B, U]``.

    ``level_db`` is overwritten.
    """
    value, target = level_db.masked_fill_(trigger <= least.unsqueeze(2), -torch.inf).max(2)
    return target, value > -torch.inf
