"""Training: the sum rate itself is the objective, without labels."""

from typing import Any

import lightning
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.radio import Allocation, evaluate
from hetgraph.solvers import max_rsrp_association
from own_system.model import PowerNet
from own_system.rules import full_power


class PowerModule(lightning.LightningModule):
    """Train :class:`PowerNet`; what is trained is ``model``, and what is best on validation has the highest ``val/score``.

    Args:
        hidden: width.
        layers: rounds of messages.
        lr: learning rate.
    """

    def __init__(self, hidden: int = 32, layers: int = 2, lr: float = 3e-3) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.model = PowerNet(hidden, layers)
        self.lr = lr

    def training_step(self, batch: HeteroData, batch_idx: int) -> Tensor:
        """Minus the logarithm of the sum rate."""
        power = self.model(batch).unsqueeze(1) * batch["bs"].rb_power_max_w
        rate = evaluate(batch, Allocation(max_rsrp_association(batch), power)).sum_rate_bps
        loss = -rate.log().mean()
        self.log("train/loss", loss.detach(), batch_size=batch.num_graphs, on_step=False, on_epoch=True)
        return loss

    def validation_step(self, batch: HeteroData, batch_idx: int) -> None:
        """Sum rate over that of full power."""
        action, _ = self.model.act(batch, None, None)
        rate, base = (evaluate(batch, each).sum_rate_bps.mean() for each in (action, full_power(batch)))
        self.log("val/score", rate / base, batch_size=batch.num_graphs, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """Adam."""
        return torch.optim.Adam(self.parameters(), self.lr)
