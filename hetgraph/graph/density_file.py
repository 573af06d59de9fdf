"""A map of traffic from a file, as pieces of the plane: polygons of a GeoJSON, points, or a raster.

A weight named ``density`` is one per km2; any other is the total of its polygon, point or cell. Without one every km2 weighs the same.
"""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetgraph.graph.aliases import DENSITY
from hetgraph.graph.ascii_grid import grid_cells, is_grid
from hetgraph.graph.csvfile import GLOBE, PLANE, Table, read_table, text_of
from hetgraph.graph.density import MOST_PIECES, Density
from hetgraph.graph.geo import Projection
from hetgraph.graph.geojson_polygons import Polygon, polygons_of
from hetgraph.graph.site_file import name_unused
from hetgraph.graph.trapezoids import Box, area_of, trapezoids

Numbers = NDArray[np.float64]
_M2_PER_KM2 = 1e6
_ONE_PLACE_M = 0.2  # lines of a grid that are nearer to each other are one: degrees may have six digits
_LEAST_POINTS = 4  # of a grid: two places always have two lines each way
_LEAST_FILLED = 0.25  # of the places of a grid: fewer points are points
_ON_GRID = 1e-3  # of a step: so far from the grid's places points may be
_MOST_LON, _MOST_LAT = 360.0, 90.0  # degrees; beyond 180 where a shape goes over the antimeridian
_LEAST_SAID = 5e-3  # of the weight


@dataclass(frozen=True)
class _Frame:
    """The plane of the cells, and what of it is kept.

    Args:
        path: file of the map.
        plane: on which latitude and longitude are projected; ``None`` where the cells' places are in metres.
        sites: file of the cells.
        box: kept.
    """

    path: Path
    plane: Projection | None
    sites: Path
    box: Box

    def corners(self, x: Numbers, y: Numbers) -> Numbers:
        """Corners of one shape ``[V, 2]``, m, together also across the antimeridian.

        Raises:
            ValueError: no longitude and latitude where the cells have them.
        """
        if self.plane is None:
            return np.stack([x, y], 1)
        if np.abs(x).max() > _MOST_LON or np.abs(y).max() > _MOST_LAT:
            worst = max(np.abs(x).max(), np.abs(y).max())
            raise ValueError(
                f"{self.path}: got a place of {worst:g}, expected longitude and latitude in degrees, as in {self.sites}"
            )
        first, _ = self.plane.to_xy(y[:1], x[:1])
        east, north = self.plane.to_xy(y, self.plane.longitude_deg + (x - x[0]))
        return np.stack([first + east, north], 1)


def read_density(path: str | Path, cells: Table, box: Box) -> Density:
    """Map of a file, as far as it lies in a box; one warning says which part of the weight does not.

    Args:
        path: GeoJSON of polygons or points, ESRI ASCII grid, or CSV of points with their weights, which fill the cells of a grid
            where they form one.
        cells: file of the cells, which says whether places are in degrees or metres.
        box: what is kept, in the plane of the cells.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file of another form, a weight that is negative or no number, or no weight in the box.
    """
    path = Path(path)
    text = text_of(path)
    frame = _Frame(path, cells.projection(), cells.header.path, box)
    polygons = polygons_of(path, text) if text.lstrip().startswith("{") else None
    if polygons is not None:
        pieces, total, extent = _polygons(polygons, frame)
    elif is_grid(text):
        pieces, total, extent = _rectangles(grid_cells(path, text), frame)
    else:
        pieces, total, extent = _points(path, cells, frame)
    if total <= 0:
        raise ValueError(f"{path}: got weights that are all zero, expected a positive one")
    pieces = pieces[pieces[:, 6] > 0]
    if len(pieces) == 0:
        raise ValueError(
            f"{path}: got no weight near the cells, whose area is x {box.west:.0f} to {box.east:.0f} m, y {box.south:.0f} to "
            f"{box.north:.0f} m; its places are x {extent.west:.0f} to {extent.east:.0f} m, y {extent.south:.0f} to "
            f"{extent.north:.0f} m; expected the same places, and metres or degrees in both files"
        )
    if len(pieces) > MOST_PIECES:
        raise ValueError(f"{path}: got {len(pieces)} pieces, expected at most {MOST_PIECES}; take a coarser map")
    left = 1 - float(pieces[:, 6].sum()) / total
    if left > _LEAST_SAID:
        warnings.warn(f"{path}: left out {left:.1%} of the weight, which is too far from the cells", stacklevel=2)
    return Density.of(pieces)


_Pieces = tuple[Numbers, float, Box]  # pieces in the box, the weight of all and their extent


def _polygons(polygons: list[Polygon], frame: _Frame) -> _Pieces:
    pieces, total, corners = [np.zeros((0, 7))], 0.0, []
    for polygon in polygons:
        shapes = [[frame.corners(*ring.T) for ring in part] for part in polygon.parts]
        areas = [area_of(rings) for rings in shapes]
        whole = sum(areas)
        if whole <= 0:
            raise ValueError(f"{frame.path}: {polygon.where}: got a polygon without area, expected some")
        per_m2 = polygon.density / _M2_PER_KM2 if polygon.density is not None else (polygon.total or 0.0) / whole
        total += per_m2 * whole
        for rings in shapes:
            corners += rings
            try:
                shape = trapezoids(rings, frame.box)
            except ValueError as error:
                raise ValueError(f"{frame.path}: {polygon.where}: {error}") from None
            pieces.append(np.column_stack([shape, per_m2 * _areas(shape)]))
    return np.concatenate(pieces), total, _extent(np.concatenate(corners))


def _areas(pieces: Numbers) -> Numbers:
    south, north, west_south, east_south, west_north, east_north = pieces[:, :6].T
    return np.asarray((north - south) * (east_south - west_south + east_north - west_north) / 2)


def _rectangles(cells: Numbers, frame: _Frame) -> _Pieces:
    """Cells ``[P, 5]`` of a raster: west, south, east, north, weight."""
    if len(cells) == 0:
        return np.zeros((0, 7)), 0.0, frame.box
    west = frame.corners(cells[:, 0], cells[:, 1])
    east = frame.corners(cells[:, 2], cells[:, 3])
    if frame.plane is not None:  # both corners of a cell on one side, also at the antimeridian
        east[:, 0] = (
            west[:, 0]
            + frame.plane.to_xy(np.zeros(len(cells)), frame.plane.longitude_deg + cells[:, 2] - cells[:, 0])[0]
        )
    return _kept(np.column_stack([west, east, cells[:, 4]]), frame.box)


def _kept(cells: Numbers, box: Box) -> _Pieces:
    """Rectangles in the box, in the plane: each keeps the part of its weight that it keeps of its area."""
    west, south, east, north, weight = cells.T
    inside = [
        np.clip(side, low, high)
        for side, low, high in (
            (west, box.west, box.east),
            (south, box.south, box.north),
            (east, box.west, box.east),
            (north, box.south, box.north),
        )
    ]
    area = (east - west) * (north - south)
    share = (inside[2] - inside[0]) * (inside[3] - inside[1]) / np.where(area > 0, area, 1.0)
    here = (west >= box.west) & (west <= box.east) & (south >= box.south) & (south <= box.north)
    share = np.where(area > 0, share, here)
    pieces = np.column_stack([inside[1], inside[3], inside[0], inside[2], inside[0], inside[2], weight * share])
    return pieces, float(weight.sum()), _extent(np.concatenate([cells[:, :2], cells[:, 2:4]]))


def _extent(places: Numbers) -> Box:
    return Box(*places.min(0), *places.max(0))


def _points(path: Path, cells: Table, frame: _Frame) -> _Pieces:
    """Rows of a table of points: cells of their grid, where they form one, else places without extent."""
    table = read_table(path, DENSITY)
    if table.is_globe != cells.is_globe:
        got, expected = (",".join(GLOBE if each.is_globe else PLANE) for each in (table, cells))
        raise ValueError(f"{path}: got the columns {got}, expected {expected}, as in {cells.header.path}")
    name_unused(table)
    places = np.array(table.places(frame.plane))
    column = next((name for name in ("density", "weight") if name in table), None)
    weight = np.array([1.0 if column is None else row.number_of(column) for row in table.rows])
    if column is not None and bool((weight < 0).any()):
        raise table.rows[int((weight < 0).argmax())].error(column, "a weight of 0 or more")
    step = _step(places)
    read = (
        f"cells of a grid of {step[0]:.4g} m by {step[1]:.4g} m"
        if all(step)
        else "single places, since they form no grid"
    )
    warnings.warn(f"{path}: {len(places)} points are read as {read}", stacklevel=2)
    half = np.array(step) / 2
    return _kept(np.column_stack([places - half, places + half, weight]), frame.box)


def _step(places: Numbers) -> tuple[float, float]:
    """Steps of the grid that points form, m; zeros where they form none."""
    steps, numbers = [], []
    for value in places.T:
        known = np.unique(value)
        known = known[np.diff(known, prepend=-np.inf) > _ONE_PLACE_M]
        if len(known) < 2 or len(places) < _LEAST_POINTS:
            return 0.0, 0.0
        step = float(np.diff(known).min())
        exact = (known[-1] - known[0]) / max(round((known[-1] - known[0]) / step), 1)
        number = (value - known[0]) / exact
        if np.abs(number - np.round(number)).max() > max(_ON_GRID, 2 * _ONE_PLACE_M / exact):
            return 0.0, 0.0
        steps.append(exact)
        numbers.append(np.round(number))
    single = len(np.unique(np.stack(numbers, 1), axis=0)) == len(places)
    filled = len(places) / math.prod(number.max() + 1 for number in numbers)
    return (steps[0], steps[1]) if single and filled >= _LEAST_FILLED else (0.0, 0.0)
