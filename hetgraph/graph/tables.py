"""A user's own network, of a file of cells and one of users, as a scenario."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hetgraph.channel import AntennaPattern
from hetgraph.graph.csvfile import GLOBE, PLANE, Table
from hetgraph.graph.density import Density
from hetgraph.graph.density_file import read_density
from hetgraph.graph.far_cells import far_cells
from hetgraph.graph.loads import mean_load
from hetgraph.graph.plausible import warn_area, warn_coverage, warn_heights, warn_omni, warn_swapped
from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Carrier, Layout, Tier, Users
from hetgraph.graph.selection import Selection
from hetgraph.graph.site_antennas import site_antennas
from hetgraph.graph.site_file import MODELS, Site, read_cells, sites_of, taken
from hetgraph.graph.trapezoids import Box
from hetgraph.graph.user_file import user_table, users_of, users_within

_MARGIN_M = 100.0  # around cells, where users are placed uniformly
_AROUND_M = 900.0  # beyond that, where a map says where they are


def scenario_from_csv(
    sites: str | Path,
    users: str | Path | None = None,
    *,
    base: Scenario | str | None = None,
    selection: Selection = Selection(),
    density: str | Path | None = None,
    num_users: int | None = None,
) -> Scenario:
    """A user's own network as a scenario.

    Cells become tiers of equal kind, in the order of their first rows. Who is who stays known: :meth:`Scenario.names` gives site,
    cell and row of each station, and ``bs.row`` of a sampled graph the row.
    Coordinates are moved so that the area starts at the origin. Cells on several carriers share the base's resource blocks
    among them: each carrier has as many, and as much bandwidth, as the base.

    Args:
        sites: file of cells; see :func:`~hetgraph.graph.read_sites`.
        users: file of users, with their height in a column ``z``, and ``indoor`` (0 or 1) and ``floor`` (0 for the ground
            floor) if need be; without it the base's number of users is placed uniformly.
        base: channel, radio and users' properties, a scenario or a preset's name; ``hetnet-3tier`` when ``None``.
        selection: which cells of the file are taken, and what their loads are for; users outside its window are left out.
        density: map of traffic by which users are placed in each network, where there is no file of users; see
            :func:`~hetgraph.graph.density_file.read_density`. What is farther than 1 km from the area of the cells is left out.
        num_users: how many users there are without a file of users; the base's number when ``None``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that does not fit, or users of two kinds.
    """
    for name, value in (("density", density), ("num_users", num_users)):
        if users is not None and value is not None:
            raise ValueError(f"{name}: got {value} beside a file of users, expected one of both")
    base = preset(base or "hetnet-3tier") if not isinstance(base, Scenario) else base
    cells = read_cells(sites, reads_load=selection.reads_load)
    table = taken(cells, selection)
    if selection.start_load and "load" not in table:
        raise ValueError(f"{sites}: start_load: got no column of loads such as prb_util, expected one")
    stations = sites_of(table, table.places(None))
    warn_heights(table, stations)
    count = base.users.count if num_users is None else num_users
    crowd = dataclasses.replace(base.users, count=count, placement="uniform", spacing_m=0.0, density=Density())
    area = _area([(site.x, site.y) for site in stations], _MARGIN_M)
    if users is not None:
        crowd = _crowd(user_table(users), table, base.users, selection)
        area = _area([*((site.x, site.y) for site in stations), *crowd.positions], 0.0)
    elif density is not None:
        around = Box(area.west - _AROUND_M, area.south - _AROUND_M, area.east + _AROUND_M, area.north + _AROUND_M)
        crowd = dataclasses.replace(crowd, placement="density", density=read_density(density, table, around))
        area = area.with_box(crowd.density.box)
    warn_area(sites, table.projection(), (area.west, area.east), (area.south, area.north))
    layout = Layout(max(area.east - area.west, 1.0), max(area.north - area.south, 1.0))
    base = dataclasses.replace(base, layout=layout)
    base_hz = base.carriers[0].carrier_hz
    base, names = _carriers(stations, base)
    rows = [row.number for row in table.rows]
    usual = mean_load(cells)
    if selection.start_load and usual is None:
        raise ValueError(f"{sites}: start_load: got no load in any row, expected some")
    tiers = _tiers(sites, stations, rows, area, base, names, load=usual if selection.start_load else None)
    background: tuple[Tier, ...] = ()
    if selection.far_cells:
        far = far_cells(selection.around(cells), table, stations, base.radio, base_hz, usual)
        background = _tiers(sites, far, [], area, base, names, load=usual or 0.0)
    crowd = dataclasses.replace(
        crowd,
        positions=tuple((x - area.west, y - area.south) for x, y in crowd.positions) if users is not None else (),
        density=crowd.density.moved(-area.west, -area.south),
    )
    scenario = dataclasses.replace(base, name=Path(sites).stem, tiers=tiers, users=crowd, background=background)
    warn_omni(sites, scenario)
    crowd_file = density if users is None else users
    if crowd_file is not None:
        warn_coverage(crowd_file, scenario)
    return scenario


def _area(places: Sequence[tuple[float, float]], margin_m: float) -> Box:
    """The box around places."""
    xs, ys = zip(*places, strict=True)
    return Box(min(xs) - margin_m, min(ys) - margin_m, max(xs) + margin_m, max(ys) + margin_m)


def _tiers(
    path: str | Path,
    cells: Sequence[Site],
    rows: Sequence[int],
    area: Box,
    base: Scenario,
    names: dict[float | None, str],
    *,
    load: float | None,
) -> tuple[Tier, ...]:
    """Cells as tiers of equal kind, with their rows in the file, if any, and their loads, if ``load``, that of the rest, is given."""
    antennas, out = site_antennas(path, cells), []
    for members in _groups(cells, antennas).values():
        some = [cells[i] for i in members]
        tier = _tier(some, area.west, area.south, base, names[some[0].carrier_hz])
        more = _pattern(some, antennas[members[0]])
        if load is not None:
            more["load"] = tuple(load if site.load is None else site.load for site in some)
        out.append(dataclasses.replace(tier, row=tuple(rows[i] for i in members) if rows else (), **more))
    return tuple(out)


def _crowd(people: Table, masts: Table, users: Users, selection: Selection) -> Users:
    """The base's users with what their file says of them, at their places in the plane of the sites."""
    if people.is_globe != masts.is_globe:
        got, expected = (",".join(GLOBE if each.is_globe else PLANE) for each in (people, masts))
        path = masts.header.path
        raise ValueError(f"{people.header.path}: got the columns {got}, expected {expected}, as in {path}")
    if people.is_globe:
        warn_swapped(masts, people)
    people = users_within(people, selection)
    places = tuple(people.places(masts.projection()))
    crowd = users_of(people, users)
    return dataclasses.replace(
        crowd, placement="fixed", positions=places, count=len(places), spacing_m=0.0, density=Density()
    )


def _carriers(sites: Sequence[Site], base: Scenario) -> tuple[Scenario, dict[float | None, str]]:
    """The base with a carrier for each frequency of the file, and the name of each frequency's carrier.

    Each carrier has the bandwidth and the resource blocks of the base's first one. Rows without a frequency have that one's.
    """
    given = list(dict.fromkeys(site.carrier_hz for site in sites))
    like, names = base.carriers[0], dict.fromkeys(given, "")
    if given == [None]:
        return base, names
    frequencies = list(dict.fromkeys(like.carrier_hz if hz is None else hz for hz in given))
    if len(frequencies) > 1:
        names = {hz: f"{(like.carrier_hz if hz is None else hz) / 1e6:.12g} MHz" for hz in given}
    many = tuple(Carrier(f"{hz / 1e6:.12g} MHz", hz, like.bandwidth_hz, like.num_rbs) for hz in frequencies)
    radio = dataclasses.replace(
        base.radio,
        carriers=many if len(many) > 1 else (),
        bandwidth_hz=like.bandwidth_hz * len(many),
        num_rbs=like.num_rbs * len(many),
    )
    channel = dataclasses.replace(base.channel, carrier_hz=frequencies[0])
    tiers = tuple(dataclasses.replace(tier, carrier="") for tier in base.tiers)
    return dataclasses.replace(base, radio=radio, channel=channel, tiers=tiers), names


def _groups(sites: Sequence[Site], antennas: Sequence[AntennaPattern | None]) -> dict[tuple[object, ...], list[int]]:
    """Numbers of the cells of each kind: all that a :class:`Tier` has once for all its cells."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, site in enumerate(sites):
        omni = site.azimuth_deg is None
        antenna = "" if antennas[row] is None else site.antenna
        kind = (site.tier, site.z, site.power_dbm, site.num_antennas, omni, site.carrier_hz, site.panel, antenna)
        groups.setdefault(kind, []).append(row)
    return groups


def _pattern(members: list[Site], antenna: AntennaPattern | None) -> dict[str, Any]:
    """Fields of a tier with a manufacturer's antenna: the antenna tilts mechanically, its beam electrically."""
    if antenna is None:
        return {}
    known = [site.elec_tilt_deg for site in members]
    beam = tuple(antenna.tilt_deg if tilt is None else tilt for tilt in known)
    return {
        "antenna": antenna,
        "azimuth_deg": tuple(site.azimuth_deg or 0.0 for site in members),
        "tilt_deg": tuple(site.mech_tilt_deg for site in members),
        "beam_tilt_deg": () if known.count(None) == len(known) else beam,
    }


def _tier(members: list[Site], left: float, low: float, base: Scenario, carrier: str) -> Tier:
    first = members[0]
    like = next((tier for tier in base.tiers if tier.name == first.tier), base.tiers[0])
    omni = first.azimuth_deg is None
    return Tier(
        first.tier,
        count=len(members),
        power_dbm=first.power_dbm,
        height_m=first.z,
        pathloss=MODELS.get(first.tier, like.pathloss),
        placement="fixed",
        positions=tuple((s.x - left, s.y - low) for s in members),
        site=tuple(s.site for s in members) if any(s.site for s in members) else (),
        cell=tuple(s.cell for s in members) if any(s.cell for s in members) else (),
        azimuth_deg=() if omni else tuple(s.azimuth_deg or 0.0 for s in members),
        pattern="omni" if omni else "38.901",
        tilt_deg=tuple(s.tilt_deg for s in members) if any(s.tilt_deg for s in members) else (),
        panel=first.panel,
        carrier=carrier,
        num_antennas=first.num_antennas,
        circuit_power_w=like.circuit_power_w,
        amplifier_efficiency=like.amplifier_efficiency,
    )
