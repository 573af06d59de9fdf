"""Training of cells that choose their offsets: QMIX with n-step returns over a rule's (Rashid et al. 2018)."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from hetgraph.models.offset_qmix import OffsetQMIX, OffsetValues
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.off_policy import OffPolicyModule
from hetgraph.trainers.common.optimisers import Optimiser
from hetgraph.trainers.handover.offset_experience import OffsetTransitions, huber

KEEP = 0.95  # of the running mean of the spread of values


class OffsetQMIXModule(OffPolicyModule):
    """QMIX of cells' offsets, and the same with other mixing.

    Args:
        double: the online network picks the later change, the target network judges it.
        soft: part of the online network that joins the target network after a draw.
        lr: learning rate at the start.
        lr_end: part of it that is left at the end.
        max_norm: largest norm of the gradient.
        optimiser: ``adam`` or ``rmsprop``.
        local: agents that learn alone have the reward of their own users; else the team's.
        model: options of :class:`~hetgraph.models.OffsetQMIX`.
    """

    model: OffsetQMIX

    def __init__(
        self,
        double: bool = True,
        soft: float = 0.02,
        lr: float = 1e-3,
        lr_end: float = 0.1,
        max_norm: float = 10.0,
        optimiser: Optimiser = "adam",
        local: bool = False,
        **model: Any,
    ) -> None:
        super().__init__(soft=soft, lr=lr, lr_end=lr_end, max_norm=max_norm, optimiser=optimiser, fall="cosine")
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = OffsetQMIX(**model)
        self.pick_online, self.local = double, local
        self.set_targets("model")

    def losses(self, batch: OffsetTransitions) -> Iterator[tuple[str, Tensor]]:
        """The TD error's Huber loss."""
        now: OffsetValues = self.model(batch.obs)
        value = self.model.joint(now, batch.change, batch.beside)
        with torch.no_grad():
            view = self.model.view(batch.next_obs)
            later = self.target_model(view)
            change = (self.model(view) if self.pick_online else later).best()
            after = self.target_model.joint(later, change, batch.next_beside)
            gain, discount = batch.gain, batch.discount
            if value.dim() > 1:
                gain, discount = (batch.local if self.local else gain.unsqueeze(1)), discount.unsqueeze(1)
            goal = gain + discount * after
            spread = (now.value.amax(2) - now.value.amin(2)).mean()
            self.model.spread.lerp_(spread, 1 - KEEP)
        self.note(value=value, spread=spread, error=(goal - value).square().mean().sqrt(), failure_price=batch.price)
        yield "loss", huber(goal - value)
