"""The strongest candidates of every user as a graph of its own; over its other edges users are interfered with."""

import copy
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.kept import Kept
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.power import equal_power_w
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.tracing import exporting
from hetgraph.radio.far_links import FarLinks
from hetgraph.radio.relaxed import Channels, channels_of

_SERVES_NAT = 1e3  # above any difference of received powers, so that edges that may serve come first


@dataclass(frozen=True)
class NearGraph:
    """What a network that reads few edges needs of a graph.

    Args:
        graph: with the candidates' edges alone; what arrives over the others at equal power is in ``far_interference_w``.
        links: index structure of these edges.
        channels: SNRs of these edges, and of the others.
    """

    graph: HeteroData
    links: Links
    channels: Channels


_KEPT: Kept[NearGraph] = Kept()


def near_graph_of(graph: HeteroData, candidates: int, dtype: torch.dtype) -> NearGraph:
    """The ``candidates`` strongest edges of every user, those first that may serve it; the graph as it is where there are no more.

    Rates and their derivatives are exact with the edges left out: their stations interfere with the power that they have.

    Args:
        graph: a graph or a batch.
        candidates: most edges of a user; 0 for all.
        dtype: of the channels.
    """
    links = links_of(graph)
    if not candidates or not _any_more(links, candidates):
        return NearGraph(graph, links, channels_of(graph, links, dtype))
    return _KEPT.get(graph, (candidates, dtype), lambda: _near_graph(graph, links, candidates, dtype))


def _any_more(links: Links, candidates: int) -> bool:
    if exporting():
        return True  # of graphs with fewer edges all stay
    if links.degree is not None:
        return links.degree > candidates
    return bool((torch.bincount(links.ue, minlength=links.num_ue) > candidates).any())


def _near_graph(graph: HeteroData, links: Links, candidates: int, dtype: torch.dtype) -> NearGraph:
    channels = channels_of(graph, links, dtype)
    near = _strongest(graph, links, candidates)
    snr = links.flat(channels.snr)
    far = FarLinks.of(snr, near, links)
    part = _with_edges(graph, links, near)
    bs = graph["bs"]
    equal = equal_power_w(bs.power_max_w, bs.rb_power_max_w) / bs.power_max_w.clamp_min(1e-30).unsqueeze(1)
    noise, more = graph["ue"].noise_w, graph["ue"].far_interference_w if "far_interference_w" in graph["ue"] else 0.0
    part["ue"].far_interference_w = more + (noise + more) * far.interference(equal.to(dtype), links).to(noise.dtype)
    kept = links_of(part)
    may_serve = None if channels.may_serve is None else kept.lift(links.flat(channels.may_serve)[near])
    return NearGraph(part, kept, replace(channels, snr=kept.lift(snr[near]), may_serve=may_serve, far=far))


def _strongest(graph: HeteroData, links: Links, candidates: int) -> Tensor:
    """Numbers of the edges that stay, ascending."""
    channel = graph[CHANNEL]
    strength = (channel.gain.mean(1) * graph["bs"].power_max_w[links.bs]).clamp_min(1e-30).log()
    if "may_serve" in channel:
        strength = strength + _SERVES_NAT * channel.may_serve
    if exporting():
        width = links.num_bs + candidates  # so that there are as many places as are asked for
        table = strength.new_full((links.num_ue, width), -torch.inf).index_put((links.ue, links.bs), strength)
        chosen = torch.zeros_like(table, dtype=torch.bool).scatter(1, table.topk(candidates, 1).indices, True)
        return chosen[links.ue, links.bs].nonzero().squeeze(1)
    if links.degree is not None:
        top: Tensor = strength.reshape(links.num_ue, links.degree).topk(candidates, 1).indices.sort(1).values
        return (top + links.first_edge.unsqueeze(1)).flatten()
    order = torch.argsort(strength, descending=True, stable=True)
    order = order[torch.argsort(links.ue[order], stable=True)]
    rank = torch.arange(links.num_edges, device=order.device) - links.first_edge[links.ue]
    return order[rank < candidates].sort().values


def _with_edges(graph: HeteroData, links: Links, near: Tensor) -> HeteroData:
    """A graph that shares nodes with another one and has some of its channel edges; slots are counted anew."""
    part, channel = copy.copy(graph), graph[CHANNEL]
    for name, value in channel.to_dict().items():
        if isinstance(value, Tensor) and name != "edge_index" and value.shape[:1] == (links.num_edges,):
            part[CHANNEL][name] = value[near]
    part[CHANNEL].edge_index = channel.edge_index[:, near]
    return part
