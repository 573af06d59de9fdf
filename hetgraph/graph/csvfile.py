"""Rows of a file of sites or users whose every complaint names the file, the line and the column."""

import csv
import io
import math
import re
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hetgraph.graph.aliases import Header, match_header
from hetgraph.graph.exports import headerless
from hetgraph.graph.geo import Projection
from hetgraph.graph.geojson import features_of

PLANE, GLOBE = ("x", "y"), ("lat", "lon")
MOST_BYTES = 1 << 29  # of a file that is read whole
_DELIMITERS = (",", ";", "\t")
_MOST_SHOWN = 500  # letters of a header in a message
_SEPARATOR_LINE = re.compile(r"\"?sep=.\"?", re.IGNORECASE)
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_LATITUDE_DEG, _LONGITUDE_DEG = 89, 180  # of places that have a plane of their own


@dataclass(frozen=True)
class Row:
    """One row of a file.

    Args:
        header: of the file.
        line: its number in the file, from 1.
        number: its number among the rows, from 0.
        cells: name of a column -> text.
    """

    header: Header
    line: int
    number: int
    cells: dict[str, str]

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.header.path}: {self.header.unit} {self.line}"

    def error(self, name: str, expected: str) -> ValueError:
        """What to raise when the cell in column ``name`` is no good; the column is called as in the file."""
        return ValueError(f"{self.where}, {self.header.text[name]}: got {self.cells[name]!r}, expected {expected}")

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
        value = self.number_of(name)
        if value != int(value) or not low <= value <= high:
            raise self.error(name, f"a whole number in {low}..{high}")
        return int(value)

    def number_of(self, name: str, low: float = -math.inf, high: float = math.inf) -> float:
        """Number of a cell, in the unit of the column's name.

        Raises:
            ValueError: no finite number, or one outside ``low..high``.
        """
        try:
            value = float(self.cells[name])
            if name in self.header.convert:
                value = self.header.convert[name](value)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise self.error(name, "a number")
        if not low <= value <= high:
            raise self.error(name, f"a number in {low:g}..{high:g}")
        return value


@dataclass(frozen=True)
class Table:
    """A file's header and rows.

    Args:
        header: which column means what.
        rows: at least one.
    """

    header: Header
    rows: list[Row]

    def __contains__(self, name: str) -> bool:
        return name in self.header.place

    @property
    def is_globe(self) -> bool:
        """Whether places are given as latitude and longitude alone."""
        return not set(PLANE) <= set(self.header.place)

    def projection(self) -> Projection | None:
        """The plane that touches in the middle of the places; ``None`` when they are in metres."""
        if not self.is_globe:
            return None
        latitude, longitude = zip(*(self.globe_place(row) for row in self.rows), strict=True)
        return Projection.around(latitude, longitude)

    def globe_place(self, row: Row) -> tuple[float, float]:
        """Latitude and longitude of a row, degrees.

        Raises:
            ValueError: none on the globe, or too near a pole.
        """
        lat, lon = (row.number_of(name) for name in GLOBE)
        if abs(lat) > _LATITUDE_DEG:
            swapped = "; are lat and lon swapped?" if abs(lon) <= _LATITUDE_DEG < abs(lat) <= _LONGITUDE_DEG else ""
            raise row.error("lat", f"a number in -{_LATITUDE_DEG}..{_LATITUDE_DEG}{swapped}")
        if abs(lon) > _LONGITUDE_DEG:
            raise row.error("lon", f"a number in -{_LONGITUDE_DEG}..{_LONGITUDE_DEG}")
        return lat, lon

    def places(self, projection: Projection | None) -> list[tuple[float, float]]:
        """``(x, y)`` of each row, m; latitude and longitude are projected, by default onto the rows' own plane."""
        if not self.is_globe:
            return [(row.number_of("x"), row.number_of("y")) for row in self.rows]
        plane = projection or self.projection()
        assert plane is not None
        return [plane.to_xy(*self.globe_place(row)) for row in self.rows]


def read_table(path: str | Path, names: dict[str, str]) -> Table:
    """Rows of a CSV (``,``, ``;`` or tab), a GeoJSON of points, or an OpenCelliD export, which has no header.

    Args:
        path: a regular file of at most 512 MiB.
        names: table of aliases; see :mod:`hetgraph.graph.aliases`.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no place among the columns, a doubled one, a line of another length, no rows, or no text.
    """
    path = Path(path)
    text = text_of(path)
    if text.lstrip().startswith("{"):
        lines, unit = features_of(path, text), "feature"
    else:
        lines, unit = _lines(path, text), "line"
    header = [" ".join(cell.split()) for cell in lines[0][1]] if lines else []  # spreadsheets break lines within a cell
    named = headerless(path, header)
    if named is not None:
        lines = [(0, named), *lines]
        header = named[: len(lines[1][1])]
    matched = match_header(path, header, names, unit)
    _check_places(path, header, matched)
    if len(lines) < 2:
        raise ValueError(f"{path}: got no rows, expected at least one")
    return Table(matched, _rows(path, matched, len(header), lines[1:]))


def _rows(path: Path, header: Header, width: int, lines: list[tuple[int, list[str]]]) -> list[Row]:
    rows, places = [], list(header.place.items())
    for number, (line, cells) in enumerate(lines):
        if len(cells) != width:
            raise ValueError(f"{path}: line {line}: got {len(cells)} cells, expected {width}, as in the header")
        rows.append(Row(header, line, number, {name: cells[place] for name, place in places}))
    return rows


def text_of(path: Path) -> str:
    """Text of a regular file of at most 512 MiB, in UTF-8 or UTF-16.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, a pipe, a file that is too large, or no text.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected a CSV with the columns x,y or lat,lon")
    state = path.stat()
    if stat.S_ISDIR(state.st_mode):
        raise ValueError(f"{path}: got something that is no text, expected a CSV; it is a folder")
    if not stat.S_ISREG(state.st_mode):
        raise ValueError(f"{path}: got a pipe or device, expected a file")
    if state.st_size > MOST_BYTES:
        raise ValueError(f"{path}: got {state.st_size} bytes, expected at most {MOST_BYTES}")
    content = path.read_bytes()
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")  # as spreadsheets write "Unicode text"
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError(f"{path}: got something that is no text, expected a CSV") from None


def _lines(path: Path, text: str) -> list[tuple[int, list[str]]]:
    """Lines with their numbers; the separator is the one that splits the first line most."""
    first = next((line for line in io.StringIO(text) if line.strip()), "")
    if _SEPARATOR_LINE.fullmatch(first.strip()):  # as spreadsheets write it
        text = text.replace(first, "\n", 1)
        first = next((line for line in io.StringIO(text) if line.strip()), "")
    separator = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader if any(cells)]
    except csv.Error:
        raise ValueError(f"{path}: got something that is no text, expected a CSV") from None
    if separator != ",":
        lines = [(number, [_point(cell) for cell in cells]) for number, cells in lines]
    return lines


def _point(cell: str) -> str:
    """A number with a decimal comma as one with a point."""
    return cell.replace(",", ".") if _DECIMAL_COMMA.fullmatch(cell) else cell


def _check_places(path: Path, header: Sequence[str], matched: Header) -> None:
    wanted = GLOBE if any(name in matched.place for name in GLOBE) and "x" not in matched.place else PLANE
    missing = [name for name in wanted if name not in matched.place]
    if missing and not set(GLOBE) <= set(matched.place):
        got = ",".join(header)[:_MOST_SHOWN] or "nothing"
        raise ValueError(f"{path}: got the columns {got}, expected x,y (or lat,lon for x,y); {missing[0]!r} is missing")
