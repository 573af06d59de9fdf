"""Learning on the policy: several passes over a rollout with clipped probability ratios."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from hetgraph.trainers.common.env_module import EnvModule


def clipped_gain(new: Tensor, old: Tensor, advantage: Tensor, clip: float) -> Tensor:
    r"""Surrogate :math:`\min(\rho A, \mathrm{clip}(\rho, 1 - c, 1 + c) A)` (Schulman et al. 2017, eq. 7), to be maximised.

    Args:
        new: logarithms of probabilities of what was done, of the policy of now ``[*]``.
        old: those of the policy that did it ``[*]``.
        advantage: how much better it was than expected, broadcastable to these.
        clip: range c of the probability ratio.
    """
    ratio = (new - old).exp()
    return torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage)


def normalised(advantage: Tensor) -> Tensor:
    """Advantages with mean 0 and deviation 1."""
    return (advantage - advantage.mean()) / advantage.std().clamp_min(1e-6)


class OnPolicyModule(EnvModule, ABC):
    """Clipped policy gradients with a learned value (PPO, and MAPPO for agents: Yu et al. 2022).

    A subclass tells advantages and goals of a rollout, its minibatches, and the loss of one.

    Args:
        gamma: discount.
        lam: weight of longer traces.
        clip: range of the probability ratio.
        epochs: passes over a rollout.
        minibatches: parts of a rollout.
        value_weight: weight of the value loss.
        entropy: weight of the entropy at the start.
        entropy_end: part of it that is left at the end.
        optimisation: of :class:`~hetgraph.trainers.common.env_module.EnvModule`.
    """

    def __init__(
        self,
        *,
        gamma: float,
        lam: float,
        clip: float,
        epochs: int,
        minibatches: int,
        value_weight: float,
        entropy: float,
        entropy_end: float = 1.0,
        **optimisation: Any,
    ) -> None:
        super().__init__(**optimisation)
        self.gamma, self.lam, self.clip, self.epochs, self.minibatches = gamma, lam, clip, epochs, minibatches
        self.value_weight, self.entropy, self.entropy_end = value_weight, entropy, entropy_end

    @abstractmethod
    def targets(self, rollout: Any) -> tuple[Tensor, Tensor]:
        """Advantages of what agents did, and what their values are to become, each a number for every slot, network and agent."""

    @abstractmethod
    def parts(self, rollout: Any) -> Iterator[Any]:
        """Minibatches of a rollout, in random order: whatever :meth:`loss` takes them to be, such as numbers of rows."""

    @abstractmethod
    def loss(self, rollout: Any, part: Any, advantage: Tensor, goal: Tensor) -> Tensor:
        """Loss of a minibatch, given all of :meth:`targets`; a scalar."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Several passes over a rollout."""
        advantage, goal = self.targets(batch)
        optimiser, total, steps = self.named_optimisers()["loss"], torch.zeros((), device=self.device), 0
        for _ in range(self.epochs):
            for part in self.parts(batch):
                loss = self.loss(batch, part, advantage, goal)
                self.update(optimiser, loss)
                total, steps = total + loss.detach(), steps + 1
        self.log("train/reward", batch.reward.mean(), on_step=False, on_epoch=True, prog_bar=True, batch_size=1)
        return total / max(steps, 1)

    @property
    def entropy_weight(self) -> float:
        """Weight of the entropy now."""
        return self.entropy * (1 - (1 - self.entropy_end) * self.progress)
