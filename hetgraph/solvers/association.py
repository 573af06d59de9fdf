"""Who is served by whom, at given powers: strongest station, biased, dual prices, voting."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.power import equal_power_w
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.rates import edge_sinr, shannon
from hetgraph.solvers.moves import NEVER, Choices, choices_of, improved, n_log_n
from hetgraph.solvers.moves import improve_by_moves as improve_by_moves


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


def max_rsrp_association(graph: HeteroData, links: Links | None = None) -> Tensor:
    """Each user to the station that it receives at the highest power ``[U]``: full power, mean over resource blocks.

    The power is ``rsrp_dbm`` where the graph has it (no fading, as a phone averages it out), else gain times budget.

    Args:
        graph: a graph or a batch of graphs.
        links: index structure, when at hand.

    Example:
        >>> graph = from_gain(torch.tensor([[[1.0], [3.0]], [[2.0], [2.0]]]), noise_w=1.0, power_max_w=torch.tensor([1.0, 2.0]))
        >>> max_rsrp_association(graph)
        tensor([1, 1])
    """
    links = links or links_of(graph)
    return best_edge(graph, links, rsrp_db(graph, links))


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
    return best_edge(graph, links, rsrp_db(graph, links) + links.from_bs(bias_db.to(power.dtype)))


def rsrp_db(graph: HeteroData, links: Links) -> Tensor:
    """Received power by which users tell the strongest station, edge layout, dB; see :func:`max_rsrp_association`."""
    channel = graph[CHANNEL]
    if "rsrp_dbm" in channel:
        return links.lift(channel.rsrp_dbm)
    received = links.lift(channel.gain.mean(1)) * links.from_bs(graph["bs"].power_max_w)
    return received.clamp_min(1e-37).log10() * 10


def full_band_rates(graph: HeteroData, power_w: Tensor, links: Links | None = None) -> Tensor:
    """Rate of every edge if it had its station to itself, edge layout, bit/s."""
    links = links or links_of(graph)
    efficiency = shannon(edge_sinr(graph, power_w, links=links))
    if links.dense:
        band = graph.rb_bandwidth_hz.reshape(links.num_networks, 1, 1, -1)
    else:
        band = links.from_ue(graph.rb_bandwidth_hz[links.ue_network])
    rate: Tensor = (efficiency * band).sum(-1)
    return rate


def rate_weighted_voting(graph: HeteroData, power_w: Tensor) -> Tensor:
    """One station per user from the stations that serve it best on each resource block ``[U]`` (Algorithm 1, step 3).

    On each block the vote goes to the station with the highest rate there, and weighs as much as that rate.
    """
    links = links_of(graph)
    rate = shannon(edge_sinr(graph, power_w, links=links))  # edge layout [*, R]
    top = links.from_ue(links.max_to_ue(rate))
    votes = torch.where(rate >= top, rate, torch.zeros_like(rate)).sum(-1)
    return best_edge(graph, links, votes)


def dual_price_association(
    graph: HeteroData,
    power_w: Tensor,
    *,
    start: Tensor | None = None,
    rate: Tensor | None = None,
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
        rate: rate c of every edge with its station to itself, edge layout, bit/s; that at ``power_w`` when ``None``.
        iterations: price updates of each kind.
        polish: most moves per network.
    """
    links = links_of(graph)
    rate = full_band_rates(graph, power_w, links) if rate is None else rate
    log_rate = rate.clamp_min(torch.finfo(rate.dtype).tiny).log()
    allowed = may_serve(graph, links)
    if allowed is not None:
        log_rate = log_rate.masked_fill(~allowed, NEVER)
    choices = choices_of(log_rate, links)
    top, best = choices.best(choices.value)
    served = top > NEVER / 10
    value = pf_value(choices, best)
    if start is not None:
        best, value = _better(best, value, links.slot_of(start), choices)
    price = _softened_price(choices, iterations)
    slot = choices.best(choices.value - choices.at(_best_price(choices, price, iterations)))[1]
    best, _ = _better(best, value, slot, choices)
    best = improved(choices, best, polish)
    return torch.where(served, choices.station_of(best), -1)


def _softened_price(choices: Choices, iterations: int) -> Tensor:
    """Prices ``[N]`` that follow the load of a softened choice whose temperature falls."""
    price = choices.value.new_zeros(choices.links.num_bs)
    for step in range(iterations):
        temperature = 0.3 * 0.02 ** (step / max(iterations - 1, 1))
        choice = torch.softmax((choices.value - choices.at(price)).div_(temperature), 1)
        price = price + 0.3 * ((choices.total(choice) + 0.1).log() - price)
    return price


def _best_price(choices: Choices, price: Tensor, iterations: int) -> Tensor:
    """Prices ``[N]`` of the best association that users' choices give while prices follow their loads with diminishing steps."""
    links, best = choices.links, price
    value = torch.full((links.num_networks,), -torch.inf, dtype=torch.double, device=price.device)
    ones = price.new_ones(links.num_ue)
    for step in range(iterations):
        top, slot = choices.best(choices.value - choices.at(price))
        load = torch.zeros_like(price).index_add_(0, choices.station_of(slot), ones)
        # The chosen log rates are what users saw plus the prices; in float64, for they are sums of many.
        cost = n_log_n(load.double()) - load * price.double()
        new = links.sum_ue_to_network(top.double()) - links.sum_bs_to_network(cost)
        better, value = new > value, torch.maximum(new, value)
        best = torch.where(better[links.bs_network], price, best)
        price = price + 0.2 / (1 + 0.2 * step) * ((load + 0.1).log() - price)
    return best


def pf_value(choices: Choices, slot: Tensor) -> Tensor:
    """Sum over a network's users of log(c / n) for an association in slots ``[B]``; a user without one gains nothing."""
    links, chosen = choices.links, choices.pick(slot)
    load = links.users_per_bs(
        torch.where(slot >= 0, choices.station_of(slot.clamp_min(0)), -1), torch.ones_like(chosen)
    )
    return links.sum_ue_to_network(chosen * (slot >= 0)) - links.sum_bs_to_network(n_log_n(load))


def _better(best: Tensor, value: Tensor, other: Tensor, choices: Choices) -> tuple[Tensor, Tensor]:
    candidate = pf_value(choices, other)
    wins = candidate > value
    return torch.where(wins[choices.links.ue_network], other, best), torch.where(wins, candidate, value)


def allocate(graph: HeteroData, serving: Tensor) -> Allocation:
    """An association with equal power on all resource blocks."""
    return Allocation(serving, equal_power(graph))
