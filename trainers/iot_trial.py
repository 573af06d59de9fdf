"""Policies of IoT networks on the same held-out networks: means, paired differences, curves over one of the scenario's numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from hetgraph.envs import IoTEnv, run_iot
from hetgraph.trainers.checkpoint import read_checkpoint
from hetgraph.trainers.iot_data import TEST, Schedules
from hetgraph.trainers.statistics import Interval, t_interval
from hetgraph.trainers.tables import provenance, write_json, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Indicator -> heading and factor of what is shown.
SHOWN = {
    "throughput_bps": ("Mbit/s", 1e-6),
    "throughput_std_bps": ("its deviation", 1e-6),
    "bit_per_j": ("Mbit/J", 1e-6),
    "qos_violation": ("QoS violations, %", 100.0),
    "jain": ("Jain", 1.0),
    "handover_rate": ("handovers, %", 100.0),
    "utilisation": ("subchannels used, %", 100.0),
    "return": ("return", 1.0),
}


@dataclass(frozen=True)
class IoTTrial:
    """What every policy makes of an episode of the same networks.

    Args:
        scenario: name.
        found: policy -> indicator -> values of each training seed and network ``[S, K]``; one row for a policy without training.
    """

    scenario: str
    found: dict[str, dict[str, NDArray[np.float64]]]

    def mean(self, name: str, key: str) -> Interval:
        """Mean with its interval, over training seeds where there are several, else over networks."""
        values = self.found[name][key]
        return t_interval(values.mean(1), "seeds") if len(values) > 1 else t_interval(values[0], "networks")

    def difference(self, name: str, reference: str, key: str) -> Interval:
        """Paired difference: of training seeds where either has several (of equal seeds where both have), else of networks."""
        one, other = self.found[name][key], self.found[reference][key]
        if len(one) == len(other) == 1:
            return t_interval(one[0] - other[0], "networks")
        count = min(len(one), len(other)) if min(len(one), len(other)) > 1 else max(len(one), len(other))
        pair = (
            np.resize(values.mean(1), count) if len(values) == 1 else values.mean(1)[:count] for values in (one, other)
        )
        return t_interval(next(pair) - next(pair), "seeds")

    def ratio(self, name: str, reference: str, key: str) -> float:
        """Ratio of means."""
        return float(self.found[name][key].mean() / self.found[reference][key].mean())


def judge_iot(
    scenario: str,
    policies: Mapping[str, Sequence[Schedules]],
    *,
    networks: int = 16,
    slots: int = 200,
    few: int = 8,
    seed: int = TEST,
    progress: Progress | None = None,
) -> IoTTrial:
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
                parts.append(run_iot(env, member, seed=seed))
            rows.append({key: torch.cat([part[key] for part in parts]).double().numpy() for key in SHOWN})
            if progress and task is not None:
                progress.advance(task)
        found[name] = {key: np.stack([row[key] for row in rows]) for key in SHOWN}
    return IoTTrial(scenario, found)


def table_of(trial: IoTTrial, keys: Sequence[str] = tuple(SHOWN)) -> str:
    """Means with half their intervals, a row for each policy, as Markdown."""
    lines = [f"| policy | {' | '.join(SHOWN[key][0] for key in keys)} |", "|---" * (len(keys) + 1) + "|"]
    lines += [f"| {name} | {' | '.join(_cell(trial.mean(name, key), key) for key in keys)} |" for name in trial.found]
    return "\n".join(lines)


def differences_of(
    trial: IoTTrial, name: str, keys: Sequence[str] = ("throughput_bps", "bit_per_j", "qos_violation", "return")
) -> str:
    """Paired differences of one policy to every other, with half their intervals, as Markdown."""
    head = [f"| {name} less | {' | '.join(SHOWN[key][0] for key in keys)} |", "|---" * (len(keys) + 1) + "|"]
    others = [other for other in trial.found if other != name]
    return "\n".join(
        head
        + [f"| {o} | {' | '.join(_cell(trial.difference(name, o, key), key, '+') for key in keys)} |" for o in others]
    )


def _cell(interval: Interval, key: str, sign: str = "") -> str:
    factor = SHOWN[key][1]
    half = (interval.high - interval.low) / 2 * factor
    shown = "" if half != half else f" ±{half:.2g}"
    return f"{interval.mean * factor:{sign}.4g}{shown}"


def write_iot(trials: Mapping[str, IoTTrial], out: Path) -> None:
    """Write ``results.json`` and ``results.csv``: a row for each scenario, policy and training seed."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [
        {"case": case, "scenario": trial.scenario, "policy": name, "seed": seed}
        | {key: float(values[key][seed].mean()) for key in SHOWN}
        for case, trial in trials.items()
        for name, values in trial.found.items()
        for seed in range(len(values["return"]))
    ]
    write_json(out / "results.json", {**provenance(), "seed": TEST, "rows": rows})
    write_table(out / "results.csv", rows)


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


def curve_figure(
    trials: Mapping[float, IoTTrial], label: str, keys: Sequence[str] = ("throughput_bps", "bit_per_j", "qos_violation")
) -> "Figure":
    """Indicators over a number of the scenario, a panel for each, bands of 95%.

    Args:
        trials: number -> trial.
        label: what the number is.
        keys: indicators.
    """
    from hetgraph.trainers.figures import COLOURS, subplots

    figure, axes = subplots(1, len(keys), figsize=(4.2 * len(keys), 3.6), squeeze=False)
    numbers = sorted(trials)
    for panel, key in zip(axes[0], keys, strict=True):
        heading, factor = SHOWN[key]
        for i, name in enumerate(trials[numbers[0]].found):
            means = [trials[number].mean(name, key) for number in numbers]
            low, high = ([factor * getattr(m, end) for m in means] for end in ("low", "high"))
            colour = COLOURS[i % len(COLOURS)]
            panel.plot(numbers, [factor * m.mean for m in means], "o-", ms=4, color=colour, label=name)
            panel.fill_between(numbers, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.set(xlabel=label, ylabel=heading)
    axes[0][-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure
