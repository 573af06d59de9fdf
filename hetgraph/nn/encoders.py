"""Encoders of the heterogeneous graph: the type-aware one, and the simpler ones it is compared with.

All give station states ``[N, H]`` and user states ``[U, H]`` from the same normalised inputs, so that an ablation changes
the message passing and nothing else.
"""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hetgraph.graph.schema import CHANNEL
from hetgraph.nn.encoder import AntennaLayer
from hetgraph.nn.hetero_encoder import HeteroEncoder
from hetgraph.nn.hetero_layers import Store
from hetgraph.nn.hetgnn_inputs import ANTENNA_COLUMNS, BS_COLUMNS, EDGE_COLUMNS, UE_COLUMNS, Inputs

Encoding = Literal["hetero", "sage", "no_antennas", "homogeneous", "bs_only", "edge_mlp"]


class TypedEncoder(nn.Module):
    """The encoder that all systems share, with the prior association in place of one that is decided.

    Messages pass antenna -> station, then station -> user -> station over two groups of edges, weighed by the prior and by its
    complement: whom a station serves, and whom it disturbs.

    Args:
        hidden: width of the node states.
        layers: rounds of messages.
        ue_columns: names of the users' columns.
        antennas: read the antenna nodes.
    """

    def __init__(
        self, hidden: int, layers: int, ue_columns: tuple[str, ...] = UE_COLUMNS, antennas: bool = True
    ) -> None:
        super().__init__()
        columns: dict[Store, tuple[str, ...]] = {"bs": BS_COLUMNS, "ue": ue_columns, CHANNEL: EDGE_COLUMNS}
        if antennas:
            columns["antenna"] = ANTENNA_COLUMNS
        self.graph = HeteroEncoder(columns, hidden, layers, hops=0)

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Station and user states."""
        states = self.graph(inputs.of_layers)
        return states["bs"], states["ue"]


class SAGEEncoder(nn.Module):
    """Heterogeneous SAGE, the layers of the paper: a state and the averages of its neighbours, transformed and added.

    Averages are taken over all neighbours and over the prior association. They are products with the matrix of weights, what a
    user hears is transformed at the few stations, and the averages of edge features are the same in every layer, so that
    nothing as large as edges times width is ever made.

    Args:
        hidden: width of the node states.
        layers: number of layers.
        ue_columns: names of the users' columns.
    """

    def __init__(self, hidden: int, layers: int, ue_columns: tuple[str, ...] = UE_COLUMNS) -> None:
        super().__init__()
        edge = len(EDGE_COLUMNS)
        self.bs_in = nn.Linear(len(BS_COLUMNS), hidden)
        self.ue_in = nn.Linear(len(ue_columns), hidden)
        self.antenna_in = nn.Linear(len(ANTENNA_COLUMNS), hidden)
        self.antenna_layers = nn.ModuleList(AntennaLayer(hidden) for _ in range(layers))
        self.ue = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))
        self.ue_edge = nn.ModuleList(nn.Linear(edge, hidden, bias=False) for _ in range(layers))
        self.ue_stations = nn.ModuleList(nn.Linear(hidden, hidden, bias=False) for _ in range(layers))
        self.ue_best = nn.ModuleList(nn.Linear(hidden, hidden, bias=False) for _ in range(layers))
        self.bs = nn.ModuleList(nn.Linear(3 * hidden + 2 * edge, hidden) for _ in range(layers))

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Station and user states."""
        bs, ue = self.bs_in(inputs.bs).relu(), self.ue_in(inputs.ue).relu()
        antenna = self.antenna_in(inputs.antenna).relu()
        links, prior, load = inputs.links, inputs.prior, inputs.load
        at_ue, at_bs = inputs.edge_means
        for i, antenna_layer in enumerate(self.antenna_layers):
            bs = antenna_layer(bs, antenna, inputs.mounted_on)
            change = self.ue[i](ue).add_(self.ue_edge[i](at_ue))
            change.add_(links.mean_over_bs(self.ue_stations[i](bs))).add_(links.weigh_to_ue(prior, self.ue_best[i](bs)))
            ue = ue + nn.functional.silu(change)
            users = [links.mean_over_ue(ue), links.weigh_to_bs(prior, ue) / load]
            bs = bs + nn.functional.silu(self.bs[i](torch.cat([bs, *users, at_bs], 1)))
        return bs, ue


class HomogeneousEncoder(nn.Module):
    """One node type: the same weights for stations and users, and for both directions of an edge.

    Args:
        hidden: width of the node states.
        layers: number of layers.
        ue_columns: names of the users' columns.
    """

    def __init__(self, hidden: int, layers: int, ue_columns: tuple[str, ...] = UE_COLUMNS) -> None:
        super().__init__()
        self.width = max(len(BS_COLUMNS), len(ue_columns))
        self.node_in = nn.Linear(self.width, hidden)
        self.message = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))
        self.edge = nn.ModuleList(nn.Linear(len(EDGE_COLUMNS), hidden) for _ in range(layers))
        self.update = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in range(layers))

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Station and user states."""
        bs, ue = (self.node_in(_pad(x, self.width)).relu() for x in (inputs.bs, inputs.ue))
        links = inputs.links
        ones = torch.ones_like(inputs.prior)
        at_ue, at_bs = links.sum_to_ue(ones).unsqueeze(1), links.sum_to_bs(ones).unsqueeze(1)
        for message, edge, update in zip(self.message, self.edge, self.update, strict=True):
            features = edge(inputs.edge)
            to_ue = links.sum_to_ue((features + links.from_bs(message(bs))).relu()) / at_ue
            to_bs = links.sum_to_bs((features + links.from_ue(message(ue))).relu()) / at_bs.clamp_min(1)
            ue = ue + nn.functional.silu(update(torch.cat([ue, to_ue], 1)))
            bs = bs + nn.functional.silu(update(torch.cat([bs, to_bs], 1)))
        return bs, ue


class BSOnlyEncoder(nn.Module):
    """Stations alone: the columns of their users' edges are pooled once, then messages run over the interference neighbourhood.

    Args:
        hidden: width of the node states.
        layers: number of layers.
        ue_columns: names of the users' columns.
    """

    def __init__(self, hidden: int, layers: int, ue_columns: tuple[str, ...] = UE_COLUMNS) -> None:
        super().__init__()
        self.bs_in = nn.Linear(len(BS_COLUMNS) + 2 * len(EDGE_COLUMNS), hidden)
        self.ue_in = nn.Linear(len(ue_columns), hidden)
        self.message = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in range(layers))
        self.update = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in range(layers))

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Station states, and user states without messages."""
        links = inputs.links
        weight = inputs.prior.unsqueeze(-1)
        load = links.sum_to_bs(inputs.prior).unsqueeze(1).clamp_min(0.1)
        mine = links.sum_to_bs(inputs.edge * weight) / load
        count = links.sum_to_bs(torch.ones_like(inputs.prior)).unsqueeze(1).clamp_min(1)
        bs = self.bs_in(torch.cat([inputs.bs, mine, links.sum_to_bs(inputs.edge) / count], 1)).relu()
        source, target = inputs.neighbours
        degree = bs.new_zeros(bs.shape[0], 1).index_add(0, target, bs.new_ones(target.shape[0], 1))
        for message, update in zip(self.message, self.update, strict=True):
            sent = message(torch.cat([bs[source], bs[target]], 1)).relu()
            received = torch.zeros_like(bs).index_add(0, target, sent) / degree.clamp_min(1)
            bs = bs + nn.functional.silu(update(torch.cat([bs, received], 1)))
        return bs, self.ue_in(inputs.ue).relu()


class EdgeMLPEncoder(nn.Module):
    """No messages at all: stations and users know their own columns only.

    Args:
        hidden: width of the node states.
        layers: perceptron layers on each node.
        ue_columns: names of the users' columns.
    """

    def __init__(self, hidden: int, layers: int, ue_columns: tuple[str, ...] = UE_COLUMNS) -> None:
        super().__init__()
        self.bs_in = nn.Linear(len(BS_COLUMNS), hidden)
        self.ue_in = nn.Linear(len(ue_columns), hidden)
        self.bs = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))
        self.ue = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(layers))

    def forward(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Station and user states."""
        bs, ue = self.bs_in(inputs.bs).relu(), self.ue_in(inputs.ue).relu()
        for own_bs, own_ue in zip(self.bs, self.ue, strict=True):
            bs, ue = bs + nn.functional.silu(own_bs(bs)), ue + nn.functional.silu(own_ue(ue))
        return bs, ue


def encoder_of(kind: Encoding, hidden: int, layers: int, ue_columns: tuple[str, ...] = UE_COLUMNS) -> nn.Module:
    """Encoder by name.

    Raises:
        ValueError: an unknown name.
    """
    if kind == "hetero":
        return TypedEncoder(hidden, layers, ue_columns)
    if kind == "sage":
        return SAGEEncoder(hidden, layers, ue_columns)
    if kind == "no_antennas":
        return TypedEncoder(hidden, layers, ue_columns, antennas=False)
    if kind == "homogeneous":
        return HomogeneousEncoder(hidden, layers, ue_columns)
    if kind == "bs_only":
        return BSOnlyEncoder(hidden, layers, ue_columns)
    if kind == "edge_mlp":
        return EdgeMLPEncoder(hidden, layers, ue_columns)
    raise ValueError(f"encoder: got {kind!r}, expected one of {', '.join(get_args(Encoding))}")


def _pad(x: Tensor, width: int) -> Tensor:
    return nn.functional.pad(x, (0, width - x.shape[1]))
