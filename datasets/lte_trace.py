"""Drive tests: 4G and 5G traces of Raca et al. (MMSys 2018 and 2020), G-NetTrack logs and CellMapper exports.

A trace is one phone sampled about once a second, with gaps and repeats. Rows of different times taken together are
pseudo-users: they were never in the network at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetgraph.datasets.lte_table import (
    CELLMAPPER,
    GNETTRACK,
    MISSING,
    RACA_4G,
    RACA_5G,
    Numbers,
    Table,
    format_of,
    read_table,
)
from hetgraph.graph.geo import great_circle_m

COLUMNS_4G, COLUMNS_5G = RACA_4G.columns, RACA_5G.columns
WRONG_SITE_M = 5000.0
RSRP_DBM = (-156.0, -31.0)  # TS 36.133 Table 9.1.4-1; the traces mark missing values by -200 and below
_RSRQ_DB = (-34.0, 2.5)  # TS 36.133 Table 9.1.7-1; the traces mark missing values by 2147483647
_ANCHORED = ("LTE", "5G", "-")  # a 5G phone of 2020 is anchored to an LTE cell, whose RSRP it reports
LABELS = {"4G": ("4G", "LTE", "LTE-A"), "5G": ("5G", "NR")}  # of logs that say of each row what it is on
_TECHNOLOGY = {GNETTRACK.name: "NetworkTech", CELLMAPPER.name: "type"}
_SECTORS = 256  # of an LTE cell's number: 256 times its node's, plus its sector
_SECOND_S = 1.0  # between rows of a file that tells no times


@dataclass(frozen=True)
class LTETrace:
    """One trace file. Missing numbers are NaN.

    Args:
        path: the file.
        generation: ``4G`` or ``5G``.
        timestamp: as printed ``[T]``; empty where the file tells no times.
        time_s: since the first row ``[T]``, s; whole seconds, with gaps, and repeated where the phone reported twice. The rows of
            a file without times count as a second apart.
        latitude: degrees ``[T]``.
        longitude: degrees ``[T]``.
        speed_mps: speed ``[T]``, m/s.
        mode: network mode as printed ``[T]``: ``LTE``, ``5G`` (of 2020: on an LTE anchor), ``HSPA+``, ...
        other_network: rows on a network of another generation ``[T]``.
        cell: key of the serving cell ``[T]``, which begins with the operator: site and sector for the 4G traces, whose cell numbers
            are sectors; RAWCELLID for the 5G ones; node, cell and carrier for logs that tell carriers; empty if unknown.
        node: key of the serving site ``[T]``, whose cells stand on one mast; empty if unknown.
        carrier: channel number (EARFCN, ARFCN) of the serving cell ``[T]``; empty where the format does not tell it.
        rsrp_dbm: RSRP of the serving cell ``[T]``, dBm; NaN where the phone was on a network that has none.
        rsrq_db: RSRQ of the serving cell ``[T]``, dB.
        snr_db: ``[T]``, dB.
        neighbour_rsrp_dbm: RSRP of one neighbour, whose identity the trace does not give ``[T]``, dBm.
        rate_bps: downlink rate ``[T]``, bit/s.
        site: latitude and longitude of the serving site ``[T, 2]``; NaN where the file does not tell it or the row's is wrong.
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
    other_network: NDArray[np.bool_]
    cell: list[str]
    node: list[str]
    carrier: list[str]
    rsrp_dbm: Numbers
    rsrq_db: Numbers
    snr_db: Numbers
    neighbour_rsrp_dbm: Numbers
    rate_bps: Numbers
    site: Numbers
    wrong_site: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.timestamp)

    @property
    def has_times(self) -> bool:
        """Whether the file tells times."""
        return any(self.timestamp)

    @staticmethod
    def read(path: str | Path, generation: str | None = None) -> "LTETrace":
        """Read a trace, by the names of its columns; without a header by their number.

        Args:
            path: the file.
            generation: of the rows that count, of a log with rows of both.

        Raises:
            FileNotFoundError: no such file.
            ValueError: other columns, a cell that is neither a number nor missing, no rows, or rows of both generations and no
                choice.
        """
        path = Path(path)
        if not path.exists():
            raise FileNotFoundError(f"{path}: got no such file, expected a trace")
        table = read_table(path)
        kinds = _generations(table)
        if generation is None and len(kinds) > 1:
            raise ValueError(f"{path}: got rows of 4G and 5G, expected one kind: choose by generation='4G' or '5G'")
        return _READERS[table.format.name](table, generation or kinds[0])


def generations_of(path: Path) -> tuple[str, ...]:
    """``4G``, ``5G`` or both, by the columns of a file, or by what a log says of its rows; ``4G`` where these are on others.

    Raises:
        ValueError: columns of no format, or no text.
    """
    log_format = format_of(path)
    return ("4G",) if log_format is RACA_4G else ("5G",) if log_format is RACA_5G else _generations(read_table(path))


def _generations(table: Table) -> tuple[str, ...]:
    if table.format.name not in _TECHNOLOGY:
        return ("5G",) if table.format is RACA_5G else ("4G",)
    labels = set(table.text(_TECHNOLOGY[table.format.name]))
    return tuple(kind for kind, names in LABELS.items() if labels & set(names)) or ("4G",)


def _raca_4g(table: Table, generation: str) -> LTETrace:
    site = np.stack([table.numbers("ServingCell_Lat"), table.numbers("ServingCell_Lon")], 1)
    wrong = great_circle_m(table.numbers("Latitude"), table.numbers("Longitude"), site[:, 0], site[:, 1]) > WRONG_SITE_M
    site[wrong] = np.nan
    known = np.asarray(np.isfinite(site).all(1))
    places = zip(table.text("Operatorname"), site, known, strict=True)
    node = [f"{operator}/{place[0]:.6f}/{place[1]:.6f}" if ok else "" for operator, place, ok in places]
    cell = [_key(n, sector) if n else "" for n, sector in zip(node, table.text("CellID"), strict=True)]
    other = ~np.isin(table.text("NetworkMode"), _ANCHORED)
    return _trace(table, generation, cell, node, other, site=site, wrong=wrong)


def _raca_5g(table: Table, generation: str) -> LTETrace:
    """Hexadecimal columns are names, never floats: 53E42 would read as one.

    Where an LTE row's cell is not one of its node, the phone has just come from a 3G cell and still names it: that row's cell is
    unknown.
    """
    columns = (table.text(name) for name in ("Operatorname", "RAWCELLID", "NODEHEX", "NetworkMode"))
    keys = [
        ("", "") if _stale(raw, n, m) else (_key(o, raw), _key(o, n)) for o, raw, n, m in zip(*columns, strict=True)
    ]
    cell, node = [cell for cell, _ in keys], [node or cell for cell, node in keys]
    return _trace(table, generation, cell, node, ~np.isin(table.text("NetworkMode"), _ANCHORED))


def _gnettrack(table: Table, generation: str) -> LTETrace:
    """Cells are numbered within their node; operators without a name go by their number."""
    numbers = table.text("Operator")
    names = [b if a in MISSING else a for a, b in zip(table.text("Operatorname"), numbers, strict=True)]
    node = [_key(o, n) for o, n in zip(names, table.text("Node"), strict=True)]
    cell = [_key(n, c) if n else "" for n, c in zip(node, table.text("CellID"), strict=True)]
    return _logged(table, generation, cell, node, "Level", "Qual")


def _cellmapper(table: Table, generation: str) -> LTETrace:
    """An LTE cell's number tells its node; that of an NR cell does not, as node numbers have 22 to 32 bits."""
    operator = [f"{mcc}-{mnc}" for mcc, mnc in zip(table.text("MCC"), table.text("MNC"), strict=True)]
    number = table.numbers("CID")
    cell = [_key(o, c) for o, c in zip(operator, table.text("CID"), strict=True)]
    node = cell
    if generation == "4G":
        nodes = ["-" if not np.isfinite(each) else str(int(each) // _SECTORS) for each in number]
        node = [_key(o, n) for o, n in zip(operator, nodes, strict=True)]
    return _logged(table, generation, cell, node, "signal", "")


def _logged(table: Table, generation: str, cell: list[str], node: list[str], rsrp: str, rsrq: str) -> LTETrace:
    """A log whose rows say on which generation and, where there is a column, on which carrier they are."""
    carrier = [""] * len(table)
    if "ARFCN" in table.cells:
        carrier = ["" if each in MISSING else each for each in table.text("ARFCN")]
        cell = [_key(c, arfcn or "-") if c else "" for c, arfcn in zip(cell, carrier, strict=True)]
    other = ~np.isin(table.text(_TECHNOLOGY[table.format.name]), LABELS[generation])
    return _trace(table, generation, cell, node, other, carrier=carrier, rsrp=rsrp, rsrq=rsrq)


_READERS = {
    RACA_4G.name: _raca_4g,
    RACA_5G.name: _raca_5g,
    GNETTRACK.name: _gnettrack,
    CELLMAPPER.name: _cellmapper,
}


def _trace(
    table: Table,
    generation: str,
    cell: list[str],
    node: list[str],
    other: NDArray[np.bool_],
    *,
    carrier: Sequence[str] = (),
    rsrp: str = "RSRP",
    rsrq: str = "RSRQ",
    site: Numbers | None = None,
    wrong: NDArray[np.bool_] | None = None,
) -> LTETrace:
    rows, at = len(table), {name.lower(): name for name in table.cells}
    mode = table.text(_TECHNOLOGY.get(table.format.name, "NetworkMode"))
    timed = "timestamp" in at
    return LTETrace(
        path=table.path,
        generation=generation,
        timestamp=list(table.text("Timestamp")) if timed else [""] * rows,
        time_s=_time_s(table) if timed else _SECOND_S * np.arange(rows, dtype=np.float64),
        latitude=table.numbers(at["latitude"]),
        longitude=table.numbers(at["longitude"]),
        speed_mps=table.numbers("Speed") / 3.6,  # from km/h
        mode=list(mode),
        other_network=other,
        cell=cell,
        node=node,
        carrier=list(carrier) or [""] * rows,
        rsrp_dbm=np.where(other, np.nan, _within(table.numbers(rsrp), RSRP_DBM)),
        rsrq_db=np.where(other, np.nan, _within(table.numbers(rsrq), _RSRQ_DB)),
        snr_db=table.numbers("SNR"),
        neighbour_rsrp_dbm=_neighbour(table),
        rate_bps=table.numbers("DL_bitrate") * 1e3,  # from kbit/s
        site=np.full((rows, 2), np.nan) if site is None else site,
        wrong_site=np.zeros(rows, dtype=bool) if wrong is None else wrong,
    )


def _neighbour(table: Table) -> Numbers:
    rsrp, quality = _within(table.numbers("NRxRSRP"), RSRP_DBM), table.numbers("NRxRSRQ")
    return np.where(np.isfinite(quality) & np.isnan(_within(quality, _RSRQ_DB)), np.nan, rsrp)


def _time_s(table: Table) -> Numbers:
    time = table.numbers("Timestamp", _seconds, "such as 2018.01.19_07.31.51")
    known = time[np.isfinite(time)]
    return time - known[0] if known.size else time


def _seconds(text: str) -> float:
    return (datetime.strptime(text, "%Y.%m.%d_%H.%M.%S") - datetime(1970, 1, 1)).total_seconds()


def _stale(cell: str, node: str, mode: str) -> bool:
    try:
        return mode in ("LTE", "5G") and int(cell) // _SECTORS != int(node, 16)
    except ValueError:  # a missing one says nothing
        return False


def _key(first: str, name: str) -> str:
    return f"{first}/{name}" if name not in MISSING else ""


def _within(values: Numbers, bounds: tuple[float, float]) -> Numbers:
    """Values outside of what a phone can report are missing."""
    return np.where((values >= bounds[0]) & (values <= bounds[1]), values, np.nan)
