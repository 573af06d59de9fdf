"""GROWS: the value of associating an arriving user with each station, by graph filters (Randall et al. 2024)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.feature_table import Store, features, unscaled
from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.graph.tracing import count
from hetgraph.models.inference import Extra
from hetgraph.models.options import keep_options
from hetgraph.nn.filters import GraphFilter, complete_shift
from hetgraph.nn.hetero_encoder import LARGEST, HeteroEncoder
from hetgraph.nn.hetero_layers import LayerSums
from hetgraph.radio.arriving import ArrivalShape, arrival_facts

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
GRAPH_COLUMNS: dict[str | tuple[str, str, str], tuple[str, ...]] = {  # of the encoder of the arrival's graph
    "bs": ("users", "utility", "free_rb", "backlog_log"),
    "ue": ("served", "demand_log", "asked_rb"),
    CHANNEL: ("rate_log", "need_log", "need", "share_log", "join_loss"),
}
BS = tuple(COLUMNS.index(("bs", name)) for name in GRAPH_COLUMNS["bs"])
PAPER, FULL = 4, len(COLUMNS)
SUM_UNIT = 10  # users in service whose summed states count as one


@dataclass(frozen=True)
class Arrival:
    """What the agent reads of an arrival in ``B`` networks; the rows of a replay.

    Args:
        station: features of the stations that the user hears ``[B, K, F]``.
        room: stations that may be chosen ``[B, K]``.
        ue: columns of the users that these have in service, by station and place, and of the one that arrives
            ``[B, K C + 1, 3]``, see :class:`~hetgraph.radio.arriving.ArrivalShape`; none, not even the last one, where the graph is
            not read.
        edge: columns of their edges ``[B, K C + K, 5]``.
    """

    station: Tensor
    room: Tensor
    ue: Tensor
    edge: Tensor

    def select(self, rows: Tensor) -> "Arrival":
        """Some of the networks."""
        return Arrival(*(value[rows] for value in vars(self).values()))


@keep_options
class GROWS(nn.Module):
    """Q-values of the stations that an arriving user hears.

    The candidates form a complete graph; two layers of graph filters and a readout at each node give the value of choosing it.
    With ``users`` these filters start from the states that :class:`~hetgraph.nn.HeteroEncoder` finds on the graph of the arrival:
    users in service send messages to their stations, the one that arrives to those with room. All of this graph is known at
    level ``neighbourhood``, so that its messages pass over all edges; stations hear each other in the filters.

    Args:
        widths: widths of the filters' outputs, the paper's are 4 and 2; states of the encoder are as wide as the first.
        taps: taps of a filter; 2 reach one hop.
        features: ``paper`` for users, mean utility, signal and demand; ``full`` adds what else stations know.
        users: read the graph of the arrival, with the users in service.
        dueling: a value of the whole graph, and of each station how much better it is than the mean (Wang et al. 2016).
        reject: a user may be turned away where there is room, too, by a value of its own.

    Raises:
        ValueError: an unknown option, or the graph without the features that its stations have.
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
        reject: bool = False,
    ) -> None:
        super().__init__()
        if features not in ("paper", "full"):
            raise ValueError(f"features: got {features!r}, expected 'paper' or 'full'")
        if users and features != "full":
            raise ValueError(f"features: got {features!r} with users, expected 'full'")
        self.features, self.reads_users = features, users
        self.count = count = PAPER if features == "paper" else FULL
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", torch.zeros(count))
        self.register_buffer("std", torch.ones(count))
        hidden = widths[0]
        self.encoder = HeteroEncoder(GRAPH_COLUMNS, hidden, layers=1, hops=0, level="global") if users else None
        entry = count + (3 * hidden if users else 0)
        sizes = [entry, *widths]
        self.layers = nn.ModuleList(GraphFilter(a, b, taps) for a, b in pairwise(sizes))
        self.readout = nn.Linear(widths[-1], 1)
        self.value = nn.Linear(widths[-1], 1) if dueling else None
        self.reject = nn.Linear(widths[-1], 1) if reject else None

    def views(self, obs: HeteroData) -> Arrival:
        """What is read of an observation."""
        facts = arrival_facts(obs, self.reads_users)
        b = facts.links.num_networks
        room = facts.edge("may_serve").view(b, -1)
        station = station_features(facts, self.count)
        room = room[:, room.shape[1] - station.shape[1] :]
        if not self.reads_users:
            none = station.new_zeros(b, 0, 0)
            return Arrival(station, room, none, none)
        ue, edge = (features(facts, store, GRAPH_COLUMNS[store]).clamp_(-LARGEST, LARGEST) for store in ("ue", CHANNEL))
        return Arrival(station, room, *(value.view(b, -1, value.shape[1]) for value in (ue, edge)))

    def set_scale(self, station: Tensor, room: Tensor) -> None:
        """Bring features to mean zero and deviation one over the stations of some arrivals."""
        rows = station[room]
        self.mean.copy_(rows.mean(0))
        self.std.copy_(rows.std(0).clamp_min(1e-2))

    def forward(self, arrival: Arrival) -> Tensor:
        """Q-values ``[B, K]``, with rejection ``[B, K + 1]``; minus infinity where there is no room."""
        room = arrival.room
        mask = room.unsqueeze(2).float()
        node = (arrival.station - self.mean) / self.std * mask
        if self.encoder is not None:
            node = torch.cat([node, self._states(arrival, node[..., BS], mask)], 2)
        shift = complete_shift(room)
        for layer in self.layers:
            node = torch.tanh(layer(node, shift)) * mask
        score = self.readout(node).squeeze(2)
        count = mask.sum(1).clamp_min(1)
        mean = node.sum(1) / count
        if self.reject is not None:
            score, room = torch.cat([score, self.reject(mean)], 1), nn.functional.pad(room, (0, 1), value=True)
            count = count + 1
        if self.value is not None:
            score = self.value(mean) + score - (score * room).sum(1, keepdim=True) / count
        out: Tensor = score.masked_fill(~room, -torch.inf)
        return out

    def _states(self, arrival: Arrival, bs: Tensor, mask: Tensor) -> Tensor:
        """States of stations, sums of those of their users in service, in tens, and the arriving user's ``[B, K, 3 H]``."""
        assert self.encoder is not None
        b, k = arrival.room.shape
        inputs = graph_inputs(arrival, bs)
        state, (own, _) = self.encoder(inputs), inputs["weight"].unbind(1)
        links: Links = inputs["links"].to_bs.links
        station, ue = state["bs"].view(b, k, -1), state["ue"]
        users = links.weigh_to_bs(own / SUM_UNIT, ue).view(b, k, -1)
        arriving = ue.index_select(0, count(links.ue_network, b).cumsum(0) - 1)  # the last one of a network
        return torch.cat([station, users, arriving.unsqueeze(1).expand(-1, k, -1)], 2) * mask

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """``value [K]`` of the stations that the arriving user hears, with rejection ``[K + 1]``, and the best ``place [1]``."""
        views = self.views(graph)
        value = self(views)
        return {"value": value.squeeze(0), "place": _place(value, views.room)}

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Place of the best station ``[B]``; K, which rejects, where none has room."""
        views = self.views(obs)
        return _place(self(views), views.room), state


def _place(value: Tensor, room: Tensor) -> Tensor:
    """The best place ``[B]``; K, which rejects, where no station has room."""
    return value.argmax(1).masked_fill(~room.any(1), room.shape[1])


def graph_inputs(arrival: Arrival, bs: Tensor) -> dict[str, Any]:
    """Arguments of the encoder's layers: edges in two groups, of users in service, and of who arrives to stations with room.

    Args:
        arrival: with the columns of users and edges.
        bs: columns of stations ``[B, K, 4]``.
    """
    room, (b, k) = arrival.room, arrival.room.shape
    served = arrival.ue[:, :-1, 0] > 0
    shape = ArrivalShape.of(b, k, served.shape[1] // k, bs.device)
    links, users, rows = shape.present(served)
    edge = arrival.edge.flatten(0, 1).index_select(0, rows)
    groups = nn.functional.pad(served, (0, k)), nn.functional.pad(room, (served.shape[1], 0))
    weight = torch.stack(groups, 2).flatten(0, 1).index_select(0, rows).to(bs.dtype)
    return {
        "x_dict": {"bs": bs.flatten(0, 1), "ue": arrival.ue.flatten(0, 1).index_select(0, users)},
        "edge_index_dict": {CHANNEL: torch.stack([links.bs, links.ue])},
        "edge_attr_dict": {CHANNEL: edge},
        "weight": weight,
        "links": LayerSums.of(links, edge, weight, None),
    }


def station_features(facts: Facts, count: int) -> Tensor:
    """Columns of the stations that users hear ``[B, K, F]``, unscaled: the model has a scale of its own.

    Args:
        facts: of the graph of the arrivals, see :func:`~hetgraph.radio.arriving.arrival_facts`.
        count: how many of ``COLUMNS``.
    """
    b = facts.links.num_networks
    k = facts.links.num_bs // b
    columns: dict[int, Tensor] = {}
    for store, (places, names) in _by_store(count).items():
        values = [value.view(b, -1) for value in unscaled(facts, store, names)]
        each = store in ("bs", CHANNEL)  # of stations, or of edges, of which those of the last user come last
        columns |= zip(places, (v[:, -k:] if each else v[:, -1:].expand(-1, k) for v in values), strict=True)
    return torch.stack([columns[place] for place in range(count)], 2)


@cache
def _by_store(count: int) -> dict[Store, tuple[list[int], list[str]]]:
    """Places and names of the first ``COLUMNS`` of each store."""
    by_store: dict[Store, tuple[list[int], list[str]]] = {}
    for place, (store, name) in enumerate(COLUMNS[:count]):
        places, names = by_store.setdefault(store, ([], []))
        places.append(place)
        names.append(name)
    return by_store
