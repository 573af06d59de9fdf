"""Proportionally fair precoding: vector WMMSE with the slopes of the logarithm as weights, and steps that never descend."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.radio.allocation import Allocation
from hetgraph.radio.precoders import within_budgets
from hetgraph.radio.spatial import Received, received
from hetgraph.solvers.fair import Trace
from hetgraph.solvers.vector_wmmse import PrecodingProblem
from hetgraph.solvers.wmmse import Budget

_LEAST_RATE = 1e-3  # bit/s
_HALVINGS = 12
_LONGEST = 16.0  # strides beyond one speed the slow tail of WMMSE up; a fall in utility shortens them


def vector_wmmse_pf(
    graph: HeteroData,
    serving: Tensor,
    *,
    group: Tensor | None = None,
    iterations: int = 50,
    tolerance: float = 0.0,
    budget: Budget = "total",
    init: str | Tensor = "slnr",
) -> tuple[Allocation, Trace]:
    """Precoders that maximise the sum of the users' log rates for an association; never descends.

    Each round is one of WMMSE with weights 1 / rate. That step points uphill but may overshoot: a network whose utility would fall
    takes half of it, and so on; where it rises the next stride is longer.

    Args:
        graph: a graph or a batch of graphs with ``h``.
        serving: station of each user ``[U]``; -1 for none (left out of the utility).
        group: group of each user on each block ``[U, R]``, -1 for none; all users at once when ``None``.
        iterations: most rounds.
        tolerance: stop when no network's utility rises by more than this part of it.
        budget: as in :func:`~hetgraph.solvers.vector_wmmse.vector_wmmse`.
        init: likewise.
    """
    problem = PrecodingProblem(graph, serving, group, None, budget)
    channel, links = problem.channel, problem.channel.links
    network = links.bs_network[channel.groups.station]
    caps = problem.caps if problem.several else None
    served = (serving >= 0).to(channel.noise)

    def judge(precoder: Tensor) -> tuple[Received, Tensor, Tensor]:
        streams = received(channel, precoder)
        rate = problem.user_rate(streams).clamp_min(_LEAST_RATE)
        return streams, rate, links.sum_ue_to_network(rate.log() * served)

    precoder = problem.start(init)
    streams, rate, value = judge(precoder)
    history, rounds, stride = [value], torch.zeros_like(value), torch.ones_like(value)
    for _ in range(iterations):
        slope = channel.groups.gather((1 / rate).unsqueeze(1).expand(-1, channel.noise.shape[1]))
        target = problem.update(precoder, problem.alpha * slope, streams)
        old, old_value, step = precoder, value, target - precoder
        for halving in range(_HALVINGS + 1):
            precoder = within_budgets(channel, old + stride[network][:, None, None] * step, caps)
            streams, rate, value = judge(precoder)
            fell = value < old_value
            if not bool(fell.any()):
                break
            stride = torch.where(fell, stride / 2 if halving < _HALVINGS - 1 else torch.zeros_like(stride), stride)
        value = torch.maximum(value, old_value)  # rounding: a stride of zero gives the same precoders
        stride = (1.5 * stride.clamp_min(0.5)).clamp_max(_LONGEST)
        rises = value - old_value > tolerance * value.abs()
        rounds = rounds + rises
        history.append(value)
        if not bool(rises.any()):
            break
    return problem.allocation(precoder), Trace(torch.stack(history), rounds.long())
