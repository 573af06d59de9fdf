"""Quality over processor time, one thread, one run: `python benchmarks/speed_quality.py [hetnet|uma]`.

WMMSE at every iteration count, the joint teacher at every loop count, gradient ascent and the student at every number of
rounds; then how many times the student's time WMMSE and the teacher need to reach its utility.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph import load
from hetgraph.graph import links_of, preset
from hetgraph.radio import Allocation, evaluate, one_shot, pf_gain
from hetgraph.solvers import gradient_ascent, max_rsrp_association, utility_teacher, wmmse
from hetgraph.trainers.judge.plots import quality_over_time, save

Method = Callable[[HeteroData], Allocation]
OUT = Path("runs/results")


def curves(run: str) -> dict[str, list[tuple[int, Method]]]:
    """Family -> (effort, method) in ascending effort."""
    model = load(f"runs/{run}-0/best.ckpt")
    paper = Path("runs/paper-uma-0/best.ckpt" if run == "uma" else "runs/paper-0/best.ckpt")

    def rounds(k: int) -> Method:
        return lambda g: model.allocate(g, k)

    def iterations(k: int) -> Method:
        return lambda g: wmmse(g, max_rsrp_association(g), iterations=k)

    def loops(k: int) -> Method:
        return lambda g: utility_teacher(g, loops=k)[0]

    def steps(k: int) -> Method:
        return lambda g: gradient_ascent(g, steps=k, rate=0.6 if k < 40 else 0.3)

    def both(k: int) -> Method:
        return lambda g: gradient_ascent(g, steps=k, rate=0.3, start=model.allocate(g, 8))

    families: dict[str, list[tuple[int, Method]]] = {
        "WMMSE (sum rate)": [(k, iterations(k)) for k in (1, 2, 5, 10, 20, 50, 100, 200, 400)],
        "joint teacher": [(k, loops(k)) for k in (1, 2, 3, 4, 6, 10, 20, 40, 100)],
        "gradient ascent": [(k, steps(k)) for k in (5, 10, 20, 40, 80, 160, 320)],
        "student": [(k, rounds(k)) for k in (0, 1, 2, 4, 6, 8, 12, 16, 24, 32)],
        "student, 8 rounds + ascent": [(k, both(k)) for k in (8, 16, 32, 64, 128)],
    }
    if paper.exists():  # `hetgraph reproduce hetgnn --rows hetnet` trains it
        network = load(paper)
        families["the paper's network, one pass"] = [(0, lambda g: network.allocate(g, 0))]
    return families


def measure(method: Method, graphs: list[HeteroData], base: list[Tensor], repeats: int) -> tuple[float, float]:
    """Median ms and mean gain over the graphs."""
    method(graphs[0])
    times, gains = [], []
    for graph, reference in zip(graphs, base, strict=True):
        spans = []
        for _ in range(repeats):
            start = time.process_time()
            with torch.no_grad():
                allocation = method(graph)
            spans.append(time.process_time() - start)
        times.append(min(spans))
        gains.append(float(pf_gain(evaluate(graph, allocation).rate_bps, reference, links_of(graph))))
    return 1e3 * statistics.median(times), statistics.mean(gains)


def main(run: str, scenario: str, count: int, repeats: int) -> None:
    """One scenario: table, ratios, figure."""
    graphs = [preset(scenario).sample(1, seed=2_000_000, first=i) for i in range(count)]
    base = [evaluate(g, one_shot("max_rsrp")(g)).rate_bps for g in graphs]
    found: dict[str, tuple[list[float], list[float]]] = {}
    print(
        f"\n{scenario}, {count} layouts, threads {torch.get_num_threads()}\n| method | effort | ms | PF gain |\n|---|---|---|---|"
    )
    for family, members in curves(run).items():
        found[family] = ([], [])
        for effort, method in members:
            ms, gain = measure(method, graphs, base, repeats)
            found[family][0].append(ms)
            found[family][1].append(gain)
            print(f"| {family} | {effort} | {ms:.1f} | {gain:.4f} |", flush=True)
    print("\n| student, ms | PF gain | WMMSE needs | teacher needs | ascent needs |\n|---|---|---|---|---|")
    for ms, gain in zip(*found["student"], strict=True):
        cells = [needed(found[f], gain, ms) for f in ("WMMSE (sum rate)", "joint teacher", "gradient ascent")]
        print(f"| {ms:.1f} | {gain:.4f} | {' | '.join(cells)} |")
    one_pass(run, graphs)
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / f"speed-{run}.json").write_text(json.dumps(found))
    figure = quality_over_time(found, title=scenario, ylabel="PF gain over max RSRP, nats/user")
    save(figure, OUT, f"speed-{run}")


def one_pass(run: str, graphs: list[HeteroData], repeats: int = 15) -> None:
    """100 iterations of WMMSE over one pass of the paper's network, in turns, since the machine's speed drifts.

    Each is timed at the first call of its turn, when the other has emptied the caches, and at the second.
    """
    families = curves(run)
    if "the paper's network, one pass" not in families:
        return
    (_, student), *_ = families["the paper's network, one pass"]
    teacher = dict(families["WMMSE (sum rate)"])[100]
    spans: list[list[float]] = []
    for graph in graphs:
        for _ in range(repeats):
            spans.append([_span(method, graph) for method in (student, teacher) for _ in range(2)])
    for call, first in (("first", 0), ("second", 1)):
        ratios = [row[2 + first] / row[first] for row in spans]
        fast, slow = (1e3 * statistics.median(row[column + first] for row in spans) for column in (0, 2))
        low, *_, high = statistics.quantiles(ratios, n=20)
        print(
            f"{run}, {call} calls: one pass {fast:.2f} ms, 100 iterations of WMMSE {slow:.1f} ms; "
            f"ratio {statistics.median(ratios):.1f}, 5th to 95th percentile {low:.1f} to {high:.1f}"
        )


def _span(method: Method, graph: HeteroData) -> float:
    start = time.process_time()
    with torch.no_grad():
        method(graph)
    return time.process_time() - start


def needed(curve: tuple[list[float], list[float]], gain: float, ms: float) -> str:
    """Times the student's time until a curve first reaches its gain."""
    reached = [t for t, g in zip(*curve, strict=True) if g >= gain]
    return f"{min(reached) / ms:.0f} times" if reached else "never"


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["hetnet", "uma"]
    if "hetnet" in wanted:
        main("hetnet", "hetnet-3tier", 10, 2)
    if "uma" in wanted:
        main("uma", "uma-5bs", 3, 5)
