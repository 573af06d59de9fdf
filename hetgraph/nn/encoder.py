"""Type-aware message passing over stations, users and antennas."""

import itertools

import torch
from torch import Tensor, nn

from hetgraph.graph.links import Links


class Normalise(nn.Module):
    """Shift and scale of the input columns, as buffers, so that a checkpoint carries them.

    Args:
        shift: typical value of each column.
        scale: typical deviation of each column.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, shift: tuple[float, ...], scale: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("shift", torch.tensor(shift))
        self.register_buffer("scale", torch.tensor(scale))

    def forward(self, x: Tensor) -> Tensor:
        """Normalised columns, cut at five deviations."""
        rate = 1 / self.scale
        return torch.addcmul(-self.shift * rate, x.to(rate.dtype), rate).clamp_(-5, 5)


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


class BipartiteLayer(nn.Module):
    """One round of messages station -> user -> station with edge features.

    A message is relu(W_s h_source + W_d h_target + W_e e). Users average over their candidates; stations average over
    the users that the prior association gives them, and over all others: whom they serve and whom they disturb.

    Args:
        hidden: width of the node states.
        edge: width of the edge features.
    """

    def __init__(self, hidden: int, edge: int) -> None:
        super().__init__()
        self.to_ue = nn.ModuleList([nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(edge, hidden)])
        self.to_bs = nn.ModuleList([nn.Linear(hidden, hidden), nn.Linear(hidden, hidden), nn.Linear(edge, hidden)])
        self.update_ue = nn.Linear(2 * hidden, hidden)
        self.update_bs = nn.Linear(3 * hidden, hidden)

    def forward(self, bs: Tensor, ue: Tensor, edge: Tensor, prior: Tensor, links: Links) -> tuple[Tensor, Tensor]:
        """New states of stations ``[N, H]`` and users ``[U, H]``; ``edge`` and ``prior`` are in the edge layout."""
        to_ue, to_bs = self.to_ue, self.to_bs
        message = edge_sum(to_ue[0](bs), to_ue[1](ue), edge, to_ue[2], links).relu_()
        degree = links.sum_to_ue(torch.ones_like(prior)).unsqueeze(1)
        heard = links.sum_to_ue(message) / degree
        ue = ue + nn.functional.silu(self.update_ue(torch.cat([ue, heard], 1)))
        message = edge_sum(to_bs[0](bs), to_bs[1](ue), edge, to_bs[2], links).relu_()
        weight = prior.unsqueeze(-1)
        load = links.sum_to_bs(prior).unsqueeze(1)
        served = links.sum_to_bs(message * weight)
        count = links.sum_to_bs(torch.ones_like(prior)).unsqueeze(1)
        other = (links.sum_to_bs(message) - served) / (count - load).clamp_min(1)
        state = torch.cat([bs, served / load.clamp_min(0.1), other], 1)
        return bs + nn.functional.silu(self.update_bs(state)), ue


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
        heard = total / count.clamp_min(1).unsqueeze(1)
        return bs + nn.functional.silu(self.update(torch.cat([bs, heard], 1)))
