"""Cells and users of a plan as GeoJSON (RFC 7946), for maps of other programs."""

from pathlib import Path
from typing import Any

from hetgraph.graph.csvfile import is_globe, read_rows
from hetgraph.graph.tables import SITE_COLUMNS, USER_COLUMNS, read_user_names
from hetgraph.trainers.judge.decisions import Decided, Row
from hetgraph.trainers.judge.files import write_json

Place = tuple[float, float]  # longitude and latitude, degrees


def write_geojson(path: Path, decided: Decided, sites: str, users: str) -> bool:
    """Write a point for each cell and for each row of users, with all columns as properties, and ``kind``.

    Rows of users who have no name, as of some arrivals, are left out.

    Args:
        path: file to write.
        decided: rows, those of cells in the order of the file of sites.
        sites: CSV of sites.
        users: CSV of users.

    Returns:
        whether it was written: files in metres say nothing of latitude and longitude.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not as it must be.
    """
    masts, phones = _places(sites, SITE_COLUMNS), _places(users, USER_COLUMNS)
    if masts is None or phones is None or len(masts) != len(decided.cells):
        return False
    where = dict(zip(read_user_names(users), phones, strict=True))
    features = [_feature("cell", place, row) for place, row in zip(masts, decided.cells, strict=True)]
    features += [_feature("user", where[row["user"]], row) for row in decided.users if row["user"] in where]
    write_json(path, {"type": "FeatureCollection", "features": features})
    return True


def _places(path: str, columns: tuple[str, ...]) -> list[Place] | None:
    """Longitude and latitude of each row; ``None`` in metres."""
    rows = read_rows(path, columns)
    return [(row.number("lon"), row.number("lat")) for row in rows] if is_globe(rows) else None


def _feature(kind: str, place: Place, row: Row) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": list(place)}
    return {"type": "Feature", "geometry": point, "properties": {"kind": kind, **row}}
