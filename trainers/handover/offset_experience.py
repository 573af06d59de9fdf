"""Experience with offsets: episodes of exploring cells beside a rule that meets the same arrivals."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverTrafficEnv
from hetgraph.models.offset_qmix import CHANGE_DB, CHANGES, OffsetQMIX, weights_of
from hetgraph.trainers.common.experience import Experience
from hetgraph.trainers.common.replay import ReplayBuffer

NEXT = "next_"
LEAST, MOST = 0.01, 0.1  # chances of a random change of the networks that explore least and most
SOFTNESS = 0.5  # of drawn changes
DRAWN = 0.2  # share of changes that are drawn where least are, all where most are
MOST_TIMES = 2.0  # of the rule's failures that count when a price moves


class FailurePrice:
    """Price of a radio-link failure that follows a limit: a Lagrange multiplier, moved by the failures of greedy decisions.

    What a fixed price comes to differs from run to run: with one of 14 to 18 s trained agents lose 0.4 to 1.2 of the rule's links. It
    moves slowly and not far: the replay memory answers some ten episodes later, and early on, when nothing is known of failures, a
    price without bounds swings.

    Args:
        price: at the start, s of one user's backlog.
        most: failures over the rule's that are allowed; ``None`` for a price that stays.
        after: episodes before the first change.
        every: episodes between two changes.
        pace: by how much the logarithm of the price moves for each part of the rule's losses above the limit.
        range: largest factor between the price and its start.
    """

    def __init__(
        self,
        price: float,
        most: float | None,
        after: int = 15,
        every: int = 3,
        pace: float = 0.1,
        range: float = 1.5,
    ) -> None:
        self.price, self.start, self.most, self.after, self.every, self.pace = price, price, most, after, every, pace
        self.low, self.high = price / range, price * range

    def due(self, episode: int) -> bool:
        """Whether the price changes in an episode."""
        return self.most is not None and episode >= self.after and (episode - self.after) % self.every == 0

    def follow(self, failures: float, rule: float) -> None:
        """Move by the failures of the agents and of the rule, of a user and minute."""
        if self.most is None:
            return
        excess = min(failures / max(rule, 1e-9), MOST_TIMES) - self.most
        self.price = min(max(self.price * math.exp(self.pace * excess), self.low), self.high)


@dataclass(frozen=True)
class OffsetTransitions:
    """Steps of some networks, each with the state some steps later.

    Args:
        obs: what was seen.
        change: weights of learned changes that make up what was done (:func:`~hetgraph.models.offset_qmix.weights_of`) ``[B, N, 3]``.
        gain: discounted rewards until the later state, over the rule's ``[B]``.
        local: the same of each cell's own users ``[B, N]``.
        discount: of the later state's value ``[B]``.
        beside: the rule's backlog and how far the network's is above it, s ``[B, 2]``.
        next_obs: the later state.
        next_beside: likewise.
        price: of a failure, s.
    """

    obs: HeteroData
    change: Tensor
    gain: Tensor
    local: Tensor
    discount: Tensor
    beside: Tensor
    next_obs: HeteroData
    next_beside: Tensor
    price: Tensor


class OffsetExperience(Experience[OffsetTransitions]):
    """Whole episodes under exploring cells, and draws from the replay memory that they fill.

    Beside the agents a rule meets the same arrivals in networks of its own; rewards are those of the agents less the rule's, as what
    comes to a network in a flash crowd moves its delay far more than what any cell does.

    Args:
        env: environment.
        rule_env: an equal one, of the rule.
        policy: the agents.
        rule: the rule; ``None`` for rewards as they are.
        buffer: replay memory.
        gamma: discount of a step.
        n_step: steps until the later state.
        scale: of rewards, 1/s.
        batch_size: rows of a draw.
        draws: draws in an epoch.
        updates: draws for each episode.
        price: of a failure; rewards of the environment have its first one.
    """

    def __init__(
        self,
        env: HandoverTrafficEnv,
        rule_env: HandoverTrafficEnv | None,
        policy: OffsetQMIX,
        rule: Any,
        buffer: ReplayBuffer,
        *,
        price: FailurePrice,
        gamma: float,
        n_step: int,
        scale: float,
        batch_size: int,
        draws: int,
        updates: int,
    ) -> None:
        super().__init__(env, policy, buffer, batch_size=batch_size, slots=1, draws=draws, least=1)
        self.rule_env, self.rule, self.updates, self.price = rule_env, rule, updates, price
        self.gamma, self.n_step, self.scale, self.due = gamma, n_step, scale, 0
        turn = torch.linspace(0, 1, env.num_envs, device=env.device).unsqueeze(1)
        self.epsilon, self.drawn_share = LEAST * (MOST / LEAST) ** turn, DRAWN + (1 - DRAWN) * turn

    @torch.no_grad()
    def collect(self, slots: int) -> None:
        """Play an episode where enough was drawn from those before."""
        if self.due <= 0:
            self.step()
            self.due = self.updates

    def step(self) -> None:
        """Play an episode of all networks and keep its steps."""
        env, states, changes, besides, rewards, local, failed = self.env, [], [], [], [], [], []
        rule_env, number = self.rule_env, self.env.episode
        greedy = self.greedy_failures() if self.price.due(number) else None
        memory = None if rule_env is None else self.rule.initial_state(rule_env.observe(self.rule.level))
        for _ in range(env.episode_slots):
            obs = env.observe(self.policy.level)
            change_db = self.explore(obs)
            states.append(env.pack())
            besides.append(self.beside())
            changes.append(weights_of(change_db))
            step = env.step(self.policy.action(env.view.offset_db + change_db))
            reward, own, failures = step.reward.mean(1), step.info["reward_local"], step.info["counters"].failures
            if rule_env is not None:
                action, memory = self.rule.act(rule_env.observe(self.rule.level), memory, None)
                other = rule_env.step(action)
                reward, own = reward - other.reward.mean(1), own - other.info["reward_local"]
                failures = failures - other.info["counters"].failures
            rewards.append(self.scale * reward)
            local.append(self.scale * own)
            failed.append(self.scale * failures / (env.num_users * env.clock.step_s))
        self._keep(states, *map(torch.stack, (changes, besides, rewards, local, failed)))
        if greedy is not None and rule_env is not None:
            self.price.follow(greedy, float(other.info["episode"]["failures_per_min"].mean()))

    def greedy_failures(self) -> float:
        """Failures of a user and minute where the agents play the present episode without exploring."""
        env, failures = self.env.twin(), 0.0
        for _ in range(env.episode_slots):
            action, _ = self.policy.act(env.observe(self.policy.level), None, None)
            info = env.step(action).info
            failures = float(info["episode"]["failures_per_min"].mean()) if "episode" in info else failures
        return failures

    def explore(self, obs: HeteroData) -> Tensor:
        """Changes of offsets ``[B, N]``, dB: decisions, or in their place learned changes that are drawn by their chances or by none.

        Decisions are expected changes. Where all changes are drawn, offsets wander over decibels, and values are those of other
        states and of another policy than decisions meet; where none is, nothing is learned of single changes. So networks draw
        different shares.
        """
        values = self.policy(obs)
        chances = self.policy.chances(values, SOFTNESS)
        chances = torch.lerp(chances, torch.full_like(chances, 1 / CHANGES), self.epsilon.unsqueeze(2))
        change = torch.multinomial(chances.flatten(0, 1), 1).view(chances.shape[:2])
        drawn = torch.rand(change.shape, device=change.device) < self.drawn_share
        return torch.where(drawn, CHANGE_DB * (change - 1), self.policy.change_db(values))

    def beside(self) -> Tensor:
        """The rule's backlog and how far the agents' is above it, in seconds of mean delay ``[B, 2]``."""
        own = _backlog_s(self.env)
        other = own if self.rule_env is None else _backlog_s(self.rule_env)
        return torch.stack([other, self.scale * (own - other)], 1)

    def _keep(
        self,
        states: list[dict[str, Tensor]],
        change: Tensor,
        beside: Tensor,
        reward: Tensor,
        local: Tensor,
        failed: Tensor,
    ) -> None:
        last = len(states) - 1
        for t in range(last):
            n = min(self.n_step, last - t)
            weight = self.gamma ** torch.arange(n, device=reward.device, dtype=reward.dtype)
            row = states[t] | {NEXT + name: value for name, value in states[t + n].items()}
            row |= {"change": change[t].half(), "beside": beside[t], NEXT + "beside": beside[t + n]}
            row |= {"gain": torch.einsum("t,tb->b", weight, reward[t : t + n])}
            row |= {"failures": torch.einsum("t,tb->b", weight, failed[t : t + n])}
            row |= {"local": torch.einsum("t,tbn->bn", weight, local[t : t + n])}
            self.buffer.add(row | {"discount": torch.full_like(reward[t], self.gamma**n)})

    def draw(self) -> OffsetTransitions:
        """A draw from the replay memory."""
        self.due -= 1
        rows = self.buffer.sample(self.batch_size).rows
        later = {name.removeprefix(NEXT): value for name, value in rows.items() if name.startswith(NEXT)}
        level = self.policy.level
        return OffsetTransitions(
            obs=self.env.unpack(rows, level),
            change=rows["change"].float(),
            gain=rows["gain"] - (self.price.price - self.price.start) * rows["failures"],
            **{name: rows[name] for name in ("local", "discount", "beside")},
            next_obs=self.env.unpack(later, level),
            next_beside=later["beside"],
            price=torch.tensor(self.price.price, device=self.env.device),
        )

    def state_dict(self) -> dict[str, Any]:
        """How far it is; rows are the replay memory's."""
        rule = {} if self.rule_env is None else {"rule_env": self.rule_env.state_dict()}
        return super().state_dict() | {"due": self.due, "price": self.price.price} | rule

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`; episodes are played whole, so that no rule remembers anything between them."""
        super().load_state_dict(state)
        self.due, self.price.price = state["due"], state["price"]
        if self.rule_env is not None:
            self.rule_env.load_state_dict(state["rule_env"])


def _backlog_s(env: HandoverTrafficEnv) -> Tensor:
    """Bits that wait over the mean rates at which they come, mean over users ``[B]``, s."""
    return (env.view.queue / env.drawn.mean_bps.clamp_min(1)).mean(1)


def huber(error: Tensor) -> Tensor:
    """Mean Huber loss."""
    return nn.functional.huber_loss(error, torch.zeros_like(error))
