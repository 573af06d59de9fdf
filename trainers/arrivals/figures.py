"""Figures of arrivals: utility and rejections over load."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hetgraph.envs.rollout import Trial
from hetgraph.trainers.judge.plots import COLOURS, grid, legend, save, shortened
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import mean, over, ratio

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def arrival_figures(trials: Sequence[Trial], reference: str, folder: Path) -> list[Path]:
    """All figures of some loads."""
    return [save(arrival_figure(trials, reference), folder, "arrivals")]


def arrival_figure(trials: Sequence[Trial], reference: str) -> "Figure":
    """Utility over the reference's, and rejections, by mean demand, with their intervals; a row for each chance of an arrival."""
    chances = sorted({_key(trial, "probability") for trial in trials})
    figure, axes = grid(2 * len(chances), 2, 3.0, sharex=True)
    for chance, left, right in zip(chances, axes[::2], axes[1::2], strict=True):
        chosen = [trial for trial in trials if _key(trial, "probability") == chance]
        chosen.sort(key=lambda trial: _key(trial, "demand"))
        demand = np.array([_key(trial, "demand") for trial in chosen])
        policies = list(chosen[0].values)
        spread = 0.012 * max(float(np.ptp(demand)), 1.0)  # beside each other: intervals would hide each other
        for number, name in enumerate(policies):
            place = demand + (number - (len(policies) - 1) / 2) * spread
            _points(left, place, [ratio(trial, name, reference, "utility") for trial in chosen], number, name)
            if all("rejections" in trial.values[name] for trial in chosen):
                _points(right, place, [mean(trial, name, "rejections") for trial in chosen], number, name)
        where = f"p = {chance:g}" if chance else "all probabilities"
        left.set(title=where, ylabel=f"utility over {shortened(reference)}'s")
        right.set(title=where, ylabel="rejections in an episode")
    for panel in axes[-2:]:
        demands = sorted({_key(trial, "demand") for trial in trials})
        panel.set_xlabel("mean demand")
        panel.set_xticks(demands, [f"{demand:g}" if demand else "all demands" for demand in demands])
    legend(figure, axes[-2])
    figure.suptitle(f"{trials[0].meta['title'].split(',')[0]}: utility and rejections; {over(trials[0], 'utility')}")
    return figure


def _points(panel: "Axes", place: NDArray[np.float64], intervals: Sequence[Interval], number: int, name: str) -> None:
    half = [each.half if np.isfinite(each.half) else 0.0 for each in intervals]
    marker = "o" if number < len(COLOURS) else "s"
    style = {"color": COLOURS[number % len(COLOURS)], "marker": marker, "markersize": 4, "capsize": 2, "linewidth": 1}
    panel.errorbar(place, [each.value for each in intervals], yerr=half, label=name, **style)  # type: ignore[arg-type]


def _key(trial: Trial, name: str) -> float:
    return float(trial.meta["keys"][name] or 0.0)
