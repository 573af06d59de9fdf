"""WMMSE beside its floor: `python benchmarks/wmmse.py`.

A round reads the gains twice (interference, spill) and passes a dozen times over arrays of one number per user and block.
The floor is the time to move these bytes at the rate of a large copy, measured in the same run.
"""

import statistics
import time
from collections.abc import Callable

import torch

from hetgraph.graph import Scenario, Tier, Users, preset
from hetgraph.graph.scenario_parts import Radio
from hetgraph.solvers import max_rsrp_association, wmmse

ROUNDS = 100


def median_s(work: Callable[[], object], repeats: int = 5) -> float:
    """Median time of a call after one warm-up."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def copy_rate() -> float:
    """Bytes read and written per second by a copy of 64 MiB."""
    source = torch.rand(1 << 24)
    target = torch.empty_like(source)
    return 2 * 4 * source.numel() / median_s(lambda: target.copy_(source))


def main() -> None:
    """Print the table."""
    rate = copy_rate()
    cells = Scenario(
        name="hex-19x57x3",
        tiers=(Tier("macro", 19, 40.0, placement="hex", spacing_m=500.0),),
        users=Users(57),
        radio=Radio(num_rbs=3),
    )
    cases = ((cells, 64), (preset("hetnet-3tier"), 16), (preset("uma-5bs"), 1))
    print(f"threads {torch.get_num_threads()}, copy {rate / 1e9:.1f} GB/s")
    print("| scenario | networks | budget | ms per network, 100 rounds | floor, ms | measured / floor |")
    print("|---|---|---|---|---|---|")
    for scenario, n in cases:
        batch = scenario.sample(n, seed=0)
        serving = max_rsrp_association(batch)
        edges, blocks = batch["bs", "channel", "ue"].gain.shape
        users = batch["ue"].pos.shape[0]
        moved = ROUNDS * 4 * blocks * (2 * edges + 24 * users)
        for budget in ("per_rb", "total"):
            spent = median_s(lambda b=batch, s=serving, k=budget: wmmse(b, s, iterations=ROUNDS, budget=k))  # type: ignore[misc]
            floor = moved / rate
            cells_ = f"{spent / n * 1e3:.2f} | {floor / n * 1e3:.2f} | {spent / floor:.1f}"
            print(f"| {scenario.name} | {n} | {budget} | {cells_} |", flush=True)


if __name__ == "__main__":
    main()
