"""Exhaustive search on tiny instances: the yardstick of all other solvers."""

import itertools
import math

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import links_of
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.kpi import evaluate

_MOST = 2_000_000


def exhaustive(
    graph: HeteroData,
    *,
    levels: int = 5,
    objective: str = "pf",
    serving: Tensor | None = None,
    polish: int = 200,
) -> Allocation:
    """Best allocation over all associations and a grid of power fractions, polished by ascent from the best grid points.

    Args:
        graph: one tiny graph.
        levels: power levels of each station and resource block: 0, 1/(levels - 1), ..., 1 of the budget; combinations above the
            budget are left out.
        objective: ``pf`` (sum of log rates) or ``sum_rate``.
        serving: a fixed association, to search powers alone.
        polish: rounds of coordinate search with shrinking steps from the best point.

    Raises:
        ValueError: more combinations than two million, or a batch of several graphs.
    """
    links = links_of(graph)
    bs = graph["bs"]
    stations, blocks = bs.rb_power_max_w.shape
    choices = [range(int(d)) for d in torch.bincount(links.ue)] if serving is None else []
    count = levels ** (stations * blocks) * math.prod(len(c) for c in choices)
    if count > _MOST or links.num_networks > 1:
        raise ValueError(f"exhaustive: got {count} combinations, expected one graph with at most {_MOST}")
    grid = torch.linspace(0, 1, levels, dtype=bs.power_max_w.dtype)
    powers = torch.stack([grid[torch.tensor(c)] for c in itertools.product(range(levels), repeat=stations * blocks)])
    powers = powers.reshape(-1, stations, blocks)
    powers = powers[(powers.sum(2) <= 1 + 1e-9).all(1)] * bs.power_max_w.reshape(1, -1, 1)
    servings = (
        [links.station_of(torch.tensor(slots)) for slots in itertools.product(*choices)]
        if serving is None
        else [serving]
    )
    best, value = None, -torch.inf
    for candidate in servings:
        for power in powers:
            allocation = Allocation(candidate, torch.minimum(power, bs.rb_power_max_w))
            new = _value(graph, allocation, objective)
            if best is None or new > value:
                best, value = allocation, new
    assert best is not None
    return _polish(graph, best, objective, polish, 1 / (levels - 1))


def _value(graph: HeteroData, allocation: Allocation, objective: str) -> float:
    rate = evaluate(graph, allocation).rate_bps
    return float(rate.sum() if objective == "sum_rate" else rate.clamp_min(1e-9).log().sum())


def _polish(graph: HeteroData, start: Allocation, objective: str, rounds: int, step: float) -> Allocation:
    """Coordinate search: try each power up and down, keep what helps, halve the step when nothing does."""
    bs = graph["bs"]
    power, value = start.power_w.clone(), _value(graph, start, objective)
    for _ in range(rounds):
        moved = False
        for b, r in itertools.product(*map(range, power.shape)):
            for sign in (1, -1):
                trial = power.clone()
                room = bs.power_max_w[b] - power[b].sum() + power[b, r]
                limit = torch.minimum(room, bs.rb_power_max_w[b, r])
                trial[b, r] = (power[b, r] + sign * step * bs.power_max_w[b]).clamp_min(0).minimum(limit)
                new = _value(graph, Allocation(start.serving, trial), objective)
                if new > value:
                    power, value, moved = trial, new, True
        step = step if moved else step / 2
        if step < 1e-7:
            break
    return Allocation(start.serving, power)
