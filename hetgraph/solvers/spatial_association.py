"""Association and groups of users for stations that precode."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import MOUNTED_ON
from hetgraph.graph.tracing import count, exporting
from hetgraph.radio.groups import equal_groups, layers_of
from hetgraph.radio.rates import noise_plus_far_w, shannon
from hetgraph.radio.spatial import antenna_channels
from hetgraph.solvers.association import dual_price_association, equal_power


def groups_by_gain(graph: HeteroData, serving: Tensor, links: Links | None = None) -> Tensor:
    """Group of each user on each block ``[U, R]``, -1 for none: a station's users are dealt out by the power of their channels.

    Each group so has strong and weak users, and no group has more than the station serves at once.

    Args:
        graph: a graph or a batch of graphs with ``h``.
        serving: station of each user, -1 for none ``[U]``.
        links: index structure, when at hand.

    Raises:
        ValueError: a graph without ``h``.
    """
    links = links or links_of(graph)
    h = links.pick(antenna_channels(graph), links.slot_of(serving))  # [U, Amax, R]
    power = (h.real.square() + h.imag.square()).sum(1)
    return equal_groups(serving, power, layers_of(graph, links), links)


def expected_rates(graph: HeteroData, links: Links | None = None, power: Tensor | None = None) -> Tensor:
    r"""Rate of every edge if its user had its share of the station's sum rate to itself, edge layout, bit/s.

    A station of A antennas that serves L users at once gives up L - 1 of its dimensions to keep them apart and splits its power:

    .. math:: c = \max_{L} L \sum_r B_r \log_2 \Big( 1 + \frac{A - L + 1}{L} \gamma_r \Big),

    with the SINR gamma of one antenna. A user's part among n users is c / n.

    Args:
        graph: a graph or a batch of graphs with ``h``.
        links: index structure, when at hand.
        power: of stations on blocks ``[N, R]``, W; equal powers when ``None``.
    """
    links = links or links_of(graph)
    power_w = equal_power(graph) if power is None else power
    antennas = count(graph[MOUNTED_ON].edge_index[1], links.num_bs)
    h = antenna_channels(graph)
    number = links.flat(_on_edges(links.from_bs(antennas), links)).to(h.real.dtype)
    gain = (h.real.square() + h.imag.square()).sum(1) / number.unsqueeze(1)
    received = links.lift(gain) * links.from_bs(power_w)
    total = links.from_ue(links.sum_to_ue(received) + noise_plus_far_w(graph))
    sinr = received / (total - received).clamp_min(torch.finfo(total.dtype).tiny)
    if links.dense:
        band = graph.rb_bandwidth_hz.reshape(links.num_networks, 1, 1, -1)
    else:
        band = links.from_ue(graph.rb_bandwidth_hz[links.ue_network])
    most = links.from_bs(layers_of(graph, links))
    dimensions, best = links.from_bs(antennas), torch.zeros_like(sinr[..., 0])
    if exporting():
        return _best_of_all(sinr, band, dimensions, most, h.shape[1])
    for users in range(1, int(layers_of(graph, links).max()) + 1):
        share = ((dimensions - users + 1).clamp_min(0) / users).unsqueeze(-1)
        rate = users * (shannon(share * sinr) * band).sum(-1)
        best = torch.where(users <= most, torch.maximum(best, rate), best)
    return best


def _best_of_all(sinr: Tensor, band: Tensor, dimensions: Tensor, most: Tensor, width: int) -> Tensor:
    """Largest sum rate over 1, ... ``width`` users, all at once, as in a program no value decides on the number of steps ``[E]``."""
    users = torch.arange(1, width + 1, device=sinr.device)
    share = (dimensions.unsqueeze(-1) - users + 1).clamp_min(0) / users  # [E, width]
    rate: Tensor = users * (shannon(share.unsqueeze(-1) * sinr.unsqueeze(-2)) * band.unsqueeze(-2)).sum(-1)
    return rate.masked_fill(users > most.unsqueeze(-1), 0).amax(-1)


def _on_edges(value: Tensor, links: Links) -> Tensor:
    """A station's value, broadcast to its edges, edge layout."""
    return value.expand(links.lift(links.bs).shape)


def spatial_association(graph: HeteroData) -> Tensor:
    """Association that maximises proportional fairness by dual prices on expected multi-user rates ``[U]``."""
    return dual_price_association(graph, equal_power(graph), rate=expected_rates(graph))
