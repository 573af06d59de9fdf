"""A number of each channel that is linear in a basis of known quantities, with weights that follow from learned states."""

import math

from torch import Tensor, nn

from hetgraph.nn.attention import EdgeHead


class EdgeBasis(nn.Module):
    r""":math:`w^T \mathrm{silu}(A s + a) / \sqrt{K} + w_0` of known quantities s, with K + 1 weights w for each channel.

    Args:
        known: number of known quantities.
        station: width of what is read of stations.
        hidden: width of the channels' states; K is half of it.
        agents: stations with weights of their own; 0 for shared ones.
        silent: the weights start at zero.
    """

    def __init__(self, known: int, station: int, hidden: int, agents: int, silent: bool) -> None:
        super().__init__()
        self.weights = EdgeHead(hidden, station, hidden, hidden // 2 + 1, agents, silent)
        self.basis = nn.Linear(known, hidden // 2)

    def weights_of(self, channel: Tensor, station: Tensor, serving: Tensor) -> Tensor:
        """Weights of users' channels to their own stations ``[B, U, K + 1]``; arguments as of :meth:`EdgeHead.own`."""
        return self.weights.own(channel, station, serving)

    def forward(self, known: Tensor, weights: Tensor) -> Tensor:
        """Numbers ``[*]`` of known quantities ``[*, known]`` and weights ``[*, K + 1]``."""
        basis = nn.functional.silu(self.basis(known))
        out: Tensor = (basis * weights[..., :-1]).sum(-1) / math.sqrt(basis.shape[-1]) + weights[..., -1]
        return out
