"""Precoders of users and in tables of groups, and the budgets of stations, blocks and antennas that they keep."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.radio.allocation import Allocation
from hetgraph.radio.complex_vectors import square
from hetgraph.radio.spatial import SpatialChannel, sent


def to_antennas(channel: SpatialChannel, precoder: Tensor) -> Tensor:
    """Normalised precoders ``[Q, L, D]`` as those of antennas, in the root of the station's budget ``[Q, L, Amax]``."""
    if channel.basis is None:
        return precoder
    return precoder @ channel.from_rows(channel.basis).mT


def from_antennas(channel: SpatialChannel, precoder: Tensor) -> Tensor:
    """Precoders of users, root of W ``[U, Amax, R]``, in the normalised table ``[Q, L, D]``.

    What a precoder sends outside the span of its station's channels nobody receives.
    """
    table = channel.groups.gather(precoder.transpose(1, 2).to(channel.rows.dtype))
    table = table / channel.unit[channel.groups.station][:, None, None]
    if channel.basis is None:
        return table
    return table @ channel.from_rows(channel.basis).conj()


def precoding(
    channel: SpatialChannel, serving: Tensor, group: Tensor, precoder: Tensor, dtype: torch.dtype
) -> Allocation:
    """The decision that normalised precoders are.

    Args:
        channel: normalised channels.
        serving: station of each user ``[U]``.
        group: group of each user on each block ``[U, R]``.
        precoder: ``[Q, L, D]``.
        dtype: of the powers; that of the graph.
    """
    table = to_antennas(channel, precoder) * channel.unit[channel.groups.station][:, None, None]
    users = channel.groups.scatter(table).transpose(1, 2)
    power = station_power_w(channel, precoder) * channel.unit.square().unsqueeze(1)
    users = users.to(dtype.to_complex()).contiguous()
    return Allocation(serving, power.to(dtype), precoder=users, group=group)


def station_power_w(channel: SpatialChannel, precoder: Tensor) -> Tensor:
    """Mean power of each station and block, as a share of its budget ``[N, R]``, of precoders ``[Q, L, D]``."""
    power = sent(precoder).sum(1) * channel.groups.share
    return channel.to_rows(power).reshape(channel.cap.shape)


def antenna_power(channel: SpatialChannel, precoder: Tensor) -> Tensor:
    """Mean power of each antenna over blocks, as a share of the station's budget ``[N, Amax]``."""
    table = to_antennas(channel, precoder)
    power = square(table).sum(1) * channel.groups.share.unsqueeze(1)
    return channel.to_rows(power).reshape(*channel.cap.shape, -1).sum(1)


def antenna_caps(graph: HeteroData, channel: SpatialChannel) -> Tensor | None:
    """Largest power of each antenna as a share of its station's budget ``[N, Amax]``; ``None`` where antennas have no budgets."""
    if "antenna_power_max_w" not in graph["bs"]:
        return None
    caps: Tensor = graph["bs"].antenna_power_max_w / channel.unit.square().unsqueeze(1)
    return caps


def within_budgets(channel: SpatialChannel, precoder: Tensor, caps: Tensor | None = None) -> Tensor:
    """Precoders ``[Q, L, D]`` scaled down to the caps of blocks, then to those of stations and antennas, each station by one factor.

    Args:
        channel: normalised channels.
        precoder: ``[Q, L, D]``.
        caps: of antennas ``[N, Amax]``.
    """
    least = torch.finfo(channel.cap.dtype).tiny
    power = station_power_w(channel, precoder)
    block = (channel.cap / power.clamp_min(least)).clamp_max(1)
    factor = (1 / (power * block).sum(1, keepdim=True).clamp_min(least)).clamp_max(1) * block
    if caps is not None:
        scaled = precoder * channel.from_rows(factor.sqrt().flatten())[:, None, None]
        antennas = antenna_power(channel, scaled)
        worst = (caps / antennas.clamp_min(least)).clamp_max(1)
        present = antennas > least
        factor = factor * torch.where(present, worst, 1.0).amin(1, keepdim=True)
    return precoder * channel.from_rows(factor.sqrt().flatten())[:, None, None]
