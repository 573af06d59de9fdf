"""GROWS: the value of associating an arriving user with each station, by graph filters (Randall et al. 2024)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.nn.filters import GraphFilter, complete_shift
from hetgraph.radio.offer import Offer, offer_of

Features = Literal["paper", "full"]
PAPER, FULL, SERVED = 4, 12, 8


@dataclass(frozen=True)
class Arrival:
    """What the agent reads of an arrival in ``B`` networks; the rows of a replay.

    Args:
        station: features of the stations that the user hears ``[B, K, F]``.
        room: stations that may be chosen ``[B, K]``.
        user: features of the users that these have in service ``[B, K, C, 8]``, the first one 1; zero in free places, and
            ``C = 0`` where they are not read.
    """

    station: Tensor
    room: Tensor
    user: Tensor

    def select(self, rows: Tensor) -> "Arrival":
        """Some of the networks."""
        return Arrival(*(value[rows] for value in vars(self).values()))


class GROWS(nn.Module):
    """Q-values of the stations that an arriving user hears.

    The candidates form a complete graph; two layers of graph filters and a readout at each node give the value of choosing it.
    With ``users`` it is the heterogeneous graph: users in service send messages to their station first.

    Args:
        widths: widths of the filters' outputs; the paper's are 4 and 2.
        taps: taps of a filter; 2 reach one hop.
        features: ``paper`` for users, mean utility, signal and demand; ``full`` adds what else stations know.
        users: users in service send messages to their stations.
        dueling: a value of the whole graph, and of each station how much better it is than the mean (Wang et al. 2016).
    """

    level: Level = "neighbourhood"
    name = "grows"

    def __init__(
        self,
        widths: Sequence[int] = (4, 2),
        taps: int = 2,
        features: Features = "paper",
        users: bool = False,
        dueling: bool = False,
    ) -> None:
        super().__init__()
        if features not in ("paper", "full"):
            raise ValueError(f"features: got {features!r}, expected 'paper' or 'full'")
        self.features, self.reads_users = features, users
        count = PAPER if features == "paper" else FULL
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("std", torch.ones(count))
        hidden = widths[0]
        self.served = nn.Sequential(nn.Linear(SERVED, hidden), nn.ReLU()) if users else None
        entry = count + (2 * hidden if users else 0)
        sizes = [entry, *widths]
        self.layers = nn.ModuleList(GraphFilter(a, b, taps) for a, b in pairwise(sizes))
        self.readout = nn.Linear(widths[-1], 1)
        self.value = nn.Linear(widths[-1], 1) if dueling else None

    def views(self, obs: HeteroData) -> Arrival:
        """What is read of an observation."""
        offer = offer_of(obs)
        station = station_features(offer, self.features)
        if not self.reads_users:
            return Arrival(station, offer.room, station.new_zeros(*station.shape[:2], 0, SERVED))
        return Arrival(station, offer.room, served_users(obs, offer))

    def set_scale(self, station: Tensor, room: Tensor) -> None:
        """Bring features to mean zero and deviation one over the stations of some arrivals."""
        rows = station[room]
        self.mean.copy_(rows.mean(0))
        self.std.copy_(rows.std(0).clamp_min(1e-2))

    def forward(self, arrival: Arrival) -> Tensor:
        """Q-values ``[B, K]``; minus infinity where there is no room."""
        room = arrival.room
        mask = room.unsqueeze(2).float()
        node = (arrival.station - self.mean) / self.std * mask
        if self.served is not None:
            node = torch.cat([node, self._messages(arrival)], 2)
        shift = complete_shift(room)
        for layer in self.layers:
            node = torch.tanh(layer(node, shift)) * mask
        score = self.readout(node).squeeze(2)
        if self.value is not None:
            count = mask.sum(1).clamp_min(1)
            whole = self.value(node.sum(1) / count)
            score = whole + score - (score * room).sum(1, keepdim=True) / count
        out: Tensor = score.masked_fill(~room, -torch.inf)
        return out

    def _messages(self, arrival: Arrival) -> Tensor:
        """Mean and sum of what users in service send to their stations ``[B, K, 2 H]``."""
        assert self.served is not None
        on = arrival.user[..., :1]
        total = (self.served(arrival.user) * on).sum(2)
        return torch.cat([total / on.sum(2).clamp_min(1), total / 10], 2)

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Place of the best station ``[B]``; K, which rejects, where none has room."""
        value = self(self.views(obs))
        return value.argmax(1).masked_fill(value.isinf().all(1), value.shape[1]), state


def station_features(offer: Offer, kind: Features = "full") -> Tensor:
    """Features of the stations that a user hears ``[B, K, F]``."""
    unit = offer.time_unit.unsqueeze(1)
    rate, users = offer.rate * unit, offer.users
    demand = offer.demand.unsqueeze(1).expand_as(rate)
    columns = [users, offer.utility, rate, demand]
    if kind == "full":
        asked, left = offer.asked.unsqueeze(1).expand_as(rate), (offer.slots_left.unsqueeze(1) / unit).expand_as(rate)
        alone = demand / rate.clamp_min(1e-6)
        columns += [
            offer.free,
            asked,
            (offer.backlog / unit).log1p(),
            alone.log1p(),
            (rate / (users + 1)).log1p(),
            left.log1p(),
            offer.probability.unsqueeze(1).expand_as(rate),
            offer.mean_demand.unsqueeze(1).expand_as(rate),
        ]
    return torch.stack(columns, 2)


def served_users(obs: HeteroData, offer: Offer) -> Tensor:
    """Features of the users that the stations heard have in service ``[B, K, C, 8]``."""
    b, k = offer.rate.shape
    ue, stations = obs["ue"], obs["bs"].users.shape[0] // b
    per = ue.active.shape[0] // b
    held = (ue.active.to(ue.demand.dtype), ue.demand, ue.rate, ue.asked_rb)
    table = torch.stack([value.reshape(b, per)[:, :-1] for value in held], 2).reshape(b, stations, -1, 4)
    place = offer.station.reshape(b, k, 1, 1).expand(-1, -1, *table.shape[2:])
    on, left, rate, asked = table.gather(1, place).unbind(3)
    sharing, rate = offer.users.unsqueeze(2), rate * offer.time_unit.reshape(b, 1, 1)
    need = left / rate.clamp_min(1e-6)
    now, later = (rate / sharing.clamp_min(1)).log1p(), (rate / (sharing + 1)).log1p()
    columns = [on, left.log1p(), rate.log1p(), asked / 5, need.log1p(), need.clamp_max(20) / 10, now, now - later]
    return torch.stack(columns, 3)
