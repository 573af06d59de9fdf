"""Points of a GeoJSON as a table of texts."""

import json
from pathlib import Path
from typing import Any

_GEOMETRY = ("lon", "lng", "long", "lat", "longitude", "latitude")  # properties that say again where a point is


def features_of(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Header and rows of a GeoJSON: properties of its points, and their longitude and latitude.

    Raises:
        ValueError: no GeoJSON of points.
    """
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError(f"{path}: got text that is no GeoJSON, expected a FeatureCollection of points") from None
    try:
        features = list(content["features"])
        columns = dict.fromkeys(name for each in features for name in (each.get("properties") or {}))
        names = [name for name in columns if name.casefold() not in _GEOMETRY]
        rows = []
        for number, feature in enumerate(features, 1):
            if feature["geometry"]["type"] != "Point":
                got = feature["geometry"]["type"]
                raise ValueError(f"{path}: feature {number}: got the geometry {got!r}, expected points")
            lon, lat = feature["geometry"]["coordinates"][:2]
            values = feature.get("properties") or {}
            rows.append((number, [*(_plain(values.get(name)) for name in names), str(lon), str(lat)]))
    except (KeyError, TypeError, AttributeError):
        raise ValueError(f"{path}: got text that is no GeoJSON, expected a FeatureCollection of points") from None
    return [(0, [*names, "lon", "lat"]), *rows] if rows else []


def _plain(value: Any) -> str:
    return "" if value is None else str(int(value)) if isinstance(value, bool) else str(value).strip()
