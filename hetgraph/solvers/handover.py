"""Who should be handed over now: dual prices and local search on the sum of log(1 + rate), under the rule's limits."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hetgraph.graph.tracing import exporting
from hetgraph.radio.handover import rank_in_group

LEAST = 1e-5  # utility below which a move does not count as one


@dataclass(frozen=True)
class Choice:
    """Users who may stay (place 0) or go to one of k cells; a cell's users share it equally.

    Args:
        cell: cells that each user can be at, its own first ``[B, U, k + 1]``.
        allowed: where it may be; always in place 0 ``[B, U, k + 1]``.
        rate: its rate there if the cell were its own, in the utility's unit ``[B, U, k + 1]``.
        room: how many users each cell takes; those who leave make no room ``[B, K]``.
    """

    cell: Tensor
    allowed: Tensor
    rate: Tensor
    room: Tensor

    @property
    def cells(self) -> int:
        """Number of cells K."""
        return self.room.shape[1]

    def at(self, place: Tensor, value: Tensor) -> Tensor:
        """Values ``[B, U, k + 1]`` at places ``[B, U]``."""
        return value.gather(2, place.unsqueeze(2)).squeeze(2)

    def sums(self, value: Tensor, cell: Tensor) -> Tensor:
        """Sums of ``[B, U]`` over the users of each cell ``[B, K]``."""
        return value.new_zeros(self.room.shape).scatter_add_(1, cell, value)

    def most(self, value: Tensor, cell: Tensor, groups: int) -> tuple[Tensor, Tensor]:
        """Largest of ``[B, M]`` in each group, and the first place that has it ``[B, groups]``; M where there is none."""
        best = value.new_full((value.shape[0], groups), -torch.inf).scatter_reduce_(1, cell, value, "amax")
        number = torch.arange(value.shape[1], device=value.device).expand_as(cell)
        tops = (value >= best.gather(1, cell)) & (value > -torch.inf)
        first = torch.full((value.shape[0], groups), value.shape[1], device=value.device)
        return best, first.scatter_reduce_(1, cell, torch.where(tops, number, value.shape[1]), "amin")

    def joins(self, place: Tensor) -> Tensor:
        """How many users each cell is to take ``[B, K]``."""
        return self.sums((place > 0).to(self.rate.dtype), self.at(place, self.cell))

    def utility(self, place: Tensor) -> Tensor:
        """Sum of log(1 + rate) over users ``[B]``."""
        cell = self.at(place, self.cell)
        load = self.sums(torch.ones_like(self.rate[..., 0]), cell)
        return (self.at(place, self.rate) / load.gather(1, cell)).log1p().sum(1)


def priced(choice: Choice, patience: float, crowding: float = 0.0) -> Choice:
    """The same, with the price of a handover taken off the rates elsewhere: exp(-price) of them counts.

    A user that has gone cannot come back before its old cell is stronger by the margin, so that it had better wait for a good place.
    Where users may only go to stronger cells, these fill: who waits to enter a crowded one leaves room to those who will have nowhere
    else, and a cell that few have reached had better be entered early.

    Args:
        choice: who may be where.
        patience: price of going to a cell with the mean room of the user's places, its own and those not allowed among them.
        crowding: added to the price for each user by which a cell's room is below that mean; no price is below zero.
    """
    price = choice.rate.new_full((), patience)
    if crowding:
        room = choice.room.to(choice.rate.dtype).gather(1, choice.cell.flatten(1)).reshape(choice.cell.shape)
        price = price + crowding * (room.mean(2, keepdim=True) - room[..., 1:])
    counted = choice.rate[..., 1:] * (-price.clamp_min(0)).exp()
    return replace(choice, rate=torch.cat([choice.rate[..., :1], counted], 2))


def prices(choice: Choice, start: Tensor | None = None, iterations: int = 40) -> Tensor:
    r"""Prices of cells ``[B, K]`` at which users' own choices are the best association (Ye et al. 2013).

    The dual of the sum of logs with equal shares: user u wants the cell with the largest log rate less price, and a cell's
    price is the logarithm of how many want it. Choices are softened by a temperature that falls, which lets prices settle.

    Args:
        choice: who may be where.
        start: prices of the step before ``[B, K]``.
        iterations: number of price updates.
    """
    log_rate = choice.rate.clamp_min(1e-6).log().masked_fill(~choice.allowed, -torch.inf)
    cell = choice.cell.flatten(1)
    price = choice.rate.new_zeros(choice.room.shape) if start is None else start
    for step in range(iterations):
        temperature = 0.3 * 0.03 ** (step / max(iterations - 1, 1))
        value = log_rate - price.gather(1, cell).reshape(log_rate.shape)
        share = (value / temperature).softmax(2)
        load = torch.zeros_like(price).scatter_add_(1, cell, share.flatten(1))
        price = price + 0.3 * ((load + 0.1).log() - price)
    return price


def improve(choice: Choice, place: Tensor, most: int = 1000) -> Tensor:
    """Places ``[B, U]`` that no single move, exchange or best entry with best exit makes better; never worse than the given ones.

    Moves need room before they are made: nobody takes the place of one who has got into a full cell.

    Args:
        choice: who may be where.
        place: where to begin; must keep to what is allowed and to the room there is ``[B, U]``.
        most: most rounds; in each every network makes its best move.
    """
    place = place.clone()
    for _ in range(most):
        search = Search.of(choice, place)
        moved = search.single(place)
        if not bool(moved.any()):
            moved = search.pairs(place)
        if not bool(moved.any()):
            break
    return place


@dataclass(frozen=True)
class Search:
    """What each user would gain and lose by going, at the present loads.

    Args:
        choice: who may be where.
        cell: where users are ``[B, U]``.
        value: log(1 + rate) of each user there ``[B, U]``.
        leave: change of the others' utility at its cell if it goes, less its own ``[B, U]``.
        join: change of the utility of a cell if it comes, its own included ``[B, U, k + 1]``.
        same: log(1 + rate) of each user in a cell if another one goes for it ``[B, U, k + 1]``.
        open: it may go there, and there is room ``[B, U, k + 1]``.
    """

    choice: Choice
    cell: Tensor
    value: Tensor
    leave: Tensor
    join: Tensor
    same: Tensor
    open: Tensor

    @staticmethod
    def of(choice: Choice, place: Tensor) -> "Search":
        cell, rate = choice.at(place, choice.cell), choice.at(place, choice.rate)
        load = choice.sums(torch.ones_like(rate), cell)
        own = load.gather(1, cell)
        value = (rate / own).log1p()
        fewer = (rate / (own - 1).clamp_min(1)).log1p() * (own > 1)
        now = choice.sums(value, cell)
        less, more = choice.sums(fewer, cell), choice.sums((rate / (own + 1)).log1p(), cell)
        target_cell = choice.cell.flatten(1)

        def at_cells(number: Tensor) -> Tensor:
            return number.gather(1, target_cell).reshape(choice.cell.shape)

        join = at_cells(more - now) + (choice.rate / (at_cells(load) + 1)).log1p()
        same = (choice.rate / at_cells(load).clamp_min(1)).log1p()
        room = at_cells(choice.room - choice.joins(place)) > 0
        room[..., 0] = True
        places = torch.arange(choice.cell.shape[2], device=place.device)
        allowed = choice.allowed & room & (places != place.unsqueeze(2))
        return Search(choice, cell, value, (less - now).gather(1, cell) - fewer, join, same, allowed)

    def single(self, place: Tensor) -> Tensor:
        """Make each network's best move where one helps ``[B]``, in place."""
        gain = (self.leave.unsqueeze(2) + self.join).masked_fill(~self.open, -torch.inf).flatten(1)
        best, move = gain.max(1)
        helps = (best > LEAST).nonzero().squeeze(1)
        places = self.open.shape[2]
        place[helps, move[helps] // places] = move[helps] % places
        return best > LEAST

    def pairs(self, place: Tensor) -> Tensor:
        """Make each network's best pair of moves where one helps ``[B]``, in place.

        A chain: one user goes to a cell from which another leaves; or two users change places.
        """
        places, k = self.open.shape[2], self.choice.cells
        chain, exchange, one, two, mover = self._pairs()
        best, which = torch.cat([chain, exchange.flatten(1)], 1).max(1)
        helps = (best > LEAST).nonzero().squeeze(1)
        pair = which[helps]
        chained, cross = pair < k, (pair - k).clamp_min(0)
        back = (cross % k) * k + cross // k
        for chain_move, cross_pair in ((one, cross), (two, back)):
            move = torch.where(chained, chain_move[helps, pair.clamp_max(k - 1)], mover[helps, cross_pair])
            place[helps, move // places] = move % places
        return best > LEAST

    def candidate_moves(self) -> tuple[Tensor, Tensor, Tensor]:
        """Moves that could be made: gains ``[B, M]``, and the one or two moves of each, as user times places plus place.

        A user's best move, a chain through each cell (its best entry and best exit), and the best exchange of each two cells; users
        times places for none.
        """
        u, places = self.open.shape[1:]
        k = self.choice.cells
        alone = (self.leave.unsqueeze(2) + self.join).masked_fill(~self.open, -torch.inf)
        gain, place = alone.max(2)
        single = torch.arange(u, device=place.device) * places + place
        chain, exchange, one, two, mover = self._pairs()
        row, column = pairs_of(k, place.device)
        target_cell, back = mover[:, row * k + column], mover[:, column * k + row]
        none = torch.full_like(single, u * places)
        gains = torch.cat([gain, chain, exchange[:, row, column]], 1)
        return gains, torch.cat([single, one, target_cell], 1), torch.cat([none, two, back], 1)

    def _pairs(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Gains of chains through cells ``[B, K]`` and of exchanges ``[B, K, K]``, moves of chains, of users from cell to cell."""
        b, u, places = self.open.shape
        k = self.choice.cells
        target_cell = self.choice.cell.flatten(1)
        origin = self.cell.unsqueeze(2).expand_as(self.open).flatten(1)
        enter = (self.leave.unsqueeze(2) + self.same).masked_fill(~self.open, -torch.inf).flatten(1)
        exit_ = (self.join - self.value.unsqueeze(2)).masked_fill(~self.open, -torch.inf).flatten(1)
        first, one = self.choice.most(enter, target_cell, k)
        second, two = self.choice.most(exit_, origin, k)
        # A pair that goes back and forth between two cells leaves their loads as they are: it is an exchange.
        last = u * places - 1
        ends = origin.gather(1, one.clamp_max(last)) == target_cell.gather(1, two.clamp_max(last))
        chain = (first + second).masked_fill(ends, -torch.inf)
        swap = (self.same - self.value.unsqueeze(2)).masked_fill(~self.open, -torch.inf).flatten(1)
        gain, mover = self.choice.most(swap, origin * k + target_cell, k * k)
        exchange = gain.reshape(b, k, k)
        return chain, exchange + exchange.transpose(1, 2), one, two, mover


def pairs_of(number: int, device: torch.device) -> Tensor:
    """All pairs of numbers below ``number``, the smaller one first ``[2, *]``."""
    if exporting():  # the number is a symbol there
        each = torch.arange(number, device=device)
        return (each.unsqueeze(1) < each).nonzero().T
    return torch.triu_indices(number, number, 1, device=device)


def best_places(choice: Choice, least_gain: float = 0.0, crowding: float = 0.0) -> Tensor:
    """Places ``[B, U]`` that :func:`improve` reaches from staying, or from what :func:`prices` propose, whichever is better.

    Args:
        choice: who may be where.
        least_gain: price of a handover, see :func:`priced`.
        crowding: see there.
    """
    if least_gain or crowding:
        choice = priced(choice, least_gain, crowding)
    stay = torch.zeros_like(choice.cell[..., 0])
    one = improve(choice, stay)
    two = improve(choice, fit(choice, wishes(choice, prices(choice))))
    better = (choice.utility(two) > choice.utility(one)).unsqueeze(1)
    return torch.where(better, two, one)


def wishes(choice: Choice, price: Tensor, least_gain: float = 0.0) -> Tensor:
    """Places of the largest log rate less price ``[B, U]``; staying where no other is better by more than ``least_gain``."""
    log_rate = choice.rate.clamp_min(1e-6).log().masked_fill(~choice.allowed, -torch.inf)
    value = log_rate - price.gather(1, choice.cell.flatten(1)).reshape(log_rate.shape)
    value[..., 0] += least_gain
    return value.argmax(2)


def fit(choice: Choice, place: Tensor, gain: Tensor | None = None) -> Tensor:
    """Places with those who find no room sent back, those of the largest ``gain [B, U]`` taken, or the first ``[B, U]``."""
    group = choice.at(place, choice.cell) + choice.cells * torch.arange(place.shape[0], device=place.device).unsqueeze(
        1
    )
    goes = (place > 0).flatten().nonzero().squeeze(1)
    score = torch.zeros(goes.shape[0], device=place.device) if gain is None else gain.flatten()[goes]
    rank = rank_in_group(score, group.flatten()[goes], choice.room.numel())
    out = place.flatten().clone()
    out[goes] *= rank < choice.room.flatten()[group.flatten()[goes]]
    return out.reshape(place.shape)
