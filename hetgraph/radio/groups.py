"""Who is served at once: a station's users of a block in groups of equal airtime, and streams in tables of groups.

A stream is a user on a resource block. Where a station has more users than it serves at once they form groups that take turns; a
group's streams share the station's antennas.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links
from hetgraph.graph.schema import MOUNTED_ON
from hetgraph.graph.tracing import count, exporting, size_of


@dataclass(frozen=True)
class Groups:
    """``Q`` groups of at most ``L`` streams, of ``U`` users on ``R`` blocks.

    Args:
        members: stream ``u * R + r`` of each place ``[Q, L]``; ``U * R`` where there is none.
        place: place ``q * L + l`` of each stream ``[U, R]``; ``Q * L`` where it is in no group.
        station: of each group ``[Q]``, ascending.
        block: of each group ``[Q]``, ascending for each station.
        share: airtime, one over the groups of that station and block ``[Q]``; zero for an empty group, which programs may have.
    """

    members: Tensor
    place: Tensor
    station: Tensor
    block: Tensor
    share: Tensor

    @property
    def row(self) -> Tensor:
        """Station and block of each group as one number ``n * R + r`` ``[Q]``."""
        return self.station * self.place.shape[1] + self.block

    @property
    def occupied(self) -> Tensor:
        """Places that have a stream ``[Q, L]``."""
        return self.members < self.place.numel()

    def gather(self, stream: Tensor) -> Tensor:
        """Values of streams ``[U, R, *]`` in the table ``[Q, L, *]``; zero where there is none."""
        flat = stream.flatten(0, 1)
        return torch.cat([flat, flat.new_zeros(1, *flat.shape[1:])])[self.members]

    def scatter(self, table: Tensor) -> Tensor:
        """Inverse of :meth:`gather` ``[U, R, *]``; zero where a stream is in no group."""
        flat = table.flatten(0, 1)
        return torch.cat([flat, flat.new_zeros(1, *flat.shape[1:])])[self.place]


def groups_of(group: Tensor, serving: Tensor, *, dtype: torch.dtype = torch.float32) -> Groups:
    """Tables of groups.

    Args:
        group: group of each stream among those of its station and block, -1 for none ``[U, R]``.
        serving: station of each user, -1 for none ``[U]``.
        dtype: of the shares.
    """
    if exporting():
        return _traced_groups(group, serving, dtype)
    users, blocks = group.shape
    stream = torch.arange(users * blocks, device=group.device)
    block = stream % blocks
    chosen = ((group >= 0) & (serving >= 0).unsqueeze(1)).flatten()
    most = int(group.max()) + 1 if group.numel() else 1
    key = (serving.repeat_interleave(blocks) * blocks + block) * max(most, 1) + group.flatten()
    kept = stream[chosen]
    names, number, count = torch.unique(key[chosen], return_inverse=True, return_counts=True)
    order = torch.argsort(number, stable=True)
    rank = torch.empty_like(order)
    first = count.cumsum(0) - count
    rank[order] = torch.arange(len(order), device=order.device) - first[number[order]]
    width = int(count.max()) if len(count) else 1
    place = torch.full_like(stream, len(names) * width)
    place[kept] = number * width + rank
    members = torch.full((len(names) * width,), users * blocks, device=group.device)
    members[place[kept]] = kept
    row = names // max(most, 1)
    _, turn, turns = torch.unique_consecutive(row, return_inverse=True, return_counts=True)
    return Groups(
        members.reshape(-1, width),
        place.reshape(users, blocks),
        row // blocks,
        row % blocks,
        (1 / turns[turn]).to(dtype),
    )


def _traced_groups(group: Tensor, serving: Tensor, dtype: torch.dtype) -> Groups:
    """The same in a program, where two sizes alone depend on values: groups come in order, and empty ones after them."""
    users, blocks = group.shape
    size = users * blocks
    stream = torch.arange(size, device=group.device)
    chosen = ((group >= 0) & (serving >= 0).unsqueeze(1)).flatten()
    most = group.max().clamp_min(0) + 1
    row = serving.repeat_interleave(blocks) * blocks + stream % blocks
    key = torch.where(chosen, row * most + group.flatten(), torch.iinfo(torch.long).max)
    key, order = torch.sort(key, stable=True)  # streams in no group are last
    row, kept, begins = key // most, chosen[order], _begins(key)
    rank = stream - torch.where(begins, stream, 0).cummax(0).values
    count, width = size_of((begins & kept).sum()), size_of(torch.where(kept, rank + 1, 0).max())
    number = torch.where(kept, begins.cumsum(0) - 1, count)
    place = torch.where(kept, number * width + rank, count * width)
    of_row = _begins(row).cumsum(0) - 1
    turns = torch.zeros_like(stream).index_add(0, of_row, begins.long())[of_row]

    def of_groups(value: Tensor) -> Tensor:
        return value.new_zeros(count + 1).scatter(0, number, value)[:-1]

    row = of_groups(row)
    return Groups(
        stream.new_full((count * width + 1,), size).scatter(0, place, order)[:-1].reshape(count, width),
        torch.zeros_like(stream).scatter(0, order, place).reshape(users, blocks),
        row // blocks,
        row % blocks,
        of_groups((1 / turns).to(dtype)),
    )


def _begins(value: Tensor) -> Tensor:
    """Where runs of equal numbers begin ``[S]``."""
    return torch.cat([torch.ones_like(value[:1], dtype=torch.bool), value[1:] != value[:-1]])


def equal_groups(serving: Tensor, order: Tensor, layers: Tensor, links: Links) -> Tensor:
    """Group of each stream ``[U, R]``: ceil(K / layers) groups of a station's K users, dealt out in an order.

    The first users of the order begin a group each, the next ones join them, and so on: groups differ by one user at most.

    Args:
        serving: station of each user, -1 for none ``[U]``.
        order: number by which a station's users are dealt out on a block, the largest first ``[U, R]``.
        layers: most users of a station on a block at once ``[N]``.
        links: index structure.
    """
    served = serving >= 0
    station = torch.where(served, serving, links.num_bs)
    number = count(station, links.num_bs + 1)
    turns = -(-number[:-1] // layers.clamp_min(1))
    by_value = torch.argsort(order, dim=0, descending=True, stable=True)  # [U, R]
    by_station = torch.argsort(station[by_value], dim=0, stable=True)
    dealt = by_value.gather(0, by_station)
    rank = torch.arange(serving.shape[0], device=serving.device) - (number.cumsum(0) - number)[station[dealt[:, 0]]]
    rank = torch.empty_like(dealt).scatter(0, dealt, rank.unsqueeze(1).expand_as(dealt))
    group = rank % turns.clamp_min(1)[serving.clamp_min(0)].unsqueeze(1)
    return torch.where(served.unsqueeze(1), group, -1)


def layers_of(graph: HeteroData, links: Links) -> Tensor:
    """Most users of each station on a block at once ``[N]``: the graph's ``layers``, and no more than its antennas."""
    owner = graph[MOUNTED_ON].edge_index[1]
    antennas = count(owner, links.num_bs)
    if "layers" not in graph:
        return antennas
    return torch.minimum(antennas, graph.layers[links.bs_network])
