"""The graph of an arrival: the stations that the arriving user hears, the users that they have in service, and the user itself.

It is a contract graph, of which named columns are made and over which messages pass at the cost of what is read; an observation has
edges from every user in service to all its candidate stations on arrival. All that it holds is known to every station of it at
level ``neighbourhood``: they are neighbours of each other, users in service report to their own one, who arrives to all.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.tracing import exporting

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
        user: number of each user in an observation, with the first station of all for its own one ``[B, K C + 1]``.
        edge: likewise of the arriving user's edges ``[B, K]``.
    """

    edge_index: Tensor
    slot: Tensor
    links: Links
    user: Tensor
    edge: Tensor

    @staticmethod
    def of(networks: int, stations: int, places: int, device: torch.device, users: int = 0) -> "ArrivalShape":
        """Of so many networks, stations that a user hears, places of a station, and users of an observation by network."""
        make = ArrivalShape._made if exporting() else ArrivalShape._kept
        return make(networks, stations, places, device, users)

    @staticmethod
    @lru_cache(maxsize=16)
    def _kept(*sizes: Any) -> "ArrivalShape":
        return ArrivalShape._made(*sizes)

    @staticmethod
    def _made(networks: int, stations: int, places: int, device: torch.device, users: int) -> "ArrivalShape":
        b, k, c = networks, stations, places
        each, station = torch.arange(b, device=device).unsqueeze(1), torch.arange(k, device=device)
        place = torch.arange(k * c, device=device)
        bs = torch.cat([_repeated(station, c), station]) + k * each
        ue = torch.cat([place, place.new_full((k,), k * c)]) + (k * c + 1) * each
        slot = torch.cat([torch.zeros_like(place), station]).repeat(b)
        of_bs, of_ue = (_repeated(each.flatten(), count) for count in (k, k * c + 1))
        links = Links(bs.flatten(), ue.flatten(), of_bs, of_ue, b, k if not c else None, not c)
        # A network's users come after one for each place of earlier stations, and one for each earlier network.
        last = users * (each + 1) - 1
        user = torch.cat([torch.arange(c, device=device).repeat(k) + each, last], 1)
        return ArrivalShape(
            torch.stack([links.bs, links.ue]),
            slot,
            links,
            user,
            last * k + station,
        )

    def present(self, served: Tensor) -> tuple[Links, Tensor, Tensor]:
        """Index structure of those who are there, for most places of stations are empty; of all where a program is exported.

        Args:
            served: whether a user is in service, by station and place ``[B, K C]``.

        Returns:
            Links between all stations and the users who are there, the numbers of these users ``[P]``, and those of their edges.
        """
        links, b = self.links, len(served)
        if exporting():
            users, edges = (torch.arange(size, device=served.device) for size in (links.num_ue, links.num_edges))
            return links, users, edges
        ue = pad(served, (0, 1), value=True).flatten()
        edge = pad(served, (0, links.num_bs // b), value=True).flatten().nonzero().squeeze(1)
        number, there = ue.cumsum(0) - 1, ue.nonzero().squeeze(1)
        ends = links.bs.index_select(0, edge), number.index_select(0, links.ue.index_select(0, edge))
        network = links.ue_network.index_select(0, there)
        return Links(*ends, links.bs_network, network, b, None, False), there, edge


def _repeated(value: Tensor, count: int) -> Tensor:
    """Each row ``count`` times, one after the other."""
    return value.unsqueeze(1).expand(-1, count, *value.shape[1:]).flatten(0, 1)


def arrival_facts(graph: HeteroData, users: bool = True) -> Facts:
    """The graph of the arrivals of an observation, with its facts.

    Args:
        graph: an observation of :class:`~hetgraph.envs.ArrivalEnv`; the last user of each network is the one that arrives.
        users: with the users in service; else the arriving ones alone.
    """
    b, bs, ue, edges = graph.mean_demand.shape[0], graph["bs"], graph["ue"], graph[CHANNEL]
    n, per = bs.users.shape[0] // b, ue.demand.shape[0] // b
    station = edges.edge_index[0].view(b, per, -1)[:, -1]  # [B, K]
    k, c = station.shape[1], (per - 1) // n * users
    shape = ArrivalShape.of(b, k, c, station.device, per)
    user = shape.user.clone()
    if users:
        user[:, :-1].view(b, k, c).add_(station.unsqueeze(2), alpha=c)
    row = user.flatten()
    slot = ue.serving_slot.index_select(0, row)
    mine = slot.clamp_min(0).add_(row, alpha=k).view(b, -1)[:, :-1]  # edges of users in service, one each
    edge, near = torch.cat([mine, shape.edge], 1).flatten(), station.flatten()
    at_stations, at_users, at_edges = (
        {name: values[name].index_select(0, where) for name in names}
        for values, names, where in ((bs, OF_STATIONS, near), (ue, OF_USERS, row), (edges, OF_EDGES, edge))
    )
    links, out = shape.links, HeteroData(num_graphs=b)
    out["bs"]._mapping.update(at_stations, batch=links.bs_network)
    out["ue"]._mapping.update(at_users, serving_slot=slot.clamp_max(0), batch=links.ue_network)
    users_there = at_stations["users"].index_select(0, links.bs)
    out[CHANNEL]._mapping.update(at_edges, edge_index=shape.edge_index, slot=shape.slot, users=users_there)
    out._global_store._mapping.update({name: graph[name] for name in OF_NETWORKS})
    return Facts(out, links)
