"""Handovers that users and cells agree on: moves, exchanges and chains, many at once."""

import torch
from torch import Tensor

from hetgraph.graph.tracing import holds
from hetgraph.solvers.announced import PATIENCE, ROUNDS, announced_value
from hetgraph.solvers.handover import LEAST, Choice, Search, fit, priced

AGREEMENTS = 4


def negotiated(
    choice: Choice,
    *,
    patience: float = PATIENCE,
    rounds: int = ROUNDS,
    agreements: int = AGREEMENTS,
    crowding: float = 0.0,
) -> Tensor:
    """What users add to the sum of log(1 + rate) of all at each of their places ``[B, U, C]``, others going where agreed.

    Users announce where they mean to go (:func:`~hetgraph.solvers.announced.announced`), and then agree with others on what no
    user would do alone (:func:`agree`). A user's value is exact for the places of the others that come out, but for full cells.

    Args:
        choice: who may be where.
        patience: price of a handover, see :func:`~hetgraph.solvers.handover.priced`.
        rounds: of announcements.
        agreements: rounds of agreements.
        crowding: see there.
    """
    choice = priced(choice, patience, crowding)
    return added_value(choice, agree(choice, intended(choice, rounds), agreements))


def intended(choice: Choice, rounds: int = ROUNDS) -> Tensor:
    """Places that users announce, those without room sent back ``[B, U]``."""
    value = announced_value(choice, rounds=rounds, patience=0.0)
    best, place = value.masked_fill(~choice.allowed, -torch.inf).max(2)
    return fit(choice, place, best - value[..., 0])


def added_value(choice: Choice, place: Tensor) -> Tensor:
    """What each user adds to the sum of log(1 + rate) at each place, others being at the given ones ``[B, U, C]``.

    A cell that others have filled, so that it takes nobody else, costs what the one who gains least there would lose by staying away,
    and never has a larger value than the given place. That is less than an exchange of the two would bring, by about one part in the
    cell's users. Cells that took nobody from the start are not allowed, and their values mean nothing.
    """
    search = Search.of(choice, place)
    here, target_cell = -search.leave, choice.cell.flatten(1)
    value = search.join.scatter(2, place.unsqueeze(2), here.unsqueeze(2))
    gain = torch.where(place > 0, here - value[..., 0], torch.inf)
    least = gain.new_full(choice.room.shape, torch.inf).scatter_reduce_(1, search.cell, gain, "amin")
    full = (choice.joins(place) >= choice.room) & least.isfinite()
    full, toll = (field.gather(1, target_cell).reshape(choice.cell.shape) for field in (full, least.clamp_min(0)))
    full[..., 0] = False
    full = full.scatter(2, place.unsqueeze(2), False)
    return torch.where(full, torch.minimum(value - toll, here.unsqueeze(2) - LEAST), value)


def agree(choice: Choice, place: Tensor, rounds: int = AGREEMENTS) -> Tensor:
    """Places ``[B, U]`` after rounds in which cells agree on moves that help all in sum; never worse than the given ones.

    A round: users tell their cell and the others what their going would change, cells tell each other their users' best exchange
    and a chain (the user who gains most comes, the one who loses least goes on to a third cell). What is best for all the cells
    that it touches takes place; no cell takes part in two at once, so that gains add up. Moves need room before they are made: who
    got into a full cell stays.

    Args:
        choice: who may be where.
        place: where to begin; must keep to what is allowed and to the room there is.
        rounds: of agreements; it ends where none helps.
    """
    place = place.clone()
    for _ in range(rounds):
        if not _round(choice, place):
            break
    return place


def _round(choice: Choice, place: Tensor) -> bool:
    """Make all moves of a round, in place; whether there were any."""
    search = Search.of(choice, place)
    b, u, places = search.open.shape
    k = choice.cells
    gain, one, two = search.candidate_moves()  # [B, M]; places of moves as u * places + place, or last
    last = u * places
    origin = torch.cat([search.cell.repeat_interleave(places, 1), search.cell.new_full((b, 1), k)], 1)
    target = torch.cat([choice.cell.flatten(1), search.cell.new_full((b, 1), k)], 1)
    cells = torch.stack([f.gather(1, m) for m in (one, two) for f in (origin, target)], 2)  # k for none
    flat = cells.flatten(1)
    touch = gain.unsqueeze(2).expand_as(cells).flatten(1)
    best = gain.new_full((b, k + 1), -torch.inf).scatter_reduce_(1, flat, touch, "amax")
    best[:, -1] = -torch.inf
    top = (gain > LEAST) & (gain.unsqueeze(2) >= best.gather(1, flat).reshape(cells.shape)).all(2)
    number = torch.arange(gain.shape[1], device=gain.device).expand_as(gain)
    mine = torch.where(top, number, gain.shape[1]).unsqueeze(2).expand_as(cells)
    first = torch.full_like(best, gain.shape[1], dtype=torch.long).scatter_reduce_(1, flat, mine.flatten(1), "amin")
    first[:, -1] = gain.shape[1]  # where two would be as good, the first of them goes
    chosen = top & (first.gather(1, flat).reshape(cells.shape) >= mine).all(2)
    if holds(~chosen.any()):
        return False
    network, row = chosen.nonzero(as_tuple=True)
    for move in (one[network, row], two[network, row]):
        real = move < last
        place[network[real], move[real] // places] = move[real] % places
    return True
