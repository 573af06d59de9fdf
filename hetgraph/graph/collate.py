"""Batches made at once: stacked tensors of n equal networks as the PyG batch that ``from_data_list`` would give."""

from collections.abc import Sequence
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

    @staticmethod
    def from_batch(batch: Batch) -> "Stack":
        """Networks of equal sizes, taken apart; inverse of :meth:`to_batch`."""
        n = int(batch.num_graphs)
        stack = Stack(n)
        for name, value in batch._global_store.items():
            shared = value[0] if isinstance(value, list) else value
            stack.graph[name] = int(shared[0]) if name == "schema_version" else shared
        for node in batch.node_types:
            values = {k: v for k, v in batch[node].items() if k not in ("batch", "ptr", "num_nodes")}
            stack.nodes[node] = {k: v.reshape(n, v.shape[0] // n, *v.shape[1:]) for k, v in values.items()}
        for edge in batch.edge_types:
            stack.edges[edge] = {
                k: v.reshape(n, v.shape[0] // n, *v.shape[1:]) for k, v in batch[edge].items() if k != "edge_index"
            }
            index = batch[edge].edge_index
            step = batch._inc_dict[edge]["edge_index"]
            stack.edges[edge]["edge_index"] = index.reshape(2, n, index.shape[1] // n).transpose(0, 1) - step
        return stack

    def select(self, networks: Tensor) -> "Stack":
        """Some of the networks, in the given order."""
        graph = {k: v[networks] if isinstance(v, Tensor) else v for k, v in self.graph.items()}
        nodes = {t: {k: v[networks] for k, v in values.items()} for t, values in self.nodes.items()}
        edges = {t: {k: v[networks] for k, v in values.items()} for t, values in self.edges.items()}
        return Stack(len(networks), nodes, edges, graph)

    @staticmethod
    def concatenate(parts: Sequence["Stack"]) -> "Stack":
        """Networks of several stacks of one scenario, one after the other."""
        first = parts[0]
        graph = {
            k: torch.cat([p.graph[k] for p in parts]) if isinstance(v, Tensor) else v for k, v in first.graph.items()
        }
        nodes = {t: {k: torch.cat([p.nodes[t][k] for p in parts]) for k in first.nodes[t]} for t in first.nodes}
        edges = {t: {k: torch.cat([p.edges[t][k] for p in parts]) for k in first.edges[t]} for t in first.edges}
        return Stack(sum(p.n for p in parts), nodes, edges, graph)

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
        store._num_nodes, store.num_nodes = [count] * self.n, self.n * count
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
