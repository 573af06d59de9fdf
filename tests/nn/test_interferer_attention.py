"""Attention to the stations that a user hears."""

import math

import pytest
import torch
from torch.nn.functional import silu

from hetgraph.nn.interferer_attention import InterfererAttention

B, U, N, S, C = 2, 3, 4, 5, 6


@pytest.mark.parametrize("attend", [True, False])
def test_it_is_the_weighted_sum_and_zero_where_nobody_is_heard(attend: bool) -> None:
    torch.manual_seed(0)
    layer = InterfererAttention(C, 7, attend).double()
    columns, level = torch.randn(B, U, S, C).double(), torch.randn(B, U, N, S).double()
    other = torch.rand(B, U, N) < 0.6
    other[0, 0], other[0, 1] = False, True
    with torch.no_grad():
        out = layer(columns, level, other)
        for b, u, s in torch.cartesian_prod(torch.arange(B), torch.arange(U), torch.arange(S)).tolist():
            heard = other[b, u].nonzero().flatten().tolist()
            if not heard:
                assert not bool(out[b, u, s].any())
                continue
            keys = [silu(layer.first(torch.stack([level[b, u, j, s], level[b, u, j].mean()]))) for j in heard]
            query = layer.query(columns[b, u, s]) if layer.query is not None else torch.zeros(7).double()
            weight = torch.stack([query @ key / math.sqrt(7) for key in keys]).softmax(0)
            expected = layer.value(sum(w * key for w, key in zip(weight, keys, strict=True)))
            torch.testing.assert_close(out[b, u, s], expected)


def test_attention_is_to_interferers_not_their_order_and_differs_from_the_mean() -> None:
    torch.manual_seed(1)
    layer = InterfererAttention(C, 7)
    columns, level = torch.randn(B, U, S, C), torch.randn(B, U, N, S)
    other, order = torch.rand(B, U, N) < 0.7, torch.randperm(N)
    with torch.no_grad():
        out = layer(columns, level, other)
        torch.testing.assert_close(layer(columns, level[:, :, order], other[:, :, order]), out)
        layer.query = None
        assert not torch.allclose(layer(columns, level, other), out)
