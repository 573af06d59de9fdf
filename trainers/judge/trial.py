"""Policies on the same networks for an episode each: means, paired differences, tables, files and figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from hetgraph.radio.kpi_table import difference, indicator
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.columns import cells
from hetgraph.trainers.judge.files import over, provenance, write_json, write_table
from hetgraph.trainers.judge.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class NetworkTrial:
    """What every policy makes of an episode of the same networks.

    Args:
        scenario: name.
        kpis: names of the indicators, see :mod:`hetgraph.radio.kpi_table`; the first one is the main one.
        found: policy -> indicator -> values of each training seed and network ``[S, K]``; one row for a policy without training.
        seed: of the networks.
    """

    scenario: str
    kpis: tuple[str, ...]
    found: dict[str, dict[str, NDArray[np.float64]]]
    seed: int = 2_000_000

    def mean(self, name: str, key: str) -> Interval:
        """Mean with its interval."""
        return statistics.mean(self.found[name][key])

    def difference(self, name: str, reference: str, key: str) -> Interval:
        """Difference, paired on networks."""
        return statistics.difference(self.found[name][key], self.found[reference][key])

    def ratio(self, name: str, reference: str, key: str) -> Interval:
        """Ratio of means."""
        return statistics.ratio(self.found[name][key], self.found[reference][key])


def table_of(trial: NetworkTrial, keys: Sequence[str] | None = None) -> str:
    """Means with half their intervals, a row for each policy, as Markdown."""
    keys = trial.kpis if keys is None else tuple(keys)
    lines = [_head("policy", keys)]
    for name in trial.found:
        lines.append(f"| {name} | {' | '.join(_cell(trial.mean(name, key), key) for key in keys)} |")
    return "\n".join(lines)


def differences_of(trial: NetworkTrial, name: str, keys: Sequence[str]) -> str:
    """Paired differences of one policy to every other, with half their intervals, as Markdown."""
    lines = [_head(f"{name} less", keys)]
    for other in trial.found:
        if other != name:
            line = (_cell(trial.difference(name, other, key), key, "+") for key in keys)
            lines.append(f"| {other} | {' | '.join(line)} |")
    return "\n".join(lines)


def _head(first: str, keys: Sequence[str]) -> str:
    return f"| {first} | {' | '.join(indicator(key).heading for key in keys)} |\n" + "|---" * (len(keys) + 1) + "|"


def _cell(interval: Interval, key: str, sign: str = "") -> str:
    return interval.scaled(indicator(key).scale).text(f"{sign}.4g")


def write_networks(trials: Mapping[str, NetworkTrial], out: Path, reference: str | None = None) -> None:
    """Write ``results.json`` and ``results.csv`` (a row for each case and policy), and ``seeds.csv`` (for each training seed, too).

    Args:
        trials: case -> trial.
        out: folder.
        reference: policy to which the differences are; the first when ``None``.
    """
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for case, trial in trials.items():
        base = reference or next(iter(trial.found))
        for name, values in trial.found.items():
            row: dict[str, Any] = {"case": case, "scenario": trial.scenario, "policy": name}
            for seed in range(len(values[trial.kpis[0]])):
                lines.append(
                    row | {"training_seed": seed} | {key: float(values[key][seed].mean()) for key in trial.kpis}
                )
            for key in trial.kpis:
                row |= cells(key, trial.mean(name, key))
                row |= cells(difference(key), trial.difference(name, base, key))
            counts = trial.mean(name, trial.kpis[0])
            rows.append(row | {"seeds": counts.seeds, "networks": counts.networks})
    first = next(iter(trials.values()))
    content = {"seed": first.seed, "reference": reference or next(iter(first.found)), **provenance(), "rows": rows}
    write_json(out / "results.json", content)
    write_table(out / "results.csv", rows)
    write_table(out / "seeds.csv", lines)


def print_networks(trial: NetworkTrial, reference: str, keys: Sequence[str], console: Console) -> None:
    """Print a trial as a table: the paired difference of the first indicator to a reference's, and all indicators."""
    main, table = keys[0], Table(title=trial.scenario)
    counts = over({name: trial.mean(name, main) for name in trial.found})
    table.caption = f"difference: of {indicator(main).label} to {reference}'s. {counts}."
    table.add_column("policy", no_wrap=True)
    for heading in ("difference", *(indicator(key).heading for key in keys)):
        table.add_column(heading, justify="right")
    for name in trial.found:
        gain = _cell(trial.difference(name, reference, main), main, "+")
        table.add_row(name, gain, *(_cell(trial.mean(name, key), key) for key in keys))
    Console(file=console.file, width=max(console.width, 120)).print(table)


def curve_figure(trials: Mapping[float, NetworkTrial], label: str, keys: Sequence[str]) -> "Figure":
    """Indicators over a number of the scenario, a panel for each, bands of 95%.

    Args:
        trials: number -> trial.
        label: what the number is.
        keys: indicators.
    """
    from hetgraph.trainers.judge.plots import COLOURS, subplots

    figure, axes = subplots(1, len(keys), figsize=(4.2 * len(keys), 3.6), squeeze=False, layout="constrained")
    numbers = sorted(trials)
    for panel, key in zip(axes[0], keys, strict=True):
        kpi = indicator(key)
        for i, name in enumerate(trials[numbers[0]].found):
            means = [trials[number].mean(name, key) for number in numbers]
            low, high = ([kpi.scale * getattr(m, end) for m in means] for end in ("low", "high"))
            colour = COLOURS[i % len(COLOURS)]
            panel.plot(numbers, [kpi.scale * m.value for m in means], "o-", ms=4, color=colour, label=name)
            panel.fill_between(numbers, low, high, color=colour, alpha=0.15, linewidth=0)
        panel.set(xlabel=label, ylabel=kpi.heading)
    axes[0][-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    return figure


def differences_figure(trial: NetworkTrial, reference: str, keys: Sequence[str]) -> "Figure":
    """Paired differences to a reference with their intervals, a row for each other policy and a panel for each indicator."""
    from hetgraph.trainers.judge.plots import COLOURS, subplots

    names = [name for name in trial.found if name != reference]
    size = (3.6 * len(keys), 1.4 + 0.3 * len(names))
    figure, axes = subplots(1, len(keys), figsize=size, squeeze=False, sharey=True)
    for panel, key in zip(axes[0], keys, strict=True):
        kpi = indicator(key)
        for row, name in enumerate(names):
            found = trial.difference(name, reference, key).scaled(kpi.scale)
            half = found.half if np.isfinite(found.half) else 0.0
            panel.errorbar(found.value, row, xerr=half, fmt="o", color=COLOURS[row % len(COLOURS)], capsize=3)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.set(xlabel=kpi.heading, yticks=range(len(names)), yticklabels=names)
    axes[0][0].invert_yaxis()
    figure.suptitle(f"{trial.scenario}: less {reference}'s", y=1.0)
    figure.tight_layout()
    return figure
