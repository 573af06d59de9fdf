"""Monotonic mixing of agents' values into one (Rashid et al. 2018), for any number of agents."""

import torch
from torch import Tensor, nn


class MonotonicMixer(nn.Module):
    r"""Joint value :math:`Q_{tot} = w_2(s)^\top \mathrm{ELU}(\bar{\sum}_k |w_1(s, h_k)| Q_k + b_1(s)) + v(s)`.

    Weights are absolute values of what hypernetworks make of the state and of each agent's embedding, so that the joint value never
    falls when an agent's rises, and each agent's own best action is part of the best joint one. Weights come from embeddings,
    not from an agent's number: agents may be as many as they like, in any order. The sum is divided by their number.

    Args:
        agent: width of an agent's embedding.
        state: width of the pooled state.
        hidden: width of the mixing layer (32 in the QMIX paper's experiments).
    """

    def __init__(self, agent: int, state: int, hidden: int = 32) -> None:
        super().__init__()
        self.hidden = hidden
        self.first = nn.Sequential(nn.Linear(agent + state, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.first_bias = nn.Linear(state, hidden)
        self.second = nn.Sequential(nn.Linear(state, hidden), nn.ReLU(), nn.Linear(hidden, hidden))
        self.value = nn.Sequential(nn.Linear(state, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, value: Tensor, agent: Tensor, state: Tensor, present: Tensor | None = None) -> Tensor:
        """Joint values ``[B]``.

        Args:
            value: chosen values of the agents ``[B, K]``.
            agent: their embeddings ``[B, K, agent]``.
            state: pooled state ``[B, state]``.
            present: which agents there are ``[B, K]``; ``None`` for all.

        Raises:
            ValueError: shapes that do not fit.
        """
        b, k = value.shape
        if agent.shape[:2] != (b, k) or len(state) != b or (present is not None and present.shape != (b, k)):
            got = f"{tuple(value.shape)}, {tuple(agent.shape)}, {tuple(state.shape)}"
            raise ValueError(f"MonotonicMixer: got value, agent, state of {got}, expected [B, K], [B, K, *], [B, *]")
        mask = torch.ones_like(value) if present is None else present.to(value.dtype)
        around = state.unsqueeze(1).expand(-1, k, -1)
        weight = self.first(torch.cat([agent, around], 2)).abs()
        count = mask.sum(1, keepdim=True).clamp_min(1)
        mixed = torch.bmm((value * mask).unsqueeze(1), weight).squeeze(1) / count
        layer = nn.functional.elu(mixed + self.first_bias(state))
        out: Tensor = (layer * self.second(state).abs()).sum(1) + self.value(state).squeeze(1)
        return out


class FixedMixer(nn.Module):
    """The mixer of Rashid et al. 2018, whose hypernetworks make one weight for each of a fixed number of agents.

    Args:
        agents: number of agents K.
        state: width of the state.
        hidden: width of the mixing layer.
    """

    def __init__(self, agents: int, state: int, hidden: int = 32) -> None:
        super().__init__()
        self.agents, self.hidden = agents, hidden
        self.first = nn.Linear(state, agents * hidden)
        self.first_bias = nn.Linear(state, hidden)
        self.second = nn.Linear(state, hidden)
        self.value = nn.Sequential(nn.Linear(state, hidden), nn.ReLU(), nn.Linear(hidden, 1))

    def forward(self, value: Tensor, state: Tensor) -> Tensor:
        """Joint values ``[B]`` of chosen values ``[B, K]`` in a state ``[B, state]``.

        Raises:
            ValueError: another number of agents.
        """
        if value.shape[1] != self.agents:
            raise ValueError(f"FixedMixer: got {value.shape[1]} agents, expected {self.agents}")
        first = self.first(state).abs().reshape(-1, self.agents, self.hidden)
        layer = nn.functional.elu(torch.bmm(value.unsqueeze(1), first).squeeze(1) + self.first_bias(state))
        out: Tensor = (layer * self.second(state).abs()).sum(1) + self.value(state).squeeze(1)
        return out
