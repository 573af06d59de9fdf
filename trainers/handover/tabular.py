"""Tabular Q-learning of single users: a table for each pair of an own cell and a place that a user can go to."""

from typing import Any

import torch
from rich.progress import track
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverEnv
from hetgraph.graph.feature_table import features
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.graph.streams import stream
from hetgraph.radio.handover import HandoverAction
from hetgraph.trainers.common.tabular import QValues, random_choice

GAPS = (-1.0, -0.5, 0.0, 0.25, 0.5, 1.0)  # received power over that of the own cell, 10 dB as one
LEAST_RATE = 1e-3  # users and their loads go on changing
LOADS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.65)


class HandoverTable:
    """Q-values of a user's places by how much stronger the cell is and by the loads of both; of staying by the own load.

    What no training met counts as staying. All users have the same level: the best rule where they share a cell, and of the
    paper's resources the highest one is always best.

    Args:
        levels: resource levels.
        gamma: discount of a step.
        rate: learning rate; 0 for one over the visits to the power of 0.7.
    """

    level: Level = "neighbourhood"
    name = "q_learning"

    def __init__(self, levels: int = 5, gamma: float = 0.5, rate: float = 0.0) -> None:
        self.levels, self.gamma = levels, gamma
        self.gaps, self.loads = torch.tensor(GAPS), torch.tensor(LOADS)
        self.width = len(LOADS) + 1
        self.values = QValues((1 + len(GAPS) + 1) * self.width * self.width, rate, LEAST_RATE)

    def state_of(self, obs: HeteroData) -> tuple[Tensor, Tensor]:
        """Entry of each place, and where the user may go, both ``[B, U, C]``."""
        b, edges = int(obs.num_graphs), obs[CHANNEL]
        shape = (b, len(obs["ue"].level) // b, -1)
        reports, allowed = features(obs, CHANNEL, ("own_gap_db", "load")), edges.allowed
        load = torch.bucketize(reports[:, 1].reshape(shape).contiguous(), self.loads)
        gap = 1 + torch.bucketize(reports[:, 0].reshape(shape).contiguous(), self.gaps)
        gap[..., 0] = 0
        return (gap * self.width + load) * self.width + load[..., :1], allowed.reshape(load.shape)

    def value(self, state: Tensor, allowed: Tensor) -> Tensor:
        """Values of places ``[B, U, C]``; minus infinity for those not allowed and, staying aside, those never met."""
        known = allowed & (self.values.visits[state] > 0)
        known[..., 0] = True
        return self.values.value[state].masked_fill(~known, -torch.inf)

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """Places of the largest values."""
        place = self.value(*self.state_of(obs)).argmax(2)
        return HandoverAction(place, torch.full_like(place, self.levels - 1)), state


def log_rate(obs: HeteroData) -> Tensor:
    """log(1 + rate / unit) of users in the last step ``[B * U]``."""
    return features(obs, "ue", ("log_rate",)).squeeze(1)


@torch.no_grad()
def handover_q_learning(
    env: HandoverEnv,
    *,
    episodes: int = 100,
    epsilon_start: float = 1.0,
    epsilon_decay: float = 0.955,
    epsilon_end: float = 0.08,
    gamma: float = 0.5,
    rate: float = 0.0,
    seed: int = 0,
    progress: bool = True,
) -> HandoverTable:
    """Train a table; each user's reward is the change of its own log(1 + rate / unit), for it learns alone.

    With the logarithm itself, entries would tell who is in them, not what a place is worth: those with the best links stay.

    Args:
        env: networks.
        episodes: of each of them.
        epsilon_start: chance of a random place in the first episode.
        epsilon_decay: factor from episode to episode.
        epsilon_end: least chance.
        gamma: see :class:`HandoverTable`.
        rate: see :class:`HandoverTable`.
        seed: of exploration.
        progress: show a bar.
    """
    table, generator = HandoverTable(env.levels, gamma, rate), stream(seed, 0, "exploration")
    obs = env.observe(table.level)
    state, allowed = table.state_of(obs)
    for episode in track(range(episodes), "Q-learning", disable=not progress):
        epsilon = max(epsilon_end, epsilon_start * epsilon_decay**episode)
        for number in range(env.steps):
            random_place = random_choice(allowed, generator)
            wanders = torch.rand(random_place.shape, generator=generator) < epsilon
            place = torch.where(wanders, random_place, table.value(state, allowed).argmax(2))
            before = log_rate(obs)
            obs = env.step(HandoverAction(place, torch.full_like(place, env.levels - 1))).obs
            taken, reward = state.gather(2, place.unsqueeze(2)).flatten(), log_rate(obs) - before
            state, allowed = table.state_of(obs)
            if number < env.steps - 1:  # after the last step users are where the next episode begins
                table.values.learn(taken, reward + gamma * table.value(state, allowed).amax(2).flatten())
    return table
