"""Stations on a hexagonal grid, and the places at which a user hears neighbouring ones at given spectral efficiencies.

Path loss follows the LTE macrocell's law of the horizontal distance, and every user has a penetration loss of its own, equal
toward all stations (walls, TR 38.901, 7.6.3.4). The ratios of a user's gains to two or three stations fix its place, the gains
themselves its penetration loss.
"""

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from hetgraph.channel import pathloss_db
from hetgraph.graph.hexagons import hex_rings
from hetgraph.graph.sums_of_others import sum_of_others

CARRIER_HZ, BS_HEIGHT_M, UE_HEIGHT_M = 2e9, 30.0, 1.5
SLOPE = 3.76  # of the LTE law: 37.6 dB a decade
MOST_STATIONS = 3  # four gains fix no place in the plane


@dataclass(frozen=True)
class Places:
    """One place for each combination of a user's ``K`` gains, whose levels are numbered: ``C = levels ** K`` combinations.

    Args:
        weight: of the stations' positions in the user's ``[C, K]``, adding to one; NaN for combinations that were not asked for.
        gain: linear power gain toward each station ``[C, K]``, float64.
        loss_db: penetration loss ``[C]``, dB.
        shift_m: of a user who hears one station only, to the east of it, m.
    """

    weight: Tensor
    gain: Tensor
    loss_db: Tensor
    shift_m: float


def grid(stations: int, spacing_m: float) -> Tensor:
    """Antennas of stations on a hexagonal grid, centre first, ring by ring ``[N, 3]``, m."""
    return torch.cat([hex_rings(stations, spacing_m), torch.full((stations, 1), BS_HEIGHT_M)], 1)


def neighbourhoods(pos: Tensor, spacing_m: float, size: int) -> Tensor:
    """Stations that stand alone, pairs or triangles of stations at the grid's spacing ``[Q, size]``, ascending.

    Args:
        pos: of the stations ``[N, 3]``, m.
        spacing_m: of the grid, m.
        size: 1, 2 or 3.
    """
    if size == 1:
        return torch.arange(len(pos)).unsqueeze(1)
    near = ((torch.cdist(pos, pos) - spacing_m).abs() < 1e-3 * spacing_m).triu()
    if size == 2:
        return near.nonzero()
    pair = near.nonzero()
    row, third = (near[pair[:, 0]] & near[pair[:, 1]]).nonzero().unbind(1)
    return torch.cat([pair[row], third.unsqueeze(1)], 1)


def gain_of(distance_m: Tensor, loss_db: Tensor) -> Tensor:
    """Linear power gain at a horizontal distance and a penetration loss that broadcast, m and dB."""
    heights = {"bs_height_m": BS_HEIGHT_M, "ue_height_m": UE_HEIGHT_M}
    path_db = pathloss_db("lte", distance_m, carrier_hz=CARRIER_HZ, los=False, **heights)
    return torch.pow(10, -(path_db + loss_db) / 10)


def places(
    efficiency: Tensor, allowed: Tensor, stations: int, *, spacing_m: float, power_w: float, noise_w: float
) -> Places:
    """Places at which a user receives neighbouring stations at given spectral efficiencies without interference.

    Args:
        efficiency: of each level ``[L]``, bit/s/Hz, float64.
        allowed: combinations that are wanted ``[L ** stations]``; the first station's level counts most in their numbers.
        stations: number of neighbouring stations, 1 to 3.
        spacing_m: distance of neighbouring stations, m.
        power_w: of a station, W.
        noise_w: of a user, W.

    Raises:
        ValueError: more stations, or efficiencies that no place between the stations gives.
    """
    if stations > MOST_STATIONS:
        raise ValueError(
            f"hears: got {stations} stations, expected at most {MOST_STATIONS}, whose gains fix a user's place"
        )
    levels = list(itertools.product(range(len(efficiency)), repeat=stations))
    wanted = efficiency[torch.tensor(levels)]  # [C, K]
    snr = torch.expm1(wanted * math.log(2))
    relative = snr.pow(-2 / SLOPE)  # squared distances up to a factor
    if stations == 1:
        weight = torch.ones_like(relative)
        squared = torch.full_like(relative, (spacing_m / 4) ** 2)
    elif stations == 2:
        weight = (relative.sqrt() / relative.sqrt().sum(1, keepdim=True)).flip(1)
        squared = (weight.flip(1) * spacing_m).square()
    else:
        weight, squared = _in_triangle(relative, spacing_m)
    distance = squared.sqrt().nan_to_num(spacing_m)
    open_air = gain_of(distance, torch.zeros((), dtype=torch.float64)) * power_w / noise_w
    loss_db = 10 * (open_air[:, 0] / snr[:, 0]).log10()
    gain = gain_of(distance, loss_db.unsqueeze(1))
    fits = ((gain * power_w / noise_w - snr).abs() < 1e-9 * snr).all(1) & (weight >= 0).all(1) & (loss_db >= 0)
    if not bool(fits[allowed].all()):
        bad = ", ".join(f"{value:.3g}" for value in wanted[allowed & ~fits][0].tolist())
        raise ValueError(
            f"rates: got {bad} bit/s/Hz toward neighbouring stations {spacing_m:g} m apart, "
            "expected efficiencies that some place between them gives"
        )
    nowhere = ~allowed.unsqueeze(1)
    return Places(weight.masked_fill(nowhere, torch.nan), gain, loss_db, spacing_m / 4 if stations == 1 else 0.0)


def _in_triangle(relative: Tensor, side_m: float) -> tuple[Tensor, Tensor]:
    """Barycentric weights and squared distances of places in an equilateral triangle ``[C, 3]``; NaN where there is none.

    Distances a, b, c from the corners of a triangle of side s belong to a place in its plane if
    ``3 (a^4 + b^4 + c^4 + s^4) = (a^2 + b^2 + c^2 + s^2)^2``, a quadratic equation in the factor of their squares; the smaller
    of the two solutions is the place inside the circumcircle.

    Args:
        relative: squared distances up to a factor.
        side_m: s, m.
    """
    total, squares = relative.sum(1, keepdim=True), relative.square().sum(1, keepdim=True)
    factor = 2 * side_m**2 / (total + (3 * total.square() - 6 * squares).sqrt())
    squared = factor * relative
    return (sum_of_others(squared, 1) - 2 * squared + side_m**2) / (3 * side_m**2), squared


@dataclass(frozen=True)
class EfficiencyPlaces:
    """All places of users who hear neighbouring stations of a hexagonal grid at given spectral efficiencies.

    Rows of the tables are combinations of the efficiencies' numbers, the first station's counting most; numbers from ``L`` on are
    those of the first station of all, which users hear a bit better.

    Args:
        stations: number of stations N.
        hears: stations K that a user hears, neighbours of each other; 1 to 3.
        efficiencies: without interference ``L``, bit/s/Hz, all as likely.
        bonus: what users hear the first station better by, bit/s/Hz.
        spacing_m: distance of neighbouring stations, m.
        power_w: of a station, W.
        noise_w: of a user, W.

    Raises:
        ValueError: a number of stations that fix no place, a station without neighbours, or efficiencies that no place gives.
    """

    stations: int
    hears: int
    efficiencies: tuple[float, ...]
    bonus: float
    spacing_m: float
    power_w: float
    noise_w: float

    def __post_init__(self) -> None:
        most = min(self.stations, MOST_STATIONS)
        if not 0 < self.hears <= most:
            raise ValueError(
                f"hears: got {self.hears} of {self.stations} stations, expected 1 to {most}, whose gains fix a user's place"
            )
        if int(torch.bincount(self.groups.flatten(), minlength=self.stations).min()) == 0:
            raise ValueError(
                f"hears: got {self.hears} of {self.stations} stations on a hexagonal grid, "
                f"expected each to be one of {self.hears} neighbours"
            )
        assert self.table is not None  # refuses efficiencies that no place gives

    @cached_property
    def bs_pos(self) -> Tensor:
        """Antennas of the stations, the grid's centre at the origin ``[N, 3]``, m."""
        return grid(self.stations, self.spacing_m)

    @cached_property
    def groups(self) -> Tensor:
        """Stations that a user may hear together ``[Q, K]``."""
        return neighbourhoods(self.bs_pos, self.spacing_m, self.hears)

    @cached_property
    def table(self) -> Places:
        """Gains, losses and weights by the combination of efficiencies ``C``."""
        k, count = self.hears, len(self.efficiencies)
        better = [value + self.bonus for value in self.efficiencies]
        efficiency = torch.tensor([*self.efficiencies, *better], dtype=torch.float64)
        firsts = (torch.cartesian_prod(*[torch.arange(2 * count)] * k).reshape(-1, k) >= count).sum(1)
        allowed = firsts == 1 if k == self.stations else firsts <= 1
        return places(efficiency, allowed, k, spacing_m=self.spacing_m, power_w=self.power_w, noise_w=self.noise_w)

    @cached_property
    def pos(self) -> Tensor:
        """Places of users ``[Q * C, 3]``, m, by the stations that they hear and the combination."""
        pos = self.table.weight.float() @ self.bs_pos[self.groups]  # [Q, C, 3]
        pos[..., 0] += self.table.shift_m
        pos[..., 2] = UE_HEIGHT_M
        return pos.flatten(0, 1)

    def combination(self, level: Tensor, group: Tensor) -> Tensor:
        """Numbers of combinations.

        Args:
            level: numbers of the efficiencies toward each station ``[..., K]``.
            group: stations that the user hears ``[..., K]``.
        """
        count = len(self.efficiencies)
        level = level + count * (group == 0)
        return (level * (2 * count) ** torch.arange(self.hears - 1, -1, -1)).sum(-1)
