r"""Signal and interference under precoders: what a user receives of h^H w, from its own group and from all other stations.

With the channel h_{un} of user u at station n, precoders w_v of its streams, and stations' groups in turn (share a_q of the time),

.. math::
    S_u = |h_{u,b(u)}^H w_u|^2, \qquad
    I_u = \sum_{v \in q(u) \setminus u} |h_{u,b(u)}^H w_v|^2
        + \sum_{n \ne b(u)} \sum_{q \in n} a_q \sum_{v \in q} |h_{un}^H w_v|^2 + \sigma_u^2 .

Channels are normalised: precoders have norms in the root of the station's budget, and a user's channels and noise are divided by
the most that it could receive, noise included. Where a station has more antennas than edges its channels are brought into their own
span (a QR decomposition), which changes no received power: cost is linear in edges times antennas.
All functions are differentiable, in complex64 or complex128.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.tracing import count, exporting, holds, size_of
from hetgraph.radio.complex_vectors import energy, rounding, scaled_by, square, with_power
from hetgraph.radio.groups import Groups, groups_of
from hetgraph.radio.interference import noise_plus_far_w

_LEAST = 1e-30


@dataclass(frozen=True)
class SpatialChannel:
    """Normalised channels of a graph or batch for an association and its groups.

    ``M`` is the largest number of edges of a station, ``D`` the dimension of its channels: antennas, or edges where these are fewer.
    A *row* is a station and a block, ``n * R + r``. In a program ``D`` are the antennas.

    Args:
        links: index structure.
        groups: who is served at once.
        rows: channels of each station's edges, complex ``[N * R, M, D]``; zero beyond them.
        own: channel of each stream at its station, complex ``[Q, L, D]``.
        place: place ``q * L + l`` of the stream to which an edge of a row is foreign: of another station; ``Q * L`` where there is
            none ``[N * R, M]``.
        foreign: whether an edge leads to a user of another station, or of none, as numbers ``[N * R, M]``.
        user: user of each edge, ``U`` where there is none ``[N, M]``.
        noise: noise and far interference ``[U, R]``.
        basis: orthonormal columns that bring precoders back to antennas, complex ``[N * R, Amax, D]``; ``None`` for D = Amax.
        unit: root of each station's budget, W ``[N]``.
        cap: largest share of the budget on a block ``[N, R]``.
        aligned: every station has one group on every block, so that groups are rows.
        alone: no station has several groups on a block.
    """

    links: Links
    groups: Groups
    rows: Tensor
    own: Tensor
    place: Tensor
    foreign: Tensor
    user: Tensor
    noise: Tensor
    basis: Tensor | None
    unit: Tensor
    cap: Tensor
    aligned: bool
    alone: bool

    @cached_property
    def rows_conj(self) -> Tensor:
        """Conjugate of ``rows``."""
        return self.rows.conj().resolve_conj()

    @cached_property
    def own_conj(self) -> Tensor:
        """Conjugate of ``own``."""
        return self.own.conj().resolve_conj()

    @cached_property
    def others_of_group(self) -> Tensor:
        """Zero for a stream itself, one for the others of its group ``[L, L]``."""
        size = self.own.shape[1]
        return 1 - torch.eye(size, dtype=self.noise.dtype, device=self.noise.device)

    @cached_property
    def noise_of_stream(self) -> Tensor:
        """Noise of streams ``[Q, L]``; one at an empty place."""
        return torch.where(self.groups.occupied, self.groups.gather(self.noise), 1.0)

    @cached_property
    def _stream_of_sum(self) -> Tensor:
        """Where each stream's user is in a flattened :meth:`_sum_over_stations` ``[Q, L]``; anywhere for an empty place."""
        blocks, users = self.cap.shape[1], self.links.num_ue
        stream = self.groups.members.clamp_max(users * blocks - 1)
        if not self.links.dense:
            return stream
        user, block = stream // blocks, stream % blocks
        width = users // self.links.num_networks
        return (user // width * blocks + block) * width + user % width

    def _sum_over_stations(self, row: Tensor) -> Tensor:
        """Sums of values at stations' edges ``[N * R, M]`` over each user's: ``[B, R, u]`` where dense, else ``[U, R]``."""
        stations, blocks = self.cap.shape
        if self.links.dense:
            return row.reshape(self.links.num_networks, -1, blocks, row.shape[1]).sum(1)
        flat = row.reshape(stations, blocks, -1).transpose(1, 2).flatten(0, 1)
        out = flat.new_zeros(self.links.num_ue + 1, blocks)
        return out.index_add(0, self.user.flatten(), flat)[:-1]

    def from_others(self, row: Tensor) -> Tensor:
        """Sums of values at stations' edges ``[N * R, M]`` over the other stations of each stream ``[Q, L]``."""
        return self._sum_over_stations(row * self.foreign).flatten()[self._stream_of_sum]

    def to_others(self, stream: Tensor) -> Tensor:
        """Values of streams ``[Q, L]`` at other stations' edges to their users ``[N * R, M]``; zero at the own station's."""
        flat = stream.flatten()
        return torch.cat([flat, flat.new_zeros(1)])[self.place]

    def users_to_others(self, user: Tensor) -> Tensor:
        """Values of users ``[U, R]``, served or not, at other stations' edges to them ``[N * R, M]``."""
        padded = torch.cat([user, user.new_zeros(1, user.shape[1])])
        return padded[self.user].transpose(1, 2).flatten(0, 1) * self.foreign

    def to_rows(self, group: Tensor) -> Tensor:
        """Sums of values of groups ``[Q, *]`` over each row ``[N * R, *]``."""
        if self.aligned:
            return group
        if exporting():  # networks say something of empty groups too
            group = group * (self.groups.share > 0).reshape(-1, *([1] * (group.dim() - 1)))
        return group.new_zeros(self.rows.shape[0], *group.shape[1:]).index_add(0, self.groups.row, group)

    def from_rows(self, row: Tensor) -> Tensor:
        """Values of rows ``[N * R, *]`` for each group ``[Q, *]``."""
        return row if self.aligned else row[self.groups.row]


def antenna_channels(graph: HeteroData) -> Tensor:
    """Channels ``h`` of a graph or batch, complex ``[E, Amax, R]``.

    Raises:
        ValueError: a graph without them.
    """
    if "h" not in graph[CHANNEL]:
        raise ValueError(
            "(bs, channel, ue).h: got nothing, expected channels of antennas (channel.mimo of the scenario)"
        )
    h: Tensor = graph[CHANNEL].h
    return h


def spatial_channel(
    graph: HeteroData,
    serving: Tensor,
    group: Tensor,
    *,
    links: Links | None = None,
    reduced: bool = True,
    double: bool = False,
) -> SpatialChannel:
    """Normalised channels of a graph or batch.

    Args:
        graph: a graph or a batch of graphs that has ``h``.
        serving: station of each user, -1 for none ``[U]``.
        group: group of each stream among those of its station and block, -1 for none ``[U, R]``.
        links: index structure, when at hand.
        reduced: bring the channels of stations with more antennas than edges into their span.
        double: in double precision, whatever the graph's: matrices of channels at high SNR are conditioned like the SNR.

    Raises:
        ValueError: a graph without ``h``, or a station that is no candidate of its user.
    """
    links = links or links_of(graph)
    slot = links.slot_of(serving)
    if holds(((slot < 0) & (serving >= 0)).any()):
        who = int(((slot < 0) & (serving >= 0)).nonzero()[0])
        raise ValueError(f"serving: got station {int(serving[who])} for user {who}, expected one of its candidates")
    h = antenna_channels(graph)
    h = h.to(torch.complex128) if double else h
    limit, block_limit = (value.to(h.real.dtype) for value in (graph["bs"].power_max_w, graph["bs"].rb_power_max_w))
    unit = limit.sqrt()
    power = h.real.square() + h.imag.square()
    most = links.sum_to_ue(links.lift(power.sum(1)) * links.from_bs(limit.unsqueeze(1)))
    noise: Tensor = noise_plus_far_w(graph)
    full: Tensor = noise + most
    edge = _edge_table(links)  # [N, M]
    scale = links.from_ue(full.rsqrt()) * links.from_bs(unit.unsqueeze(1))  # edge layout
    scaled = h * links.flat(scale.expand(*links.lift(power[:, 0]).shape)).unsqueeze(1)
    rows = _rows(scaled, links, edge)
    groups = groups_of(group, serving, dtype=power.dtype)
    user = torch.cat([links.ue, links.ue.new_full((1,), links.num_ue)])[edge]
    owner = torch.cat([serving, serving.new_full((1,), -2)])[user]
    foreign = (owner != torch.arange(links.num_bs, device=serving.device).unsqueeze(1)) & (user < links.num_ue)
    foreign = foreign.repeat_interleave(group.shape[1], 0)  # [N * R, M]
    places = torch.cat([groups.place, groups.place.new_full((1, group.shape[1]), groups.members.numel())])
    place = places[user].transpose(1, 2).flatten(0, 1)
    place = torch.where(foreign, place, groups.members.numel())
    basis = None
    if reduced and not exporting() and rows.shape[2] > rows.shape[1]:
        basis, triangle = torch.linalg.qr(rows.mT)
        rows = triangle.mT.contiguous()
    own = _own_rows(rows, links, edge, serving, slot, groups)
    cap = (block_limit / limit.clamp_min(_LEAST).unsqueeze(1)).clamp(0, 1)
    floor = torch.finfo(power.dtype).tiny ** 0.63
    alone = holds((groups.share == 1).all())
    return SpatialChannel(
        links,
        groups,
        rows,
        own,
        place,
        foreign.to(power.dtype),
        user,
        noise=(noise / full).clamp_min(floor),
        basis=basis,
        unit=unit,
        cap=cap,
        aligned=alone and len(groups.row) == len(rows),
        alone=alone,
    )


def _edge_table(links: Links) -> Tensor:
    """Edges of each station ``[N, M]``, by user; E where there is none."""
    if links.dense:
        b, n = links.num_networks, links.num_bs // links.num_networks
        return torch.arange(links.num_edges, device=links.bs.device).reshape(b, -1, n).transpose(1, 2).flatten(0, 1)
    order, first = links.by_station
    width = size_of(count(links.bs, links.num_bs).max())
    rank = torch.arange(links.num_edges, device=order.device) - first[links.bs[order]]
    table = torch.full((links.num_bs, width), links.num_edges, device=order.device)
    table[links.bs[order], rank] = order
    return table


def _rows(edge: Tensor, links: Links, table: Tensor) -> Tensor:
    """Channels of edges ``[E, A, R]`` as ``[N * R, M, A]``."""
    if links.dense:
        b, n = links.num_networks, links.num_bs // links.num_networks
        stacked = edge.reshape(b, -1, n, *edge.shape[1:]).permute(0, 2, 4, 1, 3)
        return stacked.flatten(0, 2).contiguous()
    padded = torch.cat([edge, edge.new_zeros(1, *edge.shape[1:])])
    return padded[table].permute(0, 3, 1, 2).flatten(0, 1).contiguous()


def _own_rows(rows: Tensor, links: Links, table: Tensor, serving: Tensor, slot: Tensor, groups: Groups) -> Tensor:
    """Channel of each stream at its own station ``[Q, L, D]``."""
    blocks, width = groups.place.shape[1], rows.shape[1]
    column = torch.zeros(links.num_edges + 1, dtype=torch.long, device=rows.device)
    column[table] = torch.arange(width, device=rows.device).expand_as(table)
    edge = column[(links.first_edge + slot.clamp_min(0)).clamp_max(links.num_edges)]  # [U]
    first = serving.clamp_min(0) * blocks * width + edge
    stream = first.unsqueeze(1) + torch.arange(blocks, device=rows.device) * width  # [U, R]
    index = torch.cat([stream.flatten(), stream.new_zeros(1)])[groups.members]
    return scaled_by(rows.flatten(0, 1)[index], groups.occupied.to(rows.real.dtype))


@dataclass(frozen=True)
class Received:
    """What streams receive, in tables of groups.

    Args:
        amplitude: h^H w of the own precoder, complex ``[Q, L]``.
        signal: its square ``[Q, L]``.
        other: interference of the group and of other stations, and noise ``[Q, L]``; one at an empty place.
    """

    amplitude: Tensor
    signal: Tensor
    other: Tensor


def received(channel: SpatialChannel, precoder: Tensor, at_edges: Tensor | None = None) -> Received:
    """Signal and interference of streams.

    Args:
        channel: normalised channels.
        precoder: normalised precoders, complex ``[Q, L, D]``.
        at_edges: their :func:`station_power`, where it is at hand.
    """
    at_edges = station_power(channel, precoder) if at_edges is None else at_edges
    product = channel.own_conj @ precoder.mT  # h_l^H w_j, [Q, L, L]
    power = square(product)
    intra = (power * channel.others_of_group).sum(2)
    other = intra + channel.noise_of_stream + channel.from_others(at_edges)
    return Received(product.diagonal(dim1=1, dim2=2), power.diagonal(dim1=1, dim2=2), other)


def station_power(channel: SpatialChannel, precoder: Tensor) -> Tensor:
    """Mean power over a station's groups that its edges receive of it ``[N * R, M]``.

    From the streams where they are few, else from the covariance of what the station sends.
    """
    if channel.alone and precoder.shape[1] <= precoder.shape[2]:
        return square(channel.rows_conj @ channel.to_rows(precoder).mT).sum(2)
    sent_part = scaled_by(precoder, channel.groups.share.unsqueeze(1))
    covariance = channel.to_rows(sent_part.mT @ precoder.conj())  # sum of w w^H
    product = channel.rows @ covariance.mT
    return (torch.view_as_real(product) * torch.view_as_real(channel.rows)).sum((2, 3)).clamp_min(0)


def curvature(channel: SpatialChannel, row_weight: Tensor, own_weight: Tensor) -> Tensor:
    """Weighted sums of h h^H over a station's edges and the own group, complex ``[Q, D, D]``.

    Args:
        channel: normalised channels.
        row_weight: weight of each station's edges, zero for its own users' ``[N * R, M]``.
        own_weight: weight of streams ``[Q, L]``.
    """
    others = scaled_by(channel.rows, row_weight).mT @ channel.rows_conj
    return channel.from_rows(others) + scaled_by(channel.own, own_weight).mT @ channel.own_conj


def structured_precoder(
    channel: SpatialChannel, row_weight: Tensor, own_weight: Tensor, price: Tensor, power: Tensor
) -> Tensor:
    r"""Precoders of the optimal structure (Bjornson et al. 2014, eq. 10), complex ``[Q, L, D]``.

    .. math:: w_k = \sqrt{p_k}\, d_k / |d_k|, \quad d_k = (\sum_j \lambda_j h_j h_j^H + \mu I)^{-1} h_k,

    j going over other stations' users and the own group. For some lambda, mu and p these are the best precoders.

    Args:
        channel: normalised channels.
        row_weight: lambda of each station's edges, zero for its own users' ``[N * R, M]``.
        own_weight: lambda of streams at their own station ``[Q, L]``.
        price: mu, positive ``[Q]``.
        power: p, as a share of the station's budget while the group is served ``[Q, L]``.
    """
    matrix = curvature(channel, row_weight, own_weight)
    factor = torch.linalg.cholesky(matrix + torch.diag_embed(price.unsqueeze(1) + rounding(matrix)).to(matrix.dtype))
    direction = torch.cholesky_solve(channel.own.mT, factor).mT
    return with_power(direction, power)


def sent(precoder: Tensor) -> Tensor:
    """Power of each stream ``[Q, L]`` of precoders ``[Q, L, D]``."""
    return energy(precoder)
