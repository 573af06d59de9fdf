"""Precoding as policies ``graph -> Allocation``, found by name through the entry points; they need a graph with ``h``.

All serve a station's users in groups of equal airtime, for the convention ``spatial``.
"""

from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.precoders import antenna_caps, precoding, within_budgets
from hetgraph.radio.spatial import spatial_channel
from hetgraph.solvers import fair_precoding
from hetgraph.solvers.association import max_rsrp_association
from hetgraph.solvers.linear_precoding import PRECODERS
from hetgraph.solvers.spatial_association import groups_by_gain, spatial_association
from hetgraph.solvers.vector_wmmse import vector_wmmse as _vector_wmmse


def mrt(graph: HeteroData) -> Allocation:
    """Maximum ratio transmission at the strongest station, equal powers."""
    return linear(graph, "mrt", max_rsrp_association(graph))


def zf(graph: HeteroData) -> Allocation:
    """Zero forcing at the strongest station, equal powers."""
    return linear(graph, "zf", max_rsrp_association(graph))


def rzf(graph: HeteroData) -> Allocation:
    """Regularised zero forcing at the strongest station, equal powers."""
    return linear(graph, "rzf", max_rsrp_association(graph))


def slnr(graph: HeteroData) -> Allocation:
    """Signal to leakage and noise at the strongest station, equal powers."""
    return linear(graph, "slnr", max_rsrp_association(graph))


def vector_wmmse(graph: HeteroData) -> Allocation:
    """Sum-rate vector WMMSE, 100 rounds from SLNR, at the strongest station."""
    serving = max_rsrp_association(graph)
    return _vector_wmmse(graph, serving, group=groups_by_gain(graph, serving))


def vector_wmmse_pf(graph: HeteroData) -> Allocation:
    """Proportional-fair vector WMMSE, at most 100 rounds from SLNR, at the dual-price association on expected multi-user rates."""
    serving = spatial_association(graph)
    group = groups_by_gain(graph, serving)
    return fair_precoding.vector_wmmse_pf(graph, serving, group=group, iterations=100, tolerance=1e-9)[0]


def linear(graph: HeteroData, name: str, serving: Tensor) -> Allocation:
    """A linear precoder with equal powers, scaled to the budgets.

    Args:
        graph: a graph or a batch of graphs with ``h``.
        name: ``mrt``, ``zf``, ``rzf`` or ``slnr``.
        serving: station of each user, -1 for none ``[U]``.
    """
    group = groups_by_gain(graph, serving)
    channel = spatial_channel(graph, serving, group, reduced="antenna_power_max_w" not in graph["bs"], double=True)
    precoder = within_budgets(channel, PRECODERS[name](channel), antenna_caps(graph, channel))
    return precoding(channel, serving, group, precoder, graph[CHANNEL].gain.dtype)
