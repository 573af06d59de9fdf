"""Learning curves of any run, from Lightning's ``metrics.csv``."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from hetgraph.radio.kpi_table import INDICATORS, indicator
from hetgraph.trainers.judge.plots import COLOURS, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST, PER_ROW = 9, 3  # panels, and those of a row
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
    """Score, losses and validation indicators over epochs, a panel for each."""
    metrics = read_metrics(path)
    order = [name for name in _FIRST if name in metrics]
    order += [name for name in sorted(metrics, key=lambda name: not name.startswith("val/")) if name not in order]
    shown = [name for name in order if name.startswith(("val/", "train/"))][:MOST]
    if not shown:
        raise ValueError(f"{path}: got no column of training or validation, expected some")
    rows, columns = -(-len(shown) // PER_ROW), min(len(shown), PER_ROW)
    figure, axes = subplots(rows, columns, figsize=(3.6 * columns, 2.8 * rows), squeeze=False)
    for number, panel in enumerate(axes.flat):
        if number >= len(shown):
            panel.set_visible(False)
            continue
        name = shown[number]
        panel.plot(*metrics[name], "o-", color=COLOURS[number % len(COLOURS)], markersize=3)
        panel.set(xlabel="epoch", title=_title(name))
    figure.tight_layout()
    return figure


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
