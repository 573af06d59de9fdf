"""What a user's resource level adds to utility, rates and their squares, its cell's other users at the level below the highest."""

import torch
from torch import Tensor


def level_changes(cell: Tensor, rate: Tensor, shared: Tensor, cells: int, levels: int) -> Tensor:
    r"""Changes of the utility, the sum rate and the sum of squared rates by a user's level ``[n, L, 3]``; 0 for the others' level.

    Of a sum of logarithms equal shares are the maximum, so a larger share of a user with a good link costs utility in the second
    order, and adds to the sum rate in the first. Where levels share a cell, all others lose what one user gains; in the
    paper's model nobody does, and the highest level is best. Utility is taken as the sum of log rates: with log(1 + rate)
    those with low rates would each want a little more, and all of them together would gain nothing. Squares are
    small for users of crowded cells, so that a larger sum rate there costs little of Jain's index.

    Args:
        cell: cell of each user, counted through all networks ``[n]``.
        rate: rate if the cell were the user's alone, in units of the utility ``[n]``.
        shared: levels share the cell, else the paper's model ``[n]``.
        cells: number of cells of all networks.
        levels: number of levels L.
    """

    def per_cell(value: Tensor) -> Tensor:
        return value.new_zeros(cells).index_add(0, cell, value)[cell]

    usual = max(levels - 1, 1)
    weight = torch.arange(1, levels + 1, dtype=rate.dtype, device=rate.device)
    count = per_cell(torch.ones_like(rate)).unsqueeze(1)
    total = usual * count - usual + weight  # of weights, with this user at each level
    equal = (rate.unsqueeze(1) / count).expand(-1, levels)
    others, squares = ((per_cell(value) - value).unsqueeze(1) for value in (rate, rate.square()))
    own = rate.unsqueeze(1) * weight / total
    sharers = count.clamp_min(2)  # to one who is alone all levels are the same, until another comes
    utility = (weight / usual).log() - sharers * (1 + (weight / usual - 1) / sharers).log()
    gained = own - equal + others * (usual / total - 1 / count)
    squared = own.square() - equal.square() + squares * ((usual / total).square() - 1 / count.square())
    printed, before = equal * (1 + weight / levels) / 2, equal * (1 + usual / levels) / 2
    changes = (
        (utility, (printed / before).log()),
        (gained, printed - before),
        (squared, printed.square() - before.square()),
    )
    return torch.stack([torch.where(shared.unsqueeze(1), *change) for change in changes], 2)
