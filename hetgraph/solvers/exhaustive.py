"""Exhaustive search on tiny instances: the yardstick of all other solvers.

All associations meet all powers of a grid. The best grid points of all associations, one for each pattern of stations on and off per
resource block, climb by gradient ascent, fewer and fewer of them; the best associations end by sequential quadratic programming. Rates
are written out anew here, so that the yardstick does not share the errors of what it measures.
"""

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.rates import noise_plus_far_w

_MOST = 2_000_000_000
_LOW = (0.03, 0.003)  # far below the budget: what a station close to its users and to those of others may want
_CHUNK = 1 << 24
_STAGES = ((60, 0.3), (100, 0.1), (150, 0.03))  # steps and step sizes of the climbs
_FEWER = 8


@dataclass(frozen=True)
class _Instance:
    """One tiny network in float64.

    Args:
        snr: SNR at the whole budget ``[N, U, R]``; zero where there is no edge.
        band: bandwidth of the resource blocks ``[R]``, Hz.
        cap: largest fraction of the budget ``[N, R]``.
        objective: ``pf`` or ``sum_rate``.
    """

    snr: Tensor
    band: Tensor
    cap: Tensor
    objective: str

    def rates(self, fraction: Tensor) -> Tensor:
        """Rates of users at stations that they have to themselves: ``[K, N, R]`` -> ``[K, N, U]``, bit/s."""
        received = self.snr * fraction.unsqueeze(2)
        others = torch.stack([received[:, self._but(n)].sum(1) for n in range(len(self.snr))], 1)
        return (torch.log1p(received / (1 + others)) * self.band).sum(3) / math.log(2)

    def _but(self, station: int) -> list[int]:
        return [n for n in range(len(self.snr)) if n != station]

    def value(self, fraction: Tensor, own: Tensor) -> Tensor:
        """Objective of powers ``[K, N, R]`` under associations, one-hot ``[K, N, U]``, one by one ``[K]``."""
        rate = (self.rates(fraction) / own.sum(2, keepdim=True).clamp_min(1) * own).sum(1)
        return rate.sum(1) if self.objective == "sum_rate" else rate.clamp_min(1).log().sum(1)


def exhaustive(
    graph: HeteroData,
    *,
    levels: int = 5,
    objective: str = "pf",
    serving: Tensor | None = None,
    climbers: int = 4096,
) -> Allocation:
    """Best allocation over all associations and a grid of power fractions, polished from the best grid points.

    Args:
        graph: one tiny graph.
        levels: power levels of each station and resource block: 0, 1/(levels - 1), ..., 1 of the budget, and two far below it;
            combinations above the budget are left out.
        objective: ``pf`` (sum of log rates) or ``sum_rate``.
        serving: a fixed association, to search powers alone.
        climbers: grid points that are polished.

    Raises:
        ValueError: more combinations than two thousand million, or a batch of several graphs.
    """
    links = links_of(graph)
    stations, blocks = graph["bs"].rb_power_max_w.shape
    choices = _choices(graph, links, serving)
    count = math.prod(len(c) for c in choices)
    if links.num_networks > 1 or count * levels ** (stations * blocks) > _MOST:
        got = f"{links.num_networks} graphs and {count} associations of {stations} stations, {blocks} blocks"
        raise ValueError(f"exhaustive: got {got}, expected one graph with at most {_MOST} combinations")
    instance = _instance(graph, links, objective)
    station = torch.tensor(list(itertools.product(*choices)))  # [A, U]
    own = torch.nn.functional.one_hot(station + 1, stations + 1)[..., 1:].transpose(1, 2).double()  # [A, N, U]
    fraction = _grid(instance, levels)
    number, point = _grid_points(instance, fraction, own, climbers)
    number, climbed = _climb(instance, fraction[point], own, number)
    value, winner, best = -math.inf, 0, climbed[0]
    for row, start in zip(number.tolist(), climbed, strict=True):
        polished, reached = _polish(instance, start, own[row])
        if reached > value:
            value, winner, best = reached, row, polished
    power = best * graph["bs"].power_max_w.double().unsqueeze(1)
    return Allocation(station[winner], torch.minimum(power.to(graph["bs"].power_max_w), graph["bs"].rb_power_max_w))


def _choices(graph: HeteroData, links: Links, serving: Tensor | None) -> list[list[int]]:
    """Stations that may serve each user."""
    if serving is not None:
        return [[int(s)] for s in serving]
    may = graph[CHANNEL].may_serve if "may_serve" in graph[CHANNEL] else torch.ones_like(links.bs, dtype=torch.bool)
    result: list[list[int]] = [links.bs[may & (links.ue == u)].tolist() for u in range(links.num_ue)]
    return [c or [-1] for c in result]


def _instance(graph: HeteroData, links: Links, objective: str) -> _Instance:
    bs, noise = graph["bs"], noise_plus_far_w(graph).double()
    snr = torch.zeros(links.num_bs, links.num_ue, noise.shape[1], dtype=torch.float64)
    budget = bs.power_max_w.double()
    snr[links.bs, links.ue] = graph[CHANNEL].gain.double() * budget[links.bs].unsqueeze(1) / noise[links.ue]
    cap = (bs.rb_power_max_w.double() / budget.unsqueeze(1)).clamp_max(1)
    return _Instance(snr, graph.rb_bandwidth_hz[0].double(), cap, objective)


def _grid(instance: _Instance, levels: int) -> Tensor:
    """Power fractions of the grid ``[P, N, R]``."""
    blocks, stations = instance.cap.shape[1], len(instance.cap)
    level = torch.cat([torch.linspace(0, 1, levels, dtype=torch.float64), torch.tensor(_LOW, dtype=torch.float64)])
    one = torch.cartesian_prod(*[level] * blocks).reshape(-1, blocks)
    one = one[one.sum(1) <= 1 + 1e-9]
    index = torch.cartesian_prod(*[torch.arange(len(one))] * stations).reshape(-1, stations)
    return torch.minimum(one[index], instance.cap)


def _grid_points(instance: _Instance, fraction: Tensor, own: Tensor, most: int) -> tuple[Tensor, Tensor]:
    """Associations and grid points to climb from ``[K]``: the best points of each on/off pattern, the best of all these first."""
    rows, patterns = len(own), (fraction > 0).flatten(1).long()
    pattern = (patterns << torch.arange(patterns.shape[1])).sum(1)
    _, pattern = torch.unique(pattern, return_inverse=True)
    kinds = int(pattern.max()) + 1
    load = own.sum(2).clamp_min(1)
    pf = instance.objective == "pf"
    weight = (own if pf else own / load.unsqueeze(2)).flatten(1).T  # [N U, A]
    shift = (own.sum(2) * load.log()).sum(1) if pf else torch.zeros(rows, dtype=torch.float64)
    best = torch.full((kinds, rows), -torch.inf, dtype=torch.float64)
    where = torch.zeros(kinds, rows, dtype=torch.long)
    order = pattern.argsort(stable=True)
    size = max(_CHUNK // rows, 1)
    for kind in range(kinds):
        for part in order[pattern[order] == kind].split(size):
            rate = instance.rates(fraction[part]).flatten(1)
            value, place = ((rate.clamp_min(1e-9).log() if pf else rate) @ weight - shift).max(0)
            where[kind] = torch.where(value > best[kind], part[place], where[kind])
            best[kind] = torch.maximum(best[kind], value)
    chosen = best.flatten().topk(min(most, best.numel())).indices
    return chosen % rows, where.flatten()[chosen]


def _climb(instance: _Instance, fraction: Tensor, own: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
    """Associations and powers after gradient ascent in stages; those that go on are the best, two of an association at most."""
    for steps, rate in _STAGES:
        fraction, value = _ascend(instance, fraction, own[number], steps, rate)
        order = value.argsort(descending=True)
        same = number[order].unsqueeze(0) == number[order].unsqueeze(1)
        rank = same.tril(-1).sum(1)
        order = order[rank < 2][: max(len(fraction) // _FEWER, 8)]
        fraction, number = fraction[order], number[order]
    return number, fraction


@torch.enable_grad()
def _ascend(instance: _Instance, fraction: Tensor, own: Tensor, steps: int, rate: float) -> tuple[Tensor, Tensor]:
    """Adam on logits with an idle slot, so that sums stay below one and what is off stays off; the best on the way."""
    idle = (1 - fraction.sum(2, keepdim=True)).clamp_min(1e-3)
    logits = (fraction.clamp_min(1e-30).log() - idle.log()).requires_grad_()
    optimiser = torch.optim.Adam([logits], lr=rate, maximize=True)
    best, value = fraction, torch.full((len(fraction),), -torch.inf, dtype=torch.float64)
    for step in range(steps + 1):
        shares = torch.cat([logits, torch.zeros_like(idle)], 2).softmax(2)[..., :-1]
        now = torch.minimum(shares, instance.cap)
        reached = instance.value(now, own)
        wins = reached.detach() > value
        value = torch.where(wins, reached.detach(), value)
        best = torch.where(wins.reshape(-1, 1, 1), now.detach(), best)
        if step == steps:
            break
        (slope,) = torch.autograd.grad(reached.sum(), logits)
        logits.grad = slope
        optimiser.step()
    return best, value


def _polish(instance: _Instance, start: Tensor, own: Tensor) -> tuple[Tensor, float]:
    """Sequential quadratic programming from powers over budgets ``[N, R]``, and the value; never worse than its start.

    A climb comes near zeros and full budgets without reaching them, and from there steps fail for want of scale: the search starts
    from the rounded powers too, and again from where it has ended.
    """
    whole = torch.where(start < 1e-4, 0, start)
    total = whole.sum(1, keepdim=True)
    whole = torch.where(total > 0.99, whole / total.clamp_min(1e-30), whole)
    starts = [start, torch.minimum(whole, instance.cap)]
    ends = [_programmed(instance, _programmed(instance, s, own), own) for s in starts]
    tried = torch.stack(starts + ends)
    values = instance.value(tried, own.expand(len(tried), *own.shape))
    return tried[values.argmax()], float(values.max())


def _programmed(instance: _Instance, start: Tensor, own: Tensor) -> Tensor:
    shape = start.shape
    spread = np.kron(np.eye(shape[0]), np.ones(shape[1]))  # [N, N * R], sums a station's fractions

    def negative(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        with torch.enable_grad():
            fraction = torch.tensor(x.reshape(1, *shape), requires_grad=True)
            value = instance.value(fraction.clamp_min(0), own.unsqueeze(0)).sum()
            (slope,) = torch.autograd.grad(value, fraction)
        return -float(value.detach()), -slope.flatten().numpy()

    search: Any = minimize  # its overloads do not know dictionaries of constraints
    result = search(
        negative,
        start.flatten().numpy(),
        jac=True,
        method="SLSQP",
        bounds=[(0.0, c) for c in instance.cap.flatten().tolist()],
        constraints=[{"type": "ineq", "fun": lambda x: 1 - spread @ x, "jac": lambda x: -spread}],
        options={"maxiter": 200, "ftol": 1e-15},
    )
    fraction = torch.tensor(result.x.reshape(shape)).clamp_min(0)
    return torch.minimum(fraction / fraction.sum(1, keepdim=True).clamp_min(1), instance.cap)
