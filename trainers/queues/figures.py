"""Figures of packet delays: distributions, and what the mean is made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from hetgraph.envs.rollout import Trial
from hetgraph.trainers.judge.plots import COLOURS, SMALL, grid, legend, save, shortened
from hetgraph.trainers.judge.trial import mean, over

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PER_ROW = 3  # panels


def delay_figures(trials: Sequence[Trial], reference: str, folder: Path) -> list[Path]:
    """All figures of some trials of one scenario."""
    return [save(delay_cdfs(trials), folder, "delay_cdf"), save(delay_parts(trials), folder, "delay_parts")]


def delay_cdfs(trials: Sequence[Trial]) -> "Figure":
    """Share of packets whose delay is longer, a panel per load; the packets of all training seeds together."""
    figure, axes = grid(len(trials), PER_ROW, 3.2, sharey=True)
    for panel, trial in zip(axes, trials, strict=True):
        unit = _unit(trial)
        for number, (name, seeds) in enumerate(trial.details.items()):
            total = torch.cat([delays.total for runs in seeds for delays in runs]).sort().values.numpy()
            places = np.unique(np.geomspace(1, len(total), 400).astype(int))
            style = "-" if number < len(COLOURS) else "--"
            longer = places / len(total)
            panel.plot(total[len(total) - places], longer, style, color=COLOURS[number % len(COLOURS)], label=name)
        panel.set(xscale="log", yscale="log", xlabel=f"delay, {unit}", title=_load(trial), ylim=(1e-4, 1))
    for first in axes[::PER_ROW]:
        first.set_ylabel("share of longer delays")
    legend(figure, axes[-1])
    figure.suptitle(f"{_name(trials[0])}: packet delays")
    return figure


def delay_parts(trials: Sequence[Trial]) -> "Figure":
    """Mean delay split into waiting and transmission, with the interval of the whole, a panel per load."""
    policies = list(trials[0].values)
    figure, axes = grid(len(trials), PER_ROW, 1.3 + 0.24 * len(policies), sharey=True)
    for panel, trial in zip(axes, trials, strict=True):
        names, unit = list(trial.values), _unit(trial)
        parts = {
            part: np.array([mean(trial, name, f"{part}_{unit}").value for name in names])
            for part in ("waiting", "transmission")
        }
        whole = [mean(trial, name, f"mean_delay_{unit}") for name in names]
        place = np.arange(len(names))
        panel.barh(place, parts["transmission"], color=COLOURS[5], label="transmission")
        panel.barh(place, parts["waiting"], left=parts["transmission"], color=COLOURS[1], label="waiting")
        half = [each.half if np.isfinite(each.half) else 0.0 for each in whole]
        total = parts["waiting"] + parts["transmission"]
        panel.errorbar(total, place, xerr=half, fmt="none", ecolor="black", elinewidth=1, capsize=2.5)
        for at, value in enumerate((total + half).tolist()):
            panel.text(value, at, f"  {total[at]:.3g}", va="center", fontsize=SMALL)
        panel.set_yticks(place, [shortened(name) for name in names], fontsize=SMALL)
        panel.set_ylim(len(names) - 0.5, -0.5)
        panel.set(xlabel=f"mean delay, {unit}", title=_load(trial))
        panel.set_xlim(0, 1.3 * max(total + half))
    legend(figure, axes[-1])
    figure.suptitle(
        f"{_name(trials[0])}: what the mean delay is made of; {over(trials[0], f'mean_delay_{_unit(trials[0])}')}"
    )
    return figure


def _unit(trial: Trial) -> str:
    return "ms" if "mean_delay_ms" in trial.kpis else "slots"


def _load(trial: Trial) -> str:
    return f"load {trial.meta['keys']['offered_load']:g}"


def _name(trial: Trial) -> str:
    return str(trial.meta["title"]).rpartition(" at load")[0]
