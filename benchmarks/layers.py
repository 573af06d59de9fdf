"""Message passing side by side in one run, one thread: `python benchmarks/layers.py [--repeats 15] [--networks 1 8]`.

Processor time of a forward pass and of a training step (forward and backward) of the shared layers beside HetGNN's simpler
encoders, from ready columns, on graphs of hetnet-3tier; medians, and the median of the ratios of neighbouring runs.
"""

import argparse
import dataclasses
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph import links_of, preset
from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL
from hetgraph.nn import HeteroEncoder
from hetgraph.nn.encoders import encoder_of
from hetgraph.nn.hetgnn_inputs import ANTENNA_COLUMNS, BS_COLUMNS, EDGE_COLUMNS, UE_COLUMNS, inputs_of

HIDDEN, LAYERS, PLACES = 32, 2, 6
COLUMNS = {"bs": BS_COLUMNS, "ue": UE_COLUMNS, "antenna": ANTENNA_COLUMNS, CHANNEL: EDGE_COLUMNS}
Run = Callable[[], list[Tensor]]


def milliseconds(run: Run, module: nn.Module, train: bool) -> float:
    """Processor time of one pass."""
    start = time.process_time()
    if train:
        module.zero_grad(set_to_none=True)
        sum((value.sum() for value in run()), torch.zeros(())).backward()
    else:
        with torch.no_grad():
            run()
    return 1e3 * (time.process_time() - start)


def compare(label: str, new: tuple[nn.Module, Run], old: tuple[nn.Module, Run], repeats: int) -> None:
    """One line for the forward pass and one for the training step."""
    for train in (False, True):
        rows = []
        for i in range(repeats + 2):
            row = [milliseconds(run, module, train) for module, run in (new, old)]
            rows += [row] if i > 1 else []
        ours, theirs = (statistics.median(column) for column in zip(*rows, strict=True))
        ratio = statistics.median(a / b for a, b in rows)
        print(f"{label:44s} {'train' if train else 'forward':8s} {ours:9.2f} {theirs:9.2f} {ratio:7.2f}", flush=True)


def ours(encoder: HeteroEncoder, graph: HeteroData, links: Links) -> Run:
    """The layers from ready columns; sums over edges are made anew in each pass."""
    inputs = {**encoder.inputs(graph), "links": links}
    return lambda: list(encoder.layers(**inputs).values())


def simpler(graph: HeteroData, kind: str) -> tuple[nn.Module, Run]:
    """An encoder of HetGNN from normalised columns; sums over edges are made anew in each pass."""
    inputs, encoder = inputs_of(graph), encoder_of(kind, HIDDEN, LAYERS)  # type: ignore[arg-type]
    return encoder, lambda: list(encoder(dataclasses.replace(inputs)))


def main() -> None:
    """Table of all comparisons."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--networks", type=int, nargs="+", default=[1, 8])
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    scenario = preset("hetnet-3tier")
    few = dataclasses.replace(scenario, radio=dataclasses.replace(scenario.radio, candidates=PLACES))
    print(f"{'hetnet-3tier':44s} {'':8s} {'new, ms':>9s} {'old, ms':>9s} {'ratio':>7s}")
    for n in options.networks:
        for text, graph in (
            ("all candidates", scenario.sample(n, seed=1)),
            (f"{PLACES} candidates", few.sample(n, seed=1)),
        ):
            links = links_of(graph)
            encoder = HeteroEncoder(COLUMNS, HIDDEN, LAYERS, hops=0)
            for kind in ("sage", "homogeneous"):
                pair = encoder, ours(encoder, graph, links)
                compare(f"{n} x {text}, HetGNN's {kind}", pair, simpler(graph, kind), options.repeats)


if __name__ == "__main__":
    main()
