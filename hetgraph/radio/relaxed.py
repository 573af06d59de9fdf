"""Relaxed allocations: rates of all edges, utility of a soft association, and which way is up.

One pass over the gains gives the rate of every candidate edge and, per station and resource block, the two parts of the
derivative of the utility with respect to the logarithm of the power: what the own users gain and what others suffer.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.sums_of_others import sum_of_other_edges
from hetgraph.radio.far_links import FarLinks
from hetgraph.radio.rates import LOG2E, noise_plus_far_w, spectral_efficiency

Objective = Literal["pf", "sum_rate"]


@dataclass(frozen=True)
class Channels:
    """Gains in the units of the rounds: received power at full budget over noise, so that numbers are near one.

    Args:
        snr: SNR of every edge if its station put the whole budget on a resource block, edge layout ``[*, R]``.
        cap: largest fraction of the budget on a resource block ``[N, R]``.
        bandwidth: bandwidth of the resource blocks over the total ``[B, R]``.
        may_serve: edges that may serve, edge layout, or ``None`` for all.
        far: edges that are left out of the edge layout and only interfere, ``None`` if there are none.
    """

    snr: Tensor
    cap: Tensor
    bandwidth: Tensor
    may_serve: Tensor | None
    far: FarLinks | None = None


def channels_of(graph: HeteroData, links: Links, dtype: torch.dtype | None = None) -> Channels:
    """Normalised gains of a graph or a batch, in ``dtype`` (the gain's own when ``None``)."""
    channel, bs = graph[CHANNEL], graph["bs"]
    snr = links.lift(channel.gain) * links.from_bs(bs.power_max_w.unsqueeze(1)) / links.from_ue(noise_plus_far_w(graph))
    cap = power_caps(graph)
    bandwidth = graph.rb_bandwidth_hz / graph.rb_bandwidth_hz.sum(1, keepdim=True)
    may_serve = links.lift(channel.may_serve) if "may_serve" in channel else None
    dtype = dtype or snr.dtype
    return Channels(snr.to(dtype), cap.to(dtype), bandwidth.to(dtype), may_serve)


def power_caps(graph: HeteroData) -> Tensor:
    """Largest fraction of its budget that a station may put on a resource block ``[N, R]``."""
    bs = graph["bs"]
    cap: Tensor = bs.rb_power_max_w / bs.power_max_w.unsqueeze(1).clamp_min(1e-30)
    return cap


@dataclass(frozen=True)
class Rates:
    """Rates of all edges at given power fractions, with what the derivative needs again.

    Args:
        rate: spectral efficiency of each edge over the whole band, edge layout, bit/s/Hz.
        received: received power over noise ``[*, R]``.
        interference: interference plus noise over noise ``[*, R]``.
        fraction: the power fractions ``[N, R]``.
    """

    rate: Tensor
    received: Tensor
    interference: Tensor
    fraction: Tensor


def edge_rates(channels: Channels, links: Links, fraction: Tensor) -> Rates:
    """Rates of all edges when station ``b`` puts ``fraction [N, R]`` of its budget on each resource block."""
    received = channels.snr * links.from_bs(fraction)
    interference = sum_of_other_edges(received, links) + 1
    if channels.far is not None:
        interference = interference + links.from_ue(channels.far.interference(fraction, links))
    efficiency = spectral_efficiency(received, interference, nats=True)
    rate = (efficiency * _per_edge(channels.bandwidth, links)).sum(-1) * LOG2E
    return Rates(rate, received, interference, fraction)


def _per_edge(network: Tensor, links: Links) -> Tensor:
    """Network tensor ``[B, *]``, broadcastable against the edge layout."""
    if links.dense:
        return network.reshape(links.num_networks, 1, 1, *network.shape[1:])
    return links.from_ue(network[links.ue_network])


def utility(rates: Rates, association: Tensor, links: Links, objective: Objective = "pf") -> Tensor:
    """Relaxed utility of a soft association, summed over each network's users ``[B]``.

    ``pf``: sum of a_e log(rate_e / n_b), n_b the summed association of the station (Ye et al. 2013, eq. 7, before
    rounding); ``sum_rate``: sum of a_e rate_e / n_b. Rates are spectral efficiencies, bit/s/Hz.
    """
    load = links.sum_to_bs(association)
    if objective == "pf":
        shared = (rates.rate.clamp_min(1e-9)).log() - links.from_bs(load.clamp_min(1e-6).log())
        return links.sum_ue_to_network(links.sum_to_ue(association * shared))
    weighted = links.sum_to_bs(association * rates.rate) / load.clamp_min(1e-6)
    return links.sum_bs_to_network(weighted)


def pull(
    rates: Rates, association: Tensor, channels: Channels, links: Links, objective: Objective = "pf"
) -> tuple[Tensor, Tensor, Tensor]:
    """Own gain, harm done and load: the derivative of the utility per unit of log power is the first minus the second.

    Returns:
        own gain ``[N, R]``, harm ``[N, R]`` (both non-negative) and load ``[N]``.
    """
    load = links.sum_to_bs(association)
    scale = rates.rate.clamp_min(1e-9) if objective == "pf" else links.from_bs(load.clamp_min(1e-6))
    weight = association / scale
    weight = weight.unsqueeze(-1) * (_per_edge(channels.bandwidth, links) * LOG2E)
    own = weight * rates.received / (rates.received + rates.interference)
    pain = own / rates.interference
    harm = rates.received * sum_of_other_edges(pain, links)
    if channels.far is None:
        return links.sum_to_bs(own), links.sum_to_bs(harm), load
    far = channels.far.harm(rates.fraction, links.sum_to_ue(pain), links)
    return links.sum_to_bs(own), links.sum_to_bs(harm) + far, load


def fractions(logits: Tensor, cap: Tensor) -> Tensor:
    """Power fractions from logits ``[N, R]`` with an idle slot of logit zero, so that the sum may stay below one."""
    idle = logits.new_zeros(logits.shape[0], 1)
    return torch.minimum(torch.cat([logits, idle], 1).softmax(1)[:, :-1], cap)
