"""SINR and rates under the named conventions (design: one rate formula for every method).

==============  ===========================================================================================
convention      meaning
==============  ===========================================================================================
equal_airtime   a station's users share each resource block equally in time (default)
scheduled       the allocation's own airtime, one user or more per station and resource block, in [0, 1]
full            every user has the whole band, eq. 10 of the HetGNN paper as printed
superposed      NOMA: users of a station are superposed, with successive interference cancellation
collision       conflict graph: a user transmits at a rate only where no conflicting user is active
==============  ===========================================================================================
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL, CONFLICTS
from hetgraph.radio.allocation import Allocation

Convention = Literal["equal_airtime", "scheduled", "full", "superposed", "collision"]
LOG2E = 1 / math.log(2)


def noise_plus_far_w(graph: HeteroData) -> Tensor:
    """Noise plus the interference of stations that are no candidates ``[U, R]``, W."""
    ue = graph["ue"]
    noise: Tensor = ue.noise_w
    return noise + ue.far_interference_w if "far_interference_w" in ue else noise


def edge_sinr(graph: HeteroData, power_w: Tensor, *, links: Links | None = None) -> Tensor:
    """SINR of every channel edge if it served, eq. 9: edge layout ``[*, R]``.

    Args:
        graph: a graph or a batch of graphs.
        power_w: transmit power per station and resource block ``[N, R]``, W.
        links: index structure, when at hand.
    """
    links = links or links_of(graph)
    received = links.lift(graph[CHANNEL].gain) * links.from_bs(power_w)
    total = links.sum_to_ue(received) + noise_plus_far_w(graph)
    # In float32 total minus own can fall below the noise, or below zero: clamp it there.
    interference = torch.maximum(links.from_ue(total) - received, links.from_ue(noise_plus_far_w(graph)))
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
    received = links.lift(gain) * links.from_bs(allocation.power_w)
    serves = links.lift(graph[CHANNEL].slot) == links.from_ue(slot)  # edge layout
    # Summing the others, not total minus own: the difference loses the interference behind a strong signal.
    interference = links.sum_to_ue(received.masked_fill(serves.unsqueeze(-1), 0)) + noise
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
) -> Tensor:
    """Rate of each user ``[U]``, bit/s, by Shannon's formula (eq. 10) under a named convention; differentiable.

    Raises:
        ValueError: an unknown convention, or one that the allocation lacks a field for.
    """
    links = links or links_of(graph)
    if convention not in get_args(Convention):
        raise ValueError(f"convention: got {convention!r}, expected one of {', '.join(get_args(Convention))}")
    if convention == "superposed":
        ratio, airtime = _superposed_sinr(graph, allocation, links), torch.ones(1, 1)
    else:
        ratio = sinr(graph, allocation, links=links)
        airtime = _airtime(graph, allocation, convention, links)
    bandwidth = graph.rb_bandwidth_hz[links.ue_network]  # [B, R] -> [U, R]
    rate: Tensor = (airtime.to(ratio) * bandwidth * torch.log1p(ratio)).sum(1) * LOG2E
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


def _superposed_sinr(graph: HeteroData, allocation: Allocation, links: Links) -> Tensor:
    """SINR with successive interference cancellation: a user removes the layers of its station's weaker users.

    Users of a station are ordered on each resource block by own gain over inter-cell interference plus noise; each decodes
    and removes the layers of those below it, and suffers the layers of those above it.
    """
    if allocation.layer_power_w is None:
        raise ValueError("allocation.layer_power_w: got None, expected [U, R] under the convention 'superposed'")
    gain, layer, serving = graph[CHANNEL].gain, allocation.layer_power_w, allocation.serving
    slot, noise = links.slot_of(serving), noise_plus_far_w(graph)
    served = (serving >= 0).unsqueeze(1)
    layer = layer * served
    power = layer.new_zeros(allocation.power_w.shape).index_add(0, serving.clamp_min(0), layer)
    serves = links.lift(graph[CHANNEL].slot) == links.from_ue(slot)
    received = (links.lift(gain) * links.from_bs(power)).masked_fill(serves.unsqueeze(-1), 0)
    own_gain, other = links.pick(gain, slot), links.sum_to_ue(received) + noise
    quality = own_gain / other
    stronger = _power_of_stronger(quality.detach(), layer, serving, links.num_bs)
    return own_gain * layer / (other + own_gain * stronger)


def _power_of_stronger(quality: Tensor, layer: Tensor, serving: Tensor, stations: int) -> Tensor:
    """Summed layer power of the users of the same station with a higher quality, per resource block ``[U, R]``.

    Each station is summed by itself: a running sum over all would round one network's powers by another's.
    """
    by_quality = torch.argsort(quality, dim=0, descending=True, stable=True)
    station = (serving + 1).unsqueeze(1).expand_as(quality).gather(0, by_quality)  # 0: not served
    by_station = torch.argsort(station, dim=0, stable=True)
    order = by_quality.gather(0, by_station)  # sorted by (station, quality) on each block
    count = torch.bincount(serving + 1, minlength=stations + 1)
    station = torch.repeat_interleave(count)
    rank = torch.arange(station.numel(), device=station.device) - (count.cumsum(0) - count)[station]
    width, blocks = int(count.max()), quality.shape[1]
    shifted = layer.new_zeros((stations + 1) * (width + 1), blocks)
    shifted = shifted.index_copy(0, station * (width + 1) + rank + 1, layer.gather(0, order))
    above = shifted.reshape(stations + 1, width + 1, blocks).cumsum(1)[station, rank]
    return torch.zeros_like(layer).scatter(0, order, above)
