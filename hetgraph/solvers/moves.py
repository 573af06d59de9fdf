"""Tables of what users gain from their candidate stations, and associations that no single move improves.

Candidates are the first dimension of users' tables, users the last: a reduction over candidates then runs along whole rows.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.graph.links import Links
from hetgraph.graph.tracing import exporting

NEVER = -1e9  # log rate of a station that may not serve
_TRACED_PASSES = 12  # in a program, which has a fixed number of them


@dataclass(frozen=True)
class Choices:
    """Log rates of users at their candidates.

    Args:
        links: index structure.
        value: log rates: ``[B, n, u]`` on complete graphs, else ``[1, k, U]``, k being the most candidates that a user has.
        station: station of each candidate ``[k, U]``; ``None`` on complete graphs.
    """

    links: Links
    value: Tensor
    station: Tensor | None

    def at(self, node: Tensor) -> Tensor:
        """Station values ``[N]``, broadcastable against the table."""
        if self.station is None:
            return node.reshape(self.value.shape[0], -1, 1)
        return node[self.station]

    def total(self, choice: Tensor) -> Tensor:
        """Sum of a table over each station's users ``[N]``."""
        if self.station is None:
            return choice.sum(2).flatten()
        return choice.new_zeros(self.links.num_bs).index_add_(0, self.station.flatten(), choice.flatten())

    def best(self, score: Tensor) -> tuple[Tensor, Tensor]:
        """Largest score of each user, and its slot ``[U]``; the first wins a tie."""
        value, slot = score.max(1)
        return value.flatten(), slot.flatten()

    def row(self, slot: Tensor) -> Tensor:
        """Slots ``[U]`` as an index into the table ``[*, 1, *]``."""
        return slot.clamp_min(0).reshape(self.value.shape[0], 1, -1)

    def pick(self, slot: Tensor) -> Tensor:
        """Log rate of each user in its slot ``[U]``."""
        return self.value.gather(1, self.row(slot)).flatten()

    def station_of(self, slot: Tensor) -> Tensor:
        """Station in each user's slot ``[U]``."""
        if self.station is None:
            return (slot.reshape(self.value.shape[0], -1) + self._first()).flatten()
        return self.station.gather(0, slot.unsqueeze(0)).flatten()

    def _first(self) -> Tensor:
        networks, n = self.value.shape[:2]
        return torch.arange(0, networks * n, n, device=self.value.device).unsqueeze(1)


def choices_of(log_rate: Tensor, links: Links) -> Choices:
    """Table of log rates that are given in the edge layout."""
    if links.dense:
        return Choices(links, log_rate.transpose(1, 2).contiguous(), None)
    if links.degree is not None:
        bs = links.bs.reshape(log_rate.shape)
        return Choices(links, log_rate.t().contiguous().unsqueeze(0), bs.t().contiguous())
    place = torch.arange(links.num_edges, device=log_rate.device) - links.first_edge[links.ue]
    shape = (links.num_bs if exporting() else int(place.max()) + 1, links.num_ue)
    value, station = log_rate.new_full(shape, 2 * NEVER), links.bs.new_zeros(shape)
    value[place, links.ue], station[place, links.ue] = log_rate, links.bs
    return Choices(links, value.unsqueeze(0), station)


def improve_by_moves(
    log_rate: Tensor, slot: Tensor, links: Links, moves: int, *, active: Tensor | None = None
) -> Tensor:
    """Move users to other stations, one at a time for each station, until no single move helps.

    Moving u from b to b' changes the sum of logs by log c_ub' - log c_ub - (m(n_b' + 1) - m(n_b')) + (m(n_b) - m(n_b - 1))
    with m(n) = n log n. A pass makes every move that helps more than any other from or to its two stations; such moves share no
    station, so that what they gain adds up.

    Args:
        log_rate: logarithm of each edge's rate, edge layout.
        slot: association in slots ``[U]``.
        links: index structure.
        moves: most passes.
        active: users that are there ``[U]``; others neither count nor move. All when ``None``.
    """
    return improved(choices_of(log_rate, links), slot, moves, active=active)


def improved(choices: Choices, slot: Tensor, passes: int, *, active: Tensor | None = None) -> Tensor:
    """Association ``[U]`` in slots after moves as in :func:`improve_by_moves`."""
    links, slot = choices.links, slot.clone()
    ones = choices.value.new_ones(links.num_ue) if active is None else active.to(choices.value.dtype)
    least = 1e-6 if choices.value.dtype == torch.float32 else 1e-12
    for _ in range(_TRACED_PASSES if exporting() else passes):
        station = choices.station_of(slot.clamp_min(0))
        load = ones.new_zeros(links.num_bs).index_add_(0, station, ones)
        cost = n_log_n(load)
        leave, join = cost - n_log_n((load - 1).clamp_min(0)), n_log_n(load + 1) - cost
        score = (choices.value - choices.at(join)).scatter_(1, choices.row(slot), -torch.inf)
        top, target = choices.best(score)
        gain = torch.where(ones > 0, top - choices.pick(slot) + leave[station], -torch.inf)
        helps = gain > least
        if exporting():  # how many move is a value
            gain = gain.masked_fill(~helps, -torch.inf)
            apart = _apart(gain, station, choices.station_of(target), links.num_bs)
            slot = torch.where(helps & apart, target, slot)
            continue
        mover = helps.nonzero().flatten()
        if not mover.numel():
            break
        chosen = mover[_apart(gain[mover], station[mover], choices.station_of(target)[mover], links.num_bs)]
        slot[chosen] = target[chosen]
    return slot


def _apart(gain: Tensor, source: Tensor, target: Tensor, stations: int) -> Tensor:
    """Moves that gain more than all others that touch one of their stations; of equal ones the first."""
    touched, both = torch.cat([source, target]), gain.repeat(2)
    top = gain.new_full((stations,), -torch.inf).scatter_reduce_(0, touched, both, "amax")
    wins = (gain >= top[source]) & (gain >= top[target])
    place = torch.arange(gain.numel(), device=gain.device)
    order = torch.where(wins, place, gain.numel()).repeat(2)
    first = torch.full((stations,), gain.numel(), device=gain.device).scatter_reduce_(0, touched, order, "amin")
    return wins & (first[source] == place) & (first[target] == place)


def n_log_n(count: Tensor) -> Tensor:
    """n log n, zero for none."""
    return torch.xlogy(count, count)
