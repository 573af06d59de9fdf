"""Polygons of a GeoJSON (RFC 7946) with their weights."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetgraph.graph.aliases import DENSITY, match_header
from hetgraph.graph.csvfile import Row, Table
from hetgraph.graph.site_file import name_unused

Numbers = NDArray[np.float64]
_KINDS = ("Polygon", "MultiPolygon")
_LEAST_CORNERS = 3


@dataclass(frozen=True)
class Polygon:
    """A polygon or several, of one weight.

    Args:
        where: its place in the file, for complaints.
        parts: rings ``[V, 2]`` of each, the outer one first and then its holes; longitude and latitude, or x and y.
        density: weight of a km2; ``None`` where it has a total.
        total: weight of all of it; ``None`` where it has a density.
    """

    where: str
    parts: list[list[Numbers]]
    density: float | None
    total: float | None


def polygons_of(path: Path, text: str) -> list[Polygon] | None:
    """Polygons of a text; ``None`` for a GeoJSON of points.

    A property of the name ``density`` is the weight of a km2, another one that means a weight is the polygon's total; without
    either the weight of a km2 is 1.

    Raises:
        ValueError: no GeoJSON, other geometries, a ring that is none, or a weight that is missing, negative or no number.
    """
    try:
        features = list(json.loads(text)["features"])
        kinds = [str(feature["geometry"]["type"]) for feature in features]
        if not set(kinds) & set(_KINDS):
            return None
        other = next((i for i, kind in enumerate(kinds) if kind not in _KINDS), None)
        if other is not None:
            raise ValueError(f"{path}: feature {other + 1}: got the geometry {kinds[other]!r}, expected polygons")
        weights = _weights(path, [feature.get("properties") or {} for feature in features])
        return [
            Polygon(f"feature {i}", _parts(path, i, feature["geometry"]), *weight)
            for i, (feature, weight) in enumerate(zip(features, weights, strict=True), 1)
        ]
    except (KeyError, TypeError, AttributeError, RecursionError, json.JSONDecodeError):
        raise ValueError(f"{path}: got text that is no GeoJSON, expected a FeatureCollection of polygons") from None


def _parts(path: Path, number: int, geometry: dict[str, Any]) -> list[list[Numbers]]:
    given = geometry["coordinates"]
    parts = [given] if geometry["type"] == "Polygon" else given
    return [[_ring(path, number, ring) for ring in part] for part in parts if part]


def _ring(path: Path, number: int, points: list[Any]) -> Numbers:
    """Corners of a ring without the last one, which repeats the first."""
    try:
        corners = np.array([[float(x), float(y)] for x, y, *_ in points])
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{path}: feature {number}: got a ring of no numbers, expected places") from None
    if len(corners) > 1 and bool((corners[0] == corners[-1]).all()):
        corners = corners[:-1]
    if len(corners) < _LEAST_CORNERS or not np.isfinite(corners).all():
        raise ValueError(
            f"{path}: feature {number}: got a ring of {len(corners)} corners, expected at least 3, all finite"
        )
    return corners


def _weights(path: Path, properties: list[dict[str, Any]]) -> list[tuple[float | None, float | None]]:
    """Density or total of each feature."""
    names = list(dict.fromkeys(str(name) for each in properties for name in each))
    header = match_header(path, names, {name: DENSITY[name] for name in ("density", "weight")}, "feature")
    rows = [
        Row(header, i + 1, i, {n: _text(each.get(header.text[n])) for n in header.place})
        for i, each in enumerate(properties)
    ]
    table = Table(header, rows)
    name_unused(table)
    name = next((name for name in ("density", "weight") if name in table), None)
    if name is None:
        return [(1.0, None)] * len(rows)
    values = [row.number_of(name) for row in rows]
    wrong = next((row for row, value in zip(rows, values, strict=True) if value < 0), None)
    if wrong is not None:
        raise wrong.error(name, "a weight of 0 or more")
    return [(value, None) if name == "density" else (None, value) for value in values]


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()
