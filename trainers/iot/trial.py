"""Policies of IoT networks on the same held-out networks, and what training runs tell."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import rollout
from hetgraph.radio.policy import Policy
from hetgraph.radio.schedule import Schedule
from hetgraph.trainers.common.checkpoint import read_checkpoint
from hetgraph.trainers.iot.data import TEST
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.trial import NetworkTrial

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KPIS = (
    *("throughput_bps", "throughput_std_bps", "bit_per_j", "qos_violation", "jain"),
    *("handover_rate", "utilisation", "return"),
)


def judge_iot(
    scenario: str,
    policies: Mapping[str, Sequence[Policy[Schedule]]],
    *,
    networks: int = 16,
    slots: int = 200,
    few: int = 8,
    seed: int = TEST,
    progress: Progress | None = None,
) -> NetworkTrial:
    """Run every policy on the same networks.

    Args:
        scenario: name of a preset, with arguments if need be.
        policies: policy -> its training seeds.
        networks: how many, each for an episode.
        slots: length of it.
        few: networks at a time.
        seed: of the networks; those of the test by default.
        progress: a bar to show.

    Raises:
        ValueError: no network.
    """
    if networks < 1:
        raise ValueError(f"networks: got {networks}, expected at least 1")
    task = progress.add_task(scenario, total=sum(map(len, policies.values()))) if progress else None
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, members in policies.items():
        rows = []
        for member in members:
            parts = []
            for first in range(0, networks, few):
                env = IoTEnv(scenario, min(few, networks - first), first=first, episode_slots=slots)
                parts.append(rollout(env, {name: member}, seed=seed).values[name])
            rows.append({key: torch.cat([part[key][0] for part in parts]).cpu().numpy() for key in KPIS})
            if progress and task is not None:
                progress.advance(task)
        found[name] = {key: np.stack([row[key] for row in rows]) for key in KPIS}
    return NetworkTrial(scenario, KPIS, found, seed)


def training_returns(path: Path) -> NDArray[np.float64]:
    """Returns of the episodes of a run, in the order in which they ended, from its last checkpoint."""
    return np.array(read_checkpoint(path)["IoTDataModule"]["returns"])


def episodes_to(returns: NDArray[np.float64], goal: float, window: int = 8) -> int | None:
    """Episodes until the mean of the last ``window`` returns reaches a goal; ``None`` if it never does."""
    if len(returns) < window:
        return None
    means = np.convolve(returns, np.full(window, 1 / window), "valid")
    there = np.flatnonzero(means >= goal)
    return int(there[0]) + window if len(there) else None


def learning_figure(returns: Mapping[str, Sequence[NDArray[np.float64]]], block: int = 16) -> "Figure":
    """Returns of training episodes, under exploration: means of blocks, bands of 95% over training seeds.

    Args:
        returns: method -> of each training run the returns of its episodes.
        block: episodes of a mean; those of networks that are played at once end together.
    """
    from hetgraph.trainers.judge.plots import COLOURS, subplots

    figure, axes = subplots(figsize=(6.4, 4.0), layout="constrained")
    for i, (name, runs) in enumerate(returns.items()):
        count = min(map(len, runs)) // block
        means = np.stack([run[: count * block].reshape(count, block).mean(1) for run in runs])  # [seeds, blocks]
        bands = [statistics.mean(column[:, None]) for column in means.T]  # over training seeds: episodes are their own
        episode, colour = block * (np.arange(count) + 1), COLOURS[i % len(COLOURS)]
        axes.plot(episode, [band.value for band in bands], color=colour, label=name)
        low, high = ([getattr(band, end) for band in bands] for end in ("low", "high"))
        axes.fill_between(episode, low, high, color=colour, alpha=0.15, linewidth=0)
    axes.set(xlabel="episodes", ylabel="return of an episode")
    axes.legend(fontsize=8)
    return figure
