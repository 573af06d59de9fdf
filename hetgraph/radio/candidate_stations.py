"""A user that arrives and the stations that may take it, as padded tables: what association policies and agents share."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL


@dataclass(frozen=True)
class CandidateStations:
    """Arriving users of ``B`` networks and the ``K`` stations that each one hears, the strongest first.

    Args:
        comes: whether a user arrives ``[B]``.
        demand: what it wants ``[B]``.
        asked: resource blocks that it asks for ``[B]``.
        station: stations ``[B, K]``, counted within the network.
        rate: data per slot if the station were its alone ``[B, K]``.
        room: whether the station is among the strongest with as many free resource blocks ``[B, K]``; no user, no room.
        users: users of the station ``[B, K]``.
        free: its free resource blocks ``[B, K]``.
        utility: mean utility of its users ``[B, K]``.
        backlog: slots it needs for what its users still want ``[B, K]``.
        probability: of an arrival in a slot ``[B]``.
        mean_demand: ``[B]``.
        slots_left: slots until the end of the episode ``[B]``.
        time_unit: slots, see :class:`~hetgraph.envs.Service` ``[B]``.
    """

    comes: Tensor
    demand: Tensor
    asked: Tensor
    station: Tensor
    rate: Tensor
    room: Tensor
    users: Tensor
    free: Tensor
    utility: Tensor
    backlog: Tensor
    probability: Tensor
    mean_demand: Tensor
    slots_left: Tensor
    time_unit: Tensor

    @property
    def strongest(self) -> Tensor:
        """The strongest station, with room or without: places ``[B]``."""
        return torch.zeros_like(self.station[:, 0])

    def or_reject(self, place: Tensor) -> Tensor:
        """Places ``[B]``, and K, which rejects, where no station has room."""
        return place.masked_fill(~self.room.any(1), self.room.shape[1])


def candidate_stations_of(graph: HeteroData) -> CandidateStations:
    """Candidates in an observation of :class:`~hetgraph.envs.ArrivalEnv`; the last user of each network is the one that arrives.

    Raises:
        ValueError: a graph without arrivals.
    """
    bs, ue, edges = graph["bs"], graph["ue"], graph[CHANNEL]
    if "asked_rb" not in ue or "users" not in bs:
        raise ValueError("graph: got no ue.asked_rb or bs.users, expected an observation of ArrivalEnv")
    b = graph.mean_demand.shape[0]
    n, per = bs.users.shape[0] // b, ue.asked_rb.shape[0] // b

    def last(value: Tensor) -> Tensor:
        return value.reshape(b, per)[:, -1]

    def near(value: Tensor) -> Tensor:
        return value.reshape(b, per, -1)[:, -1]

    station = near(edges.edge_index[0])
    return CandidateStations(
        last(ue.active),
        last(ue.demand),
        last(ue.asked_rb),
        station - n * torch.arange(b, device=station.device).unsqueeze(1),
        near(edges.rate),
        near(edges.may_serve),
        bs.users[station],
        bs.free_rb[station],
        bs.utility[station],
        bs.backlog_slots[station],
        graph.arrival_probability,
        graph.mean_demand,
        graph.slots_left,
        graph.time_unit,
    )
