"""A user's own network, of a file of cells and one of users, as a scenario."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hetgraph.channel import AntennaPattern
from hetgraph.graph.csvfile import GLOBE, PLANE, Table
from hetgraph.graph.plausible import warn_area, warn_coverage, warn_heights, warn_omni, warn_swapped
from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Carrier, Layout, Tier, Users
from hetgraph.graph.selection import Selection
from hetgraph.graph.site_antennas import site_antennas
from hetgraph.graph.site_file import MODELS, Site, site_table, sites_of
from hetgraph.graph.user_file import user_table, users_of

_MARGIN_M = 100.0


def scenario_from_csv(
    sites: str | Path,
    users: str | Path | None = None,
    *,
    base: Scenario | str | None = None,
    selection: Selection = Selection(),
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
        selection: which cells of the file are taken.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that does not fit.
    """
    base = preset(base or "hetnet-3tier") if not isinstance(base, Scenario) else base
    table = site_table(sites, selection)
    stations = sites_of(table, table.places(None))
    warn_heights(table, stations)
    points, crowd = _crowd(user_table(users), table, base.users) if users is not None else ([], base.users)
    xs, ys = ([s.x for s in stations] + [p[0] for p in points], [s.y for s in stations] + [p[1] for p in points])
    warn_area(sites, table.projection(), xs, ys)
    margin = 0.0 if points else _MARGIN_M
    left, low = min(xs) - margin, min(ys) - margin
    layout = Layout(max(max(xs) + margin - left, 1.0), max(max(ys) + margin - low, 1.0))
    base = dataclasses.replace(base, layout=layout)
    base, names = _carriers(stations, base)
    antennas = site_antennas(sites, stations)
    tiers = tuple(
        dataclasses.replace(
            _tier([stations[i] for i in members], left, low, base, names[stations[members[0]].carrier_hz]),
            row=tuple(table.rows[i].number for i in members),
            **_pattern([stations[i] for i in members], antennas[members[0]]),
        )
        for members in _groups(stations, antennas).values()
    )
    crowd = dataclasses.replace(crowd, placement="uniform", spacing_m=0.0)
    if points:
        moved = tuple((x - left, y - low) for x, y in points)
        crowd = dataclasses.replace(crowd, placement="fixed", positions=moved, count=len(moved))
    scenario = dataclasses.replace(base, name=Path(sites).stem, tiers=tiers, users=crowd)
    warn_omni(sites, scenario)
    if users is not None:
        warn_coverage(users, scenario)
    return scenario


def _crowd(people: Table, masts: Table, users: Users) -> tuple[list[tuple[float, float]], Users]:
    """Places of the users in the plane of the sites, and the base's users with what their file says of them."""
    if people.is_globe != masts.is_globe:
        got, expected = (",".join(GLOBE if each.is_globe else PLANE) for each in (people, masts))
        path = masts.header.path
        raise ValueError(f"{people.header.path}: got the columns {got}, expected {expected}, as in {path}")
    if people.is_globe:
        warn_swapped(masts, people)
    return people.places(masts.projection()), users_of(people, users)


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
