"""Rollouts of clusters and powers that are drawn in IoT networks, for learning on the policy."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs import IoTEnv
from hetgraph.models.iot.own_view import LEAST
from hetgraph.models.iot.powers import shares_of
from hetgraph.models.iot.trunk import Shares, StationViews, gumbel_like
from hetgraph.models.iot.trunk_agents import TrunkMADDPG
from hetgraph.radio.schedule import Schedule, clusters
from hetgraph.trainers.common.experience import Batches
from hetgraph.trainers.iot.returns import Returns

FORBIDDEN = -1e9


@dataclass(frozen=True)
class Draw:
    """What was drawn in some networks, and how likely it was.

    Args:
        user: users of clusters in the order of their draws ``[B, N, S, L]``.
        logit: of the powers of layers ``[B, N, S, L]``.
        silence: logit of silence ``[B, N]``.
        log_prob: logarithms of the chances of clusters ``[B, N, S, L]`` and of the densities of logits ``[B, N, S, L]`` and silence
            ``[B, N]``; zero for what decides nothing.
    """

    user: Tensor
    logit: Tensor
    silence: Tensor
    log_prob: tuple[Tensor, Tensor, Tensor]

    def select(self, rows: Tensor) -> "Draw":
        """Some of the networks."""
        chance, layer, off = (part[rows] for part in self.log_prob)
        return Draw(self.user[rows], self.logit[rows], self.silence[rows], (chance, layer, off))

    @staticmethod
    def cat(draws: list["Draw"]) -> "Draw":
        """All networks of several draws."""
        chance, layer, off = (torch.cat(parts) for parts in zip(*(one.log_prob for one in draws), strict=True))
        user, logit, silence = (
            torch.cat(parts) for parts in zip(*((one.user, one.logit, one.silence) for one in draws), strict=True)
        )
        return Draw(user, logit, silence, (chance, layer, off))


def chances(share: Tensor, user: Tensor, station: Tensor, ready: Tensor) -> Tensor:
    r"""Logarithms of the chances of clusters, drawn one user after the other without those before ``[B, N, S, L]``.

    By Gumbel noise on the logarithms of shares the users of the largest sums come in the order of the Plackett-Luce model:
    :math:`\log p_l = v_l - \log \sum_{j \notin \{1..l-1\}} e^{v_j}` over the station's users that are ready.

    Args:
        share: expected shares ``[B, U, S]``.
        user: users of clusters in their order ``[B, N, S, L]``; -1 for none.
        station: of each user ``[B, U]``.
        ready: users that may be scheduled ``[B, U]``.
    """
    n = user.shape[1]
    value = share.clamp_min(LEAST).log().transpose(1, 2).unsqueeze(1)  # [B, 1, S, U]
    own = (station.unsqueeze(1) == torch.arange(n, device=station.device).reshape(1, -1, 1)) & ready.unsqueeze(1)
    left = own.unsqueeze(2).expand(-1, -1, user.shape[2], -1)  # [B, N, S, U]
    parts = []
    for layer in range(user.shape[3]):
        chosen = user[..., layer : layer + 1]
        table = value.expand(left.shape).masked_fill(~left, FORBIDDEN)
        part = table.gather(3, chosen.clamp_min(0)) - table.logsumexp(3, keepdim=True)
        parts.append(torch.where(chosen >= 0, part, 0.0))
        left = left.scatter(3, chosen.clamp_min(0), left.gather(3, chosen.clamp_min(0)) & (chosen < 0))
    return torch.cat(parts, 3)


def density(value: Tensor, mean: Tensor, deviation: Tensor, counts: Tensor) -> Tensor:
    """Logarithm of a Gaussian density; zero where nothing counts."""
    off = torch.where(counts, value, 0) - torch.where(counts, mean, 0)
    log = -0.5 * (off / deviation).square() - deviation.log() - 0.5 * math.log(2 * math.pi)
    return torch.where(counts, log, 0)


def log_probs(
    policy: TrunkMADDPG, views: StationViews, shares: Shares, drawn: tuple[Tensor, Tensor, Tensor], deviation: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Logarithms of chances and densities of what was drawn, as in :class:`Draw`.

    Args:
        policy: whose shares and logits are the means.
        views: of the networks.
        shares: of the policy.
        drawn: users, logits and silence.
        deviation: of logits of layers and of silence ``[2]``.
    """
    user, logit, silence = drawn
    mean = _of_clusters(shares.power, user)
    return (
        chances(shares.share, user, views.station, views.own.ready),
        density(logit, mean, deviation[0], user >= 0),
        density(silence, shares.silence, deviation[1], torch.ones_like(silence, dtype=torch.bool)),
    )


def draw(policy: TrunkMADDPG, views: StationViews, deviation: Tensor) -> tuple[Draw, Schedule, Tensor]:
    """Draw clusters, logits and silence; with the schedule and the values of the states ``[B, N]``."""
    view, shares = views.spectrum, policy.shares(views)
    value = shares.share.clamp_min(LEAST).log() + gumbel_like(shares.share)
    user = clusters(value, views.station, view.shape[1], view.layers, views.own.ready)
    mean = _of_clusters(shares.power, user)
    logit = mean + deviation[0] * torch.randn_like(mean)
    silence = shares.silence + deviation[1] * torch.randn_like(shares.silence)
    worth = policy.state_value(shares.summary).squeeze(2)
    log_prob = log_probs(policy, views, shares, (user, logit, silence), deviation)
    power = shares_of(logit, silence.unsqueeze(2), user, view.cap)
    return Draw(user, logit, silence, log_prob), Schedule(views.station, user, power), worth


@dataclass(frozen=True)
class TrunkRollout:
    """``T`` slots of ``B`` networks.

    Args:
        rows: packed observations ``[T * B, *]``.
        drawn: what was drawn ``[T * B, *]``.
        value: of the states ``[T, B, N]``.
        next_value: of those after each slot, before any reset ``[T, B, N]``.
        reward: of the stations, with the continuous stage's terms ``[T, B, N]``.
        done: the episode ended after the slot ``[T, B]``.
    """

    rows: dict[str, Tensor]
    drawn: Draw
    value: Tensor
    next_value: Tensor
    reward: Tensor
    done: Tensor


class TrunkRollouts(Batches[TrunkRollout]):
    """Rollouts one after the other.

    Args:
        env: environment, with each station's own rewards.
        policy: whose decisions are drawn.
        log_deviation: logarithm of the deviations ``[2]``; a parameter that training changes.
        slots: slots T of a rollout.
        draws: rollouts in an epoch.
    """

    policy: TrunkMADDPG

    def __init__(self, env: IoTEnv, policy: TrunkMADDPG, log_deviation: Tensor, slots: int, draws: int) -> None:
        super().__init__(env, policy, slots=slots, draws=draws)
        self.log_deviation = log_deviation
        self.returns = Returns(env.num_envs, env.device)
        self.views = policy.views(env.reset()[0])

    @torch.no_grad()
    def batch(self) -> TrunkRollout:
        """Some slots."""
        policy, deviation = self.policy, self.log_deviation.exp()
        rows, kept, values = [], list[Draw](), list[Tensor]()
        reward, done = list[Tensor](), list[Tensor]()
        final: dict[int, Tensor] = {}
        for slot in range(self.slots):
            rows.append(self.env.pack(policy.filtered))
            drawn, action, worth = draw(policy, self.views, deviation)
            step = self.env.step(action)
            self.returns.add(step)
            if "final_obs" in step.info:
                final[slot] = self._value(policy.views(step.info["final_obs"]))
            kept.append(drawn)
            values.append(worth)
            reward.append(step.info["continuous_reward"].float())
            done.append(step.truncated)
            self.views = policy.views(step.obs)
        value = torch.stack(values)
        after = torch.cat([value[1:], self._value(self.views).unsqueeze(0)])
        for slot, worth in final.items():
            after[slot] = worth
        packed = {name: torch.cat([row[name] for row in rows]) for name in rows[0]}
        return TrunkRollout(packed, Draw.cat(kept), value, after, torch.stack(reward), torch.stack(done))

    def views_of(self, rows: dict[str, Tensor]) -> StationViews:
        """What stations see in packed rows."""
        return self.policy.views(self.env.unpack(rows, self.policy.level))

    def _value(self, views: StationViews) -> Tensor:
        out: Tensor = self.policy.state_value(self.policy.shares(views).summary).squeeze(2)
        return out

    def state_dict(self) -> dict[str, Any]:
        """How far it is."""
        return super().state_dict() | self.returns.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        super().load_state_dict(state)
        self.returns.load_state_dict(state)
        self.views = self.policy.views(self.env.observe(self.env.level))


def _of_clusters(logit: Tensor, user: Tensor) -> Tensor:
    """Logits of users on subchannels ``[B, U, S]`` at the layers of clusters ``[B, N, S, L]``."""
    b, n, s, _ = user.shape
    table = logit.transpose(1, 2).unsqueeze(1).expand(b, n, s, logit.shape[1])
    return table.gather(3, user.clamp_min(0))
