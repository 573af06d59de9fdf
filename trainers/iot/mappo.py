"""MAPPO on the trunk of IoT schedulers: clusters and powers that are drawn, learned on the policy's own rollouts."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.models.iot.trunk_agents import TrunkMADDPG
from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.on_policy import OnPolicyModule, clipped_gain, normalised
from hetgraph.trainers.common.optimisers import Optimiser
from hetgraph.trainers.iot.rollouts import TrunkRollout, TrunkRollouts, log_probs


class TrunkMAPPOModule(OnPolicyModule):
    """Clipped policy gradients for stations that draw clusters and powers (Yu et al. 2022), on the trunk of the other agents.

    Clusters are drawn from the expected shares, user after user; logits of powers and of silence from Gaussians. Each of these
    choices has a probability ratio of its own and its station's advantage: one ratio of thousands of numbers would always be clipped.
    Deviations ``log_deviation`` are learned; the critic is the trunk's value of a station's state.

    Args:
        deviation: of logits at the start.
        gamma: discount of a slot.
        lam: weight of longer traces.
        clip: range of the probability ratios.
        epochs: passes over a rollout.
        minibatches: parts of a rollout.
        value_weight: weight of the value loss.
        entropy: weight of the logarithm of the deviations.
        lr: learning rate at the start.
        lr_end: part of it that is left at the end.
        max_norm: largest norm of the gradient.
        own: stations learn from their own rewards, which do not tell what they take from others; else from the team's.
        optimiser: ``adam`` or ``rmsprop``.
        model: options of :class:`~hetgraph.models.TrunkMADDPG`.
    """

    model: TrunkMADDPG

    def __init__(
        self,
        deviation: float = 0.3,
        gamma: float = 0.9,
        lam: float = 0.8,
        clip: float = 0.2,
        epochs: int = 2,
        minibatches: int = 4,
        value_weight: float = 0.5,
        entropy: float = 1e-3,
        lr: float = 1e-3,
        lr_end: float = 0.05,
        max_norm: float = 0.5,
        own: bool = False,
        optimiser: Optimiser = "adam",
        **model: Any,
    ) -> None:
        super().__init__(
            gamma=gamma, lam=lam, clip=clip, epochs=epochs, minibatches=minibatches, value_weight=value_weight,
            entropy=entropy, lr=lr, lr_end=lr_end, max_norm=max_norm, optimiser=optimiser, fall="cosine",
        )  # fmt: skip
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = TrunkMADDPG(**model)
        self.log_deviation = nn.Parameter(torch.full((2,), deviation).log())
        self.own = own
        self.centre: Tensor
        self.rollouts: Tensor
        self.register_buffer("centre", torch.tensor(0.0))
        self.register_buffer("rollouts", torch.tensor(0))

    def targets(self, rollout: TrunkRollout) -> tuple[Tensor, Tensor]:
        """Normalised advantages and returns, less the running mean of rewards ``[T * B, N]``."""
        keep = min(int(self.rollouts) / 20, 0.95)
        reward = rollout.reward if self.own else rollout.reward.mean(2, keepdim=True).expand_as(rollout.reward)
        self.centre.mul_(keep).add_((1 - keep) * reward.mean())
        self.rollouts += 1
        done = rollout.done.unsqueeze(2)
        advantage = gae(
            reward - self.centre, rollout.value, rollout.next_value, done=done, terminated=torch.zeros_like(done),
            gamma=self.gamma, lam=self.lam,
        )  # fmt: skip
        return normalised(advantage).flatten(0, 1), (advantage + rollout.value).flatten(0, 1)

    def parts(self, rollout: TrunkRollout) -> Iterator[Tensor]:
        """Rows of each minibatch."""
        yield from torch.randperm(rollout.done.numel()).to(rollout.done.device).chunk(self.minibatches)

    def loss(self, rollout: TrunkRollout, part: Tensor, advantage: Tensor, goal: Tensor) -> Tensor:
        """Loss of a minibatch."""
        policy, drawn = self.model, rollout.drawn.select(part)
        views = self._experience().views_of({name: value[part] for name, value in rollout.rows.items()})
        shares = policy.shares(views)
        choices = (drawn.user, drawn.logit, drawn.silence)
        now = log_probs(policy, views, shares, choices, self.log_deviation.exp())
        value = policy.state_value(shares.summary).squeeze(2)
        gain = advantage[part]
        gains = (gain.reshape(*gain.shape, *([1] * (new.dim() - 2))) for new in now)
        return self._clipped(value, goal[part], zip(now, drawn.log_prob, gains, strict=True))

    def _clipped(self, value: Tensor, goal: Tensor, drawn: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
        """Loss of values, of deviations, and of the clipped ratios of each kind of choice, means over those that were made.

        Args:
            value: of stations ``[B, N]``.
            goal: what it is to become ``[B, N]``.
            drawn: of each kind the logarithms of probabilities now and before, 0 for what decided nothing, and the advantage.
        """
        loss = self.value_weight * nn.functional.huber_loss(value, goal) - self.entropy * self.log_deviation.sum()
        for new, old, gain in drawn:
            counts = old != 0
            loss = loss - (clipped_gain(new, old, gain, self.clip) * counts).sum() / counts.sum().clamp_min(1)
        return loss

    def _experience(self) -> TrunkRollouts:
        rollouts = self.data.train_data
        assert isinstance(rollouts, TrunkRollouts)
        return rollouts
