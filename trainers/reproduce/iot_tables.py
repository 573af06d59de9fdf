"""Sections of IoT networks: learned methods beside classical ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Generator

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import Trial
from hetgraph.models import HybridMADDPG
from hetgraph.trainers.iot.decision_cost import decision_cost
from hetgraph.trainers.iot.learning import episodes_to, learning_figure, training_returns
from hetgraph.trainers.iot.task import TASK, Options
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.plots import save
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.queue import minutes_of
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table, Value
from hetgraph.trainers.reproduce.tables import Measure, Printed, trial_table

METHOD = "MADDQN-DMADDPG"
STARTED, STARTED_RUN = f"{METHOD}, from its rule", "iot-noma"
CLASSICAL = ("proportional_fair", "wmmse_max_rsrp", "wmmse_pf", "wmmse_path_loss")
UNTRAINED = "agents, untrained"
SHOWN = 16  # episodes of a run whose returns are drawn
LAST = 100  # episodes of the mean return at the end of training
MEASURES = (
    Measure("throughput_bps"),
    Measure("bit_per_j", form=".3g"),
    Measure("qos_violation", form=".3g"),
    Measure("jain", form=".3f", half=".3f"),
    Measure("handover_rate", form=".2f", half=".2f"),
    Measure("utilisation", form=".1f", half=".1f"),
    Measure("throughput_std_bps", form=".3g"),
    Measure("return"),
)
WMMSE = "wmmse_max_rsrp"  # the paper's baseline
ORDERS = {  # Table 4, of N agents with states and actions of sizes d
    METHOD: "N (d_s + d_a)²", "DQN-DDDPG": "(N d_s)²", "MADDPG": "N² d_a²", "QMIX": "N log N d_s", WMMSE: "I N³",
}  # fmt: skip
HOURS = {METHOD: 8.7, "DQN-DDDPG": 21.5, "MADDPG": 14.2, "QMIX": 11.8}  # Table 4: training
STRONG = "wmmse_pf"  # knows all links
FIGURE_7: Mapping[tuple[str, str], float] = {
    (METHOD, "throughput_bps"): 468.52, (WMMSE, "throughput_bps"): 352.10, (METHOD, "bit_per_j"): 18.76, ("QMIX", "bit_per_j"): 12.56,
    (METHOD, "qos_violation"): 3.85, ("MADDPG", "qos_violation"): 13.45, (WMMSE, "qos_violation"): 19.50, (METHOD, "jain"): 0.93,
    ("DQN-DDDPG", "jain"): 0.89,
}  # fmt: skip
_TABLE_2 = {  # throughput, efficiency, violations
    METHOD: (468.52, 18.76, 3.85), "no double Q": (432.18, 16.45, 5.92), "no twin critic": (445.73, 17.22, 4.88),
    "MADDPG": (401.35, 14.91, 9.14),
}  # fmt: skip
TABLE_2: Printed = {
    **{(row, m.kpi): value for row, values in _TABLE_2.items() for m, value in zip(MEASURES, values, strict=False)},
    ("no attention", "throughput_bps"): 435.18, ("no attention", "qos_violation"): 5.42, ("throughput only", "qos_violation"): 8.20,
    ("throughput only", "jain"): 0.84, (METHOD, "jain"): 0.93, (METHOD, "handover_rate"): 12, ("throughput only", "handover_rate"): 31,
}  # fmt: skip
RETURNS = {  # Table 3: episodes to 90%, last return, its variance, ms of a decision, kB of exchange; Table 4: Mflop
    METHOD: (1245.32, 1865.42, 1152, 12.45, 82.15, 4.2), "MADDPG": (2380.15, 1622.18, 4532, 14.12, 115.60, 5.5),
    "QMIX": (1756.40, 1445.75, 2845, 11.56, 78.42, 3.8), "DQN-DDDPG": (3450.62, 1782.55, 5218, 42.18, 455.32, 15.8),
    "MAPPO": (4120.85, 1588.60, 3142, 15.65, 128.45), "no double Q": (1580, 1720, 1980), "no twin critic": (1420, 1792, 1520),
}  # fmt: skip


def started_methods(bench: Bench) -> Methods:
    """Agents that begin with a rule, trained and as they begin."""
    untrained: Methods = {UNTRAINED: Method([HybridMADDPG()], "untrained weights")}
    return bench.learned({STARTED: STARTED_RUN}, UNTRAINED) | untrained


def judged(
    bench: Bench, scenario: str, methods: Methods, networks: int, slots: int, sic_residual: float = 0.0
) -> Trial:
    """Trial of a scenario."""
    torch.set_num_threads(1)
    options = Options(scenario, layouts=networks, slots=slots, sic_residual=sic_residual)
    return bench.judge(TASK, options, methods)[0]


def scenario_of(bench: Bench, name: str = "iot-noma", **given: float) -> str:
    """A scenario with arguments; smaller in a quick run."""
    arguments = {**({"users": 20.0, "small_cells": 2.0, "subchannels": 6.0} if bench.quick else {}), **given}
    return f"{name}:{','.join(f'{key}={value:g}' for key, value in arguments.items())}" if arguments else name


def started(bench: Bench) -> Section:
    """Agents that begin with a rule, beside it and beside classical methods."""
    networks, slots = bench.count(40, 2), bench.count(200, 8)
    methods = started_methods(bench) | rules(TASK, *CLASSICAL)
    trial = judged(bench, scenario_of(bench), methods, networks, slots)
    beside = (Measure(kpi, "difference", UNTRAINED, "+.3g") for kpi in ("throughput_bps", "bit_per_j", "qos_violation"))
    measures = (
        *MEASURES,
        *(Measure(kpi, "ratio", STRONG, ".3f", ".3f") for kpi in ("throughput_bps", "bit_per_j")),
        *beside,
    )
    tables = (trial_table(trial, methods, "iot-noma", measures), costs(bench, methods))
    note = "Untrained agents decide as the rule with which they begin; trained ones are rule + learned."
    return Section(tables, (note,), networks=f"{networks} networks of iot-noma, {slots} slots")


def returns_of(bench: Bench, of: Mapping[str, str], names: Methods) -> dict[str, list[Any]]:
    """Of methods that were trained: returns of the episodes of each run, in the weights of one reward.

    A run so short that nothing was learned leaves no last checkpoint.
    """
    out = {}
    for name in (name for name in names if name in of and name != "throughput only"):
        lasts = [folder / "last.ckpt" for folder in bench.folders(of[name])]
        out[name] = [training_returns(last) for last in lasts if last.exists()]
    return {name: runs for name, runs in out.items() if runs}


def learning_figures(bench: Bench, of: Mapping[str, str], names: Methods) -> dict[str, str]:
    """The figure of returns of training episodes, where there are enough."""
    returns = {name: runs for name, runs in returns_of(bench, of, names).items() if min(map(len, runs)) >= SHOWN}
    if not returns:
        return {}
    spent = {name: float(np.mean(known)) for name in returns if (known := _minutes(bench, of[name]))}
    figure = save(learning_figure(returns, minutes=spent), bench.figures, bench.figure("returns")).stem
    return {figure: "returns of training episodes"}


def _minutes(bench: Bench, run: str) -> list[float]:
    """Of its trainings, as far as known."""
    spent = [minutes_of(folder.name, bench.root / "logs") for folder in bench.folders(run)]
    return [minutes for minutes in spent if minutes is not None]


def training(bench: Bench, of: Mapping[str, str], names: Methods) -> Table:
    """Of the training runs, over seeds: the last 100 returns, their variance, episodes to 90% of the best method's, minutes."""
    returns = {name: rows for name, rows in returns_of(bench, of, names).items() if all(len(row) for row in rows)}
    last = {name: np.array([row[-LAST:].mean() for row in rows]) for name, rows in returns.items()}
    best = max((float(values.mean()) for values in last.values()), default=0.0)
    goal = best - 0.1 * abs(best)  # returns may be negative
    columns = (
        Column("soon", "episodes to 90% of the best"),
        Column("last", "last returns"),
        Column("variance", "their variance", ".3g"),
        Column("minutes", "minutes of a training", ".1f"),
    )
    rows = []
    for name, runs in returns.items():
        needed = [episodes_to(row, goal) for row in runs]
        reached = [value for value in needed if value is not None]
        soon = f"{np.mean(reached):.0f} ({len(reached)} of {len(runs)} runs)" if reached else "never"
        # Each run has networks of its own: runs are the units.
        values: dict[str, Value] = {"soon": soon, "last": statistics.mean(last[name][:, None])}
        values["variance"] = float(np.mean([row[-LAST:].var() for row in runs]))
        known = _minutes(bench, of[name])
        values |= {"minutes": float(np.mean(known))} if known else {}
        printed: dict[str, float | str] = dict(zip(("soon", "last", "variance"), RETURNS.get(name, ()), strict=False))
        printed |= {"minutes": f"{HOURS[name]} h"} if name in HOURS else {}
        rows.append(Row(name, bench.runs[of[name]].kind, values, printed))
    return Table("training, over its seeds", columns, rows)


def costs(bench: Bench, methods: Methods, scenario: str = "", orders: Mapping[str, str] | None = None) -> Table:
    """Operations, time and exchange of a decision.

    Args:
        bench: of the page.
        methods: rows; the first member of each decides.
        scenario: of the network; `iot-noma` without any.
        orders: how the operations of a row grow.
    """
    columns = (
        Column("ms", "ms of a decision", ".1f"),
        Column("kb", "kB exchanged", ".3g"),
        Column("mflop", "Mflop of matrix products", ".3g"),
        Column("order", "order of operations"),
    )
    scenario = scenario or scenario_of(bench)
    env, rows = IoTEnv(scenario, 1), []
    for name, method in methods.items():
        policy = method.members[0]
        env.reset(seed=0)
        state = policy.initial_state(env.observe(policy.level))
        for _ in range(5):  # in the first slot nobody has been served yet
            action, state = policy.act(env.observe(policy.level), state, Generator().manual_seed(0))
            env.step(action)
        cost = decision_cost(policy, env.observe(policy.level), bench.count(20, 2))
        printed: dict[str, float | str] = dict(zip(("ms", "kb", "mflop"), RETURNS.get(name, ())[3:], strict=False))
        printed |= {"ms": 120.5, "mflop": 25.0} if name == WMMSE else {}
        values: dict[str, Value] = {"ms": cost.ms, "kb": cost.exchanged_kb, "mflop": cost.flops / 1e6}
        if orders and name in orders:
            values["order"], printed["order"] = orders[name], ORDERS.get(name, "")
        rows.append(Row(name, method.kind, values, printed))
    return Table(f"a decision on one network of {scenario}", columns, rows)
