"""Rows of a trace that give a cell's RSRP at a place, and why the others do not."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetgraph.datasets.lte_table import Numbers
from hetgraph.datasets.lte_trace import LTETrace

REASONS = ("no time", "no position", "other network", "missing RSRP", "wrong site", "unknown cell", "repeated")


@dataclass(frozen=True)
class TraceReport:
    """What became of a file's rows.

    Args:
        path: the file.
        generation: ``4G`` or ``5G``.
        rows: in the file.
        kept: rows with a time, a place, a cell and its RSRP.
        cells: distinct cells of the kept rows.
        dropped: rows dropped by reason, each counted once, by the first of :data:`REASONS` that holds.
    """

    path: Path
    generation: str
    rows: int
    kept: int
    cells: int
    dropped: dict[str, int]

    def __str__(self) -> str:
        lost = counts(self.dropped)
        return f"{self.path.name}: {self.generation}, {self.rows} rows, {self.kept} kept of {self.cells} cells; dropped: {lost}"


def counts(dropped: dict[str, int]) -> str:
    """Dropped rows by reason, in words."""
    return ", ".join(f"{count} {reason}" for reason, count in dropped.items() if count) or "none"


def summary(reports: Sequence[TraceReport]) -> str:
    """What became of the rows of some files together, in words."""
    dropped = {reason: sum(report.dropped[reason] for report in reports) for reason in REASONS}
    rows, kept = (sum(getattr(report, name) for report in reports) for name in ("rows", "kept"))
    return f"{kept} of {rows} rows of drive tests kept; dropped: {counts(dropped)}"


@dataclass(frozen=True)
class Rows:
    """Kept rows of one file, in the order of time.

    Args:
        time_s: since the file's first row ``[M]``, s; rising.
        latitude: of the phone ``[M]``, degrees, see :func:`smooth_places`.
        longitude: of the phone ``[M]``, degrees.
        cell: key of the serving cell ``[M]``.
        node: key of its mast ``[M]``.
        carrier: channel number of its carrier ``[M]``; empty where the file does not tell it.
        site: latitude and longitude of the mast ``[M, 2]``; NaN where the file does not tell it.
        rsrp_dbm: of the serving cell ``[M]``, dBm.
        neighbour_rsrp_dbm: of a neighbour of unknown identity ``[M]``, dBm; NaN where there is none.
    """

    time_s: Numbers
    latitude: Numbers
    longitude: Numbers
    cell: NDArray[np.str_]
    node: NDArray[np.str_]
    carrier: NDArray[np.str_]
    site: Numbers
    rsrp_dbm: Numbers
    neighbour_rsrp_dbm: Numbers

    def __len__(self) -> int:
        return len(self.time_s)


def clean(trace: LTETrace) -> tuple[Rows, TraceReport]:
    """Rows of a trace that can be used, and a report on all of them.

    Args:
        trace: a trace; its rows need not be in order.
    """
    latitude, longitude = smooth_places(trace)
    cell = np.array(trace.cell)
    holds = {
        "no time": ~np.isfinite(trace.time_s),
        "no position": ~(np.isfinite(trace.latitude) & np.isfinite(trace.longitude)),
        "other network": trace.other_network,
        "missing RSRP": ~np.isfinite(trace.rsrp_dbm),
        "wrong site": trace.wrong_site,
        "unknown cell": cell == "",
    }
    left, dropped = np.ones(len(trace), dtype=bool), {}
    for reason, bad in holds.items():
        dropped[reason] = int((left & bad).sum())
        left &= ~bad
    rows = np.flatnonzero(left)
    first = np.unique(trace.time_s[rows], return_index=True)[1]  # one row of each second, in the order of time
    dropped["repeated"] = len(rows) - len(first)
    rows = rows[first]
    kept = Rows(
        time_s=trace.time_s[rows],
        latitude=latitude[rows],
        longitude=longitude[rows],
        cell=cell[rows],
        node=np.array(trace.node)[rows],
        carrier=np.array(trace.carrier)[rows],
        site=trace.site[rows],
        rsrp_dbm=trace.rsrp_dbm[rows],
        neighbour_rsrp_dbm=trace.neighbour_rsrp_dbm[rows],
    )
    report = TraceReport(trace.path, trace.generation, len(trace), len(rows), len(np.unique(kept.cell)), dropped)
    return kept, report


def smooth_places(trace: LTETrace) -> tuple[Numbers, Numbers]:
    """Latitude and longitude of each row ``[T]``, between the fixes of the phone's receiver.

    The phones took a fix only after some 100 m (5G) or 1,000 m (4G); until the next one all rows repeat the last, place and
    speed alike. A fix is right when it first appears, and the phone is taken to move evenly, on a straight line, from one to
    the next. Rows after the last fix stay there, rows without a place keep none. Rows of a file without times are
    where it says.
    """
    if not trace.has_times:
        return trace.latitude, trace.longitude
    known = np.flatnonzero(np.isfinite(trace.time_s) & np.isfinite(trace.latitude) & np.isfinite(trace.longitude))
    if not known.size:
        return trace.latitude, trace.longitude
    known = known[np.argsort(trace.time_s[known], kind="stable")]
    time, places = trace.time_s[known], np.stack([trace.latitude[known], trace.longitude[known]], 1)
    fresh = np.flatnonzero(np.r_[True, (np.diff(places, axis=0) != 0).any(1)])
    fresh = fresh[np.r_[True, np.diff(time[fresh]) > 0]]
    out = []
    for column, printed in enumerate((trace.latitude, trace.longitude)):
        moved = np.interp(trace.time_s, time[fresh], places[fresh, column])
        out.append(np.where(np.isfinite(trace.time_s) & np.isfinite(printed), moved, printed))
    return out[0], out[1]
