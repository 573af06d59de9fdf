"""Drive-test traces of Raca et al.: 4G (MMSys 2018, 20 columns) and 5G (MMSys 2020, 26 columns).

A trace is one phone sampled about once a second, with gaps and repeats. Rows of different times taken together are
pseudo-users: they were never in the network at once.
"""

import csv
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetgraph.graph.geo import great_circle_m


def _names(text: str) -> list[str]:
    return text.split()


_COMMON = """Timestamp Longitude Latitude Speed Operatorname CellID NetworkMode RSRP RSRQ SNR CQI RSSI DL_bitrate UL_bitrate
State """
COLUMNS_4G = _names(_COMMON + "NRxRSRP NRxRSRQ ServingCell_Lon ServingCell_Lat ServingCell_Distance")
COLUMNS_5G = _names(
    _COMMON + "PINGAVG PINGMIN PINGMAX PINGSTDEV PINGLOSS CELLHEX NODEHEX LACHEX RAWCELLID NRxRSRP NRxRSRQ"
)
WRONG_SITE_M = 5000.0
RSRP_DBM = (-156.0, -31.0)  # TS 36.133 Table 9.1.4-1; the traces mark missing values by -200 and below
_RSRQ_DB = (-34.0, 2.5)  # TS 36.133 Table 9.1.7-1; the traces mark missing values by 2147483647
Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class LTETrace:
    """One trace file. Missing numbers are NaN.

    Args:
        path: the file.
        generation: ``4G`` or ``5G``.
        timestamp: as printed ``[T]``.
        time_s: since the first row ``[T]``, s; whole seconds, with gaps, and repeated where the phone reported twice.
        latitude: degrees ``[T]``.
        longitude: degrees ``[T]``.
        speed_mps: speed ``[T]``, m/s.
        mode: network mode as printed ``[T]``: ``LTE``, ``5G`` (on an LTE anchor), ``HSPA+``, ...
        cell: key of the serving cell ``[T]``: operator, site and sector for 4G, whose cell numbers are sectors; operator and
            RAWCELLID for 5G; empty if unknown.
        node: key of the serving site ``[T]``, whose cells stand on one mast; empty if unknown.
        rsrp_dbm: RSRP of the serving cell ``[T]``, dBm; NaN where the phone was on a network that has none.
        rsrq_db: RSRQ of the serving cell ``[T]``, dB.
        snr_db: ``[T]``, dB.
        neighbour_rsrp_dbm: RSRP of one neighbour, whose identity the trace does not give ``[T]``, dBm.
        rate_bps: downlink rate ``[T]``, bit/s.
        site: latitude and longitude of the serving site ``[T, 2]``; NaN for 5G and where the row's site is wrong.
        wrong_site: rows whose site is over 5 km away ``[T]``.
    """

    path: Path
    generation: str
    timestamp: list[str]
    time_s: Numbers
    latitude: Numbers
    longitude: Numbers
    speed_mps: Numbers
    mode: list[str]
    cell: list[str]
    node: list[str]
    rsrp_dbm: Numbers
    rsrq_db: Numbers
    snr_db: Numbers
    neighbour_rsrp_dbm: Numbers
    rate_bps: Numbers
    site: Numbers
    wrong_site: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.timestamp)

    @staticmethod
    def read(path: str | Path) -> "LTETrace":
        """Read a trace, with or without its header.

        Raises:
            FileNotFoundError: no such file.
            ValueError: other columns, a cell that is neither a number nor missing, or no rows.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"{path}: got no such file, expected a trace")
        table, columns = _read_table(path)
        return table.trace("4G" if columns == COLUMNS_4G else "5G")


def generation_of(path: Path) -> str:
    """``4G`` or ``5G``, by the number of columns of a file's first line.

    Raises:
        ValueError: another number of columns, or no text.
    """
    lines = _lines(path, most=1)
    return "4G" if _columns(path, lines) == COLUMNS_4G else "5G"


def _lines(path: Path, most: int | None = None) -> list[tuple[int, list[str]]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            rows = ((reader.line_num, [cell.strip() for cell in row]) for row in reader if row)
            return list(itertools.islice(rows, most))
    except (UnicodeDecodeError, csv.Error, IsADirectoryError):
        raise ValueError(f"{path}: got something that is no text, expected a trace") from None


def _columns(path: Path, lines: list[tuple[int, list[str]]]) -> list[str]:
    width = len(lines[0][1]) if lines else 0
    columns = {20: COLUMNS_4G, 26: COLUMNS_5G}.get(width)
    if columns is None:
        raise ValueError(f"{path}: got {width} columns, expected 20 (4G) or 26 (5G)")
    return columns


def _read_table(path: Path) -> "tuple[_Table, list[str]]":
    lines = _lines(path)
    columns = _columns(path, lines)
    width, first = len(columns), lines[0][1]
    if first[0] == columns[0]:
        for got, expected in zip(first, columns, strict=True):
            if got != expected:
                raise ValueError(f"{path}: line 1: got the column {got!r}, expected {expected!r}")
        lines = lines[1:]
    if not lines:
        raise ValueError(f"{path}: got no rows, expected at least one")
    for number, row in lines:
        if len(row) != width:
            raise ValueError(f"{path}: line {number}: got {len(row)} columns, expected {width}")
    cells = dict(zip(columns, zip(*(row for _, row in lines), strict=True), strict=True))
    return _Table(path, [number for number, _ in lines], cells), columns


@dataclass(frozen=True)
class _Table:
    """Cells of a trace by column, and the lines of the file that they are from."""

    path: Path
    lines: list[int]
    cells: dict[str, tuple[str, ...]]

    def trace(self, generation: str) -> LTETrace:
        latitude, longitude = self.numbers("Latitude"), self.numbers("Longitude")
        site = np.full((len(self.lines), 2), np.nan)
        if generation == "4G":
            site = np.stack([self.numbers("ServingCell_Lat"), self.numbers("ServingCell_Lon")], 1)
        wrong = great_circle_m(latitude, longitude, site[:, 0], site[:, 1]) > WRONG_SITE_M
        site[wrong] = np.nan
        cell, node = self._keys_4g(site) if generation == "4G" else self._keys_5g()
        mode = list(self.cells["NetworkMode"])
        other = ~np.isin(mode, ("LTE", "5G", "-"))
        return LTETrace(
            path=self.path,
            generation=generation,
            timestamp=list(self.cells["Timestamp"]),
            time_s=self._time_s(),
            latitude=latitude,
            longitude=longitude,
            speed_mps=self.numbers("Speed") / 3.6,  # from km/h
            mode=mode,
            cell=cell,
            node=node,
            rsrp_dbm=np.where(other, np.nan, _within(self.numbers("RSRP"), RSRP_DBM)),
            rsrq_db=np.where(other, np.nan, _within(self.numbers("RSRQ"), _RSRQ_DB)),
            snr_db=self.numbers("SNR"),
            neighbour_rsrp_dbm=self._neighbour(),
            rate_bps=self.numbers("DL_bitrate") * 1e3,  # from kbit/s
            site=site,
            wrong_site=wrong,
        )

    def numbers(self, name: str, read: Callable[[str], float] = float, expected: str = "a number or '-'") -> Numbers:
        """Numbers of a column; ``-`` and nothing mark missing values."""
        out = np.full(len(self.lines), np.nan)
        for i, cell in enumerate(self.cells[name]):
            if cell not in ("-", ""):
                try:
                    out[i] = read(cell)
                except ValueError:
                    where = f"{self.path}: line {self.lines[i]}, {name}"
                    raise ValueError(f"{where}: got {cell!r}, expected {expected}") from None
        return out

    def _neighbour(self) -> Numbers:
        rsrp, quality = _within(self.numbers("NRxRSRP"), RSRP_DBM), self.numbers("NRxRSRQ")
        return np.where(np.isfinite(quality) & np.isnan(_within(quality, _RSRQ_DB)), np.nan, rsrp)

    def _time_s(self) -> Numbers:
        time = self.numbers("Timestamp", _seconds, "such as 2018.01.19_07.31.51")
        known = time[np.isfinite(time)]
        return time - known[0] if known.size else time

    def _keys_4g(self, site: Numbers) -> tuple[list[str], list[str]]:
        known = np.asarray(np.isfinite(site).all(1))
        places = zip(self.cells["Operatorname"], site, known, strict=True)
        node = [f"{operator}/{place[0]:.6f}/{place[1]:.6f}" if ok else "" for operator, place, ok in places]
        sectors = zip(node, self.cells["CellID"], strict=True)
        return [f"{n}/{sector}" if n and sector not in ("-", "") else "" for n, sector in sectors], node

    def _keys_5g(self) -> tuple[list[str], list[str]]:
        """Hexadecimal columns are names, never floats: 53E42 would read as one.

        An LTE cell's number is 256 times its node's, plus its sector. Where an LTE row has another, the phone has just come
        from a 3G cell and still names it: that row's cell is unknown.
        """
        columns = (self.cells[name] for name in ("Operatorname", "RAWCELLID", "NODEHEX", "NetworkMode"))
        keys = [
            ("", "") if _stale(raw, n, m) else (_key(o, raw), _key(o, n)) for o, raw, n, m in zip(*columns, strict=True)
        ]
        return [cell for cell, _ in keys], [node or cell for cell, node in keys]


def _seconds(text: str) -> float:
    return (datetime.strptime(text, "%Y.%m.%d_%H.%M.%S") - datetime(1970, 1, 1)).total_seconds()


def _stale(cell: str, node: str, mode: str) -> bool:
    try:
        return mode in ("LTE", "5G") and int(cell) // 256 != int(node, 16)
    except ValueError:  # a missing one says nothing
        return False


def _key(operator: str, name: str) -> str:
    return f"{operator}/{name}" if name not in ("-", "") else ""


def _within(values: Numbers, bounds: tuple[float, float]) -> Numbers:
    """Values outside of what a phone can report are missing."""
    return np.where((values >= bounds[0]) & (values <= bounds[1]), values, np.nan)
