"""The parts of a scenario: area, cells, users, propagation and radio."""

from dataclasses import dataclass
from typing import Literal

from hetgraph.channel import AntennaPattern, Panel
from hetgraph.graph.density import Density

PATHLOSS = ("uma", "umi", "rma", "inh-mixed", "inh-open", "cost231", "lte", "log-distance", "free-space", "unit")


@dataclass(frozen=True)
class Layout:
    """The area in which stations and users are placed.

    Args:
        width_m: extent along x, to the east.
        height_m: extent along y, to the north.
        wrap: the area continues around its edges (wrap-around): each link takes the nearest of seven images of its mast. For
            hexagonal placements of whole rings (1, 7, 19, 37, ... masts) that all tiers share.
    """

    width_m: float = 1000.0
    height_m: float = 1000.0
    wrap: bool = False


@dataclass(frozen=True)
class Tier:
    """Cells of one kind. A cell is a station of the graph; cells on one mast share its place, line of sight and shadowing.

    Lists of bearings and tilts have one number for all cells, one for each sector of a mast, or one for each cell.

    Args:
        name: e.g. ``macro``.
        count: cells in each network.
        power_dbm: power budget of a cell.
        rb_power_dbm: largest power on a resource block; ``None`` for the whole budget.
        height_m: antenna height.
        pathloss: propagation model alias of :mod:`hetgraph.channel`, or ``unit`` for a path gain of one.
        placement: ``uniform`` (at random, apart by ``spacing_m`` where there is room), ``hex`` (rings around the centre),
            ``jittered`` (each site a hexagonal step from one placed before, plus up to ``jitter_m`` along both axes) or
            ``fixed`` (``positions``).
        spacing_m: smallest distance to stations placed before; the inter-site distance for ``hex`` and ``jittered``.
        grid_bearing_deg: compass bearing of a neighbour on the ``hex`` grid; 90 for rows from west to east.
        jitter_m: largest shift of a ``jittered`` site along each axis.
        positions: ``(x, y)`` of each cell in metres, for ``fixed``; those within a metre of each other are on one mast.
        site: name of each cell's mast, for ``fixed``; cells of one name within 100 m are on one mast, too.
        cell: name of each cell.
        row: row of each cell in its owner's file, from 0.
        sectors: cells on each mast that is drawn (not ``fixed``); ``count`` is a multiple of it.
        azimuth_deg: boresight as a compass bearing: degrees clockwise from north, so that 90 looks to the east.
        pattern: ``omni`` or ``38.901``, the standard's antenna element pointed at ``azimuth_deg`` and ``tilt_deg``.
        tilt_deg: downtilt of the antenna, positive downwards: mechanical plus electrical, where no ``panel`` steers its beam.
        panel: array of elements of ``pattern`` whose beam is steered down by ``panel.tilt_deg``; ``None`` for one element.
        antenna: a manufacturer's pattern in place of the element of ``pattern``; ``None`` for none.
        beam_tilt_deg: electrical downtilt of ``antenna``'s beam, for which ``tilt_deg`` is the mechanical one alone; a list as those
            above; empty for the pattern's own.
        load: share of each cell's resource blocks that is in use at the start of an episode; of a cell of ``Scenario.background``
            the share of its power at which it interferes. Empty for none at the start, and for full power.
        carrier: name of one of ``radio.carriers``; empty for the first.
        num_antennas: antenna nodes of each cell without a ``panel``; with one they are its ports.
        max_users: users that a station may serve; 0 for no limit.
        circuit_power_w: power drawn besides transmission.
        amplifier_efficiency: transmitted over drawn power of the amplifier.
    """

    name: str = "macro"
    count: int = 1
    power_dbm: float = 46.0
    rb_power_dbm: float | None = None
    height_m: float = 25.0
    pathloss: str = "uma"
    placement: Literal["uniform", "hex", "jittered", "fixed"] = "uniform"
    spacing_m: float = 0.0
    grid_bearing_deg: float = 90.0
    jitter_m: float = 0.0
    positions: tuple[tuple[float, float], ...] = ()
    site: tuple[str, ...] = ()
    cell: tuple[str, ...] = ()
    sectors: int = 1
    azimuth_deg: tuple[float, ...] = ()
    pattern: Literal["omni", "38.901"] = "omni"
    tilt_deg: tuple[float, ...] = ()
    panel: Panel | None = None
    carrier: str = ""
    num_antennas: int = 1
    max_users: int = 0
    circuit_power_w: float = 0.0
    amplifier_efficiency: float = 1.0
    row: tuple[int, ...] = ()
    antenna: AntennaPattern | None = None
    beam_tilt_deg: tuple[float, ...] = ()
    load: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("azimuth_deg", "tilt_deg", "beam_tilt_deg"):  # one number stands for all cells
            value = getattr(self, name)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                object.__setattr__(self, name, (float(value),))

    def per_cell(self, name: str) -> list[float]:
        """``azimuth_deg``, ``tilt_deg`` or ``beam_tilt_deg`` of each cell; zeros where none is given."""
        values: tuple[float, ...] = getattr(self, name) or (0.0,)
        return [values[i % len(values)] for i in range(self.count)]

    def downtilts_deg(self) -> list[float]:
        """Downtilt of each cell's antenna, mechanical plus electrical where ``antenna`` tells them apart."""
        tilts = self.per_cell("tilt_deg")
        if self.antenna is None:
            return tilts
        beams = self.per_cell("beam_tilt_deg") if self.beam_tilt_deg else [self.antenna.tilt_deg] * self.count
        return [tilt + beam for tilt, beam in zip(tilts, beams, strict=True)]

    @property
    def directional(self) -> bool:
        """Whether the antenna looks somewhere."""
        return self.pattern != "omni" or self.panel is not None or self.antenna is not None

    @property
    def ports(self) -> int:
        """Antenna nodes of each cell."""
        return self.num_antennas if self.panel is None else self.panel.num_ports


@dataclass(frozen=True)
class Users:
    """User equipment.

    Indoor users (TR 38.901 sec. 7.4.3): the flag, the floor, the indoor distance and the loss of the building belong to the user and
    are the same toward all stations.

    Args:
        count: users in each network.
        height_m: antenna height above the ground or above the floor; a floor is 3 m high.
        placement: ``uniform``, ``clustered``, ``pairs`` (user i around station i, served by it alone), ``hexagons`` or
            ``squares`` (equally many around each station, in a cell of ``cell_radius_m``), ``fixed``, ``efficiencies`` (where
            neighbouring stations of a ``hex`` grid are received at the given ``efficiencies``, behind a wall if need be),
            ``density`` (as likely as a map of traffic says) or
            ``conflicts`` (nowhere: users of ``station`` who disturb one another by ``conflicts``, without geometry).
        clustered_fraction: share of the users that is placed around stations of ``cluster_tier``.
        cluster_tier: tier around whose stations users gather; empty for the last one.
        cluster_radius_m: radius of a cluster.
        cell_radius_m: from a station to the corners of its hexagon, or half the side of its square.
        nearest_only: a user may be served by the nearest station alone.
        per_station: fewest and most users to which a station is the nearest; ``None`` for any numbers.
        spacing_m: smallest distance between two users.
        pair_distance_m: least and greatest distance to the own station, for ``pairs``; the least also for ``hexagons``.
        positions: ``(x, y)`` in metres, for ``fixed``.
        indoor_fraction: share of users in buildings, where ``indoor`` does not say who.
        floors: fewest and most floors of a building; a user's floor is any of its building's.
        high_loss_fraction: share of buildings of high penetration loss (coated glass, concrete) among them.
        indoor_distance_m: greatest distance from the outer wall to the user; the smaller of two uniform draws.
        indoor: each user is in a building or not, for ``fixed``.
        floor: floor of each user, 0 for the ground floor, for ``fixed``.
        speed_mps: speed, in a random direction.
        rate_min_bps: rate that counts as a kept promise.
        station: station that serves each user, for ``conflicts``.
        conflicts: pairs (i, j): user i disturbs user j, for ``conflicts``.
        hears: stations that a user hears, neighbours of each other, for ``efficiencies``; 1 to 3.
        efficiencies: spectral efficiencies without interference, bit/s/Hz, all as likely toward each of these stations.
        first_bonus: what users hear the first station better by, bit/s/Hz.
        density: map of traffic, for ``density``.
    """

    count: int = 100
    height_m: float = 1.5
    placement: Literal[
        "uniform", "clustered", "pairs", "hexagons", "squares", "fixed", "efficiencies", "density", "conflicts"
    ] = "uniform"
    clustered_fraction: float = 0.5
    cluster_tier: str = ""
    cluster_radius_m: float = 40.0
    cell_radius_m: float = 500.0
    nearest_only: bool = False
    per_station: tuple[int, int] | None = None
    spacing_m: float = 0.0
    pair_distance_m: tuple[float, float] = (2.0, 50.0)
    positions: tuple[tuple[float, float], ...] = ()
    indoor_fraction: float = 0.0
    floors: tuple[int, int] = (4, 8)
    high_loss_fraction: float = 0.5
    indoor_distance_m: float = 25.0
    indoor: tuple[bool, ...] = ()
    floor: tuple[int, ...] = ()
    speed_mps: float = 0.0
    rate_min_bps: float = 0.0
    station: tuple[int, ...] = ()
    conflicts: tuple[tuple[int, int], ...] = ()
    hears: int = 3
    efficiencies: tuple[float, ...] = ()
    first_bonus: float = 0.0
    density: Density = Density()


@dataclass(frozen=True)
class Channel:
    """Propagation.

    Args:
        carrier_hz: carrier frequency of all cells, where ``radio.carriers`` is empty.
        los: ``probability`` (a state drawn by the model's LOS probability), ``soft`` (likewise, but with the gradual transition
            of TR 38.901 sec. 7.6.3.3), ``always`` or ``never``. States are functions of the place where shadowing is correlated.
        shadowing: ``none``, ``independent`` or ``correlated`` in space (field with the standard's correlation distance).
        shadow_sigma_db: standard deviation in dB; ``None`` for the model's own.
        fading: per resource block: ``none``, ``rayleigh``, ``rician``, or with ``mimo`` also ``clustered``: paths with the spreads of
            TR 38.901, which correlate antennas by their directions and blocks by their delays.
        rician_k_db: K factor in dB of ``rician``; ``clustered`` draws each link's own.
        mimo: channels of each antenna, ``h``, for stations that precode.
        min_distance_m: 2D distances below this one are taken as this one in the path loss.
        disturbance_db: standard deviation of a further log-normal change of every link that comes and goes with time; only
            environments that follow time know it.
        disturbance_s: time after which its correlation has fallen to 1/e.
    """

    carrier_hz: float = 3.5e9
    los: Literal["probability", "soft", "always", "never"] = "probability"
    shadowing: Literal["none", "independent", "correlated"] = "correlated"
    shadow_sigma_db: float | None = None
    fading: Literal["none", "rayleigh", "rician", "clustered"] = "rayleigh"
    rician_k_db: float = 9.0
    min_distance_m: float = 10.0
    disturbance_db: float = 0.0
    disturbance_s: float = 0.2
    mimo: bool = False


@dataclass(frozen=True)
class Carrier:
    """A carrier of the operator: it owns a range of the resource blocks. Cells on other carriers are silent there.

    Args:
        name: what tiers call it.
        carrier_hz: carrier frequency.
        bandwidth_hz: bandwidth, shared equally by its resource blocks.
        num_rbs: its resource blocks.
    """

    name: str = "carrier"
    carrier_hz: float = 3.5e9
    bandwidth_hz: float = 20e6
    num_rbs: int = 12


@dataclass(frozen=True)
class Radio:
    """Bandwidth, noise and the rules of who can serve and who is a neighbour.

    Args:
        bandwidth_hz: system bandwidth, shared equally by the resource blocks; the sum over ``carriers`` where there are any.
        num_rbs: resource blocks R; likewise.
        carriers: carriers, which own the resource blocks in this order; empty for one at ``channel.carrier_hz``.
        noise_figure_db: of the user equipment.
        noise_w: noise power per resource block, W, in place of thermal noise.
        slot_s: length of a slot.
        candidates: strongest stations that get a channel edge to a user; 0 for all.
        far_load: share of full power at which the other stations count as far interference.
        neighbours: nearest masts whose cells are a cell's interference neighbourhood, beside the others on its own mast.
        neighbour_db: when positive, neighbours are instead the stations whose path loss to a user that the other serves is at
            most so much above the serving station's, in either direction.
        layers: most users that a station superposes on a resource block, or with ``channel.mimo`` serves there at once by its
            antennas; 1 for orthogonal access.
    """

    bandwidth_hz: float = 20e6
    num_rbs: int = 12
    noise_figure_db: float = 9.0
    noise_w: float | None = None
    slot_s: float = 1e-3
    candidates: int = 0
    far_load: float = 1.0
    neighbours: int = 6
    neighbour_db: float = 0.0
    layers: int = 1
    carriers: tuple[Carrier, ...] = ()
