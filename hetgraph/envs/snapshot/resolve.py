"""What becomes of wishes that a graph does not allow."""

from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.allocation import Allocation, mean_antenna_power_w
from hetgraph.radio.handover import rank_in_group

SLACK = 1 + 1e-5  # of budgets, for rounding in float32


def resolved(graph: HeteroData, wish: Allocation) -> tuple[Allocation, Tensor]:
    """A feasible allocation near a well-formed wish, and how many wishes of each network were not granted ``[B]``.

    A user whose station is no candidate, or may not serve it, has none; of more users than a station takes those with the
    weakest channels have none. Powers above a block's cap are cut to it, those of a station above its budget scaled to it. Airtimes
    of a station's block that sum to more than one are scaled to one, layers to their station's power, and precoders, whose powers
    are then the station's, by one factor for each station and block.

    Args:
        graph: a graph or a batch of graphs.
        wish: of the right shapes, with finite numbers.
    """
    links = links_of(graph)
    serving, user_refused = _serving(graph, links, wish.serving)
    power, station_refused = _power(graph, wish.power_w)
    refused = links.sum_ue_to_network(user_refused.float()) + links.sum_bs_to_network(station_refused.float())
    out = replace(wish, serving=serving, power_w=power)
    served, place = (serving >= 0).unsqueeze(1), serving.clamp_min(0)
    if wish.airtime is not None:
        share = wish.airtime * served
        load = torch.zeros_like(power).index_add(0, place, share)
        share = share / load.clamp_min(1)[place]
        refused = refused + links.sum_bs_to_network((load > SLACK).any(1).float())
        out = replace(out, airtime=share)
    if wish.layer_power_w is not None:
        layer = wish.layer_power_w * served
        total = torch.zeros_like(power).index_add(0, place, layer)
        out = replace(out, layer_power_w=layer * (power / total.clamp_min(1e-30))[place], power_w=power * (total > 0))
    if wish.precoder is not None:
        group = torch.where(served, wish.groups, -1)
        before = replace(out, precoder=wish.precoder * served.unsqueeze(2), group=group)
        out, over = _precoder(graph, before)
        refused = refused + links.sum_bs_to_network(over.float())
    return out, refused.long()


def _precoder(graph: HeteroData, wish: Allocation) -> tuple[Allocation, Tensor]:
    """Precoders scaled to block caps and budgets of stations and antennas, and which stations wished for more ``[N]``."""
    assert wish.precoder is not None
    antenna = mean_antenna_power_w(wish)  # [N, Amax, R]
    power, over = _power(graph, antenna.sum(1))
    factor = power / antenna.sum(1).clamp_min(1e-30)
    if "antenna_power_max_w" in graph["bs"]:
        limit, wanted_w = graph["bs"].antenna_power_max_w, (antenna * factor.unsqueeze(1)).sum(2)
        least = torch.where(wanted_w > 0, limit / wanted_w.clamp_min(1e-30), 1.0).amin(1).clamp_max(1)
        over = over | (least * SLACK < 1)
        factor, power = factor * least.unsqueeze(1), power * least.unsqueeze(1)
    scale = factor[wish.serving.clamp_min(0)].sqrt().unsqueeze(1)
    return replace(wish, precoder=wish.precoder * scale, power_w=power), over


def _serving(graph: HeteroData, links: Links, serving: Tensor) -> tuple[Tensor, Tensor]:
    """Stations that may serve their users, and whose wish was refused ``[U]``."""
    channel, slot = graph[CHANNEL], links.slot_of(serving)
    allowed = slot >= 0
    if "may_serve" in channel:
        allowed = allowed & links.pick(channel.may_serve, slot)
    refused = (serving >= 0) & ~allowed
    serving = torch.where(allowed, serving, -1)
    if "max_users" in graph["bs"]:
        most = graph["bs"].max_users
        gain = links.pick(channel.gain.mean(1), links.slot_of(serving))
        group = torch.where(serving >= 0, serving, links.num_bs)
        rank = rank_in_group(gain, group, links.num_bs + 1)
        over = (serving >= 0) & (most[serving.clamp_min(0)] > 0) & (rank >= most[serving.clamp_min(0)])
        refused, serving = refused | over, torch.where(over, -1, serving)
    return serving, refused


def _power(graph: HeteroData, power_w: Tensor) -> tuple[Tensor, Tensor]:
    """Powers within caps and budgets, and which stations wished for more ``[N]``."""
    bs = graph["bs"]
    cut = torch.minimum(power_w, bs.rb_power_max_w)
    total = cut.sum(1)
    scale = (bs.power_max_w / total.clamp_min(1e-30)).clamp_max(1)
    refused = (power_w > bs.rb_power_max_w * SLACK).any(1) | (total > bs.power_max_w * SLACK)
    return cut * scale.unsqueeze(1), refused
