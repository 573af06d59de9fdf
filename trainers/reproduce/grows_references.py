"""References of the loads of GROWS's Table I: Q-tables, the causal rollout and the clairvoyant search, kept in files."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hetgraph.envs import ArrivalEnv, DiscreteArrivals, RolloutLookahead, clairvoyant
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.arrivals.rules import BestRate
from hetgraph.envs.rollout import Trial, rollout
from hetgraph.trainers.arrivals.tabular import QTable, q_learning
from hetgraph.trainers.common.networks import TEST
from hetgraph.trainers.reproduce.bench import Bench, digest_of
from hetgraph.trainers.reproduce.trainings import MAIN_SEEDS

STATISTICS = ("utility", "rejections", "completions")
ROLLOUT, CLAIRVOYANT, Q = "rollout", "clairvoyant", "q_learning"
FUTURES = 24
References = Mapping[str, NDArray[np.float64]]


def discrete(name: str) -> DiscreteArrivals:
    """Arrivals of a preset whose signals, rates and demands are sets of numbers."""
    source = arrivals(name)
    assert isinstance(source, DiscreteArrivals)
    return source


def load_of(chance: float, demand: float) -> DiscreteArrivals:
    """Arrivals of a load of Table I."""
    return replace(discrete("grows-3"), probabilities=(chance,), demands=(demand,))


def references(bench: Bench, chance: float, demand: float, episodes: int) -> References:
    """Values ``[S, K]`` of Q-tables, of the rollout and of the search on a load's episodes; read where they are kept."""
    folder, source = bench.root / "grows-references", load_of(chance, demand)
    world = digest_of(rollout(ArrivalEnv(source, 20), {"": BestRate()}, seed=TEST).values[""])
    kept = folder / f"load-{chance:g}-{demand:g}-{episodes}-{world}.npz"
    if kept.exists():
        with np.load(kept) as file:
            return dict(file)
    tables = [_table(bench, source, seed) for seed in range(bench.count(MAIN_SEEDS, 1))]
    env = ArrivalEnv(source, episodes)
    policies: dict[str, Any] = {Q: tables, ROLLOUT: RolloutLookahead(source, BestRate(), bench.count(FUTURES, 2))}
    by_policy = rollout(env, policies, seed=TEST).values
    arrays = {f"{who}_{name}": by_policy[who][name].double().numpy() for who in by_policy for name in STATISTICS}
    arrays[f"{CLAIRVOYANT}_utility"] = _search(env)
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = _beside(kept)
    np.savez(unfinished, allow_pickle=False, **arrays)
    unfinished.replace(kept)
    return arrays


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}")


def _table(bench: Bench, source: DiscreteArrivals, seed: int) -> QTable:
    return q_learning(
        source, episodes=bench.count(50_000, 500), num_envs=bench.count(2500, 250), rate=0.0, seed=seed, progress=False
    )


def _search(env: ArrivalEnv) -> NDArray[np.float64]:
    """Utility of the clairvoyant search from the best-rate rule's choices ``[1, K]``."""
    env.reset(seed=TEST)
    table, script, rule = env.table, [], BestRate()
    for _ in range(env.slots):
        script.append(rule.act(env.observe("global"), None, None)[0])
        env.step(script[-1])
    total, _ = clairvoyant(table, env.source, torch.stack(script), sweeps=2)
    return np.asarray((total / env.slots).double()[None])


def joined(trial: Trial, name: str, arrays: References) -> Trial:
    """A trial with one more policy, of which the values on the same episodes are known."""
    values = {key: torch.from_numpy(arrays[f"{name}_{key}"]) for key in STATISTICS if f"{name}_{key}" in arrays}
    return Trial(trial.values | {name: values}, trial.seconds | {name: np.nan}, trial.meta, trial.details)
