"""All figures of a comparison: those of its task, means of its indicators, and maps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hetgraph.envs.rollout import Trial
from hetgraph.trainers.judge.differences import indicator_figures
from hetgraph.trainers.judge.maps import map_figures
from hetgraph.trainers.judge.places import FILE, places_of, write_places
from hetgraph.trainers.judge.plots import can_draw
from hetgraph.trainers.task import Task


def draw_figures(task: Task, options: Any, trials: Sequence[Trial], reference: str, folder: Path) -> list[Path]:
    """Write what the page of a report makes an interactive map of, and draw some trials, a file each.

    Where matplotlib is not installed nothing is drawn.

    Args:
        task: which was compared.
        options: of the task.
        trials: of its cases; maps are of the first one.
        reference: policy with which others are compared.
        folder: of the files.
    """
    kpis = [column.kpi for column in task.columns if column.shown != "none"]
    places = places_of(task, options, trials[0])
    if places is not None:
        write_places(folder / FILE, places)
    if not can_draw():
        return []
    if places is not None:  # networks of conflict graphs and gains have no places, and no names
        named = {"cells": [cell.label for cell in places.cells], "order": places.order}
        trials = [replace(trial, meta={**trial.meta, **named}) for trial in trials]
    paths = [*task.figures(trials, reference, folder), *indicator_figures(kpis, trials, folder)]
    if places is None:
        return paths
    return [*paths, *map_figures(places, reference, folder)]
