"""Training of neighbourhood MAPPO: clipped policy and value losses on sequences (Yu et al. 2022)."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.models.mappo import NeighbourhoodMAPPO
from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.on_policy import OnPolicyModule, clipped_gain, normalised
from hetgraph.trainers.common.optimisers import Optimiser
from hetgraph.trainers.queues.rollouts import Rollout


class MAPPOModule(OnPolicyModule):
    """Neighbourhood MAPPO with clipped policy and value losses, value normalisation and entropy.

    Args:
        gamma: discount.
        lam: weight of longer traces.
        clip: range of the probability ratio and of the change of the value.
        epochs: passes over a rollout.
        minibatches: parts of a rollout, each of whole sequences.
        sequence: slots of a sequence, from whose start gradients go through the memory.
        entropy: weight of the entropy at the start.
        entropy_end: part of it that is left at the end.
        value_weight: weight of the value loss.
        lr: learning rate at the start.
        lr_end: part of it that is left at the end.
        max_norm: largest norm of the gradient.
        optimiser: ``adam`` or ``rmsprop``.
        model: options of :class:`~hetgraph.models.NeighbourhoodMAPPO`.
    """

    model: NeighbourhoodMAPPO

    def __init__(
        self,
        gamma: float = 0.95,
        lam: float = 0.95,
        clip: float = 0.2,
        epochs: int = 2,
        minibatches: int = 4,
        sequence: int = 64,
        entropy: float = 0.01,
        entropy_end: float = 0.0,
        value_weight: float = 0.5,
        lr: float = 2e-3,
        lr_end: float = 0.01,
        max_norm: float = 0.5,
        optimiser: Optimiser = "adam",
        **model: Any,
    ) -> None:
        super().__init__(
            gamma=gamma, lam=lam, clip=clip, epochs=epochs, minibatches=minibatches, value_weight=value_weight,
            entropy=entropy, entropy_end=entropy_end, lr=lr, lr_end=lr_end, max_norm=max_norm, optimiser=optimiser,
            eps=1e-5,
        )  # fmt: skip
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = NeighbourhoodMAPPO(**model)
        self.sequence = sequence
        self.value_mean: Tensor
        self.value_std: Tensor
        self.register_buffer("value_mean", torch.tensor(0.0))
        self.register_buffer("value_std", torch.tensor(0.0))  # zero: nothing seen yet

    def training_step(self, batch: Rollout, batch_idx: int) -> Tensor:
        """Several passes over a rollout."""
        loss = super().training_step(batch, batch_idx)
        self.log("train/terminated", batch.terminated.float().sum(), on_step=False, on_epoch=True, batch_size=1)
        return loss

    def targets(self, rollout: Rollout) -> tuple[Tensor, Tensor]:
        """Normalised advantages and normalised returns ``[T, B, N]``."""
        batch = rollout
        scale = self.value_std if float(self.value_std) > 0 else torch.ones_like(self.value_std)
        value, after = (v * scale + self.value_mean for v in (batch.value, batch.next_value))
        done, ended = batch.done.unsqueeze(2), batch.terminated.unsqueeze(2)
        advantage = gae(batch.reward, value, after, done=done, terminated=ended, gamma=self.gamma, lam=self.lam)
        returns = advantage + value
        mean, std = returns.mean(), returns.std().clamp_min(1e-3)
        keep = 0.99 if float(self.value_std) > 0 else 0.0
        self.value_mean.mul_(keep).add_((1 - keep) * mean)
        self.value_std.mul_(keep).add_((1 - keep) * std)
        return normalised(advantage), (returns - self.value_mean) / self.value_std

    def parts(self, rollout: Rollout) -> Iterator[tuple[int, int, Tensor]]:
        """First and last slot and networks of each minibatch."""
        slots, networks = rollout.done.shape
        length = min(self.sequence, slots)
        pieces = [
            (first, min(first + length, slots), rows)
            for first in range(0, slots, length)
            for rows in torch.randperm(networks)
            .to(rollout.done.device)
            .chunk(max(self.minibatches * length // slots, 1))
        ]
        for place in torch.randperm(len(pieces)).tolist():
            yield pieces[place]

    def loss(self, rollout: Rollout, part: tuple[int, int, Tensor], advantage: Tensor, goal: Tensor) -> Tensor:
        """Loss of a minibatch; sequences begin with the state that the weights of now would have."""
        batch, (first, last, rows) = rollout, part
        slots, networks = last - first, batch.done.shape[1]
        index = (torch.arange(first, last, device=rows.device).unsqueeze(1) * networks + rows).flatten()
        old = [value[first:last, rows].flatten(0, 1) for value in (batch.log_prob, batch.value, advantage, goal)]
        decision = self.model.decide(
            batch.inputs.select(index),
            batch.around.select(rows.repeat(slots)),
            self._memory_at(batch, first)[:, rows],
            taken=batch.choice[first:last, rows].flatten(0, 1),
            ended=batch.done[first:last, rows],
        )
        gain = clipped_gain(decision.log_prob, old[0], old[2], self.clip).mean()
        near = old[1] + (decision.value - old[1]).clamp(-self.clip, self.clip)
        error = torch.maximum(_huber(decision.value - old[3]), _huber(near - old[3])).mean()
        return self.value_weight * error - gain - self.entropy_weight * decision.entropy.mean()

    def _memory_at(self, batch: Rollout, first: int) -> Tensor:
        """Memory before a slot; within a rollout it is computed again with the weights of now."""
        if first == 0 or self.model.memory is None:
            return batch.memory
        networks = batch.done.shape[1]
        rows = torch.arange(networks, device=batch.done.device)
        with torch.no_grad():
            decision = self.model.decide(
                batch.inputs.select(torch.arange(first * networks, device=rows.device)),
                batch.around.select(rows.repeat(first)),
                batch.memory,
                taken=batch.choice[:first].flatten(0, 1),
                ended=batch.done[:first],
            )
        return decision.memory.masked_fill(batch.done[first - 1].reshape(1, -1, 1, 1), 0)


def _huber(error: Tensor) -> Tensor:
    return nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none")
