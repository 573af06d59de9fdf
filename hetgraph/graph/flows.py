"""Draws of :class:`~hetgraph.graph.traffic.Flows`: the bits that come for each user in each tick of an episode."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from hetgraph.graph.streams import Streams
from hetgraph.graph.traffic import Flows

_SMALL = 0.99  # cells of less than this share of their network's largest power can have the crowd


@dataclass(frozen=True)
class OfferedFlows:
    """What ``n`` networks of U users are offered in T ticks.

    Args:
        bits: that come at the beginning of a tick ``[T, n, U]``.
        mean_bps: mean rate of each user, without the crowd ``[n, U]``, bit/s.
        video: whether it receives video ``[n, U]``.
        crowd_cell: the cell of the flash crowd ``[n]``.
    """

    bits: Tensor
    mean_bps: Tensor
    video: Tensor
    crowd_cell: Tensor


def draw_flows(
    flows: Flows,
    streams: Streams,
    *,
    ue_pos: Tensor,
    place_s: float,
    bs_pos: Tensor,
    power_w: Tensor,
    ticks: int,
    tick_s: float,
) -> OfferedFlows:
    """Draw the traffic of some networks, each from streams of its own.

    Args:
        flows: the law.
        streams: random numbers.
        ue_pos: where users are ``[n, G, U, 2]``, m.
        place_s: time between two of these places.
        bs_pos: cells' places ``[n, K, 2]``, m.
        power_w: cells' powers ``[n, K]``; the crowd comes to one of those below the largest, or to any where all are equal.
        ticks: number of ticks T.
        tick_s: length of a tick.
    """
    users = ue_pos.shape[2]
    spread = flows.spread * streams.normal("flows/rate", users)
    mean_bps = flows.load_bps * (spread - flows.spread**2 / 2).exp()
    video = streams.uniform("flows/kind", users) < flows.video
    cell = _crowd_cell(streams, power_w)
    centre = bs_pos.gather(1, cell.reshape(-1, 1, 1).expand(-1, 1, 2))
    near = (ue_pos - centre.unsqueeze(1)).norm(dim=3) <= flows.crowd_radius_m  # [n, G, U]
    begins = streams.uniform("flows/begin", users) < flows.on_s / (flows.on_s + flows.off_s)
    lengths = streams.exponential("flows/switch", _switches(flows, ticks * tick_s), users)
    bits = torch.empty(ticks, len(near), users)
    for i, generator in enumerate(streams.generators("flows/files")):  # tables of one network stay in a core's cache
        wish = _wish_bits(flows, mean_bps[i], near[i], place_s, ticks, tick_s)
        on = _streaming(flows, lengths[i], begins[i], ticks, tick_s)
        stream_bits = wish * on * ((flows.on_s + flows.off_s) / flows.on_s)
        files = flows.file_bits * file_sizes(wish * (~video[i] / flows.file_bits), generator)
        bits[:, i] = torch.where(video[i], stream_bits, files)
    return OfferedFlows(bits, mean_bps, video, cell)


def _crowd_cell(streams: Streams, power_w: Tensor) -> Tensor:
    """One of each network's cells of lower power ``[n]``, all as likely; of all cells where no power is lower."""
    small = power_w < _SMALL * power_w.amax(1, keepdim=True)
    small |= ~small.any(1, keepdim=True)
    return torch.where(small, streams.uniform("flows/crowd", power_w.shape[1]), -1.0).argmax(1)


def _wish_bits(flows: Flows, mean_bps: Tensor, near: Tensor, place_s: float, ticks: int, tick_s: float) -> Tensor:
    """Bits that come in a tick on average ``[T, U]``, of users who are near the crowd's cell at places ``[G, U]`` in time."""
    time_s = torch.arange(ticks) * tick_s
    place = (time_s / place_s + 1e-6).long().clamp_max(len(near) - 1)
    start, end = flows.crowd_window_s
    now = (time_s >= start - 1e-6) & (time_s < end - 1e-6)
    wish = (mean_bps * tick_s).repeat(ticks, 1)
    wish[now] *= 1 + (flows.crowd - 1) * near[place[now]]
    return wish


def _switches(flows: Flows, time_s: float) -> int:
    """Changes between streams and silence that are drawn for a user: far more than it will have."""
    mean = 2 * time_s / (flows.on_s + flows.off_s)
    return 8 + math.ceil(mean + 8 * math.sqrt(mean))


def _streaming(flows: Flows, lengths: Tensor, begins: Tensor, ticks: int, tick_s: float) -> Tensor:
    """Whether a stream lasts in each tick ``[T, U]``, by exponential numbers ``[S, U]`` and who has one at the start ``[U]``."""
    odd = (torch.arange(len(lengths)) % 2).bool().unsqueeze(1) ^ begins  # a stream, not silence
    change = (lengths * torch.where(odd, flows.on_s, flows.off_s)).cumsum(0) / tick_s
    count = torch.zeros(ticks + 1, lengths.shape[1])
    count.scatter_add_(0, change.long().clamp_max(ticks), torch.ones_like(change))
    return (count.cumsum_(0)[:ticks].remainder_(2) > 0) ^ begins


def file_sizes(rate: Tensor, generator: Generator) -> Tensor:
    """Summed sizes of the files that come ``[T, U]``, in mean sizes, at mean numbers ``[T, U]``.

    A Poisson number for the whole table is spread over its entries in proportion to their means.
    """
    edges = rate.flatten().double().cumsum(0)
    count = int(torch.poisson(edges[-1:], generator=generator))
    place, sizes = torch.empty(count, dtype=torch.float64), torch.empty(count)
    place.uniform_(generator=generator).mul_(edges[-1])
    sizes.exponential_(generator=generator)
    owner = torch.searchsorted(edges, place, right=True).clamp_max(len(edges) - 1)
    return torch.zeros(rate.numel()).index_add_(0, owner, sizes).reshape(rate.shape)
