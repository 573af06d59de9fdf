"""Figures of packet delays: distributions, and what the mean is made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from hetgraph.trainers.judge.plots import COLOURS, save, subplots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from hetgraph.trainers.queues.trial import Trial


def delay_figures(trials: Sequence["Trial"], folder: Path) -> list[Path]:
    """All figures of some trials of one scenario."""
    return [save(delay_cdfs(trials), folder, "delay_cdf"), save(delay_parts(trials), folder, "delay_parts")]


def delay_cdfs(trials: Sequence["Trial"]) -> "Figure":
    """Share of packets whose delay is longer, a panel per load; the packets of all training seeds together."""
    figure, axes = subplots(1, len(trials), figsize=(4.2 * len(trials), 3.8), sharey=True, squeeze=False)
    for panel, trial in zip(axes[0], trials, strict=True):
        for number, (name, members) in enumerate(trial.delays.items()):
            total = torch.cat([delays.total for delays in members]).sort().values.numpy() * trial.slot_ms
            places = np.unique(np.geomspace(1, len(total), 400).astype(int))
            style = "-" if number < len(COLOURS) else "--"
            longer = places / len(total)
            panel.plot(total[len(total) - places], longer, style, color=COLOURS[number % len(COLOURS)], label=name)
        panel.set(
            xscale="log", yscale="log", xlabel=f"delay, {trial.unit}", title=f"load {trial.load:g}", ylim=(1e-4, 1)
        )
    axes[0][0].set_ylabel("share of packets with a longer delay")
    axes[0][-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    figure.suptitle(f"{trials[0].scenario}: packet delays", y=1.04)
    return figure


def delay_parts(trials: Sequence["Trial"]) -> "Figure":
    """Mean delay split into waiting and transmission, a panel per load."""
    figure, axes = subplots(1, len(trials), figsize=(4.2 * len(trials), 3.8), squeeze=False)
    for panel, trial in zip(axes[0], trials, strict=True):
        names = list(trial.delays)
        parts = {s: np.array([trial.mean(n, s).value for n in names]) for s in ("waiting", "transmission")}
        place = np.arange(len(names))
        panel.barh(place, parts["transmission"], color=COLOURS[5], label="transmission")
        panel.barh(place, parts["waiting"], left=parts["transmission"], color=COLOURS[1], label="waiting")
        for at, value in zip(place, parts["waiting"] + parts["transmission"], strict=True):
            panel.text(value, at, f" {value:.3g}", va="center", fontsize=8)
        panel.set_yticks(place, names if panel is axes[0][0] else [""] * len(names))
        panel.invert_yaxis()
        panel.set(xlabel=f"mean delay, {trial.unit}", title=f"load {trial.load:g}")
        panel.margins(x=0.15)
    axes[0][-1].legend(fontsize=8)
    figure.suptitle(f"{trials[0].scenario}: what the mean delay is made of", y=1.04)
    return figure
