"""SINR and rates under the named conventions. Here alone an SINR becomes a rate: all methods share one formula.

==============  ===========================================================================================
convention      meaning
==============  ===========================================================================================
equal_airtime   a station's users share each resource block equally in time (default)
scheduled       the allocation's own airtime, one user or more per station and resource block, in [0, 1]
full            every user has the whole band, eq. 10 of the HetGNN paper as printed
superposed      NOMA: users of a station are superposed, with successive interference cancellation
collision       conflict graph: a user transmits at a rate only where no conflicting user is active
spatial         a station's users of a block in groups of equal airtime, told apart by precoders
==============  ===========================================================================================
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL, CONFLICTS
from hetgraph.graph.sums_of_others import sum_of_other_edges
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cancellation import noma_sinr
from hetgraph.radio.interference import interference_on_edges
from hetgraph.radio.interference import noise_plus_far_w as noise_plus_far_w
from hetgraph.radio.precoders import from_antennas
from hetgraph.radio.spatial import received, spatial_channel

Convention = Literal["equal_airtime", "scheduled", "full", "superposed", "collision", "spatial"]
LOG2E = 1 / math.log(2)


def spectral_efficiency(
    signal_w: Tensor, interference_w: Tensor, *, most: float | None = None, nats: bool = False
) -> Tensor:
    """Shannon's formula ``log2(1 + S / I)``, bit/s/Hz.

    Args:
        signal_w: received power, W.
        interference_w: interference plus noise, positive, W.
        most: SINR beyond which the rate no longer grows, linear.
        nats: natural logarithm, nat/s/Hz.
    """
    ratio = signal_w / interference_w
    if ratio.requires_grad:
        return shannon(ratio, most=most, nats=nats)
    ratio = ratio if most is None else ratio.clamp_max_(most)
    ratio.log1p_()
    return ratio if nats else ratio.mul_(LOG2E)


def shannon(sinr: Tensor, *, most: float | None = None, nats: bool = False) -> Tensor:
    """Shannon's formula of a linear SINR, bit/s/Hz; arguments as in :func:`spectral_efficiency`."""
    rate = torch.log1p(sinr if most is None else sinr.clamp_max(most))
    return rate if nats else rate * LOG2E


def edge_sinr(graph: HeteroData, power_w: Tensor, *, links: Links | None = None) -> Tensor:
    """SINR of every channel edge if it served, eq. 9: edge layout ``[*, R]``.

    Args:
        graph: a graph or a batch of graphs.
        power_w: transmit power per station and resource block ``[N, R]``, W.
        links: index structure, when at hand.
    """
    links = links or links_of(graph)
    received = links.lift(graph[CHANNEL].gain) * links.from_bs(power_w)
    interference = sum_of_other_edges(received, links) + links.from_ue(noise_plus_far_w(graph))
    return received / interference


def sinr(graph: HeteroData, allocation: Allocation, *, links: Links | None = None) -> Tensor:
    """SINR of each user on each resource block, eq. 9 ``[U, R]``; zero for a user that is not served.

    A station's power counts as interference at its time average. Where users have their own power
    (``layer_power_w``), the user's signal has the power it gets while its airtime lasts.
    """
    links = links or links_of(graph)
    slot = links.slot_of(allocation.serving)
    gain = graph[CHANNEL].gain
    noise = noise_plus_far_w(graph)
    serves = links.lift(graph[CHANNEL].slot) == links.from_ue(slot)  # edge layout
    interference = interference_on_edges(gain, allocation.power_w, serves, noise, links)
    own_gain = links.pick(gain, slot)
    own = own_gain * allocation.power_w[allocation.serving.clamp_min(0)]
    if allocation.layer_power_w is None:
        return own / interference
    airtime = allocation.airtime if allocation.airtime is not None else equal_airtime(links, allocation.serving, gain)
    return own_gain * allocation.layer_power_w / airtime.clamp_min(1e-12) / interference


def equal_airtime(links: Links, serving: Tensor, like: Tensor) -> Tensor:
    """Equal share of a station's time for each of its users ``[U, 1]``; zero for a user that is not served."""
    count = links.users_per_bs(serving, like.new_ones(serving.shape))
    share = 1 / count.clamp_min(1)[serving.clamp_min(0)]
    return (share * (serving >= 0)).unsqueeze(1)


def rates_bps(
    graph: HeteroData,
    allocation: Allocation,
    convention: Convention = "equal_airtime",
    *,
    links: Links | None = None,
    sic_residual: float = 0.0,
) -> Tensor:
    """Rate of each user ``[U]``, bit/s, by Shannon's formula (eq. 10) under a named convention; differentiable.

    Args:
        graph: a graph or a batch of graphs.
        allocation: the decision.
        convention: who shares what with whom.
        links: index structure, when at hand.
        sic_residual: part of a cancelled layer's power that remains, where users are superposed.

    Raises:
        ValueError: an unknown convention, or one that the allocation lacks a field for.
    """
    links = links or links_of(graph)
    if convention not in get_args(Convention):
        raise ValueError(f"convention: got {convention!r}, expected one of {', '.join(get_args(Convention))}")
    if convention == "spatial":
        ratio, airtime = _spatial_sinr(graph, allocation, links)
    elif convention == "superposed":
        ratio, airtime = _superposed_sinr(graph, allocation, links, sic_residual), torch.ones(1, 1)
    else:
        ratio = sinr(graph, allocation, links=links)
        airtime = _airtime(graph, allocation, convention, links)
    bandwidth = graph.rb_bandwidth_hz[links.ue_network]  # [B, R] -> [U, R]
    rate: Tensor = (airtime.to(ratio) * bandwidth * shannon(ratio)).sum(1)
    return rate


def _airtime(graph: HeteroData, allocation: Allocation, convention: Convention, links: Links) -> Tensor:
    gain: Tensor = graph[CHANNEL].gain
    if convention == "full":
        return gain.new_ones(1, 1)
    if convention == "equal_airtime":
        return equal_airtime(links, allocation.serving, gain)
    if allocation.airtime is None:
        raise ValueError(f"allocation.airtime: got None, expected [U, R] under the convention {convention!r}")
    if convention == "scheduled":
        return allocation.airtime
    source, target = graph[CONFLICTS].edge_index
    active = allocation.airtime > 0
    hit = torch.zeros_like(allocation.airtime).index_add(0, target, active[source].to(gain.dtype))
    return allocation.airtime * (hit == 0)


def _spatial_sinr(graph: HeteroData, allocation: Allocation, links: Links) -> tuple[Tensor, Tensor]:
    """SINR of each user's stream and its airtime ``[U, R]``, see :mod:`hetgraph.radio.spatial`."""
    if allocation.precoder is None:
        raise ValueError("allocation.precoder: got None, expected [U, Amax, R] under the convention 'spatial'")
    channel = spatial_channel(graph, allocation.serving, allocation.groups, links=links)
    streams = received(channel, from_antennas(channel, allocation.precoder))
    share = channel.groups.share.unsqueeze(1).expand_as(streams.signal)
    return channel.groups.scatter(streams.signal / streams.other), channel.groups.scatter(share)


def _superposed_sinr(graph: HeteroData, allocation: Allocation, links: Links, sic_residual: float) -> Tensor:
    """SINR of users that are superposed with all others of their station, see :mod:`hetgraph.radio.noma`."""
    if allocation.layer_power_w is None:
        raise ValueError("allocation.layer_power_w: got None, expected [U, R] under the convention 'superposed'")
    gain, layer, serving = graph[CHANNEL].gain, allocation.layer_power_w, allocation.serving
    slot, noise = links.slot_of(serving), noise_plus_far_w(graph)
    served = (serving >= 0).unsqueeze(1)
    layer = layer * served
    power = layer.new_zeros(allocation.power_w.shape).index_add(0, serving.clamp_min(0), layer)
    serves = links.lift(graph[CHANNEL].slot) == links.from_ue(slot)
    own_gain, other = links.pick(gain, slot), interference_on_edges(gain, power, serves, noise, links)
    clusters, place = _clusters(torch.stack([own_gain, layer, other]), serving, links.num_bs)
    ratio = noma_sinr(clusters[0], clusters[1], clusters[2], sic_residual=sic_residual)
    return ratio.transpose(1, 2).flatten(0, 1)[place] * served


def _clusters(value: Tensor, serving: Tensor, stations: int) -> tuple[Tensor, Tensor]:
    """Values of users ``[3, U, R]`` by station ``[3, N + 1, R, W]``, W users at most, and where each user went ``[U]``.

    Each station has a row of its own: a running sum over all would round one network's powers by another's. Users that are not
    served are the first row; free places have a power of zero.
    """
    order = torch.argsort(serving, stable=True)
    count = torch.bincount(serving + 1, minlength=stations + 1)
    station = torch.repeat_interleave(count)
    rank = torch.arange(station.numel(), device=station.device) - (count.cumsum(0) - count)[station]
    width, blocks = max(int(count.max()), 1), value.shape[2]
    place = torch.empty_like(order).scatter(0, order, station * width + rank)
    empty = torch.tensor([1.0, 0.0, 1.0], dtype=value.dtype, device=value.device).reshape(3, 1, 1)
    table = empty.expand(3, (stations + 1) * width, blocks).index_copy(1, place, value)
    return table.reshape(3, stations + 1, width, blocks).transpose(2, 3), place
