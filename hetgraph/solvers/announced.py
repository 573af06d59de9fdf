"""Values of places if users do as they announce."""

import torch
from torch import Tensor

from hetgraph.solvers.handover import Choice, priced

ROUNDS = 4
PATIENCE = 0.4  # price of a handover, in log rate; the best of 0 to 0.7 on validation networks


def announced(
    cell: Tensor,
    rate: Tensor,
    allowed: Tensor,
    cells: int,
    *,
    rounds: int = ROUNDS,
    temperature: float = 0.05,
    damping: float = 0.6,
) -> Tensor:
    r"""What users add to the sum of log(1 + rate) of all at each of their places ``[n, C]``, others doing as they announce.

    Users say where they mean to go, cells how many they then expect, a few times over (fictitious play, Brown 1951). A user means
    to go with the softmax of the values of its places at the loads that are expected without it: its own log(1 + rate) less
    what the others there lose. Without announcements all who see an empty cell go there at once, and nobody counts on those
    who leave.

    Args:
        cell: cell of each place, the user's own first, counted through all networks ``[n, C]``.
        rate: rate there if the cell were the user's alone, in units of the utility ``[n, C]``.
        allowed: the user may be there ``[n, C]``.
        cells: number of cells of all networks.
        rounds: of announcements.
        temperature: of the softmax.
        damping: part of the way that announcements go in a round.
    """
    wish = torch.zeros_like(rate)
    wish[:, 0] = 1
    for _ in range(rounds):
        place_value = _values(cell, rate, wish, cells) / temperature
        wish = wish + damping * (place_value.masked_fill(~allowed, -torch.inf).softmax(1) - wish)
    return _values(cell, rate, wish, cells)


def announced_value(
    choice: Choice, *, rounds: int = ROUNDS, patience: float = PATIENCE, crowding: float = 0.0
) -> Tensor:
    """:func:`announced` for the users of a choice ``[B, U, C]``, with the price of a handover.

    Args:
        choice: who may be where.
        rounds: of announcements.
        patience: see :func:`~hetgraph.solvers.handover.priced`.
        crowding: see there.
    """
    choice = priced(choice, patience, crowding)
    b, u, places = choice.cell.shape
    node = choice.cell + choice.cells * torch.arange(b, device=choice.cell.device).reshape(-1, 1, 1)
    cell, rate, allowed = (value.reshape(b * u, places) for value in (node, choice.rate, choice.allowed))
    place_value = announced(cell, rate, allowed, b * choice.cells, rounds=rounds)
    return place_value.reshape(b, u, places)


def _values(cell: Tensor, rate: Tensor, wish: Tensor, cells: int) -> Tensor:
    """Own log(1 + rate) less what others lose, beside those whom each place's cell then expects."""

    def others(value: Tensor) -> Tensor:
        total = value.new_zeros(cells).index_add(0, cell.flatten(), value.flatten())
        return (total[cell] - value).clamp_min(0)

    count = others(wish)
    alone = rate / (count + 1)
    felt = others(wish * alone / (1 + alone))  # of a relative change of their rates, what counts in log(1 + rate)
    return alone.log1p() - felt * (1 + 1 / count.clamp_min(1e-3)).log()
