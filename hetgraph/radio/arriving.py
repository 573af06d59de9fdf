"""The graph of an arrival: the stations that the arriving user hears, the users that they have in service, and the user itself.

It is a contract graph, of which named columns are made and over which messages pass at the cost of what is read; an observation has
edges from every user in service to all stations that it heard when it came. All that it holds is known to every station of it at
level ``neighbourhood``: they are neighbours of each other, users in service report to their own one, who arrives to all.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL

OF_STATIONS = ("power_max_w", "users", "free_rb", "utility", "backlog_slots")
OF_USERS = ("demand", "asked_rb", "active", "noise_w")
OF_EDGES = ("gain", "rate", "own", "may_serve")
OF_NETWORKS = ("arrival_probability", "mean_demand", "slots_left", "time_unit")


@dataclass(frozen=True)
class ArrivalShape:
    """How nodes and edges of arrivals in ``B`` networks are numbered, where users hear ``K`` stations of ``C`` places each.

    A network has ``K C + 1`` users by station and place, the last one arrives; those in service have one edge, to their station, the
    last one has ``K``.

    Args:
        edge_index: stations and users of edges ``[2, B (K C + K)]``.
        slot: of each edge among those of its user.
        links: the same as index structure.
        own: one where a user in service has a station ``[K C, K]``.
        dense: nodes alone, as if every user heard all stations of its network.
    """

    edge_index: Tensor
    slot: Tensor
    links: Links
    own: Tensor
    dense: Links

    @staticmethod
    @lru_cache(maxsize=16)
    def of(networks: int, stations: int, places: int, device: torch.device) -> "ArrivalShape":
        """Of so many networks, stations that a user hears, and places of a station; the same again for the same numbers."""
        b, k, c = networks, stations, places
        each, station = torch.arange(b, device=device), torch.arange(k, device=device)
        place = torch.arange(k * c, device=device)
        bs = torch.cat([station.repeat_interleave(c), station]) + k * each.unsqueeze(1)
        ue = torch.cat([place, place.new_full((k,), k * c)]) + (k * c + 1) * each.unsqueeze(1)
        slot = torch.cat([torch.zeros_like(place), station]).repeat(b)
        numbers = each.repeat_interleave(k), each.repeat_interleave(k * c + 1)
        links = Links(bs.flatten(), ue.flatten(), *numbers, b, k if not c else None, not c)
        own = torch.eye(k, device=device).repeat_interleave(c, 0)
        return ArrivalShape(torch.stack([links.bs, links.ue]), slot, links, own, replace(links, degree=k, dense=True))


def arrival_facts(graph: HeteroData, users: bool = True) -> Facts:
    """The graph of the arrivals of an observation, with its facts.

    Args:
        graph: an observation of :class:`~hetgraph.envs.ArrivalEnv`; the last user of each network is the one that arrives.
        users: with the users in service; else the arriving ones alone.
    """
    b, bs, ue, edges = len(graph.mean_demand), graph["bs"], graph["ue"], graph[CHANNEL]
    n, per = len(bs.users) // b, len(ue.demand) // b
    station = edges.edge_index[0].view(b, per, -1)[:, -1]  # [B, K]
    k = station.shape[1]
    shape = ArrivalShape.of(b, k, (per - 1) // n if users else 0, station.device)
    row, edge = _rows(graph, station, len(shape.own) // k, n, per)
    out, near = HeteroData(num_graphs=b), station.flatten()
    stations, there, heard = out["bs"], out["ue"], out[CHANNEL]
    stations.update({name: bs[name][near] for name in OF_STATIONS})
    stations.batch, there.batch = shape.links.bs_network, shape.links.ue_network
    there.update({name: ue[name][row] for name in OF_USERS})
    there.serving_slot = ue.serving_slot[row].clamp_max(0)  # the only edge of users in service
    heard.update({name: edges[name][edge] for name in OF_EDGES})
    heard.edge_index, heard.slot, heard.users = shape.edge_index, shape.slot, stations.users[shape.links.bs]
    for name in OF_NETWORKS:
        out[name] = graph[name]
    return Facts(out, shape.links)


def _rows(graph: HeteroData, station: Tensor, c: int, n: int, per: int) -> tuple[Tensor, Tensor]:
    """Users and edges of the observation that the graph of the arrivals has ``[B (K C + 1)]``, ``[B (K C + K)]``."""
    b, k = station.shape
    network = torch.arange(b, device=station.device).unsqueeze(1)
    last = per * (network + 1) - 1
    # A network's users come after one for each place of earlier stations, and one for each earlier network.
    first = c * station + network  # [B, K]
    mine = (first.unsqueeze(2) + torch.arange(c, device=station.device)).view(b, k * c)
    slot = graph["ue"].serving_slot[mine].clamp_min(0)
    row = torch.cat([mine, last], 1).flatten()
    edge = torch.cat([mine * k + slot, last * k + torch.arange(k, device=station.device)], 1).flatten()
    return row, edge
