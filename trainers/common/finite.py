"""A training whose loss or weights stop being finite ends with a sentence."""

from typing import Any

import lightning
import torch

EVERY = 50  # steps between looks at losses on a GPU, where a look waits for the device


class FiniteTraining(lightning.Callback):
    """Stop before numbers that are not finite reach a checkpoint."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Look at the loss."""
        loss = outputs.get("loss") if isinstance(outputs, dict) else outputs
        if (
            isinstance(loss, torch.Tensor)
            and (loss.is_cpu or batch_idx % EVERY == 0)
            and not bool(torch.isfinite(loss).all())
        ):
            raise ValueError(_sentence("a loss", trainer))

    def on_validation_start(self, trainer: Any, pl_module: Any) -> None:
        """Look at the weights before they are judged."""
        self._look(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Look at the weights before they are kept."""
        self._look(trainer, pl_module)

    def _look(self, trainer: Any, pl_module: Any) -> None:
        for name, parameter in pl_module.named_parameters():
            if not bool(torch.isfinite(parameter).all()):
                raise ValueError(_sentence(f"weights {name}", trainer))


def _sentence(what: str, trainer: Any) -> str:
    return (
        f"training: got {what} that is not finite at step {trainer.global_step}, expected finite; a smaller lr may help"
    )
