"""WMMSE beside a vectorised NumPy loop of the same iteration: `python benchmarks/wmmse_numpy.py`.

The loop is the textbook's (Shi et al. 2011): receivers, weights of the errors, amplitudes, on whole arrays; a link's own signal
stands apart from its interference, and one price per station keeps a total budget. Both get a sampled graph and an association,
and both have to normalise the gains. Processor time, in turns, medians of the ratios.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, Scenario, Tier, Users, preset
from hetgraph.graph.scenario_parts import Radio
from hetgraph.radio import Allocation, evaluate
from hetgraph.solvers import max_rsrp_association, wmmse

ROUNDS = 100
BUDGETS: tuple[Literal["per_rb", "total"], ...] = ("per_rb", "total")
Array = NDArray[np.float32]


def numpy_wmmse(graph: HeteroData, serving: Tensor, budget: str, rounds: int = ROUNDS) -> Allocation:
    """Powers ``[N, R]`` of complete graphs of one size, every user served, uncapped resource blocks."""
    limit, noise = graph["bs"].power_max_w.numpy(), graph["ue"].noise_w.numpy()
    networks = int(graph.num_graphs) if "batch" in graph["bs"] else 1
    n, u, blocks = len(limit) // networks, len(noise) // networks, noise.shape[1]
    own = serving.numpy().reshape(networks, u) % n
    gain = graph[CHANNEL].gain.numpy().reshape(networks, u, n, blocks) * limit.reshape(networks, 1, n, 1)
    gain = np.ascontiguousarray((gain / noise.reshape(networks, u, 1, blocks)).transpose(0, 3, 2, 1))  # [B, R, n, u]
    mine = (np.arange(n)[:, None] == own[:, None, :]).astype(gain.dtype)  # [B, n, u]
    count = mine.sum(2)
    weight = graph.rb_bandwidth_hz.numpy().reshape(networks, blocks, 1) / np.take_along_axis(count, own, 1)[:, None]
    weight = (weight / weight.max()).astype(gain.dtype)
    if networks * blocks == 1 and n == u and (own == np.arange(n)).all():
        power = _pairs(gain[0, 0], weight[0, 0], rounds)[None, None]
    else:
        power = _cells(gain, mine[:, None], weight, budget, rounds)
    fraction = power.swapaxes(1, 2).reshape(-1, blocks)
    return Allocation(serving, torch.from_numpy(np.ascontiguousarray(fraction * limit[:, None])))


def _pairs(gain: Array, weight: Array, rounds: int) -> Array:
    """Power fractions of pairs on one resource block, where both kinds of budget are a cap: no one-hot products, no price."""
    own = np.diagonal(gain)
    root, cross = np.sqrt(own), gain * (1 - np.eye(len(gain), dtype=gain.dtype))
    v, top = np.ones_like(own), np.ones_like(own)
    for _ in range(rounds):
        square = v * v
        interference = square.dot(cross) + 1
        total = interference + own * square
        receiver = root * v / total
        worth = (
            weight * receiver * total / interference
        )  # weight of the error, 1 / (1 - receiver root v), times receiver
        v = np.minimum(worth * root / gain.dot(worth * receiver), top)
    return v * v


def _cells(gain: Array, mine: Array, weight: Array, budget: str, rounds: int) -> Array:
    """Power fractions ``[B, R, n]`` of cells."""
    blocks = gain.shape[1]
    own = (gain * mine).sum(2)  # [B, R, u]
    root, cross = np.sqrt(own), gain * (1 - mine)
    back = mine.swapaxes(2, 3)
    v = np.full(gain.shape[:3], blocks**-0.5, gain.dtype)
    price = np.zeros_like(v[:, :1])
    for _ in range(rounds):
        at_user = np.matmul(v[:, :, None], mine)[:, :, 0]
        interference = np.matmul((v * v)[:, :, None], cross)[:, :, 0] + 1
        total = interference + own * at_user * at_user
        receiver = root * at_user / total
        worth = weight * receiver * total / interference
        pull = np.matmul((worth * root)[:, :, None], back)[:, :, 0]
        curvature = np.matmul(gain, (worth * receiver)[..., None])[..., 0]
        if budget == "per_rb" or blocks == 1:
            v = np.minimum(pull / np.maximum(curvature, 1e-30), blocks**-0.5)
        else:
            v, price = _priced(pull, curvature, price)
    return v * v


def _priced(pull: Array, curvature: Array, price: Array) -> tuple[Array, Array]:
    """Amplitudes under a total budget, by Newton's iteration on the price from the price of the round before."""
    least = np.maximum((pull - curvature).max(1, keepdims=True), 0)
    price = np.maximum(price, least)
    for _ in range(30):
        slope = np.maximum(curvature + price, 1e-30)
        square = (pull / slope) ** 2
        total = square.sum(1, keepdims=True)
        fall = np.maximum((square / slope).sum(1, keepdims=True), 1e-30)
        over = np.sqrt(total) - 1
        new = np.maximum(price + over * total / fall, least)
        done = ((np.abs(over) <= 1e-4) | (new == price)).all()
        price = new
        if done:
            break
    v = pull / np.maximum(curvature + price, 1e-30)
    return v / np.maximum(np.sqrt((v * v).sum(1, keepdims=True)), 1), price


def ratios(first: Callable[[], object], second: Callable[[], object], turns: int) -> tuple[list[float], float, float]:
    """Ratios of the processor times of two calls in turns, and their least times in seconds."""
    first(), second()
    spans: list[tuple[float, float]] = []
    for _ in range(turns):
        marks = [time.process_time()]
        for work in (first, second):
            work()
            marks.append(time.process_time())
        spans.append((marks[1] - marks[0], marks[2] - marks[1]))
    return [a / b for a, b in spans], min(a for a, _ in spans), min(b for _, b in spans)


def main() -> None:
    """Print the table."""
    cells = Scenario(
        name="hex-19x57x3",
        tiers=(Tier("macro", 19, 40.0, placement="hex", spacing_m=500.0),),
        users=Users(57),
        radio=Radio(num_rbs=3),
    )
    pairs = [preset(f"interference-k:pairs={k}") for k in (20, 50, 100)]
    cases = [(s, 1) for s in pairs] + [(s, 64) for s in pairs]
    cases += [(cells, 1), (cells, 64), (preset("hetnet-3tier"), 1)]
    print(f"threads {torch.get_num_threads()}, {ROUNDS} rounds")
    print("| scenario | networks | budget | this, ms | NumPy, ms | ratio | quartiles | sum rates apart |")
    print("|---|---|---|---|---|---|---|---|")
    for scenario, networks in cases:
        graph = scenario.sample(networks, seed=0)
        name = f"{scenario.name}, {len(graph['ue'].pos) // networks} users"
        serving = max_rsrp_association(graph)
        for budget in BUDGETS:
            pair = (
                partial(wmmse, graph, serving, iterations=ROUNDS, budget=budget),
                partial(numpy_wmmse, graph, serving, budget),
            )
            rates = [evaluate(graph, work()).sum_rate_bps for work in pair]
            apart = float((rates[0] / rates[1] - 1).abs().max())
            turns = 201 if networks == 1 and scenario.name != "hetnet-3tier" else 31
            ratio, first, second = ratios(*pair, turns)
            low, middle, high = statistics.quantiles(ratio, n=4)
            times = f"{1e3 * first:.2f} | {1e3 * second:.2f}"
            print(
                f"| {name} | {networks} | {budget} | {times} | {middle:.2f} | {low:.2f} to {high:.2f} | {apart:.1e} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
