"""Layers that all agents share, or of which each agent has its own, batched."""

import math
from typing import Literal

import torch
from torch import Tensor, nn


class AgentLinear(nn.Module):
    """Linear layer on tensors ``[B, N, *, inner]``.

    Args:
        inner: features in.
        outer: features out.
        agents: number of agents N with weights of their own; 0 for one layer that all share.
        bias: add a bias.
    """

    def __init__(self, inner: int, outer: int, agents: int = 0, bias: bool = True) -> None:
        super().__init__()
        self.agents = agents
        bound = 1 / math.sqrt(inner)
        self.weight = nn.Parameter(torch.empty(*(agents,) * bool(agents), outer, inner).uniform_(-bound, bound))
        shape = (*(agents,) * bool(agents), outer)
        self.bias = nn.Parameter(torch.empty(shape).uniform_(-bound, bound)) if bias else None

    def forward(self, value: Tensor) -> Tensor:
        """``[B, N, *, outer]``; agent n's weights for entry n of the second dimension."""
        if not self.agents:
            return nn.functional.linear(value, self.weight, self.bias)
        b, n = value.shape[:2]
        rows = value.transpose(0, 1).reshape(n, -1, value.shape[-1])
        out = torch.bmm(rows, self.weight.transpose(1, 2))
        if self.bias is not None:
            out = out + self.bias.unsqueeze(1)
        return out.reshape(n, b, *value.shape[2:-1], -1).transpose(0, 1)


class AgentGRU(nn.Module):
    """Gated recurrent unit (Cho et al. 2014) on states ``[B, N, H]``.

    Args:
        hidden: width H.
        agents: as in :class:`AgentLinear`.
    """

    def __init__(self, hidden: int, agents: int = 0) -> None:
        super().__init__()
        self.width = hidden
        self.entry = AgentLinear(hidden, 3 * hidden, agents)
        self.past = AgentLinear(hidden, 3 * hidden, agents)

    def forward(self, value: Tensor, memory: Tensor) -> Tensor:
        """Memory after a slot."""
        return self.step(self.entry(value), memory)

    def step(self, entry: Tensor, memory: Tensor) -> Tensor:
        """Memory after a slot from ``self.entry(value)``, which needs no memory and so is computed for many slots at once."""
        hidden = memory.shape[-1]
        gates_in, new_in = torch.split(entry, [2 * hidden, hidden], -1)
        gates_past, new_past = torch.split(self.past(memory), [2 * hidden, hidden], -1)
        reset, update = (gates_in + gates_past).sigmoid().chunk(2, -1)
        new = (new_in + reset * new_past).tanh()
        out: Tensor = new + update * (memory - new)
        return out

    def output(self, memory: Tensor) -> Tensor:
        """What others read of a memory ``[B, N, H]``: all of it."""
        return memory


class AgentLSTM(nn.Module):
    """Long short-term memory (Hochreiter and Schmidhuber 1997) on states ``[B, N, H]``.

    Its memory ``[B, N, 2 H]`` is the output and the cell's state.

    Args:
        hidden: width H.
        agents: as in :class:`AgentLinear`.
    """

    def __init__(self, hidden: int, agents: int = 0) -> None:
        super().__init__()
        self.width = 2 * hidden
        self.entry = AgentLinear(hidden, 4 * hidden, agents)
        self.past = AgentLinear(hidden, 4 * hidden, agents)

    def forward(self, value: Tensor, memory: Tensor) -> Tensor:
        """Memory after a slot."""
        return self.step(self.entry(value), memory)

    def step(self, entry: Tensor, memory: Tensor) -> Tensor:
        """Memory after a slot from ``self.entry(value)``."""
        output, cell = memory.chunk(2, -1)
        enter, keep, new, show = (entry + self.past(output)).chunk(4, -1)
        cell = keep.sigmoid() * cell + enter.sigmoid() * new.tanh()
        return torch.cat([show.sigmoid() * cell.tanh(), cell], -1)

    def output(self, memory: Tensor) -> Tensor:
        """What others read of a memory ``[B, N, H]``."""
        return memory.chunk(2, -1)[0]


Recurrence = Literal["none", "gru", "lstm"]
CELLS = {"gru": AgentGRU, "lstm": AgentLSTM}


def agent_mlp(*widths: int, agents: int = 0) -> nn.Sequential:
    """Layers with SiLU between them."""
    layers: list[nn.Module] = []
    for place in range(len(widths) - 1):
        layers += [nn.SiLU()] if place else []
        layers.append(AgentLinear(widths[place], widths[place + 1], agents))
    return nn.Sequential(*layers)
