"""Gradient ascent on the relaxed utility, without a network: the honest rival of a learned optimiser, and the ceiling."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.kpi import evaluate
from hetgraph.radio.relaxed import Channels, Objective, channels_of, edge_rates, fractions, pull
from hetgraph.solvers.association import dual_price_association

_TEMPERATURE = 0.06


def gradient_ascent(
    graph: HeteroData,
    *,
    steps: int = 100,
    rate: float = 0.6,
    start: Allocation | None = None,
    objective: Objective = "pf",
    generator: Generator | None = None,
) -> Allocation:
    """Adam on power logits with exact gradients; prices follow the loads; rounding at the end.

    The association is softmax((log rate - price) / T) as in the learned rounds, and a step costs what a round costs without
    its perceptrons.

    Args:
        graph: a graph or a batch of graphs.
        steps: gradient steps.
        rate: step size of Adam.
        start: warm start; nearly equal power when ``None``.
        objective: ``pf`` or ``sum_rate``.
        generator: symmetry between resource blocks is broken by it; a fixed one when ``None``.
    """
    return ascent_path(graph, [steps], rate=rate, start=start, objective=objective, generator=generator)[0]


@torch.no_grad()
def ascent_path(
    graph: HeteroData,
    marks: Sequence[int],
    *,
    rate: float = 0.6,
    start: Allocation | None = None,
    objective: Objective = "pf",
    generator: Generator | None = None,
) -> list[Allocation]:
    """Allocations after each number of steps in ``marks`` (ascending); arguments as in :func:`gradient_ascent`."""
    links = links_of(graph)
    channels = channels_of(graph, links)
    logits, price = _start(graph, links, channels, start, generator)
    first, second, out = torch.zeros_like(logits), torch.zeros_like(logits), []
    for step in range(max(marks) + 1):
        fraction = fractions(logits, channels.cap)
        rates = edge_rates(channels, links, fraction)
        scores = rates.rate.clamp_min(1e-9).log() - links.from_bs(price)
        if channels.may_serve is not None:
            scores = scores.masked_fill(~channels.may_serve, -1e9)
        if step in marks:
            power = fraction * graph["bs"].power_max_w.unsqueeze(1)
            out.append(Allocation(links.station_of(links.argmax_slot(scores)), power))
        association = links.softmax(scores / _TEMPERATURE)
        own, harm, load = pull(rates, association, channels, links, objective)
        price = price + 0.3 * ((load + 0.1).log() - price)
        slope = own - harm
        slope = slope - fraction * slope.sum(1, keepdim=True)
        first, second = 0.9 * first + 0.1 * slope, 0.99 * second + 0.01 * slope * slope
        bias = (1 - 0.99 ** (step + 1)) ** 0.5 / (1 - 0.9 ** (step + 1))
        logits = logits + rate * bias * first / (second.sqrt() + 1e-8)
    return out


def _start(
    graph: HeteroData, links: Links, channels: Channels, start: Allocation | None, generator: Generator | None
) -> tuple[Tensor, Tensor]:
    if start is not None:
        fraction = start.power_w / graph["bs"].power_max_w.clamp_min(1e-30).unsqueeze(1)
        idle = (1 - fraction.sum(1, keepdim=True)).clamp_min(1e-4)
        load = links.users_per_bs(start.serving, fraction.new_ones(links.num_ue))
        return fraction.clamp_min(1e-6).log() - idle.log(), (load + 0.1).log()
    own = generator or torch.Generator().manual_seed(0)
    blocks = channels.cap.shape[1]
    # One network's noise for all of a batch, so that a network's answer does not depend on its place.
    size = int(torch.bincount(links.bs_network).max())
    noise = torch.randn(size, blocks, generator=own, dtype=channels.snr.dtype).to(channels.snr.device)
    count = torch.bincount(links.bs_network, minlength=links.num_networks)
    place = torch.arange(links.num_bs, device=noise.device) - (count.cumsum(0) - count)[links.bs_network]
    users = links.sum_ue_to_network(noise.new_ones(links.num_ue)) / links.sum_bs_to_network(
        noise.new_ones(links.num_bs)
    )
    return 1.0 + 0.3 * noise[place], users[links.bs_network].log()


def multi_start(
    graph: HeteroData,
    *,
    starts: int = 8,
    steps: int = 600,
    seed: int = 0,
    include: Sequence[Allocation] = (),
) -> Allocation:
    """Ceiling: the best of several ascents with dual-price association at their ends, per network, by log utility.

    Args:
        graph: a graph or a batch of graphs.
        starts: random starts.
        steps: gradient steps of each.
        seed: of the starts.
        include: further warm starts, e.g. of other methods; the answer is never below any of them.

    Raises:
        ValueError: no start at all.
    """
    if not starts and not include:
        raise ValueError("starts: got 0 and no warm starts, expected at least one start")
    generators = [torch.Generator().manual_seed(seed + i) for i in range(starts)]
    runs: list[tuple[Allocation | None, Generator | None]] = [(None, g) for g in generators]
    runs += [(allocation, None) for allocation in include]
    answers = list(include)
    for warm, generator in runs:
        result = gradient_ascent(graph, steps=steps, rate=0.3, start=warm, generator=generator)
        answers.append(Allocation(dual_price_association(graph, result.power_w, start=result.serving), result.power_w))
    return _best(graph, answers)


def _best(graph: HeteroData, answers: Sequence[Allocation]) -> Allocation:
    """Of each network the allocation of highest log utility."""
    links, best, value = links_of(graph), answers[0], evaluate(graph, answers[0]).pf_utility
    for each in answers[1:]:
        new = evaluate(graph, each).pf_utility
        wins, value = new > value, torch.maximum(new, value)
        best = Allocation(
            torch.where(wins[links.ue_network], each.serving, best.serving),
            torch.where(wins[links.bs_network].unsqueeze(1), each.power_w, best.power_w),
        )
    return best
