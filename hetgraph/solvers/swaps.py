"""Association at given powers by moves of single users and by swaps of two, until neither raises the utility."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links
from hetgraph.solvers.association import full_band_rates, improve_by_moves, may_serve


def improve_association(graph: HeteroData, power_w: Tensor, serving: Tensor, links: Links, most: int = 50) -> Tensor:
    """Association ``[U]`` with no better one a move or a swap away, at powers ``[N, R]``, W; never worse than ``serving``.

    Args:
        graph: a graph or a batch of graphs.
        power_w: powers, W.
        serving: association to start from; users that nobody serves, -1, stay so.
        links: index structure.
        most: most turns of swaps and moves.
    """
    rate = full_band_rates(graph, power_w, links)
    log_rate = rate.clamp_min(torch.finfo(rate.dtype).tiny).log()
    allowed, slot = may_serve(graph, links), links.slot_of(serving)
    if allowed is not None:
        log_rate = log_rate.masked_fill(~allowed, -1e9)
    active = slot >= 0
    slot = slot.clamp_min(0)
    for _ in range(most):
        slot = improve_by_moves(log_rate, slot, links, 1000, active=active)
        swapped = _swapped(log_rate, slot, links, active)
        if torch.equal(swapped, slot):
            break
        slot = swapped
    return links.station_of(torch.where(active, slot, -1))


def _swapped(log_rate: Tensor, slot: Tensor, links: Links, active: Tensor) -> Tensor:
    """Association after the best swaps of disjoint pairs of stations.

    Loads do not change, so that a swap of u at a and v at b gains what u gains by b for a, plus what v gains by a for b: the best
    of a pair of stations joins the best user of either. A pair swaps where each is the other's best partner.
    """
    flat, stations = links.flat(log_rate), links.num_bs
    own = links.station_of(slot)[links.ue]
    gain = flat - links.pick(flat, slot)[links.ue]
    gain = gain.masked_fill((own == links.bs) | ~active[links.ue], -torch.inf)
    pair, of_edge = torch.unique(own * stations + links.bs, return_inverse=True)
    best = gain.new_full((len(pair),), -torch.inf).scatter_reduce(0, of_edge, gain, "amax")
    home, away = pair // stations, pair % stations
    other = torch.searchsorted(pair, away * stations + home).clamp_max(len(pair) - 1)
    both = torch.where(pair[other] == away * stations + home, best + best[other], -torch.inf)
    top = both.new_full((stations,), -torch.inf).scatter_reduce(0, home, both, "amax")
    least = 1e-6 if both.dtype == torch.float32 else 1e-12
    # Of equally good partners the first, or two pairs might share a station.
    order = torch.arange(len(pair), device=pair.device)
    first = torch.full((stations,), len(pair), device=pair.device)
    first = first.scatter_reduce(0, home, torch.where((both >= top[home]) & (both > least), order, len(pair)), "amin")
    takes = (first[home] == order) & (first[away] == other)
    edges = torch.arange(links.num_edges, device=pair.device)
    leads = takes[of_edge] & (gain >= best[of_edge])
    mover = torch.full((len(pair),), links.num_edges, device=pair.device)
    mover = mover.scatter_reduce(0, of_edge, torch.where(leads, edges, links.num_edges), "amin")
    mover = mover[takes]
    slot = slot.clone()
    slot[links.ue[mover]] = (edges - links.first_edge[links.ue])[mover]
    return slot
