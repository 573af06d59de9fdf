"""Hexagonal grids of masts."""

import math

import numpy as np
import torch
from torch import Tensor

EAST_DEG = 90.0


def hex_rings(count: int, spacing_m: float, bearing_deg: float = EAST_DEG) -> Tensor:
    """First ``count`` sites of a hexagonal grid, centre first, ring by ring ``[count, 2]``, m.

    Args:
        count: number of sites.
        spacing_m: distance of neighbours.
        bearing_deg: compass bearing of one of the centre's neighbours.
    """
    rings = math.ceil((math.sqrt(12 * count - 3) - 3) / 6) if count > 1 else 0
    axis = torch.arange(-rings, rings + 1)
    q, r = torch.meshgrid(axis, axis, indexing="ij")
    ring = torch.maximum(torch.maximum(q.abs(), r.abs()), (q + r).abs()).flatten()
    xy = torch.stack([q + r / 2, r * math.sqrt(3) / 2], -1).reshape(-1, 2) * spacing_m
    angle = torch.atan2(xy[:, 1], xy[:, 0]).round(decimals=5)
    order = np.lexsort((angle.numpy(), ring.numpy()))
    return turned(xy[torch.from_numpy(order[:count].copy())].float(), bearing_deg)


def turned(points: Tensor, bearing_deg: float) -> Tensor:
    """Points ``[..., 2]`` of a grid whose rows run to the east, turned about the origin so that they run along a bearing."""
    if bearing_deg == EAST_DEG:
        return points
    angle = math.radians(EAST_DEG - bearing_deg)
    rotation = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return points @ rotation.to(points.dtype)


def whole_rings(masts: int) -> int | None:
    """Rings R of a hexagonal cluster of ``1 + 3 R (R + 1)`` masts; ``None`` for another number."""
    rings = round((math.sqrt(12 * masts - 3) - 3) / 6)
    return rings if 1 + 3 * rings * (rings + 1) == masts else None
