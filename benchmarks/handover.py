"""Speed of handovers: `python benchmarks/handover.py`, network-steps per second of all cores beside the floor."""

import multiprocessing
import os
import time

import torch
from torch import Tensor

from hetgraph.envs import HandoverAction, HandoverEnv
from hetgraph.graph import CHANNEL, roaming, user_trajectories


def rate(number: int, batch: int = 128, steps: int = 150) -> tuple[float, float, float]:
    """Network-steps per second of a process by the clock and by its own CPU time, and of copying what a step moves."""
    torch.set_num_threads(1)
    env, g = (
        HandoverEnv(user_trajectories(roaming(), 8, steps=51, seed=number), batch),
        torch.Generator().manual_seed(number),
    )
    shape = (batch, env.num_users)
    actions = [
        HandoverAction(torch.randint(4, shape, generator=g), torch.randint(5, shape, generator=g)) for _ in range(8)
    ]

    def play(count: int) -> None:
        for t in range(count):
            env.step(actions[t % 8])

    play(50)
    wall, own = time.perf_counter(), time.process_time()
    play(steps)
    found = [batch * steps / (time.perf_counter() - wall), batch * steps / (time.process_time() - own)]
    moved = tables(env)
    into = [torch.empty_like(value) for value in moved]
    own = time.process_time()
    for _ in range(steps):
        for source, target in zip(moved, into, strict=True):
            target.copy_(source)
    return found[0], found[1], batch * steps / (time.process_time() - own)


def tables(env: HandoverEnv) -> list[Tensor]:
    """What a step has to read or write at least: the observation, and what users receive from their candidates."""
    obs, links = env.observe("neighbourhood"), env.state.links
    edges, bs, ue = obs[CHANNEL], obs["bs"], obs["ue"]
    read = [links.received_db, links.efficiency, links.efficiency, links.cell]
    written = [edges.edge_index[0], edges.gain, edges.spectral_efficiency, edges.allowed, edges.users, edges.bias_db]
    written += [edges.distance_m, edges.measured, bs.users, bs.room, ue.pos, ue.speed_mps, ue.rate_bps]
    return [*read, *written, ue.level, ue.since_slots, ue.far_interference_w]


def throughput() -> None:
    """Network-steps per second on all cores at 25 cells and 250 users, random actions, observations included."""
    cores = len(os.sched_getaffinity(0))
    env = HandoverEnv(user_trajectories(roaming(), 1, steps=51))
    size = sum(value.numel() * value.element_size() for value in tables(env))
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        wall, own, copy = (sum(column) for column in zip(*pool.map(rate, range(cores)), strict=True))
    print(f"{cores} processes, 128 networks each, 25 cells, 250 users, load average {os.getloadavg()[0]:.1f}")
    print("| | network-steps per second |\n|---|---|")
    print(f"| by the clock | {wall:,.0f} |\n| by CPU time | {own:,.0f} |")
    print(f"| floor: copying the {size / 1e3:.0f} kB that a step moves | {copy:,.0f} |")
    print(f"share of the floor {own / copy:.2f}")


if __name__ == "__main__":
    throughput()
