"""Sites and users from CSV files, and back."""

import csv
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from hetgraph.graph.csvfile import GLOBE, PLANE, is_globe, places, projection_of, read_rows
from hetgraph.graph.geo import Projection
from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Layout, Scenario, Tier, Users

SITE_COLUMNS = ("x", "y", "z", "tier", "power_dbm", "azimuth_deg", "num_antennas")
USER_COLUMNS = ("x", "y")
_MODELS = {"macro": "uma", "micro": "umi", "pico": "umi", "rural": "rma", "indoor": "inh-mixed"}
_MARGIN_M = 100.0


@dataclasses.dataclass(frozen=True)
class Site:
    """A station of a user's own network.

    Args:
        x: east, m.
        y: north, m.
        z: antenna height, m.
        tier: name of its tier; macro, micro, pico, rural and indoor choose the propagation model, others take the base's.
        power_dbm: power budget.
        azimuth_deg: boresight of a sector antenna; ``None`` for an omnidirectional one.
        num_antennas: antenna nodes.
    """

    x: float
    y: float
    z: float = 25.0
    tier: str = "macro"
    power_dbm: float = 46.0
    azimuth_deg: float | None = None
    num_antennas: int = 1


def read_sites(path: str | Path, *, projection: Projection | None = None) -> list[Site]:
    """Sites of a CSV with the columns ``x,y,z,tier,power_dbm,azimuth_deg,num_antennas``; an empty azimuth is omnidirectional.

    Args:
        path: the file; ``lat,lon`` may stand for ``x,y``.
        projection: plane for ``lat,lon``; the one that touches in the middle of the sites when ``None``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a missing column, a cell that is no number or out of range, no rows.
    """
    rows = read_rows(path, SITE_COLUMNS)
    sites = []
    for row, (x, y) in zip(rows, places(rows, projection), strict=True):
        antennas = row.number("num_antennas")
        if antennas != int(antennas) or antennas < 0:
            raise row.error("num_antennas", "a whole number of 0 or more")
        height = row.number("z")
        if height <= 0:
            raise row.error("z", "a positive height, m")
        azimuth = row.number("azimuth_deg", -360, 360) if row.cells["azimuth_deg"] else None
        sites.append(Site(x, y, height, row.text("tier"), row.number("power_dbm"), azimuth, int(antennas)))
    return sites


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


def _crowd(path: str | Path, sites: str | Path, users: Users) -> tuple[list[tuple[float, float]], Users]:
    """Places of the users in the plane of the sites, and the base's users at the height that the file gives."""
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
    return places(rows, projection_of(masts)), users


def write_sites(path: str | Path, sites: Sequence[Site]) -> None:
    """Write sites; inverse of :func:`read_sites`."""
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(SITE_COLUMNS)
        for s in sites:
            azimuth = "" if s.azimuth_deg is None else s.azimuth_deg
            writer.writerow([s.x, s.y, s.z, s.tier, s.power_dbm, azimuth, s.num_antennas])


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

    Stations become tiers of equal kind, in the order of their first rows; :func:`station_rows` tells which row a station
    was. Coordinates are moved so that the area starts at the origin.

    Args:
        sites: CSV of sites.
        users: CSV of users, with their height in a column ``z`` if need be; without it the base's number of users is placed
            uniformly.
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
    groups = _groups(stations).items()
    tiers = tuple(_tier(kind, [stations[i] for i in rows], left, low, base) for kind, rows in groups)
    crowd = dataclasses.replace(crowd, placement="uniform", spacing_m=0.0)
    if points:
        moved = tuple((x - left, y - low) for x, y in points)
        crowd = dataclasses.replace(crowd, placement="fixed", positions=moved, count=len(moved))
    return dataclasses.replace(base, name=Path(sites).stem, layout=layout, tiers=tiers, users=crowd)


def station_rows(sites: Sequence[Site]) -> list[int]:
    """Which of the sites each station of :func:`scenario_from_csv` is, in the order of the stations."""
    return [row for rows in _groups(sites).values() for row in rows]


_Kind = tuple[str, float, float, int, bool]


def _groups(sites: Sequence[Site]) -> dict[_Kind, list[int]]:
    """Numbers of the sites of each kind: tier, height, power, antennas, omnidirectional or not."""
    groups: dict[_Kind, list[int]] = {}
    for row, site in enumerate(sites):
        kind = (site.tier, site.z, site.power_dbm, site.num_antennas, site.azimuth_deg is None)
        groups.setdefault(kind, []).append(row)
    return groups


def _tier(kind: _Kind, members: list[Site], left: float, low: float, base: Scenario) -> Tier:
    name, height, power, antennas, omni = kind
    like = next((tier for tier in base.tiers if tier.name == name), base.tiers[0])
    return Tier(
        name,
        count=len(members),
        power_dbm=power,
        height_m=height,
        pathloss=_MODELS.get(name, like.pathloss),
        placement="fixed",
        positions=tuple((s.x - left, s.y - low) for s in members),
        azimuth_deg=() if omni else tuple(s.azimuth_deg or 0.0 for s in members),
        pattern="omni" if omni else "38.901",
        num_antennas=antennas,
        circuit_power_w=like.circuit_power_w,
        amplifier_efficiency=like.amplifier_efficiency,
    )
