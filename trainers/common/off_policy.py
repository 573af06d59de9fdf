"""Learning of values from a replay memory, against target networks."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.trainers.common.env_module import LOG_EVERY, EnvModule


class OffPolicyModule(EnvModule, ABC):
    """Learning from a replay memory; target networks follow the online ones softly, or are copied now and then.

    A subclass makes its ``model`` and whatever else has weights (mixers, critics), calls :meth:`set_targets` with the names of all
    that a target network exists of, and yields its losses.

    Args:
        soft: part of the online networks that joins the target networks after a draw; 0 for none.
        copy_every: draws between copies of the online networks to the target networks; 0 for never.
        optimisation: of :class:`~hetgraph.trainers.common.env_module.EnvModule`.
    """

    target: nn.ModuleDict
    draws: Tensor

    def __init__(self, *, soft: float = 0.0, copy_every: int = 0, **optimisation: Any) -> None:
        super().__init__(**optimisation)
        self.soft, self.copy_every = soft, copy_every
        self.register_buffer("draws", torch.tensor(0))
        self._notes: dict[str, Tensor] = {}

    @abstractmethod
    def losses(self, batch: Any) -> Iterator[tuple[str, Tensor]]:
        """Losses of a draw, each with the name of its group of parameters; a step is taken before the next one is asked for."""

    def set_targets(self, *names: str) -> None:
        """Make target networks of these attributes."""
        copies = {name: copy.deepcopy(getattr(self, name)) for name in names}
        self.target = nn.ModuleDict(copies).requires_grad_(False)

    @property
    def target_model(self) -> Any:
        """The target network of the model."""
        return self.target["model"]

    def copy_to_targets(self) -> None:
        """Target networks become the online ones."""
        for name, target in self.target.items():
            target.load_state_dict(getattr(self, name).state_dict())

    def on_train_start(self) -> None:
        """Target networks start as the online ones; in a resumed run they are the checkpoint's, whose step is known by now."""
        if not self.trainer.global_step:
            self.copy_to_targets()

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """A step of each optimiser that has a loss; targets follow."""
        optimisers, total = self.named_optimisers(), torch.zeros((), device=self.device)
        for name, loss in self.losses(batch):
            self.update(optimisers[name], loss)
            self.note(**{name: loss})
            total = total + loss.detach()
        self.draws += 1
        self.follow()
        if batch_idx % LOG_EVERY == 0:
            self.log_dict({f"train/{name}": value for name, value in self._notes.items()}, batch_size=1)
        return total

    def note(self, **values: Tensor) -> None:
        """Remember numbers for the log."""
        self._notes |= {name: value.detach().float().mean() for name, value in values.items()}

    @torch.no_grad()
    def follow(self) -> None:
        """Move the target networks."""
        if self.copy_every and int(self.draws) % self.copy_every == 0:
            self.copy_to_targets()
        elif self.soft:
            self.move_targets(self.soft)

    def move_targets(self, part: float) -> None:
        """Target networks go a part of the way to the online ones."""
        for name, target in self.target.items():
            for slow, fast in zip(target.parameters(), getattr(self, name).parameters(), strict=True):
                slow.lerp_(fast, part)
