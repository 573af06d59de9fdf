"""Sums over the others, without cancellation: never the total minus one's own.

In float32 the difference ``total - own`` keeps nothing of an interference that is 1e-7 of one's own signal. The sum over the
others has only positive terms, so that its relative error is that of a sum.
"""

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import hardshrink

from hetgraph.graph.links import Links
from hetgraph.graph.tracing import count, exporting

_MATRIX = 128  # entries up to which the product with ones off the diagonal is faster than two running sums


def sum_of_others(value: Tensor, dim: int) -> Tensor:
    """For each entry the sum of all other entries along a dimension; its gradient is a sum over others, too.

    Args:
        value: any shape.
        dim: the dimension.
    """
    if exporting():
        return _running_sums(value, dim % value.dim())
    out: Tensor = _SumOfOthers.apply(value, dim % value.dim())  # type: ignore[no-untyped-call]
    return out


class _SumOfOthers(torch.autograd.Function):
    """The sum over others is a symmetric map: its backward pass is itself. Products want rows that lie in memory in order."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, dim: int) -> Tensor:
        ctx.dim = dim
        # Subnormal numbers make a product several times slower; a softmax leaves many of them.
        value, count = hardshrink(value, torch.finfo(value.dtype).tiny).contiguous(), value.shape[dim]
        if count > _MATRIX:
            return _running_sums(value, dim)
        ones = 1 - torch.eye(count, dtype=value.dtype, device=value.device)
        if value.shape[dim + 1 :].numel() == 1:  # one product for all rows
            return (value.reshape(-1, count) @ ones).reshape(value.shape)
        return (ones @ value.flatten(dim + 1)).reshape(value.shape)  # [*, count, rest]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return sum_of_others(grads[0], ctx.dim), None


def _running_sums(value: Tensor, dim: int) -> Tensor:
    """Sum of the entries before each one plus the sum of those after it."""
    last = value.shape[dim] - 1
    none = torch.zeros_like(value.narrow(dim, 0, 1))
    before = torch.cat([none, value.narrow(dim, 0, last).cumsum(dim)], dim)
    after = torch.cat([value.narrow(dim, 1, last).flip(dim).cumsum(dim).flip(dim), none], dim)
    return before + after


def sum_of_other_edges(value: Tensor, links: Links) -> Tensor:
    """For each channel edge the sum over the other edges of its user: edge layout to edge layout.

    Args:
        value: edge layout ``[*, R]``, see :mod:`hetgraph.graph.links`.
        links: index structure.
    """
    if links.dense:
        return sum_of_others(value, 2)
    if links.degree is not None:
        return sum_of_others(value, 1)
    if exporting():  # a width that depends on no value
        width, slot = links.num_bs, links.bs
    else:
        width = int(count(links.ue, links.num_ue).max())
        slot = torch.arange(links.num_edges, device=value.device) - links.first_edge[links.ue]
    place = links.ue * width + slot  # in a table of the users, padded with zeros
    table = value.new_zeros(links.num_ue * width, *value.shape[1:]).index_copy(0, place, value)
    others = sum_of_others(table.reshape(links.num_ue, width, *value.shape[1:]), 1)
    return others.flatten(0, 1)[place]
