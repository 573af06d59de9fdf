"""The tables of results/ from the checkpoints of runs.py: `python benchmarks/results.py NAME ...`.

Intervals are over training seeds and networks together, see :mod:`hetgraph.trainers.judge.statistics`.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import HeteroData

import hetgraph
from hetgraph.envs import ConflictEnv, SnapshotEnv, rollout
from hetgraph.envs.queues.conflict_rules import QCSMA, GreedyMaximal, LongestLocalQueue
from hetgraph.envs.queues.delays import nearest_rank, tail_slots
from hetgraph.envs.queues.local_score import TUNED, LocalScore
from hetgraph.envs.queues.power_control import PowerControl
from hetgraph.envs.rollout import Trial
from hetgraph.graph import Scenario, interference_k, links_of, preset
from hetgraph.models import HetGNN
from hetgraph.radio import Allocation, Policy, evaluate, one_shot, pf_gain, policy
from hetgraph.radio.kpi_table import vs_reference
from hetgraph.radio.policy import OneShotPolicy
from hetgraph.solvers import ascent_path, gradient_ascent, utility_reference, wmmse
from hetgraph.trainers import Case, compare
from hetgraph.trainers.common.networks import TEST
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.files import write_trials
from hetgraph.trainers.judge.run import run
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import mean, ratio, table
from hetgraph.trainers.queues import task as queues
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


def conflict(slots: int = 5000, envs: int = 20) -> None:
    """Delays on the conflict graph, in slots: 20 episodes of 5,000 slots, packets that came before the last 200."""
    schedulers: dict[str, list[Policy]] = {
        s.name: [s] for s in (GreedyMaximal(), GreedyMaximal(paper=True), LongestLocalQueue(), QCSMA())
    }
    for kind in ("shared", "individual"):
        if Path(f"runs/conflict-{kind}-4/best.ckpt").exists():
            schedulers[f"MAPPO, {kind}"] = agents_of(f"conflict-{kind}")
    print(
        "| policy | load | mean | worst seed | worst episode | 99th pct. | max | longest queue |\n" + "|---" * 8 + "|"
    )
    for name, members in schedulers.items():
        for load in (0.3, 0.4, 0.5):
            rows, queues, table = [], [], []
            for policy_ in members:
                env = ConflictEnv(num_envs=envs, load=load, record=True, episode_slots=slots)
                rollout(env, {name: policy_}, seed=2_000_000)
                every = env.delays()
                queues.append(every.longest_queue())
                delays = every.before(slots - tail_slots(slots))
                each = [float(delays.of_network(i).total.mean()) for i in range(envs)]
                found = delays.summary()
                table.append(each)
                rows.append([found["mean"], max(each), found["p99"], found["max"]])
            mean, episode, p99, longest = np.array(rows).T
            cells = [show(statistics.mean(np.array(table)), ".4f"), f"{mean.max():.4f}", f"{episode.max():.4f}"]
            cells += [f"{p99.max():.0f}", f"{longest.max():.0f}", f"{max(queues):.0f}"]
            print(f"| {name} | {load} | {' | '.join(cells)} |", flush=True)


NETWORKS = {"random-19": (20.0, 25.0, 30.0), "hex-19": (15.0, 20.0, 25.0)}


def judged(scenario: str, load: float, policies: dict[str, list[Policy]], **more: int) -> Trial:
    """Trial of a load: delays of each network."""
    (trial,), _ = compare(queues.TASK, queues.Options(scenario, load=f"{load:g}", **more), policies)  # type: ignore[arg-type]
    return trial


def cells(layouts: int = 40, slots: int = 400, networks: Sequence[str] = tuple(NETWORKS)) -> None:
    """Delays in cells, ms, with what each policy knows; agents trained at heavy load only."""
    for network, loads in ((name, NETWORKS[name]) for name in networks):
        found = []
        for load in loads:
            policies = cell_policies(network, load) | trained("MAPPO", f"{network}-heavy")
            found.append(judged(network, load, policies, layouts=layouts, slots=slots))
            print_cells(found[-1], knowledge(policies))
        write_trials(queues.TASK, found, "lqf_subband", OUT / network)
        queues.TASK.figures(found, "lqf_subband", OUT / network)


def spread(layouts: int = 40, slots: int = 2000) -> None:
    """Longest queue first per subband on many layouts of the random network: how far layouts lie apart, ms."""
    print(
        "| load | mean of the median layout | 10th to 90th pct. of layouts | smallest | largest |\n|---|---|---|---|---|"
    )
    for load in NETWORKS["random-19"]:
        trial = judged("random-19", load, {"lqf": [policy("lqf_subband")]}, layouts=layouts, slots=slots)
        each = np.sort(table(trial, "lqf", "mean_delay_ms")[0])
        low, half, high = np.quantile(each, (0.1, 0.5, 0.9))
        print(f"| {load:g} | {half:.1f} | {low:.1f} to {high:.1f} | {each[0]:.1f} | {each[-1]:.1f} |", flush=True)


def larger(slots: int = 400) -> None:
    """Agents trained on 19 cells, on 61 and 127 of the same kind, without retraining."""
    for name, load in (
        ("hex-19:rings=4", 25.0),
        ("hex-19:rings=6", 25.0),
        ("random-19:stations=61", 20.0),
        ("random-19:stations=127", 20.0),
        ("random-19:stations=61", 30.0),
        ("random-19:stations=127", 30.0),
    ):
        network = name.split(":")[0]
        policies = {n: [policy(n)] for n in ("lqf_subband", "lqf_best", "max_weight_local")}
        policies |= {"local_score": [LocalScore(TUNED[network, load])]} | trained("MAPPO", f"{network}-heavy")
        print_cells(judged(name, load, policies, slots=slots, layouts=3, traffics=2), knowledge(policies))


UPPER = ("genie", "wmmse_genie")  # the better of the two is the upper reference
UNDECREMENTED = "wmmse_genie, share 0"  # all subbands with the queues of the slot's beginning


def cell_policies(network: str, load: float) -> dict[str, list[Policy]]:
    """What needs no training, with the local score tuned to this network and load; WMMSE and FP at three levels of knowledge."""
    names = ["lqf_subband", "lqf_best", "max_weight_local", "llq", "fair_itlinq", "genie"]
    names += [f"{method}_{level}" for method in ("wmmse", "fp") for level in ("genie", "global", "neighbourhood")]
    others: dict[str, list[Policy]] = {"local_score": [LocalScore(TUNED[network, load])]}
    return {name: [policy(name)] for name in names} | others | {UNDECREMENTED: [PowerControl("wmmse", share=0)]}


def knowledge(policies: dict[str, list[Policy]]) -> dict[str, str]:
    """Level of each policy."""
    return {name: members[0].level for name, members in policies.items()}


def agents_of(name: str) -> list[Policy]:
    """Best checkpoints of the training seeds that were run."""
    paths = [Path(f"runs/{name}-{seed}/best.ckpt") for seed in SEEDS]
    return [hetgraph.load(path) for path in paths if path.exists()]


def trained(label: str, name: str) -> dict[str, list[Policy]]:
    """A row of agents, none where no run of theirs is there."""
    found = agents_of(name)
    return {label: found} if found else {}


def pooled(trial: Trial, name: str, percent: int) -> float:
    """Percentile of the delays of all networks' packets together, mean over training seeds."""
    packets = [torch.cat([run.total for run in seed]).sort().values for seed in trial.details[name]]
    return float(np.mean([nearest_rank(ordered, percent) for ordered in packets]))


def print_cells(trial: Trial, levels: dict[str, str]) -> None:
    """Table of a trial, and paired ratios of the agents to what they are to beat and to the upper reference."""
    print(f"\n{trial.meta['title']} packets/s, {trial.meta['networks']} networks\n")
    columns = ("policy", "level", "mean, ms", "worst seed", "95th pct.", "99th pct.", "max", "waiting", "transmission")
    print(f"| {' | '.join(columns)} |\n" + "|---" * len(columns) + "|")
    for name in trial.values:
        worst = table(trial, name, "mean_delay_ms").mean(1).max()
        rest = [f"{pooled(trial, name, percent):.1f}" for percent in (95, 99, 100)]
        rest += [f"{mean(trial, name, part).value:.1f}" for part in ("waiting_ms", "transmission_ms")]
        cells = [name, levels[name], show(mean(trial, name, "mean_delay_ms"), ".2f"), f"{worst:.2f}", *rest]
        print(f"| {' | '.join(cells)} |", flush=True)
    if "MAPPO" not in trial.values:
        return
    over = {name: show(ratio(trial, "MAPPO", name, "mean_delay_ms"), ".3f") for name in trial.values if name != "MAPPO"}
    print("MAPPO over: " + ", ".join(f"{name} {text}" for name, text in over.items()))
    upper = [name for name in UPPER if name in trial.values]
    if upper:
        best = min(upper, key=lambda name: mean(trial, name, "mean_delay_ms").value)
        print(f"upper reference: {best}, MAPPO over it {over[best]}")


COMMANDS: dict[str, Callable[[], None]] = {
    "hetnet": hetnet,
    "tune-ascent": tune_ascent,
    "generalise": generalise,
    "uma": uma,
    "interference": interference,
    "iid": iid,
    "ablations": ablations,
    "antenna": antenna,
    "conflict": conflict,
    "cells": cells,
    "cells-random-19": lambda: cells(networks=("random-19",)),
    "cells-hex-19": lambda: cells(networks=("hex-19",)),
    "larger": larger,
    "spread": spread,
}

if __name__ == "__main__":
    for command in sys.argv[1:]:
        COMMANDS[command]()
    if len(sys.argv) < 2:
        print(f"usage: python benchmarks/results.py {' | '.join(COMMANDS)}")
