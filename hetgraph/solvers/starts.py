"""Starts of a search for the largest utility: where good allocations differ in kind, not by degrees."""

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetgraph.graph.links import Links
from hetgraph.radio.allocation import Allocation
from hetgraph.solvers.association import _rsrp_db, best_edge
from hetgraph.solvers.copies import hashed, places

KINDS = 6
_DECADES, _BIAS_DB, _SWAY_DB = 3.0, 12.0, 12.0


def starts_of(copies: Batch, links: Links, count: int, seed: int) -> tuple[Allocation, Tensor]:
    """Starts, one for each copy, the kinds taking turns; and in which copies the association leads, not the powers ``[S B]``.

    ====  ===========================================================================================
    kind  start
    ====  ===========================================================================================
    0     random factors between the powers of resource blocks, up to e
    1     every station on or off by chance on every resource block
    2     random association among stations of similar strength: a bias per user and station
    3     every station silent by chance on all resource blocks, with a probability of the start's own
    4     every station at full power or, by chance, lower by up to three decades
    5     cell range expansion: a bias per station
    ====  ===========================================================================================

    Stations spend their whole budget, but for kind 4 and for those that are off.

    Args:
        copies: copies of a graph or batch, see :mod:`hetgraph.solvers.copies`.
        links: their index structure.
        count: number of copies S.
        seed: of what is drawn; more starts keep the first ones.
    """
    bs, networks = copies["bs"], links.num_networks // count
    start = torch.arange(links.num_networks, device=links.bs.device) // networks
    kind = start % KINDS
    of_bs, of_ue = start[links.bs_network], start[links.ue_network]
    station, user = places(links.bs_network, links.num_networks), places(links.ue_network, links.num_networks)
    block = torch.arange(bs.rb_power_max_w.shape[1], device=links.bs.device)

    per_block = hashed(seed, of_bs.unsqueeze(1), station.unsqueeze(1), block)
    per_station = hashed(seed + 1, of_bs, station).unsqueeze(1)
    silent = hashed(seed + 2, of_bs).unsqueeze(1) / 2
    ones, own = torch.ones_like(per_block), kind[links.bs_network].unsqueeze(1)
    weight = torch.where(own == 0, per_block.exp(), ones)
    weight = torch.where(own == 1, _some_on((per_block < 0.5).double(), links), weight)
    weight = torch.where(own == 3, _some_on((per_station >= silent) * ones, links), weight)
    lower = (2 * per_station - 1).clamp_min(0)
    level = torch.where(own == 4, 10 ** (-_DECADES * lower), 1.0)
    power = level * weight / weight.sum(1, keepdim=True).clamp_min(1) * bs.power_max_w.unsqueeze(1)
    power = torch.minimum(power.to(bs.power_max_w), bs.rb_power_max_w)

    edge_bs, edge_ue = station[links.bs], user[links.ue]
    sway = _SWAY_DB * hashed(seed + 3, of_ue[links.ue], edge_ue, edge_bs)
    bias = _BIAS_DB * hashed(seed + 4, of_bs, station)[links.bs]
    edge_kind = kind[links.ue_network][links.ue]
    score = torch.where(edge_kind == 2, sway, torch.where(edge_kind == 5, bias, 0.0))
    rsrp = _rsrp_db(copies, links)
    return Allocation(best_edge(copies, links, rsrp + links.lift(score).to(rsrp)), power), (kind == 2) | (kind == 5)


def _some_on(weight: Tensor, links: Links) -> Tensor:
    """Weights ``[N, R]``, all ones in networks where none is left."""
    left = links.sum_bs_to_network(weight.sum(1))[links.bs_network].unsqueeze(1)
    return torch.where(left > 0, weight, 1.0)
