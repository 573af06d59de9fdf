"""Parts of encoders: perceptrons, sums at edges of the states of both ends, messages of antennas."""

import itertools

import torch
from torch import Tensor, nn

from hetgraph.graph.links import Links


def mlp(*widths: int) -> nn.Sequential:
    """Perceptron with SiLU between its layers."""
    layers: list[nn.Module] = []
    for i, (inner, outer) in enumerate(itertools.pairwise(widths)):
        layers += [nn.SiLU()] if i else []
        layers.append(nn.Linear(inner, outer))
    return nn.Sequential(*layers)


def edge_sum(bs: Tensor, ue: Tensor, edge: Tensor, linear: nn.Module, links: Links) -> Tensor:
    """``linear(edge)`` plus the states of both ends, edge layout; the bias joins the few stations, not the many edges."""
    assert isinstance(linear, nn.Linear)
    joint = nn.functional.linear(edge, linear.weight)
    return joint.add_(links.from_bs(bs + linear.bias)).add_(links.from_ue(ue))


class AntennaLayer(nn.Module):
    """Messages antenna -> station, averaged over a station's antennas.

    Args:
        hidden: width of the node states.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.message = nn.Linear(2 * hidden, hidden)
        self.update = nn.Linear(2 * hidden, hidden)

    def forward(self, bs: Tensor, antenna: Tensor, mounted_on: Tensor) -> Tensor:
        """New station states ``[N, H]``; a station without antennas hears nothing."""
        source, target = mounted_on
        message = self.message(torch.cat([antenna[source], bs[target]], 1)).relu()
        total = bs.new_zeros(bs.shape).index_add(0, target, message)
        count = bs.new_zeros(bs.shape[0]).index_add(0, target, bs.new_ones(target.shape[0]))
        mean_message = total / count.clamp_min(1).unsqueeze(1)
        return bs + nn.functional.silu(self.update(torch.cat([bs, mean_message], 1)))
