"""GROWS: the value of associating an arriving user with each station, by graph filters (Randall et al. 2024)."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.features import Store, columns_of, features
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.models.options import keep_options
from hetgraph.nn.filters import GraphFilter, complete_shift
from hetgraph.radio.arriving import arriving, in_service

Features = Literal["paper", "full"]
COLUMNS: tuple[tuple[Store, str], ...] = (  # of a station that a user hears; the paper's are the first four
    ("bs", "users"),
    ("bs", "utility"),
    (CHANNEL, "rate"),
    ("ue", "demand"),
    ("bs", "free_rb"),
    ("ue", "asked_rb"),
    ("bs", "backlog_log"),
    (CHANNEL, "need_log"),
    (CHANNEL, "share_log"),
    (None, "slots_left_log"),
    (None, "arrival_probability"),
    (None, "mean_demand"),
)
SERVED = (
    "active",
    "demand_log",
    "own_rate_log",
    "asked_rb",
    "own_need_log",
    "own_need",
    "own_share_log",
    "own_join_loss",
)
PAPER, FULL = 4, len(COLUMNS)


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


@keep_options
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
    name, task = "grows", "arrivals"

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
        self.count = count = PAPER if features == "paper" else FULL
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("std", torch.ones(count))
        hidden = widths[0]
        self.served = nn.Sequential(nn.Linear(len(SERVED), hidden), nn.ReLU()) if users else None
        entry = count + (2 * hidden if users else 0)
        sizes = [entry, *widths]
        self.layers = nn.ModuleList(GraphFilter(a, b, taps) for a, b in pairwise(sizes))
        self.readout = nn.Linear(widths[-1], 1)
        self.value = nn.Linear(widths[-1], 1) if dueling else None

    def views(self, obs: HeteroData) -> Arrival:
        """What is read of an observation."""
        arrival = arriving(obs)
        b = len(arrival["ue"].demand)
        station = station_features(arrival, self.count)
        room = arrival[CHANNEL].may_serve.reshape(b, -1)
        if not self.reads_users:
            return Arrival(station, room, station.new_zeros(*station.shape[:2], 0, len(SERVED)))
        first = len(arrival["bs"].users) // b * torch.arange(b, device=room.device).unsqueeze(1)
        return Arrival(station, room, served_users(obs, arrival[CHANNEL].edge_index[0].reshape(b, -1) - first))

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


def station_features(arrival: HeteroData, count: int) -> Tensor:
    """Columns of the stations that users hear ``[B, K, F]``, unscaled: the model has a scale of its own.

    Args:
        arrival: the arriving users alone, see :func:`~hetgraph.radio.arriving.arriving`.
        count: how many of ``COLUMNS``.
    """
    facts, b = Facts(arrival), len(arrival["ue"].demand)
    station = arrival[CHANNEL].edge_index[0].reshape(b, -1)
    found: dict[int, Tensor] = {}
    for store in ("bs", "ue", CHANNEL, None):
        here = [place for place, (where, _) in enumerate(COLUMNS[:count]) if where == store]
        names = [COLUMNS[place][1] for place in here]
        if not names:
            continue
        values = features(facts, store, names)
        values = values[station] if store == "bs" else values.reshape(b, -1, len(names)).expand(*station.shape, -1)
        found |= dict(zip(here, values.unbind(2), strict=True))
    scaled = torch.stack([found[place] for place in range(count)], 2)
    table = [columns_of(store, (name,))[0] for store, name in COLUMNS[:count]]
    shift, scale = scaled.new_tensor([[c.shift for c in table], [c.scale for c in table]])
    out: Tensor = scaled * scale + shift
    return out


def served_users(obs: HeteroData, station: Tensor) -> Tensor:
    """Columns of the users that stations ``[B, K]`` have in service ``[B, K, C, 8]``; zero in free places."""
    users = in_service(obs, station)
    return features(users, "ue", SERVED).reshape(*station.shape, -1, len(SERVED))
