"""Precoders of given powers per antenna: each antenna sends in phase with the user's channel."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import links_of
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.precoders import antenna_caps, from_antennas, precoding, within_budgets
from hetgraph.radio.spatial import antenna_channels, spatial_channel
from hetgraph.solvers.spatial_association import groups_by_gain


def antenna_places(graph: HeteroData) -> tuple[Tensor, Tensor, Tensor]:
    """Antenna, station and place in the columns of ``h`` of each edge of (antenna, mounted_on, bs) ``[A]`` each."""
    antenna, station = graph[MOUNTED_ON].edge_index
    count = torch.bincount(station, minlength=graph["bs"].power_max_w.shape[0])
    order = station.argsort(stable=True)
    place = torch.empty_like(station)
    place[order] = torch.arange(len(station), device=station.device) - (count.cumsum(0) - count)[station[order]]
    return antenna, station, place


def in_phase(graph: HeteroData, serving: Tensor, power_w: Tensor, share: Tensor) -> Allocation:
    r"""Streams of equal power, w_{ua} = \sqrt{p_u s_a} h_{ua} / |h_{ua}|, in groups of users dealt out by gain.

    Args:
        graph: a graph or a batch of graphs with ``h``.
        serving: station of each user, -1 for none ``[U]``.
        power_w: power of stations on blocks ``[N, R]``, W; divided by a group's streams.
        share: share of each antenna in its station's power ``[A]``, summing to one over a station's.

    Raises:
        ValueError: a graph without ``h``.
    """
    links, group = links_of(graph), groups_by_gain(graph, serving)
    h = links.pick(antenna_channels(graph), links.slot_of(serving))  # [U, Amax, R]
    channel = spatial_channel(graph, serving, group, links=links, reduced=False)
    antenna, station, place = antenna_places(graph)
    table = share.new_zeros(links.num_bs, h.shape[1])
    table[station, place] = share[antenna]
    groups = channel.groups
    count = groups.occupied.sum(1, keepdim=True).clamp_min(1)
    each = (power_w[groups.station, groups.block].unsqueeze(1) / count).expand_as(groups.members)
    stream = groups.scatter(each * groups.occupied)  # [U, R]
    magnitude = (table[serving.clamp_min(0)].unsqueeze(2) * stream.unsqueeze(1)).sqrt()
    precoder = from_antennas(channel, magnitude * torch.sgn(h))
    precoder = within_budgets(channel, precoder, antenna_caps(graph, channel))
    return precoding(channel, serving, group, precoder, graph[CHANNEL].gain.dtype)
