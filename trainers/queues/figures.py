"""Figures of packet delays: distributions, and what the mean is made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from hetgraph.envs.rollout import Trial
from hetgraph.trainers.judge.plots import COLOURS, save, subplots
from hetgraph.trainers.judge.trial import mean

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def delay_figures(trials: Sequence[Trial], reference: str, folder: Path) -> list[Path]:
    """All figures of some trials of one scenario."""
    return [save(delay_cdfs(trials), folder, "delay_cdf"), save(delay_parts(trials), folder, "delay_parts")]


def delay_cdfs(trials: Sequence[Trial]) -> "Figure":
    """Share of packets whose delay is longer, a panel per load; the packets of all training seeds together."""
    figure, axes = subplots(1, len(trials), figsize=(4.2 * len(trials), 3.8), sharey=True, squeeze=False)
    for panel, trial in zip(axes[0], trials, strict=True):
        unit = _unit(trial)
        for number, (name, seeds) in enumerate(trial.details.items()):
            total = torch.cat([delays.total for runs in seeds for delays in runs]).sort().values.numpy()
            places = np.unique(np.geomspace(1, len(total), 400).astype(int))
            style = "-" if number < len(COLOURS) else "--"
            longer = places / len(total)
            panel.plot(total[len(total) - places], longer, style, color=COLOURS[number % len(COLOURS)], label=name)
        panel.set(xscale="log", yscale="log", xlabel=f"delay, {unit}", title=_load(trial), ylim=(1e-4, 1))
    axes[0][0].set_ylabel("share of packets with a longer delay")
    axes[0][-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    figure.suptitle(f"{_name(trials[0])}: packet delays", y=1.04)
    return figure


def delay_parts(trials: Sequence[Trial]) -> "Figure":
    """Mean delay split into waiting and transmission, a panel per load."""
    figure, axes = subplots(1, len(trials), figsize=(4.2 * len(trials), 3.8), squeeze=False)
    for panel, trial in zip(axes[0], trials, strict=True):
        names, unit = list(trial.values), _unit(trial)
        parts = {
            part: np.array([mean(trial, name, f"{part}_{unit}").value for name in names])
            for part in ("waiting", "transmission")
        }
        place = np.arange(len(names))
        panel.barh(place, parts["transmission"], color=COLOURS[5], label="transmission")
        panel.barh(place, parts["waiting"], left=parts["transmission"], color=COLOURS[1], label="waiting")
        for at, value in zip(place, parts["waiting"] + parts["transmission"], strict=True):
            panel.text(value, at, f" {value:.3g}", va="center", fontsize=8)
        panel.set_yticks(place, names if panel is axes[0][0] else [""] * len(names))
        panel.invert_yaxis()
        panel.set(xlabel=f"mean delay, {unit}", title=_load(trial))
        panel.margins(x=0.15)
    axes[0][-1].legend(fontsize=8)
    figure.suptitle(f"{_name(trials[0])}: what the mean delay is made of", y=1.04)
    return figure


def _unit(trial: Trial) -> str:
    return "ms" if "mean_delay_ms" in trial.kpis else "slots"


def _load(trial: Trial) -> str:
    return f"load {trial.meta['keys']['offered_load']:g}"


def _name(trial: Trial) -> str:
    return str(trial.meta["title"]).rpartition(" at load")[0]
