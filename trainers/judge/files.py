"""Tables and files of a comparison."""

import csv
import datetime
import io
import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from hetgraph.datasets.snapshot import write_file
from hetgraph.radio.kpi_table import indicator, vs_reference
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.columns import cells, check_columns
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.snapshot.comparison import Comparison

_WIDTH = 120
RATIOS = ("sum_rate_bps", "p5_rate_bps", "jain", "energy_efficiency_bpj")


def intervals(result: Comparison) -> dict[str, dict[str, Interval]]:
    """Method -> indicator -> interval: PF gain over the reference, ratios of means to the reference's, unserved users."""
    out: dict[str, dict[str, Interval]] = {}
    for name in result.wall_ms:
        row = {"pf_gain": statistics.pairwise(result.gains[name])}
        for kpi in RATIOS:
            values = result.values[kpi]
            row[vs_reference(kpi)] = statistics.ratio(values[name], values[result.reference])
        out[name] = row | {"unserved": statistics.mean(result.values["unserved"][name])}
    return out


def ranks(result: Comparison) -> dict[str, int | None]:
    """Method -> place by PF gain; none for a method that leaves more users unserved than the reference."""
    unserved = {name: float(values.mean()) for name, values in result.values["unserved"].items()}
    most = unserved[result.reference] + 1e-9
    gain = {name: float(result.gains[name].mean()) for name in result.wall_ms if unserved[name] <= most}
    order = sorted(gain, key=lambda name: -gain[name])
    return {name: order.index(name) + 1 if name in gain else None for name in result.wall_ms}


def over(rows: Mapping[str, Interval]) -> str:
    """What the intervals of a table are over, in words."""
    seeds = sorted({row.seeds for row in rows.values()})
    networks = next(iter(rows.values())).networks
    trained = f" and {', '.join(map(str, seeds))} training seeds" if seeds != [1] else ""
    return f"95% intervals over {networks} network{'s' if networks > 1 else ''}{trained}"


def print_table(result: Comparison, console: Console) -> None:
    """Print a comparison as a table."""
    found, place = intervals(result), ranks(result)
    title = f"{result.scenario}, against {result.reference}, {over({n: row['pf_gain'] for n, row in found.items()})}"
    table = Table(title=title)
    table.caption = (
        "PF gain: mean of ln(rate / reference's rate), nats per user whom both serve. Other columns: ratios of means to "
        "the reference's; - where that is zero. ms: median per layout."
    )
    dark = any(row["unserved"].value > 0 for row in found.values())
    if dark:
        table.caption += " Methods without a rank leave more users unserved than the reference."
    headings = ["rank", indicator("pf_gain").label, *(indicator(kpi).label for kpi in RATIOS)]
    table.add_column("policy", no_wrap=True)
    for heading in (*headings, *([indicator("unserved").heading] if dark else []), "ms"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, row in found.items():
        line = ["-" if place[name] is None else str(place[name]), row["pf_gain"].text(".3f", ".3f")]
        line += [row[vs_reference(kpi)].text(".3f", ".3f") for kpi in RATIOS]
        line += [row["unserved"].scaled(indicator("unserved").scale).text(".2f", ".2f")] if dark else []
        table.add_row(name, *line, f"{result.wall_ms[name]:.1f}")
    Console(file=console.file, width=max(console.width, _WIDTH)).print(table)


def write_results(result: Comparison, out: Path) -> None:
    """Write ``results.json``, ``results.csv`` (a line per method) and ``layouts.csv`` (a line per layout and seed)."""
    out.mkdir(parents=True, exist_ok=True)
    found, place = intervals(result), ranks(result)
    rows = []
    for name, row in found.items():
        line: dict[str, Any] = {"policy": name, "rank": place[name]}
        for kpi, interval in row.items():
            line |= cells(kpi, interval)
        for kpi in RATIOS:
            line |= cells(kpi, statistics.mean(result.values[kpi][name]))
        counts = {"seeds": row["pf_gain"].seeds, "networks": row["pf_gain"].networks}
        rows.append(line | {"wall_ms": result.wall_ms[name]} | counts)
    content: dict[str, Any] = {
        "scenario": result.scenario,
        "scenario_hash": result.scenario_hash,
        "layout_seed": result.seed,
        "convention": result.convention,
        "reference": result.reference,
        **provenance(),
        "rows": rows,
    }
    write_json(out / "results.json", content)
    write_table(out / "results.csv", rows)
    write_table(out / "layouts.csv", _layouts(result))


def provenance() -> dict[str, Any]:
    """Date, command, commit and versions."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "commit": _commit(),
        "versions": {p: version(p) for p in ("hetgraph", "torch", "torch-geometric", "lightning")},
    }


def write_json(path: Path, content: Any) -> None:
    """Write JSON; what is not a finite number becomes null. The columns of ``rows`` are those of tables.

    Raises:
        ValueError: a column that is neither a key nor an indicator.
    """
    for row in content.get("rows", ()):
        check_columns(row)
    write_file(path, json.dumps(_plain(content), indent=1).encode())


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same columns as CSV; what is not a finite number stays empty.

    Raises:
        ValueError: a column that is neither a key nor an indicator.
    """
    check_columns(rows[0])
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(_plain(dict(row)) for row in rows)
    write_file(path, text.getvalue().encode())


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _layouts(result: Comparison) -> list[dict[str, Any]]:
    """Indicators of each method, training seed and layout."""
    return [
        {"policy": name, "training_seed": seed, "layout": layout}
        | {kpi: float(values[name][seed, layout]) for kpi, values in result.values.items()}
        for name in result.wall_ms
        for seed, layout in np.ndindex(result.values["jain"][name].shape)
    ]


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
