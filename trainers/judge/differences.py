"""Figures of any task: means, paired differences to a reference, and indicators over a number of the scenario."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hetgraph.envs.rollout import Trial
from hetgraph.kpi_table import indicator
from hetgraph.trainers.judge.plots import COLOURS, SMALL, grid, legend, save, shortened
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import difference, mean, over

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PER_ROW = 3  # panels


def difference_figures(kpis: Sequence[str], trials: Sequence[Trial], reference: str, folder: Path) -> list[Path]:
    """Differences of each trial, where there is something to compare."""
    many = [trial for trial in trials if len(trial.values) > 1]
    names = ["differences"] if len(many) == 1 else [f"differences_{number}" for number in range(len(many))]
    return [
        save(difference_figure(trial, reference, kpis), folder, name) for name, trial in zip(names, many, strict=True)
    ]


def difference_figure(trial: Trial, reference: str, kpis: Sequence[str]) -> "Figure":
    """Paired differences to a reference with their intervals, a row for each other policy and a panel for each indicator."""
    colours = policy_colours(trial)
    del colours[reference]
    intervals = {key: [difference(trial, name, reference, key) for name in colours] for key in kpis}
    figure, axes = _interval_panels(colours, intervals)
    for panel in axes:
        panel.axvline(0, color="black", linewidth=0.8)
    figure.suptitle(f"{trial.meta['title']}: less {shortened(reference)}'s")
    return figure


def indicator_figures(kpis: Sequence[str], trials: Sequence[Trial], folder: Path) -> list[Path]:
    """Means of each trial."""
    names = ["indicators"] if len(trials) == 1 else [f"indicators_{number}" for number in range(len(trials))]
    return [save(indicator_figure(trial, kpis), folder, name) for name, trial in zip(names, trials, strict=True)]


def indicator_figure(trial: Trial, kpis: Sequence[str]) -> "Figure":
    """Means over networks with their intervals, a row for each policy and a panel for each indicator."""
    intervals = {key: [mean(trial, name, key) for name in trial.values] for key in kpis if key in trial.kpis}
    figure, _ = _interval_panels(policy_colours(trial), intervals)
    figure.suptitle(f"{trial.meta['title']}: {over(trial, next(iter(intervals)))}")
    return figure


def policy_colours(trial: Trial) -> dict[str, str]:
    """Colour of each policy, the same in all figures of a trial."""
    return {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(trial.values)}


def _interval_panels(
    colours: Mapping[str, str], intervals: Mapping[str, Sequence[Interval]]
) -> "tuple[Figure, list[Axes]]":
    """Points with their intervals, a row for each policy and a panel for each indicator; an arrow says which direction is better."""
    figure, axes = grid(len(intervals), PER_ROW, 1.0 + 0.21 * len(colours), sharey=True)
    for panel, (key, row) in zip(axes, intervals.items(), strict=True):
        kpi = indicator(key)
        for place, (colour, interval) in enumerate(zip(colours.values(), row, strict=True)):
            shown = interval.scaled(kpi.scale)
            half = shown.half if np.isfinite(shown.half) else 0.0
            panel.errorbar(shown.value, place, xerr=half, fmt="o", markersize=4, color=colour, capsize=3)
        panel.set_xlabel(f"{kpi.heading} ({'→' if kpi.better == 'higher' else '←'} better)", fontsize=SMALL)
        panel.set_yticks(range(len(colours)), [shortened(name) for name in colours], fontsize=SMALL)
        panel.set_ylim(len(colours) - 0.5, -0.5)
        panel.locator_params(axis="x", nbins=5)
    return figure, axes


def curve_figure(trials: Mapping[float, Trial], label: str, kpis: Sequence[str]) -> "Figure":
    """Indicators over a number of the scenario, a panel for each, bands of 95%.

    Args:
        trials: number -> trial.
        label: what the number is.
        kpis: indicators.
    """
    figure, axes = grid(len(kpis), 2, 3.2)
    numbers = sorted(trials)
    for panel, key in zip(axes, kpis, strict=True):
        kpi = indicator(key)
        for i, name in enumerate(trials[numbers[0]].values):
            means = [mean(trials[number], name, key) for number in numbers]
            low, high = ([kpi.scale * getattr(m, end) for m in means] for end in ("low", "high"))
            colour = COLOURS[i % len(COLOURS)]
            panel.plot(numbers, [kpi.scale * m.value for m in means], "o-", ms=4, color=colour, label=name)
            panel.fill_between(numbers, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.set(xlabel=label, ylabel=kpi.heading)
    legend(figure, axes[-1])
    return figure
