"""Tables and files of a comparison."""

import csv
import datetime
import io
import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from hetgraph.datasets.snapshot import write_file
from hetgraph.trainers.statistics import Interval, paired_difference, ratio_of_means

if TYPE_CHECKING:
    from hetgraph.trainers.compare import Comparison

_WIDTH = 112
COLUMNS = (
    ("pf_utility", "PF gain"),
    ("sum_rate_bps", "sum rate"),
    ("p5_rate_bps", "5th pct."),
    ("jain", "Jain"),
    ("energy_efficiency_bpj", "bit/J"),
)


def intervals(result: "Comparison") -> dict[str, dict[str, Interval]]:
    """Method -> indicator -> interval against the reference: difference of log utility, ratio of means elsewhere."""
    out: dict[str, dict[str, Interval]] = {}
    for name in result.wall_ms:
        out[name] = {}
        for indicator, _ in COLUMNS:
            method, reference = result.values[indicator][name], result.values[indicator][result.reference][0]
            pair = paired_difference if indicator == "pf_utility" else ratio_of_means
            out[name][indicator] = pair(method, reference)
    return out


def print_table(result: "Comparison", console: Console) -> None:
    """Print a comparison as a table."""
    found = intervals(result)
    layouts = result.values["jain"][result.reference].shape[1]
    over = " and ".join(sorted({f"{row['jain'].count} {row['jain'].unit}" for row in found.values()}))
    title = f"{result.scenario}, {layouts} layouts, against {result.reference}, 95% intervals over {over}"
    table = Table(title=title)
    table.caption = (
        "PF gain: mean log rate above the reference, nats per user. Others: ratio of means. ms: median per layout."
    )
    table.add_column("policy", no_wrap=True)
    for title in (*(title for _, title in COLUMNS), "ms"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, row in found.items():
        cells = [_cell(row[indicator]) for indicator, _ in COLUMNS]
        table.add_row(name, *cells, f"{result.wall_ms[name]:.1f}")
    Console(file=console.file, width=max(console.width, _WIDTH)).print(table)


def _cell(value: Interval) -> str:
    if value.low != value.low:
        return f"{value.mean:.3f}"
    return f"{value.mean:.3f} ±{(value.high - value.low) / 2:.3f}"


def write_results(result: "Comparison", out: Path) -> None:
    """Write ``results.json``, ``results.csv`` (a line per method) and ``layouts.csv`` (a line per layout and seed)."""
    out.mkdir(parents=True, exist_ok=True)
    found = intervals(result)
    content: dict[str, Any] = {
        "scenario": result.scenario,
        "scenario_hash": result.scenario_hash,
        "layout_seed": result.seed,
        "convention": result.convention,
        "reference": result.reference,
        **provenance(),
        "methods": {
            name: {k: vars(v) for k, v in row.items()} | {"wall_ms": result.wall_ms[name]}
            for name, row in found.items()
        },
    }
    write_json(out / "results.json", content)
    write_file(out / "results.csv", _summary(result, found).encode())
    write_file(out / "layouts.csv", _layouts(result).encode())


def provenance() -> dict[str, Any]:
    """Date, command, commit and versions."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "commit": _commit(),
        "versions": {p: version(p) for p in ("hetgraph", "torch", "torch-geometric", "lightning")},
    }


def write_json(path: Path, content: Any) -> None:
    """Write JSON; what is not a number becomes null."""
    write_file(path, json.dumps(_plain(content), indent=1).encode())


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as CSV."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, text.getvalue().encode())


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return None if isinstance(value, float) and value != value else value


def _summary(result: "Comparison", found: dict[str, dict[str, Interval]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = [f"{indicator}_{part}" for indicator, _ in COLUMNS for part in ("mean", "low", "high")]
    writer.writerow(["policy", *header, "wall_ms", "unit", "count"])
    for name, row in found.items():
        numbers = [getattr(row[indicator], part) for indicator, _ in COLUMNS for part in ("mean", "low", "high")]
        writer.writerow([name, *numbers, result.wall_ms[name], row["jain"].unit, row["jain"].count])
    return text.getvalue()


def _layouts(result: "Comparison") -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["policy", "training_seed", "layout", *result.values])
    for name in result.wall_ms:
        seeds, layouts = result.values["jain"][name].shape
        for seed in range(seeds):
            for layout in range(layouts):
                writer.writerow([name, seed, layout, *(v[name][seed, layout] for v in result.values.values())])
    return text.getvalue()


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
