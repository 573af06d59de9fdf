"""Weighted sums over channel edges, made ready once and used by several layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from hetgraph.graph.links import Links
from hetgraph.graph.tracing import exporting

Target = Literal["ue", "bs"]
Aggregation = Literal["mean", "sum"]
LEAST_WEIGHT = 1e-6  # a mean over edges that weigh less is smaller than the mean, and zero over none


def normalised(weight: Tensor, total: Tensor, aggr: Aggregation) -> Tensor:
    """Weights with which a sum is the aggregation, from the edges' ``weight`` and their sums ``total`` at the same places."""
    return weight / total.clamp_min(LEAST_WEIGHT) if aggr == "mean" else weight


class Bags(NamedTuple):
    """Edges with their weights, in the order of users and in that of stations.

    Args:
        bs: station of each edge, by user ``[E]``.
        ue_first: where the edges of each user begin ``[U]``.
        by_ue: weights in this order ``[G, E]``.
        ue: user of each edge, by station ``[E]``.
        bs_first: where the edges of each station begin ``[N]``.
        by_bs: weights in this order ``[G, E]``.
    """

    bs: Tensor
    ue_first: Tensor
    by_ue: Tensor
    ue: Tensor
    bs_first: Tensor
    by_bs: Tensor


@dataclass(frozen=True)
class EdgeSums:
    r"""Sums :math:`\sum_e w_{e,g} v_e` over the edges of each user or station, for G groups of edges.

    Where all stations of a network are candidates of its users, sums of node states are products with the matrix of weights.
    Elsewhere they are bags of rows, of which the gradient is a sum over the same edges in the other direction: no tensor of
    edges times width is made, forward or backward.

    Args:
        links: index structure of the edges.
        to: nodes at which sums are taken.
        weight: weights of groups and edges, normalised, ``[G, E]``.
        edges: sums of the edges' columns ``[U or N, G * C]``.
        bags: edges and weights for sums of node states; ``None`` where these are products, or not asked for.
    """

    links: Links
    to: Target
    weight: Tensor
    edges: Tensor
    bags: Bags | None

    @staticmethod
    def of(
        links: Links, edge_attr: Tensor, weight: Tensor, to: Target, aggr: Aggregation = "mean", nodes: bool = True
    ) -> "EdgeSums":
        """Sums of a graph.

        Args:
            links: index structure.
            edge_attr: columns of edges ``[E, C]``.
            weight: weights of edges and groups ``[E, G]``, not negative.
            to: nodes at which sums are taken.
            aggr: ``mean`` divides them by the sums of weights.
            nodes: sums of node states will be asked for.
        """
        ends, add = (links.from_ue, _sum_to_ue) if to == "ue" else (links.from_bs, _sum_to_bs)
        groups = []
        for part in weight.unbind(1):  # one group at a time, so that sums run over contiguous numbers
            lifted = links.lift(part.contiguous())
            if aggr == "mean":
                total = links.sum_to_ue(lifted) if to == "ue" else links.sum_to_bs(lifted)
                lifted = normalised(lifted, ends(total), aggr)
            groups.append(links.flat(lifted))
        sums = [add(links, edge_attr, part) for part in groups]
        stacked = torch.stack(groups)
        bags = _bags(links, stacked) if nodes and not links.dense and not exporting() else None
        return EdgeSums(links, to, stacked, torch.cat(sums, 1), bags)

    @staticmethod
    def among(edge_index: Tensor, edge_attr: Tensor, network: Tensor, num_networks: int) -> "EdgeSums":
        """Means over edges between nodes of one kind, as (bs, neighbours, bs), at the nodes that hear.

        Args:
            edge_index: from whom to whom ``[2, E]``, in any order.
            edge_attr: columns of edges ``[E, C]``.
            network: network of each node ``[N]``.
            num_networks: number of networks.
        """
        order = torch.argsort(edge_index[1], stable=True)
        source, target = edge_index[:, order]
        links = Links(source, target, network, network, num_networks, None, False)
        return EdgeSums.of(links, edge_attr[order], edge_attr.new_ones(order.shape[0], 1), "ue")

    def nodes(self, *state: Tensor) -> Tensor:
        """Sums of node states over the edges at whose other ends they are.

        Args:
            state: to users, states of stations ``[N, H]`` for each group; to stations, states of users ``[U, H]``.

        Returns:
            Sums over all groups ``[U, H]``, or sums for each group ``[G, N, H]``.
        """
        links, width = self.links, state[0].shape[-1]
        if exporting():
            return self._by_edges(state)
        if not links.dense:
            assert self.bags is not None
            if not (torch.is_grad_enabled() and any(table.requires_grad for table in state)):
                return _bag_sums(state, self.to, self.bags)  # ``apply`` costs more than the sums of a small graph
            value = state[0] if self.to == "bs" else stacked(state)
            out: Tensor = _BagSum.apply(value, self.to, self.bags)  # type: ignore[no-untyped-call]
            return out
        networks, stations = links.num_networks, links.num_bs // links.num_networks
        matrices = self.weight.to(state[0].dtype).reshape(len(self.weight), networks, -1, stations).unbind(0)
        if self.to == "bs":
            users = state[0].reshape(networks, -1, width)
            return stacked([torch.bmm(m.transpose(1, 2), users).reshape(-1, width) for m in matrices])
        tables = [table.reshape(networks, stations, width) for table in state]
        total = torch.bmm(matrices[0], tables[0])
        for matrix, table in zip(matrices[1:], tables[1:], strict=True):
            total = torch.baddbmm(total, matrix, table)
        return total.reshape(-1, width)

    def _by_edges(self, state: Sequence[Tensor]) -> Tensor:
        """The same with a tensor of edges times width, by operators that all formats of programs have."""
        weights = [self.links.lift(weight.to(state[0].dtype)) for weight in self.weight.unbind()]
        if self.to == "bs":
            return stacked([self.links.weigh_to_bs(weight, state[0]) for weight in weights])
        sums = [self.links.weigh_to_ue(*each) for each in zip(weights, state, strict=True)]
        return torch.stack(sums).sum(0)


def stacked(groups: Sequence[Tensor]) -> Tensor:
    """Tensors of groups as one, without a copy where there is one group."""
    return groups[0].unsqueeze(0) if len(groups) == 1 else torch.stack(list(groups))


def _bags(links: Links, weight: Tensor) -> Bags:
    order, first = links.by_station
    return Bags(links.bs, links.first_edge, weight, links.ue[order], first, weight[:, order])


class _BagSum(torch.autograd.Function):
    """Weighted sums of rows; the gradient of one direction is the other direction."""

    @staticmethod
    def forward(state: Tensor, to: Target, bags: Bags) -> Tensor:
        return _bag_sums((state,) if to == "bs" else state.unbind(), to, bags)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.to, bags = inputs
        ctx.save_for_backward(*bags)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        other: Target = "ue" if ctx.to == "bs" else "bs"
        slope: Tensor = _BagSum.apply(grads[0], other, Bags(*ctx.saved_tensors))  # type: ignore[no-untyped-call]
        return slope, None, None


def _bag_sums(state: Sequence[Tensor], to: Target, bags: Bags) -> Tensor:
    if to == "bs":
        return stacked([_bag(state[0], bags.ue, bags.bs_first, weight) for weight in bags.by_bs.unbind()])
    weights = bags.by_ue.unbind()
    total = _bag(state[0], bags.bs, bags.ue_first, weights[0])
    for table, weight in zip(state[1:], weights[1:], strict=True):
        total += _bag(table, bags.bs, bags.ue_first, weight)
    return total


def _bag(table: Tensor, row: Tensor, first: Tensor, weight: Tensor) -> Tensor:
    """Sums of weighted rows ``table[row]`` from each ``first`` to the next one."""
    return functional.embedding_bag(
        row, table.contiguous(), first, mode="sum", per_sample_weights=weight.to(table.dtype)
    )


def _sum_to_ue(links: Links, edge_attr: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of edge columns at users ``[U, C]``."""
    columns = edge_attr.shape[1]
    if not columns:
        return edge_attr.new_zeros(links.num_ue, 0)
    if exporting():
        return links.sum_to_ue(links.lift(edge_attr * weight.unsqueeze(1)))
    if links.degree is None:
        return _bag(edge_attr, torch.arange(links.num_edges, device=weight.device), links.first_edge, weight)
    weighed = (edge_attr * weight.unsqueeze(1)).reshape(links.num_ue, links.degree * columns)
    # A product with stacked identities: far faster than a sum over a middle dimension beside a few columns.
    return weighed @ torch.eye(columns, dtype=weighed.dtype, device=weighed.device).repeat(links.degree, 1)


def _sum_to_bs(links: Links, edge_attr: Tensor, weight: Tensor) -> Tensor:
    """Weighted sums of edge columns at stations ``[N, C]``."""
    if exporting():
        return links.sum_to_bs(links.lift(edge_attr * weight.unsqueeze(1)))
    if not links.dense:
        order, first = links.by_station
        return _bag(edge_attr, order, first, weight[order])
    weighed = edge_attr * weight.unsqueeze(1)
    return weighed.reshape(links.num_networks, links.num_ue // links.num_networks, -1).sum(1).reshape(links.num_bs, -1)
