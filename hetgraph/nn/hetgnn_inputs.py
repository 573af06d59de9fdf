"""Normalised inputs of HetGNN's encoders."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.feature_table import features
from hetgraph.graph.kept import Kept
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON, NEIGHBOURS
from hetgraph.nn.hetero_layers import LayerSums

BS_COLUMNS = ("power_dbm", "users_per_bs", "strongest_share")
UE_COLUMNS = ("best_snr_db", "best_sinr_db")
VELOCITY_COLUMNS = ("velocity_x_mps", "velocity_y_mps")  # of users, where a network is asked to read them
ANTENNA_COLUMNS = ("cos_azimuth", "sin_azimuth", "tilt_rad", "offset_x_m", "offset_y_m", "offset_z_m")
EDGE_COLUMNS = ("snr_db", "sinr_db", "gap_db", "spread_db", "cos_azimuth", "sin_azimuth")
_LARGEST = 5.0  # deviations at which columns are cut
_SOFTNESS_DB = 5.0  # SINR that makes a station e times as likely in the prior association


@dataclass(frozen=True)
class Inputs:
    """Normalised inputs, and sums of them that all layers of an encoder share.

    Args:
        bs: station columns ``[N, *]``.
        ue: user columns ``[U, *]``.
        antenna: antenna columns ``[A, *]``.
        edge: edge columns in the edge layout ``[*, C]``.
        prior: soft association by wideband SINR at equal power, edge layout.
        mounted_on: antenna -> station ``[2, A]``.
        neighbours: station -> station ``[2, *]``.
        channel: station -> user ``[2, E]``.
        may_serve: edges that may serve, edge layout, or ``None`` for all.
        links: index structure of the graph.
    """

    bs: Tensor
    ue: Tensor
    antenna: Tensor
    edge: Tensor
    prior: Tensor
    mounted_on: Tensor
    neighbours: Tensor
    channel: Tensor
    may_serve: Tensor | None
    links: Links

    @cached_property
    def of_layers(self) -> dict[str, Any]:
        """Arguments of :class:`~hetgraph.nn.hetero_layers.HeteroLayers`, edges in two groups: served by the prior, and others."""
        prior, edge = self.links.flat(self.prior), self.links.flat(self.edge)
        weight = torch.stack([prior, 1 - prior]).T  # groups first in memory, as they are summed one by one
        return {
            "x_dict": {"bs": self.bs, "ue": self.ue, "antenna": self.antenna},
            "edge_index_dict": {CHANNEL: self.channel, MOUNTED_ON: self.mounted_on},
            "edge_attr_dict": {CHANNEL: edge},
            "weight": weight,
            "links": LayerSums.of(self.links, edge, weight, None),
        }

    @cached_property
    def load(self) -> Tensor:
        """Users that the prior gives each station, 0.1 at least ``[N, 1]``."""
        return self.links.sum_to_bs(self.prior).clamp_min(0.1).unsqueeze(1)

    @cached_property
    def edge_means(self) -> tuple[Tensor, Tensor]:
        """Edge columns averaged under the prior at users ``[U, C]``; over all edges, and under the prior, at stations ``[N, 2C]``."""
        links, weighted = self.links, self.edge * self.prior.unsqueeze(-1)
        at_bs = torch.cat([links.mean_to_bs(self.edge), links.sum_to_bs(weighted) / self.load], 1)
        return links.sum_to_ue(weighted), at_bs


_KEPT: Kept[Inputs] = Kept()


def inputs_of(
    graph: HeteroData, dtype: torch.dtype = torch.float32, ue_columns: tuple[str, ...] = UE_COLUMNS
) -> Inputs:
    """Inputs of a graph or a batch; of one that did not change since the last call, the same again.

    Args:
        graph: a graph or a batch.
        dtype: of the columns.
        ue_columns: names of the users' columns.
    """
    key = dtype, ue_columns, torch.is_autocast_enabled("cpu")  # under which sums are less exact
    return _KEPT.get(graph, key, lambda: _inputs(graph, dtype, ue_columns))


def _inputs(graph: HeteroData, dtype: torch.dtype, ue_columns: tuple[str, ...]) -> Inputs:
    links, channel = links_of(graph), graph[CHANNEL]
    facts = Facts(graph, links)
    bs, ue, antenna, edge = (
        features(facts, store, names).to(dtype).clamp_(-_LARGEST, _LARGEST)
        for store, names in (
            ("bs", BS_COLUMNS),
            ("ue", ue_columns),
            ("antenna", ANTENNA_COLUMNS),
            (CHANNEL, EDGE_COLUMNS),
        )
    )
    scores = facts.sinr_db.to(dtype) / _SOFTNESS_DB
    may_serve = links.lift(channel.may_serve) if "may_serve" in channel else None
    if may_serve is not None:
        scores = scores.masked_fill(~may_serve, -1e9)
    return Inputs(
        bs=bs,
        ue=ue,
        antenna=antenna,
        edge=links.lift(edge),
        prior=links.softmax(scores),
        mounted_on=graph[MOUNTED_ON].edge_index,
        neighbours=graph[NEIGHBOURS].edge_index,
        channel=channel.edge_index,
        may_serve=may_serve,
        links=links,
    )
