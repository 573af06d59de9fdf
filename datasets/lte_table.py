"""Files of drive tests as text: which format they have, by the names of their columns, and their cells."""

import csv
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Line = tuple[int, list[str]]  # number in the file, and cells
MISSING = ("-", "")
_SEPARATORS = ("\t", ";", ",")


@dataclass(frozen=True)
class Format:
    """A kind of file.

    Args:
        name: in errors.
        needed: columns without which nothing can be said; others may be missing, and more may be there, in any order.
        columns: in the order of files without a header; empty where there is always one.
    """

    name: str
    needed: tuple[str, ...]
    columns: tuple[str, ...] = ()


_COMMON = ("Timestamp", "Longitude", "Latitude", "Operatorname")
_SIGNAL = ("RSRP", "RSRQ", "SNR", "CQI", "RSSI", "DL_bitrate", "UL_bitrate", "State")
_RACA = (*_COMMON[:3], "Speed", "Operatorname", "CellID", "NetworkMode", *_SIGNAL)
_SERVED = ("ServingCell_Lon", "ServingCell_Lat", "ServingCell_Distance")
_PINGS = ("PINGAVG", "PINGMIN", "PINGMAX", "PINGSTDEV", "PINGLOSS")
_HEX = ("CELLHEX", "NODEHEX", "LACHEX", "RAWCELLID")
_NEIGHBOUR = ("NRxRSRP", "NRxRSRQ")

RACA_5G = Format(
    "5G trace of Raca et al. (2020)",
    (*_COMMON, "NetworkMode", "RSRP", "NODEHEX", "RAWCELLID"),
    (*_RACA, *_PINGS, *_HEX, *_NEIGHBOUR),
)
RACA_4G = Format(
    "4G trace of Raca et al. (2018)",
    (*_COMMON, "CellID", "NetworkMode", "RSRP", "ServingCell_Lon", "ServingCell_Lat"),
    (*_RACA, *_NEIGHBOUR, *_SERVED),
)
GNETTRACK = Format("G-NetTrack log", (*_COMMON, "Node", "CellID", "NetworkTech", "Level"))
CELLMAPPER = Format(
    "CellMapper export",
    ("latitude", "longitude", "MCC", "MNC", "CID", "signal", "type"),
    ("latitude", "longitude", "altitude", "MCC", "MNC", "LAC", "CID", "signal", "type", "subtype", "ARFCN", "PSC"),
)
FORMATS = (RACA_4G, RACA_5G, GNETTRACK, CELLMAPPER)


@dataclass(frozen=True)
class Table:
    """Cells of a file by column, and the lines that they are from."""

    path: Path
    format: Format
    lines: list[int]
    cells: dict[str, tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.lines)

    def text(self, name: str) -> tuple[str, ...]:
        """Cells of a column; ``-`` where there is no such column."""
        return self.cells.get(name, ("-",) * len(self))

    def numbers(self, name: str, read: Callable[[str], float] = float, expected: str = "a number or '-'") -> Numbers:
        """Numbers of a column; ``-`` and nothing mark missing values, as does a missing column.

        Raises:
            ValueError: something else.
        """
        out = np.full(len(self), np.nan)
        for i, cell in enumerate(self.text(name)):
            if cell not in MISSING:
                try:
                    out[i] = read(cell)
                except ValueError:
                    where = f"{self.path}: line {self.lines[i]}, {name}"
                    raise ValueError(f"{where}: got {cell!r}, expected {expected}") from None
        return out


def read_table(path: Path) -> Table:
    """A whole file.

    Raises:
        ValueError: no text, columns of no format, a line of another length, or no rows.
    """
    lines = _lines(path)
    log_format, columns = _columns(path, lines)
    if lines[0][1] == columns:
        lines = lines[1:]
    if not lines:
        raise ValueError(f"{path}: got no rows, expected at least one")
    names, width = log_format.columns or log_format.needed, len(columns)
    spelled = {name.lower(): name for name in (*names, *log_format.needed)}
    for number, row in lines:
        if len(row) > width and not any(row[width:]):  # a separator at the end of the line
            del row[width:]
        if len(row) != width:
            raise ValueError(f"{path}: line {number}: got {len(row)} columns, expected {width}")
    known = [spelled.get(column.lower(), column) for column in columns]
    cells = dict(zip(known, zip(*(row for _, row in lines), strict=True), strict=True))
    return Table(path, log_format, [number for number, _ in lines], cells)


def format_of(path: Path) -> Format:
    """Format of a file, by its first line.

    Raises:
        ValueError: none, or no text.
    """
    return _columns(path, _lines(path, most=1))[0]


def _lines(path: Path, most: int | None = None) -> list[Line]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            head = file.readline()
            file.seek(0)
            separator = next((each for each in _SEPARATORS if each in head), ",")
            reader = csv.reader(file, delimiter=separator)
            rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader if row)
            return list(itertools.islice(rows, most))
    except (UnicodeDecodeError, csv.Error, IsADirectoryError):
        raise ValueError(f"{path}: got something that is no text, expected a trace") from None


def _columns(path: Path, lines: list[Line]) -> tuple[Format, list[str]]:
    """Format and columns: of the header in any order, else those of the format with as many as the first line has."""
    first = lines[0][1] if lines else []
    names = {cell.lower() for cell in first}
    if {"longitude", "latitude"} & names:
        missing = {each.name: [n for n in each.needed if n.lower() not in names] for each in FORMATS}
        best = min(FORMATS, key=lambda each: len(missing[each.name]))
        if missing[best.name]:
            lacks = missing[best.name][0]
            raise ValueError(
                f"{path}: got no column {lacks!r}, expected the columns {', '.join(best.needed)} of a {best.name}"
            )
        twice = [cell for i, cell in enumerate(first) if cell and cell in first[:i]]
        if twice:
            raise ValueError(f"{path}: got the column {twice[0]!r} twice, expected it once")
        return best, first
    for each in FORMATS:
        if each.columns and len(each.columns) == len(first):
            return each, list(each.columns)
    widths = ", ".join(f"{len(each.columns)} ({each.name})" for each in FORMATS if each.columns)
    raise ValueError(f"{path}: got {len(first)} columns without names, expected a header, or {widths}")
