"""Who is served by whom, at given powers: strongest station, biased, dual prices, voting."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.power import equal_power_w
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.rates import LOG2E, edge_sinr


def may_serve(graph: HeteroData, links: Links) -> Tensor | None:
    """Edges that may serve, edge layout; ``None`` when all may."""
    channel = graph[CHANNEL]
    return links.lift(channel.may_serve) if "may_serve" in channel else None


def best_edge(graph: HeteroData, links: Links, score: Tensor) -> Tensor:
    """Station of each user's edge with the highest score ``[U]``; -1 where no edge may serve."""
    allowed = may_serve(graph, links)
    if allowed is None:
        return links.station_of(links.argmax_slot(score))
    slot = links.argmax_slot(score.masked_fill(~allowed, -torch.inf))
    return links.station_of(torch.where(links.pick(links.flat(allowed), slot), slot, -1))


def equal_power(graph: HeteroData) -> Tensor:
    """The whole budget, spread equally over the resource blocks as far as their caps allow ``[N, R]``, W."""
    return equal_power_w(graph["bs"].power_max_w, graph["bs"].rb_power_max_w)


def max_rsrp_association(graph: HeteroData) -> Tensor:
    """Each user to the station that it receives at the highest power ``[U]``: full power, mean over resource blocks.

    The power is ``rsrp_dbm`` where the graph has it (no fading, as a phone averages it out), else gain times budget.
    """
    links = links_of(graph)
    return best_edge(graph, links, _rsrp_db(graph, links))


def biased_association(graph: HeteroData, bias_db: Tensor | float = 6.0) -> Tensor:
    """Cell range expansion: strongest station after a bias ``[U]``.

    Args:
        graph: a graph or a batch of graphs.
        bias_db: bias of each station ``[N]``, or one number for all stations whose budget is below their network's largest.
    """
    links = links_of(graph)
    power = graph["bs"].power_max_w
    if not isinstance(bias_db, Tensor):
        top = torch.zeros(links.num_networks, dtype=power.dtype, device=power.device)
        top = top.scatter_reduce(0, links.bs_network, power, "amax")
        bias_db = torch.where(power < 0.99 * top[links.bs_network], float(bias_db), 0.0)
    return best_edge(graph, links, _rsrp_db(graph, links) + links.from_bs(bias_db.to(power.dtype)))


def _rsrp_db(graph: HeteroData, links: Links) -> Tensor:
    channel = graph[CHANNEL]
    if "rsrp_dbm" in channel:
        return links.lift(channel.rsrp_dbm)
    received = links.lift(channel.gain.mean(1)) * links.from_bs(graph["bs"].power_max_w)
    return received.clamp_min(1e-37).log10() * 10


def full_band_rates(graph: HeteroData, power_w: Tensor, links: Links | None = None) -> Tensor:
    """Rate of every edge if it had its station to itself, edge layout, bit/s."""
    links = links or links_of(graph)
    efficiency = torch.log1p(edge_sinr(graph, power_w, links=links))
    if links.dense:
        band = graph.rb_bandwidth_hz.reshape(links.num_networks, 1, 1, -1)
    else:
        band = links.from_ue(graph.rb_bandwidth_hz[links.ue_network])
    rate: Tensor = (efficiency * band).sum(-1) * LOG2E
    return rate


def rate_weighted_voting(graph: HeteroData, power_w: Tensor) -> Tensor:
    """One station per user from the stations that serve it best on each resource block ``[U]`` (Algorithm 1, step 3).

    On each block the vote goes to the station with the highest rate there, and weighs as much as that rate.
    """
    links = links_of(graph)
    rate = torch.log1p(edge_sinr(graph, power_w, links=links))  # edge layout [*, R]
    top = links.from_ue(links.max_to_ue(rate))
    votes = torch.where(rate >= top, rate, torch.zeros_like(rate)).sum(-1)
    return best_edge(graph, links, votes)


def dual_price_association(
    graph: HeteroData,
    power_w: Tensor,
    *,
    start: Tensor | None = None,
    iterations: int = 60,
    polish: int = 1000,
) -> Tensor:
    r"""Association that maximises proportional fairness at given powers (Ye et al. 2013, Algorithm 1) ``[U]``.

    Maximises sum_u log(c_{u,b} / n_b). User u picks argmax log c_{u,b} - price_b; the prices follow the load they
    cause, first on a softened choice whose temperature falls (which the subgradient method needs to leave its cycles), then
    on the choice itself with diminishing steps. The best association met is improved by single moves until none helps.

    Args:
        graph: a graph or a batch of graphs.
        power_w: powers ``[N, R]``, W.
        start: association to beat ``[U]``; the answer is never worse.
        iterations: price updates of each kind.
        polish: most moves per network.
    """
    links = links_of(graph)
    rate = full_band_rates(graph, power_w, links)
    log_rate = rate.clamp_min(torch.finfo(rate.dtype).tiny).log()
    allowed = may_serve(graph, links)
    if allowed is not None:
        log_rate = log_rate.masked_fill(~allowed, -1e9)
    best = links.argmax_slot(log_rate)
    value = pf_value(log_rate, best, links)
    if start is not None:
        best, value = _better(best, value, links.slot_of(start), log_rate, links)
    price = log_rate.new_zeros(links.num_bs)
    for step in range(iterations):
        temperature = 0.3 * 0.02 ** (step / max(iterations - 1, 1))
        choice = links.softmax((log_rate - links.from_bs(price)) / temperature)
        price = price + 0.3 * ((links.sum_to_bs(choice) + 0.1).log() - price)
    for step in range(iterations):
        slot = links.argmax_slot(log_rate - links.from_bs(price))
        best, value = _better(best, value, slot, log_rate, links)
        load = links.users_per_bs(links.station_of(slot), price.new_ones(links.num_ue))
        price = price + 0.2 / (1 + 0.2 * step) * ((load + 0.1).log() - price)
    best = improve_by_moves(log_rate, best, links, polish)
    served = links.pick(links.flat(log_rate), best) > -1e8
    return links.station_of(torch.where(served, best, -1))


def pf_value(log_rate: Tensor, slot: Tensor, links: Links) -> Tensor:
    """Sum over a network's users of log(c / n) for an association in slots ``[B]``."""
    chosen = links.pick(links.flat(log_rate), slot)
    load = links.users_per_bs(links.station_of(slot), chosen.new_ones(chosen.shape))
    return links.sum_ue_to_network(chosen) - links.sum_bs_to_network(_n_log_n(load))


def _better(best: Tensor, value: Tensor, other: Tensor, log_rate: Tensor, links: Links) -> tuple[Tensor, Tensor]:
    candidate = pf_value(log_rate, other, links)
    wins = candidate > value
    return torch.where(wins[links.ue_network], other, best), torch.where(wins, candidate, value)


def improve_by_moves(
    log_rate: Tensor, slot: Tensor, links: Links, moves: int, *, active: Tensor | None = None
) -> Tensor:
    """Move one user at a time, the one whose move helps its network most, until no move helps.

    Moving u from b to b' changes the sum of logs by log c_ub' - log c_ub - (m(n_b' + 1) - m(n_b')) + (m(n_b) - m(n_b - 1))
    with m(n) = n log n.

    Args:
        log_rate: logarithm of each edge's rate, edge layout.
        slot: association in slots ``[U]``.
        links: index structure.
        moves: most moves per network.
        active: users that are there ``[U]``; others neither count nor move. All when ``None``.
    """
    flat, slot = links.flat(log_rate), slot.clone()
    ones = flat.new_ones(links.num_ue) if active is None else active.to(flat.dtype)
    position = torch.arange(links.num_ue, device=slot.device)
    for _ in range(moves):
        station = links.station_of(slot)
        load = links.users_per_bs(station, ones)
        join = _n_log_n(load + 1) - _n_log_n(load)
        leave = (_n_log_n(load) - _n_log_n((load - 1).clamp_min(0)))[station.clamp_min(0)]
        score = log_rate - links.from_bs(join)
        target = links.argmax_slot(score.scatter(-1, _slot_place(slot, score), -torch.inf)) if links.degree else None
        if target is None:
            own = links.lift(links.first_edge[links.ue] + slot[links.ue]) == links.lift(torch.arange(links.num_edges))
            target = links.argmax_slot(score.masked_fill(own, -torch.inf))
        gain = links.pick(links.flat(score), target) - links.pick(flat, slot) + leave
        gain = torch.where((target != slot) & (links.station_of(target) != station) & (ones > 0), gain, -torch.inf)
        top = gain.new_full((links.num_networks,), -torch.inf).scatter_reduce(0, links.ue_network, gain, "amax")
        chosen = (gain >= top[links.ue_network]) & (gain > 1e-6 if gain.dtype == torch.float32 else gain > 1e-12)
        if not bool(chosen.any()):
            break
        first = torch.full((links.num_networks,), links.num_ue, device=slot.device)
        first = first.scatter_reduce(0, links.ue_network, torch.where(chosen, position, links.num_ue), "amin")
        mover = first[first < links.num_ue]
        slot[mover] = target[mover]
    return slot


def _slot_place(slot: Tensor, score: Tensor) -> Tensor:
    return slot.clamp_min(0).reshape(*score.shape[:-1], 1)


def _n_log_n(count: Tensor) -> Tensor:
    return torch.xlogy(count, count)


def allocate(graph: HeteroData, serving: Tensor) -> Allocation:
    """An association with equal power on all resource blocks."""
    return Allocation(serving, equal_power(graph))
