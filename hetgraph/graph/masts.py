"""Which cells stand on one mast, and the images of a mast in a layout that wraps around."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from torch import Tensor

from hetgraph.graph.hexagons import hex_rings, turned, whole_rings
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.scenario_parts import Layout, Tier

SAME_PLACE_M = 1.0
SAME_SITE_M = 100.0  # cells of one name that are farther apart are not on one mast


def masts_of(scenario: ScenarioFields) -> Tensor:
    """Mast of each cell ``[N]``, numbered in the order of the first cells; the same in every network of a scenario.

    Cells are on one mast if they are sectors of a mast that is drawn, if their places are given and within a metre, or if they
    have one site's name and are within 100 m.
    """
    if all(tier.placement in ("uniform", "jittered") and tier.sectors == 1 for tier in scenario.tiers):
        return torch.arange(scenario.num_stations)
    first, pairs, known, places = 0, [], [], []
    names: list[str] = []
    for tier in scenario.tiers:
        cells = np.arange(first, first + tier.count)
        if tier.placement != "fixed":
            pairs.append(np.stack([cells, first + (cells - first) // tier.sectors * tier.sectors], 1))
        given = _given_places(tier, scenario.layout)
        if given is not None:
            known.append(cells)
            places.append(given)
            names += tier.site or ("",) * tier.count
        first += tier.count
    if known:
        joined = together(np.concatenate(places), names)
        pairs.append(np.concatenate(known)[joined])
    return _numbered(np.concatenate(pairs) if pairs else np.zeros((0, 2), dtype=int), scenario.num_stations)


def masts_at(positions_m: Tensor, names: Sequence[str] = ()) -> Tensor:
    """Mast of each cell ``[N]`` from places alone ``[N, 2]`` or ``[N, 3]``, and from names of sites where they are known."""
    places = positions_m[:, :2].double().cpu().numpy()
    return _numbered(together(places, names or [""] * len(places)), len(places))


def together(places: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Pairs ``[P, 2]`` of cells that are within a metre, or of one (not empty) name and within 100 m."""
    pairs = [cKDTree(places).query_pairs(SAME_PLACE_M, output_type="ndarray")]
    named: dict[str, list[int]] = {}
    for cell, name in enumerate(names):
        named.setdefault(name, []).append(cell)
    for name, cells in named.items():
        if name and len(cells) > 1:
            members = np.array(cells)
            pairs.append(members[cKDTree(places[members]).query_pairs(SAME_SITE_M, output_type="ndarray")])
    return np.concatenate(pairs)


def _given_places(tier: Tier, layout: Layout) -> np.ndarray | None:
    """Places ``[count, 2]`` of a tier's cells, m, where they are the same in every network; else ``None``."""
    if tier.placement == "fixed":
        return np.asarray(tier.positions, dtype=float).reshape(-1, 2)
    if tier.placement == "hex":
        from_centre = hex_rings(tier.count // tier.sectors, tier.spacing_m, tier.grid_bearing_deg).repeat_interleave(
            tier.sectors, 0
        )
        return np.asarray(from_centre.double().numpy() + np.array([layout.width_m / 2, layout.height_m / 2]))
    return None


def _numbered(pairs: np.ndarray, cells: int) -> Tensor:
    """Connected components, numbered by their first cell."""
    graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(cells, cells))
    _, label = connected_components(graph, directed=False)
    _, first, number = np.unique(label, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=int)
    rank[np.argsort(first)] = np.arange(len(first))
    return torch.from_numpy(rank[number])


def image_shifts(scenario: ScenarioFields) -> Tensor:
    """Shifts of a mast's images ``[I, 2]``, m: seven where the layout wraps around, the mast itself first; else one of zero.

    Copies of a cluster of R rings tile the plane when shifted by ``(R + 1, R)`` steps of the hexagonal grid and by its five
    rotations (the lattice of the cluster's centres has ``(R + 1)^2 + (R + 1) R + R^2 = 1 + 3 R (R + 1)`` cells).
    """
    if not scenario.layout.wrap:
        return torch.zeros(1, 2)
    tier = scenario.tiers[0]
    rings = whole_rings(tier.count // tier.sectors)
    assert rings is not None, "validate() refuses other layouts"
    x = tier.spacing_m * (rings + 1 + rings / 2)
    y = tier.spacing_m * rings * math.sqrt(3) / 2
    turn = torch.arange(6, dtype=torch.float64) * math.pi / 3
    around = torch.stack([x * turn.cos() - y * turn.sin(), x * turn.sin() + y * turn.cos()], 1)
    return turned(torch.cat([torch.zeros(1, 2, dtype=torch.float64), around]), tier.grid_bearing_deg).float()
