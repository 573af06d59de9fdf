"""Datasets whose items are networks that are made when they are asked for."""

from abc import abstractmethod

from torch.utils.data import Dataset
from torch_geometric.data import HeteroData


class NumberedNetworks(Dataset[HeteroData]):
    """``networks`` networks of a ``seed``, which a subclass sets and makes by their numbers."""

    networks: int
    seed: int

    @abstractmethod
    def graph(self, number: int, seed: int) -> HeteroData:
        """Network of any number and seed."""

    def __len__(self) -> int:
        return self.networks

    def __getitem__(self, index: int) -> HeteroData:
        if not -len(self) <= index < len(self):
            raise IndexError(f"index: got {index}, expected 0..{len(self) - 1}")
        return self.graph(index % len(self), self.seed)
