"""Sections of IoT networks: learned methods beside classical ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Generator

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import Trial
from hetgraph.models import HybridMADDPG
from hetgraph.trainers.cli import config_path
from hetgraph.trainers.iot.decision_cost import decision_cost
from hetgraph.trainers.iot.learning import episodes_to, learning_figure, training_returns
from hetgraph.trainers.iot.task import TASK, Options
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.differences import curve_figure
from hetgraph.trainers.judge.plots import save
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table, Value
from hetgraph.trainers.reproduce.tables import Measure, Printed, trial_table

METHOD = "MADDQN-DMADDPG"
RIVALS = ("DQN-DDDPG", "MADDPG", "MADDPG, the rule's stations", "QMIX", "QMIX, the rule's powers", "MAPPO")
ABLATIONS = ("no twin critic", "no double Q", "no attention", "throughput only")
RUNS = {
    METHOD: "iot-noma", "DQN-DDDPG": "iot-central", "MADDPG": "iot-maddpg", "MADDPG, the rule's stations": "iot-powers",
    "QMIX": "iot-qmix", "QMIX, the rule's powers": "iot-bids", "MAPPO": "iot-mappo", "no twin critic": "iot-single",
    "no double Q": "iot-max", "no attention": "iot-mean", "throughput only": "iot-throughput",
}  # fmt: skip
NOTHING = {name: run.replace("iot-", "bare-") for name, run in RUNS.items() if name != "MAPPO" and "rule" not in name}
CLASSICAL = ("proportional_fair", "wmmse_max_rsrp", "wmmse_pf", "wmmse_path_loss")
DRAWN = ("DQN-DDDPG", "MADDPG", "QMIX")  # rivals in the curves, as in the paper
CURVE_RUNS = tuple(RUNS[name] for name in (METHOD, *DRAWN))
UNTRAINED = "agents, untrained"
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
BESIDE = tuple(
    Measure(kpi, "difference", METHOD, "+.3g") for kpi in ("throughput_bps", "bit_per_j", "qos_violation", "return")
)
WMMSE = "wmmse_max_rsrp"  # the paper's baseline
_FIGURE_7: Mapping[tuple[str, str], float] = {
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


def methods_of(bench: Bench, names: Sequence[str], of: Mapping[str, str] = RUNS, *, untrained: bool = False) -> Methods:
    """Trained methods of some names; what they add to agents that are untrained, which decide as their rule does."""
    out: Methods = {UNTRAINED: Method([HybridMADDPG()], "untrained weights")} if untrained else {}
    return bench.learned({name: of[name] for name in names}, UNTRAINED) | out


def judged(bench: Bench, scenario: str, methods: Methods, networks: int, slots: int) -> Trial:
    """Trial of a scenario."""
    torch.set_num_threads(1)
    return bench.judge(TASK, Options(scenario, layouts=networks, slots=slots), methods)[0]


def scenario_of(bench: Bench, name: str = "iot-noma", **given: float) -> str:
    """A scenario with arguments; smaller in a quick run."""
    arguments = {**({"users": 20.0, "small_cells": 2.0, "subchannels": 6.0} if bench.quick else {}), **given}
    return f"{name}:{','.join(f'{key}={value:g}' for key, value in arguments.items())}" if arguments else name


def _with(bench: Bench, argument: str, value: float) -> str:
    """`iot-noma` with a value of one argument."""
    given: dict[str, Any] = {argument: value}
    return scenario_of(bench, **given)


def learned(bench: Bench) -> Section:
    """Figure 7 and Tables 3 and 4: learned and classical methods, training, costs of a decision."""
    networks, slots = bench.count(40, 2), bench.count(200, 8)
    methods = methods_of(bench, (METHOD, *RIVALS), untrained=True) | rules(TASK, *CLASSICAL)
    trial = judged(bench, scenario_of(bench), methods, networks, slots)
    measures = (
        *MEASURES,
        Measure("throughput_bps", "ratio", WMMSE, ".3f", ".3f"),
        *(BESIDE if METHOD in methods else ()),
    )
    printed = {**_FIGURE_7, (METHOD, f"throughput_bps_ratio_{WMMSE}"): 1.33}
    tables = (
        trial_table(trial, methods, "iot-noma", measures, printed=printed),
        training(bench, RUNS, methods),
        costs(bench, methods),
    )
    note = "Untrained agents decide as the rule with which they begin. The paper claims 1.33 of WMMSE's throughput."
    return Section(tables, (note,), networks=f"{networks} networks of iot-noma, {slots} slots")


def ablations(bench: Bench) -> Section:
    """Table 2: the method, without one of its parts each, and MADDPG."""
    networks, slots = bench.count(40, 2), bench.count(200, 8)
    methods = methods_of(bench, (METHOD, *ABLATIONS, "MADDPG"), untrained=True)
    trial = judged(bench, scenario_of(bench), methods, networks, slots)
    measures = (*MEASURES, *(BESIDE if METHOD in methods else ()))
    tables = (trial_table(trial, methods, "iot-noma", measures, printed=TABLE_2), training(bench, RUNS, methods))
    return Section(tables, networks=f"{networks} networks of iot-noma, {slots} slots")


def nothing(bench: Bench) -> Section:
    """Table 2 of agents that learn from nothing, on small networks."""
    networks, slots = bench.count(40, 2), bench.count(200, 8)
    small = yaml.safe_load(Path(config_path("iot-small")).read_text())["data"]["init_args"]["scenario"]
    methods = methods_of(bench, tuple(NOTHING), NOTHING) | rules(TASK, *CLASSICAL)
    trial = judged(bench, small, methods, networks, slots)
    measures = (*MEASURES, *(BESIDE if METHOD in methods else ()))
    tables = (trial_table(trial, methods, small, measures, printed=TABLE_2), training(bench, NOTHING, methods))
    returns = returns_of(bench, NOTHING, methods)
    figures = {}
    if returns and min(len(run) for runs in returns.values() for run in runs) >= 16:
        figures[save(learning_figure(returns), bench.figures, bench.figure()).stem] = "returns of training episodes"
    return Section(tables, (), figures, f"{networks} networks, {slots} slots")


def returns_of(bench: Bench, of: Mapping[str, str], names: Methods) -> dict[str, list[Any]]:
    """Of methods that were trained: returns of the episodes of each run, in the weights of one reward.

    A run so short that nothing was learned leaves no last checkpoint.
    """
    out = {}
    for name in (name for name in names if name in of and name != "throughput only"):
        lasts = [folder / "last.ckpt" for folder in bench.folders(of[name])]
        out[name] = [training_returns(last) for last in lasts if last.exists()]
    return {name: runs for name, runs in out.items() if runs}


def training(bench: Bench, of: Mapping[str, str], names: Methods) -> Table:
    """Of the training runs: mean of the last 100 returns, their variance, episodes to 90% of the best method's, over seeds."""
    returns = {name: rows for name, rows in returns_of(bench, of, names).items() if all(len(row) for row in rows)}
    last = {name: np.array([row[-LAST:].mean() for row in rows]) for name, rows in returns.items()}
    best = max((float(values.mean()) for values in last.values()), default=0.0)
    goal = best - 0.1 * abs(best)  # returns may be negative
    columns = (
        Column("soon", "episodes to 90% of the best"),
        Column("last", "last returns"),
        Column("variance", "their variance", ".3g"),
    )
    rows = []
    for name, runs in returns.items():
        needed = [episodes_to(row, goal) for row in runs]
        reached = [value for value in needed if value is not None]
        soon = f"{np.mean(reached):.0f} ({len(reached)} of {len(runs)} runs)" if reached else "never"
        # Each run has networks of its own: runs are the units.
        values: dict[str, Value] = {"soon": soon, "last": statistics.mean(last[name][:, None])}
        values["variance"] = float(np.mean([row[-LAST:].var() for row in runs]))
        printed = dict(zip(("soon", "last", "variance"), RETURNS.get(name, ()), strict=False))
        rows.append(Row(name, bench.runs[of[name]].kind, values, printed))
    return Table("training, over its seeds", columns, rows)


def costs(bench: Bench, methods: Methods, scenario: str = "") -> Table:
    """Operations, time and exchange of a decision."""
    columns = (
        Column("ms", "ms of a decision", ".1f"),
        Column("kb", "kB exchanged", ".3g"),
        Column("mflop", "Mflop of matrix products", ".3g"),
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
        rows.append(
            Row(name, method.kind, {"ms": cost.ms, "kb": cost.exchanged_kb, "mflop": cost.flops / 1e6}, printed)
        )
    return Table(f"a decision on one network of {scenario}", columns, rows)


PANELS = ("throughput_bps", "bit_per_j", "qos_violation", "jain", "utilisation", "throughput_std_bps")
USERS, SUBCHANNELS, DISTURBANCE = (20.0, 60.0, 100.0, 200.0), (10.0, 20.0, 30.0, 50.0), (0.0, 3.0, 6.0, 12.0)


def users(bench: Bench) -> Section:
    """Figure 8: agents trained with 100 users, with 20 to 200."""
    printed = {
        200.0: {
            (METHOD, "qos_violation"): 16.82,
            ("DQN-DDDPG", "qos_violation"): 49.12,
            (WMMSE, "qos_violation"): 58.42,
        }
    }
    note = "Printed rates of a user at 200 users: 2.48, 1.42 (DQN-DDDPG) and 1.12 Mbit/s (WMMSE): throughput over users here."
    return curve(bench, "users", "users", USERS, printed, note)


def subchannels(bench: Bench) -> Section:
    """Figure 9: agents trained with 20 subchannels, with 10 to 50."""
    printed = {
        10.0: {(METHOD, "utilisation"): 98.52},
        50.0: {(METHOD, "utilisation"): 87.56, (WMMSE, "utilisation"): 70.18},
    }
    note = "Printed spectral efficiencies with 10 subchannels: 6.45, 5.22 (MADDPG), 4.85 (QMIX) bit/s/Hz; the band is undisclosed."
    return curve(bench, "subchannels", "subchannels", SUBCHANNELS, printed, note)


def disturbance(bench: Bench) -> Section:
    """Figure 10: channels disturbed by up to 12 dB."""
    printed = {
        12.0: {
            (METHOD, "throughput_std_bps"): 18.42,
            ("DQN-DDDPG", "throughput_std_bps"): 46.85,
            (WMMSE, "throughput_std_bps"): 49.52,
        }
    }
    note = "Printed variances of the return at 12 dB: 3.24e3, 9.45e3 (DQN-DDDPG), 7.15e3 (MADDPG), in a reward that is not disclosed."
    return curve(bench, "disturbance_db", "disturbance, dB", DISTURBANCE, printed, note)


def curve(
    bench: Bench, argument: str, label: str, numbers: Sequence[float], printed: Mapping[float, Printed], note: str
) -> Section:
    """Indicators over a number of the scenario; agents run as they are."""
    networks, slots = bench.count(40, 1), bench.count(100, 6)
    methods = methods_of(bench, (METHOD, *DRAWN)) | rules(TASK, *CLASSICAL[1:])
    trials = {
        n: judged(bench, _with(bench, argument, n), methods, networks, slots) for n in numbers[:: bench.count(1, 2)]
    }
    figure = save(curve_figure(trials, label, PANELS), bench.figures, bench.figure()).stem
    measures = (*map(Measure, PANELS), Measure("throughput_bps", "ratio", WMMSE, ".3f", ".3f"))
    tables = [
        trial_table(trial, methods, f"{label} {n:g}", measures, printed=printed.get(n, {}))
        for n, trial in trials.items()
    ]
    return Section(
        tuple(tables), (note,), {figure: f"indicators over {label}"}, f"{networks} networks each, {slots} slots"
    )


def oma(bench: Bench) -> Section:
    """The same agents and the strong rule with two users on a subchannel and with one."""
    networks, slots, tables = bench.count(40, 1), bench.count(200, 6), []
    methods = methods_of(bench, (METHOD,)) | rules(TASK, *CLASSICAL[2:])
    for count in (100.0, 200.0)[: bench.count(2, 1)]:
        for name in ("iot-noma", "iot-oma"):
            trial = judged(bench, scenario_of(bench, name, users=count), methods, networks, slots)
            tables.append(trial_table(trial, methods, f"{name}, {count:g} users", MEASURES))
    return Section(tuple(tables), networks=f"{networks} networks each, {slots} slots")
