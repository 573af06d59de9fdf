"""Exhaustive search on tiny instances: the yardstick of all other solvers."""

import itertools
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
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
    """Best allocation over all associations and a grid of power fractions, polished by ascent from the best grid point.

    Args:
        graph: one tiny graph.
        levels: power levels of each station and resource block: 0, 1/(levels - 1), ..., 1 of the budget; combinations above the
            budget are left out.
        objective: ``pf`` (sum of log rates) or ``sum_rate``.
        serving: a fixed association, to search powers alone.
        polish: most rounds of the ascent from the best point.

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
    return _polish(graph, best, objective, polish)


def _value(graph: HeteroData, allocation: Allocation, objective: str) -> float:
    rate = evaluate(graph, allocation).rate_bps
    return float(rate.sum() if objective == "sum_rate" else rate.clamp_min(1e-9).log().sum())


def _polish(graph: HeteroData, start: Allocation, objective: str, rounds: int) -> Allocation:
    """Sequential quadratic programming from the best grid point, on powers over budgets; never worse than its start."""
    bs = graph["bs"]
    limit, shape = bs.power_max_w.unsqueeze(1), start.power_w.shape
    spread = np.kron(np.eye(shape[0]), np.ones(shape[1]))  # [N, N * R], sums a station's fractions

    def negative(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        fraction = torch.tensor(x.reshape(shape), dtype=start.power_w.dtype, requires_grad=True)
        rate = evaluate(graph, Allocation(start.serving, fraction.clamp_min(0) * limit)).rate_bps
        value = rate.sum() if objective == "sum_rate" else rate.clamp_min(1e-9).log().sum()
        (slope,) = torch.autograd.grad(value, fraction)
        return -float(value.detach()), -slope.flatten().double().numpy()

    cap = (bs.rb_power_max_w / limit).flatten().clamp_max(1).tolist()
    search: Any = minimize  # its overloads do not know dictionaries of constraints
    found = search(
        negative,
        (start.power_w / limit).flatten().double().numpy(),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, c) for c in cap],
        constraints=[{"type": "ineq", "fun": lambda x: 1 - spread @ x, "jac": lambda x: -spread}],
        options={"maxiter": rounds, "ftol": 1e-14},
    )
    fraction = torch.tensor(found.x.reshape(shape), dtype=start.power_w.dtype).clamp_min(0)
    fraction = fraction / fraction.sum(1, keepdim=True).clamp_min(1)
    polished = Allocation(start.serving, torch.minimum(fraction * limit, bs.rb_power_max_w))
    return polished if _value(graph, polished, objective) > _value(graph, start, objective) else start
