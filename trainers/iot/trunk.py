"""MADDQN-DMADDPG on one trunk: values of choices and powers by temporal differences from one replay memory."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.models.checkpoint import load
from hetgraph.models.iot.joint_critic import JointCritic
from hetgraph.models.iot.trunk import SchedulerTrunk, Shares, StationViews, gumbel_like
from hetgraph.models.iot.trunk_agents import TrunkMADDPG
from hetgraph.models.iot.views import IoTViews
from hetgraph.radio.schedule import Schedule
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.off_policy import OffPolicyModule
from hetgraph.trainers.common.optimisers import Group, Optimiser
from hetgraph.trainers.common.replay import Sample
from hetgraph.trainers.iot.experience import later_of
from hetgraph.trainers.iot.maddqn import JointValue, Mixing, correlation, huber
from hetgraph.trainers.iot.trunk_experience import TrunkExperience


def discounted(reward: Tensor, gamma: float) -> Tensor:
    r"""Sums :math:`\sum_k \gamma^k r_k` over the slots of ``reward [B, n, *]``: ``[B, *]``."""
    weight = gamma ** torch.arange(reward.shape[1], device=reward.device, dtype=reward.dtype)
    return torch.einsum("bn...,n->b...", reward, weight)


def start_from(model: TrunkMADDPG, path: str) -> None:
    """Copy the weights of a checkpoint of the same trunk; what it has not is left as it is.

    Raises:
        ValueError: another system, or other sizes.
    """
    start = load(path)
    if not isinstance(start, SchedulerTrunk) or start.level != model.level:
        raise ValueError(
            f"init_from: got {type(start).__name__}, expected a scheduler on the same trunk of level {model.level}"
        )
    known, found = model.state_dict(), start.state_dict()
    other = [name for name, value in found.items() if name not in known or known[name].shape != value.shape]
    if other:
        raise ValueError(f"init_from: got other sizes of {', '.join(other)}, expected the options of the checkpoint")
    model.load_state_dict(known | found)


class TrunkModule(OffPolicyModule):
    r"""Both stages on one trunk, from nothing: a joint value of choices and powers by double Q, twin critics for gradients of powers.

    Returns are those of n slots and of what the target networks say of the next one (TD(n)), in units of a slot's reward: with
    :math:`\bar r` the running mean of rewards,

    .. math::
        y = (1 - \gamma) \sum_{k < n} \gamma^k (r_k - \bar r) + \gamma^n Q'(s_n, a_n)

    where online networks pick the clusters of :math:`a_n` and target networks the powers, and judge both. The joint value learns the
    team's reward, the critics each station's own, of which the lower of two is the target. The policy gradient is that of the first
    critic's mean over stations, at clusters drawn by Gumbel noise: through powers, which grow with shares, it leads to both heads.

    Args:
        mixing: of stations' values, ``mean`` or ``monotonic``.
        mixer: width of the monotonic mixing layer.
        double: the online networks pick the next clusters, the target networks judge them; else these pick, too.
        twin: two critics, of which the lower one is the target.
        critic_hidden: width of critics.
        gamma: discount of a slot.
        joint: weight of the loss of the joint value.
        actor: weight of the policy gradient.
        gumbel: part of Gumbel noise on choices in the policy gradient at the start; it falls to nothing linearly.
        soft: part of the online networks that joins the target networks after a draw.
        lr: learning rate of agents and mixer.
        lr_end: part of all learning rates that is left at the end, along half a cosine.
        critic_lr: learning rate of critics.
        warmup: draws before the agents learn, too.
        max_norm: largest norm of a gradient.
        optimiser: ``adam`` or ``rmsprop``.
        init_from: checkpoint of these agents or of an unrolled scheduler, whose weights of the trunk and of both heads the agents
            start with (model-based start); its options have to be those of ``model``.
        model: options of :class:`~hetgraph.models.TrunkMADDPG`.

    Raises:
        ValueError: a discount that is not from 0 to below 1, or a checkpoint of another system or other sizes.
    """

    model: TrunkMADDPG

    def __init__(
        self,
        mixing: Mixing = "mean",
        mixer: int = 32,
        double: bool = True,
        twin: bool = True,
        critic_hidden: int = 64,
        gamma: float = 0.9,
        joint: float = 1.0,
        actor: float = 1.0,
        gumbel: float = 1.0,
        soft: float = 0.01,
        lr: float = 1e-3,
        lr_end: float = 0.05,
        critic_lr: float = 2e-3,
        warmup: int = 50,
        max_norm: float = 1.0,
        optimiser: Optimiser = "adam",
        init_from: str | None = None,
        **model: Any,
    ) -> None:
        super().__init__(soft=soft, lr=lr, lr_end=lr_end, max_norm=max_norm, optimiser=optimiser, fall="cosine")
        if not 0 <= gamma < 1:
            raise ValueError(f"gamma: got {gamma}, expected a number from 0 to below 1")
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = TrunkMADDPG(**model)
        if init_from is not None:
            start_from(self.model, init_from)
        hidden = int(self.model.options["hidden"])  # type: ignore[index]
        self.mix = JointValue(hidden, mixer, mixing)
        self.critics = nn.ModuleList(JointCritic(critic_hidden) for _ in range(2 if twin else 1))
        self.set_targets("model", "mix", "critics")
        self.pick_online, self.gamma, self.joint, self.actor, self.gumbel = double, gamma, joint, actor, gumbel
        self.critic_lr, self.warmup = critic_lr, warmup
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(()))

    def parameter_groups(self) -> dict[str, Group]:
        """Critics, and agents with their mixer."""
        agents = [*self.model.parameters(), *self.mix.parameters()]
        return {"critic": Group(self.critics.parameters(), self.critic_lr), "agents": Group(agents, self.lr)}

    def losses(self, batch: Sample) -> Iterator[tuple[str, Tensor]]:
        """Of the critics, and of the agents, whose policy gradient sees the critics of after their step."""
        rows, weight, memory = batch.rows, batch.weight, self.data.train_data
        assert isinstance(memory, TrunkExperience)
        everything, action = memory.everything(rows), memory.action(rows)
        own, joint = self.targets(rows, memory)
        estimates = [critic(everything, action) for critic in self.critics]
        self.note(reward=rows["reward"], critic_correlation=correlation(estimates[0], own))
        yield "critic", sum((huber(estimate, own, weight) for estimate in estimates), own.new_zeros(()))
        if int(self.draws) >= self.warmup:
            yield "agents", self._agents_loss(memory.stations(rows), everything, action, joint, weight)

    @torch.no_grad()
    def targets(self, rows: dict[str, Tensor], memory: TrunkExperience) -> tuple[Tensor, Tensor]:
        """Of the critics ``[B, N]``, and of the joint value ``[B]``, of rows of a draw."""
        reward, later = rows["along_continuous_reward"], later_of(rows)
        keep = min(int(self.draws) / 100, 0.99)
        self.centre.lerp_(reward.mean(), 1 - keep)
        reward = (1 - self.gamma) * discounted(reward - self.centre, self.gamma)
        views, target = memory.stations(later), self.target_model
        judged: Shares = target.shares(views)
        picked = self.model.shares(views) if self.pick_online else judged
        choice = self.model.schedule(views, picked)
        following = Schedule(choice.station, choice.user, target.powers(views, judged, choice.user))
        critics, everything = self.target["critics"], memory.everything(later)
        assert isinstance(critics, nn.ModuleList)
        own = torch.stack([critic(everything, following) for critic in critics]).amin(0)
        joint = self.target["mix"](target.station_values(views, judged, following), judged.summary)
        left = self.gamma ** rows["along_continuous_reward"].shape[1]
        return reward + left * own, reward.mean(1) + left * joint

    def _agents_loss(
        self, views: StationViews, everything: IoTViews, action: Schedule, joint: Tensor, weight: Tensor
    ) -> Tensor:
        shares = self.model.shares(views)
        loss = weight.new_zeros(())
        if self.joint:
            value = self.mix(self.model.station_values(views, shares, action), shares.summary)
            error = huber(value, joint, weight)
            self.note(joint=error, joint_correlation=correlation(value, joint))
            loss = loss + self.joint * error
        if self.actor:
            noise = self.gumbel * (1 - self.progress) * gumbel_like(shares.share)
            policy = self.model.schedule(views, shares, noise)
            self.critics.requires_grad_(False)
            gain = self.critics[0](everything, policy).mean()
            self.critics.requires_grad_(True)
            self.note(gain=gain)
            loss = loss - self.actor * gain
        return loss
