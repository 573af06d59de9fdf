"""Tables of single networks: allocations of the HetGNN beside the classical methods; names as in results.py.

Intervals are over training seeds and networks together, see :mod:`hetgraph.trainers.judge.statistics`.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import HeteroData

import hetgraph
from hetgraph.envs import SnapshotEnv
from hetgraph.graph import Scenario, interference_k, links_of, preset
from hetgraph.models import HetGNN
from hetgraph.radio import Allocation, Policy, evaluate, one_shot, pf_gain
from hetgraph.radio.kpi_table import vs_reference
from hetgraph.radio.policy import OneShotPolicy
from hetgraph.solvers import ascent_path, gradient_ascent, utility_reference, wmmse
from hetgraph.trainers import Case
from hetgraph.trainers.common.networks import TEST
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.run import run
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import mean, ratio, table
from hetgraph.trainers.snapshot import task as snapshot

SEEDS = range(5)
OUT = Path("runs/results")
FORMS = (".4f", ".1%", ".3f", ".3f", ".3f")  # of a snapshot's gain, share of the teacher's, and ratios


def students(name: str) -> list[HetGNN]:
    """Best checkpoints of the training seeds."""
    return [hetgraph.load(f"runs/{name}-{seed}/best.ckpt") for seed in SEEDS]


def method(function: Callable[[HeteroData], Allocation]) -> OneShotPolicy:
    """A function from graph to allocation as a row's policy."""
    return OneShotPolicy("", function)


def rules(*names: str) -> dict[str, list[Policy]]:
    """Classical methods of single networks by name."""
    return {name: [one_shot(name)] for name in names}


def at(models: Sequence[HetGNN], rounds: int) -> list[Policy]:
    """Models run for a number of rounds."""
    return [method(lambda graph, m=model: m.allocate(graph, rounds)) for model in models]


def then_ascent(models: Sequence[HetGNN], rounds: int, steps: int) -> list[Policy]:
    """Models as warm starts of gradient ascent."""

    def ascend(graph: HeteroData, model: HetGNN) -> Allocation:
        return gradient_ascent(graph, steps=steps, rate=0.3, start=model.allocate(graph, rounds))

    return [method(lambda graph, m=model: ascend(graph, m)) for model in models]


def ascents(steps: int, rate: float) -> list[Policy]:
    """Gradient ascent without a network."""
    return [method(lambda graph: gradient_ascent(graph, steps=steps, rate=rate))]


def snapshots(title: str, scenario: Scenario, policies: dict[str, list[Policy]], layouts: int) -> None:
    """Judge on test layouts one by one; print and store gain, share of the teacher's gain, and ratios to the first one's."""

    def environments() -> Iterator[SnapshotEnv]:
        for first in range(layouts):
            yield SnapshotEnv(scenario, first=first, seed=TEST)

    reference = next(iter(policies))
    trial = run(snapshot.TASK, Case(title, {}, environments, TEST), policies, reference)
    gains = {name: table(trial, name, "pf_gain").mean(1) for name in policies}  # over the reference's seeds
    rows = {}
    print(f"\n{title}: {layouts} layouts, scenario {scenario.name} {scenario.hash}")
    print("| method | PF gain | share of teacher | sum rate | 5th pct. | Jain | ms |\n|---|---|---|---|---|---|---|")
    for name in policies:
        found = {"pf_gain": mean(trial, name, "pf_gain")}
        found["pf_gain_share_of_room"] = statistics.ratio(gains[name], gains["pf_teacher"])
        for key in ("sum_rate_bps", "p5_rate_bps", "jain"):
            found[vs_reference(key)] = ratio(trial, name, reference, key)
        cells = [show(interval, form) for interval, form in zip(found.values(), FORMS, strict=True)]
        wall_ms = 1e3 * trial.seconds[name]
        print(f"| {name} | {' | '.join(cells)} | {wall_ms:.1f} |", flush=True)
        rows[name] = {key: vars(interval) for key, interval in found.items()} | {"wall_ms": wall_ms}
    best = np.max([per_layout.max(0) for per_layout in gains.values()], 0)
    print(f"Best known gain, the best answer of any row on each layout: {best.mean():.4f}")
    stored = {"scenario_hash": scenario.hash, "best_known_pf_gain": best.tolist(), "rows": rows}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"{title}.json").write_text(json.dumps(stored, indent=1))


def show(interval: Interval, form: str) -> str:
    """Estimate and half width of the 95% interval."""
    return interval.text(form, form)


def hetnet(layouts: int = 50) -> None:
    """Everything in one table."""
    policies = rules(
        "max_rsrp", "cre", "pf", "wmmse", "fp", "wmmse_pf", "sum_rate_teacher", "pf_teacher_6", "pf_teacher"
    )
    policies |= {f"ascent, {steps} steps": ascents(steps, rate) for steps, rate in ASCENTS}
    policies["the paper's student, distilled, one pass"] = at(students("paper"), 0)
    policies["student, distilled, 12 rounds"] = at(students("distill"), 12)
    tuned = students("hetnet")
    policies |= {f"student, {rounds} rounds": at(tuned, rounds) for rounds in (0, 1, 2, 4, 8, 12, 16, 24, 32)}
    policies |= {f"student, {r} rounds + {s} ascent": then_ascent(tuned, r, s) for r, s in ((8, 8), (16, 16), (16, 64))}
    policies["reference"] = [method(utility_reference)]
    snapshots("hetnet", preset("hetnet-3tier"), policies, layouts)


# Step sizes: the best of tune_ascent() on validation layouts.
ASCENTS = ((5, 1.0), (10, 0.6), (20, 0.6), (40, 0.3), (80, 0.3), (160, 0.2), (640, 0.2))


def tune_ascent() -> None:
    """Step size of the ascent for each number of steps, on validation layouts."""
    graph = preset("hetnet-3tier").sample(16, seed=1_000_000)
    base, links = evaluate(graph, one_shot("max_rsrp")(graph)).rate_bps, links_of(graph)
    marks = [5, 10, 20, 40, 80, 160, 640]
    for rate in (0.1, 0.2, 0.3, 0.6, 1.0, 1.5):
        answers = ascent_path(graph, marks, rate=rate)
        gains = [float(pf_gain(evaluate(graph, a).rate_bps, base, links).mean()) for a in answers]
        print(rate, dict(zip(marks, (round(g, 4) for g in gains), strict=True)), flush=True)


def generalise(layouts: int = 20) -> None:
    """Twice the users, stations or square metres, without retraining."""
    policies = rules("max_rsrp", "pf_teacher")
    policies |= {f"student, {rounds} rounds": at(students("hetnet"), rounds) for rounds in (8, 12, 16, 24)}
    for name, scale in (("users", {"users": 2.0}), ("stations", {"stations": 2.0}), ("area", {"area": 2.0})):
        snapshots(f"twice-{name}", preset("hetnet-3tier").scaled(**scale), policies, layouts)


def uma(layouts: int = 10) -> None:
    """The paper's scenario at full size."""
    policies = rules("max_rsrp", "pf", "wmmse", "sum_rate_teacher", "pf_teacher_6", "pf_teacher")
    policies |= {f"student, {rounds} rounds": at(students("uma"), rounds) for rounds in (0, 4, 8, 16)}
    policies["the paper's network, one pass, trained without labels"] = at(students("paper-uma"), 0)
    policies["student of the sum-rate teacher"] = at(students("uma-sum"), 8)
    snapshots("uma", preset("uma-5bs"), policies, layouts)


def interference(
    run: str = "interference", model: str = "umi", noises: Sequence[float] = (-100.0, -75.0, -55.0)
) -> None:
    """Ratio to WMMSE (100 rounds, full power) at K = 10, 20, 40, 80 and three noise levels."""
    layouts, models = 200, students(run)
    print(f"\n{run}: mean sum rate over WMMSE's, {layouts} layouts")
    print("| K | noise, dBm | full power | best of 10 starts | student, 4 rounds | student, 8 | student, 16 |")
    print("|---|---|---|---|---|---|---|")
    for pairs in (10, 20, 40, 80):
        for noise in noises:
            row = interference_row(interference_k(pairs, noise_dbm=noise, model=model), models, layouts)
            print(f"| {pairs} | {noise:g} | {' | '.join(row)} |", flush=True)


def iid() -> None:
    """The same for independent Rayleigh gains of mean one."""
    interference("iid", "unit", (30.0, 20.0, 10.0))


def interference_row(scenario: Scenario, models: Sequence[HetGNN], layouts: int) -> list[str]:
    """Cells of one row: ratios of mean sum rates."""
    size = 50
    totals: dict[str, list[np.ndarray]] = {}
    for first in range(0, layouts, size):
        graph = scenario.sample(size, seed=2_000_000, first=first)
        serving = links_of(graph).station_of(graph["ue"].serving_slot)

        def rate(allocation: Allocation, graph: HeteroData = graph) -> np.ndarray:
            return evaluate(graph, allocation).sum_rate_bps.double().numpy()

        reference = wmmse(graph, serving)
        generators = [torch.Generator().manual_seed(s) for s in range(9)]
        tries = [rate(reference)] + [rate(wmmse(graph, serving, init="random", generator=g)) for g in generators]
        equal = Allocation(serving, graph["bs"].power_max_w.unsqueeze(1))
        found = {"wmmse": tries[0], "full": rate(equal), "best": np.max(tries, 0)}
        for rounds in (4, 8, 16):
            answers = [model.allocate(graph, rounds) for model in models]
            assert all(torch.equal(a.serving, serving) for a in answers)
            found[f"r{rounds}"] = np.stack([rate(a) for a in answers])
        for key, value in found.items():
            totals.setdefault(key, []).append(value)
    tables = {k: np.atleast_2d(np.concatenate(v, -1)) for k, v in totals.items()}
    forms = {"full": ".3f", "best": ".4f", "r4": ".4f", "r8": ".4f", "r16": ".4f"}
    return [show(statistics.ratio(tables[k], tables["wmmse"]), form) for k, form in forms.items()]


def ablations(layouts: int = 50) -> None:
    """Encoders beside each other, without rounds and with eight."""
    for rounds in (0, 8):
        policies = rules("max_rsrp", "pf_teacher")
        for encoder in ("hetero", "no_antennas", "homogeneous", "bs_only", "edge_mlp"):
            name = f"ablation-{encoder}-r{rounds}"
            if Path(f"runs/{name}-4/best.ckpt").exists():
                policies[encoder] = at(students(name), rounds)
        if len(policies) > 2:
            snapshots(f"ablations-r{rounds}", preset("hetnet-3tier"), policies, layouts)


def antenna(layouts: int = 50) -> None:
    """Error of the antenna head against its teacher, beside equal shares."""
    from hetgraph.datasets import add_labels
    from hetgraph.trainers.snapshot.losses import antenna_loss

    errors, equal = [], []
    for first in range(layouts):
        graph = preset("hetnet-3tier").sample(1, seed=2_000_000, first=first)
        add_labels(graph, one_shot("pf_teacher_6"))
        errors.append([float(antenna_loss(m(graph, 0).antenna_logits.detach(), graph)) for m in students("distill")])
        equal.append(float(antenna_loss(torch.zeros_like(graph["antenna"].teacher_share), graph)))
    error = show(statistics.mean(np.array(errors).T), ".4f")
    print(f"antenna shares, mean squared error in units of an equal share: {error}; equal shares {np.mean(equal):.4f}")
