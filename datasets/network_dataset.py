"""The PyG dataset of networks, on which the datasets of this folder stand."""

import copy
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from torch_geometric.data import Dataset, HeteroData

from hetgraph.graph.feature_table import available
from hetgraph.graph.schema import EDGE_TYPES, NODE_TYPES

Change = Callable[[HeteroData], HeteroData]
Filter = Callable[[HeteroData], bool]


class NetworkDataset(Dataset):  # type: ignore[misc]
    """Networks by number, as PyG's ``Dataset`` has them.

    A number gives a graph; a slice, a list, a mask or an index tensor gives a dataset of these networks, as ``shuffle`` does; PyG's
    ``DataLoader`` collates them, with workers or without. What a subclass reads lies in ``root`` itself: there is no folder ``raw`` or
    ``processed`` beneath, and nothing is written by ``pre_filter`` and ``pre_transform``, whose results stay in memory.

    Args:
        root: folder or file that is read.
        transform: of a graph, at every access.
        pre_transform: of a graph, once, when it is first read.
        pre_filter: whether a network, before ``pre_transform``, is in the dataset; asked once, when the length is first needed.
    """

    def __init__(
        self,
        root: str | Path,
        transform: Change | None = None,
        pre_transform: Change | None = None,
        pre_filter: Filter | None = None,
    ) -> None:
        super().__init__(str(root), transform, pre_transform, pre_filter)
        self._changed: dict[int, HeteroData] = {}

    @property
    @abstractmethod
    def num_networks(self) -> int:
        """Networks before ``pre_filter``."""

    @abstractmethod
    def network(self, number: int) -> HeteroData:
        """Network of a number, as it is before filters and transforms."""

    @cached_property
    def kept(self) -> Sequence[int]:
        """Numbers of the networks that ``pre_filter`` leaves."""
        numbers = range(self.num_networks)
        if self.pre_filter is None:
            return numbers
        return [n for n in track(numbers, "Filtering networks") if self.pre_filter(self.network(n))]

    def len(self) -> int:
        """Networks that ``pre_filter`` leaves."""
        return len(self.kept)

    def get(self, idx: int) -> HeteroData:
        """Network of the whole dataset, before ``transform``."""
        number = self.kept[idx]
        if self.pre_transform is None:
            return self.network(number)
        if number not in self._changed:
            self._changed[number] = self.pre_transform(self.network(number))
        return copy.copy(self._changed[number])

    def __getitem__(self, idx: Any) -> Any:
        if isinstance(idx, int | np.integer) and not -len(self) <= idx < len(self):
            raise IndexError(f"index: got {idx}, expected 0..{len(self) - 1}")
        return super().__getitem__(idx)

    @property
    def raw_dir(self) -> str:
        """Folder of what is read: ``root``."""
        return str(self.root)

    @property
    def processed_dir(self) -> str:
        """Folder of what is read: ``root``."""
        return str(self.root)

    @property
    def num_node_features(self) -> dict[str, int]:
        """Columns of each node type: of ``x`` where a transform made it, else those that ``features`` can give."""
        graph = self[0]
        return {
            node: graph[node].x.shape[1] if "x" in graph[node] else len(available(graph, node)) for node in NODE_TYPES
        }

    @property
    def num_edge_features(self) -> dict[tuple[str, str, str], int]:
        """Columns of each edge type: of ``edge_attr`` where a transform made it, else those that ``features`` can give."""
        graph = self[0]
        return {
            edge: graph[edge].edge_attr.shape[1] if "edge_attr" in graph[edge] else len(available(graph, edge))
            for edge in EDGE_TYPES
        }
