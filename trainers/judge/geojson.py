"""Cells and users of a plan as GeoJSON (RFC 7946), for maps of other programs."""

from pathlib import Path
from typing import Any

from hetgraph.graph.site_file import site_table
from hetgraph.graph.user_file import read_user_names, user_table, users_within
from hetgraph.trainers.common.networks import selection_of
from hetgraph.trainers.judge.decisions import Decided, Row
from hetgraph.trainers.judge.files import write_json

Place = tuple[float, float]  # longitude and latitude, degrees


def write_geojson(path: Path, decided: Decided, options: Any) -> bool:
    """Write a point for each cell and for each row of users, with all columns as properties, and ``kind``.

    Rows of users who have no name, as of some arrivals, are left out.

    Args:
        path: file to write.
        decided: rows, those of cells in the order of the file of sites.
        options: of the task, which name the files of sites and users.

    Returns:
        whether it was written: files in metres say nothing of latitude and longitude.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not as it must be.
    """
    masts, phones = _places(options)
    if not masts or not phones or len(masts) != len(decided.cells):
        return False
    features = [_feature("cell", place, row) for place, row in zip(masts, decided.cells, strict=True)]
    features += [_feature("user", phones[row["user"]], row) for row in decided.users if row["user"] in phones]
    write_json(path, {"type": "FeatureCollection", "features": features})
    return True


def _places(options: Any) -> tuple[list[Place], dict[str, Place]]:
    """Places of the cells, and of the users by name; none of a file in metres."""
    chosen = selection_of(options)
    tables = site_table(options.sites, chosen), users_within(user_table(options.users), chosen)
    masts, phones = (
        [(lon, lat) for lat, lon in map(each.globe_place, each.rows)] if each.is_globe else [] for each in tables
    )
    return masts, dict(zip(read_user_names(options.users, chosen), phones, strict=False))


def _feature(kind: str, place: Place, row: Row) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": list(place)}
    return {"type": "Feature", "geometry": point, "properties": {"kind": kind, **row}}
