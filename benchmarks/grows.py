"""Association of arriving users: `python benchmarks/grows.py NAME ...`, names as in COMMANDS.

`table`, `sizes`, `finetuned` and `curve` read the checkpoints of runs.py (`python benchmarks/runs.py grows dqn-flat grows-paper`).
"""

import csv
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from grows_calibration import CHANCES, DEMANDS, calibrate
from torch import Tensor

from hetgraph import load
from hetgraph.envs import ArrivalEnv, DiscreteArrivals, RolloutLookahead, clairvoyant, optimum
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.arrivals.rules import BestRate
from hetgraph.envs.rollout import Trial, rollout
from hetgraph.models import GROWS
from hetgraph.models.weights import read_weights
from hetgraph.radio import Policy, policy
from hetgraph.trainers import Budget, compare
from hetgraph.trainers.arrivals.figures import arrival_figures
from hetgraph.trainers.arrivals.tabular import q_learning
from hetgraph.trainers.arrivals.task import TASK, Options
from hetgraph.trainers.commands.finetune import trained
from hetgraph.trainers.common.networks import TEST
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.files import write_trials
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import mean, ratio, table

SEEDS, VALIDATION = range(5), 1_000_000
OUT = Path("runs/results/grows")
STATISTICS = ("utility", "rejections", "completions")
RULES = ("argmax_blocking", "argmax", "least_loaded", "best_rate")
SIZES = {"grows-3:stations=7": 400, "grows-3:stations=19": 100, "grows-3:stations=300": 4, "grows-city": 4}


def rate(kind: str) -> float:
    """Episodes of 40 slots per second of one process, decisions included."""
    torch.set_num_threads(1)
    env = ArrivalEnv("grows-3", 1000, seed=os.getpid())
    options = {"widths": (64, 64), "features": "full", "users": True, "dueling": True}
    agents = {"GROWS, the paper's": GROWS(), "GROWS": GROWS(**options), "best_rate": policy("best_rate")}  # type: ignore[arg-type]
    rollout(env, {kind: agents[kind]})
    times = []
    for seed in range(5):
        start = time.perf_counter()
        rollout(env, {kind: agents[kind]}, seed=seed)
        times.append(time.perf_counter() - start)
    return env.num_envs / sorted(times)[2]


def throughput() -> None:
    """Episodes per second on all cores."""
    cores = len(os.sched_getaffinity(0))
    print(f"{cores} processes, 1,000 networks each\n| decisions by | 40-slot episodes per second |\n|---|---|")
    for kind in ("best_rate", "GROWS, the paper's", "GROWS"):
        with multiprocessing.get_context("spawn").Pool(cores) as pool:
            print(f"| {kind} | {sum(pool.map(rate, [kind] * cores)):,.0f} |", flush=True)


def references(episodes: int = 2000, few: int = 300, futures: int = 24) -> None:
    """Per cell: Q-tables of five seeds, the rollout reference and the clairvoyant search, kept in files; done ones are skipped."""
    OUT.mkdir(parents=True, exist_ok=True)
    for chance in CHANCES:
        for demand in DEMANDS:
            kept = OUT / f"cell-{chance:g}-{demand:g}.npz"
            if kept.exists():
                continue
            source, env = cell_of(chance, demand), ArrivalEnv(cell_of(chance, demand), episodes)
            tables = [q_learning(source, rate=0.0, seed=s, progress=False) for s in SEEDS]
            found = rollout(env, {"q": tables}, seed=TEST).values["q"]
            arrays = {f"q_{k}": found[k].numpy() for k in STATISTICS}
            small = ArrivalEnv(source, few)
            ahead = {"rollout": RolloutLookahead(source, BestRate(), futures)}
            values = rollout(small, ahead, seed=TEST).values["rollout"]
            arrays |= {f"rollout_{k}": values[k].numpy() for k in STATISTICS}
            arrays["clairvoyant_utility"] = search(small)
            np.savez(kept, **arrays)
            print(f"{kept.name} done", flush=True)


def search(env: ArrivalEnv) -> np.ndarray:
    """Utility of the clairvoyant search from the best-rate rule's choices ``[1, K]``."""
    env.reset(seed=TEST)
    table, script, rule = env.table, [], BestRate()
    for _ in range(env.slots):
        script.append(rule.act(env.observe("global"), None, None)[0])
        env.step(script[-1])
    total, _ = clairvoyant(table, env.source, torch.stack(script), sweeps=2)
    return (total / env.slots).double().numpy()[None]


def cell_of(chance: float, demand: float) -> DiscreteArrivals:
    """Arrivals of a cell of Table I."""
    return replace(arrivals("grows-3"), probabilities=(chance,), demands=(demand,))


def judged(
    scenario: str, policies: dict[str, list], episodes: int, chance: float | None = None, demand: float | None = None
) -> Trial:
    """Trial of one load; the scenario's range of loads without any."""
    load_ = {
        key: None if value is None else f"{value:g}" for key, value in (("probability", chance), ("demand", demand))
    }
    (trial,), _ = compare(TASK, Options(scenario, layouts=episodes, **load_), policies)
    return trial


def joined(trial: Trial, name: str, values: dict[str, np.ndarray]) -> Trial:
    """A trial with one more policy, of which the values on the same episodes are known."""
    tensors = {key: torch.from_numpy(value) for key, value in values.items()}
    return Trial(trial.values | {name: tensors}, trial.seconds | {name: np.nan}, trial.meta, trial.details)


def first(trial: Trial, names: tuple[str, ...], episodes: int) -> Trial:
    """Some policies on the first episodes of a trial: network i is the same among few and many."""
    values = {name: {key: value[:, :episodes] for key, value in trial.values[name].items()} for name in names}
    return Trial(values, trial.seconds, trial.meta | {"networks": episodes})


def table_1(episodes: int = 2000) -> None:
    """Table I: 15 cells; the two references on fewer episodes, beside GROWS and the rules on the same ones."""
    names = (*RULES, "random_station")
    policies: dict[str, list] = {name: [policy(name)] for name in names} | {"GROWS": agents("grows")}
    if Path("runs/dqn-flat-4/best.ckpt").exists():
        policies["dqn, no graph"] = agents("dqn-flat")
    trials = []
    for chance in CHANCES:
        for demand in DEMANDS:
            trial = judged("grows-3", policies, episodes, chance, demand)
            with np.load(OUT / f"cell-{chance:g}-{demand:g}.npz") as kept:
                few = kept["clairvoyant_utility"].shape[1]
                small = first(trial, (*names, "GROWS"), few)
                small = joined(small, "rollout", {k: kept[f"rollout_{k}"] for k in STATISTICS})
                small = joined(small, "clairvoyant", {"utility": kept["clairvoyant_utility"]})
                trial = joined(trial, "q_learning", {k: kept[f"q_{k}"] for k in STATISTICS})
            report(trial, small)
            trials.append(trial)
    write_trials(TASK, trials, "best_rate", OUT)
    arrival_figures(trials, "best_rate", OUT)


def share(small: Trial, who: str = "GROWS") -> Interval:
    """Part of the rollout's gain over the best rule of the cell that agents take."""
    best = max(RULES, key=lambda name: float(small.values[name]["utility"].mean()))
    return statistics.share(*(table(small, name, "utility") for name in (who, best, "rollout")))


def report(trial: Trial, small: Trial) -> None:
    """Rows of a cell."""
    load_ = trial.meta["keys"]
    print(f"\n**p = {load_['probability']:g}, mean demand {load_['demand']:g}**\n")
    print(
        "| policy | utility | over blocking argmax | over best rate | rejections | completions |\n|---|---|---|---|---|---|"
    )
    for name in trial.values:
        cells = [mean(trial, name, "utility").text(".4f", ".4f")]
        cells += [ratio(trial, name, base, "utility").text(".4f", ".4f") for base in ("argmax_blocking", "best_rate")]
        cells += [mean(trial, name, "rejections").text(".3f", ".3f")]
        print(f"| {name} | {' | '.join(cells)} | {mean(trial, name, 'completions').value:.2f} |")
    means = {n: mean(small, n, "utility").value for n in ("best_rate", "GROWS", "rollout", "clairvoyant")}
    over = ratio(small, "rollout", "best_rate", "utility")
    print(
        f"\nFirst {small.meta['networks']} episodes: "
        + ", ".join(f"{n} {v:.4f}" for n, v in means.items())
        + f"; rollout over best rate {over.text('.4f', '.4f')}, its rejections {mean(small, 'rollout', 'rejections').value:.3f}; "
        + f"GROWS takes {share(small).text('.1%', '.1%')} of the rollout's gain over the best rule.",
        flush=True,
    )


def tiny(episodes: int = 20_000) -> None:
    """Two stations and six slots: the share of the room between the best rule and the optimum of dynamic programming."""
    most = optimum(arrivals("grows-tiny"))
    policies: dict[str, list] = {name: [policy(name)] for name in ("argmax", "least_loaded", "best_rate")}
    policies |= {
        "rollout, 64 futures": [RolloutLookahead(arrivals("grows-tiny"), BestRate(), 64)],
        "GROWS": agents("grows-tiny"),
    }
    trial = judged("grows-tiny", policies, episodes)
    print(
        f"dynamic programming: {most.utility:.4f}, {most.states} states\n| policy | utility | share of the optimum |\n|---|---|---|"
    )
    for name in trial.values:
        total = mean(trial, name, "utility").scaled(6)
        of_most = total.scaled(1 / most.utility)
        print(f"| {name} | {total.text('.4f', '.4f')} | {of_most.text('.4f', '.4f')} |", flush=True)


def sizes() -> None:
    """Agents of three stations on 7, 19 and 300, and in the city, as they are."""
    policies: dict[str, list] = {name: [policy(name)] for name in RULES} | {"GROWS": agents("grows")}
    for scenario, episodes in SIZES.items():
        for chance, demand in ((0.5, 6.0), (1.0, 14.0)):
            print_ratios(judged(scenario, policies, episodes, chance, demand))


def print_ratios(trial: Trial, note: str = "") -> None:
    """Utilities beside the best rate's, and rejections."""
    print(f"\n{trial.meta['title']}, {trial.meta['networks']} episodes{note}")
    print("| policy | utility over best rate | rejections |\n|---|---|---|")
    for name in trial.values:
        over = ratio(trial, name, "best_rate", "utility").text(".4f", ".4f")
        print(f"| {name} | {over} | {mean(trial, name, 'rejections').value:.3f} |", flush=True)


def tuned(budget: Budget, folder: str, scenario: str, **load_: str) -> list[GROWS]:
    """Agents of all loads, fine-tuned elsewhere, each training seed in a folder of its own."""
    found = []
    for seed in SEEDS:
        header, tensors = read_weights(f"runs/grows-{seed}/best.ckpt")
        training = TASK.training(header, tensors, Options(scenario, **load_), replace(budget, seed=seed))
        found.append(trained(training, Path(f"runs/{folder}-{seed}")))
    return found


def finetuned(epochs: int = 4, draws: int = 400, lr: float = 1e-3) -> None:
    """Agents of three stations, fine-tuned on another layout; the city's on pieces of 21 stations."""
    policies: dict[str, list] = {name: [policy(name)] for name in RULES} | {"before": agents("grows")}
    for scenario, episodes in SIZES.items():
        layout = "grows-city:stations=21" if scenario == "grows-city" else scenario
        policies["after"] = tuned(Budget(epochs, draws, lr), f"grows-tuned-{scenario.replace(':', '-')}", layout)
        for target in dict.fromkeys((layout, scenario)):
            count = episodes if target == scenario else 60
            for chance, demand in ((0.5, 6.0), (1.0, 14.0)):
                print_ratios(judged(target, policies, count, chance, demand), f", fine-tuned on {layout}")


def cells(epochs: int = 6, draws: int = 400, lr: float = 1e-3, episodes: int = 300) -> None:
    """Agents of all loads, fine-tuned on one: the cells in which they take least of the rollout's gain."""
    policies: dict[str, list] = {name: [policy(name)] for name in RULES} | {"GROWS": agents("grows")}
    for chance, demand in ((0.5, 6.0), (1.0, 12.0), (1.0, 14.0)):
        load_ = {"probability": f"{chance:g}", "demand": f"{demand:g}"}
        folder = f"grows-cell-{chance:g}-{demand:g}"
        policies["fine-tuned"] = tuned(Budget(epochs, draws, lr), folder, "grows-3", **load_)
        whole = judged("grows-3", policies, 2000, chance, demand)
        with np.load(OUT / f"cell-{chance:g}-{demand:g}.npz") as kept:
            values = {k: kept[f"rollout_{k}"] for k in STATISTICS}
            small = joined(first(whole, tuple(policies), episodes), "rollout", values)
        for who in ("GROWS", "fine-tuned"):
            over = ratio(whole, who, "argmax_blocking", "utility").text(".4f", ".4f")
            print(
                f"p = {chance:g}, demand {demand:g}, {who}: {share(small, who).text('.1%', '.1%')} of the rollout's gain; "
                f"over blocking {over}; rejections {mean(whole, who, 'rejections').value:.3f}",
                flush=True,
            )


def curve(chance: float = 0.5, demand: float = 14.0, episodes: int = 1500) -> None:
    """Figure 4: utility over the random rule's by episodes of training, on the validation's arrivals."""
    source, env = cell_of(chance, demand), ArrivalEnv(cell_of(chance, demand), episodes)

    def score(who: Policy[Tensor]) -> float:
        return float(rollout(env, {"who": who}, seed=VALIDATION).values["who"]["utility"].mean())

    base = score(policy("random_station"))
    counts = (2_500, 5_000, 10_000, 20_000, 35_000, 50_000)
    tables = [[score(q_learning(source, episodes=n, seed=s, progress=False)) for n in counts] for s in SEEDS]
    figure, axes = plt.subplots(figsize=(6.5, 4.2), layout="constrained")
    values = np.array([validation_utilities(f"runs/grows-paper-{seed}/metrics.csv") for seed in SEEDS])
    passed = np.linspace(0, 50_000, values.shape[1] + 1)[1:]
    for name, x, y in (("GROWS, the paper's network", passed, values), ("Q-learning", counts, np.array(tables))):
        bands = [statistics.mean(column[:, None] / base) for column in y.T]  # one value of each training seed
        axes.plot(x, [band.value for band in bands], marker="o", ms=3, label=name)
        axes.fill_between(x, [band.low for band in bands], [band.high for band in bands], alpha=0.2)
    levels = {name: score(policy(name)) for name in ("argmax_blocking", "argmax", "best_rate")}
    levels["GROWS, for all loads"] = float(np.mean([score(agent) for agent in agents("grows")]))
    for number, (name, value) in enumerate(levels.items()):
        axes.axhline(value / base, ls=("--", ":", "-.", "-")[number], color=f"C{number + 2}", label=name)
        print(f"{name}: {value / base:.4f} of random")
    axes.set(xlabel="episodes of training", ylabel="utility over random", title=f"p = {chance:g}, demand {demand:g}")
    axes.legend(fontsize=8)
    for kind in ("png", "pdf"):
        figure.savefig(OUT / f"curve.{kind}", dpi=150)
    print(
        f"at the end: GROWS, the paper's {values[:, -1].mean() / base:.4f}, Q-learning {np.mean(tables, 0)[-1] / base:.4f}"
    )


def validation_utilities(path: str) -> list[float]:
    """Mean utility on validation after each epoch."""
    with Path(path).open(newline="") as file:
        return [float(row["val/utility"]) for row in csv.DictReader(file) if row["val/utility"]]


def agents(name: str) -> list[GROWS]:
    """Best checkpoints of the training seeds."""
    return [load(f"runs/{name}-{seed}/best.ckpt") for seed in SEEDS]


COMMANDS: dict[str, Callable[[], None]] = {
    "references": references,
    "calibrate": calibrate,
    "throughput": throughput,
    "table": table_1,
    "tiny": tiny,
    "sizes": sizes,
    "finetuned": finetuned,
    "cells": cells,
    "curve": curve,
}


if __name__ == "__main__":
    for command in sys.argv[1:]:
        COMMANDS[command]()
    if len(sys.argv) < 2:
        print(f"usage: python benchmarks/grows.py {' | '.join(COMMANDS)}")
