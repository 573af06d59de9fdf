"""Rollouts of sampled bids and powers in IoT networks, for learning on the policy."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.models.iot.agents import HybridMADDPG
from hetgraph.models.iot.decision import Agents, Discrete
from hetgraph.models.iot.powers import shares_of
from hetgraph.models.iot.views import IoTViews
from hetgraph.radio.schedule import Schedule, contest
from hetgraph.trainers.common.experience import Batches


@dataclass(frozen=True)
class Drawn:
    """What was drawn of the Gaussians around bids and logits, and the choice that followed.

    Args:
        edge: bids of stations for users ``[B, N, U]``.
        pair: bids of users for subchannels of their station ``[B, U, S]``.
        logit: of layers ``[B, N, S, L]``.
        off: of silence ``[B, N, 1]``.
        station: station of each user ``[B, U]``.
        user: users of clusters ``[B, N, S, L]``.
    """

    edge: Tensor
    pair: Tensor
    logit: Tensor
    off: Tensor
    station: Tensor
    user: Tensor

    def select(self, rows: Tensor) -> "Drawn":
        """Some of the networks."""
        return Drawn(*(value[rows] for value in vars(self).values()))


@dataclass(frozen=True)
class IoTRollout:
    """``T`` slots of ``B`` networks.

    Args:
        rows: packed tables before each slot ``[T * B, *]``.
        drawn: what was drawn ``[T * B, *]``.
        log_prob: of :func:`log_probs` ``[T * B, *]`` each.
        value: of the observations ``[T, B, N]``.
        next_value: of those after each slot, before any reset ``[T, B, N]``.
        reward: of the stations, with the continuous stage's terms ``[T, B, N]``.
        done: the episode ended after the slot ``[T, B]``.
    """

    rows: dict[str, Tensor]
    drawn: Drawn
    log_prob: tuple[Tensor, ...]
    value: Tensor
    next_value: Tensor
    reward: Tensor
    done: Tensor


def draw(
    policy: HybridMADDPG, views: IoTViews, deviation: Tensor
) -> tuple[Drawn, Schedule, tuple[Tensor, ...], Tensor]:
    """Draw bids and logits; the schedule, logarithms of densities and values ``[B, N]``.

    Args:
        policy: whose bids and logits are the means.
        views: of the networks.
        deviation: of stations' bids, of users' bids and of logits ``[3]``.
    """
    view, agents = views.spectrum, policy.encode(views)
    edge = _around(policy.edge_bid(views, agents), deviation[0])
    station = contest(edge, view.active.unsqueeze(1).expand_as(edge))
    b, n, _, s = view.shape
    none = torch.full((b, n, s, view.layers), -1, device=station.device)
    mean = policy.taken(views, agents, station, none)
    pair = _around(mean.pair_bid, deviation[1])
    user = policy.clusters(views, agents, station, pair, mean.sinr)
    choice = Discrete(station, user, mean.edge_bid, mean.pair_bid, mean.sinr)
    logit, off = (_around(value, deviation[2]) for value in policy.logits(views, agents, choice))
    drawn = Drawn(edge, pair, logit, off, station, user)
    densities = log_probs(policy, views, agents, choice, drawn, deviation)
    value = policy.value(agents.station).squeeze(2)
    return drawn, Schedule(station, user, shares_of(logit, off, user, view.cap)), densities, value


def log_probs(
    policy: HybridMADDPG, views: IoTViews, agents: Agents, choice: Discrete, drawn: Drawn, deviation: Tensor
) -> tuple[Tensor, ...]:
    """Logarithms of densities of bids for users, for subchannels, of logits and of silence; zero for what decides nothing."""
    view = views.spectrum
    logit, off = policy.logits(views, agents, choice)
    return (
        density(drawn.edge, choice.edge_bid, deviation[0], view.active.unsqueeze(1)),
        density(drawn.pair, choice.pair_bid, deviation[1], (view.queue_bits > 0).unsqueeze(2)),
        density(drawn.logit, logit, deviation[2], drawn.user >= 0),
        density(drawn.off, off, deviation[2], torch.ones_like(off, dtype=torch.bool)),
    )


class IoTRollouts(Batches[IoTRollout]):
    """Rollouts one after the other.

    Args:
        env: environment, with each station's own rewards.
        policy: whose decisions are drawn.
        log_deviation: logarithm of the deviation of what is drawn ``[3]``; a parameter that training changes.
        slots: slots T of a rollout.
        draws: rollouts in an epoch.
    """

    def __init__(self, env: IoTEnv, policy: HybridMADDPG, log_deviation: Tensor, slots: int, draws: int) -> None:
        super().__init__(env, policy, slots=slots, draws=draws)
        self.log_deviation = log_deviation
        self.views = policy.views(env.reset()[0])

    @torch.no_grad()
    def batch(self) -> IoTRollout:
        """Some slots."""
        policy, deviation = self.policy, self.log_deviation.exp()
        rows: list[dict[str, Tensor]] = []
        kept: list[tuple[Drawn, tuple[Tensor, ...]]] = []
        value: list[Tensor] = []
        reward: list[Tensor] = []
        done: list[Tensor] = []
        final: dict[int, Tensor] = {}
        for slot in range(self.slots):
            drawn, action, densities, worth = draw(policy, self.views, deviation)
            rows.append(self.env.pack())
            kept.append((drawn, densities))
            step = self.env.step(action)
            if "final_obs" in step.info:
                final[slot] = self._value(policy.views(step.info["final_obs"]))
            for values_of_slots, new in (
                (value, worth),
                (reward, step.info["continuous_reward"].float()),
                (done, step.truncated),
            ):
                values_of_slots.append(new)
            self.views = policy.views(step.obs)
        values = torch.stack(value)
        after = torch.cat([values[1:], self._value(self.views).unsqueeze(0)])
        for slot, worth in final.items():
            after[slot] = worth
        every = Drawn(*(torch.cat(parts) for parts in zip(*(vars(d).values() for d, _ in kept), strict=True)))
        densities = tuple(torch.cat(parts) for parts in zip(*(p for _, p in kept), strict=True))
        packed = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        return IoTRollout(packed, every, densities, values, after, torch.stack(reward), torch.stack(done))

    def views_of(self, rows: dict[str, Tensor]) -> IoTViews:
        """Tables of packed rows."""
        views: IoTViews = self.policy.views(self.env.unpack(rows, self.env.level))
        return views

    def _value(self, views: IoTViews) -> Tensor:
        out: Tensor = self.policy.value(self.policy.encode(views).station).squeeze(2)
        return out

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        super().load_state_dict(state)
        self.views = self.policy.views(self.env.observe(self.env.level))


def _around(mean: Tensor, deviation: Tensor) -> Tensor:
    return mean + deviation * torch.randn_like(mean)


def density(value: Tensor, mean: Tensor, deviation: Tensor, counts: Tensor) -> Tensor:
    """Logarithm of a Gaussian density; zero where nothing counts."""
    # Bids for users that are not there are minus infinity: keep their difference out of sum and gradient.
    off = torch.where(counts, value, 0) - torch.where(counts, mean, 0)
    log = -0.5 * (off / deviation).square() - deviation.log() - 0.5 * math.log(2 * math.pi)
    return torch.where(counts, log, 0)
