"""Policies on the same networks for an episode each: means, paired differences, tables, files and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hetgraph.trainers.statistics import Interval, t_interval
from hetgraph.trainers.tables import provenance, write_json, write_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Shown = Mapping[str, tuple[str, float]]


@dataclass(frozen=True)
class NetworkTrial:
    """What every policy makes of an episode of the same networks.

    Args:
        scenario: name.
        shown: indicator -> heading and factor of what is shown; the first one is the main one.
        found: policy -> indicator -> values of each training seed and network ``[S, K]``; one row for a policy without training.
        seed: of the networks.
    """

    scenario: str
    shown: Shown
    found: dict[str, dict[str, NDArray[np.float64]]]
    seed: int = 2_000_000

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


def table_of(trial: NetworkTrial, keys: Sequence[str] | None = None) -> str:
    """Means with half their intervals, a row for each policy, as Markdown."""
    keys = tuple(trial.shown) if keys is None else keys
    lines = [f"| policy | {' | '.join(trial.shown[key][0] for key in keys)} |", "|---" * (len(keys) + 1) + "|"]
    for name in trial.found:
        cells = (_cell(trial.mean(name, key), trial.shown[key][1]) for key in keys)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def differences_of(trial: NetworkTrial, name: str, keys: Sequence[str]) -> str:
    """Paired differences of one policy to every other, with half their intervals, as Markdown."""
    lines = [f"| {name} less | {' | '.join(trial.shown[key][0] for key in keys)} |", "|---" * (len(keys) + 1) + "|"]
    others = [other for other in trial.found if other != name]
    for o in others:
        cells = (_cell(trial.difference(name, o, key), trial.shown[key][1], "+") for key in keys)
        lines.append(f"| {o} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(interval: Interval, factor: float, sign: str = "") -> str:
    half = (interval.high - interval.low) / 2 * factor
    shown = "" if half != half else f" ±{half:.2g}"
    return f"{interval.mean * factor:{sign}.4g}{shown}"


def write_networks(trials: Mapping[str, NetworkTrial], out: Path) -> None:
    """Write ``results.json`` and ``results.csv``: a row for each scenario, policy and training seed."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [
        {"case": case, "scenario": trial.scenario, "policy": name, "seed": seed}
        | {key: float(values[key][seed].mean()) for key in trial.shown}
        for case, trial in trials.items()
        for name, values in trial.found.items()
        for seed in range(len(next(iter(values.values()))))
    ]
    write_json(out / "results.json", {**provenance(), "seed": next(iter(trials.values())).seed, "rows": rows})
    write_table(out / "results.csv", rows)


def print_networks(trial: NetworkTrial, reference: str, keys: Sequence[str], console: Console) -> None:
    """Print a trial as a table: the paired difference of the first indicator to a reference's, and all indicators."""
    main, shown = keys[0], {key: trial.shown[key] for key in keys}
    table = Table(title=trial.scenario)
    table.caption = f"difference: of {trial.shown[main][0]} to {reference}'s; 95% intervals over seeds or networks."
    table.add_column("policy", no_wrap=True)
    for heading in ("difference", *(heading for heading, _ in shown.values())):
        table.add_column(heading, justify="right")
    for name in trial.found:
        gain = trial.difference(name, reference, main)
        cells = (_cell(trial.mean(name, key), factor) for key, (_, factor) in shown.items())
        table.add_row(name, _cell(gain, trial.shown[main][1], "+"), *cells)
    Console(file=console.file, width=max(console.width, 120)).print(table)


def curve_figure(trials: Mapping[float, NetworkTrial], label: str, keys: Sequence[str]) -> "Figure":
    """Indicators over a number of the scenario, a panel for each, bands of 95%.

    Args:
        trials: number -> trial.
        label: what the number is.
        keys: indicators.
    """
    from hetgraph.trainers.figures import COLOURS, subplots

    figure, axes = subplots(1, len(keys), figsize=(4.2 * len(keys), 3.6), squeeze=False, layout="constrained")
    numbers = sorted(trials)
    for panel, key in zip(axes[0], keys, strict=True):
        heading, factor = trials[numbers[0]].shown[key]
        for i, name in enumerate(trials[numbers[0]].found):
            means = [trials[number].mean(name, key) for number in numbers]
            low, high = ([factor * getattr(m, end) for m in means] for end in ("low", "high"))
            colour = COLOURS[i % len(COLOURS)]
            panel.plot(numbers, [factor * m.mean for m in means], "o-", ms=4, color=colour, label=name)
            panel.fill_between(numbers, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.set(xlabel=label, ylabel=heading)
    axes[0][-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure


def differences_figure(trial: NetworkTrial, reference: str, keys: Sequence[str]) -> "Figure":
    """Paired differences to a reference with their intervals, a row for each other policy and a panel for each indicator."""
    from hetgraph.trainers.figures import COLOURS, subplots

    names = [name for name in trial.found if name != reference]
    size = (3.6 * len(keys), 1.4 + 0.3 * len(names))
    figure, axes = subplots(1, len(keys), figsize=size, squeeze=False, sharey=True)
    for panel, key in zip(axes[0], keys, strict=True):
        heading, factor = trial.shown[key]
        for row, name in enumerate(names):
            found = trial.difference(name, reference, key)
            half = 0.0 if found.low != found.low else factor * (found.high - found.low) / 2
            panel.errorbar(factor * found.mean, row, xerr=half, fmt="o", color=COLOURS[row % len(COLOURS)], capsize=3)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set(xlabel=heading, yticks=range(len(names)), yticklabels=names)
    axes[0][0].invert_yaxis()
    figure.suptitle(f"{trial.scenario}: less {reference}'s", y=1.0)
    figure.tight_layout()
    return figure
