"""Processor sharing: users of a cell who have something to receive share its airtime."""

import torch
from torch import Tensor

ROUNDS = 2  # airtime that a round's users do not need goes to the others in the next one; what the last one leaves is not used


def processor_sharing(demand: Tensor, cell: Tensor, cells: int, weight: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Share of a tick in which each user is served ``[M]``, and that in which each cell sends ``[cells]``.

    Args:
        demand: share of the tick that each user could use, by its queue and by how long it can be served, in 0..1 ``[M]``.
        cell: cell of each user, below ``cells`` ``[M]``.
        cells: number of cells.
        weight: users share in proportion to it ``[M]``; ``None`` for equal shares.
    """
    left, free = demand, demand.new_ones(cells)
    one = torch.ones_like(demand) if weight is None else weight
    for _ in range(ROUNDS):
        waiting = one * (left > 0)
        total = torch.zeros_like(free).scatter_add_(0, cell, waiting)
        quota = (free / total.clamp_min(1e-9)).index_select(0, cell) * waiting
        left = left - torch.minimum(left, quota)
        share = demand - left
        free = 1 - torch.zeros_like(free).scatter_add_(0, cell, share)
    return share, (1 - free).clamp(0, 1)
