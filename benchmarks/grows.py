"""Speed of arriving users: `python benchmarks/grows.py`, 40-slot episodes per second of all cores."""

import multiprocessing
import os
import time

import torch

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.rollout import rollout
from hetgraph.models import GROWS
from hetgraph.radio import policy


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


if __name__ == "__main__":
    throughput()
