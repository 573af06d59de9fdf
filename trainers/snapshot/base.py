"""What trainings on single networks share: validation against a reference, a clipped gradient and a cosine."""

import math
from abc import ABC, abstractmethod
from typing import Any

import lightning
import torch
from torch_geometric.data import HeteroData

from hetgraph.radio import Allocation, KPIs


class SnapshotModule(lightning.LightningModule, ABC):
    """Validation beside a reference, Adam with a cosine, and gradients of bounded norm.

    Attributes:
        model: network to train, with ``allocate``.
        lr: learning rate at the start of the cosine.
        clip: largest norm of the gradient.
        reference: indicators of the reference on each batch of validation and test, made once.
    """

    model: Any
    lr: float
    clip: float
    reference: dict[str, KPIs]

    def setup(self, stage: str) -> None:
        """Forget the references of another data module's networks."""
        self.reference = {}

    def forward(self, graph: HeteroData) -> Allocation:
        """Allocation of a graph or batch."""
        allocation: Allocation = self.model.allocate(graph)
        return allocation

    def validation_step(self, batch: HeteroData, batch_idx: int) -> None:
        """Indicators of the answer as in use, beside those of the reference."""
        self.judge("val", batch, batch_idx)

    def test_step(self, batch: HeteroData, batch_idx: int) -> None:
        """As in validation, on the test layouts."""
        self.judge("test", batch, batch_idx)

    @abstractmethod
    def judge(self, split: str, batch: HeteroData, number: int) -> None:
        """Log indicators of a batch.

        Args:
            split: ``val`` or ``test``, with which their names begin.
            batch: networks.
            number: of the batch.
        """

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
