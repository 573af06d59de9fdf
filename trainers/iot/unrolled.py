"""Training of unrolled schedulers: the gradient of what all stations' users get in the present slot, on their own states."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import IoTEnv
from hetgraph.envs.iot.transmission import carried_bits
from hetgraph.models.iot.unrolled import UnrolledScheduler
from hetgraph.radio.schedule import Schedule
from hetgraph.trainers.common.env_module import EnvModule
from hetgraph.trainers.common.experience import Batches
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.optimisers import Optimiser


@dataclass(frozen=True)
class Backlog:
    """What waits in the networks of a slot.

    Args:
        obs: observation of the policy's level.
        bits: that wait ``[B, U]``.
        head_slots: slots left for the oldest of them, 1 or more ``[B, U]``.
        offered: bits that come in a slot on average ``[B, U]``.
    """

    obs: HeteroData
    bits: Tensor
    head_slots: Tensor
    offered: Tensor


class IoTSlots(Batches[Backlog]):
    """Slots of networks, one for each batch; the schedule of the last batch is what happens between two of them.

    Args:
        env: networks.
        policy: the scheduler.
        draws: slots in an epoch.
    """

    def __init__(self, env: IoTEnv, policy: UnrolledScheduler, draws: int) -> None:
        super().__init__(env, policy, slots=1, draws=draws)

    def batch(self) -> Backlog:
        """The present slot."""
        env = self.env
        obs = env.observe(self.policy.level)
        offered = (env.drawn.offered.mean_bps * env.slot_s).to(env.dtype).clamp_min(1.0)
        return Backlog(obs, env.queue.bits.to(env.dtype), env.queue.head_slots.clamp_min(1).to(env.dtype), offered)

    def carried(self, schedule: Schedule) -> Tensor:
        """Bits that a schedule would carry with the present gains, through which gradients flow ``[B, U]``."""
        return carried_bits(schedule, self.env.channels.gain, self.env.drawn.budget)

    def step(self, schedule: Schedule) -> None:
        """The slot happens."""
        self.env.step(Schedule(schedule.station, schedule.user, schedule.power.detach()))


class UnrolledModule(EnvModule):
    r"""Central training of schedulers that decide alone: no critic and no replay memory.

    With l the bits that are left of those that wait, h the slots left for the oldest, a the bits that come in a slot on average and
    :math:`x = l / (h a)` the rate that is needed from now on over that at which bits come, a network's loss is

    .. math::
        \frac{\sum_u x_u^2 / (1 + x_u)}{\sum_u x_{0,u}^2 / (1 + x_{0,u})} + \kappa \frac{\sum_u l_u}{\sum_u l_{0,u}}
        + \epsilon \frac{\sum_n p_n}{\sum_n P_n}

    where 0 stands for nothing sent: promises to users, whose rates differ, bits, and energy. Networks count alike, however much
    waits in them.

    Args:
        bits: weight :math:`\kappa` of bits.
        energy: weight :math:`\epsilon` of energy.
        gumbel: part of Gumbel noise on choices at the start; it falls to nothing linearly.
        lr: learning rate at the start.
        lr_end: part of it that is left at the end.
        max_norm: largest norm of the gradient.
        optimiser: ``adam`` or ``rmsprop``.
        model: options of :class:`~hetgraph.models.UnrolledScheduler`.
    """

    model: UnrolledScheduler

    def __init__(
        self,
        bits: float = 3.0,
        energy: float = 0.01,
        gumbel: float = 1.0,
        lr: float = 3e-3,
        lr_end: float = 0.05,
        max_norm: float = 1.0,
        optimiser: Optimiser = "adam",
        **model: Any,
    ) -> None:
        super().__init__(lr=lr, lr_end=lr_end, max_norm=max_norm, optimiser=optimiser, fall="cosine")
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = UnrolledScheduler(**model)
        self.bits, self.energy, self.gumbel = bits, energy, gumbel

    def training_step(self, batch: Backlog, batch_idx: int) -> Tensor:
        """A step along the gradient of a slot, which then happens."""
        slots = self._slots()
        schedule = self.model(batch.obs, self.gumbel * (1 - self.progress))
        loss = self.loss(batch, schedule, slots.carried(schedule))
        for optimiser in self.named_optimisers().values():
            self.update(optimiser, loss)
        slots.step(schedule)
        detached = loss.detach()
        self.log("loss", detached, batch_size=1)
        return detached

    def loss(self, batch: Backlog, schedule: Schedule, carried: Tensor) -> Tensor:
        """Mean over networks of the loss above."""
        before = batch.bits
        left = before - torch.minimum(before, carried)
        urgent = _urgent(left, batch).sum(1) / _urgent(before, batch).sum(1).clamp_min(1e-6)
        waiting = left.sum(1) / before.sum(1).clamp_min(1)
        share = schedule.power.sum((2, 3))
        most_w: Tensor = batch.obs["bs"].power_max_w.view(share.shape)
        sent = (share * most_w).sum(1) / most_w.sum(1)
        out: Tensor = (urgent + self.bits * waiting + self.energy * sent).mean()
        return out

    def _slots(self) -> IoTSlots:
        slots = self.data.train_data
        assert isinstance(slots, IoTSlots)
        return slots


def _urgent(bits: Tensor, batch: Backlog) -> Tensor:
    needed = bits / (batch.head_slots * batch.offered)
    return needed.square() / (1 + needed)
