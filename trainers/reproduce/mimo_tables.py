"""Sections of stations that precode: networks beside vector WMMSE and linear precoders."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import Scenario, preset
from hetgraph.models import SpatialHetGNN
from hetgraph.radio import Allocation, evaluate
from hetgraph.radio.policy import OneShotPolicy
from hetgraph.solvers import dual_price_association, equal_power, fair_precoding, max_rsrp_association, vector_wmmse
from hetgraph.solvers.spatial_association import expected_rates, groups_by_gain, spatial_association
from hetgraph.trainers.judge.plots import save, single
from hetgraph.trainers.reproduce.bench import Bench, Method, Methods, rules
from hetgraph.trainers.reproduce.hetgnn_tables import allocates, judged
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table
from hetgraph.trainers.reproduce.tables import Measure, trial_table
from hetgraph.trainers.snapshot.task import TASK

ROUNDS = (5, 6, 8, 12)  # of the networks
USUAL = 8
WMMSE = (1, 5, 10, 50, 100)  # rounds from SLNR
STARTS, POLISH, STAGES = 10, 3, 3
FULL = "vector WMMSE, 100 rounds"
RATE = Measure("sum_rate_bps", "ratio", FULL, ".4f", ".4f")
SUMS = (RATE, Measure("p5_rate_bps", "ratio", FULL, ".3f", ".3f"), Measure("jain", "ratio", FULL, ".3f", ".3f"))
PRICES = "dual prices, WMMSE"  # proportional fairness: association by dual prices, then 100 rounds
FAIR = (
    Measure("pf_utility", "difference", PRICES, "+.4f", ".4f"),
    Measure("sum_rate_bps", "ratio", PRICES, ".3f", ".3f"),
    Measure("p5_rate_bps", "ratio", PRICES, ".3f", ".3f"),
)


def wmmse_rows() -> Methods:
    """Vector WMMSE at the strongest station after some rounds, and the best of ten starts after 100."""

    def after(rounds: int) -> OneShotPolicy:
        def act(graph: HeteroData) -> Allocation:
            serving = max_rsrp_association(graph)
            return vector_wmmse(graph, serving, group=groups_by_gain(graph, serving), iterations=rounds)

        return allocates(act)

    rows = {f"vector WMMSE, {count} round{'s' * (count > 1)}": Method([after(count)]) for count in WMMSE}
    return rows | {f"vector WMMSE, best of {STARTS} starts": Method([allocates(best_of_starts)])}


def best_of_starts(graph: HeteroData) -> Allocation:
    """The best of WMMSE from SLNR, regularised zero forcing, zero forcing, maximum ratio and random precoders, one network."""
    serving = max_rsrp_association(graph)
    group = groups_by_gain(graph, serving)
    shape = (len(serving), graph["bs", "channel", "ue"].h.shape[1], group.shape[1])
    generator = torch.Generator().manual_seed(0)
    starts: list[str | Tensor] = ["slnr", "rzf", "zf", "mrt"]
    for _ in range(STARTS - len(starts)):
        real, imaginary = (torch.randn(shape, generator=generator) for _ in range(2))
        starts.append(torch.complex(real, imaginary))
    best, most = None, -1.0
    for init in starts:
        allocation = vector_wmmse(graph, serving, group=group, iterations=100, init=init)
        value = float(evaluate(graph, allocation, "spatial").sum_rate_bps)
        if value > most:
            best, most = allocation, value
    assert best is not None
    return best


def _at(model: SpatialHetGNN, rounds: int, polish: int = 0, stages: int = 1) -> OneShotPolicy:
    def act(graph: HeteroData) -> Allocation:
        model.polish, model.stages = polish, stages
        return model.allocate(graph, rounds)

    return allocates(act)


def at(methods: Methods, rounds: int, polish: int = 0, stages: int = 1) -> Methods:
    """The same networks run for a number of rounds and associations, and polished by some rounds of WMMSE."""
    more = f" + {polish} of WMMSE" if polish else ""
    times = f", {stages} associations" if stages > 1 else ""
    return {
        f"{row}{times}, {rounds} rounds{more}": Method(
            [_at(model, rounds, polish, stages) for model in each.members],
            "rule + learned" if polish else each.kind,
            each.start,
        )
        for row, each in methods.items()
    }


def untrained(bench: Bench, run: str, rounds: int) -> Methods:
    """Networks with new weights."""
    members = [_at(model, rounds) for model in bench.untrained(run)]
    return {"untrained": Method(members, "untrained weights")} if members else {}


def world(bench: Bench, name: str) -> Scenario:
    """Scenario of a preset, with few users in a quick run."""
    return preset(name).scaled(users=0.5) if bench.quick else preset(name)


def sum_rate(bench: Bench) -> Section:
    """Sum rate of seven cells: networks beside WMMSE from one start and from ten, with times."""
    tables = []
    layouts = bench.count(40, 2)
    for name, runs in (
        ("mimo-7", {"label-free": "mimo", "distilled": "mimo-distilled", "without antenna nodes": "mimo-blind"}),
        ("mimo-7:antennas=16,users=8", {"label-free": "mimo-16", "trained on 8 antennas": "mimo"}),
    ):
        methods = rules(TASK, "mrt", "zf", "rzf", "slnr") | wmmse_rows()
        methods |= untrained(bench, runs["label-free"], USUAL)
        learned = bench.learned(runs, "untrained")
        for rounds in ROUNDS[:: bench.count(1, 3)]:
            methods |= at(learned, rounds)
        label_free = {row: each for row, each in learned.items() if row == "label-free"}
        for rounds in ROUNDS[2 : bench.count(4, 3)]:
            methods |= at(label_free, rounds, POLISH)
        trial = judged(world(bench, name), _first(methods, FULL), layouts, "spatial")
        table = trial_table(trial, methods, name, SUMS)
        tables.append(_times(table, trial.seconds, "vector WMMSE, 10 rounds"))
    return Section(tuple(tables), networks=f"{layouts} layouts")


def _first(methods: Methods, name: str) -> Methods:
    """The same rows, one of them first: that which others are compared with."""
    return {name: methods[name]} | methods


def _times(table: Table, seconds: dict[str, float], reference: str) -> Table:
    """The table with each row's time over a reference's."""
    column = Column("time", f"its time over that of {reference}", ".3g")
    rows = [
        replace(row, values={**row.values, column.key: seconds[row.name] / seconds[reference]}) for row in table.rows
    ]
    return replace(table, columns=[*table.columns, column], rows=rows)


SIZES = {
    "4 antennas": "mimo-7:antennas=4",
    "16 antennas": "mimo-7:antennas=16",
    "32 antennas": "mimo-7:antennas=32",
    "half the users": "mimo-7:users=2",
    "twice the users": "mimo-7:users=8",
    "19 cells": "mimo-7:rings=2",
    "4 blocks": "mimo-7:num_rbs=4",
}


def sizes(bench: Bench) -> Section:
    """Other numbers of antennas, users, cells and blocks, without retraining."""
    layouts, rows = bench.count(40, 2), list[Row]()
    for title, name in SIZES.items():
        methods = {FULL: wmmse_rows()[FULL]} | rules(TASK, "slnr")
        for rounds in ROUNDS[2 : bench.count(4, 3)]:
            methods |= at(bench.learned({"label-free": "mimo"}), rounds)
        trial = judged(world(bench, name), methods, layouts, "spatial")
        for row in trial_table(trial, methods, title, (RATE,)).rows:
            if row.name != FULL:
                rows.append(replace(row, name=f"{title}: {row.name}"))
    return Section(
        (Table("over vector WMMSE, 100 rounds", (RATE.column,), rows),), networks=f"{layouts} layouts of each size"
    )


def tiers(bench: Bench) -> Section:
    """Proportional fairness of three tiers: association and precoding."""
    layouts = bench.count(40, 1)
    scenario = preset("hetnet-3tier:mimo=true")
    scenario = scenario.scaled(users=0.1) if bench.quick else scenario

    def fair(associate: Callable[[HeteroData], Tensor], rounds: int) -> Method:
        def act(graph: HeteroData) -> Allocation:
            serving = associate(graph)
            group = groups_by_gain(graph, serving)
            return fair_precoding.vector_wmmse_pf(graph, serving, group=group, iterations=rounds, tolerance=1e-9)[0]

        return Method([allocates(act)])

    methods = {PRICES: fair(spatial_association, 100)} | rules(TASK, "slnr")
    methods |= {f"dual prices, WMMSE of {count} rounds": fair(spatial_association, count) for count in (5, 15)}
    methods |= {"max RSRP, WMMSE": fair(max_rsrp_association, 100)}
    methods |= {f"dual prices at WMMSE's powers, {STAGES} associations of 15 rounds": Method([allocates(alternating)])}
    methods |= untrained(bench, "mimo-tiers", USUAL)
    learned = bench.learned({"label-free": "mimo-tiers", "without antenna nodes": "mimo-tiers-blind"}, "untrained")
    for stages, polish in ((1, 0), (1, 15), (STAGES, 0), (STAGES, 5), (STAGES, 15))[:: bench.count(1, 2)]:
        methods |= at(learned, USUAL, polish, stages)
    trial = judged(scenario, methods, layouts, "spatial")
    table = _times(trial_table(trial, methods, scenario.name, FAIR), trial.seconds, PRICES)
    return Section((table,), networks=f"{layouts} layouts of hetnet-3tier:mimo=true")


def paper(bench: Bench) -> Section:
    """The HetGNN paper's network, its antenna head as the power of each antenna, beside its teacher and linear precoders."""
    layouts = bench.count(40, 2)
    methods = wmmse_rows()
    methods = {FULL: methods[FULL]} | rules(TASK, "mrt", "zf", "slnr")
    members = bench.untrained("mimo-paper")
    methods |= {"untrained": Method(members, "untrained weights")} if members else {}
    methods |= bench.learned({"the paper's student": "mimo-paper"}, "untrained")
    trial = judged(world(bench, "uma-5bs:users=200,num_rbs=4,mimo=true"), methods, layouts, "spatial")
    table = _times(trial_table(trial, methods, "uma-5bs, 200 users, 4 blocks", SUMS), trial.seconds, FULL)
    note = (
        "The student sends in phase with each user at the powers of its antenna head: it has no directions of its own."
    )
    return Section((table,), (note,), networks=f"{layouts} layouts")


def alternating(graph: HeteroData, stages: int = 3, rounds: int = 15) -> Allocation:
    """The rule that the networks' associations follow: dual prices at equal powers, then at those of proportionally fair WMMSE."""
    power = equal_power(graph)
    for _ in range(stages):
        serving = dual_price_association(graph, power, rate=expected_rates(graph, power=power))
        group = groups_by_gain(graph, serving)
        allocation, _ = fair_precoding.vector_wmmse_pf(graph, serving, group=group, iterations=rounds, tolerance=1e-9)
        power = allocation.power_w
    return allocation


def times(bench: Bench) -> Section:
    """Time of a decision over the number of antennas, one network of seven cells."""
    models, rows = bench.members("mimo"), list[Row]()
    counts = (4, 8, 16, 32, 64, 128)[: bench.count(6, 2)]
    lines = dict[str, list[float]]()
    for antennas in counts:
        graph = preset(f"mimo-7:antennas={antennas}").sample(1, seed=0)
        decisions = {"vector WMMSE, 10 rounds": wmmse_rows()["vector WMMSE, 10 rounds"].members[0]}
        if models:
            decisions["label-free, 8 rounds"] = _at(models[0], 8)
        values = {name: _median_ms(decision, graph, bench.count(9, 1)) for name, decision in decisions.items()}
        rows.append(Row(f"{antennas} antennas", "", values))
        for name, value in values.items():
            lines.setdefault(name, []).append(value)
    columns = [Column(name, f"{name}, ms", ".3g") for name in lines]
    figure, axes = single()
    for name, line in lines.items():
        axes.plot(counts, line, marker="o", label=name)
    axes.set(xscale="log", xlabel="antennas of a station", ylabel="time of a decision, ms")
    axes.set_ylim(bottom=0)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.minorticks_off()
    axes.legend()
    save(figure, bench.figures, bench.figure())
    note = "Channels of stations with more antennas than users are brought into the users' span first."
    tables = Table("one network, one thread", columns, rows), _batch_times(bench, models)
    return Section(tables, (note,), {bench.figure(): "time over antennas"})


def _batch_times(bench: Bench, models: Sequence[SpatialHetGNN]) -> Table:
    """Times of a batch of seven-cell networks, on one thread."""
    size = bench.count(40, 2)
    graph = preset("mimo-7").sample(size, seed=0)
    ten = wmmse_rows()["vector WMMSE, 10 rounds"].members[0]
    decisions = {"vector WMMSE, 10 rounds": ten} | {
        f"label-free, {rounds} rounds": _at(models[0], rounds) for rounds in ROUNDS if models
    }
    spent = {name: _median_ms(decision, graph, bench.count(9, 1)) for name, decision in decisions.items()}
    columns = [Column("ms", "ms of all", ".3g"), Column("time", "its time over that of ten rounds of WMMSE", ".3g")]
    least = spent["vector WMMSE, 10 rounds"]
    rows = [Row(name, "", {"ms": value, "time": value / least}) for name, value in spent.items()]
    return Table(f"{size} networks at once, one thread", columns, rows)


def _median_ms(decision: OneShotPolicy, graph: HeteroData, repeats: int) -> float:
    decision(graph)
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        decision(graph)
        spent.append(1e3 * (time.perf_counter() - start))
    return sorted(spent)[len(spent) // 2]
