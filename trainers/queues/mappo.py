"""Training of neighbourhood MAPPO: clipped policy and value losses on sequences (Yu et al. 2022)."""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import lightning
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from hetgraph.envs import QueueEnv, rollout
from hetgraph.envs.queues.delays import tail_slots
from hetgraph.models.mappo import NeighbourhoodMAPPO
from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.queues.rollouts import Rollout, RolloutDataset
from hetgraph.trainers.queues.trial import environment

VALIDATION, TEST = 1_000_000, 2_000_000


class TrafficDataModule(lightning.LightningDataModule):
    """Environments for training, validation and test, with layouts and traffic that they do not share.

    Args:
        scenario: ``conflict-8``, ``hex-19`` or ``random-19`` (or another preset of cells).
        load: mean packets per device and slot (conflict graphs) or second (cells), in training.
        loads: those of validation and test; ``None`` for that of training.
        num_envs: networks in training.
        layouts: how many layouts they have at once.
        fresh: draw other layouts and start anew in every epoch.
        slots: slots of a rollout.
        rollouts: rollouts in an epoch.
        episode_slots: length of an episode.
        max_queue: packets above which a network is terminated in training.
        discount: as in the module.
        reward: see :class:`~hetgraph.envs.QueueEnv`.
        val_slots: slots of a validation episode.
        val_envs: networks in validation.
        test_slots: slots of a test episode.
        test_envs: networks in the test.
        seed: of training layouts and traffic.
    """

    def __init__(
        self,
        scenario: str = "conflict-8",
        load: float = 0.5,
        loads: Sequence[float] | None = None,
        num_envs: int = 256,
        layouts: int = 16,
        fresh: bool = False,
        slots: int = 16,
        rollouts: int = 100,
        episode_slots: int = 2000,
        max_queue: float = 50.0,
        discount: float = 0.95,
        reward: Literal["queue", "delay"] = "queue",
        val_slots: int = 1000,
        val_envs: int = 10,
        test_slots: int = 5000,
        test_envs: int = 20,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.scenario, self.load, self.loads = scenario, load, tuple(loads or (load,))
        self.num_envs, self.layouts, self.slots, self.rollouts = num_envs, layouts, slots, rollouts
        self.options = {"episode_slots": episode_slots, "max_queue": max_queue, "discount": discount, "reward": reward}
        self.val, self.test = (val_slots, val_envs), (test_slots, test_envs)
        self.seed, self.fresh = seed, fresh
        self.train_data: RolloutDataset | None = None
        self._state: dict[str, Any] | None = None

    def setup(self, stage: str) -> None:
        """Make the training networks."""
        assert self.trainer is not None
        every = self.trainer.reload_dataloaders_every_n_epochs  # type: ignore[attr-defined]
        if stage == "fit" and self.fresh and every != 1:
            raise ValueError(f"trainer.reload_dataloaders_every_n_epochs: got {every}, expected 1 with data.fresh")
        if stage == "fit" and self.train_data is None:
            self.train_data = self._rollouts(0)
            if self._state is not None:
                self.train_data.load_state_dict(self._state)

    def _rollouts(self, epoch: int) -> RolloutDataset:
        where: dict[str, Any] = {}
        if not self.scenario.startswith("conflict"):
            where = {"layouts": self.layouts, "layout_seed": self.seed, "first_layout": epoch * self.layouts}
        traffic = self.seed + 1000 * epoch
        env = environment(self.scenario, self.num_envs, load=self.load, seed=traffic, **where, **self.options)
        assert self.trainer is not None
        policy = self.trainer.lightning_module.policy
        assert isinstance(policy, NeighbourhoodMAPPO)
        return RolloutDataset(env, policy, self.slots, self.rollouts)

    def train_dataloader(self) -> DataLoader[Rollout]:
        """Rollouts."""
        assert self.trainer is not None and self.train_data is not None
        if self.fresh and self.trainer.current_epoch:
            self.train_data = self._rollouts(self.trainer.current_epoch)
        return DataLoader(self.train_data, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Loads and seeds of the validation episodes."""
        return self._trials(VALIDATION)

    def test_dataloader(self) -> DataLoader[Any]:
        """Loads and seeds of the test episodes."""
        return self._trials(TEST)

    def _trials(self, seed: int) -> DataLoader[Any]:
        pairs: Any = [(load, seed) for load in self.loads]
        return DataLoader(pairs, batch_size=None, collate_fn=_as_it_is)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """As it is: rollouts are made where the environment is."""
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Where the training networks are."""
        return {} if self.train_data is None else self.train_data.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self._state = state_dict or None
        if self.train_data is not None and state_dict:
            self.train_data.load_state_dict(state_dict)

    def trial(self, load: float, seed: int, slots: int, envs: int) -> QueueEnv:
        """Environment of an evaluation, without a limit on queues."""
        where = {} if self.scenario.startswith("conflict") else {"layout_seed": seed}
        return environment(self.scenario, envs, load=load, seed=seed, record=True, episode_slots=slots, **where)


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
        self.automatic_optimization = False
        self.policy = NeighbourhoodMAPPO(hidden, hops, tuple(levels_db), recurrent, agents, colours, overbook=overbook)
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
                nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_norm)
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
        decision = self.policy.decide(
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
        if first == 0 or self.policy.memory is None:
            return batch.memory
        networks = batch.done.shape[1]
        rows = torch.arange(networks)
        with torch.no_grad():
            decision = self.policy.decide(
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
        rollout(env, {self.policy.name: self.policy}, seed=seed)
        found = env.delays().before(slots - tail_slots(slots)).summary()
        for name, value in found.items():
            self.log(f"{split}/{name}-{load:g}", value, batch_size=1)
        self.log(f"{split}/score", -found["mean"], batch_size=1, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Adam; the learning rate falls linearly."""
        return torch.optim.Adam(self.policy.parameters(), self.lr, eps=1e-5)


def _as_it_is(item: Any) -> Any:
    return item


def _huber(error: Tensor) -> Tensor:
    return nn.functional.huber_loss(error, torch.zeros_like(error), reduction="none")
