"""Attention of a station to the channels that it hears (MADDQN-DMADDPG paper, Section 2.2.2)."""

import math

import torch
from torch import Tensor, nn

from hetgraph.nn.agents import AgentLinear


class InterferenceAttention(nn.Module):
    r"""What of all received channels matters to the users that a station serves: :math:`W [\mathrm{softmax}(q_h K^T / \sqrt{d}) K]_h`.

    The query of each head h is made of what the served users look like on average; keys are the states of all channels that the
    station hears, to its own users and to those of others, with their rate history. They are the values, too: a linear map of
    them can be applied after the sum. Without attention the context is the plain mean of the channels.

    Args:
        hidden: width of the channels' states.
        heads: heads.
        agents: as in :class:`~hetgraph.nn.agents.AgentLinear`.
        attend: weigh the channels; else all the same.
    """

    def __init__(self, hidden: int, heads: int = 2, agents: int = 0, attend: bool = True) -> None:
        super().__init__()
        self.heads, self.attend = heads, attend
        self.query = AgentLinear(hidden, heads * hidden, agents)
        self.value = AgentLinear(heads * hidden, hidden, agents)

    def forward(self, channel: Tensor, served: Tensor, active: Tensor) -> Tensor:
        """Context of each station ``[B, N, H]``.

        Args:
            channel: states of channels ``[B, N, U, H]``.
            served: what the users that it serves look like ``[B, N, H]``.
            active: whether the user is there ``[B, N, U]``.
        """
        b, n, u, hidden = channel.shape
        if self.attend:
            query = self.query(served).reshape(b, n, self.heads, hidden)
            score = query @ channel.transpose(2, 3) / math.sqrt(hidden)  # [B, N, heads, U]
        else:
            score = channel.new_zeros(b, n, self.heads, u)
        weight = torch.softmax(score.masked_fill(~active.unsqueeze(2), -1e9), 3)
        out: Tensor = self.value((weight @ channel).flatten(2))
        return out


class EdgeHead(nn.Module):
    """Perceptron on the states of channels and of their stations.

    Args:
        channel: width of the channels' states.
        station: width of what is read of stations.
        hidden: width of the layer between.
        outer: features out.
        agents: as in :class:`~hetgraph.nn.agents.AgentLinear`.
        silent: the last layer starts at zero.
    """

    def __init__(self, channel: int, station: int, hidden: int, outer: int, agents: int, silent: bool) -> None:
        super().__init__()
        self.agents = agents
        self.channel, self.station = (
            AgentLinear(channel, hidden, agents),
            AgentLinear(station, hidden, agents, bias=False),
        )
        self.out = AgentLinear(hidden, outer, agents)
        if silent:
            for parameter in self.out.parameters():
                nn.init.zeros_(parameter)

    def forward(self, channel: Tensor, station: Tensor) -> Tensor:
        """``[B, N, U, outer]`` of ``channel [B, N, U, *]`` and ``station [B, N, *]``."""
        out: Tensor = self.out(nn.functional.silu(self.channel(channel) + self.station(station).unsqueeze(2)))
        return out

    def own(self, channel: Tensor, station: Tensor, serving: Tensor) -> Tensor:
        """The same at users' own stations alone ``[B, U, outer]``; users without a station get those of the first one."""
        if self.agents:
            return _pick(self(channel, station), serving)
        here = self.station(station).gather(
            1, serving.clamp_min(0).unsqueeze(2).expand(-1, -1, self.out.weight.shape[1])
        )
        out: Tensor = self.out(nn.functional.silu(self.channel(_pick(channel, serving)) + here))
        return out


def _pick(value: Tensor, serving: Tensor) -> Tensor:
    """Rows ``[B, N, U, *]`` at users' own stations ``[B, U, *]``."""
    place = serving.clamp_min(0).reshape(len(serving), 1, -1, 1).expand(-1, -1, -1, value.shape[3])
    return value.gather(1, place).squeeze(1)
