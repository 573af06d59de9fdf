"""Typed message passing on tensors alone, so that PyG's explainers, ``summary`` and ``torch.export`` take it as it is."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON, NEIGHBOURS
from hetgraph.nn.channel_conv import ChannelConv
from hetgraph.nn.edge_sums import Aggregation, EdgeSums
from hetgraph.nn.mount_conv import MountConv
from hetgraph.nn.neighbour_conv import NeighbourConv

EdgeType = tuple[str, str, str]
_NAMES = {key: "__".join(key) for key in (CHANNEL, NEIGHBOURS, MOUNTED_ON)}
Store = str | EdgeType


@dataclass(frozen=True)
class LayerSums:
    """Sums over edges that all layers share.

    Args:
        to_ue: at users.
        to_bs: at stations.
        reports: at users, over edges that they report; ``None`` if there are no such edges apart.
        near: means over neighbours; ``None`` for PyG's own path.
    """

    to_ue: EdgeSums
    to_bs: EdgeSums
    reports: EdgeSums | None
    near: EdgeSums | None = None

    @staticmethod
    def of(
        links: Links, edge_attr: Tensor, weight: Tensor, reports: Tensor | None, aggr: Aggregation = "mean"
    ) -> "LayerSums":
        """Sums, or means, over all edges with the weights of their groups."""
        to_ue, to_bs = (EdgeSums.of(links, edge_attr, weight, to, aggr) for to in ("ue", "bs"))
        return LayerSums(to_ue, to_bs, None if reports is None else _report_sums(links, edge_attr, reports))

    @staticmethod
    def of_serving(
        links: Links,
        edge_attr: Tensor,
        weight: Tensor,
        reports: Tensor | None,
        slot: Tensor,
        aggr: Aggregation = "mean",
    ) -> "LayerSums":
        """The same where only serving edges carry weight: one edge of each user is read, not all of them.

        Args:
            links: index structure of all edges.
            edge_attr: columns ``[E, C]``.
            weight: weights ``[E, 1]``, zero but on serving edges.
            reports: weights of reported edges ``[E, 1]``, if they are read.
            slot: slot of users' stations ``[U]``, -1 without one.
            aggr: ``mean`` or ``sum``.
        """
        user = torch.arange(links.num_ue, device=slot.device)
        serving = replace(links, bs=links.station_of(slot).clamp_min(0), ue=user, degree=1, dense=False)
        own = LayerSums.of(serving, links.pick(edge_attr, slot), links.pick(weight, slot), None, aggr)
        return own if reports is None else replace(own, reports=_report_sums(links, edge_attr, reports))


def _report_sums(links: Links, edge_attr: Tensor, reports: Tensor) -> EdgeSums:
    return EdgeSums.of(links, edge_attr, reports, "ue", nodes=False)


class HeteroLayers(nn.Module):
    """Messages antenna -> station, then rounds of station -> user -> station, and of neighbouring stations in the first ones.

    Args:
        widths: columns of each store; without ``antenna`` no antennas are read.
        hidden: width H of the states.
        layers: rounds.
        hops: rounds in which stations hear their neighbours, too.
        groups: groups of channel edges.
        reports: users read the columns of edges that carry no messages.
        aggr: ``mean`` or ``sum`` over the channel edges of a group.
    """

    def __init__(
        self,
        widths: Mapping[Store, int],
        hidden: int,
        layers: int,
        hops: int,
        groups: int,
        reports: bool,
        aggr: Aggregation = "mean",
    ) -> None:
        super().__init__()
        edge, near = widths.get(CHANNEL, 0), widths.get(NEIGHBOURS, 0)
        self.enter = nn.ModuleDict(
            {name: nn.Linear(widths[name], hidden) for name in ("bs", "ue", "antenna") if name in widths}
        )
        rounds = (ChannelConv(hidden, edge, to, aggr=aggr, groups=groups) for _ in range(layers) for to in ("ue", "bs"))
        self.reports, self.aggr = int(reports), aggr
        reports_in = [ChannelConv(hidden, edge, groups=1, source=False)] * self.reports
        convs: dict[EdgeType, list[nn.Module]] = {
            CHANNEL: [*reports_in, *rounds],
            NEIGHBOURS: [NeighbourConv(hidden, near) for _ in range(hops)],
            MOUNTED_ON: [MountConv(hidden)] if "antenna" in widths else [],
        }
        self.edge_types = tuple(key for key, value in convs.items() if value)
        # Explainers look for the layers of an edge type under this key.
        self.convs = nn.ModuleDict({_NAMES[key]: nn.ModuleList(value) for key, value in convs.items() if value})

    def forward(
        self,
        x_dict: dict[str, Tensor],
        edge_index_dict: dict[EdgeType, Tensor],
        edge_attr_dict: dict[EdgeType, Tensor],
        weight: Tensor,
        reports: Tensor | None = None,
        links: Links | LayerSums | None = None,
    ) -> dict[str, Tensor]:
        """States of stations ``[N, H]`` and users ``[U, H]``.

        Args:
            x_dict: columns of stations, users and antennas.
            edge_index_dict: edges of each type.
            edge_attr_dict: columns of channel edges ``[E, C]``, and of neighbours if they have any.
            weight: weights of channel edges and groups ``[E, G]``.
            reports: weights of reported edges ``[E, 1]``, for layers with ``reports``.
            links: index structure of the channel edges, or the sums made of it, for the fused paths.
        """
        state = {name: linear(x_dict[name]).relu() for name, linear in self.enter.items()}
        bs, ue = state["bs"], state["ue"]
        index, edge = edge_index_dict[CHANNEL], edge_attr_dict[CHANNEL]
        sums = LayerSums.of(links, edge, weight, reports, self.aggr) if isinstance(links, Links) else links
        at_ue, at_bs, around = (None, None, None) if sums is None else (sums.to_ue, sums.to_bs, sums.near)
        for mount in self._of(MOUNTED_ON):
            bs = mount((state["antenna"], bs), edge_index_dict[MOUNTED_ON])
        channel, near = self._of(CHANNEL), self._of(NEIGHBOURS)
        for report in channel[: self.reports]:
            ue = report((bs, ue), index, edge, reports, None if sums is None else sums.reports)
        for i, place in enumerate(range(self.reports, len(channel), 2)):
            ue = channel[place]((bs, ue), index, edge, weight, at_ue)
            bs = channel[place + 1]((bs, ue), index, edge, weight, at_bs)
            if i < len(near):
                bs = near[i](bs, edge_index_dict[NEIGHBOURS], edge_attr_dict.get(NEIGHBOURS), around)
        return {"bs": bs, "ue": ue}

    def _of(self, key: EdgeType) -> list[nn.Module]:
        name = _NAMES[key]
        return list(self.convs[name]) if name in self.convs else []  # type: ignore[call-overload]
