"""Training of QMIX with the paper's stabilisers, each with a switch (Algorithm 3 of the paper; Rashid et al. 2018)."""

import copy
import inspect
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import lightning
import torch
from torch import Tensor, nn

from hetgraph.envs import HandoverWeights
from hetgraph.models.qmix import GraphQMIX, Importance, Mixing, Values
from hetgraph.nn.candidates import Candidates
from hetgraph.nn.handover_encoders import LOG_RATE, Encoder
from hetgraph.radio.handover import HandoverAction
from hetgraph.solvers.announced import PATIENCE
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.handover.data import HandoverDataModule
from hetgraph.trainers.handover.experience import Transitions
from hetgraph.trainers.handover.tabular import log_rate


def td_target(reward: Tensor, value: Tensor, terminated: Tensor, *, gamma: float, squash: float = 5.0) -> Tensor:
    r"""Target :math:`c \tanh(y / c)` of :math:`y = r + \gamma Q'(s', a')`, without the second term where the task ended.

    Args:
        reward: normalised ``[B, *]``.
        value: of the next state, by the target network ``[B, *]``.
        terminated: where the task ended ``[B]``.
        gamma: discount.
        squash: bound c of the target; 0 for none.
    """
    on = (~terminated).to(value.dtype).reshape(-1, *[1] * (value.dim() - 1))
    target = reward + gamma * value * on
    return squash * (target / squash).tanh() if squash else target


def td_loss(error: Tensor, clip: float = 5.0) -> Tensor:
    """Mean square of TD errors; beyond ``clip`` it grows linearly, so that the slope is that of the clipped error; 0 for never."""
    if not clip:
        return error.square().mean()
    return 2 * nn.functional.huber_loss(error, torch.zeros_like(error), delta=clip)


class NormHistory(nn.Module):
    """Norms of recent gradients; the limit is one of their percentiles, at most a cap.

    Args:
        percentile: part of the recent norms that the limit leaves alone.
        cap: largest limit.
        length: norms that are remembered.
    """

    norms: Tensor
    count: Tensor

    def __init__(self, percentile: float = 0.95, cap: float = 2.0, length: int = 100) -> None:
        super().__init__()
        self.percentile, self.cap = percentile, cap
        self.register_buffer("norms", torch.zeros(length))
        self.register_buffer("count", torch.tensor(0))

    def limit(self, norm: Tensor) -> float:
        """Limit for a gradient of this norm, which is remembered."""
        self.norms[int(self.count) % len(self.norms)] = norm
        self.count += 1
        known = self.norms[: int(self.count)]
        return min(float(known.quantile(self.percentile)), self.cap)


class QMIX(lightning.LightningModule):
    """QMIX of cells that hand users over, its ablations, and agents that learn alone.

    Besides the joint value, what each user adds to the utility of all can be learned by the same heads (``credit``): a difference
    reward (Wolpert and Tumer 2002). The joint value alone has one number a step for all that hundreds of users did.

    Args:
        hidden: see :class:`~hetgraph.models.GraphQMIX`, as for all before ``gamma``.
        rounds: rounds of messages.
        mixing: ``qmix``, ``vdn``, ``independent``.
        encoder: ``graph``, ``flat``, ``single``, ``global``.
        dueling: dueling heads.
        importance: ``power``, ``equal``, ``sum``.
        mixer: width of the mixer.
        flat_cells: number of cells that the flat encoders are for.
        places: places of a user.
        levels: resource levels.
        personal: levels count by what they change of utility, sum rate and squared rates.
        intentions: rounds in which users announce where they mean to go.
        patience: price of a handover in announcements; ``None`` for the best one on the training networks.
        agreements: rounds in which users agree on exchanges and chains after that.
        crowding: added to that price for each user by which a cell has less room than others; ``None`` likewise.
        gamma: discount of a step.
        joint: weight of the loss of the joint value; of the agents' own ones with ``independent``.
        credit: weight of the loss of what each user adds to the utility of all.
        gap: part alpha of the advantage that targets lose (advantage learning, Bellemare et al. 2016): values of actions then
            differ by 1 / (1 - alpha) times as much. Going now or a step later differs by little else.
        warm: draws in which values of places stay as they begin, until the others fit them.
        double: the online network picks the next action, the target network judges it.
        soft: part of the online network that joins the target network after a step; 0 for none.
        hard_every: episodes between copies to the target network; 0 for never.
        squash: bound of the targets; 0 for none.
        td_clip: TD error beyond which the loss grows linearly; 0 for none.
        clip_percentile: percentile of recent gradient norms at which gradients are clipped; 0 for the cap alone.
        clip_cap: largest norm of a gradient; 0 for any.
        lr: learning rate at the start.
        lr_end: at the end of its cosine.
    """

    def __init__(
        self,
        hidden: int = 32,
        rounds: int = 1,
        mixing: Mixing = "qmix",
        encoder: Encoder = "graph",
        dueling: bool = True,
        importance: Importance = "power",
        mixer: int = 32,
        flat_cells: int = 0,
        places: int = 4,
        levels: int = 5,
        personal: bool = False,
        intentions: int = 0,
        patience: float | None = PATIENCE,
        agreements: int = 0,
        crowding: float | None = 0.0,
        gamma: float = 0.95,
        joint: float = 1.0,
        credit: float = 0.0,
        gap: float = 0.0,
        warm: int = 0,
        double: bool = True,
        soft: float = 0.008,
        hard_every: int = 20,
        squash: float = 5.0,
        td_clip: float = 5.0,
        clip_percentile: float = 0.95,
        clip_cap: float = 2.0,
        lr: float = 5e-4,
        lr_end: float = 8e-5,
    ) -> None:
        super().__init__()
        if not 0 <= gamma < 1:
            raise ValueError(f"gamma: got {gamma}, expected a number from 0 to below 1")
        if not 0 <= gap < 1:
            raise ValueError(f"gap: got {gap}, expected a number from 0 to below 1")
        if not (joint or credit):
            raise ValueError("joint, credit: got 0 for both, expected a loss")
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = GraphQMIX(
            hidden,
            rounds,
            mixing,
            encoder,
            dueling,
            importance,
            mixer,
            flat_cells,
            places,
            levels,
            personal,
            intentions,
            patience,
            agreements,
            crowding,
        )
        self.target = copy.deepcopy(self.model).requires_grad_(False)
        self.history = NormHistory(clip_percentile or 1.0, clip_cap or math.inf) if clip_percentile else None
        self.gamma, self.joint, self.credit, self.gap = gamma, joint, credit, gap
        self.warm = warm
        self.pick_online, self.soft, self.hard_every = double, soft, hard_every
        self.squash, self.td_clip, self.clip_cap = squash, td_clip, clip_cap
        self.lr, self.lr_end = lr, lr_end
        self.reward_mean: Tensor
        self.reward_std: Tensor
        self.credit_mean: Tensor
        self.credit_std: Tensor
        self.copies: Tensor
        self.register_buffer("reward_mean", torch.tensor(0.0))
        self.register_buffer("reward_std", torch.tensor(1.0))
        self.register_buffer("credit_mean", torch.tensor(0.0))
        self.register_buffer("credit_std", torch.tensor(1.0))
        self.register_buffer("copies", torch.tensor(0))

    def set_scale(self, seen: Sequence[Candidates], reward: Tensor, credit: Tensor) -> None:
        """Bring features and rewards to scale by a first look: discounted sums of rewards, times 1 - gamma, are about one.

        Args:
            seen: T observations of B networks.
            reward: of the cells ``[T, B, K]``.
            credit: of users ``[T, B, U]``.
        """
        self.credit_mean.copy_(credit.mean())
        self.credit_std.copy_(credit.std().clamp_min(1e-6))
        self.reward_mean.copy_(reward.mean())
        self.reward_std.copy_(reward.std().clamp_min(1e-6))
        own = (credit - self.credit_mean) / self.credit_std
        weights: HandoverWeights = self._data().options["weights"]
        # A level's value counts by half, and its effect lasts a step.
        slope = 2 * (1 - self.gamma) / (1 - self.gap) / float(self.credit_std)
        terms = slope * weights.utility, slope * weights.sum_rate, -slope * weights.spread
        self.model.set_scale(seen, (reward - self.reward_mean) / self.reward_std, own, terms)
        self.target.load_state_dict(self.model.state_dict())

    def training_step(self, batch: Transitions, batch_idx: int) -> Tensor:
        """Loss of a draw."""
        now = self.model(batch.obs)
        if self.global_step < self.warm:
            now = replace(now, place=now.place.detach())
        with torch.no_grad():
            later = self.target(batch.next_obs)
            action = (self.model(batch.next_obs) if self.pick_online else later).best()
        reward = (1 - self.gamma) * (batch.reward - self.reward_mean) / self.reward_std
        loss = torch.zeros((), device=reward.device)
        if self.joint:
            value, after, gain = self._joint(now, later, batch, reward, action)
            error = td_target(gain, after, batch.terminated, gamma=self.gamma, squash=self.squash) - value
            loss = loss + self.joint * td_loss(error, self.td_clip)
            self._note(batch_idx, "joint", error)
        if self.credit:
            gain = (1 - self.gamma) * (batch.credit - self.credit_mean) / self.credit_std
            goal = td_target(gain, later.credits(action), batch.terminated, gamma=self.gamma, squash=self.squash)
            if self.gap:
                with torch.no_grad():
                    then = self.target(batch.obs)
                    goal = goal - self.gap * (then.credits(then.best()) - then.credits(batch.action))
            error = goal - now.credits(batch.action)
            loss = loss + self.credit * td_loss(error, self.td_clip)
            self._note(batch_idx, "credit", error)
        if batch_idx % 25 == 0:
            self.log("train/loss", loss, prog_bar=True, batch_size=1)
        return loss

    def _joint(
        self, now: Values, later: Values, batch: Transitions, reward: Tensor, action: HandoverAction
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Values of what was done and of what comes next, and rewards: of networks, of cells or of users that learn alone.

        Such a user's reward is its own log rate: that of its cell, a sum over users, would send it where others are.
        """
        if self.model.mixing != "independent":
            return self.model.joint(now, batch.action), self.target.joint(later, action), reward.mean(1)
        if self.model.of_users:
            told = log_rate(batch.next_obs).reshape(len(reward), -1)
            mean, std = (self.model.get_buffer(f"ue_{name}")[LOG_RATE] for name in ("mean", "std"))
            told = (told - mean) / std
            return now.users(batch.action), later.users(action), (1 - self.gamma) * told
        return now.agents(batch.action), later.agents(action), reward

    def _note(self, batch_idx: int, name: str, error: Tensor) -> None:
        if batch_idx % 25 == 0:
            self.log(f"train/{name}_error", error.detach().square().mean().sqrt(), batch_size=1)

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip by norm, at a percentile of recent norms."""
        parameters = list(self.model.parameters())
        limit = self.clip_cap or math.inf
        if self.history is not None:
            norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
            limit = self.history.limit(norm)
        nn.utils.clip_grad_norm_(parameters, limit)

    @torch.no_grad()
    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Move the target network toward the online one; copy it every so many episodes."""
        due = self._data().episodes_done // self.hard_every if self.hard_every else 0
        part = 1.0 if due > int(self.copies) else self.soft
        self.copies.fill_(due)
        if part:
            for slow, fast in zip(self.target.parameters(), self.model.parameters(), strict=True):
                slow.lerp_(fast, part)

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Indicators on held-out users, beside those of the strongest cell and of the best association."""
        self._trial("val")

    def test_step(self, batch: int, batch_idx: int) -> None:
        """As in validation, on the test's."""
        self._trial("test")

    def _trial(self, split: Literal["val", "test"]) -> None:
        for name, value in self._data().judge(self.model, split).items():
            self.log(f"{split}/{name}", value, batch_size=1, prog_bar=name == "score")

    def _data(self) -> HandoverDataModule:
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, HandoverDataModule)
        return data

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """A checkpoint from before an option must go on with the option's default, as it was trained.

        Raises:
            ValueError: it was loaded with a configuration that says otherwise.
        """
        for name, option in inspect.signature(type(self)).parameters.items():
            if name not in checkpoint["hyper_parameters"] and self.hparams[name] != option.default:
                raise ValueError(
                    f"{name}: got {self.hparams[name]} with a checkpoint from before this option, expected {option.default}"
                )

    def configure_optimizers(self) -> Any:
        """Adam; the learning rate falls along half a cosine."""
        optimizer = torch.optim.Adam(self.model.parameters(), self.lr)
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, total, self.lr_end)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
