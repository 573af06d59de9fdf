"""Figures of arrivals: utility and rejections over load."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hetgraph.envs.rollout import Trial
from hetgraph.trainers.judge.plots import COLOURS, save, subplots
from hetgraph.trainers.judge.trial import mean, ratio

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def arrival_figures(trials: Sequence[Trial], reference: str, folder: Path) -> list[Path]:
    """All figures of some loads."""
    return [save(arrival_figure(trials, reference), folder, "arrivals")]


def arrival_figure(trials: Sequence[Trial], reference: str) -> "Figure":
    """Ratio of the mean utility to the reference's, and rejections, by mean demand; a column for each chance of an arrival."""
    chances = sorted({trial.meta["keys"]["probability"] or 0.0 for trial in trials})
    figure, axes = subplots(2, len(chances), figsize=(4.2 * len(chances), 6), squeeze=False, sharex=True, sharey="row")
    for column, chance in enumerate(chances):
        chosen = [trial for trial in trials if (trial.meta["keys"]["probability"] or 0.0) == chance]
        chosen.sort(key=lambda trial: trial.meta["keys"]["demand"] or 0.0)
        demand = [trial.meta["keys"]["demand"] or 0.0 for trial in chosen]
        for number, name in enumerate(chosen[0].values):
            style = {"color": COLOURS[number % len(COLOURS)], "marker": "o" if number < len(COLOURS) else "s", "ms": 4}
            gains = [ratio(trial, name, reference, "utility").value for trial in chosen]
            axes[0][column].plot(demand, gains, label=name, **style)
            axes[1][column].plot(demand, [mean(trial, name, "rejections").value for trial in chosen], **style)
        axes[0][column].set_title(f"p = {chance:g}" if chance else "all probabilities")
        axes[1][column].set_xlabel("mean demand")
    axes[0][0].set_ylabel(f"utility over {reference}'s")
    axes[1][0].set_ylabel("rejections in an episode")
    axes[0][-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    figure.suptitle(f"{trials[0].meta['title'].split(',')[0]}: utility and rejections", y=1.0)
    return figure
