"""Key performance indicators of an allocation; their units, directions and sources are in :mod:`hetgraph.kpi_table`."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.rates import Convention, rates_bps

LEAST_BPS_PER_HZ = 1e-9  # what a user without a rate counts at in the utility, so that it stays finite in any unit


@dataclass(frozen=True)
class KPIs:
    """Indicators of one allocation on a graph or a batch of B graphs.

    Args:
        rate_bps: rate of each user ``[U]``, bit/s.
        sum_rate_bps: sum over a network's users ``[B]``, bit/s.
        mean_rate_bps: mean over users ``[B]``, bit/s.
        p5_rate_bps: 5th percentile over users, those who are not served at zero, linear interpolation ``[B]``, bit/s.
        jain: Jain's fairness index (eq. 11) ``[B]``; zero when all rates are zero.
        pf_utility: mean natural logarithm of the rate in bit/s ``[B]``, nats above 1 bit/s; rates below 1e-9 bit/s/Hz of the
            network's bandwidth count as that, so that differences have no unit. To compare methods see :func:`pf_gain`.
        spectral_efficiency: sum rate over the bandwidth, per station ``[B]``, bit/s/Hz.
        power_w: summed transmit power ``[B]``, W.
        energy_efficiency_bpj: sum rate over sum(P_tx / efficiency + P_circuit) ``[B]``, bit/J.
        qos_violation: share of users below ``rate_min_bps`` ``[B]``; zero without that attribute.
        load: users served by each station ``[N]``.
        load_imbalance: standard deviation over mean of the stations' loads ``[B]``.
        unserved: share of users whose rate is zero, for want of a station, of power or of a channel ``[B]``.
        subchannel_utilisation: share of (station, resource block) pairs with power ``[B]``.
    """

    rate_bps: Tensor
    sum_rate_bps: Tensor
    mean_rate_bps: Tensor
    p5_rate_bps: Tensor
    jain: Tensor
    pf_utility: Tensor
    spectral_efficiency: Tensor
    power_w: Tensor
    energy_efficiency_bpj: Tensor
    qos_violation: Tensor
    load: Tensor
    load_imbalance: Tensor
    unserved: Tensor
    subchannel_utilisation: Tensor


def evaluate(
    graph: HeteroData, allocation: Allocation, convention: Convention = "equal_airtime", *, sic_residual: float = 0.0
) -> KPIs:
    """Rates and indicators of an allocation under a named convention; differentiable in its powers and airtimes.

    Args:
        graph: a graph or a batch of graphs.
        allocation: the decision.
        convention: who shares what with whom.
        sic_residual: part of a cancelled layer's power that remains, where users are superposed.

    Raises:
        ValueError: an unknown convention, or one that the allocation lacks a field for.

    Example:
        >>> graph = from_gain(torch.tensor([[[3.0], [1.0]]]), noise_w=1.0, power_max_w=1.0)  # one station, two users, 1 Hz
        >>> evaluate(graph, Allocation(torch.tensor([0, 0]), torch.ones(1, 1))).rate_bps  # half the time each
        tensor([1.0000, 0.5000])
    """
    links = links_of(graph)
    rate = rates_bps(graph, allocation, convention, links=links, sic_residual=sic_residual)
    count = links.sum_ue_to_network(torch.ones_like(rate))
    total = links.sum_ue_to_network(rate)
    square = links.sum_ue_to_network(rate**2)
    power = links.sum_bs_to_network(allocation.power_w.sum(1))
    without_rate = (rate <= 0).to(rate.dtype)
    bandwidth = graph.rb_bandwidth_hz.sum(1)
    least = LEAST_BPS_PER_HZ * bandwidth[links.ue_network]
    load = links.users_per_bs(allocation.serving, torch.ones_like(rate))
    stations = links.sum_bs_to_network(torch.ones_like(load))
    mean_load = links.sum_bs_to_network(load) / stations
    variance = links.sum_bs_to_network((load - mean_load[links.bs_network]) ** 2) / stations
    on = (allocation.power_w > graph["bs"].power_max_w.unsqueeze(1) * 1e-6).to(rate.dtype).mean(1)
    return KPIs(
        rate_bps=rate,
        sum_rate_bps=total,
        mean_rate_bps=total / count,
        p5_rate_bps=_percentile(rate, links, 0.05),
        jain=torch.where(square > 0, total**2 / (count * square).clamp_min(1e-30), torch.zeros_like(total)),
        pf_utility=links.sum_ue_to_network(torch.maximum(rate, least).log()) / count,
        spectral_efficiency=total / (bandwidth * stations),
        power_w=power,
        energy_efficiency_bpj=total / _consumed_w(graph, allocation, links).clamp_min(1e-30),
        qos_violation=_qos_violation(graph, rate, links) / count,
        load=load,
        load_imbalance=variance.sqrt() / mean_load.clamp_min(1e-30),
        unserved=links.sum_ue_to_network(without_rate) / count,
        subchannel_utilisation=links.sum_bs_to_network(on) / stations,
    )


def pf_gain(rate_bps: Tensor, reference_bps: Tensor, links: Links) -> Tensor:
    """Proportional-fairness gain of each network ``[B]``, nats: mean of log(rate / reference's rate) over users whom both serve.

    A ratio of rates has no unit. Users whom only one of the two serves do not count: they are in the two ``unserved``, which are
    to be told beside the gain. Zero where no user is served by both.

    Args:
        rate_bps: rate of each user ``[U]``, bit/s.
        reference_bps: its rate under the reference ``[U]``, bit/s.
        links: index structure of the graph or batch.

    Example:
        >>> graph = from_gain(torch.ones(1, 2, 1), noise_w=1.0, power_max_w=1.0)
        >>> pf_gain(torch.tensor([2.0, 2.0]), torch.tensor([1.0, 2.0]), links_of(graph))  # ln(2) and 0
        tensor([0.3466], dtype=torch.float64)
    """
    both = (rate_bps > 0) & (reference_bps > 0)
    # In double precision: logarithms of rates are of the order of 16, with steps of 2e-6 in single.
    gain = torch.where(both, rate_bps.double() / reference_bps.double().clamp_min(1e-300), 1.0).log()
    return links.sum_ue_to_network(gain) / links.sum_ue_to_network(both.double()).clamp_min(1)


def _consumed_w(graph: HeteroData, allocation: Allocation, links: Links) -> Tensor:
    bs, transmitted = graph["bs"], allocation.power_w.sum(1)
    if "amplifier_efficiency" in bs:
        transmitted = transmitted / bs.amplifier_efficiency
    if "circuit_power_w" in bs:
        transmitted = transmitted + bs.circuit_power_w
    return links.sum_bs_to_network(transmitted)


def _qos_violation(graph: HeteroData, rate: Tensor, links: Links) -> Tensor:
    if "rate_min_bps" not in graph["ue"]:
        return torch.zeros_like(links.sum_ue_to_network(rate))
    return links.sum_ue_to_network((rate < graph["ue"].rate_min_bps).to(rate.dtype))


def _percentile(rate: Tensor, links: Links, q: float) -> Tensor:
    """Percentile of each network's users with linear interpolation, as ``numpy.percentile`` ``[B]``."""
    if links.dense or links.num_networks == 1:
        ordered = rate.reshape(links.num_networks, -1).sort(1).values
        count = torch.full((links.num_networks,), ordered.shape[1], device=rate.device)
        start = torch.arange(links.num_networks, device=rate.device) * ordered.shape[1]
        ordered = ordered.reshape(-1)
    else:
        by_rate = rate.argsort(stable=True)
        order = by_rate[links.ue_network[by_rate].argsort(stable=True)]
        ordered = rate[order]
        count = torch.bincount(links.ue_network, minlength=links.num_networks)
        start = count.cumsum(0) - count
    position = q * (count - 1).to(rate.dtype)
    low = position.floor().long()
    high = torch.minimum(low + 1, count - 1)
    weight = position - low
    return ordered[start + low] * (1 - weight) + ordered[start + high] * weight
