"""Attention of a user on a subchannel to the stations that it hears there."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

COLUMNS = 2  # of an interferer: what is received of it on the subchannel, and in the mean over all of them


class InterfererAttention(nn.Module):
    r"""What a user hears of other stations on a subchannel, weighed by what it looks like itself there.

    A station is known by the levels received of it on the subchannel and in the mean over all, of which a hidden vector k is made; the
    query q is of the user's own columns there. The result is a linear map of
    :math:`\sum_j \mathrm{softmax}_j(q^\top k_j / \sqrt{d}) k_j`. Without ``attend`` it is that of the plain mean.

    Args:
        columns: columns of users on subchannels.
        width: of hidden vectors, queries and results.
        attend: weigh the interferers; else all the same.
    """

    def __init__(self, columns: int, width: int, attend: bool = True) -> None:
        super().__init__()
        self.attend = attend
        self.first = nn.Linear(COLUMNS, width)
        self.query = nn.Linear(columns, width) if attend else None
        # After the sum: as a map of each station's vector it would cost as many times as much as there are stations.
        self.value = nn.Linear(width, width, bias=False)

    def forward(self, columns: Tensor, level: Tensor, other: Tensor) -> Tensor:
        """Results ``[B, U, S, W]``, zero for a user that hears no other station.

        Args:
            columns: of users on subchannels ``[B, U, S, C]``.
            level: received of stations, logarithmic ``[B, U, N, S]``.
            other: whether a station is another than the user's own, and heard ``[B, U, N]``.
        """
        level = level.transpose(2, 3).contiguous()  # [B, U, S, N]
        both = torch.stack([level, level.mean(2, keepdim=True).expand_as(level)], 4)
        key = silu(self.first(both))  # [B, U, S, N, W]
        mask = other.unsqueeze(2)
        if self.query is None:
            score = torch.zeros_like(level)
        else:
            score = (key * self.query(columns).unsqueeze(3)).sum(4) / math.sqrt(key.shape[4])
        weight = score.masked_fill(~mask, -1e9).softmax(3) * mask
        out: Tensor = self.value((weight.unsqueeze(4) * key).sum(3))
        return out
