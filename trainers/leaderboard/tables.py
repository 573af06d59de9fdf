"""Indicators of a method on every network, as a CSV: training seed x network."""

import csv
import hashlib
import io
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hetgraph.files import read_file
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.columns import check_columns
from hetgraph.trainers.judge.statistics import Interval

Tables = dict[str, NDArray[np.float64]]
MOST_BYTES = 1 << 24
KEYS = ("method", "training_seed", "network")
FORM = ".9g"  # of values: more digits than any interval has
DIGITS = 6  # significant, of the printed metrics
_ROUNDED = 0.5 + 1e-6  # of the last digit: how far a printed number may be from its value
_NOISE = 1e-14  # of the largest value: sums are taken in another order elsewhere, and what remains of zero is noise


def csv_of(method: str, tables: Tables) -> bytes:
    """CSV of indicators ``[S, K]``.

    Raises:
        ValueError: a value that is not finite, or a column that is no indicator.
    """
    check_columns(tables)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*KEYS, *tables])
    for seed, network in np.ndindex(next(iter(tables.values())).shape):
        values = {kpi: float(table[seed, network]) for kpi, table in tables.items()}
        for kpi, value in values.items():
            if not math.isfinite(value):
                raise ValueError(f"{method}: {kpi}: got {value} on network {network}, expected a finite number")
        writer.writerow([method, seed, network, *(f"{value:{FORM}}" for value in values.values())])
    return text.getvalue().encode()


def read_csv(path: Path, digest: str, method: str, seeds: int, networks: int) -> Tables:
    """Indicators ``[S, K]`` of a CSV.

    Args:
        path: of the file; links are not followed.
        digest: its SHA-256.
        method: whose.
        seeds: S.
        networks: K.

    Raises:
        ValueError: no such file, another content than that of the digest, or rows that are not as they must be.
    """
    content = read_file(path, MOST_BYTES)
    if content is None:
        raise ValueError(f"{path}: got no regular file of at most {MOST_BYTES} bytes, expected an entry's CSV")
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        raise ValueError(f"{path}: sha256: got {found}, expected {digest}, that of the entry")
    return parse_csv(content, str(path), method, seeds, networks)


def parse_csv(content: bytes, file: str, method: str, seeds: int, networks: int) -> Tables:
    """Indicators ``[S, K]`` of a CSV's content.

    Raises:
        ValueError: rows that are not as they must be.
    """
    try:
        rows = list(csv.reader(io.StringIO(content.decode()), strict=True))
    except (csv.Error, UnicodeDecodeError):
        raise ValueError(f"{file}: got a file that cannot be read, expected a CSV") from None
    head = rows[0] if rows else []
    kpis = head[len(KEYS) :]
    if tuple(head[: len(KEYS)]) != KEYS or not kpis or len(set(kpis)) != len(kpis):
        raise ValueError(f"{file}: got the columns {', '.join(head)[:80]}, expected {', '.join(KEYS)} and indicators")
    try:
        check_columns(kpis)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None
    if len(rows) - 1 != seeds * networks:
        expected = f"{seeds} seeds on {networks} networks"
        raise ValueError(f"{file}: got {len(rows) - 1} rows, expected {seeds * networks} of {expected}")
    values = np.empty((seeds * networks, len(kpis)))
    for i, row in enumerate(rows[1:]):
        keys = [method, str(i // networks), str(i % networks)]
        if row[: len(KEYS)] != keys or len(row) != len(head):
            raise ValueError(f"{file}: line {i + 2}: got {','.join(row)[:80]}, expected {','.join(keys)} and values")
        values[i] = [_number(text, kpi, f"{file}: line {i + 2}") for text, kpi in zip(row[3:], kpis, strict=True)]
    return {kpi: values[:, j].reshape(seeds, networks) for j, kpi in enumerate(kpis)}


def _number(text: str, kpi: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{where}: {kpi}: got {text[:40]!r}, expected a finite number")
    return value


def metrics_of(tables: Mapping[str, NDArray[np.float64]]) -> dict[str, dict[str, float]]:
    """Mean and ends of its 95% interval of each indicator, with the printed digits."""
    return {kpi: {name: printed(value) for name, value in _parts(statistics.mean(table)).items()}
            for kpi, table in tables.items()}  # fmt: skip


def check_metrics(file: str, stated: Mapping[str, Mapping[str, float]], tables: Tables) -> None:
    """Compare what an entry states with what its table has, to the printed digits.

    Raises:
        ValueError: other indicators, or a number that is not that of the table.
    """
    if set(stated) != set(tables):
        raise ValueError(f"{file}: metrics: got {', '.join(stated)}, expected {', '.join(tables)}, those of the CSV")
    for kpi, table in tables.items():
        for name, value in _parts(statistics.mean(table)).items():
            slack = _ROUNDED * _last_digit(value) + _NOISE * float(np.abs(table).max())
            if abs(stated[kpi][name] - value) > slack:
                found = f"got {stated[kpi][name]!r}, expected {printed(value)!r}"
                raise ValueError(f"{file}: metrics.{kpi}.{name}: {found}, that of the CSV")


def printed(value: float) -> float:
    """A number with the printed digits."""
    return float(f"{value:.{DIGITS}g}")


def _last_digit(value: float) -> float:
    return 10.0 ** (math.floor(math.log10(abs(value))) - DIGITS + 1) if value else 10.0**-300


def _parts(interval: Interval) -> dict[str, float]:
    return {"mean": interval.value, "low": interval.low, "high": interval.high}
