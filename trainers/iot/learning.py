"""What training runs tell: returns of their episodes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hetgraph.trainers.common.resume import read_checkpoint
from hetgraph.trainers.judge import statistics

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_returns(path: Path) -> NDArray[np.float64]:
    """Returns of the episodes of a run, in the order in which they ended, from its last checkpoint; none of an unrolled one."""
    return np.array(read_checkpoint(path)["IoTDataModule"].get("returns", []))


def episodes_to(returns: NDArray[np.float64], goal: float, window: int = 8) -> int | None:
    """Episodes until the mean of the last ``window`` returns reaches a goal; ``None`` if it never does."""
    if len(returns) < window:
        return None
    means = np.convolve(returns, np.full(window, 1 / window), "valid")
    there = np.flatnonzero(means >= goal)
    return int(there[0]) + window if len(there) else None


def learning_figure(
    returns: Mapping[str, Sequence[NDArray[np.float64]]], block: int = 16, minutes: Mapping[str, float] | None = None
) -> "Figure":
    """Returns of training episodes, under exploration: means of blocks, bands of 95% over training seeds.

    Args:
        returns: method -> of each training run the returns of its episodes.
        block: episodes of a mean; those of networks that are played at once end together.
        minutes: method -> minutes of its trainings in the mean, with which a second panel is over time.
    """
    from hetgraph.trainers.judge.plots import COLOURS, grid, legend

    minutes = minutes or {}
    figure, panels = grid(1 + bool(minutes), 2, 4.0)
    for i, (name, runs) in enumerate(returns.items()):
        count = min(map(len, runs)) // block
        means = np.stack([run[: count * block].reshape(count, block).mean(1) for run in runs])  # [seeds, blocks]
        bands = [statistics.mean(column[:, None]) for column in means.T]  # over training seeds: episodes are their own
        episode, colour = block * (np.arange(count) + 1), COLOURS[i % len(COLOURS)]
        style = "-" if i < len(COLOURS) else "--"
        low, high = ([getattr(band, end) for band in bands] for end in ("low", "high"))
        places = (episode, minutes.get(name, np.nan) * episode / episode[-1])  # episodes are played at an even pace
        for axes, place in zip(panels, places, strict=False):
            axes.plot(place, [band.value for band in bands], style, color=colour, label=name)
            axes.fill_between(place, low, high, color=colour, alpha=0.15, linewidth=0)
    for axes, label in zip(panels, ("episodes", "minutes of a core"), strict=False):
        axes.set(xlabel=label, ylabel="return of an episode")
    legend(figure, panels[0])
    return figure
