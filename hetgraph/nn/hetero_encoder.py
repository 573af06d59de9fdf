"""States of stations and users from named columns of any contract graph, within what a level may know."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.feature_table import columns_of, features
from hetgraph.graph.levels import check_level, sees_everything
from hetgraph.graph.schema import CHANNEL, NEIGHBOURS, Level
from hetgraph.graph.tracing import holds
from hetgraph.nn.edge_groups import associated_networks, edge_groups
from hetgraph.nn.edge_sums import Aggregation
from hetgraph.nn.hetero_layers import HeteroLayers, LayerSums, Store

_STORES: tuple[Store, ...] = ("bs", "ue", "antenna", CHANNEL, NEIGHBOURS)
_NEEDED: tuple[Store, ...] = ("bs", "ue", CHANNEL)
LARGEST = 10.0  # scaled columns are cut there, so that what is as good as nothing, at -300 dB, is no outlier


class HeteroEncoder(nn.Module):
    """Encoder of the heterogeneous graph.

    At ``local`` the state of a station depends on itself, its users and the edges that these report; at ``neighbourhood`` on
    stations within ``hops`` of it, their users and what these report, too; at ``global`` and ``genie`` messages pass over all
    known edges. This holds of columns that are themselves known at the level: those that count over a whole network are not.

    Args:
        columns: names in :data:`~hetgraph.graph.COLUMNS` of ``bs``, ``ue`` and (bs, channel, ue), and, where wanted,
            of ``antenna`` and (bs, neighbours, bs).
        hidden: width H of the states.
        layers: rounds of messages.
        hops: rounds in which stations hear their neighbours; ``local`` has none.
        level: ``local``, ``neighbourhood``, ``global`` or ``genie``.
        extra: number of columns of stores that are no columns of the table, after those that are; such an encoder takes ready
            arguments only.
        reports: below ``global``, users read the columns of known edges over which no messages pass.
        aggr: ``mean`` or ``sum`` of messages over channel edges.

    Raises:
        ValueError: an unknown store, column or level, a store without columns, or more hops than layers.
    """

    def __init__(
        self,
        columns: Mapping[Store, Sequence[str]],
        hidden: int = 32,
        layers: int = 2,
        hops: int = 1,
        level: Level = "global",
        extra: Mapping[Store, int] | None = None,
        reports: bool = True,
        aggr: Aggregation = "mean",
    ) -> None:
        super().__init__()
        self.columns = {store: tuple(names) for store, names in columns.items() if names}
        self.level, self.extra = level, dict(extra or {})
        _check(self.columns, self.extra, layers, hops, level)
        stores = [*self.columns, *(store for store in self.extra if store not in self.columns)]
        widths = {store: len(self.columns.get(store, ())) + self.extra.get(store, 0) for store in stores}
        wide = sees_everything(level)
        hops = 0 if level == "local" else hops
        self.layers = HeteroLayers(widths, hidden, layers, hops, 1 + wide, reports and not wide, aggr)

    def forward(self, graph: HeteroData | Facts | dict[str, Any]) -> dict[str, Tensor]:
        """States of stations ``bs [N, H]`` and users ``ue [U, H]``.

        Args:
            graph: a graph or a batch, or its facts, which several calls share, or ready arguments of the layers.
        """
        out: dict[str, Tensor] = self.layers(**(graph if isinstance(graph, dict) else self.inputs(graph)))
        return out

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # columns are a walk over a table, of which a compiler makes a graph for each store
    def inputs(self, graph: HeteroData | Facts, ready: Mapping[Store, Tensor] | None = None) -> dict[str, Any]:
        """Arguments of :class:`~hetgraph.nn.hetero_layers.HeteroLayers`: columns, edges and weights, as tensors.

        Args:
            graph: a graph or a batch, or its facts.
            ready: the encoder's columns of some stores, where somebody made them already.

        Raises:
            ValueError: the encoder has columns that are not of the table.
        """
        if self.extra:
            raise ValueError(
                f"graph: got a graph, expected ready arguments with {sum(self.extra.values())} extra columns"
            )
        facts = graph if isinstance(graph, Facts) else Facts(graph)
        dtype = next(self.parameters()).dtype
        made = {} if ready is None else ready
        x = {
            store: (made[store] if store in made else features(facts, store, names)).to(dtype).clamp(-LARGEST, LARGEST)
            for store, names in self.columns.items()
        }
        weight, reports = edge_groups(facts, self.level)
        weight = weight.to(dtype)
        reports = reports.to(dtype) if reports is not None and self.layers.reports else None
        return {
            "x_dict": {store: value for store, value in x.items() if isinstance(store, str)},
            "edge_index_dict": {kind: facts.graph[kind].edge_index for kind in self.layers.edge_types},
            "edge_attr_dict": {store: value for store, value in x.items() if not isinstance(store, str)},
            "weight": weight,
            "reports": reports,
            "links": self._sums(facts, x[CHANNEL], weight, reports),
        }

    def _sums(self, facts: Facts, edge: Tensor, weight: Tensor, reports: Tensor | None) -> LayerSums | None:
        if not facts.links.num_edges:
            return None
        if sees_everything(self.level) or not holds(associated_networks(facts).all()):
            return LayerSums.of(facts.links, edge, weight, reports, self.layers.aggr)
        return LayerSums.of_serving(facts.links, edge, weight, reports, facts.serving_slot, self.layers.aggr)


def _check(
    columns: Mapping[Store, Sequence[str]], extra: Mapping[Store, int], layers: int, hops: int, level: str
) -> None:
    check_level(level)
    for store in (*columns, *extra):
        if store not in _STORES:
            raise ValueError(f"columns: got store {store!r}, expected one of {', '.join(map(str, _STORES))}")
        if any(column.block for column in columns_of(store, columns.get(store, ()))):
            raise ValueError(
                f"columns: got columns of resource blocks of {store!r}, expected columns of a whole node or edge"
            )
    for store in _NEEDED:
        if store not in columns and not extra.get(store):
            raise ValueError(f"columns: got none of {store!r}, expected at least one")
    if layers < 1 or not 0 <= hops <= layers:
        raise ValueError(f"hops: got {hops} with {layers} layers, expected 0 to {layers} and at least one layer")
