"""Attention of a station to the channels that it hears (MADDQN-DMADDPG paper, Section 2.2.2)."""

import math

import torch
from torch import Tensor, nn

from hetgraph.nn.agents import AgentLinear


class InterferenceAttention(nn.Module):
    r"""What of all channels heard matters for the users that a station serves: :math:`\mathrm{softmax}(q K^\top / \sqrt{d}) V`.

    The query is what the served users look like on average; keys and values are all channels that the station hears, to its own
    users and to those of others, with their rate history. Without attention the context is the values' plain mean.

    Args:
        hidden: width of the channels' states.
        heads: heads, between which the width is divided.
        agents: as in :class:`~hetgraph.nn.agents.AgentLinear`.
        attend: weigh the channels; else all the same.

    Raises:
        ValueError: a width that the heads do not divide.
    """

    def __init__(self, hidden: int, heads: int = 2, agents: int = 0, attend: bool = True) -> None:
        super().__init__()
        if hidden % heads:
            raise ValueError(f"heads: got {heads}, expected a divisor of the width, {hidden}")
        self.heads, self.attend = heads, attend
        self.query, self.key, self.value = (AgentLinear(hidden, hidden, agents) for _ in range(3))

    def forward(self, channel: Tensor, served: Tensor, heard: Tensor) -> Tensor:
        """Context of each station ``[B, N, H]``.

        Args:
            channel: states of channels ``[B, N, U, H]``.
            served: whether the station serves the user ``[B, N, U]``.
            heard: whether the user is there ``[B, N, U]``.
        """
        b, n, u, hidden = channel.shape
        there = heard.to(channel.dtype)
        value = self.value(channel)
        if not self.attend:
            return (value * there.unsqueeze(3)).sum(2) / there.sum(2, keepdim=True).clamp_min(1)
        own = served.to(channel.dtype)
        query = (channel * own.unsqueeze(3)).sum(2) / own.sum(2, keepdim=True).clamp_min(1)
        query, key, value = (
            part.reshape(b, n, -1, self.heads, hidden // self.heads).transpose(2, 3)
            for part in (self.query(query), self.key(channel), value)
        )
        score = (query @ key.transpose(3, 4)) / math.sqrt(hidden // self.heads)  # [B, N, heads, 1, U]
        score = score.masked_fill(~heard.reshape(b, n, 1, 1, u), -1e9)
        weight = torch.softmax(score, 4)
        return (weight @ value).transpose(2, 3).reshape(b, n, hidden)
