"""Scenarios of users who arrive one by one (GROWS, Randall et al., Section III-A)."""

import math
from dataclasses import replace

from hetgraph.graph.efficiency_places import BS_HEIGHT_M, CARRIER_HZ, UE_HEIGHT_M
from hetgraph.graph.presets_snapshot import hetnet_3tier
from hetgraph.graph.rules import Rules
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Channel, Layout, Radio, Tier, Users
from hetgraph.graph.traffic import Arrivals

SPREAD = (0.34, 1.0, 1.66)  # demands as parts of the mean
RATE_UNIT = 1.19  # of the utility, data a slot of three stations
SPACING_M = 500.0


def grows_3(stations: int = 3) -> Scenario:
    """Three stations; constants that the paper does not print, fitted to its Table I (`hetgraph reproduce grows --rows calibration`).

    A unit of data is what a second of the 20 MHz carries at 1 bit/s/Hz, 20 Mbit, and a slot of three stations is a second: rates
    are spectral efficiencies. With more stations each user hears the three at the corners of the triangle it stands in, and slots
    are as much shorter, so that the load of a station is the same on average; those at the edge of the grid have less.

    Args:
        stations: number of stations.
    """
    many = stations / 3
    base = _grid("grows-3", stations, blocks=9, efficiencies=(0.86, 1.6, 2.34), first_bonus=0.03)
    return replace(
        base,
        radio=replace(base.radio, slot_s=1 / many),
        traffic=Arrivals(spread=SPREAD, slots=round(40 * many)),
        rules=Rules(blocks=9, rate_unit=RATE_UNIT / many, time_unit_slots=many, interference_load=0.0),
    )


def grows_tiny() -> Scenario:
    """Two stations with two resource blocks and six slots: small enough for dynamic programming."""
    base = _grid("grows-tiny", 2, blocks=2, efficiencies=(0.5, 2.0))
    traffic = Arrivals(probability=(0.9,), demand=(2.0,), spread=(0.5, 1.5), slots=6)
    return replace(base, traffic=traffic, rules=Rules(blocks=2, interference_load=0.0))


def _grid(
    name: str, stations: int, *, blocks: int, efficiencies: tuple[float, ...], first_bonus: float = 0.0
) -> Scenario:
    """Stations on a hexagonal grid, places for all users whom they can have at once, and one user who arrives."""
    hears = min(stations, 3)
    rings = math.ceil((math.sqrt(12 * stations - 3) - 3) / 6)
    side = 2 * (rings + 1) * SPACING_M
    return Scenario(
        name=name,
        layout=Layout(side, side),
        tiers=(
            Tier("macro", stations, 46.0, height_m=BS_HEIGHT_M, pathloss="lte", placement="hex", spacing_m=SPACING_M),
        ),
        users=Users(
            count=stations * blocks + 1,
            height_m=UE_HEIGHT_M,
            placement="efficiencies",
            hears=hears,
            efficiencies=efficiencies,
            first_bonus=first_bonus,
        ),
        channel=Channel(carrier_hz=CARRIER_HZ, los="never", shadowing="none", fading="none", min_distance_m=1.0),
        radio=Radio(bandwidth_hz=20e6, num_rbs=1, noise_figure_db=9.0, slot_s=1.0, candidates=hears, far_load=0.0),
    )


def grows_city(stations: int = 300) -> Scenario:
    """A city of macro, micro and pico stations at the density of ``hetnet-3tier``, with a flash crowd and users who move.

    Two users come a second and three stations. They walk or drive straight on at up to 15 m/s; a place is 5 s from the next.

    Args:
        stations: number of stations, of the three tiers in the proportions of that preset.
    """
    base = hetnet_3tier()
    more = stations / base.num_stations
    base = base.scaled(stations=more, area=more)
    many, blocks = base.num_stations / 3, 9
    return replace(
        base,
        name="grows-city",
        users=replace(base.users, count=base.num_stations * blocks + 1, placement="uniform", speed_mps=15.0),
        channel=replace(base.channel, fading="none"),
        radio=replace(base.radio, num_rbs=1, slot_s=0.5 / many, candidates=8, far_load=0.3),
        mobility=replace(base.mobility, step_s=5.0),
        traffic=Arrivals(spread=SPREAD, slots=round(40 * many), crowd=0.5),
        rules=Rules(
            candidates=4,
            blocks=blocks,
            rate_unit=RATE_UNIT / many,
            time_unit_slots=many,
            interference_load=0.3,
            least_bps_hz=0.3,
            most_bps_hz=6.0,
        ),
    )
