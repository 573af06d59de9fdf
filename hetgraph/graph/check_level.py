"""What an observation of a level must have beside a right graph."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.levels import STRUCTURE, own_edges
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON, Level

_WHERE = "(bs, channel, ue)"


def check_observation(data: HeteroData, level: Level, stations: int) -> None:
    """``known`` and ``own`` are there, stations have antennas, and attributes of unknown edges are zero.

    Raises:
        ValueError: the first broken rule.
    """
    edges = data[CHANNEL]
    for name in ("known", "own"):
        if name not in edges:
            raise ValueError(f"{_WHERE}.{name}: got nothing, expected a tensor [E] at the level {level!r}")
    _check_antennas(data[MOUNTED_ON].edge_index, stations)
    if not torch.equal(edges.own, own_edges(data)):
        raise ValueError(f"{_WHERE}.own: got other edges than those of ue.serving_slot, expected the same")
    unknown = (~edges.known).nonzero().squeeze(1)
    if not unknown.numel():
        return
    for name, value in edges.items():
        if name not in STRUCTURE and isinstance(value, Tensor) and bool(value[unknown].any()):
            raise ValueError(
                f"{_WHERE}.{name}: got values where known is not set, expected zeros at the level {level!r}"
            )


def _check_antennas(mounted: Tensor, stations: int) -> None:
    bare = (torch.bincount(mounted[1], minlength=stations) == 0).nonzero()
    if bare.numel():
        raise ValueError(f"antenna: got none on station {int(bare[0])}, expected at least one on each")
