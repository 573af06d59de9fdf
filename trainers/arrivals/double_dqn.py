"""Double DQN for agents that decide at arrivals (van Hasselt et al. 2016; Randall et al., Section III-B)."""

import copy
from collections.abc import Sequence
from typing import Any, Literal

import lightning
import torch
from torch import Tensor, nn

from hetgraph.envs.rollout import rollout
from hetgraph.models.grows import GROWS
from hetgraph.models.grows_flat import FlatQ
from hetgraph.radio import policy
from hetgraph.trainers.arrivals.data import ArrivalDataModule
from hetgraph.trainers.arrivals.experience import arrival_of
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.replay import Sample


def double_dqn_target(
    reward: Tensor, discount: Tensor, online: Tensor, target: Tensor, *, double: bool = True
) -> Tensor:
    r"""Target :math:`r + \gamma^n Q'(s', \arg\max_a Q(s', a))`: the online network picks, the target network judges.

    Args:
        reward: discounted sum until the next decision ``[B]``.
        discount: of the next decision's value, 0 where there is none ``[B]``.
        online: Q-values of the next decision by the online network ``[B, A]``; minus infinity for what cannot be chosen.
        target: the same by the target network ``[B, A]``.
        double: let the online network pick; else the target network picks, too (DQN).
    """
    pick = (online if double else target).argmax(1, keepdim=True)
    value = target.gather(1, pick).squeeze(1)
    return reward + torch.where(discount > 0, discount * value, 0.0)


class DoubleDQN(lightning.LightningModule):
    """Double DQN on graph filters, with dueling heads, prioritised replay and n steps as options.

    Args:
        widths: see :class:`~hetgraph.models.GROWS`, as for the next four.
        taps: taps of a filter.
        features: ``paper`` or ``full``.
        users: users in service send messages to their stations.
        dueling: dueling heads.
        double: the online network picks the next choice, the target network judges it.
        target_every: updates between copies of the online network to the target network.
        lr: learning rate at the start.
        lr_end: part of it that is left at the end.
        max_norm: largest norm of the gradient.
        flat: number of stations of a network without a graph instead; 0 for GROWS.
    """

    def __init__(
        self,
        widths: Sequence[int] = (4, 2),
        taps: int = 2,
        features: Literal["paper", "full"] = "paper",
        users: bool = False,
        dueling: bool = False,
        double: bool = True,
        target_every: int = 10,
        lr: float = 1e-4,
        lr_end: float = 1.0,
        max_norm: float = 10.0,
        flat: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = (
            FlatQ(flat, tuple(widths), features) if flat else GROWS(tuple(widths), taps, features, users, dueling)
        )
        self.target = copy.deepcopy(self.model).requires_grad_(False)
        self.pick_online, self.target_every = double, target_every
        self.lr, self.lr_end, self.max_norm = lr, lr_end, max_norm
        self._rule: dict[str, float] = {}

    def on_train_start(self) -> None:
        """The target network starts as the online one; in a resumed run it is the checkpoint's, whose step is known by now."""
        if not self.trainer.global_step:
            self.target.load_state_dict(self.model.state_dict())

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Loss of a draw."""
        rows = batch.rows
        value = self.model(arrival_of(rows)).gather(1, rows["action"].unsqueeze(1)).squeeze(1)
        goal = rows["gain"] if self._data().local else self._goal(rows)
        error = value - goal
        self._data().buffer.update(batch.index, error.detach().abs())
        loss = (batch.weight * nn.functional.huber_loss(value, goal, reduction="none")).mean()
        if batch_idx % 100 == 0:
            self.log("train/loss", loss, prog_bar=True, batch_size=1)
            self.log("train/value", value.mean(), batch_size=1)
        return loss

    @torch.no_grad()
    def _goal(self, rows: dict[str, Tensor]) -> Tensor:
        later = arrival_of(rows, "next_")
        return double_dqn_target(
            rows["gain"], rows["discount"], self.model(later), self.target(later), double=self.pick_online
        )

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Copy the online network now and then."""
        if self.trainer.global_step % self.target_every == 0:
            self.target.load_state_dict(self.model.state_dict())

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Utility and rejections on held-out arrivals, beside the best-rate rule's."""
        self._trial("val", batch)

    def test_step(self, batch: int, batch_idx: int) -> None:
        """As in validation, on the test's."""
        self._trial("test", batch)

    def _trial(self, split: Literal["val", "test"], seed: int) -> None:
        env = self._data().trial(split)
        if split not in self._rule:  # the same on the same arrivals, however often it is asked
            self._rule[split] = float(
                rollout(env, {"rule": policy("best_rate")}, seed=seed).values["rule"]["utility"].mean()
            )
        values = rollout(env, {"agent": self.model}, seed=seed).values["agent"]
        for name in ("utility", "rejections", "completions"):
            self.log(f"{split}/{name}", values[name].mean().float(), batch_size=1)
        score = values["utility"].mean() / self._rule[split]
        self.log(f"{split}/score", score.float(), batch_size=1, prog_bar=True)

    def _data(self) -> ArrivalDataModule:
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, ArrivalDataModule)
        return data

    def configure_optimizers(self) -> Any:
        """Adam; the learning rate falls linearly."""
        optimizer = torch.optim.Adam(self.model.parameters(), self.lr)
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 1 - (1 - self.lr_end) * min(step / total, 1.0)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip by norm."""
        nn.utils.clip_grad_norm_(self.model.parameters(), self.max_norm)
