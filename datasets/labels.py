"""Teacher labels on a batch of graphs."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.channel import antenna_gain_db
from hetgraph.graph.links import links_of
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON
from hetgraph.radio import Allocation, Convention, evaluate
from hetgraph.radio.precoders import antenna_power, from_antennas
from hetgraph.radio.spatial import spatial_channel
from hetgraph.solvers.antenna_powers import antenna_places


def add_labels(batch: HeteroData, teacher: Callable[[HeteroData], Allocation]) -> Allocation:
    """Run a teacher and keep its answer with the graph, offset-free; returns its allocation.

    Adds ``ue.teacher_slot [U]`` (which of the user's candidate edges serves it), ``ue.teacher_rate_bps [U]``,
    ``bs.teacher_fraction [N, R]`` (power over budget) and ``antenna.teacher_share [A]``.
    """
    links = links_of(batch)
    allocation = teacher(batch)
    batch["ue"].teacher_slot = links.slot_of(allocation.serving)
    convention: Convention = "equal_airtime" if allocation.precoder is None else "spatial"
    batch["ue"].teacher_rate_bps = evaluate(batch, allocation, convention).rate_bps
    batch["bs"].teacher_fraction = allocation.power_w / batch["bs"].power_max_w.unsqueeze(1)
    shares = (
        antenna_shares(batch, allocation.serving) if allocation.precoder is None else sent_shares(batch, allocation)
    )
    batch["antenna"].teacher_share = shares
    return allocation


def sent_shares(graph: HeteroData, allocation: Allocation) -> Tensor:
    """Share of each antenna in the power that its station sends over precoders ``[A]``; equal where it sends nothing."""
    links, group = links_of(graph), allocation.groups
    channel = spatial_channel(graph, allocation.serving, group, links=links, reduced=False)
    assert allocation.precoder is not None
    power = antenna_power(channel, from_antennas(channel, allocation.precoder))  # [N, Amax]
    antenna, station, place = antenna_places(graph)
    count = torch.bincount(station, minlength=links.num_bs)
    total, share = power.sum(1), power.new_zeros(len(antenna))
    own = power[station, place] / total[station].clamp_min(torch.finfo(power.dtype).tiny)
    share[antenna] = torch.where(total[station] > 0, own, 1 / count[station].to(power))
    return share


def antenna_shares(graph: HeteroData, serving: Tensor) -> Tensor:
    """Share of each antenna in its station's gain toward the users that the station serves ``[A]``.

    The paper trains an antenna head and names no teacher for it. Here it is the mean over the station's users of the linear
    gain of the standard's element at the antenna's boresight, normalised to sum to one over a station's antennas; equal
    shares where a station serves nobody or positions are unknown.
    """
    antenna, (source, target) = graph["antenna"], graph[MOUNTED_ON].edge_index
    gain = antenna.offset.new_ones(antenna.offset.shape[0])
    if "pos" in graph["bs"] and "pos" in graph["ue"] and source.numel():
        served = (serving >= 0).nonzero().squeeze(1)
        order = serving[served].argsort(stable=True)
        served = served[order]
        load = torch.bincount(serving[served], minlength=graph["bs"].pos.shape[0])
        start = load.cumsum(0) - load
        repeats = load[target]  # users of each antenna's station
        row = torch.arange(source.numel(), device=source.device).repeat_interleave(repeats)
        within = torch.arange(row.numel(), device=row.device) - (repeats.cumsum(0) - repeats)[row]
        user = served[start[target][row] + within]
        vector = (graph["ue"].pos[user] - graph["bs"].pos[target[row]]).to(gain.dtype)
        if "offset_m" in graph[CHANNEL]:  # toward the nearest image of a layout that wraps around
            links = links_of(graph)
            edge = links.first_edge[user] + links.slot_of(serving)[user]
            vector = torch.cat([graph[CHANNEL].offset_m[edge].to(gain.dtype), vector[:, 2:]], 1)
        azimuth, tilt = antenna.boresight[source[row]].unbind(1)
        linear = 10 ** (antenna_gain_db("38.901", vector, azimuth_rad=azimuth, tilt_rad=tilt) / 10)
        total = torch.zeros_like(gain).index_add(0, source[row], linear)
        count = torch.zeros_like(gain).index_add(0, source, repeats.to(gain.dtype))
        gain = torch.where(count > 0, total / count.clamp_min(1), gain)
    whole = gain.new_zeros(graph["bs"].power_max_w.shape[0]).index_add(0, target, gain[source])
    share = torch.zeros_like(gain)
    share[source] = gain[source] / whole[target].clamp_min(1e-30)
    return share
