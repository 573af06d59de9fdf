"""Files of decisions on one network: tables of its cells and users, and what they are."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hetgraph.kpi_table import INDICATORS
from hetgraph.trainers.judge.decision_columns import described
from hetgraph.trainers.judge.decisions import Decided
from hetgraph.trainers.judge.files import provenance, write_csv, write_json
from hetgraph.trainers.judge.geojson import write_geojson
from hetgraph.trainers.task import Task

CELLS, USERS, ABOUT = "cells.csv", "users.csv", "predict.json"


def write_decided(
    task: Task, options: Any, decided: Decided, out: Path, *, about: str = ABOUT, more: Mapping[str, Any] | None = None
) -> list[str]:
    """Write ``cells.csv``, ``users.csv``, a JSON that says what the columns are, and, of files with degrees, a GeoJSON.

    Args:
        task: of the policy.
        options: of the task.
        decided: what is written.
        out: folder.
        about: name of the JSON.
        more: what it has besides.

    Returns:
        names of the files that were written.
    """
    kpis = {
        name: {"value": value, "unit": INDICATORS[name].unit, "meaning": INDICATORS[name].source}
        for name, value in decided.kpis.items()
    }
    content = {
        "task": task.name,
        "policy": decided.policy,
        "case": {"title": decided.case.title, **decided.case.keys},
        "options": dataclasses.asdict(options),
        **provenance(),
        "kpis": kpis,
        **({} if decided.offset_agreement is None else {"offset_agreement": decided.offset_agreement}),
        **(more or {}),
        CELLS: described(list(decided.cells[0])),
        USERS: described(list(decided.users[0])),
    }
    write_csv(out / CELLS, decided.cells)
    write_csv(out / USERS, decided.users)
    write_json(out / about, content)
    files, drawn = [CELLS, USERS, about], Path(about).with_suffix(".geojson").name
    if (
        getattr(options, "sites", None)
        and getattr(options, "users", None)
        and write_geojson(out / drawn, decided, options)
    ):
        files.append(drawn)
    return files


def write_compared(decided: Sequence[Decided], out: Path) -> None:
    """Write the decisions of several policies into ``cells.csv`` and ``users.csv``, with the policy as first column."""
    for file in (CELLS, USERS):
        rows = [
            {"policy": each.policy, **row} for each in decided for row in (each.cells if file == CELLS else each.users)
        ]
        write_csv(out / file, rows)
