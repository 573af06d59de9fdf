"""Arrivals as contract graphs: what is fixed with the layout, and views of the state."""

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.arrivals.incoming import ASKED, FAR, LEFT, NOISE, POS, RATE
from hetgraph.envs.arrivals.layout import Layout
from hetgraph.envs.arrivals.service_state import ServiceState
from hetgraph.envs.arrivals.sources import Source
from hetgraph.graph.schema import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, SCHEMA_VERSION, Level

DENSE = 30  # stations up to which all are neighbours; beyond, those that the arriving user hears are, for the time of its arrival
STATIONS = ("users", "free_rb", "utility", "backlog_slots")  # rows of what stations know of their users


def empty_graph(source: Source, networks: int, state: ServiceState) -> HeteroData:
    """Graph of networks without their layout: how nodes, edges and antennas are numbered."""
    device, n, u, k = state.active.device, source.service.stations, state.active.shape[1], source.links_per_user
    graph, each = Batch(_base_cls=HeteroData), torch.arange(networks, device=device)
    graph._num_graphs = networks
    for store, count in (("bs", n), ("ue", u)):
        graph[store].batch = each.repeat_interleave(count)
        graph[store].ptr = count * torch.arange(networks + 1, device=device)
    user = torch.arange(networks * u, device=device).repeat_interleave(k)
    graph[CHANNEL].edge_index = torch.stack([state.station.flatten(), user])
    graph[CHANNEL].slot = torch.arange(k, device=device).repeat(networks * u)
    graph[CONFLICTS].edge_index = torch.zeros(2, 0, dtype=torch.long, device=device)
    pairs = (1 - torch.eye(n if n <= DENSE else k, device=device)).nonzero().T
    graph[NEIGHBOURS].edge_index = (pairs.unsqueeze(1) + n * each.reshape(1, -1, 1)).flatten(1)
    graph.rb_bandwidth_hz = torch.full((networks, 1), source.band_hz, device=device)
    graph.slot_s = torch.full((networks,), source.slot_s, device=device)
    graph.time_unit = torch.full((networks,), source.service.time_unit, device=device)
    graph.schema_version = torch.full((networks,), SCHEMA_VERSION)
    return graph


def set_layout(graph: HeteroData, layout: Layout) -> None:
    """Write stations and antennas."""
    b, n = layout.bs["power_max_w"].shape
    for name, value in layout.bs.items():
        graph["bs"][name] = value.flatten(0, 1)
    graph["bs"].rb_power_max_w = graph["bs"].power_max_w.unsqueeze(1)
    for name, value in layout.antenna.items():
        graph["antenna"][name] = value.flatten(0, 1)
    a, device = layout.mounted.shape[1], layout.mounted.device
    each = torch.arange(b, device=device)
    graph["antenna"].batch = each.repeat_interleave(a)
    graph["antenna"].ptr = a * torch.arange(b + 1, device=device)
    station = (layout.mounted + n * each.unsqueeze(1)).flatten()
    graph[MOUNTED_ON].edge_index = torch.stack([torch.arange(b * a, device=device), station])


def bind(graph: HeteroData, state: ServiceState, level: Level) -> None:
    """Make the attributes that change views of the state, as a level knows them."""
    links = state.now if level == "genie" else state.reported
    bs, ue, edges = graph["bs"], graph["ue"], graph[CHANNEL]
    for name, value in zip(STATIONS, state.bs.flatten(1), strict=True):
        bs[name] = value
    real, now = links.real.flatten(1), state.now.real.flatten(1)  # [ROWS, B U]
    ue.demand, ue.asked_rb = now[LEFT], now[ASKED]
    ue.rate, ue.pos = real[RATE], real[POS:].T
    ue.far_interference_w, ue.noise_w = real[FAR].unsqueeze(1), real[NOISE].unsqueeze(1)
    ue.active, ue.serving_slot = state.active.flatten(), state.serving.flatten()
    edges.gain, edges.rate = links.edges[0].reshape(-1, 1), links.edges[1].flatten()
    edges.own, edges.may_serve = state.own.flatten(), state.may_serve.flatten()
    everything = level in ("global", "genie")
    edges.known = torch.ones_like(edges.own) if everything else state.known.flatten()


def share_stations(graph: HeteroData, state: ServiceState) -> None:
    """Keep the stations of users in the first row of the channel edges."""
    row = graph[CHANNEL].edge_index[0].view(state.station.shape)
    row.copy_(state.station)
    state.station = row


class CandidateNeighbours:
    """The stations that each arriving user hears as neighbours of each other.

    Args:
        links_per_user: stations K that a user hears.
        device: where the tensors are.
    """

    def __init__(self, links_per_user: int, device: torch.device) -> None:
        self.one, self.other = (1 - torch.eye(links_per_user, device=device)).nonzero().T.contiguous()

    def write(self, graph: HeteroData, station: Tensor) -> None:
        """Write the edges of stations ``[B, K]``, counted over all networks, ``B K (K - 1)`` of them."""
        source, target = graph[NEIGHBOURS].edge_index.view(2, len(station), -1)
        torch.index_select(station, 1, self.one, out=source)
        torch.index_select(station, 1, self.other, out=target)
