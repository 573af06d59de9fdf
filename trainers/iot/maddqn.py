"""MADDQN-DMADDPG: joint training of both stages from one replay memory (Xie 2026, eqs. 4-10), its ablations and rivals."""

from collections.abc import Iterator
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hetgraph.models.iot.agents import HybridMADDPG
from hetgraph.models.iot.critic import GraphCritic, compared
from hetgraph.models.iot.decision import Agents, Discrete
from hetgraph.models.iot.views import IoTViews
from hetgraph.nn.mixer import MonotonicMixer
from hetgraph.radio.schedule import Schedule
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.off_policy import OffPolicyModule
from hetgraph.trainers.common.optimisers import Group, Optimiser
from hetgraph.trainers.common.replay import Sample
from hetgraph.trainers.iot.experience import IoTExperience, settled

Mixing = Literal["monotonic", "mean"]


def twin_target(reward: Tensor, values: list[Tensor], gamma: float) -> Tensor:
    r"""Target :math:`r + \gamma \min_i Q_i'(s', \mu'(s'))` of the critics (eq. 4); of one critic without a minimum.

    Args:
        reward: ``[B, *]``.
        values: of the next slot by each target critic ``[B, *]``.
        gamma: discount.
    """
    return reward + gamma * torch.stack(values).amin(0)


class JointValue(nn.Module):
    """Joint value of the agents' values (eq. 5): monotonic in each of them, or their mean.

    Args:
        hidden: width of the agents' states.
        mixer: width of the mixing layer.
        mixing: ``monotonic`` or ``mean``.
    """

    def __init__(self, hidden: int, mixer: int = 32, mixing: Mixing = "monotonic") -> None:
        super().__init__()
        if mixing not in ("monotonic", "mean"):
            raise ValueError(f"mixing: got {mixing!r}, expected 'monotonic' or 'mean'")
        self.mixer = MonotonicMixer(hidden, hidden, mixer) if mixing == "monotonic" else None

    def forward(self, value: Tensor, station: Tensor) -> Tensor:
        """Joint values ``[B]`` of ``value [B, N]`` in states of stations ``[B, N, H]``."""
        if self.mixer is None:
            return value.mean(1)
        out: Tensor = self.mixer(value, station, station.mean(1))
        return out


class MADDQNDMADDPG(OffPolicyModule):
    """Multi-agent Double DQN for association and clusters, MADDPG with twin critics for powers, trained together.

    Rivals are the same with other options: ``scope="central", mixing="mean"`` is the centralised DQN-DDDPG, ``discrete="greedy",
    twin=False`` is MADDPG, ``power="equal"`` is QMIX; with ``rule`` in place of these they take the other stage's part
    from the rule. Ablations: ``double``, ``twin``, ``attention``; and the data module's weights for the reward.

    Rewards are centred by their running mean. The discrete stage learns eq. 10, the continuous one with energy and interference.
    Besides the joint value of the team's reward each station's own reward can be learned by its own value (``streams``), and by the
    critics (``own``): a joint value has one number a slot for what all stations did.

    Args:
        mixing: ``monotonic`` or ``mean``.
        mixer: width of the mixing layer.
        double: the online networks pick the next choice, the target networks judge it.
        twin: two critics, of which the lower one is the target.
        gamma: discount of a slot.
        joint: weight of the loss of the joint value.
        streams: weight of the loss of each agent's own value.
        own: critics learn each station's own reward; else the team's.
        energy_aware: the discrete stage learns the reward with energy and interference, too; else eq. 10 alone, as in the paper.
        actor: weight of the policy gradient.
        soft: part of the online networks that joins the target networks after a step.
        lr: learning rate of agents and mixer.
        bid_lr: learning rate of the heads that bid, as a part of ``lr``: of a joint value they learn from one number a slot.
        critic_lr: learning rate of critics.
        warmup: draws before the agents learn, too.
        max_norm: largest norm of a gradient.
        stop_window: episodes of the stopping rule, 0 for none: when exploration is over and the mean return of as many episodes
            exceeds that of those before by less than ``stop_least`` of it.
        stop_least: see there.
        optimiser: ``adam`` or ``rmsprop``.
        model: options of :class:`~hetgraph.models.HybridMADDPG`.
    """

    model: HybridMADDPG

    def __init__(
        self,
        mixing: Mixing = "monotonic",
        mixer: int = 32,
        double: bool = True,
        twin: bool = True,
        gamma: float = 0.9,
        joint: float = 1.0,
        streams: float = 0.0,
        own: bool = True,
        energy_aware: bool = False,
        actor: float = 1.0,
        soft: float = 0.005,
        lr: float = 5e-4,
        bid_lr: float = 1.0,
        critic_lr: float = 1e-3,
        warmup: int = 100,
        max_norm: float = 1.0,
        stop_window: int = 100,
        stop_least: float = 0.01,
        optimiser: Optimiser = "adam",
        **model: Any,
    ) -> None:
        super().__init__(soft=soft, lr=lr, lr_end=1.0, max_norm=max_norm, optimiser=optimiser)
        if not 0 <= gamma < 1:
            raise ValueError(f"gamma: got {gamma}, expected a number from 0 to below 1")
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = HybridMADDPG(**model)
        if self.model.discrete != "learned" and self.model.power_by != "learned":
            got = f"{self.model.discrete!r} and {self.model.power_by!r}"
            raise ValueError(f"discrete, power: got {got}, expected something to learn")
        if self.model.power_by != "learned" and not (joint or streams):
            raise ValueError("joint, streams: got 0 for both without learned powers, expected a loss")
        hidden, prior = int(self.model.options["hidden"]), self.model.prior  # type: ignore[index]
        self.mix = JointValue(hidden, mixer, mixing)
        self.critics = nn.ModuleList(GraphCritic(hidden, prior) for _ in range(2 if twin else 1))
        self.set_targets("model", "mix", "critics")
        self.pick_online, self.gamma, self.joint, self.streams, self.own = double, gamma, joint, streams, own
        self.energy_aware, self.actor, self.warmup = energy_aware, actor, warmup
        self.bid_lr, self.critic_lr, self.stop_window, self.stop_least = bid_lr, critic_lr, stop_window, stop_least
        self.centre: Tensor
        self.register_buffer("centre", torch.zeros(2))  # of the two stages' rewards

    def on_train_start(self) -> None:
        """Critics start from the rewards' weights, target networks as the online ones."""
        if not int(self.draws) and self.model.prior:
            throughput, _, _, energy, interference = self.data.weights
            for critic in self.critics:
                assert isinstance(critic, GraphCritic)
                for weights in (critic.first, critic.level):
                    weights.data.copy_(torch.tensor([throughput, energy, -interference]))
        super().on_train_start()

    def parameter_groups(self) -> dict[str, Group]:
        """Critics, and agents with their mixer."""
        agents = self.model.parameter_groups(self.mix.parameters(), self.lr, self.bid_lr)
        return {"agents": Group(agents, self.lr), "critic": Group(self.critics.parameters(), self.critic_lr)}

    # Targets.

    def next_choice(self, views: IoTViews) -> tuple[Tensor, Agents, Schedule, Tensor]:
        """Of the target agents: their values of the next choice, states, schedule with their powers, and reference powers."""
        target = self.target_model
        agents = target.encode(views)
        picker = self.model if self.pick_online else target
        chosen = picker.choose(views, picker.encode(views) if self.pick_online else agents)
        chosen = target.taken(views, agents, chosen.station, chosen.user) if self.pick_online else chosen
        reference = target.reference(views, agents, chosen)
        value, share = (
            target.discrete_value(views, agents, chosen),
            target.shares(views, agents, chosen, rule=reference),
        )
        return value, agents, Schedule(chosen.station, chosen.user, share), reference

    def joint_target(self, reward: Tensor, value: Tensor, agents: Agents) -> Tensor:
        """Target of the joint value (eq. 7) ``[B]``.

        Args:
            reward: of the stations ``[B, N]``; the team's is their mean.
            value: target agents' values of the next choice ``[B, N]``.
            agents: their states.
        """
        after: Tensor = self.target["mix"](value, agents.station)
        return reward.mean(1) + self.gamma * after

    def critic_target(self, reward: Tensor, views: IoTViews, action: Schedule, reference: Tensor) -> Tensor:
        """Target of the critics (eq. 4) ``[B, N]``, or ``[B, 1]`` of the team."""
        critics = self.target["critics"]
        assert isinstance(critics, nn.ModuleList)
        comparison = compared(views, action, reference)
        values = [self._of_team(critic(comparison)) for critic in critics]
        return twin_target(self._of_team(reward), values, self.gamma)

    def _of_team(self, value: Tensor) -> Tensor:
        return value if self.own else value.mean(1, keepdim=True)

    # Losses.

    def losses(self, batch: Sample) -> Iterator[tuple[str, Tensor]]:
        """Of the critics, and of the agents, whose policy gradient sees the critics of after their step."""
        rows, weight, memory = batch.rows, batch.weight, self.data.train_data
        assert isinstance(memory, IoTExperience)
        (views, action), after = memory.present(rows), memory.later(rows)
        reward, continuous = self._centred(rows)
        reward = continuous if self.energy_aware else reward
        self.note(reward=rows["reward"])
        with torch.no_grad():
            value, states, following, next_reference = self.next_choice(after)
            goals = self.joint_target(reward, value, states), reward + self.gamma * value
        agents = self.model.encode(views)
        choice = self.model.taken(views, agents, action.station, action.user)
        reference = self.model.reference(views, agents, choice)
        if self.model.power_by == "learned":
            with torch.no_grad():
                goal = self.critic_target(continuous, after, following, next_reference)
            comparison = compared(views, action, reference)
            estimates = [self._of_team(critic(comparison)) for critic in self.critics]
            self.note(critic_correlation=correlation(estimates[0], goal))
            yield "critic", sum((huber(estimate, goal, weight) for estimate in estimates), goal.new_zeros(()))
        if int(self.draws) >= self.warmup:
            yield "agents", self._agents_loss(views, agents, choice, reference, weight, goals)

    def _agents_loss(
        self,
        views: IoTViews,
        agents: Agents,
        choice: Discrete,
        reference: Tensor,
        weight: Tensor,
        goals: tuple[Tensor, Tensor],
    ) -> Tensor:
        joint, own = goals
        loss = weight.new_zeros(())
        if self.model.discrete == "learned":
            value = self.model.discrete_value(views, agents, choice)
            if self.joint:
                error = huber(self.mix(value, agents.station), joint, weight)
                self.note(joint=error)
                loss = loss + self.joint * error
            if self.streams:
                error = huber(value, own, weight)
                self.note(streams=error)
                loss = loss + self.streams * error
        if self.model.power_by == "learned":
            share = self.model.shares(views, agents, choice, rule=reference)
            self.critics.requires_grad_(False)
            gain = self.critics[0](compared(views, Schedule(choice.station, choice.user, share), reference)).mean(1)
            self.critics.requires_grad_(True)
            gain = (gain * weight).mean()
            self.note(gain=gain)
            loss = loss - self.actor * gain
        return loss

    def _centred(self, rows: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Rewards of both stages less their running means ``[B, N]``."""
        rewards = rows["reward"], rows["continuous_reward"]
        keep = min(int(self.draws) / 100, 0.99)
        for i, reward in enumerate(rewards):
            self.centre[i] = keep * self.centre[i] + (1 - keep) * reward.mean()
        return rewards[0] - self.centre[0], rewards[1] - self.centre[1]

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop when returns no longer rise."""
        drawn, returns = self.data.train_data.drawn, self.data.train_data.returns.ended
        if drawn >= self.data.exploration() and settled(returns, self.stop_window, self.stop_least):
            self.trainer.should_stop = True


def huber(value: Tensor, goal: Tensor, weight: Tensor) -> Tensor:
    """Huber loss of values ``[B, *]``, mean over all but the networks, whose weights are ``[B]``."""
    loss = nn.functional.huber_loss(value, goal, reduction="none")
    return (loss.flatten(1).mean(1) * weight).mean() if loss.dim() > 1 else (loss * weight).mean()


def correlation(value: Tensor, goal: Tensor) -> Tensor:
    """Of what the critic says and what it is to learn."""
    pair = torch.stack([value.detach().flatten(), goal.flatten()])
    return torch.corrcoef(pair)[0, 1]
