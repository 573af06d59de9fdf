"""Weighted sums over channel edges, made ready once and used by several layers."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from hetgraph.graph.links import Links

Target = Literal["ue", "bs"]
Aggregation = Literal["mean", "sum"]
LEAST_WEIGHT = 1e-6  # a mean over edges that weigh less is smaller than the mean, and zero over none


def normalised(weight: Tensor, total: Tensor, aggr: Aggregation) -> Tensor:
    """Weights with which a sum is the aggregation, from the edges' ``weight`` and their sums ``total`` at the same places."""
    return weight / total.clamp_min(LEAST_WEIGHT) if aggr == "mean" else weight


class Bags(NamedTuple):
    """Edges with their weights, in the order of users and in that of stations.

    Args:
        row: station times G plus group of each edge and group, by user ``[E * G]``.
        ue_first: where the rows of each user begin ``[U]``.
        ue: user of each edge, by station ``[E]``.
        bs_first: where the edges of each station begin ``[N]``.
        by_ue: weights in the order of ``row`` ``[E * G]``.
        by_bs: weights in the order of ``ue`` ``[G, E]``.
    """

    row: Tensor
    ue_first: Tensor
    ue: Tensor
    bs_first: Tensor
    by_ue: Tensor
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
        weight: weights of edges and groups, normalised, ``[E, G]``.
        edges: sums of the edges' columns ``[U or N, G, C]``.
    """

    links: Links
    to: Target
    weight: Tensor
    edges: Tensor

    @staticmethod
    def of(links: Links, edge_attr: Tensor, weight: Tensor, to: Target, aggr: Aggregation = "mean") -> "EdgeSums":
        """Sums of a graph.

        Args:
            links: index structure.
            edge_attr: columns of edges ``[E, C]``.
            weight: weights of edges and groups ``[E, G]``, not negative.
            to: nodes at which sums are taken.
            aggr: ``mean`` divides them by the sums of weights.
        """
        if aggr == "mean":
            lifted = links.lift(weight)
            total = links.sum_to_ue(lifted) if to == "ue" else links.sum_to_bs(lifted)
            ends = links.from_ue(total) if to == "ue" else links.from_bs(total)
            weight = links.flat(normalised(lifted, ends, aggr))
        edges = _sums_to_ue(links, edge_attr, weight) if to == "ue" else _sums_to_bs(links, edge_attr, weight)
        return EdgeSums(links, to, weight, edges)

    def nodes(self, state: Tensor) -> Tensor:
        """Sums of node states over the edges at whose other ends they are.

        Args:
            state: to users, states of stations for each group ``[N, G, H]``; to stations, states of users ``[U, H]``.

        Returns:
            Sums over all groups ``[U, H]``, or sums for each group ``[N, G, H]``.
        """
        links, width = self.links, state.shape[-1]
        if not links.dense:
            out: Tensor = _BagSum.apply(state, self.to, self._bags)
            return out
        columns = links.num_bs // links.num_networks * self.weight.shape[1]
        matrix = self.weight.to(state.dtype).reshape(links.num_networks, -1, columns)  # [B, u, n * G]
        if self.to == "ue":
            return torch.bmm(matrix, state.reshape(links.num_networks, columns, width)).reshape(links.num_ue, width)
        sums = torch.bmm(matrix.transpose(1, 2), state.reshape(links.num_networks, -1, width))
        return sums.reshape(links.num_bs, -1, width)

    @cached_property
    def _bags(self) -> Bags:
        links, groups = self.links, self.weight.shape[1]
        order, bs_first = _by_station(links)
        row = links.bs.unsqueeze(1) * groups + torch.arange(groups, device=links.bs.device)
        by_bs = self.weight[order].T.contiguous()
        return Bags(
            row.flatten(), links.first_edge * groups, links.ue[order], bs_first, self.weight.flatten(), by_bs
        )


class _BagSum(torch.autograd.Function):
    """Weighted sums of rows; the gradient of one direction is the other direction."""

    @staticmethod
    def forward(state: Tensor, to: Target, bags: Bags) -> Tensor:
        if to == "ue":
            return _bag(state.flatten(0, 1), bags.row, bags.ue_first, bags.by_ue)
        return torch.stack([_bag(state, bags.ue, bags.bs_first, weight) for weight in bags.by_bs], 1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        _, ctx.to, bags = inputs
        ctx.save_for_backward(*bags)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        bags = Bags(*ctx.saved_tensors)
        if ctx.to == "bs":
            return _BagSum.apply(grads[0], "ue", bags), None, None
        return _BagSum.apply(grads[0], "bs", bags), None, None


def _bag(table: Tensor, row: Tensor, first: Tensor, weight: Tensor) -> Tensor:
    """Sums of weighted rows ``table[row]`` from each ``first`` to the next one."""
    return functional.embedding_bag(
        row, table.contiguous(), first, mode="sum", per_sample_weights=weight.to(table.dtype).contiguous()
    )


def _sums_to_ue(links: Links, edge_attr: Tensor, weight: Tensor) -> Tensor:
    edges = torch.arange(links.num_edges, device=links.bs.device)
    return torch.stack([_bag(edge_attr, edges, links.first_edge, column) for column in weight.unbind(1)], 1)


def _sums_to_bs(links: Links, edge_attr: Tensor, weight: Tensor) -> Tensor:
    order, first = _by_station(links)
    return torch.stack([_bag(edge_attr, order, first, column) for column in weight[order].unbind(1)], 1)


def _by_station(links: Links) -> tuple[Tensor, Tensor]:
    """Edges in the order of their stations ``[E]``, and where those of each station begin ``[N]``."""
    if links.dense:
        users = links.num_ue // links.num_networks
        edges = torch.arange(links.num_edges, device=links.bs.device).reshape(links.num_networks, users, -1)
        return edges.transpose(1, 2).flatten(), torch.arange(0, links.num_edges, users, device=links.bs.device)
    count = torch.zeros_like(links.bs_network).index_add(0, links.bs, torch.ones_like(links.bs))
    return torch.argsort(links.bs, stable=True), count.cumsum(0) - count
