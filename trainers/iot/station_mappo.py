"""What MAPPO of IoT stations has in common, whatever their policy is: advantages of each station, minibatches of networks."""

from abc import ABC
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.common.on_policy import OnPolicyModule, clipped_gain, normalised


class StationRollout(Protocol):
    """``T`` slots of ``B`` networks of ``N`` stations.

    Attributes:
        value: of the states ``[T, B, N]``.
        next_value: of those after each slot, before any reset ``[T, B, N]``.
        reward: of the stations, with the continuous stage's terms ``[T, B, N]``.
        done: the episode ended after the slot ``[T, B]``.
    """

    @property
    def value(self) -> Tensor: ...
    @property
    def next_value(self) -> Tensor: ...
    @property
    def reward(self) -> Tensor: ...
    @property
    def done(self) -> Tensor: ...


class StationMAPPO(OnPolicyModule, ABC):
    """Clipped policy gradients with each station's advantage; what is drawn has deviations ``log_deviation``, which are learned.

    Args:
        own: stations learn from their own rewards, which do not tell what they take from others; else from the team's.
        learning: of :class:`~hetgraph.trainers.common.on_policy.OnPolicyModule`.
    """

    def __init__(self, *, own: bool, **learning: Any) -> None:
        super().__init__(**learning)
        self.own = own
        self.log_deviation: nn.Parameter
        self.centre: Tensor
        self.rollouts: Tensor
        self.register_buffer("centre", torch.tensor(0.0))
        self.register_buffer("rollouts", torch.tensor(0))

    def targets(self, rollout: StationRollout) -> tuple[Tensor, Tensor]:
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

    def parts(self, rollout: StationRollout) -> Iterator[Tensor]:
        """Rows of each minibatch."""
        yield from torch.randperm(rollout.done.numel()).to(rollout.done.device).chunk(self.minibatches)

    def clipped_loss(self, value: Tensor, goal: Tensor, drawn: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Tensor:
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
