"""Sections of HetGNN that are no table of methods: training, times, antenna shares, interference channels."""

import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch_geometric.data import HeteroData

from hetgraph.graph import Scenario, interference_k, links_of, preset
from hetgraph.models import HetGNN
from hetgraph.radio import Allocation, evaluate, one_shot, pf_gain
from hetgraph.solvers import ascent_path, wmmse
from hetgraph.trainers.common.networks import TEST, VALIDATION
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.reproduce.bench import Bench
from hetgraph.trainers.reproduce.hetgnn_tables import BASE, STUDENT, TEACHER
from hetgraph.trainers.reproduce.learning import Metric, learning
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table

ORDERS = {TEACHER: "O(U^3) + O(B RB^2)", BASE: "O(U B)", STUDENT: "O(V + E)"}  # Table 2
USERS, QUICK_USERS = (675, 1350, 2700, 5400), (100, 200)
CALLS = 5


def training(bench: Bench) -> Section:
    """Figures 6 and 7: loss and sum rate over epochs."""
    metrics = (
        Metric("train/loss", "training loss", "peak 7.5e4, end 1.3e4"),
        Metric("val/sum_rate_vs_reference", "sum rate over the baseline's", "0.32 / 0.34 = 0.94"),
    )
    note = "The printed loss is a sum of terms with undisclosed weights, so that its size compares with nothing; the printed sum rate"
    return learning(bench, {STUDENT: "hetgnn-paper"}, metrics, (f"{note} is 0.31 to 0.32 Gbit/s from epoch 20 on.",))


def complexity(bench: Bench) -> Section:
    """Table 2: times of a decision by the number of users, and the power of it that they grow with."""
    members = bench.members("hetgnn-paper")
    methods: dict[str, Callable[[HeteroData], Allocation]] = {TEACHER: one_shot(TEACHER), BASE: one_shot(BASE)}
    if members:
        methods[STUDENT] = lambda graph: members[0].allocate(graph, 0)
    users = QUICK_USERS if bench.quick else USERS
    graphs = [preset(f"uma-5bs:users={count}").sample(1, seed=TEST) for count in users]
    columns = [Column(str(count), f"{count:,} users, ms", ".3g") for count in users]
    columns.append(Column("power", "grows as users to the power", ".2f"))
    rows = []
    for name, decide in methods.items():
        times = [1e3 * _median_s(decide, graph) for graph in graphs]
        power = float(np.polyfit(np.log(users), np.log(times), 1)[0])
        values = dict(zip(map(str, users), times, strict=True)) | {"power": power}
        rows.append(
            Row(name, "rule" if name in (TEACHER, BASE) else "paper's own constants", values, {"power": ORDERS[name]})
        )
    note = "Median of five calls on one network, five stations, 51 blocks. WMMSE per block is cubic in stations, not in users."
    return Section((Table("time of a decision on uma-5bs", columns, rows),), (note,), networks="one of each size")


def _median_s(decide: Callable[[HeteroData], Allocation], graph: HeteroData) -> float:
    """Median wall time of a decision."""
    decide(graph)
    times = []
    for _ in range(CALLS):
        start = time.perf_counter()
        decide(graph)
        times.append(time.perf_counter() - start)
    return float(np.median(times))


def antennas(bench: Bench) -> Section:
    """Error of the antenna head against its teacher, beside equal shares."""
    from hetgraph.datasets import add_labels
    from hetgraph.trainers.snapshot.losses import antenna_loss

    layouts, models = bench.count(50, 2), bench.members("distill")
    errors, equal = [], []
    for first in range(layouts):
        graph = preset("hetnet-3tier").sample(1, seed=TEST, first=first)
        add_labels(graph, one_shot("pf_teacher_6"))
        with torch.no_grad():
            errors.append([float(antenna_loss(model(graph, 0).antenna_logits, graph)) for model in models])
        equal.append([float(antenna_loss(torch.zeros_like(graph["antenna"].teacher_share), graph))])
    column = Column("error", "mean squared error, in units of an equal share", ".4f", ".4f")
    rows = [Row("equal shares", "rule", {"error": statistics.mean(np.array(equal).T)})]
    if models:
        rows.append(Row("distilled", "rule + learned", {"error": statistics.mean(np.array(errors).T)}))
    return Section((Table("antenna shares", [column], rows),), networks=f"{layouts} layouts of hetnet-3tier")


def interference(bench: Bench) -> Section:
    """Ratio to WMMSE (100 rounds, full power) at three noise levels with path loss."""
    return _pairs(bench, "interference", "umi", (-100.0, -75.0, -55.0))


def iid(bench: Bench) -> Section:
    """The same for independent Rayleigh gains of mean one."""
    return _pairs(bench, "iid", "unit", (30.0, 20.0, 10.0))


STEPS, RATES = (5, 10, 20, 40, 80, 160, 640), (0.1, 0.2, 0.3, 0.6, 1.0, 1.5)


def ascent(bench: Bench) -> Section:
    """Step size of the ascent for each number of steps, on validation layouts: the best one is that of the other sections."""
    layouts, steps, rows = bench.count(16, 1), STEPS[: bench.count(len(STEPS), 2)], []
    graph = preset("hetnet-3tier").sample(layouts, seed=VALIDATION)
    base, links = evaluate(graph, one_shot(BASE)(graph)).rate_bps, links_of(graph)
    for rate in RATES:
        answers = ascent_path(graph, list(steps), rate=rate)
        gains = [np.asarray(pf_gain(evaluate(graph, each).rate_bps, base, links).double())[None] for each in answers]
        cells = {str(count): statistics.mean(gain) for count, gain in zip(steps, gains, strict=True)}
        rows.append(Row(f"rate {rate:g}", "rule", cells))
    columns = [Column(str(count), f"{count} steps, nat", ".4f", ".4f") for count in steps]
    networks = f"{layouts} validation layouts of hetnet-3tier"
    return Section((Table("PF gain of ascent over max RSRP", columns, rows),), networks=networks)


METHODS = {
    "full": "full power",
    "best": "best of 10 starts",
    "4": "student, 4 rounds",
    "8": "8 rounds",
    "16": "16 rounds",
}


def _pairs(bench: Bench, run: str, model: str, noises: Sequence[float]) -> Section:
    """A row for each number of pairs and noise: ratios of mean sum rates to WMMSE's."""
    layouts, models, rows = bench.count(200, 20), bench.members(run), []
    for pairs in (10, 20, 40, 80)[: bench.count(4, 2)]:
        for noise in noises:
            values = _ratios(interference_k(pairs, noise_dbm=noise, model=model), models, layouts)
            rows.append(Row(f"K = {pairs}, noise {noise:g} dBm", "", dict(values)))
    columns = [Column(key, name, ".4f", ".4f") for key, name in METHODS.items()]
    title = f"mean sum rate over that of WMMSE (100 rounds from full power), {layouts} layouts; students learned from nothing"
    return Section((Table(title, columns, rows),), networks=f"{layouts} layouts of each row")


def _ratios(
    scenario: Scenario, models: Sequence[HetGNN], layouts: int, size: int = 50
) -> dict[str, statistics.Interval]:
    tables: dict[str, list[NDArray[np.float64]]] = {}
    for first in range(0, layouts, size):
        graph = scenario.sample(min(size, layouts - first), seed=TEST, first=first)
        for key, value in _sum_rates(graph, models).items():
            tables.setdefault(key, []).append(np.atleast_2d(value))
    joined = {key: np.concatenate(parts, -1) for key, parts in tables.items()}
    return {key: statistics.ratio(joined[key], joined["wmmse"]) for key in METHODS if key in joined}


def _sum_rates(graph: HeteroData, models: Sequence[HetGNN]) -> dict[str, NDArray[np.float64]]:
    """Sum rates of the methods on some networks ``[K]``, of students ``[S, K]``."""
    serving = links_of(graph).station_of(graph["ue"].serving_slot)

    def rate(allocation: Allocation) -> NDArray[np.float64]:
        return np.asarray(evaluate(graph, allocation).sum_rate_bps.double())

    tries = [rate(wmmse(graph, serving))]
    tries += [rate(wmmse(graph, serving, init="random", generator=torch.Generator().manual_seed(s))) for s in range(9)]
    equal = Allocation(serving, graph["bs"].power_max_w.unsqueeze(1))
    out = {"wmmse": tries[0], "full": rate(equal), "best": np.max(tries, 0)}
    if models:
        out |= {
            str(rounds): np.stack([rate(model.allocate(graph, rounds)) for model in models]) for rounds in (4, 8, 16)
        }
    return out
