"""Policies on the same traffic: packet delays in an environment, with intervals, as table, JSON, CSV and figures."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv, rollout
from hetgraph.envs.queues.delays import Delays, tail_slots
from hetgraph.radio import Allocation, Policy
from hetgraph.radio.kpi_table import indicator, vs_reference
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.columns import cells
from hetgraph.trainers.judge.files import over, provenance, write_json, write_table
from hetgraph.trainers.judge.statistics import Interval

# Indicators that are means over packets, of each network, and those of all networks' packets together.
MEANS = {"mean_delay": "total", "waiting": "waiting", "transmission": "transmission"}
POOLED = {"p95_delay": "p95", "p99_delay": "p99", "max_delay": "max"}


def environment(scenario: str, num_envs: int, **options: object) -> QueueEnv:
    """Environment of a scenario by name: ``conflict-8``, or a preset of cells (``hex-19:rings=4``, a YAML file)."""
    if scenario.startswith("conflict"):
        return ConflictEnv(scenario, num_envs, **options)  # type: ignore[arg-type]
    from hetgraph.datasets import scenario_of

    return CellularEnv(scenario_of(scenario), num_envs, **options)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Trial:
    """Delays of every policy at one load, on the same layouts and arrivals.

    Args:
        scenario: name of the scenario.
        load: mean packets per device and slot (conflict graphs) or second (cells).
        seed: of layouts and traffic.
        slot_ms: length of a slot, ms; 1 where delays are in slots.
        unit: of the delays: ``slots`` or ``ms``.
        delays: policy -> delays for each training seed.
        networks: networks; network i has layout i modulo ``layouts`` and arrivals of its own, as many of each layout.
        layouts: different layouts.
        decision_ms: policy -> time of a decision for all networks, ms.
    """

    scenario: str
    load: float
    seed: int
    slot_ms: float
    unit: str
    delays: dict[str, list[Delays]]
    networks: int
    layouts: int
    decision_ms: dict[str, float]

    def pooled(self, name: str, statistic: str) -> NDArray[np.float64]:
        """Statistic over the packets of all networks, for each training seed ``[S]``, in the trial's unit."""
        factor = 1.0 if statistic == "delivered" else self.slot_ms
        return factor * np.array([delays.summary()[statistic] for delays in self.delays[name]])

    def means(self, name: str, part: str = "total") -> NDArray[np.float64]:
        """Mean delay of each network, or a part of it ``[S, K]``, in the trial's unit."""
        rows = []
        for delays in self.delays[name]:
            count = torch.bincount(delays.network, minlength=self.networks).clamp_min(1)
            total = torch.bincount(delays.network, getattr(delays, part).double(), minlength=self.networks)
            rows.append((total / count).numpy() * self.slot_ms)
        return np.stack(rows)

    def units(self, name: str, part: str = "total") -> NDArray[np.float64]:
        """Means of independent units: of each layout over its traffics ``[S, layouts]``; of each traffic where one layout is all."""
        each = self.means(name, part)
        return each if self.layouts == 1 else each.reshape(len(each), -1, self.layouts).mean(1)

    def mean(self, name: str, part: str = "total") -> Interval:
        """Mean delay, or a part of it, with its interval."""
        return statistics.mean(self.units(name, part))

    def ratio(self, name: str, reference: str) -> Interval:
        """Ratio of the mean delays over common layouts; see :func:`~hetgraph.trainers.judge.statistics.ratio`."""
        return statistics.ratio(self.units(name), self.units(reference))


def judge(
    scenario: str,
    load: float,
    policies: Mapping[str, Sequence[Policy[Allocation]]],
    *,
    layouts: int = 40,
    traffics: int = 1,
    slots: int = 2000,
    seed: int = 2_000_000,
    progress: Progress | None = None,
) -> Trial:
    """Judge policies on the same layouts, arrivals and fading.

    Args:
        scenario: see :func:`environment`.
        load: mean packets per device and slot or second.
        policies: name -> one policy, or one for each training seed.
        layouts: number of layouts; conflict graphs have one.
        traffics: arrivals for each layout.
        slots: length of an episode.
        seed: of layouts and traffic; the default is that of the test.
        progress: where to show it.

    Raises:
        ValueError: no policy, or no network.
    """
    if not policies or min(layouts, traffics) < 1 or slots < 2:
        got = f"{len(policies)} policies, {layouts} layouts, {traffics} traffic seeds, {slots} slots"
        raise ValueError(f"compare: got {got}, expected at least one of each and two slots")
    conflict, networks = scenario.startswith("conflict"), layouts * traffics
    layouts = 1 if conflict else layouts
    where = {} if conflict else {"layouts": layouts, "layout_seed": seed}
    env = environment(scenario, networks, load=load, record=True, episode_slots=slots, seed=seed, **where)
    task = progress.add_task(f"{scenario} at {load:g}", total=sum(map(len, policies.values()))) if progress else None
    delays: dict[str, list[Delays]] = {name: [] for name in policies}
    decision_ms = {}
    for name, members in policies.items():
        for member in members:
            rollout(env, {name: member}, seed=seed)
            delays[name].append(env.delays().before(slots - tail_slots(slots)))
            if progress and task is not None:
                progress.advance(task)
        decision_ms[name] = _decision_ms(env, members[0])
    slot_ms = 1.0 if conflict else 1000 * float(env.observe("local").slot_s[0])
    return Trial(scenario, load, seed, slot_ms, "slots" if conflict else "ms", delays, networks, layouts, decision_ms)


def _decision_ms(env: QueueEnv, policy: Policy[Allocation], repeats: int = 5) -> float:
    """Median time of a decision for all networks."""
    obs = env.observe(policy.level)
    state, times = policy.initial_state(obs), []
    generator = torch.Generator().manual_seed(0)
    for _ in range(repeats):
        start = time.perf_counter()
        _, state = policy.act(obs, state, generator)
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


def print_trial(trial: Trial, reference: str, console: Console) -> None:
    """Print a trial as a table."""
    title = f"{trial.scenario} at load {trial.load:g}: delays in {trial.unit}, {trial.networks} networks"
    table = Table(title=title)
    table.caption = f"ratio: of the mean delays to {reference}'s. {over({n: trial.mean(n) for n in trial.delays})}."
    table.add_column("policy", no_wrap=True)
    for column in ("mean", "ratio", "95th pct.", "99th pct.", "max", "waiting", "transmission", "delivered"):
        table.add_column(column, justify="right", no_wrap=True)
    for name in trial.delays:
        tails = [float(trial.pooled(name, s).mean()) for s in POOLED.values()]
        numbers = [f"{value:.3g}" if value < 100 else f"{value:.0f}" for value in tails]
        parts = [f"{trial.mean(name, part).value:.3f}" for part in ("waiting", "transmission")]
        shown = [trial.mean(name).text(".3f", ".3f"), trial.ratio(name, reference).text(".3f", ".3f")]
        table.add_row(name, *shown, *numbers, *parts, f"{trial.pooled(name, 'delivered').mean():.4f}")
    Console(file=console.file, width=max(console.width, 120)).print(table)


def write_trials(trials: Sequence[Trial], reference: str, out: Path) -> None:
    """Write ``results.json`` (everything), ``results.csv`` (a line per load and policy), ``networks.csv`` (per network and seed)."""
    out.mkdir(parents=True, exist_ok=True)
    rows = [_row(trial, name, reference) for trial in trials for name in trial.delays]
    lines = [
        {"offered_load": trial.load, "policy": name, "training_seed": seed, "network": k, "layout": k % trial.layouts}
        | {f"mean_delay_{trial.unit}": float(value)}
        for trial in trials
        for name in trial.delays
        for seed, values in enumerate(trial.means(name))
        for k, value in enumerate(values)
    ]
    first = trials[0]
    content = {"scenario": first.scenario, "seed": first.seed, "reference": reference, **provenance(), "rows": rows}
    write_json(out / "results.json", content)
    write_table(out / "results.csv", rows)
    write_table(out / "networks.csv", lines)


def _row(trial: Trial, name: str, reference: str) -> dict[str, Any]:
    """Indicators of a policy, and the ratio of its mean delay to the reference's."""
    row: dict[str, Any] = {"offered_load": trial.load, "policy": name}
    for kpi, part in MEANS.items():
        row |= cells(indicator(f"{kpi}_{trial.unit}").name, trial.mean(name, part))
    row |= {f"{kpi}_{trial.unit}": float(trial.pooled(name, s).mean()) for kpi, s in POOLED.items()}
    ratio = trial.ratio(name, reference)
    row |= cells(vs_reference(f"mean_delay_{trial.unit}"), ratio)
    row |= {"delivered": float(trial.pooled(name, "delivered").mean()), "decision_ms": trial.decision_ms[name]}
    return row | {"seeds": ratio.seeds, "networks": ratio.networks}
