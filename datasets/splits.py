"""Splits by layout and by space."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import links_of

LAYOUT_SEEDS = {"train": 0, "val": 1_000_000, "test": 2_000_000}


def layout_seed(seed: int, split: str) -> int:
    """Seed of a split's layouts: training, validation and test never share one.

    Raises:
        ValueError: an unknown split, or a seed so large that splits would meet.
    """
    if split not in LAYOUT_SEEDS or not 0 <= seed < 1_000_000:
        raise ValueError(f"split: got {split!r} with seed {seed}, expected train, val or test and a seed of 0..999999")
    return seed + LAYOUT_SEEDS[split]


def spatial_mask(graph: HeteroData, *, cells: int = 5, held_out: float = 0.2, seed: int = 0) -> Tensor:
    """Users to train on ``[U]``: the area is cut into square cells, a share of which is held out (Algorithm 1, step 4).

    Args:
        graph: a graph or batch with user positions.
        cells: cells along each side.
        held_out: share of the cells whose users are held out.
        seed: of the choice of cells.
    """
    links, xy = links_of(graph), graph["ue"].pos[:, :2]
    low = xy.new_full((links.num_networks, 2), torch.inf)
    low = low.scatter_reduce(0, links.ue_network.unsqueeze(1).expand_as(xy), xy, "amin")
    high = torch.full_like(low, -torch.inf).scatter_reduce(0, links.ue_network.unsqueeze(1).expand_as(xy), xy, "amax")
    unit = (xy - low[links.ue_network]) / (high - low)[links.ue_network].clamp_min(1e-6)
    cell = (unit * cells).long().clamp_max(cells - 1)
    number = cell[:, 0] * cells + cell[:, 1]
    order = torch.randperm(cells * cells, generator=torch.Generator().manual_seed(seed))
    kept = torch.ones(cells * cells, dtype=torch.bool)
    kept[order[: round(held_out * cells * cells)]] = False
    return kept[number]
