"""Scenarios of environments that follow time: IoT networks, users who walk through a network, drive tests."""

from dataclasses import replace

from hetgraph.graph.mobility import Mobility, Services, Waypoints
from hetgraph.graph.presets_snapshot import hetnet_3tier, station
from hetgraph.graph.rules import Rules
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Channel, Layout, Radio, Tier, Users
from hetgraph.graph.source import Given
from hetgraph.graph.traffic import Flows
from hetgraph.serialization import Scalar

DRIVE_CELLS, DRIVE_USERS = 22, 250  # of a network made from drive tests


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
    macro = station("macro", 1, 46.0, 25.0, "uma", 0.0, 130.0, 0.213)
    small = station("small", small_cells, 30.0, 10.0, "umi", 60.0, 6.8, 0.25)
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
        traffic=Services(load=load),
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


def resized(scenario: Scenario, cells: int = 25, users: int = 250) -> Scenario:
    """A scenario with as many cells and users, at the density of its own cells.

    Args:
        scenario: of any size.
        cells: about how many; tiers keep their proportions (``hetnet-3tier`` has exactly 25, 50 or 100).
        users: number of users.

    Raises:
        ValueError: cells that its tiers cannot make, or a number that is not positive.
    """
    for name, number in (("cells", cells), ("users", users)):
        if number <= 0:
            raise ValueError(f"{name}: got {number}, expected a positive number")
    more = cells / scenario.num_stations
    return scenario.scaled(stations=more, area=more, users=users / scenario.users.count)


def resizable(scenario: Scenario) -> bool:
    """Whether cells and users can be placed for any number of them: not on a grid, at fixed places, or so many per cell."""
    users, anywhere = scenario.users, all(tier.placement == "uniform" for tier in scenario.tiers)
    return anywhere and users.placement in ("uniform", "clustered") and users.per_station is None


def handover_full(cells: int = 25, users: int = 250) -> Scenario:
    """Users on their way through ``hetnet-3tier``, with full buffers, a place every half second.

    Args:
        cells: about how many; exactly 25, 50 or 100.
        users: number of users.
    """
    base = resized(hetnet_3tier(), cells, users)
    mobility = Mobility(waypoints=Waypoints())
    return replace(base, name="handover-full", radio=replace(base.radio, slot_s=0.5), mobility=mobility)


def handover_traffic(
    cells: int = 25, users: int = 0, load: float = 2.8, video: float = 0.3, crowd: float = 4.0, fast: float = 0.2
) -> Scenario:
    """Users on their way through ``hetnet-3tier`` who download files and video; a tick of 0.1 s.

    One in five is in a vehicle, the others walk. With 25 cells there are 4 macro, 7 micro and 14 pico cells on a square of 1,091 m.

    Args:
        cells: about how many; exactly 25, 50 or 100.
        users: number of users; 0 for ten for each cell.
        load: mean rate of a user, Mbit/s.
        video: share of users who receive video.
        crowd: factor on what users of the flash crowd want; 1 for no crowd.
        fast: share of users in vehicles.
    """
    base = resized(hetnet_3tier(), cells, users or 10 * cells)
    return replace(
        base,
        name="handover-traffic",
        radio=replace(base.radio, slot_s=0.1),
        mobility=Mobility(waypoints=Waypoints(fast=fast)),
        traffic=Flows(load_bps=load * 1e6, video=video, crowd=crowd),
        rules=Rules(margin_db=1.0, time_to_trigger_s=0.1, decide_every=10, most_bps_hz=8.0),
    )


def lte_trace(
    path: str = "",
    cells: int = DRIVE_CELLS,
    users: int = DRIVE_USERS,
    split: str = "all",
    generation: str = "",
    operator: str = "",
    num_rbs: int = 1,
    fewest: int = 2,
) -> Scenario:
    """Drive tests of Raca et al. (4G of 2018, or 5G of 2020 on LTE anchors) as networks; a slot is a second.

    The traces do not tell power, band, noise figure and heights: 46 dBm, 18 MHz at 1.8 GHz, 9 dB, 25 m and 1.5 m. All cells are
    taken to share one band.

    Args:
        path: folder, searched through for ``*.csv``, or a file.
        cells: neighbouring cells of one operator in each network.
        users: pseudo-users, rows of different times, in each network.
        split: ``train``, ``val`` or ``test`` for some of the files, whose maps are those of the training files; ``all``.
        generation: ``4G`` or ``5G``; needed where the folder holds both.
        operator: as in the files; empty for any with enough cells.
        num_rbs: resource blocks that share the band.
        fewest: rows that a cell must have served.

    Raises:
        ValueError: no path.
    """
    if not path:
        raise ValueError("preset lte-trace: got no path, expected lte-trace:path=FOLDER")
    given: dict[str, Scalar] = {"split": split, "generation": generation, "operator": operator, "fewest": fewest}
    options = tuple(sorted((name, value) for name, value in given.items() if value))
    return Scenario(
        name="lte-trace",
        source=Given("traces", path, options),
        tiers=(Tier("macro", count=cells, power_dbm=46.0, height_m=25.0),),
        users=Users(count=users, height_m=1.5),
        channel=Channel(carrier_hz=1.8e9),
        radio=Radio(bandwidth_hz=18e6, num_rbs=num_rbs, noise_figure_db=9.0, slot_s=1.0),
    )
