"""Sites and users from CSV files, and back."""

import csv
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Layout, Scenario, Tier

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


def read_sites(path: str | Path) -> list[Site]:
    """Sites of a CSV with the columns ``x,y,z,tier,power_dbm,azimuth_deg,num_antennas``; an empty azimuth is omnidirectional.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a missing column, a cell that is no number, no rows.
    """
    sites = []
    for line, row in _rows(Path(path), SITE_COLUMNS):
        where = f"{path}: line {line}"
        azimuth = None if not row["azimuth_deg"].strip() else _number(row, "azimuth_deg", where)
        antennas = _number(row, "num_antennas", where)
        if antennas != int(antennas) or antennas < 0:
            raise ValueError(
                f"{where}, num_antennas: got {row['num_antennas']!r}, expected a whole number of 0 or more"
            )
        x, y, z, power = (_number(row, name, where) for name in ("x", "y", "z", "power_dbm"))
        if z <= 0:
            raise ValueError(f"{where}, z: got {z:g} m, expected a positive height")
        sites.append(Site(x, y, z, row["tier"].strip() or "macro", power, azimuth, int(antennas)))
    return sites


def read_users(path: str | Path) -> list[tuple[float, float]]:
    """User positions of a CSV with the columns ``x,y``, m.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a missing column, a cell that is no number, no rows.
    """
    rows = _rows(Path(path), USER_COLUMNS)
    return [(_number(r, "x", f"{path}: line {n}"), _number(r, "y", f"{path}: line {n}")) for n, r in rows]


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


def scenario_from_csv(sites: str | Path, users: str | Path | None = None, *, base: Scenario | None = None) -> Scenario:
    """A user's own network as a scenario.

    Stations become tiers of equal kind, in the order of their first rows. Coordinates are moved so that the area starts at
    the origin.

    Args:
        sites: CSV of sites.
        users: CSV of users; without it the base's number of users is placed uniformly.
        base: channel, radio and users' properties; ``hetnet-3tier`` when ``None``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that does not fit.
    """
    base = base or preset("hetnet-3tier")
    stations = read_sites(sites)
    points = read_users(users) if users is not None else []
    xs, ys = ([s.x for s in stations] + [p[0] for p in points], [s.y for s in stations] + [p[1] for p in points])
    margin = 0.0 if points else _MARGIN_M
    left, low = min(xs) - margin, min(ys) - margin
    layout = Layout(max(max(xs) + margin - left, 1.0), max(max(ys) + margin - low, 1.0))
    groups: dict[tuple[str, float, float, int, bool], list[Site]] = {}
    for site in stations:
        key = (site.tier, site.z, site.power_dbm, site.num_antennas, site.azimuth_deg is None)
        groups.setdefault(key, []).append(site)
    tiers = tuple(_tier(key, members, left, low, base) for key, members in groups.items())
    crowd = dataclasses.replace(base.users, placement="uniform", spacing_m=0.0)
    if points:
        moved = tuple((x - left, y - low) for x, y in points)
        crowd = dataclasses.replace(crowd, placement="fixed", positions=moved, count=len(moved))
    name = Path(sites).stem
    return dataclasses.replace(base, name=name, layout=layout, tiers=tiers, users=crowd)


def _tier(
    key: tuple[str, float, float, int, bool], members: list[Site], left: float, low: float, base: Scenario
) -> Tier:
    name, height, power, antennas, omni = key
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


def _rows(path: Path, columns: tuple[str, ...]) -> list[tuple[int, dict[str, str]]]:
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected a CSV with the columns {','.join(columns)}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            header = [name.strip() for name in reader.fieldnames or []]
            reader.fieldnames = header
            missing = [name for name in columns if name not in header]
            if missing:
                got = ",".join(header) or "nothing"
                raise ValueError(
                    f"{path}: got the columns {got}, expected {','.join(columns)}; {missing[0]!r} is missing"
                )
            rows = [(reader.line_num, {k: v or "" for k, v in row.items() if k}) for row in reader]
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path}: got a file that is no text, expected a CSV") from None
    if not rows:
        raise ValueError(f"{path}: got no rows, expected at least one")
    return rows


def _number(row: dict[str, str], name: str, where: str) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}, {name}: got {row[name]!r}, expected a number")
    return value
