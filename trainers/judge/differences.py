"""Figures of any task: paired differences to a reference, and indicators over a number of the scenario."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hetgraph.envs.rollout import Trial
from hetgraph.radio.kpi_table import indicator
from hetgraph.trainers.judge.plots import COLOURS, save, subplots
from hetgraph.trainers.judge.trial import difference, mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def difference_figures(kpis: Sequence[str], trials: Sequence[Trial], reference: str, folder: Path) -> list[Path]:
    """Differences of each trial, where there is something to compare."""
    many = [trial for trial in trials if len(trial.values) > 1]
    names = ["differences"] if len(many) == 1 else [f"differences_{number}" for number in range(len(many))]
    return [
        save(difference_figure(trial, reference, kpis), folder, name) for name, trial in zip(names, many, strict=True)
    ]


def difference_figure(trial: Trial, reference: str, kpis: Sequence[str]) -> "Figure":
    """Paired differences to a reference with their intervals, a row for each other policy and a panel for each indicator."""
    names = [name for name in trial.values if name != reference]
    size = (3.6 * len(kpis), 1.4 + 0.3 * len(names))
    figure, axes = subplots(1, len(kpis), figsize=size, squeeze=False, sharey=True)
    for panel, key in zip(axes[0], kpis, strict=True):
        kpi = indicator(key)
        for row, name in enumerate(names):
            interval = difference(trial, name, reference, key).scaled(kpi.scale)
            half = interval.half if np.isfinite(interval.half) else 0.0
            panel.errorbar(interval.value, row, xerr=half, fmt="o", color=COLOURS[row % len(COLOURS)], capsize=3)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set(xlabel=kpi.heading, yticks=range(len(names)), yticklabels=names)
    axes[0][0].invert_yaxis()
    figure.suptitle(f"{trial.meta['title']}: less {reference}'s", y=1.0)
    figure.tight_layout()
    return figure


def curve_figure(trials: Mapping[float, Trial], label: str, kpis: Sequence[str]) -> "Figure":
    """Indicators over a number of the scenario, a panel for each, bands of 95%.

    Args:
        trials: number -> trial.
        label: what the number is.
        kpis: indicators.
    """
    figure, axes = subplots(1, len(kpis), figsize=(4.2 * len(kpis), 3.6), squeeze=False, layout="constrained")
    numbers = sorted(trials)
    for panel, key in zip(axes[0], kpis, strict=True):
        kpi = indicator(key)
        for i, name in enumerate(trials[numbers[0]].values):
            means = [mean(trials[number], name, key) for number in numbers]
            low, high = ([kpi.scale * getattr(m, end) for m in means] for end in ("low", "high"))
            colour = COLOURS[i % len(COLOURS)]
            panel.plot(numbers, [kpi.scale * m.value for m in means], "o-", ms=4, color=colour, label=name)
            panel.fill_between(numbers, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.set(xlabel=label, ylabel=kpi.heading)
    axes[0][-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure
