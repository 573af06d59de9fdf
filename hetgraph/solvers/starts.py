"""Starts of a search for the largest utility: where good allocations differ in kind, not by degrees."""

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.rates import noise_plus_far_w
from hetgraph.solvers.association import best_edge, max_rsrp_association, rsrp_db
from hetgraph.solvers.copies import hashed, places

KINDS = 6
_DECADES = 3.0  # how far powers are lowered
_BIAS_DB = 12.0
_TARGET_DB, _JITTER_DB = (-10.0, 15.0), 5.0  # around the least mean SNR of a station's users


def starts_of(copies: Batch, links: Links, count: int, seed: int) -> tuple[Allocation, Tensor]:
    """Starts, one for each copy, the kinds taking turns; and in which copies the association leads, not the powers ``[S B]``.

    ====  ===========================================================================================
    kind  start
    ====  ===========================================================================================
    0     random factors between the powers of resource blocks, up to e
    1     every station off, at its budget or lower by up to three decades, on every resource block by chance
    2     random association among stations of similar strength: a bias per user and station
    3     every station silent by chance on all resource blocks, with a probability of the start's own
    4     powers at which the users of all stations have about one mean SNR, where budgets allow it
    5     cell range expansion: a bias per station
    ====  ===========================================================================================

    Stations spend their whole budget unless they are off or lower.

    Args:
        copies: copies of a graph or batch, see :mod:`hetgraph.solvers.copies`.
        links: their index structure.
        count: number of copies S.
        seed: of what is drawn; more starts keep the first ones.
    """
    bs, networks = copies["bs"], links.num_networks // count
    start = torch.arange(links.num_networks, device=links.bs.device) // networks
    kind, of_bs, of_ue = start % KINDS, start[links.bs_network], start[links.ue_network]
    station, user = places(links.bs_network, links.num_networks), places(links.ue_network, links.num_networks)
    block = torch.arange(bs.rb_power_max_w.shape[1], device=links.bs.device)

    per_block = hashed(seed, of_bs.unsqueeze(1), station.unsqueeze(1), block)
    per_station = hashed(seed + 1, of_bs, station).unsqueeze(1)
    per_start = hashed(seed + 2, of_bs).unsqueeze(1)
    own = kind[links.bs_network].unsqueeze(1)
    weight = torch.where(own == 0, per_block.exp(), 1.0)
    weight = torch.where(own == 1, _some_on(_lowered(per_block), links), weight)
    weight = torch.where(own == 3, _some_on((per_station >= per_start / 2) * torch.ones_like(weight), links), weight)
    share = weight / weight.sum(1, keepdim=True).clamp_min(1)
    share = torch.where(own == 4, share * _compensation(copies, links, per_start, per_station), share)
    power = torch.minimum((share * bs.power_max_w.unsqueeze(1)).to(bs.power_max_w), bs.rb_power_max_w)

    bias = _BIAS_DB * hashed(seed + 3, of_ue[links.ue], user[links.ue], station[links.bs])
    expansion = _BIAS_DB * hashed(seed + 4, of_bs, station)[links.bs]
    edge_kind = kind[links.ue_network][links.ue]
    score = torch.where(edge_kind == 2, bias, torch.where(edge_kind == 5, expansion, 0.0))
    rsrp = rsrp_db(copies, links)
    return Allocation(best_edge(copies, links, rsrp + links.lift(score).to(rsrp)), power), (kind == 2) | (kind == 5)


def _lowered(draw: Tensor) -> Tensor:
    """Zero for half of uniform numbers, one for a quarter, lower by up to three decades for a quarter."""
    return torch.where(draw < 0.5, 0.0, 10 ** (-_DECADES * (4 * draw - 3).clamp_min(0)))


def _some_on(weight: Tensor, links: Links) -> Tensor:
    """Weights ``[N, R]``, all ones in networks where none is left."""
    left = links.sum_bs_to_network(weight.sum(1))[links.bs_network].unsqueeze(1)
    return torch.where(left > 0, weight, 1.0)


def _compensation(copies: Batch, links: Links, per_start: Tensor, per_station: Tensor) -> Tensor:
    """Part of each budget at which a station's strongest users have the target SNR, at most one; none without users ``[N, 1]``."""
    serving, bs = max_rsrp_association(copies), copies["bs"]
    gain = links.pick(copies[CHANNEL].gain, links.slot_of(serving)).double().mean(1)
    snr = gain * bs.power_max_w[serving.clamp_min(0)] / noise_plus_far_w(copies).double().mean(1)
    load = links.users_per_bs(serving, torch.ones_like(snr))
    mean = links.users_per_bs(serving, 10 * snr.clamp_min(1e-30).log10()) / load.clamp_min(1)
    least = mean.new_full((links.num_networks,), torch.inf)
    least = least.scatter_reduce(0, links.bs_network, torch.where(load > 0, mean, torch.inf), "amin")
    low, high = _TARGET_DB
    target = least[links.bs_network].unsqueeze(1) + low + (high - low) * per_start
    below = target + _JITTER_DB * (2 * per_station - 1) - mean.unsqueeze(1)
    return torch.where(load.unsqueeze(1) > 0, 10 ** (below.clamp_max(0) / 10), 0.0)
