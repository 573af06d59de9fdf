"""Users, the cells that each may stay in or ask for, and the states of both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.feature_table import features
from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL, NEIGHBOURS
from hetgraph.nn.channel_conv import ChannelConv
from hetgraph.nn.hetero_encoder import HeteroEncoder
from hetgraph.nn.hetero_layers import Store

BS_COLUMNS = (
    "load",
    "off_balance",
    "efficiency_mean",
    "efficiency_std",
    "power_dbm",
    "leavers_share",
    "room_share",
)
TIME_COLUMNS = ("cos_time", "sin_time")  # of the network, columns of its stations
UE_COLUMNS = (
    "own_snr_db",
    "own_sinr_db",
    "own_efficiency",
    "log_rate",
    "speed_mps",
    "level_share",
    "since_handover",
    "own_load",
)
EDGE_COLUMNS = (
    "own_gap_db",
    "efficiency",
    "load",
    "log_rate",
    "distance_m",
    "own",
    "measured",
    "bias_db",
    "presence",
)
NEIGHBOUR_COLUMNS = ("distance_m",)
GRAPH_COLUMNS: dict[Store, Sequence[str]] = {  # of the encoder of the graph
    "bs": BS_COLUMNS,
    "ue": UE_COLUMNS,
    CHANNEL: EDGE_COLUMNS,
    NEIGHBOURS: NEIGHBOUR_COLUMNS,
}
STATE_COLUMNS = (
    "load_mean",
    "load_std",
    "load_max",
    "load_min",
    "load_variance",
    "own_snr_mean_db",
    "own_snr_std_db",
    "log_rate_mean",
    "log_rate_std",
    "busy_share",
    "handover_rate",
    "full_share",
)


@dataclass(frozen=True)
class Candidates:
    """Users and the cells that each may stay in or ask for, place 0 its own; cells are counted through the whole batch.

    Args:
        shape: networks B, cells K, users U and places C.
        bs: features of cells ``[B * K, Fb]``.
        ue: features of users ``[B * U, Fu]``.
        edge: features of a user's places ``[B * U, C, Fe]``.
        allowed: places that may be asked for ``[B * U, C]``.
        cell: cell of each place ``[B * U, C]``.
        state: totals of the networks ``[B, S]``.
        rate: of each place if its cell were the user's alone, in units of the utility ``[B * U, C]``.
        scale: rate of a spectral efficiency of 1 bit/s/Hz in these units ``[B * U]``.
        shared: levels share a cell ``[B * U]``.
        room: how many users each cell takes ``[B * K]``.
    """

    shape: tuple[int, int, int, int]
    bs: Tensor
    ue: Tensor
    edge: Tensor
    allowed: Tensor
    cell: Tensor
    state: Tensor
    rate: Tensor
    scale: Tensor
    shared: Tensor
    room: Tensor

    @property
    def serving(self) -> Tensor:
        """Cell of each user ``[B * U]``."""
        return self.cell[:, 0]

    def cells(self) -> int:
        """Cells of all networks."""
        return self.shape[0] * self.shape[1]


@dataclass(frozen=True)
class GraphInputs:
    """What :class:`CandidateEncoder` reads beside candidates that are brought to scale.

    Args:
        layers: arguments of the layers of its encoder of the graph.
        links: index structure of the channel edges.
    """

    layers: dict[str, Any]
    links: Links


def candidates_of(graph: HeteroData | Facts, totals: bool = True) -> Candidates:
    """Candidates of an observation.

    Args:
        graph: an observation of a handover environment, or its facts, which several calls share.
        totals: work out totals of the networks; else, and below level ``global``, which alone knows them, they are zero.
    """
    facts = graph if isinstance(graph, Facts) else Facts(graph)
    obs, channel = facts.graph, facts.graph[CHANNEL]
    b, cells, users = int(obs.num_graphs), obs["bs"].users.shape[0], obs["ue"].level.shape[0]
    places = channel.slot.shape[0] // users
    time = facts.at_bs(features(facts, None, TIME_COLUMNS))
    scale = obs.rb_bandwidth_hz[:, 0] / obs.rate_unit_bps
    knows_all = totals and "handover_rate" in obs._global_store
    return Candidates(
        (b, cells // b, users // b, places),
        torch.cat([features(facts, "bs", BS_COLUMNS), time], 1),
        features(facts, "ue", UE_COLUMNS),
        features(facts, CHANNEL, EDGE_COLUMNS).reshape(users, places, -1),
        channel.allowed.reshape(users, places),
        channel.edge_index[0].reshape(users, places),
        features(facts, None, STATE_COLUMNS) if knows_all else time.new_zeros(b, len(STATE_COLUMNS)),
        (channel.spectral_efficiency.reshape(b, -1) * scale.reshape(-1, 1)).reshape(users, places),
        scale.repeat_interleave(users // b),
        obs.shared.repeat_interleave(users // b),
        obs["bs"].room,
    )


def union(parts: Sequence[Candidates]) -> Candidates:
    """Observations of equal shape as one of all their networks."""
    b, *rest = parts[0].shape
    cells = parts[0].cells()
    shifted = [replace(one, cell=one.cell + i * cells) for i, one in enumerate(parts)]
    names = [name for name in vars(parts[0]) if name != "shape"]
    joined: dict[str, Any] = {name: torch.cat([getattr(one, name) for one in shifted]) for name in names}
    return Candidates((b * len(parts), *rest), **joined)  # type: ignore[arg-type]


def sum_by(index: Tensor, value: Tensor, size: int) -> Tensor:
    """Rows of ``value [n, *]`` summed by ``index [n]`` into ``[size, *]``."""
    return value.new_zeros(size, *value.shape[1:]).index_add(0, index, value)


class CandidateEncoder(nn.Module):
    r"""States of cells and of users' places: messages on the whole graph, then over edges of wishes, and a layer on each edge.

    :class:`~hetgraph.nn.HeteroEncoder` at level ``global`` finds states :math:`h` of users and cells. Cells then hear three sums, not
    means: of their users, of these as often as there are places to which they may leave, and of users who may come from elsewhere.
    The last two tell how many others have the same wish. A place's state is
    :math:`\phi(W_e e + W_u [h_u, u] + W_s h_{cell} + W_o h_{serving})`.

    Args:
        hidden: width H of the states.
        rounds: rounds of messages, in the first of which cells hear their neighbours.
        ue: columns of users that a place's state reads.
        edge: columns of places that it reads.
    """

    def __init__(self, hidden: int, rounds: int, ue: int, edge: int) -> None:
        super().__init__()
        self.graph = HeteroEncoder(GRAPH_COLUMNS, hidden, rounds, hops=1, level="global")
        self.wishes = ChannelConv(hidden, edge, to="bs", aggr="sum", groups=3)
        self.ue_in, self.edge_in = nn.Linear(hidden + ue, hidden), nn.Linear(edge, hidden, bias=False)
        self.ends = nn.Linear(hidden, 2 * hidden, bias=False)

    def inputs(self, facts: Facts, raw: Candidates) -> GraphInputs:
        """Inputs of :meth:`forward`, whose columns are those of the candidates.

        Args:
            facts: of a graph.
            raw: its candidates, as they were read.
        """
        edge = raw.edge[..., : len(EDGE_COLUMNS)].flatten(0, 1)
        ready: dict[Store, Tensor] = {"bs": raw.bs[:, : len(BS_COLUMNS)], "ue": raw.ue, CHANNEL: edge}
        return GraphInputs(self.graph.inputs(facts, ready), facts.links)

    def forward(self, candidates: Candidates, inputs: GraphInputs) -> tuple[Tensor, Tensor]:
        """States of cells ``[B * K, H]`` and of places ``[B * U, C, H]``.

        Args:
            candidates: users and places, brought to scale.
            inputs: of the graph that they are of.
        """
        state, ends = self.graph(inputs.layers), inputs.layers["edge_index_dict"][CHANNEL]
        station: Tensor = self.wishes(
            (state["bs"], state["ue"]), ends, candidates.edge.flatten(0, 1), wish_weights(candidates), inputs.links
        )
        there, here = self.ends(station).chunk(2, 1)
        user = self.ue_in(torch.cat([state["ue"], candidates.ue], 1)) + here[candidates.serving]
        return station, silu(self.edge_in(candidates.edge) + there[candidates.cell] + user.unsqueeze(1))


def wish_weights(candidates: Candidates) -> Tensor:
    """Weights of edges in the sums that cells hear ``[B * U * C, 3]``, see :class:`CandidateEncoder`; sums count in tens."""
    own, come = torch.zeros_like(candidates.edge[..., 0]), 0.1 * candidates.allowed.to(candidates.edge)
    own[:, 0] = 0.1
    come[:, 0] = 0
    leave = own * candidates.allowed[:, 1:].sum(1, keepdim=True)
    return torch.stack([own, leave, come], 2).flatten(0, 1)
