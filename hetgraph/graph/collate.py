"""Batches made at once: stacked tensors of n equal networks as the PyG batch that ``from_data_list`` would give."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

EdgeType = tuple[str, str, str]


@dataclass
class Stack:
    """Attributes of ``n`` networks of equal sizes, stacked along a first dimension.

    Args:
        n: number of networks.
        nodes: per node type, attribute name -> ``[n, count, *]``.
        edges: per edge type, attribute name -> ``[n, count, *]``; ``edge_index`` is ``[n, 2, count]`` with local indices.
        graph: attribute name -> ``[n, *]`` tensor, or a string or integer that all networks share.
    """

    n: int
    nodes: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    edges: dict[EdgeType, dict[str, Tensor]] = field(default_factory=dict)
    graph: dict[str, Any] = field(default_factory=dict)

    def to_batch(self) -> Batch:
        """The disjoint union, equal to ``Batch.from_data_list`` of the single networks."""
        batch = Batch(_base_cls=HeteroData)
        batch._num_graphs = self.n
        batch._slice_dict, batch._inc_dict = {}, {}
        for name, value in self.graph.items():
            self._put_graph(batch, name, value)
        counts = {}
        for node, attributes in self.nodes.items():
            counts[node] = next(iter(attributes.values())).shape[1]
            self._put_nodes(batch, node, attributes, counts[node])
        for edge, attributes in self.edges.items():
            self._put_edges(batch, edge, attributes, counts)
        return batch

    def _slices(self, count: int) -> Tensor:
        return torch.arange(self.n + 1) * count

    def _put_graph(self, batch: Batch, name: str, value: Any) -> None:
        batch._slice_dict[name] = self._slices(1)
        if isinstance(value, Tensor):
            batch[name], batch._inc_dict[name] = value, torch.zeros(self.n, dtype=torch.long)
        elif isinstance(value, int):
            batch[name], batch._inc_dict[name] = torch.full((self.n,), value), torch.zeros(self.n, dtype=torch.long)
        else:
            batch[name], batch._inc_dict[name] = [value] * self.n, None

    def _put_nodes(self, batch: Batch, node: str, attributes: dict[str, Tensor], count: int) -> None:
        store = batch[node]
        batch._slice_dict[node] = {name: self._slices(count) for name in attributes}
        batch._inc_dict[node] = {name: torch.zeros(self.n, dtype=torch.long) for name in attributes}
        for name, value in attributes.items():
            store[name] = value.reshape(self.n * count, *value.shape[2:])
        store.batch = torch.arange(self.n).repeat_interleave(count)
        store.ptr = self._slices(count)

    def _put_edges(self, batch: Batch, edge: EdgeType, attributes: dict[str, Tensor], counts: dict[str, int]) -> None:
        store = batch[edge]
        count = attributes["edge_index"].shape[2]
        step = torch.tensor([[counts[edge[0]]], [counts[edge[2]]]])
        increment = torch.arange(self.n).reshape(-1, 1, 1) * step  # [n, 2, 1]
        batch._slice_dict[edge] = {name: self._slices(count) for name in attributes}
        batch._inc_dict[edge] = {name: torch.zeros(self.n, dtype=torch.long) for name in attributes}
        batch._inc_dict[edge]["edge_index"] = increment
        for name, value in attributes.items():
            if name == "edge_index":
                store[name] = (value + increment).transpose(0, 1).reshape(2, self.n * count)
            else:
                store[name] = value.reshape(self.n * count, *value.shape[2:])
