"""Observations of arrivals as rows of a replay memory."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.arrivals.graph import DENSE, CandidateNeighbours, bind, empty_graph, set_layout, share_stations
from hetgraph.envs.arrivals.incoming import RATE
from hetgraph.envs.arrivals.layout import Layout
from hetgraph.envs.arrivals.service_state import ServiceState
from hetgraph.envs.arrivals.sources import Source
from hetgraph.graph.schema import Level

LOADS = ("arrival_probability", "mean_demand", "slots_left")


def pack(state: ServiceState, graph: HeteroData, first: int) -> dict[str, Tensor]:
    """Rows of all networks ``{name: [B, ...]}``; station numbers and places in as few bytes as they take."""
    b, n, _ = state.shape
    network = torch.arange(b, device=state.active.device)
    rows = {
        "network": network + first,
        "real": state.now.real.transpose(0, 1).clone(),
        "edges": state.now.edges.transpose(0, 1).clone(),
        "station": (state.station - n * network.reshape(b, 1, 1)).to(torch.int16 if n < 1 << 15 else torch.int32),
        "serving": state.serving.to(torch.int8 if state.links_per_user < 1 << 7 else torch.int16),
        "own": state.own.clone(),
        "may_serve": state.may_serve.clone(),
        "active": state.active.clone(),
        "bs": state.bs.transpose(0, 1).clone(),
        "load": torch.stack([graph[name] for name in LOADS], 1),
    }
    if "pos" in graph["bs"]:
        rows["bs_pos"] = graph["bs"].pos.reshape(b, n, 3).clone()
    if state.period:
        rows["reported_real"] = state.reported.real[RATE:].transpose(0, 1).clone()
        rows["reported_edges"] = state.reported.edges.transpose(0, 1).clone()
    return rows


def unpack(rows: dict[str, Tensor], source: Source, layout: Layout, level: Level, first: int) -> HeteroData:
    """Observations of rows, whose stations are those of a layout but for their places, which the rows have."""
    b, device = len(rows["network"]), rows["real"].device
    state = ServiceState(b, source.service, source.links_per_user, source.period, 0, device)
    graph = empty_graph(source, b, state)
    share_stations(graph, state)
    reported = source.period and level != "genie"
    state.now.real.copy_(rows["real"].transpose(0, 1))
    links = state.reported if reported else state.now
    links.edges.copy_(rows["reported_edges" if reported else "edges"].transpose(0, 1))
    if reported:
        links.real[RATE:] = rows["reported_real"].transpose(0, 1)
    n = source.service.stations
    state.station.copy_(rows["station"] + n * torch.arange(b, device=device).reshape(b, 1, 1))
    for name in ("serving", "own", "may_serve", "active"):
        getattr(state, name).copy_(rows[name])
    state.known.copy_(state.active.unsqueeze(2))
    state.bs.copy_(rows["bs"].transpose(0, 1))
    where = layout.select(rows["network"] - first)
    set_layout(
        graph, Layout(where.bs | ({"pos": rows["bs_pos"]} if "bs_pos" in rows else {}), where.antenna, where.mounted)
    )
    bind(graph, state, level)
    if "bs_pos" not in rows:
        del graph["ue"].pos
    for name, value in zip(LOADS, rows["load"].unbind(1), strict=True):
        graph[name] = value
    if n > DENSE:
        CandidateNeighbours(source.links_per_user, device).write(graph, state.station[:, -1])
    return graph
