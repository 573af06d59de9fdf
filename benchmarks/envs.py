"""Throughput of the environments under random actions, beside their floors; time of a decision: `python benchmarks/envs.py`.

Each row runs in as many processes as there are cores. The floor is the time to draw the random numbers that a slot needs (for
cells the normals of the fading, for the conflict graph the uniform numbers of arrivals and actions), plus the time to read and
write the fading state once at the rate of a large copy; all measured in the same run.
"""

import multiprocessing
import os
import time

import torch

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv
from hetgraph.envs.queues.conflict_rules import RandomScheduler
from hetgraph.models import CompiledAgents, NeighbourhoodMAPPO
from hetgraph.radio import Policy, policy

SECONDS = 5.0
ROWS = {"conflict-8": (ConflictEnv, 4096), "hex-19": (CellularEnv, 64), "random-19": (CellularEnv, 64)}


def rate(name: str) -> float:
    """Network-slots per second of one process."""
    torch.set_num_threads(1)
    kind, networks = ROWS[name]
    env: QueueEnv = kind(name, networks, max_queue=50.0, seed=os.getpid())
    obs, _ = env.reset()
    policy, generator = RandomScheduler(), torch.Generator().manual_seed(os.getpid())
    state = policy.initial_state(obs)
    for _ in range(10):
        env.step(policy.act(obs, state, generator)[0])
    slots, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        for _ in range(10):
            env.step(policy.act(obs, state, generator)[0])
        slots += 10
    return slots * networks / (time.perf_counter() - start)


def floor_us(name: str) -> float:
    """Microseconds per network-slot of one process below which no implementation of this kind can go."""
    networks = ROWS[name][1]
    normals, uniforms = (0, 8 + 12) if name == "conflict-8" else (2 * 57 * 19 * 3, 57 + 57)
    buffer, source = torch.empty(networks * max(normals, 1)), torch.rand(networks * uniforms)
    large = torch.rand(1 << 24)
    copy_s = _median(lambda: large.clone()) / (2 * large.numel())
    draw = _median(lambda: buffer.normal_()) if normals else 0.0
    return 1e6 * (draw + _median(lambda: source.uniform_())) / networks + 1e6 * copy_s * 2 * normals


def _median(work: object) -> float:
    times = []
    for _ in range(9):
        start = time.perf_counter()
        work()  # type: ignore[operator]
        times.append(time.perf_counter() - start)
    return sorted(times)[4]


def decision_us(decides: Policy, repeats: int) -> list[float]:
    """Times of a decision for one network of 19 stations, observation to allocation, one thread."""
    torch.set_num_threads(1)
    env = CellularEnv("random-19", 1, load=30.0, seed=0)
    env.reset()
    state, times = decides.initial_state(env.observe(decides.level)), []
    generator = torch.Generator().manual_seed(0)
    for _ in range(repeats):
        obs = env.observe(decides.level)
        start = time.perf_counter()
        action, state = decides.act(obs, state, generator)
        times.append(1e6 * (time.perf_counter() - start))
        env.step(action)
    return sorted(times)


def decisions() -> dict[str, tuple[Policy, int]]:
    """Name -> policy and how often it is timed."""
    names = ("lqf_subband", "lqf_best", "llq", "local_score", "fair_itlinq", "genie", "fp", "wmmse")
    agents = {
        f"MAPPO, hidden {h}": NeighbourhoodMAPPO(h, levels_db=(0.0, -5.75, -11.5, -17.25, -23.0), overbook=True).eval()
        for h in (32, 64)
    }
    compiled = {f"{name}, compiled": (CompiledAgents(a), 500) for name, a in agents.items()}
    return {n: (a, 500) for n, a in agents.items()} | compiled | {n: (policy(n), 100) for n in names}


def main() -> None:
    """Print the tables."""
    cores = len(os.sched_getaffinity(0))
    print(
        f"{cores} processes\n| environment | network-slots/s | us per slot and core | floor, us | ratio |\n|---|---|---|---|---|"
    )
    for name in ROWS:
        with multiprocessing.get_context("spawn").Pool(cores) as pool:
            total = sum(pool.map(rate, [name] * cores))
        each, least = 1e6 * cores / total, floor_us(name)
        print(f"| {name} | {total:,.0f} | {each:.2f} | {least:.2f} | {each / least:.1f} |", flush=True)
    print("\n| decision for 19 stations, one thread | median, us | 10th pct. | 90th pct. |\n|---|---|---|---|")
    for name, (decides, repeats) in decisions().items():
        times = decision_us(decides, repeats)
        tenth, half, most = (times[round(p * (len(times) - 1))] for p in (0.1, 0.5, 0.9))
        print(f"| {name} | {half:.0f} | {tenth:.0f} | {most:.0f} |", flush=True)


if __name__ == "__main__":
    main()
