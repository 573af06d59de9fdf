r"""Rounds that precode: what each stream achieves moves the weights of the users that a station protects, and powers.

Precoders have the optimal structure (Bjornson et al. 2014, eq. 10),

.. math:: w_u = \sqrt{p_u}\, d_u / |d_u|, \quad d_u = \Big(\sum_j \lambda_{jb} h_{jb} h_{jb}^H + \mu_b I\Big)^{-1} h_{ub} ,

of which messages over (bs, channel, ue) set lambda, mu and p. They start as those of SLNR, and each round adds to their logarithms.
The rounds read what weighted MMSE would read (:mod:`hetgraph.solvers.vector_wmmse`): SINR and its parts, the derivative
alpha S / I of a stream's rate and epsilon = alpha S / ((S + I) I) of what disturbs it, and, at stations, the sums of both.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hetgraph.graph.tracing import holds
from hetgraph.nn.encoder import mlp
from hetgraph.radio.complex_vectors import energy, scaled_by, with_power
from hetgraph.radio.precoders import within_budgets
from hetgraph.radio.rates import shannon
from hetgraph.radio.spatial import SpatialChannel, received, station_power, structured_precoder
from hetgraph.solvers.linear_precoding import stream_power

_TINY = 1e-9
_FLOOR = 1e-4  # of ratios under a logarithm
_SCALE = 4.0  # by which logarithms are divided
_STEEPEST, _FARTHEST = 4.0, 12.0  # largest logarithms of corrections of a round, and of all rounds together
_FULL, _IDLE = (
    6.0,
    3.0,
)  # logit of the part of a budget that is used at the start, and what one of a correction takes from it


@dataclass(frozen=True)
class Achieved:
    """What precoders achieve.

    Args:
        signal: power of the own stream ``[Q, L]``.
        group: interference of the own group ``[Q, L]``.
        stations: interference of other stations ``[Q, L]``.
        other: both, and noise ``[Q, L]``; one at an empty place.
        at_edges: power that each station's edges receive of it ``[N * R, M]``.
        rate: of each stream with the airtime of its group, bit/s/Hz ``[Q, L]``.
    """

    signal: Tensor
    group: Tensor
    stations: Tensor
    other: Tensor
    at_edges: Tensor
    rate: Tensor


def achieved(channel: SpatialChannel, precoder: Tensor) -> Achieved:
    """Signal, interference and rates under normalised precoders, complex ``[Q, L, D]``."""
    at_edges = station_power(channel, precoder)
    streams = received(channel, precoder, at_edges)
    stations = channel.from_others(at_edges)
    group = (streams.other - stations - channel.noise_of_stream).clamp_min(0)
    rate = shannon(streams.signal / streams.other) * channel.groups.share.unsqueeze(1)
    return Achieved(streams.signal, group, stations, streams.other, at_edges, rate)


@dataclass(frozen=True)
class PrecodingTerms:
    """What all rounds share.

    Args:
        channel: normalised channels.
        context: states of a stream's station and user, as the rounds read them ``[Q, L, W]``.
        equal: equal powers of a group's streams, as a share of the budget ``[Q, L]``.
        lambda_rows: lambda of SLNR at other stations' edges ``[N * R, M]``.
        lambda_own: lambda of SLNR of streams at their own station ``[Q, L]``.
        edge_power: squared norms of the channels of stations' edges ``[N * R, M]``.
        own_power: squared norms of the streams' channels ``[Q, L]``.
        caps: budgets of antennas as a share of the station's ``[N, Amax]``, or ``None``.
        tight: budgets of blocks or antennas may bind beside the station's.
        occupied: one where there is a stream ``[Q, L]``.
        mean: what makes a sum over the streams of a group their mean ``[Q, 1, L]``.
        counts: airtime and number of streams of a group, as columns ``[Q, 2]``.
    """

    channel: SpatialChannel
    context: Tensor
    equal: Tensor
    lambda_rows: Tensor
    lambda_own: Tensor
    edge_power: Tensor
    own_power: Tensor
    caps: Tensor | None
    tight: bool
    occupied: Tensor
    mean: Tensor
    counts: Tensor


@dataclass(frozen=True)
class PrecodingState:
    """What the rounds carry.

    Args:
        precoder: normalised precoders, complex ``[Q, L, D]``.
        logs: logarithms of lambda toward other stations, of lambda at the own station, and of the power, over those of SLNR
            ``[Q, L, 3]``.
        memory: of each stream ``[Q, L, M]``.
    """

    precoder: Tensor
    logs: Tensor
    memory: Tensor


class PrecodingRounds(nn.Module):
    """One shared round, applied as often as wanted; equivariant to the order of stations, users, blocks and antennas.

    Args:
        hidden: width of the states of stations and users.
        memory: width of the memory of a stream.
        width: width of the perceptrons.
        structure: directions of the optimal structure; without, those of maximum ratio transmission, which know nothing of
            anybody else's channels.
    """

    STREAM, GROUP, EDGE, MESSAGE, POOLED = 13, 5, 3, 4, 16  # numbers of columns

    def __init__(self, hidden: int, memory: int = 16, width: int = 48, structure: bool = True) -> None:
        super().__init__()
        self.memory, self.structure = memory, structure
        self.context = nn.Linear(2 * hidden, width)
        self.pool = nn.Linear(self.STREAM + memory, self.POOLED)
        self.stream_in = nn.Linear(self.STREAM + memory, width)
        self.group_in = nn.Linear(self.GROUP + self.POOLED, width, bias=False)
        self.stream_out = mlp(width, width, 3 + self.MESSAGE + memory)
        self.edge = mlp(self.EDGE + 2 * self.MESSAGE, 16, 1)
        self.station = mlp(self.GROUP + self.POOLED, 16, 2 + self.MESSAGE)
        for last in (self.stream_out[-1], self.edge[-1], self.station[-1]):
            assert isinstance(last, nn.Linear)
            nn.init.normal_(last.weight, std=1e-2)  # the first rounds stay near SLNR
            nn.init.zeros_(last.bias)

    def terms(self, channel: SpatialChannel, bs: Tensor, ue: Tensor, caps: Tensor | None) -> PrecodingTerms:
        """What all rounds share.

        Args:
            channel: normalised channels.
            bs: states of stations ``[N, H]``.
            ue: states of users ``[U, H]``.
            caps: budgets of antennas as a share of the station's ``[N, Amax]``.
        """
        groups, equal = channel.groups, stream_power(channel)
        user = torch.cat([ue, ue.new_zeros(1, ue.shape[1])])[groups.members // groups.place.shape[1]]
        own = bs[groups.station].unsqueeze(1).expand(-1, user.shape[1], -1)
        occupied = groups.occupied.to(equal)
        number = occupied.sum(1)
        each = channel.to_rows(equal.sum(1) / number.clamp_min(1) * groups.share)
        mean = (occupied / number.clamp_min(1).unsqueeze(1)).unsqueeze(1).to(own.dtype)
        return PrecodingTerms(
            channel,
            self.context(torch.cat([own, user], 2)),
            equal,
            each.unsqueeze(1) * channel.users_to_others(1 / channel.noise),
            equal / channel.noise_of_stream,
            energy(channel.rows),
            energy(channel.own),
            caps,
            caps is not None or not holds((channel.cap >= 1).all()),
            occupied,
            mean,
            torch.stack([groups.share, (number + 1).log() / 2], 1).to(own.dtype),
        )

    def start(self, terms: PrecodingTerms) -> PrecodingState:
        """Precoders of the first lambda and powers, and empty memories."""
        shape = terms.equal.shape
        logs, memory = (terms.context.new_zeros(*shape, width) for width in (3, self.memory))
        price = terms.equal.new_ones(terms.equal.shape[0])
        precoder = self._precoder(terms, terms.lambda_rows, terms.lambda_own, price, terms.equal)
        if terms.caps is not None:  # equal powers keep to the other budgets
            precoder = within_budgets(terms.channel, precoder, terms.caps)
        return PrecodingState(precoder, logs, memory)

    def step(self, terms: PrecodingTerms, state: PrecodingState, now: Achieved, weight: Tensor) -> PrecodingState:
        """Next state from what the precoders achieve.

        Args:
            terms: of :meth:`terms`.
            state: of the round before.
            now: what its precoders achieve.
            weight: what a nat of each stream counts, airtime included ``[Q, L]``.
        """
        channel = terms.channel
        gain = weight * now.signal / now.other  # slope of the rate over the logarithm of the power
        stream, group = self._columns(terms, state, now, weight, gain)
        pooled = (terms.mean @ self.pool(stream)).squeeze(1)
        group = torch.cat([group, terms.counts, pooled], 1)
        joint = self.stream_in(stream) + self.group_in(group).unsqueeze(1) + terms.context
        out, station = self.stream_out(nn.functional.silu(joint)), self.station(group)
        logs = (state.logs + out[..., :3]).clamp(-_FARTHEST, _FARTHEST)
        memory = (state.memory + out[..., 3 + self.MESSAGE :]).tanh()
        factor = logs.to(now.signal).exp()
        change = station[:, :2].clamp(-_STEEPEST, _STEEPEST).to(now.signal)
        edge = self._edge_factor(terms, now, out[..., 3 : 3 + self.MESSAGE], station[:, 2:])
        rows = terms.lambda_rows * channel.to_others(factor[..., 0]) * edge
        own = terms.lambda_own * factor[..., 1]
        precoder = self._precoder(terms, rows, own, change[:, 0].exp(), terms.equal * factor[..., 2])
        return PrecodingState(self._filled(terms, precoder, change[:, 1]), logs, memory)

    def _columns(
        self, terms: PrecodingTerms, state: PrecodingState, now: Achieved, weight: Tensor, gain: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Columns of streams ``[Q, L, STREAM + M]``, and those of groups that change ``[Q, 3]``."""
        channel, noise, dtype = terms.channel, terms.channel.noise_of_stream, terms.context.dtype
        cost = gain / (now.signal + now.other)  # epsilon
        per_group = torch.stack(
            [
                gain.sum(1),
                (cost * (now.signal + now.group)).sum(1),
                weight.sum(1),
                terms.occupied.sum(1),
            ],
            1,
        )
        total = _by_station(channel, per_group)  # [N, 4]
        harm = (channel.to_others(cost) * now.at_edges).reshape(total.shape[0], -1).sum(1)
        most = total[:, 0] + _TINY
        mean_weight = total[:, 2] / total[:, 3].clamp_min(1)
        of_group = torch.stack([total[:, 1] / most, harm / most, (most + _FLOOR).log() / _SCALE, most, mean_weight], 1)
        of_group = _to_groups(channel, of_group)
        used = energy(state.precoder)
        ratios = torch.stack(
            [
                now.signal / now.other,
                now.group / now.other,
                now.stations / now.other,
                noise / now.other,
                terms.own_power / noise,
                now.signal / (terms.own_power * used).clamp_min(1e-15),
                used,
                weight / of_group[:, 4:].clamp_min(_TINY),
                gain / of_group[:, 3:4],
                cost * noise,
            ],
            2,
        )
        logs = ((ratios + _FLOOR).log() / _SCALE * terms.occupied.unsqueeze(2)).to(dtype)
        return torch.cat([logs, state.logs, state.memory], 2), of_group[:, :3].to(dtype)

    def _edge_factor(self, terms: PrecodingTerms, now: Achieved, user: Tensor, station: Tensor) -> Tensor:
        """Correction of lambda at other stations' edges ``[N * R, M]``, from messages of users and stations."""
        channel = terms.channel
        other = channel.to_others(now.other) + _TINY
        ratios = [now.at_edges / other, terms.edge_power / other, now.at_edges / (terms.edge_power + _TINY)]
        columns = ((torch.stack(ratios, 2) + 0.1 * _FLOOR).log() / _SCALE).to(user.dtype)
        flat = user.flatten(0, 1)
        user = torch.cat([flat, flat.new_zeros(1, flat.shape[1])])[channel.place]
        station = channel.to_rows(station).unsqueeze(1).expand(-1, columns.shape[1], -1)
        joint: Tensor = self.edge(torch.cat([columns, user, station], 2))
        return joint.squeeze(2).clamp(-_STEEPEST, _STEEPEST).exp().to(other)

    def _precoder(self, terms: PrecodingTerms, rows: Tensor, own: Tensor, price: Tensor, power: Tensor) -> Tensor:
        """Precoders of lambda, mu and p, complex ``[Q, L, D]``."""
        channel = terms.channel
        if not self.structure:
            return with_power(channel.own, power)
        return structured_precoder(channel, rows, own, price, power)

    def _filled(self, terms: PrecodingTerms, precoder: Tensor, idle: Tensor) -> Tensor:
        """Precoders whose powers fill the station's budget but for what its groups leave idle."""
        channel = terms.channel
        share = channel.groups.share
        power = energy(precoder.flatten(1)) * share
        total, rest, turns = _by_station(channel, torch.stack([power, idle * share, share], 1)).unbind(1)
        part = torch.sigmoid(_FULL - _IDLE * rest / turns.clamp_min(_TINY))
        factor = (part / total.clamp_min(1e-30)).sqrt()
        filled = scaled_by(precoder, _to_groups(channel, factor).unsqueeze(1))
        return within_budgets(channel, filled, terms.caps) if terms.tight else filled


def _by_station(channel: SpatialChannel, group: Tensor) -> Tensor:
    """Sums of values of groups ``[Q, *]`` over each station's ``[N, *]``."""
    stations, blocks = channel.cap.shape
    if channel.aligned:  # groups are rows
        return group.reshape(stations, blocks, *group.shape[1:]).sum(1)
    return group.new_zeros(stations, *group.shape[1:]).index_add(0, channel.groups.station, group)


def _to_groups(channel: SpatialChannel, station: Tensor) -> Tensor:
    """Values of stations ``[N, *]`` for each of their groups ``[Q, *]``."""
    if channel.aligned:
        return station.repeat_interleave(channel.cap.shape[1], 0) if channel.cap.shape[1] > 1 else station
    return station[channel.groups.station]
