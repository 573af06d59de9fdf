"""Attention to interferers against a plain loop."""

import pytest
import torch

from hetgraph.nn.interferer_attention import InterfererAttention


@pytest.mark.parametrize("attend", [True, False])
def test_values_are_weighed_sums_over_the_other_stations(attend: bool) -> None:
    torch.manual_seed(0)
    layer = InterfererAttention(3, 4, attend).double()
    columns, level = torch.randn(2, 5, 6, 3).double(), torch.randn(2, 5, 4, 6).double()
    other = torch.rand(2, 5, 4) < 0.6
    other[0, 0] = False
    result = layer(columns, level, other)
    assert result.shape == (2, 5, 6, 4) and not bool(result[0, 0].any())
    for b, u, s in ((0, 1, 2), (1, 3, 5), (1, 4, 0)):
        weights, values = [], []
        for n in range(4):
            if not other[b, u, n]:
                continue
            both = torch.stack([level[b, u, n, s], level[b, u, n].mean()])
            key, value = layer.second(torch.nn.functional.silu(layer.first(both))).chunk(2)
            weights.append((key @ layer.query(columns[b, u, s]) / 2).exp() if layer.query else torch.ones(()).double())
            values.append(value)
        expected = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
        torch.testing.assert_close(result[b, u, s], expected)
