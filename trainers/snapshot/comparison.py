"""Policies on the same layouts: indicators of every method and layout."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import Scenario, links_of
from hetgraph.graph.links import Links
from hetgraph.radio import Allocation, Convention, KPIs, evaluate, pf_gain, violations

Method = Callable[[HeteroData], Allocation]
KEPT = ("pf_utility", "sum_rate_bps", "p5_rate_bps", "jain", "energy_efficiency_bpj", "load_imbalance", "unserved")


@dataclass(frozen=True)
class Comparison:
    """Indicators of every method on common layouts.

    Args:
        scenario: name of the scenario, or of the file of the networks.
        scenario_hash: its digest.
        seed: seed of the layouts.
        convention: rate convention.
        reference: name of the reference method.
        values: indicator -> method -> ``[training seeds, layouts]``.
        gains: method -> PF gain of each training seed over each of the reference's ``[seeds, reference's seeds, layouts]``.
        wall_ms: method -> median time of a decision on one layout, ms; one warm-up goes before.
        example: allocation of each method (first training seed) on the first layout.
        layout: the first layout.
    """

    scenario: str
    scenario_hash: str
    seed: int
    convention: Convention
    reference: str
    values: dict[str, dict[str, NDArray[np.float64]]]
    gains: dict[str, NDArray[np.float64]]
    wall_ms: dict[str, float]
    example: dict[str, Allocation]
    layout: HeteroData


def compare(
    scenario: Scenario,
    policies: Mapping[str, Sequence[Method]],
    *,
    layouts: int = 50,
    seed: int = 2_000_000,
    convention: Convention = "equal_airtime",
    reference: str | None = None,
    graphs: Sequence[HeteroData] | None = None,
) -> Comparison:
    """Judge methods on the same layouts.

    Args:
        scenario: family of networks.
        policies: name -> one policy, or one for each training seed.
        layouts: number of layouts.
        seed: their seed; the default is that of test layouts.
        convention: rate convention.
        reference: method to compare with; the first when ``None``.
        graphs: these networks in place of drawn ones.

    Raises:
        ValueError: no policy, an unknown reference, or an infeasible allocation.
    """
    if not policies or layouts < 1:
        raise ValueError(f"compare: got {len(policies)} policies and {layouts} layouts, expected at least one of each")
    reference = reference or next(iter(policies))
    if reference not in policies:
        raise ValueError(f"--reference: got {reference!r}, expected one of {', '.join(policies)}")
    count = len(graphs) if graphs is not None else layouts
    values: dict[str, dict[str, list[list[float]]]] = {kpi: {name: [] for name in policies} for kpi in KEPT}
    gains: dict[str, list[NDArray[np.float64]]] = {name: [] for name in policies}
    wall: dict[str, list[float]] = {name: [] for name in policies}
    example: dict[str, Allocation] = {}
    first: HeteroData | None = None
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("Comparing", total=count * sum(len(m) for m in policies.values()))
        for number in range(count):
            graph = graphs[number] if graphs is not None else scenario.sample(1, seed=seed, first=number)
            rates: dict[str, list[Tensor]] = {name: [] for name in policies}
            for name, members in policies.items():
                metrics: list[KPIs] = []
                for member, method in enumerate(members):
                    allocation, elapsed = _timed(method, graph, warm=number == 0)
                    wall[name].append(elapsed)
                    metrics.append(_evaluated(name, graph, allocation, convention))
                    if number == 0 and member == 0:
                        example[name] = allocation
                    progress.advance(task)
                rates[name] = [each.rate_bps for each in metrics]
                for kpi in KEPT:
                    values[kpi][name].append([float(getattr(each, kpi)[0]) for each in metrics])
            for name in policies:
                gains[name].append(_gains(rates[name], rates[reference], links_of(graph)))
            first = first if first is not None else graph
    assert first is not None
    arrays = {k: {n: np.array(rows).T for n, rows in by_name.items()} for k, by_name in values.items()}
    stacked = {name: np.stack(rows, -1) for name, rows in gains.items()}  # [S, R, layouts]
    stacked[reference] = np.zeros_like(stacked[reference])  # over itself, whatever its seeds differ by
    arrays["pf_gain"] = {name: rows.mean(1) for name, rows in stacked.items()}
    medians = {name: statistics.median(times) for name, times in wall.items()}
    origin = (scenario.name, scenario.hash, seed, convention, reference)
    return Comparison(*origin, arrays, stacked, medians, example, first)


def _timed(method: Method, graph: HeteroData, *, warm: bool) -> tuple[Allocation, float]:
    if warm:
        method(graph)
    start = time.perf_counter()
    with torch.no_grad():
        allocation = method(graph)
    return allocation, 1e3 * (time.perf_counter() - start)


def _evaluated(name: str, graph: HeteroData, allocation: Allocation, convention: Convention) -> KPIs:
    broken = violations(graph, allocation)
    if broken:
        raise ValueError(f"policy {name}: {broken[0]}")
    return evaluate(graph, allocation, convention)


def _gains(rates: Sequence[Tensor], reference: Sequence[Tensor], links: Links) -> NDArray[np.float64]:
    """PF gain of each training seed over each of the reference's on one network ``[S, R]``."""
    return np.array([[float(pf_gain(rate, base, links)[0]) for base in reference] for rate in rates])
