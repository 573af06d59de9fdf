"""What trainings on single networks share: a clipped gradient and a cosine."""

import math
from typing import Any

import lightning
import torch


class SnapshotModule(lightning.LightningModule):
    """Adam with a cosine, and gradients of bounded norm.

    Args:
        lr: learning rate at the start of the cosine.
        clip: largest norm of the gradient.
    """

    lr: float
    clip: float

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """Clip the gradient; a batch without a finite gradient is left out."""
        norm = torch.nn.utils.clip_grad_norm_(self.parameters(), self.clip)
        if not bool(torch.isfinite(norm)):
            for parameter in self.parameters():
                parameter.grad = None

    def configure_optimizers(self) -> Any:
        """Adam with a cosine from ``lr`` to a hundredth of it over all steps."""
        optimizer = torch.optim.Adam(self.parameters(), self.lr)
        steps = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1.0)))
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
