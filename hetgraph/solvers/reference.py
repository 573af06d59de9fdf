"""The reference of proportional-fair utility: the best allocation that a stated effort finds, the 100% of tables.

Many starts climb a little way and the best of each kind go on, beside the utility teacher and the gradient ascent. What goes on
alternates between gradient ascent on a softened association, which carries it over small steps of the utility, and turns of
association (dual prices, moves) and powers (alpha-fair WMMSE) on the utility itself, which never falls. In between a network's
allocations are crossed, resource block by resource block, since what is good on one of them depends little on the others.
"""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.kpi import evaluate
from hetgraph.solvers.ascent import gradient_ascent
from hetgraph.solvers.association import dual_price_association
from hetgraph.solvers.copies import chosen, copies_of, hashed, places, stacked
from hetgraph.solvers.fair import utility_teacher, wmmse_alpha_fair
from hetgraph.solvers.starts import KINDS, starts_of

_LINKS, _FEWEST, _MOST = 500_000, 2, 32  # edges times resource blocks for the starts of a kind; and how many these are
_POWER_ROUNDS, _PRICES = 30, 20  # of a turn
_CROSSED, _NOISE = 0.3, 0.5  # share of resource blocks from the mate; largest change of a power's logarithm
_TOLERANCE, _MOST_TURNS = 1e-9, 60  # of the last turns, nats per user


@torch.no_grad()
def utility_reference(graph: HeteroData, *, starts: int | None = None, rounds: int = 6, seed: int = 0) -> Allocation:
    """Best of several searches, the 100% of proportional-fair utility under the ``equal_airtime`` convention.

    Frozen by name and effort: "the reference" of a table is this function with its default ``starts``, ``rounds`` and ``seed``. It is
    never below max RSRP with equal power, the converged utility teacher and 100 steps of gradient ascent.

    Args:
        graph: a graph or a batch of graphs; memory grows with its size times the starts.
        starts: starts of each of the six kinds of :func:`~hetgraph.solvers.starts.starts_of`; when ``None``, 500,000 over the edges
            times resource blocks of the batch's largest network, but 2 to 32: 3 for ``hetnet-3tier``, 32 for tiny networks, where
            starts cost little and luck decides.
        rounds: rounds of ascent and turns for what goes on; a network's allocations are crossed before each but the first.
        seed: of the starts and of the crossing.

    Raises:
        ValueError: fewer than one start or round.
    """
    links = links_of(graph)
    if starts is None:
        edges = int(torch.bincount(links.ue_network[links.ue]).max())
        starts = min(max(_LINKS // (edges * graph.rb_bandwidth_hz.shape[1]), _FEWEST), _MOST)
    if min(starts, rounds) < 1:
        raise ValueError(f"starts, rounds: got {starts} and {rounds}, expected at least one of each")
    serving, power = _first(graph, links, starts, seed)
    for known in (utility_teacher(graph)[0], gradient_ascent(graph)):
        serving, power = torch.cat([serving, known.serving[None]]), torch.cat([power, known.power_w[None]])
    copies = copies_of(graph, links, len(serving))
    of_copies, best = links_of(copies), stacked(serving, power)
    value = evaluate(copies, best).pf_utility
    for number in range(rounds):
        trial = best if number == 0 else _crossed(graph, links, best, value, (seed, number))
        trial = turns(copies, gradient_ascent(copies, steps=30, rate=0.1, start=trial), 4)
        new = evaluate(copies, trial).pf_utility
        best, value = either(new > value, trial, best, of_copies), torch.maximum(new, value)
    winner = value.reshape(-1, links.num_networks).argmax(0, keepdim=True)
    serving, power = chosen(best, winner, links)
    return turns(graph, Allocation(serving[0], power[0]), _MOST_TURNS, power_rounds=100, tolerance=_TOLERANCE)


def _first(graph: HeteroData, links: Links, starts: int, seed: int) -> tuple[Tensor, Tensor]:
    """The best of each kind of start after a short climb: associations ``[KINDS, U]`` and powers ``[KINDS, N, R]``."""
    copies = copies_of(graph, links, KINDS * starts)
    of_copies = links_of(copies)
    first, association_leads = starts_of(copies, of_copies, KINDS * starts, seed)
    fitted, _ = wmmse_alpha_fair(copies, first.serving, iterations=_POWER_ROUNDS, init=first.power_w)
    first = either(association_leads, fitted, first, of_copies)
    climbed = turns(copies, gradient_ascent(copies, steps=30, rate=0.3, start=first), 2)
    value = evaluate(copies, climbed).pf_utility.reshape(starts, KINDS, links.num_networks)
    kind = torch.arange(KINDS, device=value.device).unsqueeze(1)
    return chosen(climbed, KINDS * value.argmax(0) + kind, links)


def turns(
    graph: HeteroData,
    start: Allocation,
    most: int,
    *,
    power_rounds: int = _POWER_ROUNDS,
    tolerance: float = 1e-6,
) -> Allocation:
    """Association at the powers and powers at the association, in turns; the utility never falls.

    Args:
        graph: a graph or a batch of graphs.
        start: where it starts.
        most: most turns.
        power_rounds: rounds of power control in each turn.
        tolerance: a network stops when a turn raises its utility by no more than this, nats per user.
    """
    links = links_of(graph)
    best, value = start, evaluate(graph, start).pf_utility
    running = torch.ones_like(value, dtype=torch.bool)
    for _ in range(most):
        serving = dual_price_association(graph, best.power_w, start=best.serving, iterations=_PRICES)
        trial, _ = wmmse_alpha_fair(graph, serving, iterations=power_rounds, init=best.power_w)
        new = evaluate(graph, trial).pf_utility
        wins = running & (new > value)
        best, running = either(wins, trial, best, links), wins & (new > value + tolerance)
        value = torch.where(wins, new, value)
        if not bool(running.any()):
            break
    return best


def _crossed(graph: HeteroData, links: Links, best: Allocation, value: Tensor, seed: tuple[int, int]) -> Allocation:
    """A child for each copy: the network's best allocation with some resource blocks of another, all powers a little changed."""
    bs, networks = graph["bs"], links.num_networks
    count = value.numel() // networks
    copy = torch.arange(count, device=value.device).unsqueeze(1)
    block = torch.arange(bs.rb_power_max_w.shape[1], device=value.device)
    draw = 1_000 * seed[0] + 10 * seed[1]
    top = value.reshape(count, networks).argmax(0, keepdim=True).expand(count, networks)
    mate = (hashed(draw, copy) * count).long().expand(count, networks)
    (serving, power), (_, other) = chosen(best, top, links), chosen(best, mate, links)
    crossed = torch.where((hashed(draw + 1, copy, block) < _CROSSED).unsqueeze(1), other, power)
    change = hashed(draw + 2, copy.unsqueeze(2), places(links.bs_network, networks).unsqueeze(1), block)
    power = crossed * ((2 * change - 1) * _NOISE).exp().to(power)
    over = power.sum(2, keepdim=True) / bs.power_max_w.unsqueeze(1)
    return stacked(serving, torch.minimum(power / over.clamp_min(1), bs.rb_power_max_w))


def either(wins: Tensor, one: Allocation, other: Allocation, links: Links) -> Allocation:
    """The first allocation in networks ``[B]`` where it wins, the second elsewhere."""
    return Allocation(
        torch.where(wins[links.ue_network], one.serving, other.serving),
        torch.where(wins[links.bs_network].unsqueeze(1), one.power_w, other.power_w),
    )
