"""Sections of single networks: allocations of HetGNN beside the classical methods."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import SnapshotEnv
from hetgraph.envs.rollout import Trial
from hetgraph.graph import Scenario, preset
from hetgraph.models import HetGNN
from hetgraph.radio import Allocation, Convention
from hetgraph.radio.policy import OneShotPolicy
from hetgraph.solvers import gradient_ascent, utility_reference
from hetgraph.trainers.common.networks import TEST
from hetgraph.trainers.judge.run import run
from hetgraph.trainers.judge.trial import difference
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.section import Column, Section, Table
from hetgraph.trainers.reproduce.tables import Measure, Room, trial_table
from hetgraph.trainers.snapshot.task import TASK
from hetgraph.trainers.task import Case

ENCODERS = ("hetero", "no_antennas", "homogeneous", "bs_only", "edge_mlp")
DOUBLED, TIERS = ("users", "stations", "area"), ("micro", "pico")  # tiers: those that a training leaves out
# Step sizes of the ascent for each number of steps: the best of 0.1 to 1.5 on 16 validation layouts (seed 1,000,000).
ASCENTS = ((5, 1.0), (10, 0.6), (20, 0.6), (40, 0.3), (80, 0.3), (160, 0.2), (640, 0.2))
PAYLOAD_BITS, LEAST_BPS = (
    12_000.0,
    1_000.0,
)  # of the latency proxy, eq. 12: a packet of 1,500 bytes; slower users count at that
BASE = "max_rsrp"
PF = (
    Measure("pf_gain", form=".4f", half=".4f"),
    Measure("sum_rate_bps", "ratio", BASE, ".3f", ".3f"),
    Measure("p5_rate_bps", "ratio", BASE, ".3f", ".3f"),
    Measure("jain", "ratio", BASE, ".3f", ".3f"),
)
ABSOLUTE = (
    Measure("sum_rate_bps", form=".3f", half=".3f", scale=1e-3, heading="sum rate, Gbit/s"),
    Measure("jain", form=".3f", half=".3f"),
    Measure("p5_rate_bps", form=".1f", half=".1f", scale=1e3, heading="5th pct., kbit/s"),
    Measure("latency_proxy_ms", form=".0f", half=".0f"),
    Measure("pf_gain", form=".4f", half=".4f"),
)
STUDENT, TEACHER = "the paper's student", "sum_rate_teacher"
PRINTED: dict[tuple[str, str], float | str] = {  # Figures 3 to 5 and the text beside them
    (STUDENT, "sum_rate_bps"): 0.32, (BASE, "sum_rate_bps"): 0.34, (TEACHER, "sum_rate_bps"): 0.37,
    (STUDENT, "jain"): 0.62, (BASE, "jain"): 0.65, (TEACHER, "jain"): 0.72,
    (STUDENT, "p5_rate_bps"): 10.0, (BASE, "p5_rate_bps"): 13.0, (TEACHER, "p5_rate_bps"): 24.5,
    (STUDENT, f"sum_rate_bps_ratio_{TEACHER}"): "> 0.85",
}  # fmt: skip


def allocates(function: Callable[[HeteroData], Allocation]) -> OneShotPolicy:
    """A function from graph to allocation as a policy."""
    return OneShotPolicy("", function)


def at(methods: Methods, rounds: int, name: str = "") -> Methods:
    """The same networks run for a number of rounds, which their rows say."""
    return {
        name or f"{row}, {rounds} rounds": Method(
            [_at(model, rounds) for model in method.members], method.kind, method.start
        )
        for row, method in methods.items()
    }


def _at(model: HetGNN, rounds: int) -> OneShotPolicy:
    return allocates(lambda graph: model.allocate(graph, rounds))


def then_ascent(methods: Methods, rounds: int, steps: int) -> Methods:
    """Networks as warm starts of gradient ascent."""

    def policy(model: HetGNN) -> OneShotPolicy:
        return allocates(
            lambda graph: gradient_ascent(graph, steps=steps, rate=0.3, start=model.allocate(graph, rounds))
        )

    more, start = f"{rounds} rounds + {steps} steps of ascent", f"ascent, {steps} steps"
    return {
        f"{row}, {more}": Method([policy(model) for model in each.members], "rule + learned", start)
        for row, each in methods.items()
    }


def ascent(steps: int, rate: float) -> Methods:
    """Gradient ascent without a network."""
    return {f"ascent, {steps} steps": Method([allocates(lambda graph: gradient_ascent(graph, steps=steps, rate=rate))])}


def reference() -> Methods:
    """The best of many starts."""
    return {"reference": Method([allocates(utility_reference)])}


def world(bench: Bench, name: str, **scale: float) -> Scenario:
    """Scenario of a preset, with few users in a quick run."""
    scenario = preset(name).scaled(**scale) if scale else preset(name)
    return scenario.scaled(users=0.1) if bench.quick else scenario


def judged(scenario: Scenario, methods: Methods, layouts: int, convention: Convention = "equal_airtime") -> Trial:
    """Trial on test layouts, one by one, so that a decision's time is that of one network; gains are over the first row."""

    def environments() -> Iterator[SnapshotEnv]:
        for first in range(layouts):
            yield SnapshotEnv(scenario, first=first, convention=convention, seed=TEST)

    case = Case(f"{scenario.name}, {layouts} layouts", {}, environments, TEST)
    trial = run(TASK, case, {name: method.members for name, method in methods.items()}, next(iter(methods)))
    return trial.with_values({name: {"latency_proxy_ms": _latency(seeds)} for name, seeds in trial.details.items()})


def _latency(seeds: Sequence[Sequence[Any]]) -> Tensor:
    """Latency proxy, eq. 12: mean over users of payload over rate ``[S, K]``, ms."""
    rows = [
        [1e3 * (PAYLOAD_BITS / served.rate_bps.double().clamp_min(LEAST_BPS)).mean() for served in one] for one in seeds
    ]
    return torch.stack([torch.stack(row) for row in rows])


def untrained(bench: Bench, run_name: str, rounds: int, name: str = "untrained") -> Methods:
    """Networks with new weights."""
    members = [_at(model, rounds) for model in bench.untrained(run_name)]
    return {name: Method(members, "untrained weights")} if members else {}


def paper(bench: Bench) -> Section:
    """Figures 3 to 5: the paper's student, baseline and teacher on its scenario at full size."""
    layouts = bench.count(40, 2)
    methods = rules(TASK, BASE, TEACHER, "pf", "wmmse", "pf_teacher_6") | untrained(bench, "hetgnn-paper", 0)
    methods |= at(bench.learned({STUDENT: "hetgnn-paper"}, "untrained"), 0, STUDENT)
    methods |= at(bench.learned({"its network, trained without labels": "paper-uma"}), 0)
    methods |= at(bench.learned({"student of the same teacher": "uma-sum"}), 8)
    for rounds in (0, 4, 8, 16):
        methods |= at(bench.learned({"label-free": "uma"}), rounds)
    trial = judged(world(bench, "uma-5bs"), methods, layouts)
    measures = (*ABSOLUTE, Measure("sum_rate_bps", "ratio", TEACHER, ".3f", ".3f"))
    table = trial_table(trial, methods, "uma-5bs at full size, equal airtime", measures, printed=PRINTED)
    change = difference(trial, TEACHER, BASE, "jain").value
    notes = (
        f"Here the teacher, WMMSE per block with a vote by rates, {'lowers' if change < 0 else 'raises'} fairness, where the paper's"
        " raises it: with equal airtime the sum rate favours a station's few best users.",
        f"Latency proxy (eq. 12, no printed value): {PAYLOAD_BITS:g} bits over the rate, users below {LEAST_BPS:g} bit/s at that.",
    )
    return Section((table,), notes, networks=f"{layouts} layouts of uma-5bs")


def hetnet(bench: Bench) -> Section:
    """Three tiers: every method beside the strongest reference, with times."""
    layouts = bench.count(50, 2)
    classical = (BASE, "cre", "pf", "wmmse", "fp", "wmmse_pf", TEACHER, "pf_teacher_6", "pf_teacher")
    methods = rules(TASK, *classical) | untrained(bench, "label-free", 12)
    for steps, rate in ASCENTS[: bench.count(len(ASCENTS), 2)]:
        methods |= ascent(steps, rate)
    methods |= at(bench.learned({"the paper's student, distilled": "paper"}), 0)
    distilled = bench.learned({"distilled": "distill"}, "untrained")
    for rounds in (12, 32)[: bench.count(2, 1)]:
        methods |= at(distilled, rounds)
    free, tuned = (
        bench.learned({"label-free": "label-free"}, "untrained"),
        bench.learned({"distilled, then label-free": "hetnet"}),
    )
    for rounds in (0, 1, 2, 4, 8, 12, 16, 24, 32)[:: bench.count(1, 4)]:
        methods |= at(free, rounds) | at(tuned, rounds)
    for rounds, steps in ((8, 8), (16, 16), (16, 64))[: bench.count(3, 1)]:
        methods |= then_ascent(free, rounds, steps)
    methods |= reference()
    trial = judged(world(bench, "hetnet-3tier"), methods, layouts)
    share = Room("pf_gain", BASE, "reference")
    ours = Measure("pf_gain", "difference", "reference", "+.4f", ".4f")
    table = trial_table(trial, methods, "hetnet-3tier", (*PF, ours), rooms=(share,))
    return Section((_faster(table, trial),), networks=f"{layouts} layouts of hetnet-3tier")


def distilled(bench: Bench) -> Section:
    """Students of the converged teacher and of the one with gradient ascent after it, on the layouts of :func:`hetnet`."""
    layouts = bench.count(50, 2)
    methods = rules(TASK, BASE, "pf_teacher", "pf_teacher_ascent") | untrained(bench, "distill-ascent", 12)
    students = {"distilled from pf_teacher": "distill", "distilled from pf_teacher_ascent": "distill-ascent"}
    for rounds in (8, 12, 16, 24, 32)[: bench.count(5, 1)]:
        methods |= at(bench.learned(students, "untrained"), rounds)
    methods |= reference()
    trial = judged(world(bench, "hetnet-3tier"), methods, layouts)
    table = trial_table(trial, methods, "hetnet-3tier", PF, rooms=(Room("pf_gain", BASE, "reference"),))
    return Section((_faster(table, trial),), networks=f"{layouts} layouts of hetnet-3tier")


def _faster(table: Table, trial: Trial) -> Table:
    """The table with how many times as long the reference takes."""
    column, most = Column("faster", "reference's time over it", ".3g"), trial.seconds["reference"]
    rows = [replace(row, values={**row.values, column.key: most / trial.seconds[row.name]}) for row in table.rows]
    return replace(table, columns=[*table.columns, column], rows=rows)


def generalise(bench: Bench) -> Section:
    """Twice the users, stations or square metres, without retraining."""
    rows = {"label-free": "label-free", "distilled, then label-free": "hetnet"}
    worlds = {f"twice the {what}": world(bench, "hetnet-3tier", **{what: 2.0}) for what in DOUBLED}
    return _elsewhere(bench, worlds, rows)


def tiers(bench: Bench) -> Section:
    """Networks with a tier that some trainings lacked, without retraining."""
    rows = {"label-free": "label-free"} | {f"label-free, trained without {tier}s": f"no-{tier}" for tier in TIERS}
    note = "Networks trained without picos have their users' hot spots around micros."
    return _elsewhere(bench, {"all three tiers": world(bench, "hetnet-3tier")}, rows, note)


def _elsewhere(bench: Bench, worlds: Mapping[str, Scenario], rows: Mapping[str, str], *notes: str) -> Section:
    """A table for each scenario: networks run for several numbers of rounds, beside the teacher and the strongest reference."""
    layouts, tables = bench.count(24, 2), []
    for title, scenario in worlds.items():
        methods = rules(TASK, BASE, "pf_teacher") | reference()
        for rounds in (8, 12, 16, 24)[: bench.count(4, 1)]:
            methods |= at(bench.learned(rows), rounds)
        trial = judged(scenario, methods, layouts)
        tables.append(trial_table(trial, methods, title, PF, rooms=(Room("pf_gain", BASE, "reference"),)))
    return Section(tuple(tables), notes, networks=f"{layouts} layouts each")


def one_pass(bench: Bench) -> Section:
    """Encoders beside each other in one pass."""
    return encoders(bench, 0)


def eight_rounds(bench: Bench) -> Section:
    """Encoders beside each other with eight rounds."""
    return encoders(bench, 8)


UNSEEN: Mapping[str, dict[str, float]] = {
    "hetnet-3tier": {},
    "twice the stations, unseen in training": {"stations": 2.0},
    "four times the area, unseen in training": {"area": 4.0},
}


def encoders(bench: Bench, rounds: int) -> Section:
    """Encoders on the networks of training and at densities that none was trained on."""
    layouts, tables = bench.count(50, 2), []
    for title, scale in UNSEEN.items():
        methods = rules(TASK, BASE, "pf_teacher")
        for encoder in ENCODERS:
            methods |= at(bench.learned({encoder: f"ablation-{encoder}-r{rounds}"}), rounds, encoder)
        trial = judged(world(bench, "hetnet-3tier", **scale), methods, layouts)
        measures = PF[:1] + tuple(
            Measure("pf_gain", "difference", "edge_mlp", "+.4f", ".4f") for _ in range("edge_mlp" in methods)
        )
        tables.append(trial_table(trial, methods, title, measures, rooms=(Room("pf_gain", BASE, "pf_teacher"),)))
    note = "The network without a graph is `edge_mlp`: the same heads on what an edge alone says."
    return Section(tuple(tables), (note,), networks=f"{layouts} layouts each")
