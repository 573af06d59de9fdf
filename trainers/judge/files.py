"""Files of a comparison."""

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

from hetgraph.envs.rollout import Trial
from hetgraph.files import write_file
from hetgraph.trainers.judge.columns import cells, check_columns
from hetgraph.trainers.judge.trial import against, mean, ranks, table
from hetgraph.trainers.task import Task


def write_trials(task: Task, trials: Sequence[Trial], reference: str, out: Path) -> None:
    """Write ``results.json`` and ``results.csv`` (a row for each case and policy) and ``networks.csv`` (for each seed and network)."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [_row(task, trial, name, reference) for trial in trials for name in trial.values]
    content: dict[str, Any] = {
        "task": task.name,
        "cases": [trial.meta["title"] for trial in trials],
        "seed": trials[0].meta["seed"],
        "reference": reference,
        **provenance(),
        "rows": rows,
    }
    write_json(out / "results.json", content)
    write_table(out / "results.csv", rows)
    write_table(out / "networks.csv", [line for trial in trials for line in _networks(task, trial)])


def _row(task: Task, trial: Trial, name: str, reference: str) -> dict[str, Any]:
    """Indicators of a policy and what compares them with the reference's, each with the ends of its interval."""
    main = mean(trial, name, task.main(trial))
    row: dict[str, Any] = {**trial.meta["keys"], "policy": name}
    if "unserved" in trial.kpis:
        row["rank"] = ranks(trial, reference, task.main(trial))[name]
    for column in task.columns:
        if column.kpi in trial.kpis:
            row |= cells(column.kpi, mean(trial, name, column.kpi))
            compared = against(trial, name, reference, column.kpi, column.against)
            row |= {} if compared is None else cells(*compared)
    return row | {"decision_ms": 1e3 * trial.seconds[name], "seeds": main.seeds, "networks": main.networks}


def _networks(task: Task, trial: Trial) -> list[dict[str, Any]]:
    """Indicators of each policy, training seed and network."""
    kpis = [column.kpi for column in task.columns if column.kpi in trial.kpis]
    rows = []
    for name in trial.values:
        tables = {kpi: table(trial, name, kpi) for kpi in kpis}
        tables = {kpi: values.mean(1) if values.ndim == 3 else values for kpi, values in tables.items()}
        for seed, network in np.ndindex(tables[kpis[0]].shape):
            row = {**trial.meta["keys"], "policy": name, "training_seed": seed, "network": network}
            rows.append(row | {kpi: float(values[seed, network]) for kpi, values in tables.items()})
    return rows


def provenance() -> dict[str, Any]:
    """Date, command, commit and versions."""
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "commit": commit(),
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
    """Write rows of indicators as CSV.

    Raises:
        ValueError: a column that is neither a key nor an indicator.
    """
    check_columns(rows[0])
    write_csv(path, rows)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same columns as CSV; what is not a finite number stays empty."""
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


def commit() -> str | None:
    """Commit of the project, where it runs from a repository."""
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None
