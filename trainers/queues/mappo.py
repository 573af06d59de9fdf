"""Training of neighbourhood MAPPO: clipped policy and value losses on sequences (Yu et al. 2022)."""

from collections.abc import Iterator, Sequence
from typing import Literal

import lightning
import torch
from torch import Tensor, nn

from hetgraph.envs import rollout
from hetgraph.envs.queues.delays import tail_slots
from hetgraph.models.mappo import NeighbourhoodMAPPO
from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.queues.rollouts import Rollout


class MAPPOModule(lightning.LightningModule):
    """Neighbourhood MAPPO with clipped policy and value losses, value normalisation and entropy.

    Args:
        hidden: see :class:`~hetgraph.models.NeighbourhoodMAPPO`, as for the next six.
        hops: rounds of messages.
        levels_db: power levels.
        recurrent: keep a memory.
        agents: stations with weights of their own; 0 for a shared policy.
        colours: colours.
        overbook: a device may get more resource blocks than it is expected to need.
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
    """

    def __init__(
        self,
        hidden: int = 64,
        hops: int = 1,
        levels_db: Sequence[float] = (0.0,),
        recurrent: bool = True,
        agents: int = 0,
        colours: int = 6,
        overbook: bool = False,
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
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.automatic_optimization = False
        self.model = NeighbourhoodMAPPO(hidden, hops, tuple(levels_db), recurrent, agents, colours, overbook=overbook)
        self.gamma, self.lam, self.clip = gamma, lam, clip
        self.epochs, self.minibatches, self.sequence = epochs, minibatches, sequence
        self.entropy, self.value_weight, self.max_norm = entropy, value_weight, max_norm
        self.lr, self.lr_end, self.entropy_end = lr, lr_end, entropy_end
        self.value_mean: Tensor
        self.value_std: Tensor
        self.register_buffer("value_mean", torch.tensor(0.0))
        self.register_buffer("value_std", torch.tensor(0.0))  # zero: nothing seen yet

    def training_step(self, batch: Rollout, batch_idx: int) -> None:
        """Several passes over a rollout."""
        advantage, target = self._targets(batch)
        optimizer, done = self.optimizers(), self._progress()
        assert isinstance(optimizer, lightning.pytorch.core.optimizer.LightningOptimizer)
        for group in optimizer.param_groups:
            group["lr"] = self.lr * (1 - (1 - self.lr_end) * done)
        entropy = self.entropy * (1 - (1 - self.entropy_end) * done)
        for _ in range(self.epochs):
            for part in self._parts(batch):
                loss = self._loss(batch, part, advantage, target, entropy)
                optimizer.zero_grad()
                self.manual_backward(loss)
                nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm)
                optimizer.step()
        self.log("train/reward", batch.reward.mean(), on_step=False, on_epoch=True, prog_bar=True, batch_size=1)
        self.log("train/terminated", batch.terminated.float().sum(), on_step=False, on_epoch=True, batch_size=1)

    def _progress(self) -> float:
        total = float(self.trainer.estimated_stepping_batches)
        steps = self.trainer.current_epoch * self.trainer.num_training_batches + self.trainer.fit_loop.batch_idx
        return min(steps / max(total, 1.0), 1.0)

    def _targets(self, batch: Rollout) -> tuple[Tensor, Tensor]:
        """Normalised advantages and normalised returns ``[T, B, N]``."""
        scale = self.value_std if float(self.value_std) > 0 else torch.ones_like(self.value_std)
        value, after = (v * scale + self.value_mean for v in (batch.value, batch.next_value))
        done, ended = batch.done.unsqueeze(2), batch.terminated.unsqueeze(2)
        advantage = gae(batch.reward, value, after, done=done, terminated=ended, gamma=self.gamma, lam=self.lam)
        returns = advantage + value
        mean, std = returns.mean(), returns.std().clamp_min(1e-3)
        keep = 0.99 if float(self.value_std) > 0 else 0.0
        self.value_mean.mul_(keep).add_((1 - keep) * mean)
        self.value_std.mul_(keep).add_((1 - keep) * std)
        centred = (advantage - advantage.mean()) / advantage.std().clamp_min(1e-6)
        return centred, (returns - self.value_mean) / self.value_std

    def _parts(self, batch: Rollout) -> Iterator[tuple[int, int, Tensor]]:
        """First and last slot and networks of each minibatch."""
        slots, networks = batch.done.shape
        length = min(self.sequence, slots)
        pieces = [
            (first, min(first + length, slots), rows)
            for first in range(0, slots, length)
            for rows in torch.randperm(networks).chunk(max(self.minibatches * length // slots, 1))
        ]
        for place in torch.randperm(len(pieces)).tolist():
            yield pieces[place]

    def _loss(
        self, batch: Rollout, part: tuple[int, int, Tensor], advantage: Tensor, target: Tensor, entropy: float
    ) -> Tensor:
        first, last, rows = part
        slots, networks = last - first, batch.done.shape[1]
        index = (torch.arange(first, last).unsqueeze(1) * networks + rows).flatten()
        old = [value[first:last, rows].flatten(0, 1) for value in (batch.log_prob, batch.value, advantage, target)]
        decision = self.model.decide(
            batch.inputs.select(index),
            batch.around.select(rows.repeat(slots)),
            self._memory_at(batch, first)[:, rows],
            taken=batch.choice[first:last, rows].flatten(0, 1),
            ended=batch.done[first:last, rows],
        )
        ratio = (decision.log_prob - old[0]).exp()
        gain = torch.minimum(ratio * old[2], ratio.clamp(1 - self.clip, 1 + self.clip) * old[2]).mean()
        near = old[1] + (decision.value - old[1]).clamp(-self.clip, self.clip)
        error = torch.maximum(_huber(decision.value - old[3]), _huber(near - old[3])).mean()
        return self.value_weight * error - gain - entropy * decision.entropy.mean()

    def _memory_at(self, batch: Rollout, first: int) -> Tensor:
        """Memory before a slot; within a rollout it is computed again with the weights of now."""
        if first == 0 or self.model.memory is None:
            return batch.memory
        networks = batch.done.shape[1]
        rows = torch.arange(networks)
        with torch.no_grad():
            decision = self.model.decide(
                batch.inputs.select(torch.arange(first * networks)),
                batch.around.select(rows.repeat(first)),
                batch.memory,
                taken=batch.choice[:first].flatten(0, 1),
                ended=batch.done[:first],
            )
        return decision.memory.masked_fill(batch.done[first - 1].reshape(1, -1, 1, 1), 0)

    def validation_step(self, batch: tuple[float, int], batch_idx: int) -> None:
        """Delays on held-out traffic and layouts."""
        self._trial("val", batch)

    def test_step(self, batch: tuple[float, int], batch_idx: int) -> None:
        """As in validation, on the test's."""
        self._trial("test", batch)

    def _trial(self, split: Literal["val", "test"], batch: tuple[float, int]) -> None:
        load, seed = batch
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        slots, envs = getattr(data, split)
        env = data.trial(load, seed, slots, envs)
        rollout(env, {self.model.name: self.model}, seed=seed)
        found = env.delays().before(slots - tail_slots(slots)).summary()
        for name, value in found.items():
            self.log(f"{split}/{name}-{load:g}", value, batch_size=1)
        self.log(f"{split}/score", -found["mean"], batch_size=1, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam; the learning rate falls linearly."""
        return torch.optim.Adam(self.model.parameters(), self.lr, eps=1e-5)


def _huber(error: Tensor) -> Tensor:
    return nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none")
