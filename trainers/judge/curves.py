"""Learning curves of any run, from Lightning's ``metrics.csv``."""

import csv
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from hetgraph.kpi_table import INDICATORS, indicator
from hetgraph.trainers.judge.plots import COLOURS, SMALL, grid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST, PER_ROW = 9, 3  # panels, and those of a row
LINES = ("--", ":", "-.")
RATIO, DIFFERENCES = "_vs_reference", ("pf_gain",)  # metrics that compare with a reference
_FIRST = ("val/score", "train/loss", "train/reward")  # what is looked at first


def read_metrics(path: Path) -> dict[str, tuple[list[float], list[float]]]:
    """Columns of Lightning's ``metrics.csv``: name -> (epochs, values).

    Raises:
        FileNotFoundError: no such file.
        ValueError: another file.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected the metrics of a run")
    out: dict[str, tuple[list[float], list[float]]] = {}
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if "epoch" not in (reader.fieldnames or []):
            raise ValueError(f"{path}: got no column 'epoch', expected Lightning's metrics")
        for row in reader:
            for name, cell in row.items():
                if cell and name not in ("epoch", "step"):
                    epochs, values = out.setdefault(name, ([], []))
                    epochs.append(float(row["epoch"]) + 1)
                    values.append(float(cell))
    return out


def training_curves(path: Path) -> "Figure":
    """Score, losses and validation indicators over epochs, a panel for each, beside the rules that validation compares with."""
    metrics = read_metrics(path)
    levels = rule_levels(metrics)
    names = [name for name in metrics if ":" not in name]
    order = [name for name in _FIRST if name in names]
    order += [name for name in sorted(names, key=lambda name: not name.startswith("val/")) if name not in order]
    shown = [name for name in order if name.startswith(("val/", "train/"))][:MOST]
    if not shown:
        raise ValueError(f"{path}: got no column of training or validation, expected some")
    figure, axes = grid(len(shown), PER_ROW, 2.3)
    for number, (panel, name) in enumerate(zip(axes, shown, strict=True)):
        panel.plot(*metrics[name], "o-", color=COLOURS[number % len(COLOURS)], markersize=3)
        panel.set_xlabel("epoch", fontsize=SMALL)
        panel.set_title(_title(name), fontsize=SMALL)
        panel.locator_params(axis="x", integer=True)
        for (rule, level), style in zip(levels.get(name, {}).items(), itertools.cycle(LINES)):
            panel.axhline(level, color="black", linestyle=style, linewidth=1, label=rule)
        if name in levels:
            panel.legend(fontsize=7)
    return figure


def rule_levels(metrics: Mapping[str, tuple[list[float], list[float]]]) -> dict[str, dict[str, float]]:
    """Where rules are in the panel of each metric: {metric: {rule: level}}.

    A column ``val/NAME:RULE`` is the value of ``val/NAME`` that a rule reaches on the same networks; its last one counts. What
    compares with a reference by its name has the reference at one, if it is a ratio, or at zero.
    """
    out: dict[str, dict[str, float]] = {}
    for name, (_, values) in metrics.items():
        metric, _, rule = name.partition(":")
        base = metric.removeprefix("val/")
        if rule and metric in metrics:
            out.setdefault(metric, {})[rule] = values[-1]
        elif metric != base and base.endswith(RATIO):
            out.setdefault(metric, {})["reference"] = 1.0
        elif metric != base and base in DIFFERENCES:
            out.setdefault(metric, {})["reference"] = 0.0
    return out


def _title(name: str) -> str:
    """What a logged number is: of validation an indicator with its unit where it is one, of training a loss or its own name."""
    kind, _, base = name.partition("/")
    where = {"val": "validation", "train": "training"}[kind]
    if kind == "train":  # the terms of a loss may have names of indicators
        return f"{where}: {base.replace('_', ' ')}"
    try:
        known = indicator(base)
    except ValueError:
        return f"{where}: {base.replace('_', ' ')}"
    unit = known.unit if base in INDICATORS and known.unit != "1" else ""
    return f"{where}: {known.label}{f', {unit}' if unit else ''}"
