"""What looks wrong in a user's own network: each warning has the number that is odd."""

import dataclasses
import warnings
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from hetgraph import channel
from hetgraph.graph.csvfile import Table
from hetgraph.graph.geo import Projection, great_circle_m
from hetgraph.graph.placement import place_stations, place_users
from hetgraph.graph.propagation import propagate
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.site_file import Site
from hetgraph.graph.streams import Streams

MOST_HEIGHT_M = 200.0  # of masts, broadcasting towers aside
_ALL_ABOVE_M, _FEWEST_MASTS = 80.0, 3  # no network has all of its masts so high
_MOST_EXTENT_M = 100e3
_MOST_ERROR = 1e-3  # of a distance in the plane
_MOST_OMNI = 500
_LEAST_SNR_DB = -8.0  # below it a link is lost (radio-link failure)
_MOST_PAIRS = 2_000_000  # of cells and users whose coverage is computed
_FAR_M = 100e3


def warn_heights(table: Table, sites: Sequence[Site]) -> None:
    """Antenna heights that no mast has, or that look like heights above sea level."""
    if "z" not in table:
        return
    height = np.array([site.z for site in sites])
    high = height > MOST_HEIGHT_M
    path = table.header.path
    if high.any():
        warnings.warn(
            f"{path}: got antenna heights of {height[high].min():g} to {height[high].max():g} m for {int(high.sum())} of "
            f"{len(height)} cells, expected at most {MOST_HEIGHT_M:g} m above the ground; are they above sea level?",
            stacklevel=2,
        )
    elif height.min() > _ALL_ABOVE_M and len({(site.x, site.y) for site in sites}) >= _FEWEST_MASTS:
        warnings.warn(
            f"{path}: got antenna heights of {height.min():g} to {height.max():g} m for all {len(height)} cells, expected some "
            f"below {_ALL_ABOVE_M:g} m above the ground; are they above sea level?",
            stacklevel=2,
        )


def warn_swapped(masts: Table, people: Table) -> None:
    """Users who are far from the cells, and would be near with latitude and longitude swapped."""
    places = [np.array([table.globe_place(row) for row in table.rows]).T for table in (masts, people)]
    (lat, lon), (ue_lat, ue_lon) = (np.median(place, 1) for place in places)
    apart_m, swapped_m = (float(great_circle_m(lat, lon, *place)) for place in ((ue_lat, ue_lon), (ue_lon, ue_lat)))
    if apart_m > _FAR_M > swapped_m:
        warnings.warn(
            f"{people.header.path}: got users {apart_m / 1e3:.0f} km from the cells, and {swapped_m / 1e3:.1f} km with lat and lon "
            "swapped; are they?",
            stacklevel=2,
        )


def warn_area(path: str | Path, plane: Projection | None, x_m: Sequence[float], y_m: Sequence[float]) -> None:
    """An area that is wider than one network, or in which the plane is not the globe."""
    width, height = max(x_m) - min(x_m), max(y_m) - min(y_m)
    if max(width, height) > _MOST_EXTENT_M:
        warnings.warn(
            f"{path}: got an area of {width / 1e3:.0f} x {height / 1e3:.0f} km, expected at most {_MOST_EXTENT_M / 1e3:g} km; "
            "take a part of it by its window",
            stacklevel=2,
        )
    error = 0.0 if plane is None else max(plane.scale_error(y) for y in (min(y_m), max(y_m)))
    if error > _MOST_ERROR:
        warnings.warn(
            f"{path}: distances at the edge of the area are wrong by up to {error:.2%}, more than {_MOST_ERROR:.1%}, since the "
            "globe is read as a plane",
            stacklevel=2,
        )


def warn_omni(path: str | Path, scenario: ScenarioFields) -> None:
    """More omnidirectional cells on one carrier than a network has: sectors without their azimuths, as a rule."""
    count: Counter[float] = Counter()
    for tier in scenario.tiers:
        count[scenario.carrier_of(tier).carrier_hz] += 0 if tier.directional else tier.count
    for carrier_hz, cells in count.items():
        if cells > _MOST_OMNI:
            warnings.warn(
                f"{path}: got {cells} omnidirectional cells on the carrier of {carrier_hz / 1e6:g} MHz, expected at most "
                f"{_MOST_OMNI}; are their azimuths missing?",
                stacklevel=2,
            )


def warn_coverage(path: str | Path, scenario: ScenarioFields) -> None:
    """Users whom no cell reaches: at full power, without interference, their best SNR is below that of a lost link.

    In the first network of seed 0, without shadowing and fading. Where there are more pairs of cells and users than can be
    computed at once, of some users alone.
    """
    step = -(-scenario.num_stations * scenario.users.count // _MOST_PAIRS)
    with warnings.catch_warnings(action="ignore"):  # sampling says the same again
        scenario = _median(scenario, step)
        streams = Streams(0, range(1))
        stations = place_stations(scenario, streams)
        paths = propagate(scenario, stations, place_users(scenario, stations, streams), streams, fast_fading=False)
    carriers = [scenario.carrier_of(tier) for tier in scenario.tiers for _ in range(tier.count)]
    noise_figure_db = scenario.radio.noise_figure_db
    noise_w = [channel.thermal_noise_w(carrier.bandwidth_hz, noise_figure_db=noise_figure_db) for carrier in carriers]
    noise_dbm = 10 * torch.tensor(noise_w, dtype=torch.float64).log10() + 30
    best_db = (paths.rsrp_dbm[0] - noise_dbm.unsqueeze(1)).amax(0)
    lost = int((best_db < _LEAST_SNR_DB).sum())
    if lost:
        part = f" (of every {step}th user)" if step > 1 else ""
        warnings.warn(
            f"{path}: got {lost} of {len(best_db)} users without coverage{part}: SNR below {_LEAST_SNR_DB:g} dB at full power of "
            "the best cell",
            stacklevel=2,
        )


def _median(scenario: ScenarioFields, step: int) -> ScenarioFields:
    """The scenario without shadowing, with every ``step``-th of its users."""
    users = scenario.users
    chosen = {name: getattr(users, name)[::step] for name in ("positions", "indoor", "floor")}
    users = dataclasses.replace(users, count=-(-users.count // step), **chosen)
    return dataclasses.replace(scenario, users=users, channel=dataclasses.replace(scenario.channel, shadowing="none"))
