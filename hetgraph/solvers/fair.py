"""Power control for alpha-fair utilities, and the teachers that alternate it with association."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import links_of
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.rates import rates_bps
from hetgraph.solvers.arrays import Array, as_tensor, at_least, at_most, choose, larger, log
from hetgraph.solvers.association import (
    dual_price_association,
    equal_power,
    max_rsrp_association,
    rate_weighted_voting,
)
from hetgraph.solvers.wmmse import Budget, Problem, quiet, wmmse

_LEAST_RATE = 1e-3  # bit/s
_HALVINGS = 12
_LONGEST = 16.0  # strides beyond one speed the slow tail of WMMSE up; a fall in utility shortens them


@dataclass(frozen=True)
class Trace:
    """How an iteration went.

    Args:
        utility: utility of each network after each round ``[rounds + 1, B]``.
        rounds: rounds until each network stopped ``[B]``.
    """

    utility: Tensor
    rounds: Tensor


def alpha_fair_utility(rate_bps: Array, alpha: float) -> Array:
    """Utility of a rate: log for alpha = 1, rate^(1 - alpha) / (1 - alpha) otherwise (Mo and Walrand 2000)."""
    rate = at_least(rate_bps, _LEAST_RATE)
    return log(rate) if alpha == 1 else rate ** (1 - alpha) / (1 - alpha)


def wmmse_alpha_fair(
    graph: HeteroData,
    serving: Tensor,
    *,
    alpha: float = 1.0,
    iterations: int = 50,
    tolerance: float = 0.0,
    budget: Budget = "total",
    init: str | Tensor = "full",
) -> tuple[Allocation, Trace]:
    """Powers that maximise the sum of alpha-fair utilities for an association; never descends.

    Each round is a round of WMMSE whose weights are the slopes rate^-alpha. That step points uphill, but may overshoot, for
    the utility is no convex function of the errors: a network whose utility would fall takes half the step, and so on. Where
    it rises the next stride is longer, up to 16 steps.

    Args:
        graph: a graph or a batch of graphs.
        serving: serving station of each user ``[U]``; -1 for none (left out of the utility).
        alpha: 0 for the sum of rates, 1 for proportional fairness.
        iterations: most rounds.
        tolerance: stop when no network's utility rises by more than this part of it.
        budget: as in :func:`~hetgraph.solvers.wmmse`.
        init: ``full`` or powers ``[N, R]``, W.
    """
    problem = Problem(graph, serving, None, budget, "per_bs")
    with quiet():
        amplitude, history, rounds = _climb(problem, problem.start(init, None), alpha, iterations, tolerance)
    return problem.allocation(amplitude), Trace(torch.stack([as_tensor(value) for value in history]), rounds)


def _climb(
    problem: Problem, amplitude: Array, alpha: float, iterations: int, tolerance: float
) -> tuple[Array, list[Array], Tensor]:
    """Amplitudes, utility after each round, and rounds of each network."""
    kernel = problem.kernel
    served = kernel.array(kernel.user_layout(kernel.serving >= 0))

    def judge(amplitude: Array) -> tuple[tuple[Array, Array, Array], Array, Array]:
        received = problem.received(amplitude)
        rate = at_least(problem.user_rate(*received[1:]), _LEAST_RATE)
        return received, rate, kernel.network_sum(alpha_fair_utility(rate, alpha) * served)

    drive = problem.alpha * kernel.own_gain
    received, rate, value = judge(amplitude)
    history, rounds = [value], value * 0
    stride = value * 0 + 1
    for _ in range(iterations):
        target = problem.update(amplitude, drive * rate**-alpha, received)
        old, old_value, step = amplitude, value, target - amplitude
        for halving in range(_HALVINGS + 1):
            amplitude = problem.project(old + kernel.per_network(stride, old) * step)
            received, rate, value = judge(amplitude)
            fell = value < old_value
            if not fell.any():
                break
            stride = choose(fell, stride / 2 if halving < _HALVINGS - 1 else 0 * stride, stride)
        value = larger(value, old_value)  # rounding: a stride of zero gives the same allocation
        stride = at_most(1.5 * at_least(stride, 0.5), _LONGEST)
        rises = value - old_value > tolerance * abs(value)
        rounds = rounds + rises
        history.append(value)
        if not rises.any():
            break
    return amplitude, history, as_tensor(rounds).long()


def utility_teacher(
    graph: HeteroData,
    *,
    loops: int = 100,
    tolerance: float = 1e-6,
    power_rounds: int = 30,
    alpha: float = 1.0,
) -> tuple[Allocation, Trace]:
    """Association by dual prices and powers by alpha-fair WMMSE under the total budget, in turns; never descends.

    The utility is the sum of log rates, the one by which allocations are judged. A network that has converged
    keeps its allocation while others go on.

    Args:
        graph: a graph or a batch of graphs.
        loops: most turns.
        tolerance: a network stops when a turn raises its utility by less than this part of it.
        power_rounds: rounds of power control in each turn.
        alpha: of the power control; the association is that of proportional fairness.
    """
    links = links_of(graph)
    power = equal_power(graph)
    serving = max_rsrp_association(graph)
    value = _log_utility(graph, Allocation(serving, power))
    history, rounds = [value], torch.zeros_like(value, dtype=torch.long)
    running = torch.ones_like(value, dtype=torch.bool)
    for _ in range(loops):
        proposal = dual_price_association(graph, power, start=serving)
        allocation, _ = wmmse_alpha_fair(
            graph, proposal, alpha=alpha, iterations=power_rounds, tolerance=tolerance / 10, init=power
        )
        new = _log_utility(graph, allocation)
        better = running & (new > value)
        serving = torch.where(better[links.ue_network], allocation.serving, serving)
        power = torch.where(better[links.bs_network].unsqueeze(1), allocation.power_w, power)
        running = better & (new - value > tolerance * value.abs())
        rounds, value = rounds + better, torch.where(better, new, value)
        history.append(value)
        if not bool(running.any()):
            break
    return Allocation(serving, power), Trace(torch.stack(history), rounds)


def sum_rate_teacher(graph: HeteroData, *, iterations: int = 100, rounds: int = 3) -> Allocation:
    """The paper's teacher: WMMSE on every resource block under an equal split of the budget, then rate-weighted voting.

    Starts at the strongest station; power control and voting alternate, and the best sum rate met is returned.

    Args:
        graph: a graph or a batch of graphs.
        iterations: rounds of WMMSE in each turn.
        rounds: turns.
    """
    links = links_of(graph)
    best = Allocation(max_rsrp_association(graph), equal_power(graph))
    value = links.sum_ue_to_network(rates_bps(graph, best, links=links))
    serving = best.serving
    for _ in range(rounds):
        allocation = wmmse(graph, serving, iterations=iterations, budget="per_rb")
        serving = rate_weighted_voting(graph, allocation.power_w)
        for candidate in (allocation, Allocation(serving, allocation.power_w)):
            new = links.sum_ue_to_network(rates_bps(graph, candidate, links=links))
            better, value = new > value, torch.maximum(new, value)
            best = Allocation(
                torch.where(better[links.ue_network], candidate.serving, best.serving),
                torch.where(better[links.bs_network].unsqueeze(1), candidate.power_w, best.power_w),
            )
    return best


def _log_utility(graph: HeteroData, allocation: Allocation) -> Tensor:
    links = links_of(graph)
    rate = rates_bps(graph, allocation, links=links).clamp_min(_LEAST_RATE)
    return links.sum_ue_to_network(rate.log() * (allocation.serving >= 0))
