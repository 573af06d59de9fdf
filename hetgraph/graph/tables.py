"""Cells and users from CSV files, and back."""

import csv
import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from hetgraph.channel import Panel
from hetgraph.graph.csvfile import GLOBE, PLANE, Row, is_globe, places, projection_of, read_rows
from hetgraph.graph.geo import Projection
from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Carrier, Layout, Tier, Users

SITE_COLUMNS = ("x", "y", "z", "tier", "power_dbm", "azimuth_deg", "num_antennas")
MORE_SITE_COLUMNS = ("tilt_deg", "site", "cell", "carrier_hz", "panel_rows", "panel_columns", "panel_tilt_deg")
USER_COLUMNS = ("x", "y")
USER_NAMES = ("user", "id")  # column that names users, where there is one
_MOST_ELEMENTS, _MOST_FLOORS, _MOST_CARRIER_HZ = 64, 200, 1e12
_MODELS = {"macro": "uma", "micro": "umi", "pico": "umi", "rural": "rma", "indoor": "inh-mixed"}
_MARGIN_M = 100.0


@dataclasses.dataclass(frozen=True)
class Site:
    """A cell of a user's own network.

    Args:
        x: east, m.
        y: north, m.
        z: antenna height, m.
        tier: name of its tier; macro, micro, pico, rural and indoor choose the propagation model, others take the base's.
        power_dbm: power budget.
        azimuth_deg: compass bearing of a sector antenna, clockwise from north; ``None`` for an omnidirectional one.
        num_antennas: antenna nodes.
        tilt_deg: downtilt, mechanical plus electrical, positive downwards.
        site: name of its mast; cells of one name, or within a metre of each other, are on one.
        cell: its own name.
        carrier_hz: carrier frequency; ``None`` for the base's.
        panel_rows: elements of its panel, one above the other; 0 for no panel.
        panel_columns: elements side by side.
        panel_tilt_deg: electrical downtilt of the panel's beam, in addition to ``tilt_deg``, which tilts the panel.
    """

    x: float
    y: float
    z: float = 25.0
    tier: str = "macro"
    power_dbm: float = 46.0
    azimuth_deg: float | None = None
    num_antennas: int = 1
    tilt_deg: float = 0.0
    site: str = ""
    cell: str = ""
    carrier_hz: float | None = None
    panel_rows: int = 0
    panel_columns: int = 1
    panel_tilt_deg: float = 0.0

    @property
    def panel(self) -> Panel | None:
        """Its panel, if it has one."""
        if not self.panel_rows:
            return None
        return Panel(self.panel_rows, self.panel_columns, tilt_deg=self.panel_tilt_deg)


def read_sites(path: str | Path, *, projection: Projection | None = None) -> list[Site]:
    """Cells of a CSV with the columns ``x,y,z,tier,power_dbm,azimuth_deg,num_antennas``; an empty azimuth is omnidirectional.

    More columns may be there: ``tilt_deg,site,cell,carrier_hz,panel_rows,panel_columns,panel_tilt_deg``; see :class:`Site`.

    Args:
        path: the file; ``lat,lon`` may stand for ``x,y``.
        projection: plane for ``lat,lon``; the one that touches in the middle of the sites when ``None``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a missing column, a cell that is no number or out of range, no rows.
    """
    rows = read_rows(path, SITE_COLUMNS)
    return [_site(row, place) for row, place in zip(rows, places(rows, projection), strict=True)]


def _site(row: Row, place: tuple[float, float]) -> Site:
    antennas = row.number("num_antennas")
    if antennas != int(antennas) or antennas < 0:
        raise row.error("num_antennas", "a whole number of 0 or more")
    height = row.number("z")
    if height <= 0:
        raise row.error("z", "a positive height, m")
    azimuth = row.number("azimuth_deg", -360, 360) if row.cells["azimuth_deg"] else None
    readers: dict[str, Callable[[str], object]] = {
        "tilt_deg": lambda name: row.number(name, -90, 90),
        "site": row.text,
        "cell": row.text,
        "carrier_hz": lambda name: row.number(name, 1e6, _MOST_CARRIER_HZ),
        "panel_rows": lambda name: row.whole(name, 0, _MOST_ELEMENTS),
        "panel_columns": lambda name: row.whole(name, 1, _MOST_ELEMENTS),
        "panel_tilt_deg": lambda name: row.number(name, -90, 90),
    }
    more = {name: read(name) for name, read in readers.items() if row.has(name)}
    if more.get("panel_rows") and azimuth is None:
        raise row.error("azimuth_deg", "a bearing, since the cell has a panel")
    if not more.get("panel_rows") and (more.get("panel_columns", 1) != 1 or more.get("panel_tilt_deg", 0) != 0):
        raise ValueError(f"{row.path}: line {row.line}, panel_rows: got nothing, expected the rows of the cell's panel")
    known = (height, row.text("tier"), row.number("power_dbm"), azimuth, int(antennas))
    return Site(*place, *known, **more)  # type: ignore[arg-type]


def read_users(path: str | Path, *, projection: Projection | None = None) -> list[tuple[float, float]]:
    """User positions of a CSV with the columns ``x,y``, m.

    Args:
        path: the file; ``lat,lon`` may stand for ``x,y``.
        projection: plane for ``lat,lon``; the one that touches in the middle of the users when ``None``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a missing column, a cell that is no number or out of range, no rows.
    """
    return places(read_rows(path, USER_COLUMNS), projection)


def read_user_names(path: str | Path) -> list[str]:
    """Names of the users of a CSV: its column ``user`` or ``id``; else the numbers of their rows, from 0.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that :func:`read_users` refuses, an empty name, or a name that two users have.
    """
    rows = read_rows(path, USER_COLUMNS)
    column = next((name for name in USER_NAMES if name in rows[0].cells), None)
    if column is None:
        return [str(number) for number in range(len(rows))]
    names = [row.text(column) for row in rows]
    first = {name: row for row, name in reversed(list(zip(rows, names, strict=True)))}
    for row, name in zip(rows, names, strict=True):
        if first[name] is not row:
            raise row.error(column, f"a name that line {first[name].line} does not have")
    return names


def _crowd(path: str | Path, sites: str | Path, users: Users) -> tuple[list[tuple[float, float]], Users]:
    """Places of the users in the plane of the sites, and the base's users with the height and floors that the file gives."""
    rows, masts = read_rows(path, USER_COLUMNS), read_rows(sites, SITE_COLUMNS)
    if is_globe(rows) != is_globe(masts):
        got, expected = (",".join(GLOBE if is_globe(r) else PLANE) for r in (rows, masts))
        raise ValueError(f"{path}: got the columns {got}, expected {expected}, as in {sites}")
    if "z" in rows[0].cells:
        height = rows[0].number("z")
        for row in rows:
            if row.number("z") != height or height <= 0:
                raise row.error("z", f"one positive height for all users, such as {rows[0].cells['z']}")
        users = dataclasses.replace(users, height_m=height)
    if {"indoor", "floor"} & set(rows[0].cells):
        floor = tuple(row.whole("floor", 0, _MOST_FLOORS) if row.has("floor") else 0 for row in rows)
        indoor = tuple(
            bool(row.whole("indoor", 0, 1)) if row.has("indoor") else f > 0 for row, f in zip(rows, floor, strict=True)
        )
        users = dataclasses.replace(users, indoor=indoor, floor=floor)
    return places(rows, projection_of(masts)), dataclasses.replace(users, per_station=None)


def write_sites(path: str | Path, sites: Sequence[Site]) -> None:
    """Write cells; inverse of :func:`read_sites`. Columns beyond the first seven are written where a cell needs them."""
    default = Site(0, 0)
    more = [name for name in MORE_SITE_COLUMNS if any(getattr(s, name) != getattr(default, name) for s in sites)]
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*SITE_COLUMNS, *more])
        for site in sites:
            values = (getattr(site, name) for name in (*SITE_COLUMNS, *more))
            writer.writerow(["" if value is None else value for value in values])


def write_users(path: str | Path, users: Sequence[tuple[float, float]]) -> None:
    """Write user positions; inverse of :func:`read_users`."""
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(USER_COLUMNS)
        writer.writerows(users)


def scenario_from_csv(
    sites: str | Path, users: str | Path | None = None, *, base: Scenario | str | None = None
) -> Scenario:
    """A user's own network as a scenario.

    Cells become tiers of equal kind, in the order of their first rows. Who is who stays known: :meth:`Scenario.names` gives site,
    cell and row of each station, and ``bs.row`` of a sampled graph the row.
    Coordinates are moved so that the area starts at the origin. Cells on several carriers share the base's resource blocks
    among them: each carrier has as many, and as much bandwidth, as the base.

    Args:
        sites: CSV of cells.
        users: CSV of users, with their height in a column ``z``, and ``indoor`` (0 or 1) and ``floor`` (0 for the ground
            floor) if need be; without it the base's number of users is placed uniformly.
        base: channel, radio and users' properties, a scenario or a preset's name; ``hetnet-3tier`` when ``None``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that does not fit.
    """
    base = preset(base or "hetnet-3tier") if not isinstance(base, Scenario) else base
    stations = read_sites(sites)
    points, crowd = _crowd(users, sites, base.users) if users is not None else ([], base.users)
    xs, ys = ([s.x for s in stations] + [p[0] for p in points], [s.y for s in stations] + [p[1] for p in points])
    margin = 0.0 if points else _MARGIN_M
    left, low = min(xs) - margin, min(ys) - margin
    layout = Layout(max(max(xs) + margin - left, 1.0), max(max(ys) + margin - low, 1.0))
    base = dataclasses.replace(base, layout=layout)
    base, names = _carriers(stations, base)
    tiers = tuple(
        dataclasses.replace(
            _tier([stations[i] for i in rows], left, low, base, names[stations[rows[0]].carrier_hz]), row=tuple(rows)
        )
        for rows in _groups(stations).values()
    )
    crowd = dataclasses.replace(crowd, placement="uniform", spacing_m=0.0)
    if points:
        moved = tuple((x - left, y - low) for x, y in points)
        crowd = dataclasses.replace(crowd, placement="fixed", positions=moved, count=len(moved))
    return dataclasses.replace(base, name=Path(sites).stem, tiers=tiers, users=crowd)


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


def _groups(sites: Sequence[Site]) -> dict[tuple[object, ...], list[int]]:
    """Numbers of the cells of each kind: all that a :class:`Tier` has once for all its cells."""
    groups: dict[tuple[object, ...], list[int]] = {}
    for row, site in enumerate(sites):
        omni = site.azimuth_deg is None
        kind = (site.tier, site.z, site.power_dbm, site.num_antennas, omni, site.carrier_hz, site.panel)
        groups.setdefault(kind, []).append(row)
    return groups


def _tier(members: list[Site], left: float, low: float, base: Scenario, carrier: str) -> Tier:
    first = members[0]
    like = next((tier for tier in base.tiers if tier.name == first.tier), base.tiers[0])
    omni = first.azimuth_deg is None
    return Tier(
        first.tier,
        count=len(members),
        power_dbm=first.power_dbm,
        height_m=first.z,
        pathloss=_MODELS.get(first.tier, like.pathloss),
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
