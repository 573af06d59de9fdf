"""Parts of an observation of arrivals: the arriving users alone, and the users that some stations serve.

Both are contract graphs of all stations with as many edges for each user, from which named columns are made at the cost of what is
read; the graph of an observation has an edge from every user in service to each of its ``K`` stations.
"""

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph.schema import CHANNEL

OF_USERS = ("demand", "asked_rb", "rate", "active", "noise_w")
OF_NETWORKS = ("arrival_probability", "mean_demand", "slots_left", "time_unit")


def arriving(graph: HeteroData) -> HeteroData:
    """The last user of each network and its ``K`` edges, in the order of networks; ``users`` of an edge are its station's."""
    b, ue, edges = len(graph.mean_demand), graph["ue"], graph[CHANNEL]
    per = len(ue.demand) // b
    station = _last(edges.edge_index[0], b, per)
    out = _stations(graph, b, b)
    for name in OF_USERS:
        out["ue"][name] = _last(ue[name], b, per).flatten(0, 1) if ue[name].dim() > 1 else ue[name].view(b, per)[:, -1]
    k = station.shape[1]
    out[CHANNEL].edge_index = torch.stack([station.flatten(), _each(b, k, station)])
    out[CHANNEL].slot = _last(edges.slot, b, per).flatten()
    for name in ("gain", "rate", "may_serve"):
        out[CHANNEL][name] = _last(edges[name], b, per).flatten(0, 1)
    out[CHANNEL].users = graph["bs"].users[out[CHANNEL].edge_index[0]]
    return out


def in_service(graph: HeteroData, station: Tensor) -> HeteroData:
    """The users of some stations ``[B, K]`` by network, station and place, with an edge to their station alone.

    Args:
        graph: an observation.
        station: numbers within the network.
    """
    b, ue = len(station), graph["ue"]
    n, per = len(graph["bs"].users) // b, len(ue.demand) // b
    c = (per - 1) // n
    place = torch.arange(c, device=station.device)
    row = (c * station + per * torch.arange(b, device=station.device).unsqueeze(1)).unsqueeze(2) + place
    row = row.flatten()
    out = _stations(graph, b, len(row))
    for name in OF_USERS:
        out["ue"][name] = ue[name][row]
    out["ue"].serving_slot = out["ue"].active.long() - 1
    own = station + n * torch.arange(b, device=station.device).unsqueeze(1)
    edges = out[CHANNEL]
    edges.edge_index = torch.stack([own.flatten().repeat_interleave(c), torch.arange(len(row), device=row.device)])
    edges.slot, edges.rate = torch.zeros_like(row), out["ue"].rate
    edges.gain = torch.zeros_like(out["ue"].noise_w)
    return out


def _stations(graph: HeteroData, networks: int, users: int) -> HeteroData:
    """A batch with an observation's stations and networks, for so many users."""
    out, bs = Batch(_base_cls=HeteroData), graph["bs"]
    out._num_graphs = networks
    for name, value in bs.items():
        out["bs"][name] = value
    if "batch" not in bs:
        out["bs"].batch = torch.zeros(len(bs.users), dtype=torch.long, device=bs.users.device)
    out["ue"].batch = _each(networks, users // networks, out["bs"].batch)
    for name in OF_NETWORKS:
        out[name] = graph[name]
    return out


def _last(value: Tensor, networks: int, users: int) -> Tensor:
    """The last user's edges of each network ``[B, K, *]``."""
    each: Tensor = value.reshape(networks, users, -1, *value.shape[1:])[:, -1]
    return each


def _each(rows: int, times: int, like: Tensor) -> Tensor:
    """0, 0, ..., 1, 1, ...: every row's number so many times."""
    return torch.arange(rows, device=like.device).repeat_interleave(times)
