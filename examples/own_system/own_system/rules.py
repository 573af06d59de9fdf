"""Rules: functions from graph to action."""

import torch
from torch_geometric.data import HeteroData

from hetgraph.graph import links_of
from hetgraph.radio import Allocation
from hetgraph.solvers import equal_power, max_rsrp_association

LEAST_SHARE = 0.1  # of the median of own signals


def full_power(graph: HeteroData) -> Allocation:
    """Every station sends at full power to the user that hears it best."""
    return Allocation(max_rsrp_association(graph), equal_power(graph))


def silence_weak(graph: HeteroData) -> Allocation:
    """Stations whose user hears them weakly are silent, so that they disturb nobody."""
    links, serving = links_of(graph), max_rsrp_association(graph)
    own = links.pick(graph["bs", "channel", "ue"].gain.mean(1), links.slot_of(serving))  # [U]
    best = torch.zeros(links.num_bs, dtype=own.dtype).scatter_reduce(0, serving.clamp_min(0), own, "amax")  # [N]
    keep = best >= LEAST_SHARE * own.median()
    return Allocation(serving, equal_power(graph) * keep.unsqueeze(1))
