"""Scenarios by name."""

import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Literal, TypeVar

from hetgraph.channel import Panel
from hetgraph.graph.mobility import Mobility, Services
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Channel, Layout, Radio, Tier, Users

T = TypeVar("T")


def uma_5bs(users: int = 5400, num_rbs: int = 51) -> Scenario:
    """Table 1 of the HetGNN paper: 5 urban-macro stations, 5,400 users, 51 resource blocks over 20 MHz.

    Four stations form a square and one stands between the two on its left. The paper takes the coordinates from a file that
    it does not print; the square's side is 200 m here and the margin around it 20 m.

    Args:
        users: number of users.
        num_rbs: resource blocks that share the 20 MHz.
    """
    margin, side = 20.0, 200.0
    corners = ((margin, margin), (margin + side, margin), (margin, margin + side), (margin + side, margin + side))
    return Scenario(
        name="uma-5bs",
        layout=Layout(side + 2 * margin, side + 2 * margin),
        tiers=(
            Tier(
                "macro",
                count=5,
                power_dbm=46.0,
                height_m=25.0,
                pathloss="uma",
                placement="fixed",
                positions=(*corners, (margin, margin + side / 2)),
                num_antennas=8,
                circuit_power_w=130.0,
                amplifier_efficiency=0.213,
            ),
        ),
        users=Users(count=users, height_m=1.5, placement="uniform", spacing_m=1.2),
        channel=Channel(carrier_hz=3.5e9, shadowing="correlated", shadow_sigma_db=6.0, fading="rayleigh"),
        radio=Radio(bandwidth_hz=20e6, num_rbs=num_rbs, noise_figure_db=9.0),
    )


def hetnet_3tier() -> Scenario:
    """Macro, micro and pico stations on the same band: the case in which association matters.

    Half of the 600 users gather around the picos, whose 30 dBm lose against the macros' 46 dBm beyond a few metres, so
    that the strongest station is mostly the wrong one. Circuit powers and efficiencies are those of the EARTH model
    (Auer et al. 2011, Table 2).
    """
    return Scenario(
        name="hetnet-3tier",
        layout=Layout(1000.0, 1000.0),
        tiers=(
            _station("macro", 3, 46.0, 25.0, "uma", 300.0, 130.0, 0.213),
            _station("micro", 6, 38.0, 10.0, "umi", 100.0, 56.0, 0.385),
            _station("pico", 12, 30.0, 10.0, "umi", 60.0, 6.8, 0.25),
        ),
        users=Users(
            count=600, placement="clustered", clustered_fraction=0.5, cluster_tier="pico", cluster_radius_m=80.0
        ),
        channel=Channel(carrier_hz=3.5e9, shadowing="correlated", fading="rayleigh"),
        radio=Radio(bandwidth_hz=20e6, num_rbs=12, noise_figure_db=9.0),
    )


def _station(
    name: str, count: int, power: float, height: float, model: str, spacing: float, circuit: float, efficiency: float
) -> Tier:
    return Tier(
        name,
        count=count,
        power_dbm=power,
        height_m=height,
        pathloss=model,
        spacing_m=spacing,
        num_antennas=4,
        circuit_power_w=circuit,
        amplifier_efficiency=efficiency,
    )


def interference_k(pairs: int = 20, *, noise_dbm: float = -100.0, model: str = "umi") -> Scenario:
    """K-user interference channel: transmitter-receiver pairs at constant density, one resource block.

    Args:
        pairs: number of pairs K; the area grows with it, 20 pairs on 250 m x 250 m.
        noise_dbm: noise power.
        model: propagation model alias; ``unit`` gives independent Rayleigh gains of mean one without geometry.
    """
    side = 250.0 * (pairs / 20) ** 0.5
    return Scenario(
        name="interference-k",
        layout=Layout(side, side),
        tiers=(Tier("pair", count=pairs, power_dbm=30.0, height_m=10.0, pathloss=model, num_antennas=1),),
        users=Users(count=pairs, placement="pairs", pair_distance_m=(10.0, 50.0)),
        channel=Channel(carrier_hz=2.4e9, los="always", shadowing="none", fading="rayleigh", min_distance_m=5.0),
        radio=Radio(bandwidth_hz=10e6, num_rbs=1, noise_w=10 ** ((noise_dbm - 30) / 10)),
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


def iot_noma(
    users: int = 100,
    small_cells: int = 8,
    subchannels: int = 20,
    bandwidth_mhz: float = 20.0,
    disturbance_db: float = 0.0,
    load: float = 1.0,
    layers: int = 2,
) -> Scenario:
    """Heterogeneous IoT network of the MADDQN-DMADDPG paper (Table 1): a macro station and small cells, superposed users.

    What the paper does not print: the area is 500 m x 500 m, the carrier 2 GHz, a slot 10 ms; path loss, circuit powers and
    efficiencies are those of urban macro and pico stations, as in ``hetnet-3tier``. Four users in ten stand, four walk, two move
    in groups; six in ten receive video, the others bursts.

    Args:
        users: number of users, 20 to 200 in the paper.
        small_cells: number of small cells, 3 to 15.
        subchannels: that share the band, 10 to 50.
        bandwidth_mhz: 10 to 20.
        disturbance_db: strength of the channels' disturbance, up to 12.
        load: factor on what users receive.
        layers: most users on a subchannel of a station.
    """
    macro = _station("macro", 1, 46.0, 25.0, "uma", 0.0, 130.0, 0.213)
    small = _station("small", small_cells, 30.0, 10.0, "umi", 60.0, 6.8, 0.25)
    return Scenario(
        name="iot-noma" if layers > 1 else "iot-oma",
        layout=Layout(500.0, 500.0),
        tiers=(replace(macro, placement="hex", num_antennas=1), replace(small, num_antennas=1)),
        users=Users(count=users, placement="uniform"),
        channel=Channel(carrier_hz=2e9, fading="rayleigh", disturbance_db=disturbance_db),
        radio=Radio(
            bandwidth_hz=bandwidth_mhz * 1e6,
            num_rbs=subchannels,
            noise_figure_db=9.0,
            slot_s=10e-3,
            layers=layers,
        ),
        mobility=Mobility(walking=0.4, grouped=0.2),
        services=Services(load=load),
    )


def iot_oma(
    users: int = 100,
    small_cells: int = 8,
    subchannels: int = 20,
    bandwidth_mhz: float = 20.0,
    disturbance_db: float = 0.0,
    load: float = 1.0,
) -> Scenario:
    """The same with one user on a subchannel of a station; arguments as in :func:`iot_noma`."""
    return iot_noma(users, small_cells, subchannels, bandwidth_mhz, disturbance_db, load, layers=1)


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

PRESETS: dict[str, Callable[..., Scenario]] = {
    "uma-5bs": uma_5bs,
    "hetnet-3tier": hetnet_3tier,
    "interference-k": interference_k,
    "hex-19": hexagonal,
    "random-19": scattered,
    "iot-noma": iot_noma,
    "iot-oma": iot_oma,
    "hex-19x3": hex_19x3,
    "calibration-uma": calibration_uma,
    "calibration-umi": calibration_umi,
}


def preset(name: str) -> Scenario:
    """Scenario by name; change it with :func:`dataclasses.replace` or :meth:`Scenario.scaled`.

    Args:
        name: a preset's name, with its arguments after a colon if need be: ``interference-k:pairs=40,noise_dbm=-75``.

    Raises:
        ValueError: an unknown name or argument, or a value of another type.
    """
    return named(name, PRESETS)


def named(name: str, presets: Mapping[str, Callable[..., T]]) -> T:
    """What a preset of a table makes, with the arguments after its name's colon.

    Raises:
        ValueError: an unknown name or argument, or a value of another type.
    """
    base, _, text = name.partition(":")
    if base not in presets:
        raise ValueError(f"preset: got {base!r}, expected one of {', '.join(presets)}")
    known = inspect.signature(presets[base]).parameters
    arguments: dict[str, int | float | str] = {}
    for part in filter(None, text.split(",")):
        key, _, value = part.partition("=")
        if key not in known:
            raise ValueError(f"preset {base}: got argument {key!r}, expected one of {', '.join(known) or 'none'}")
        kind = type(known[key].default)
        try:
            arguments[key] = kind(value)
        except ValueError:
            raise ValueError(f"preset {base}: got {key}={value}, expected a value of type {kind.__name__}") from None
    return presets[base](**arguments)
