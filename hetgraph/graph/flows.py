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
    wish = _crowd_factor(flows, ue_pos, bs_pos, cell, place_s, ticks, tick_s)  # [n, T, U]
    switches = streams.exponential("flows/switch", _switches(flows, ticks * tick_s), users)
    begins = streams.uniform("flows/begin", users) < flows.on_s / (flows.on_s + flows.off_s)
    on = _streaming(flows, switches, begins, ticks, tick_s)
    share = mean_bps * tick_s
    stream_bits = (share * (flows.on_s + flows.off_s) / flows.on_s).unsqueeze(1) * wish * on
    count_rate = (share / flows.file_bits).unsqueeze(1) * wish * ~video.unsqueeze(1)
    drawn = [_files(rate, each) for rate, each in zip(count_rate, streams.generators("flows/files"), strict=True)]
    bits = torch.where(video.unsqueeze(1), stream_bits, flows.file_bits * torch.stack(drawn))
    return OfferedFlows(bits.transpose(0, 1).contiguous(), mean_bps, video, cell)


def _crowd_cell(streams: Streams, power_w: Tensor) -> Tensor:
    """One of each network's cells of lower power ``[n]``, all as likely; of all cells where no power is lower."""
    small = power_w < _SMALL * power_w.amax(1, keepdim=True)
    small |= ~small.any(1, keepdim=True)
    return torch.where(small, streams.uniform("flows/crowd", power_w.shape[1]), -1.0).argmax(1)


def _crowd_factor(
    flows: Flows, ue_pos: Tensor, bs_pos: Tensor, cell: Tensor, place_s: float, ticks: int, tick_s: float
) -> Tensor:
    """Factor on what users want in each tick ``[n, T, U]``."""
    centre = bs_pos.gather(1, cell.reshape(-1, 1, 1).expand(-1, 1, 2))
    near = (ue_pos - centre.unsqueeze(1)).norm(dim=3) <= flows.crowd_radius_m  # [n, G, U]
    time_s = torch.arange(ticks) * tick_s
    place = (time_s / place_s + 1e-6).long().clamp_max(near.shape[1] - 1)
    start, end = flows.crowd_window_s
    now = (time_s >= start - 1e-6) & (time_s < end - 1e-6)
    factor: Tensor = 1 + (flows.crowd - 1) * (near[:, place] & now.unsqueeze(1))
    return factor


def _switches(flows: Flows, time_s: float) -> int:
    """Changes between streams and silence that are drawn for a user: far more than it will have."""
    mean = 2 * time_s / (flows.on_s + flows.off_s)
    return 8 + math.ceil(mean + 8 * math.sqrt(mean))


def _streaming(flows: Flows, lengths: Tensor, begins: Tensor, ticks: int, tick_s: float) -> Tensor:
    """Whether a stream lasts in each tick ``[n, T, U]``, by exponential numbers ``[n, S, U]`` and who has one at the start."""
    odd = (torch.arange(lengths.shape[1]) % 2).bool().unsqueeze(1) ^ begins.unsqueeze(1)  # a stream, not silence
    change = (lengths * torch.where(odd, flows.on_s, flows.off_s)).cumsum(1) / tick_s
    count = torch.zeros(len(lengths), ticks + 1, lengths.shape[2], dtype=torch.long)
    count.scatter_add_(1, change.long().clamp_max(ticks), torch.ones_like(change, dtype=torch.long))
    return (count.cumsum(1)[:, :ticks] % 2).bool() ^ begins.unsqueeze(1)


def _files(rate: Tensor, generator: Generator) -> Tensor:
    """Summed sizes of the files that come ``[T, U]``, in mean sizes, at mean numbers ``[T, U]``."""
    count = torch.poisson(rate, generator=generator).flatten()
    which = count.nonzero().squeeze(1)
    owner = which.repeat_interleave(count[which].long())
    sizes = torch.empty(len(owner)).exponential_(generator=generator)
    return torch.zeros(rate.numel()).index_add_(0, owner, sizes).reshape(rate.shape)
