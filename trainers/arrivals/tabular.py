"""Tabular Q-learning on users per station, signal strengths and demand: the paper's second baseline."""

from typing import Any

import torch
from rich.progress import track
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import ArrivalEnv, DiscreteArrivals
from hetgraph.graph.schema import Level
from hetgraph.graph.streams import stream
from hetgraph.radio.candidate_stations import CandidateStations, candidate_stations_of
from hetgraph.trainers.common.tabular import QValues, random_choice

BINS = (1.0, 2.0, 3.0, 4.0, 6.0)  # users: 0, 1, 2, 3, 4 or 5, more; finer ones are met too rarely in 50,000 episodes


class QTable:
    """Q-values by state: users of each station, its signal strength and the user's demand.

    Stations are taken in order of strength. What no training met is decided by the best rate.

    Args:
        source: arrivals, from which the states follow.
        gamma: discount of a slot.
        rate: learning rate; 0 for one over the visits to the power of 0.7.
    """

    level: Level = "neighbourhood"
    name = "q_learning"

    def __init__(self, source: DiscreteArrivals, gamma: float = 0.5, rate: float = 0.5) -> None:
        self.gamma = gamma
        self.edges = torch.tensor(BINS)
        self.most = len(BINS) + 1
        self.levels = torch.tensor(sorted(source.rates))
        self.parts = torch.tensor(sorted(source.spread))
        k = source.links_per_user
        self.states = (self.most * len(self.levels)) ** k * len(self.parts)
        self.values = QValues(self.states * k, rate)
        self.table, self.visits = (each.view(self.states, k) for each in (self.values.value, self.values.visits))

    def state_of(self, candidates: CandidateStations) -> Tensor:
        """Number of the state ``[B]``."""
        level = _nearest(candidates.rate, self.levels)
        each = torch.bucketize(candidates.users, self.edges, right=True) * len(self.levels) + level
        state = torch.zeros_like(each[:, 0])
        for place in range(each.shape[1]):
            state = state * (self.most * len(self.levels)) + each[:, place]
        part = _nearest((candidates.demand / candidates.mean_demand).unsqueeze(1), self.parts).squeeze(1)
        return state * len(self.parts) + part

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the best stations ``[B]``."""
        return self.choose(candidate_stations_of(obs)), state

    def choose(self, candidates: CandidateStations) -> Tensor:
        """Place of the largest value among stations with room and a visit; else of the best rate; K without room."""
        state = self.state_of(candidates)
        known = candidates.room & (self.visits[state] > 0)
        value = self.table[state].masked_fill(~known, -torch.inf)
        rate = (candidates.rate / (candidates.users + 1)).masked_fill(~candidates.room, -torch.inf)
        return candidates.or_reject(torch.where(known.any(1), value.argmax(1), rate.argmax(1)))

    def learn(self, state: Tensor, action: Tensor, goal: Tensor) -> None:
        """Move values toward goals; of several for one pair, toward their mean."""
        self.values.learn(state * self.table.shape[1] + action, goal)


def _nearest(value: Tensor, levels: Tensor) -> Tensor:
    return (value.unsqueeze(-1) - levels).abs().argmin(-1)


@torch.no_grad()
def q_learning(
    source: DiscreteArrivals,
    *,
    episodes: int = 50_000,
    num_envs: int = 2500,
    explore: float = 0.8,
    epsilon_end: float = 0.02,
    gamma: float = 0.5,
    rate: float = 0.5,
    seed: int = 0,
    progress: bool = True,
) -> QTable:
    """Train a table; the chance of a random choice falls exponentially over a part of the episodes.

    Args:
        source: arrivals.
        episodes: how many in all.
        num_envs: networks at once.
        explore: part of the episodes in which it explores.
        epsilon_end: chance of a random choice after that.
        gamma: discount of a slot.
        rate: see :class:`QTable`.
        seed: of arrivals and exploration.
        progress: show a bar.
    """
    table, env = QTable(source, gamma, rate), ArrivalEnv(source, num_envs, seed=seed)
    generator, rounds = stream(seed, 0, "exploration"), max(episodes // num_envs, 1)
    obs, _ = env.reset()
    for number in track(range(rounds), "Q-learning", disable=not progress):
        epsilon = max(epsilon_end, epsilon_end ** (number / max(explore * rounds, 1)))
        waits = torch.zeros(num_envs, dtype=torch.bool)
        state, action = torch.zeros(num_envs, dtype=torch.long), torch.zeros(num_envs, dtype=torch.long)
        gain, discount = torch.zeros(num_envs), torch.ones(num_envs)
        for _ in range(env.slots):
            candidates = candidate_stations_of(obs)
            now, place = table.state_of(candidates), table.choose(candidates)
            random_place = random_choice(candidates.room, generator)
            place = torch.where(torch.rand(num_envs, generator=generator) < epsilon, random_place, place)
            choice = candidates.room.any(1)
            done = choice & waits
            value = table.table[now].masked_fill(~candidates.room, -torch.inf).max(1).values
            table.learn(state[done], action[done], gain[done] + discount[done] * value[done])
            state, action = torch.where(choice, now, state), torch.where(choice, place, action)
            gain, discount = gain.masked_fill(choice, 0.0), discount.masked_fill(choice, 1.0)
            waits |= choice
            step = env.step(place)
            gain, discount, obs = gain + discount * step.reward.sum(1), discount * gamma, step.obs
        table.learn(state[waits], action[waits], gain[waits])
    return table
