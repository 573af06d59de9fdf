"""The reference of proportional-fair utility: `python benchmarks/reference.py [tiny|hetnet] ...`.

`tiny`: the share of the room between max RSRP and the exhaustive optimum that it takes on 200 tiny instances, and the exhaustive
optimum itself against dense grids of powers. `hetnet`: its gain and time on test layouts beside the teacher and long ascents.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, Scenario, Tier, Users, from_gain, links_of, preset
from hetgraph.graph.scenario_parts import Layout, Radio
from hetgraph.radio import Allocation, evaluate, feasible, one_shot
from hetgraph.solvers import exhaustive, gradient_ascent, utility_reference

OUT = Path("runs/reference")
SEED = 40_000
METHODS: dict[str, Callable[[HeteroData], Allocation]] = {
    "max_rsrp": one_shot("max_rsrp"),
    "pf_teacher": one_shot("pf_teacher"),
    "ascent": one_shot("ascent"),
    "ascent, 640 steps": lambda graph: gradient_ascent(graph, steps=640, rate=0.2),
    "reference": utility_reference,
}


def instance(number: int) -> HeteroData:
    """Tiny network in float64: 2-3 stations, 4-6 users, 1-2 resource blocks.

    Even numbers: users and stations anywhere in 200 m x 200 m, street canyons and Rayleigh fading, 38 dBm. Odd numbers: gains
    that are exponential of one mean, so that no station is nearer, at a mean SNR of 0 to 40 dB.
    """
    generator = torch.Generator().manual_seed(SEED + number)
    stations, users, blocks = (int(torch.randint(a, b, (1,), generator=generator)) for a, b in ((2, 4), (4, 7), (1, 3)))
    if number % 2:
        snr = 10.0 ** int(torch.randint(5, (1,), generator=generator))
        gain = torch.empty(stations, users, blocks, dtype=torch.float64).exponential_(generator=generator)
        return from_gain(gain, noise_w=1 / snr, power_max_w=1.0, rb_bandwidth_hz=1e6)
    scenario = Scenario(
        name="tiny",
        layout=Layout(200.0, 200.0),
        tiers=(Tier("micro", stations, 38.0, height_m=10.0, pathloss="umi"),),
        users=Users(users),
        radio=Radio(bandwidth_hz=20e6, num_rbs=blocks),
    )
    drawn = scenario.sample(1, seed=SEED, first=number)
    gain = drawn[CHANNEL].gain.double().reshape(users, stations, blocks).transpose(0, 1)
    noise, power = drawn["ue"].noise_w.double(), drawn["bs"].power_max_w.double()
    return from_gain(gain, noise_w=noise, power_max_w=power, rb_bandwidth_hz=drawn.rb_bandwidth_hz[0].double())


def utility(graph: HeteroData, allocation: Allocation) -> float:
    """Mean log rate, nats."""
    assert feasible(graph, allocation, tolerance=1e-9)
    return float(evaluate(graph, allocation).pf_utility)


def optimum(number: int, graph: HeteroData) -> float:
    """Utility of the exhaustive optimum, kept in a file."""
    OUT.mkdir(parents=True, exist_ok=True)
    file = OUT / "optimum.json"
    kept: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}
    if (key := f"{SEED + number}") not in kept:
        kept[key] = utility(graph, exhaustive(graph))
        file.write_text(json.dumps(kept))
    return kept[key]


def grid_optimum(graph: HeteroData, points: int = 201) -> float:
    """Largest utility of two stations with one resource block over all associations and a dense grid of powers."""
    level = torch.linspace(0, 1, points, dtype=torch.float64)
    share = torch.cartesian_prod(level, level)  # [P, 2]
    power = graph["bs"].power_max_w * share
    gain = links_of(graph).lift(graph[CHANNEL].gain)[0, :, :, 0]  # [U, 2]
    received = power.unsqueeze(1) * gain  # [P, U, 2]
    efficiency = torch.log2(1 + received / (graph["ue"].noise_w + received.flip(2)))
    log_rate = (efficiency * graph.rb_bandwidth_hz[0]).log()
    best = -torch.inf
    for choice in itertools.product((0, 1), repeat=len(gain)):
        station = torch.tensor(choice)
        load = torch.bincount(station, minlength=2)[station]
        value = log_rate[:, torch.arange(len(gain)), station] - load.log()
        best = max(best, float(value.mean(1).max()))
    return best


def grids(most: int = 20) -> None:
    """The exhaustive optimum less that of a dense grid, on the first instances with two stations and one block."""
    rest = []
    for number in itertools.count():
        graph = instance(number)
        if links_of(graph).num_bs == 2 and graph.rb_bandwidth_hz.shape[1] == 1:
            rest.append(optimum(number, graph) - grid_optimum(graph))
        if len(rest) == most:
            break
    print(f"optimum less a grid of 201 x 201: {min(rest):.2e} to {max(rest):.2e} nats per user, {most} instances")


def tiny(count: int = 200) -> None:
    """Share of the room between max RSRP and the optimum, for every method."""
    share: dict[str, list[float]] = {name: [] for name in METHODS}
    excess, spent, room = [], 0.0, []
    for number in range(count):
        graph = instance(number)
        best = optimum(number, graph)
        base = utility(graph, METHODS["max_rsrp"](graph))
        room.append(best - base)
        for name, method in METHODS.items():
            start = time.process_time()
            value = utility(graph, method(graph))
            if name == "reference":
                spent += time.process_time() - start
                excess.append(value - best)
            # Where max RSRP is the optimum there is no room, and what is not below it takes all of it.
            share[name].append(1 - (best - value) / (best - base) if room[-1] >= 1e-6 else float(best - value < 1e-6))
        if share["reference"][-1] < 0.999:
            print(f"instance {number}: room {room[-1]:.4f}, reference {share['reference'][-1]:.4f}", flush=True)
    print(f"{count} instances; room {np.mean(room):.4f} nats per user, {sum(r < 1e-6 for r in room)} without any")
    print("| method | at least 99.9% | worst | 1% | 5% | 10% | 25% | median |\n|---|---|---|---|---|---|---|---|")
    for name, values in share.items():
        marks = " | ".join(f"{q:.4f}" for q in np.quantile(values, (0, 0.01, 0.05, 0.1, 0.25, 0.5)))
        print(f"| {name} | {np.mean(np.array(values) >= 0.999):.1%} | {marks} |")
    print(
        f"reference: {max(excess):.1e} above the optimum at most, {spent / count:.2f} s of processor time an instance"
    )


def hetnet(layouts: int = 10) -> None:
    """Gain over max RSRP and processor time on test layouts of hetnet-3tier, one by one."""
    gains: dict[str, list[float]] = {name: [] for name in METHODS}
    spent: dict[str, list[float]] = {name: [] for name in METHODS}
    for number in range(layouts):
        graph = preset("hetnet-3tier").sample(1, seed=2_000_000, first=number)
        base = float(evaluate(graph, METHODS["max_rsrp"](graph)).pf_utility)
        for name, method in METHODS.items():
            start = time.process_time()
            allocation = method(graph)
            spent[name].append(time.process_time() - start)
            gains[name].append(float(evaluate(graph, allocation).pf_utility) - base)
        print(number, {name: round(g[-1], 4) for name, g in gains.items()}, flush=True)
    print(f"hetnet-3tier, {layouts} layouts\n| method | PF gain | least | s of processor time |\n|---|---|---|---|")
    for name, values in gains.items():
        print(f"| {name} | {np.mean(values):.4f} | {min(values):.4f} | {np.median(spent[name]):.2f} |")


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["tiny", "hetnet"]
    if "tiny" in wanted:
        grids()
        tiny()
    if "hetnet" in wanted:
        hetnet()
