"""Where stations and users stand."""

import math

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Generator, Tensor

from hetgraph.graph.density import place_by_density
from hetgraph.graph.efficiency_users import place_by_efficiency
from hetgraph.graph.hexagons import hex_rings, turned
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.scenario_parts import Tier, Users
from hetgraph.graph.streams import Streams

_TRIES = 32


def place_stations(scenario: ScenarioFields, streams: Streams) -> Tensor:
    """Coordinates of cells ``[n, N, 2]``, m, tier after tier; the sectors of a mast follow each other."""
    placed: list[Tensor] = []
    extent = torch.tensor([scenario.layout.width_m, scenario.layout.height_m])
    for number, tier in enumerate(scenario.tiers):
        masts = tier.count // tier.sectors
        if tier.placement == "uniform":
            tries = streams.uniform(f"stations/{number}", masts, _TRIES, 2) * extent
            everyone = _place_apart(placed, tries, tier.spacing_m)
            new = everyone[len(placed) :]
        elif tier.placement == "jittered":
            shift = tier.jitter_m * streams.uniform(f"stations/{number}", masts, 2)
            new = list((jittered_rings(shift, tier.spacing_m) + extent / 2).unbind(1))
        else:
            fixed = tier.placement == "fixed"
            points = (
                torch.tensor(tier.positions)
                if fixed
                else hex_rings(masts, tier.spacing_m, tier.grid_bearing_deg) + extent / 2
            )
            new = list(points.expand(len(streams.networks), -1, -1).unbind(1))
        placed += new if tier.placement == "fixed" else [mast for mast in new for _ in range(tier.sectors)]
    return torch.stack(placed, 1)


def _place_apart(placed: list[Tensor], tries: Tensor, spacing_m: float) -> list[Tensor]:
    """Place stations one by one, each at the first try that keeps the distance, or at the most distant one."""
    placed = list(placed)
    rows = torch.arange(tries.shape[0])
    for options in tries.unbind(1):  # [n, T, 2]
        if not placed or spacing_m <= 0:
            placed.append(options[:, 0])
            continue
        distance = torch.cdist(options, torch.stack(placed, 1)).amin(2)  # [n, T]
        clear = distance >= spacing_m
        choice = torch.where(clear.any(1), clear.float().argmax(1), distance.argmax(1))
        placed.append(options[rows, choice])
    return placed


def jittered_rings(shift: Tensor, spacing_m: float) -> Tensor:
    """Sites around the origin ``[n, N, 2]``: six around the first, six around the second and so on, each shifted.

    Args:
        shift: of each site, ``[n, N, 2]``; the first stays where it is.
        spacing_m: of the hexagonal steps.
    """
    angle = torch.arange(6) * math.pi / 3
    step = torch.stack([angle.cos(), angle.sin()], 1) * spacing_m
    sites = [torch.zeros_like(shift[:, 0])]
    for i in range(1, shift.shape[1]):
        sites.append(sites[(i - 1) // 6] + step[(i - 1) % 6] + shift[:, i])
    return torch.stack(sites, 1)


def place_users(scenario: ScenarioFields, stations: Tensor, streams: Streams) -> Tensor:
    """User coordinates ``[n, U, 2]``, m."""
    users = scenario.users
    extent = torch.tensor([scenario.layout.width_m, scenario.layout.height_m])
    if users.placement == "fixed":
        return torch.tensor(users.positions).expand(len(streams.networks), -1, -1)
    if users.placement == "efficiencies":
        return place_by_efficiency(scenario, streams)
    if users.placement == "density":
        return place_by_density(users.density, users.count, streams)
    if users.placement == "pairs":
        low, high = users.pair_distance_m
        radius = low + (high - low) * streams.uniform("users/radius", users.count)
        return stations + _offset(radius, streams.uniform("users/angle", users.count))
    if users.placement in ("hexagons", "squares"):
        return _in_cells(users, stations, scenario.tiers[0].grid_bearing_deg, streams)
    points = streams.uniform("users", users.count, 2) * extent
    if users.placement == "clustered":
        points = _cluster(points, scenario, stations, streams, extent)
    if users.spacing_m > 0:
        generators = streams.generators("users/spacing")
        spaced = [_space(p, users.spacing_m, extent, g) for p, g in zip(points, generators, strict=True)]
        points = torch.stack(spaced)
    return points


def _in_cells(users: Users, stations: Tensor, bearing_deg: float, streams: Streams) -> Tensor:
    """Equally many users around each station, the first of them around the first one."""
    centre = stations.repeat_interleave(users.count // stations.shape[1], 1)
    if users.placement == "squares":
        return centre + users.cell_radius_m * (2 * streams.uniform("users", users.count, 2) - 1)
    tries = turned(_in_hexagon(streams.uniform("users", users.count, _TRIES, 3)), bearing_deg) * users.cell_radius_m
    clear = tries.norm(dim=-1) >= users.pair_distance_m[0]
    first = clear.float().argmax(2, keepdim=True).unsqueeze(3).expand(-1, -1, 1, 2)
    return centre + tries.gather(2, first).squeeze(2)


def _in_hexagon(random: Tensor) -> Tensor:
    """Points of the hexagon with corners at distance one, one of them upwards; uniform for ``random [*, 3]`` in [0, 1).

    The hexagon consists of three rhombi, each spanned by two of the corners at 90, 210 and 330 degrees.
    """
    angle = math.pi * torch.tensor([90.0, 210.0, 330.0]) / 180
    corner = torch.stack([angle.cos(), angle.sin()], 1)
    part = (3 * random[..., 2]).long().clamp_max(2)
    return random[..., :1] * corner[part] + random[..., 1:2] * corner[(part + 1) % 3]


def _cluster(points: Tensor, scenario: ScenarioFields, stations: Tensor, streams: Streams, extent: Tensor) -> Tensor:
    users = scenario.users
    gathered = round(users.count * users.clustered_fraction)
    first, tier = _tier_range(scenario.tiers, users)
    centres = stations[:, first : first + tier.count]
    host = torch.arange(gathered) % tier.count
    radius = users.cluster_radius_m * streams.uniform("clusters/radius", gathered).sqrt()
    near = centres[:, host] + _offset(radius, streams.uniform("clusters/angle", gathered))
    near = torch.minimum(near.clamp_min(0), extent)
    return torch.cat([near, points[:, gathered:]], 1)


def _tier_range(tiers: tuple[Tier, ...], users: Users) -> tuple[int, Tier]:
    names = [tier.name for tier in tiers]
    wanted = users.cluster_tier or names[-1]
    if wanted not in names:
        raise ValueError(f"users.cluster_tier: got {wanted!r}, expected one of {', '.join(names)}")
    number = names.index(wanted)
    return sum(tier.count for tier in tiers[:number]), tiers[number]


def _offset(radius: Tensor, turn: Tensor) -> Tensor:
    angle = 2 * math.pi * turn
    return torch.stack([radius * angle.cos(), radius * angle.sin()], -1)


def _space(points: Tensor, spacing_m: float, extent: Tensor, generator: Generator) -> Tensor:
    """Draw anew the later user of every pair that is too close, until none is."""
    points = points.clone()
    for _ in range(1000):
        pairs = cKDTree(points.numpy()).query_pairs(spacing_m, output_type="ndarray")
        if not len(pairs):
            return points
        moved = torch.from_numpy(np.unique(pairs.max(1)))
        points[moved] = torch.rand(len(moved), 2, generator=generator) * extent
    raise ValueError(f"users.spacing_m: got {spacing_m:g} m, expected a distance for which all users find room")
