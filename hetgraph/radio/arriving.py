"""Parts of an observation of arrivals: the arriving users alone, and the users that some stations serve.

Both are contract graphs of all stations with as many edges for each user, from which named columns are made at the cost of what is
read; the graph of an observation has an edge from every user in service to each of its ``K`` stations.
"""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData
from torch_geometric.data.storage import NodeStorage

from hetgraph.graph.schema import CHANNEL

OF_USERS = ("demand", "asked_rb", "rate", "active", "noise_w")
OF_NETWORKS = ("arrival_probability", "mean_demand", "slots_left", "time_unit")


def arriving(graph: HeteroData) -> HeteroData:
    """The last user of each network and its ``K`` edges, in the order of networks; ``users`` of an edge are its station's."""
    b, ue, edges = len(graph.mean_demand), graph["ue"], graph[CHANNEL]
    per = len(ue.demand) // b
    out, bs = _stations(graph, b)
    users, near = out["ue"], out[CHANNEL]
    users.batch = torch.arange(b, device=bs.users.device)
    for name in OF_USERS:
        users[name] = ue[name].reshape(b, per, *ue[name].shape[1:])[:, -1]
    station = _last(edges.edge_index[0], b, per)
    near.edge_index = torch.stack([station, users.batch.repeat_interleave(len(station) // b)])
    for name in ("slot", "gain", "rate", "may_serve"):
        near[name] = _last(edges[name], b, per)
    near.users = bs.users[station]
    return out


def in_service(graph: HeteroData, station: Tensor) -> HeteroData:
    """The users of some stations ``[B, K]`` by network, station and place, with an edge to their station alone.

    Args:
        graph: an observation.
        station: numbers within the network.
    """
    b, ue = len(station), graph["ue"]
    out, bs = _stations(graph, b)
    n, per = len(bs.users) // b, len(ue.demand) // b
    c, network = (per - 1) // n, torch.arange(b, device=station.device).unsqueeze(1)
    row = ((c * station + per * network).unsqueeze(2) + torch.arange(c, device=station.device)).flatten()
    users, edges = out["ue"], out[CHANNEL]
    users.batch = network.expand(b, len(row) // b).flatten()
    for name in OF_USERS:
        users[name] = ue[name][row]
    users.serving_slot = users.active.long() - 1
    own = (station + n * network).flatten().repeat_interleave(c)
    edges.edge_index = torch.stack([own, torch.arange(len(row), device=row.device)])
    edges.slot, edges.rate, edges.gain = torch.zeros_like(row), users.rate, torch.zeros_like(users.noise_w)
    return out


def _stations(graph: HeteroData, networks: int) -> tuple[HeteroData, NodeStorage]:
    """An observation's stations and networks; the columns' index structure asks for ``num_graphs`` and ``batch``."""
    out, bs = HeteroData(num_graphs=networks), graph["bs"]
    stations = out["bs"]
    for name, value in bs.items():
        stations[name] = value
    if "batch" not in bs:
        stations.batch = torch.zeros(len(bs.users), dtype=torch.long, device=bs.users.device)
    for name in OF_NETWORKS:
        out[name] = graph[name]
    return out, stations


def _last(value: Tensor, networks: int, users: int) -> Tensor:
    """The last user's edges of each network ``[B K, *]``."""
    each: Tensor = value.reshape(networks, users, -1, *value.shape[1:])[:, -1]
    return each.flatten(0, 1)
