"""What was made of a graph, kept while the graph lives and its tensors do not change."""

from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary
from torch_geometric.data import HeteroData

T = TypeVar("T")
_MOST = 8  # graphs of which values are kept, so that a data set held in memory does not grow


class Kept(Generic[T]):
    """Values of the last graphs, which several calls share: several models on one layout, or one model again and again.

    A value is made anew when a tensor of the graph was replaced, added, removed or written in place, as its version tells.
    Nothing is kept where versions do not tell all: of tensors on a GPU, which a captured graph of kernels overwrites, of
    inference tensors, and of those that require a gradient. A write through ``numpy`` or ``.data`` has no version either;
    who writes so makes a new graph.
    """

    def __init__(self) -> None:
        self._entries: Any = WeakIdKeyDictionary()  # graph: versions of its tensors, key, value

    def get(self, graph: HeteroData, key: Any, make: Callable[[], T]) -> T:
        """The value of a graph and key, made if it is not there; the last key of a graph is kept.

        Args:
            graph: a graph or a batch.
            key: what else the value depends on.
            make: makes the value; it must not refer to the graph, which would then never be freed.
        """
        if torch.compiler.is_compiling() or torch.is_inference_mode_enabled():
            return make()
        tensors = list(_tensors(graph))
        if any(not tensor.is_cpu or tensor.requires_grad or tensor.is_inference() for tensor in tensors):
            return make()
        entry = self._entries.pop(graph, None)
        if entry is None or entry[1] != key or not _same(entry[0], tensors):
            entry = [(tensor, tensor._version) for tensor in tensors], key, make()
        while len(self._entries) >= _MOST:
            del self._entries[next(iter(self._entries.keys()))]  # the one that was not read for longest
        self._entries[graph] = entry
        value: T = entry[2]
        return value


def _tensors(graph: HeteroData) -> Iterator[Tensor]:
    for store in (graph._global_store, *graph.node_stores, *graph.edge_stores):
        for value in store._mapping.values():
            if isinstance(value, Tensor):
                yield value


def _same(versions: list[tuple[Tensor, int]], tensors: list[Tensor]) -> bool:
    if len(versions) != len(tensors):
        return False
    return all(old is new and version == new._version for (old, version), new in zip(versions, tensors, strict=True))
