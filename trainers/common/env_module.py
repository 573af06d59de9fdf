"""What trainings in environments have in common: optimisers, learning rates, logs and validation."""

from typing import Any

import lightning
import torch
from torch import Tensor, nn

from hetgraph.trainers.common.env_data import EnvDataModule, Split
from hetgraph.trainers.common.optimisers import (
    Fall,
    Group,
    Optimiser,
    optimiser_of,
    parameters_of,
    rate_at,
    set_rates,
)

LOG_EVERY = 20  # batches between logs of losses


class EnvModule(lightning.LightningModule):
    """A training of ``model`` in the environments of an :class:`~hetgraph.trainers.EnvDataModule`, which judges it.

    Args:
        lr: learning rate at the start.
        lr_end: part of it that is left at the end.
        max_norm: largest norm of a gradient.
        optimiser: ``adam`` or ``rmsprop``.
        eps: of the optimiser.
        fall: ``linear`` or ``cosine``, how the learning rate falls.
    """

    model: Any

    def __init__(
        self,
        *,
        lr: float,
        lr_end: float,
        max_norm: float,
        optimiser: Optimiser = "adam",
        eps: float = 1e-8,
        fall: Fall = "linear",
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.lr, self.lr_end, self.max_norm = lr, lr_end, max_norm
        self.optimiser, self.eps, self.fall = optimiser, eps, fall

    def parameter_groups(self) -> dict[str, Group]:
        """Name of a loss -> what it trains; one optimiser each."""
        return {"loss": Group(self.model.parameters(), self.lr)}

    def configure_optimizers(self) -> Any:
        """An optimiser for each group."""
        groups = self.parameter_groups()
        self._losses = list(groups)
        return [optimiser_of(group, self.optimiser, self.eps) for group in groups.values()]

    @property
    def progress(self) -> float:
        """Part of the training that is over."""
        trainer, most = self.trainer, self.trainer.max_steps  # which counts steps of all optimisers
        done = trainer.current_epoch * trainer.num_training_batches + trainer.fit_loop.batch_idx
        parts = [trainer.global_step / most] if most > 0 else []
        if trainer.max_epochs is not None and trainer.max_epochs > 0:
            parts.append(done / max(trainer.max_epochs * trainer.num_training_batches, 1))
        return min(max(parts, default=0.0), 1.0)

    def named_optimisers(self) -> dict[str, Any]:
        """Optimisers by the names of their losses, with the learning rates of now."""
        known, part = self.optimizers(), rate_at(self.progress, self.lr_end, self.fall)
        named = dict(zip(self._losses, known if isinstance(known, list) else [known], strict=True))
        for each in named.values():
            set_rates(each, part)
        return named

    def update(self, optimiser: Any, loss: Tensor) -> None:
        """A step along the gradient of a loss."""
        optimiser.zero_grad()
        self.manual_backward(loss)
        self.clip_gradient(parameters_of(optimiser))
        optimiser.step()

    def clip_gradient(self, parameters: list[nn.Parameter]) -> None:
        """Clip by norm."""
        nn.utils.clip_grad_norm_(parameters, self.max_norm)

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        """Indicators in the environments of validation."""
        self._judge("val", batch)

    def test_step(self, batch: Any, batch_idx: int) -> None:
        """As in validation, in the test's."""
        self._judge("test", batch)

    def _judge(self, split: Split, item: Any) -> None:
        for name, value in self.data.judge(self.model, split, item).items():
            number = torch.as_tensor(value).float().mean()
            self.log(f"{split}/{name}", number, batch_size=1, prog_bar=name == "score")

    @property
    def data(self) -> Any:
        """The data module of the training."""
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, EnvDataModule)
        return data
