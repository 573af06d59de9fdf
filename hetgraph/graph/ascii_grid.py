"""ESRI ASCII grids: a header of names and numbers, then the rows of cells from north to south."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
MOST_CELLS = 4_000_000
_MOST_LETTERS = 64  # of a number and the blanks around it
_NAMES = ("ncols", "nrows", "xllcorner", "yllcorner", "xllcenter", "yllcenter", "cellsize", "nodata_value")
_NO_DATA = -9999.0  # where the header does not say


def is_grid(text: str) -> bool:
    """Whether a text begins as a grid does."""
    return text.lstrip()[:5].casefold() in ("ncols", "nrows")


def grid_cells(path: Path, text: str) -> Numbers:
    """Cells ``[P, 5]`` of a grid that have a weight: west, south, east, north and weight, in the grid's own unit.

    Neighbours in a row that have one weight are one, with the sum of it.

    Raises:
        ValueError: a header that lacks something, another number of cells, or a weight that is negative or no number.
    """
    header, rest = _header(path, text)
    columns, rows = (_count(path, header, name) for name in ("ncols", "nrows"))
    if columns * rows > MOST_CELLS:
        raise ValueError(f"{path}: got {columns} x {rows} cells, expected at most {MOST_CELLS}; take a coarser grid")
    size = _number(path, header, "cellsize")
    if size <= 0:
        raise ValueError(f"{path}: cellsize: got {size:g}, expected a positive number")
    west, south = (
        _number(path, header, f"{axis}llcenter") - size / 2
        if f"{axis}llcenter" in header
        else _number(path, header, f"{axis}llcorner")
        for axis in "xy"
    )
    if len(rest) > _MOST_LETTERS * (columns * rows + 1):
        raise ValueError(f"{path}: got {len(rest)} letters of cells, expected {columns} x {rows} numbers")
    words = rest.split()
    if len(words) != columns * rows:
        raise ValueError(f"{path}: got {len(words)} cells, expected {columns} x {rows} = {columns * rows}")
    try:
        weight = np.array(words, dtype=float).reshape(rows, columns)
    except ValueError:
        raise ValueError(f"{path}: got cells that are no numbers, expected a number for each") from None
    none = _number(path, header, "nodata_value") if "nodata_value" in header else _NO_DATA
    weight = np.where(weight == none, 0.0, weight)
    wrong = ~np.isfinite(weight) | (weight < 0)
    if bool(wrong.any()):
        row, column = (int(place[0]) + 1 for place in wrong.nonzero())
        got = weight[row - 1, column - 1]
        raise ValueError(f"{path}: row {row}, column {column}: got {got:g}, expected a weight of 0 or more")
    return _runs(weight, west, south, size)


def _runs(weight: Numbers, west: float, south: float, size: float) -> Numbers:
    """Runs of equal weights within rows."""
    rows, columns = weight.shape
    begins = np.ones_like(weight, dtype=bool)
    begins[:, 1:] = weight[:, 1:] != weight[:, :-1]
    row, first = begins.nonzero()
    flat = row * columns + first
    length = np.diff(np.append(flat, weight.size))
    each = weight[row, first]
    y = south + (rows - 1 - row) * size
    x = west + first * size
    cells = np.stack([x, y, x + length * size, y + size, each * length], 1)
    return np.asarray(cells[each > 0])


def _header(path: Path, text: str) -> tuple[dict[str, str], str]:
    """Names of the header with their texts, and what stands behind it."""
    words, header, at = text.split(None, 2 * len(_NAMES)), {}, 0
    while at + 1 < len(words) and words[at].casefold() in _NAMES:
        header[words[at].casefold()] = words[at + 1]
        at += 2
    missing = [name for name in ("ncols", "nrows", "cellsize") if name not in header]
    missing += [f"{axis}llcorner" for axis in "xy" if not {f"{axis}llcorner", f"{axis}llcenter"} & header.keys()]
    if missing:
        raise ValueError(
            f"{path}: got a grid without {missing[0]}, expected ncols, nrows, xllcorner, yllcorner, cellsize"
        )
    return header, " ".join(words[at:])


def _number(path: Path, header: dict[str, str], name: str) -> float:
    try:
        value = float(header[name])
    except ValueError:
        value = np.nan
    if not np.isfinite(value):
        raise ValueError(f"{path}: {name}: got {header[name]!r}, expected a number")
    return value


def _count(path: Path, header: dict[str, str], name: str) -> int:
    value = _number(path, header, name)
    if value != int(value) or value < 1:
        raise ValueError(f"{path}: {name}: got {header[name]!r}, expected a whole number of 1 or more")
    return int(value)
