"""Graph filters on small dense graphs (Gama et al. 2019)."""

import torch
from torch import Tensor, nn


class GraphFilter(nn.Module):
    r"""Bank of graph filters :math:`Y = \\sum_{k=0}^{K-1} S^k X H_k` (Randall et al., eq. 2 without the nonlinearity).

    Args:
        inner: features in.
        outer: features out.
        taps: number of taps K; two of them reach one hop.
    """

    def __init__(self, inner: int, outer: int, taps: int = 2) -> None:
        super().__init__()
        if taps < 1:
            raise ValueError(f"taps: got {taps}, expected at least 1")
        self.taps = taps
        self.mix = nn.Linear(taps * inner, outer)

    def forward(self, signal: Tensor, shift: Tensor) -> Tensor:
        """Filtered signals ``[B, N, outer]`` of signals ``[B, N, inner]`` and shift operators ``[B, N, N]``."""
        shifted = [signal]
        for _ in range(self.taps - 1):
            shifted.append(torch.bmm(shift, shifted[-1]))
        out: Tensor = self.mix(torch.cat(shifted, 2))
        return out


def complete_shift(present: Tensor) -> Tensor:
    """Shift operators of complete graphs on the nodes that are present ``[B, N]``: adjacency over their number less one."""
    both = (present.unsqueeze(2) & present.unsqueeze(1)).float()
    count = present.sum(1).reshape(-1, 1, 1) - 1
    return both * (1 - torch.eye(present.shape[1], device=present.device)) / count.clamp_min(1)
