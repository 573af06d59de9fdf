"""Scenarios of the MAPPO paper: a conflict graph, and cells on subbands."""

import math
from typing import Literal

from hetgraph.graph.conflict import CONFLICT_8, CONFLICT_8_STATIONS
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Channel, Layout, Radio, Tier, Users


def conflict_8() -> Scenario:
    """Conflict graph of the MAPPO paper (Fig. 2): 4 agents with 2 devices each around a ring, 3 subbands, 24 conflicts.

    Gains are one between a device and its agent and zero elsewhere, in units without dimension: noise is 1 W on a subband of 1 Hz,
    and so is the largest power.
    """
    return Scenario(
        name="conflict-8",
        layout=Layout(1.0, 1.0),
        tiers=(
            Tier(
                "agent", count=4, power_dbm=30 + 10 * math.log10(3), rb_power_dbm=30.0, height_m=10.0, pathloss="unit"
            ),
        ),
        users=Users(count=8, placement="conflicts", station=CONFLICT_8_STATIONS, conflicts=CONFLICT_8),
        channel=Channel(los="always", shadowing="none", fading="none"),
        radio=Radio(bandwidth_hz=3.0, num_rbs=3, noise_w=1.0, slot_s=1.0),
    )


def hexagonal(rings: int = 2, users_per_cell: int = 3) -> Scenario:
    """Regular network of the MAPPO paper (Fig. 6a, Table I): 19 stations with 3 users each on 3 subbands.

    The bandwidth is that of the authors' code, 10 MHz per subband, with which the printed delays come out.

    Args:
        rings: of stations around the first one; 2 make 19, 4 make 61, 6 make 127.
        users_per_cell: users of each station.
    """
    return _subbands("hex", 1 + 3 * rings * (rings + 1), users_per_cell, "hex", "hexagons", 500.0)


def scattered(stations: int = 19, users_per_cell: int = 3) -> Scenario:
    """Random network of the MAPPO paper (Fig. 6b), drawn as in the authors' code: users go to the nearest station.

    With 19 stations and 57 users each network has two to five users at every station, like the paper's; others are drawn anew.

    Args:
        stations: number of stations.
        users_per_cell: users drawn around each of them.
    """
    return _subbands("random", stations, users_per_cell, "jittered", "squares", 250.0)


def _subbands(
    name: str,
    stations: int,
    users_per_cell: int,
    sites: Literal["hex", "jittered"],
    cells: Literal["hexagons", "squares"],
    cell_radius_m: float,
) -> Scenario:
    radius, spacing = 500.0, 500.0 * 3**0.5
    rings = math.ceil((math.sqrt(12 * stations - 3) - 3) / 6)
    side = 2 * (rings * spacing + radius)
    return Scenario(
        name=f"{name}-{stations}",
        layout=Layout(side, side),
        tiers=(
            Tier(
                "ap",
                count=stations,
                power_dbm=10 * math.log10(3) + 23,
                rb_power_dbm=23.0,
                height_m=10.0,
                pathloss="lte",
                placement=sites,
                spacing_m=spacing,
                jitter_m=radius / 2,
            ),
        ),
        users=Users(
            count=stations * users_per_cell,
            placement=cells,
            cell_radius_m=cell_radius_m,
            pair_distance_m=(35.0, 500.0),
            nearest_only=True,
            per_station=(2, 5) if sites == "jittered" and (stations, users_per_cell) == (19, 3) else None,
        ),
        channel=Channel(carrier_hz=2e9, los="always", shadowing="none", fading="rayleigh", min_distance_m=1.0),
        radio=Radio(bandwidth_hz=30e6, num_rbs=3, noise_w=10 ** ((-114 - 30) / 10), slot_s=20e-3, neighbour_db=8.0),
    )
