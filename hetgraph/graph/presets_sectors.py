"""Scenarios of three-sector masts with wrap-around, and 3GPP's large-scale calibration."""

from dataclasses import replace

from hetgraph.channel import Panel
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Channel, Layout, Radio, Tier, Users


def _three_sectors(isd_m: float, users_per_cell: int, tier: Tier, users: Users, carrier_ghz: float) -> Scenario:
    """19 masts of three cells at bearings 30, 150 and 270 degrees, ``isd_m`` apart, with wrap-around; interference only.

    With rows from west to east each cell looks at a neighbouring mast, as in 3GPP's cloverleaf layout.
    """
    side, radius = 5 * isd_m, isd_m / 3**0.5
    return Scenario(
        layout=Layout(side, side, wrap=True),
        tiers=(
            replace(
                tier,
                count=57,
                sectors=3,
                placement="hex",
                spacing_m=isd_m,
                azimuth_deg=(30.0, 150.0, 270.0),
                pattern="38.901",
            ),
        ),
        users=replace(users, count=57 * users_per_cell, placement="hexagons", cell_radius_m=radius),
        channel=Channel(carrier_hz=carrier_ghz * 1e9, shadowing="correlated", fading="rayleigh"),
        radio=Radio(bandwidth_hz=20e6, num_rbs=1, noise_w=_NO_NOISE_W),
    )


_NO_NOISE_W = 1e-25  # far below any interference, and within float32
_OUTDOORS = Users(height_m=1.5, pair_distance_m=(35.0, 500.0))


def hex_19x3(users_per_cell: int = 10, isd_m: float = 500.0) -> Scenario:
    """19 urban-macro masts of three sectors, one element of 65 degrees a cell, users outdoors, no noise.

    The grid's rows run from south to north: cells look between two neighbouring masts, not at one.

    Args:
        users_per_cell: users around each mast, over three; at least 35 m away from it.
        isd_m: inter-site distance.
    """
    tier = Tier("macro", power_dbm=46.0, height_m=25.0, pathloss="uma", grid_bearing_deg=0.0)
    return replace(_three_sectors(isd_m, users_per_cell, tier, _OUTDOORS, 2.0), name="hex-19x3")


def calibration_uma(users_per_cell: int = 10, carrier_ghz: float = 6.0) -> Scenario:
    """Large-scale calibration of TR 38.901 (Table 7.8-1, 3GPP R1-165974): urban macro, 500 m between masts.

    A cell's panel has ten elements one above the other and a downtilt of 12 degrees. Eight users in ten are in buildings of four
    to eight floors, half of them of high penetration loss.

    Args:
        users_per_cell: users around each mast, over three.
        carrier_ghz: 6, 30 or 70 in the calibration.
    """
    tier = Tier("macro", power_dbm=49.0, height_m=25.0, pathloss="uma", panel=_CALIBRATION_PANEL)
    users = replace(_OUTDOORS, indoor_fraction=0.8)
    return replace(_three_sectors(500.0, users_per_cell, tier, users, carrier_ghz), name="calibration-uma")


def calibration_umi(users_per_cell: int = 10, carrier_ghz: float = 6.0) -> Scenario:
    """The same for urban micro stations, street canyon: 10 m high, 200 m apart, users at least 10 m away.

    Args:
        users_per_cell: users around each mast, over three.
        carrier_ghz: 6, 30 or 70 in the calibration.
    """
    tier = Tier("micro", power_dbm=44.0, height_m=10.0, pathloss="umi", panel=_CALIBRATION_PANEL)
    users = replace(_OUTDOORS, indoor_fraction=0.8, pair_distance_m=(10.0, 500.0))
    return replace(_three_sectors(200.0, users_per_cell, tier, users, carrier_ghz), name="calibration-umi")


_CALIBRATION_PANEL = Panel(rows=10, tilt_deg=12.0)
