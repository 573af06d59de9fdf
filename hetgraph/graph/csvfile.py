"""Rows of a CSV file whose every complaint names the file, the line and the column."""

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hetgraph.graph.geo import Projection

PLANE, GLOBE = ("x", "y"), ("lat", "lon")


@dataclass(frozen=True)
class Row:
    """One line of a file.

    Args:
        path: the file.
        line: its number in the file, from 1.
        cells: column -> text.
    """

    path: Path
    line: int
    cells: dict[str, str]

    def error(self, name: str, expected: str) -> ValueError:
        """What to raise when the cell in column ``name`` is no good."""
        return ValueError(f"{self.path}: line {self.line}, {name}: got {self.cells[name]!r}, expected {expected}")

    def text(self, name: str) -> str:
        """Text of a cell that must not be empty.

        Raises:
            ValueError: an empty cell.
        """
        if not self.cells[name]:
            raise self.error(name, "some text")
        return self.cells[name]

    def has(self, name: str) -> bool:
        """Whether there is such a column and its cell is not empty."""
        return bool(self.cells.get(name))

    def whole(self, name: str, low: int, high: int) -> int:
        """Whole number of a cell.

        Raises:
            ValueError: none in ``low..high``.
        """
        value = self.number(name)
        if value != int(value) or not low <= value <= high:
            raise self.error(name, f"a whole number in {low}..{high}")
        return int(value)

    def number(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """Number of a cell.

        Raises:
            ValueError: no finite number, or one outside ``low..high``.
        """
        try:
            value = float(self.cells[name])
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(name, "a number")
        if not low <= value <= high:
            raise self.error(name, f"a number in {low:g}..{high:g}")
        return value


def read_rows(path: str | Path, columns: Sequence[str]) -> list[Row]:
    """Lines of a CSV with a header; ``x,y`` among the columns may be ``lat,lon`` in the file, other columns are ignored.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a missing or doubled column, a line of another length, no lines, or no text.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected a CSV with the columns {','.join(columns)}")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except (UnicodeDecodeError, csv.Error, IsADirectoryError):
        raise ValueError(f"{path}: got something that is no text, expected a CSV") from None
    header = lines[0][1] if lines else []
    _check_header(path, header, columns)
    if len(lines) < 2:
        raise ValueError(f"{path}: got no rows, expected at least one")
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            raise ValueError(f"{path}: line {number}: got {len(cells)} cells, expected {len(header)}, as in the header")
    return [Row(path, number, dict(zip(header, cells, strict=True))) for number, cells in lines[1:]]


def _check_header(path: Path, header: list[str], columns: Sequence[str]) -> None:
    twice = [name for i, name in enumerate(header) if name in header[:i]]
    if twice:
        raise ValueError(f"{path}: got the column {twice[0]!r} twice, expected it once")
    swapped = dict(zip(PLANE, GLOBE, strict=True)) if set(GLOBE) <= set(header) else {}
    missing = [name for name in columns if name not in header and swapped.get(name) not in header]
    if missing:
        got = ",".join(header) or "nothing"
        expected = ",".join(columns) + (" (or lat,lon for x,y)" if set(PLANE) <= set(columns) else "")
        raise ValueError(f"{path}: got the columns {got}, expected {expected}; {missing[0]!r} is missing")


def is_globe(rows: Sequence[Row]) -> bool:
    """Whether the rows' places are given as ``lat,lon`` alone."""
    return not set(PLANE) <= set(rows[0].cells)


def projection_of(rows: Sequence[Row]) -> Projection | None:
    """The plane that touches in the middle of the rows' places; ``None`` when they are in metres."""
    if not is_globe(rows):
        return None
    latitude = [row.number("lat", -89, 89) for row in rows]
    return Projection.around(latitude, [row.number("lon", -180, 180) for row in rows])


def places(rows: Sequence[Row], projection: Projection | None) -> list[tuple[float, float]]:
    """``(x, y)`` of each row, m; ``lat,lon`` are projected, by default onto the rows' own plane."""
    plane = projection_of(rows)
    if plane is None:
        return [(row.number("x"), row.number("y")) for row in rows]
    plane = projection or plane
    return [plane.to_xy(row.number("lat"), row.number("lon")) for row in rows]
