"""Association policies on the same arrivals: utility, rejections and completions, with paired intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from torch import Tensor

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.rollout import rollout
from hetgraph.radio import Policy
from hetgraph.radio.kpi_table import difference, vs_reference
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.columns import cells
from hetgraph.trainers.judge.files import over, provenance, write_json, write_table
from hetgraph.trainers.judge.statistics import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STATISTICS = ("utility", "rejections", "completions")


@dataclass(frozen=True)
class ArrivalTrial:
    """What every policy makes of the same episodes.

    Args:
        scenario: name.
        probability: of an arrival in a slot; ``None`` for the scenario's range.
        demand: mean demand; likewise.
        seed: of the arrivals.
        found: policy -> statistic -> values of each training seed and episode ``[S, K]``.
    """

    scenario: str
    probability: float | None
    demand: float | None
    seed: int
    found: dict[str, dict[str, NDArray[np.float64]]]

    @property
    def title(self) -> str:
        """Scenario and load in words."""
        p = "all probabilities" if self.probability is None else f"p = {self.probability:g}"
        d = "all demands" if self.demand is None else f"demand {self.demand:g}"
        return f"{self.scenario}, {p}, {d}"

    def ratio(self, name: str, reference: str, statistic: str = "utility") -> Interval:
        """Ratio of means over common episodes."""
        return statistics.ratio(self.found[name][statistic], self.found[reference][statistic])

    def difference(self, name: str, reference: str, statistic: str) -> Interval:
        """Mean difference over common episodes."""
        return statistics.difference(self.found[name][statistic], self.found[reference][statistic])

    def mean(self, name: str, statistic: str) -> Interval:
        """Mean over episodes."""
        return statistics.mean(self.found[name][statistic])


def judge_arrivals(
    scenario: str,
    policies: Mapping[str, Sequence[Policy[Tensor]]],
    *,
    probability: float | None = None,
    demand: float | None = None,
    episodes: int = 2000,
    seed: int = 2_000_000,
    progress: Progress | None = None,
) -> ArrivalTrial:
    """Run every policy on the same episodes.

    Args:
        scenario: name of a preset of arrivals.
        policies: policy -> its training seeds.
        probability: of an arrival in a slot.
        demand: mean demand.
        episodes: how many.
        seed: of the arrivals; 2,000,000 are the test's.
        progress: a bar to show.
    """
    if episodes < 1:
        raise ValueError(f"episodes: got {episodes}, expected at least 1")
    env = ArrivalEnv(scenario, episodes, probability=probability, demand=demand)
    task = progress.add_task(scenario, total=len(policies)) if progress else None
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, members in policies.items():
        values = rollout(env, {name: members}, seed=seed).values[name]
        found[name] = {statistic: values[statistic].numpy() for statistic in STATISTICS}
        if progress and task is not None:
            progress.advance(task)
    return ArrivalTrial(scenario, probability, demand, seed, found)


def print_arrivals(trial: ArrivalTrial, reference: str, console: Console) -> None:
    """Print a trial as a table."""
    table = Table(title=trial.title)
    counts = over({name: trial.mean(name, "utility") for name in trial.found})
    table.caption = f"ratio: of the mean utilities to {reference}'s; difference: of rejections. {counts}."
    table.add_column("policy", no_wrap=True)
    for column in ("utility", "ratio", "rejections", "difference", "completions"):
        table.add_column(column, justify="right", no_wrap=True)
    for name in trial.found:
        line = [trial.mean(name, "utility").text(".4f", ".4f"), trial.ratio(name, reference).text(".4f", ".4f")]
        line += [trial.mean(name, "rejections").text(".3f", ".3f")]
        line += [trial.difference(name, reference, "rejections").text("+.3f", ".3f")]
        table.add_row(name, *line, f"{trial.mean(name, 'completions').value:.2f}")
    Console(file=console.file, width=max(console.width, 110)).print(table)


def write_arrivals(trials: Sequence[ArrivalTrial], reference: str, out: Path) -> None:
    """Write ``results.json`` and ``results.csv`` (a row per load and policy), and ``seeds.csv`` (per training seed)."""
    out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    lines: list[dict[str, Any]] = []
    for trial in trials:
        for name, values in trial.found.items():
            row: dict[str, Any] = {"probability": trial.probability, "demand": trial.demand, "policy": name}
            for seed in range(len(values["utility"])):
                lines.append(row | {"training_seed": seed} | {s: float(values[s][seed].mean()) for s in STATISTICS})
            ratio = trial.ratio(name, reference)
            for s in STATISTICS:
                row |= cells(s, trial.mean(name, s))
            row |= cells(vs_reference("utility"), ratio)
            row |= cells(difference("rejections"), trial.difference(name, reference, "rejections"))
            rows.append(row | {"seeds": ratio.seeds, "networks": ratio.networks})
    content = {
        "scenario": trials[0].scenario,
        "seed": trials[0].seed,
        "reference": reference,
        **provenance(),
        "rows": rows,
    }
    write_json(out / "results.json", content)
    write_table(out / "results.csv", rows)
    write_table(out / "seeds.csv", lines)


def arrival_figures(trials: Sequence[ArrivalTrial], reference: str, folder: Path) -> list[Path]:
    """Utility and rejections of every load."""
    from hetgraph.trainers.judge.plots import save

    return [save(arrival_figure(trials, reference), folder, "arrivals")]


def arrival_figure(trials: Sequence[ArrivalTrial], reference: str) -> "Figure":
    """Ratio of the mean utility to the reference's and rejections by mean demand, a column for each probability."""
    from hetgraph.trainers.judge.plots import COLOURS, subplots

    chances = sorted({trial.probability or 0.0 for trial in trials})
    figure, axes = subplots(2, len(chances), figsize=(4.2 * len(chances), 6), squeeze=False, sharex=True, sharey="row")
    for column, chance in enumerate(chances):
        chosen = sorted((t for t in trials if (t.probability or 0.0) == chance), key=lambda t: t.demand or 0.0)
        demand = [t.demand or 0.0 for t in chosen]
        for number, name in enumerate(chosen[0].found):
            style = {"color": COLOURS[number % len(COLOURS)], "marker": "o" if number < len(COLOURS) else "s", "ms": 4}
            axes[0][column].plot(demand, [t.ratio(name, reference).value for t in chosen], label=name, **style)
            axes[1][column].plot(demand, [t.found[name]["rejections"].mean() for t in chosen], **style)
        axes[0][column].set_title(f"p = {chance:g}" if chance else "all probabilities")
        axes[1][column].set_xlabel("mean demand")
    axes[0][0].set_ylabel(f"utility over {reference}'s")
    axes[1][0].set_ylabel("rejections in an episode")
    axes[0][-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.02, 1))
    figure.suptitle(f"{trials[0].scenario}: utility and rejections", y=1.0)
    return figure
