"""Attention of a user on a subchannel to the stations that it hears there."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

COLUMNS = 2  # of an interferer: what is received of it on the subchannel, and in the mean over all of them


class InterfererAttention(nn.Module):
    r"""What a user hears of other stations on a subchannel, weighed by what it looks like itself there.

    Keys and values are made of the levels received of each other station on the subchannel and in the mean over all; the query of
    the user's own columns there: :math:`\sum_j \mathrm{softmax}_j(q^\top k_j / \sqrt{d}) v_j`. Without ``attend`` it is the plain
    mean of the values.

    Args:
        columns: columns of users on subchannels.
        width: of keys, queries and values.
        attend: weigh the interferers; else all the same.
    """

    def __init__(self, columns: int, width: int, attend: bool = True) -> None:
        super().__init__()
        self.attend = attend
        self.first, self.second = nn.Linear(COLUMNS, width), nn.Linear(width, 2 * width)
        self.query = nn.Linear(columns, width) if attend else None

    def forward(self, columns: Tensor, level: Tensor, other: Tensor) -> Tensor:
        """Values ``[B, U, S, W]``, zero for a user that hears no other station.

        Args:
            columns: of users on subchannels ``[B, U, S, C]``.
            level: received of stations, logarithmic ``[B, U, N, S]``.
            other: whether a station is another than the user's own, and heard ``[B, U, N]``.
        """
        both = torch.stack([level, level.mean(3, keepdim=True).expand_as(level)], 4)
        key, value = self.second(silu(self.first(both))).chunk(2, 4)  # [B, U, N, S, W]
        mask = other.unsqueeze(3)
        if self.query is None:
            score = torch.zeros_like(level)
        else:
            score = (key * self.query(columns).unsqueeze(2)).sum(4) / math.sqrt(key.shape[4])
        weight = score.masked_fill(~mask, -1e9).softmax(2) * mask
        out: Tensor = (weight.unsqueeze(4) * value).sum(2)
        return out
