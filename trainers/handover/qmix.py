"""Training of QMIX with the paper's stabilisers, each with a switch (Algorithm 3 of the paper; Rashid et al. 2018)."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.models.qmix import GraphQMIX, Values
from hetgraph.nn.candidates import Candidates
from hetgraph.nn.handover_encoders import LOG_RATE
from hetgraph.radio.handover import HandoverAction
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.off_policy import OffPolicyModule
from hetgraph.trainers.common.optimisers import Optimiser
from hetgraph.trainers.handover.experience import Transitions
from hetgraph.trainers.handover.tabular import log_rate


def td_target(reward: Tensor, value: Tensor, terminated: Tensor, *, gamma: float, squash: float = 5.0) -> Tensor:
    r"""Target :math:`c \tanh(y / c)` of :math:`y = r + \gamma Q'(s', a')`, without the second term where the task ended.

    Args:
        reward: normalised ``[B, *]``.
        value: of the next state, by the target network ``[B, *]``.
        terminated: where the task ended ``[B]``.
        gamma: discount.
        squash: bound c of the target; 0 for none.
    """
    on = (~terminated).to(value.dtype).reshape(-1, *[1] * (value.dim() - 1))
    target = reward + gamma * value * on
    return squash * (target / squash).tanh() if squash else target


def td_loss(error: Tensor, clip: float = 5.0) -> Tensor:
    """Mean square of TD errors; beyond ``clip`` it grows linearly, so that the slope is that of the clipped error; 0 for never."""
    if not clip:
        return error.square().mean()
    return 2 * nn.functional.huber_loss(error, torch.zeros_like(error), delta=clip)


class NormHistory(nn.Module):
    """Norms of recent gradients; the limit is one of their percentiles, at most a cap.

    Args:
        percentile: part of the recent norms that the limit leaves alone.
        cap: largest limit.
        length: norms that are remembered.
    """

    norms: Tensor
    count: Tensor

    def __init__(self, percentile: float = 0.95, cap: float = 2.0, length: int = 100) -> None:
        super().__init__()
        self.percentile, self.cap = percentile, cap
        self.register_buffer("norms", torch.zeros(length))
        self.register_buffer("count", torch.tensor(0))

    def limit(self, norm: Tensor) -> float:
        """Limit for a gradient of this norm, which is remembered."""
        self.norms[int(self.count) % len(self.norms)] = norm
        self.count += 1
        known = self.norms[: int(self.count)]
        return min(float(known.quantile(self.percentile)), self.cap)


class QMIX(OffPolicyModule):
    """QMIX of cells that hand users over, its ablations, and agents that learn alone.

    Besides the joint value, what each user adds to the utility of all can be learned by the same heads (``credit``): a difference
    reward (Wolpert and Tumer 2002). The joint value alone has one number a step for all that hundreds of users did.

    Args:
        gamma: discount of a step.
        joint: weight of the loss of the joint value; of the agents' own ones with ``independent``.
        credit: weight of the loss of what each user adds to the utility of all.
        gap: part alpha of the advantage that targets lose (advantage learning, Bellemare et al. 2016): values of actions then
            differ by 1 / (1 - alpha) times as much. Going now or a step later differs by little else.
        double: the online network picks the next action, the target network judges it.
        soft: part of the online network that joins the target network after a step; 0 for none.
        hard_every: episodes between copies to the target network; 0 for never.
        squash: bound of the targets; 0 for none.
        td_clip: TD error beyond which the loss grows linearly; 0 for none.
        clip_percentile: percentile of recent gradient norms at which gradients are clipped; 0 for the cap alone.
        clip_cap: largest norm of a gradient; 0 for any.
        lr: learning rate at the start.
        lr_end: part of it that is left at the end of its cosine.
        optimiser: ``adam`` or ``rmsprop``.
        model: options of :class:`~hetgraph.models.GraphQMIX`.
    """

    model: GraphQMIX

    def __init__(
        self,
        gamma: float = 0.95,
        joint: float = 1.0,
        credit: float = 0.0,
        gap: float = 0.0,
        double: bool = True,
        soft: float = 0.008,
        hard_every: int = 20,
        squash: float = 5.0,
        td_clip: float = 5.0,
        clip_percentile: float = 0.95,
        clip_cap: float = 2.0,
        lr: float = 5e-4,
        lr_end: float = 0.16,
        optimiser: Optimiser = "adam",
        **model: Any,
    ) -> None:
        norm = clip_cap or math.inf
        super().__init__(soft=soft, lr=lr, lr_end=lr_end, max_norm=norm, optimiser=optimiser, fall="cosine")
        if not 0 <= gamma < 1:
            raise ValueError(f"gamma: got {gamma}, expected a number from 0 to below 1")
        if not (joint or credit):
            raise ValueError("joint, credit: got 0 for both, expected a loss")
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = GraphQMIX(**model)
        self.history = NormHistory(clip_percentile, norm) if clip_percentile else None
        self.gamma, self.joint, self.credit, self.gap = gamma, joint, credit, gap
        self.pick_online, self.hard_every, self.squash, self.td_clip = double, hard_every, squash, td_clip
        self.reward_mean: Tensor
        self.reward_std: Tensor
        self.credit_mean: Tensor
        self.credit_std: Tensor
        self.copies: Tensor
        self.register_buffer("reward_mean", torch.tensor(0.0))
        self.register_buffer("reward_std", torch.tensor(1.0))
        self.register_buffer("credit_mean", torch.tensor(0.0))
        self.register_buffer("credit_std", torch.tensor(1.0))
        self.register_buffer("copies", torch.tensor(0))
        self.set_targets("model")

    def set_scale(self, observations: Sequence[Candidates], reward: Tensor, credit: Tensor) -> None:
        """Bring features and rewards to scale by a first look: discounted sums of rewards, times 1 - gamma, are about one.

        Args:
            observations: T observations of B networks.
            reward: of the cells ``[T, B, K]``.
            credit: of users ``[T, B, U]``.
        """
        self.credit_mean.copy_(credit.mean())
        self.credit_std.copy_(credit.std().clamp_min(1e-6))
        self.reward_mean.copy_(reward.mean())
        self.reward_std.copy_(reward.std().clamp_min(1e-6))
        own = (credit - self.credit_mean) / self.credit_std
        self.model.set_scale(observations, (reward - self.reward_mean) / self.reward_std, own)
        self.copy_to_targets()

    def losses(self, batch: Transitions) -> Iterator[tuple[str, Tensor]]:
        """TD losses of the joint value and of users' credits, together."""
        now, target = self.model(batch.obs), self.target_model
        with torch.no_grad():
            later = target(batch.next_obs)
            action = (self.model(batch.next_obs) if self.pick_online else later).best()
        reward = (1 - self.gamma) * (batch.reward - self.reward_mean) / self.reward_std
        loss = torch.zeros((), device=reward.device)
        if self.joint:
            value, after, gain = self._joint(now, later, batch, reward, action)
            error = td_target(gain, after, batch.terminated, gamma=self.gamma, squash=self.squash) - value
            loss = loss + self.joint * td_loss(error, self.td_clip)
            self.note(joint_error=error.detach().square().mean().sqrt())
        if self.credit:
            gain = (1 - self.gamma) * (batch.credit - self.credit_mean) / self.credit_std
            goal = td_target(gain, later.credits(action), batch.terminated, gamma=self.gamma, squash=self.squash)
            if self.gap:
                with torch.no_grad():
                    then: Values = target(batch.obs)
                    goal = goal - self.gap * (then.credits(then.best()) - then.credits(batch.action))
            error = goal - now.credits(batch.action)
            loss = loss + self.credit * td_loss(error, self.td_clip)
            self.note(credit_error=error.detach().square().mean().sqrt())
        yield "loss", loss

    def _joint(
        self, now: Values, later: Values, batch: Transitions, reward: Tensor, action: HandoverAction
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values of what was done and of what comes next, and rewards: of networks, of cells or of users that learn alone.

        Such a user's reward is its own log rate: that of its cell, a sum over users, would send it where others are.
        """
        if self.model.mixing != "independent":
            return self.model.joint(now, batch.action), self.target_model.joint(later, action), reward.mean(1)
        if self.model.of_users:
            own_rate = log_rate(batch.next_obs).reshape(len(reward), -1)
            mean, std = (self.model.get_buffer(f"ue_{name}")[LOG_RATE] for name in ("mean", "std"))
            own_rate = (own_rate - mean) / std
            return now.users(batch.action), later.users(action), (1 - self.gamma) * own_rate
        return now.agents(batch.action), later.agents(action), reward

    def clip_gradient(self, parameters: list[nn.Parameter]) -> None:
        """Clip by norm, at a percentile of recent norms."""
        limit = self.max_norm
        if self.history is not None:
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            limit = self.history.limit(norm)
        nn.utils.clip_grad_norm_(parameters, limit)

    def follow(self) -> None:
        """Move the target network toward the online one; copy it every so many episodes."""
        due = self.data.episodes_done // self.hard_every if self.hard_every else 0
        if due > int(self.copies):
            self.copy_to_targets()
            self.copies.fill_(due)
        else:
            super().follow()
