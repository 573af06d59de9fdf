"""MADDQN-DMADDPG: joint training of both stages from one replay memory (Xie 2026, eqs. 4-10), its ablations and rivals."""

import copy
from typing import Any, Literal

import torch
from torch import Tensor, nn

from hetgraph.models.iot.agents import DiscreteBy, HybridMADDPG, PowerBy, Scope
from hetgraph.models.iot.critic import GraphCritic, compared
from hetgraph.models.iot.decision import Agents, Discrete
from hetgraph.models.iot.views import IoTViews
from hetgraph.nn.mixer import MonotonicMixer
from hetgraph.radio.schedule import Schedule
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.replay import Sample
from hetgraph.trainers.iot.experience import IoTExperience, settled
from hetgraph.trainers.iot.module import IoTModule

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

    def forward(self, value: Tensor, agents: Agents) -> Tensor:
        """Joint values ``[B]`` of ``value [B, N]``."""
        if self.mixer is None:
            return value.mean(1)
        out: Tensor = self.mixer(value, agents.station, agents.station.mean(1))
        return out


class MADDQNDMADDPG(IoTModule):
    """Multi-agent Double DQN for association and clusters, MADDPG with twin critics for powers, trained together.

    Rivals are the same with other options: ``scope="central", mixing="mean"`` is the centralised DQN-DDDPG, ``discrete="greedy",
    twin=False`` is MADDPG, ``power="equal"`` is QMIX; with ``rule`` in place of these they take the other stage's part
    from the rule. Ablations: ``double``, ``twin``, ``attention``; and the data module's weights for the reward.

    Rewards are centred by their running mean. The discrete stage learns eq. 10, the continuous one with energy and interference.
    Besides the joint value of the team's reward each station's own reward can be learned by its own value (``streams``), and by the
    critics (``own``): a joint value has one number a slot for what all stations did.

    Args:
        hidden: see :class:`~hetgraph.models.HybridMADDPG`, as for the next nine.
        heads: heads of the attention.
        agents: stations with weights of their own; 0 for shared ones.
        attention: weigh the channels heard.
        prior: correct rules, and start critics from the promised reward.
        scope: ``agents`` or ``central``.
        discrete: ``learned``, ``rule`` or ``greedy``.
        power: ``learned``, ``rule`` or ``equal``.
        reports: users report harm and prices on subchannels.
        dueling: values less the best choice's bids.
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
    """

    def __init__(
        self,
        hidden: int = 32,
        heads: int = 2,
        agents: int = 0,
        attention: bool = True,
        prior: bool = True,
        scope: Scope = "agents",
        discrete: DiscreteBy = "learned",
        power: PowerBy = "learned",
        reports: bool = True,
        dueling: bool = True,
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
    ) -> None:
        super().__init__()
        if not 0 <= gamma < 1:
            raise ValueError(f"gamma: got {gamma}, expected a number from 0 to below 1")
        if discrete != "learned" and power != "learned":
            raise ValueError(f"discrete, power: got {discrete!r} and {power!r}, expected something to learn")
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.automatic_optimization = False
        self.model = HybridMADDPG(
            hidden, heads, agents, attention, prior, scope, discrete, power, reports=reports, dueling=dueling
        )
        self.mix = JointValue(hidden, mixer, mixing)
        self.critics = nn.ModuleList(GraphCritic(hidden, prior) for _ in range(2 if twin else 1))
        self.target = nn.ModuleDict(
            {name: copy.deepcopy(getattr(self, name)) for name in ("model", "mix", "critics")}
        ).requires_grad_(False)
        self.pick_online, self.gamma, self.joint, self.streams, self.own = double, gamma, joint, streams, own
        self.energy_aware = energy_aware
        self.actor, self.soft, self.warmup = actor, soft, warmup
        self.lr, self.bid_lr, self.critic_lr = lr, bid_lr, critic_lr
        self.max_norm, self.stop_window, self.stop_least = max_norm, stop_window, stop_least
        self.steps: Tensor
        self.centre: Tensor
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("centre", torch.zeros(2))  # of the two stages' rewards

    def on_fit_start(self) -> None:
        """Critics start from the rewards' weights, target networks as the online ones."""
        if int(self.steps):
            return
        throughput, _, _, energy, interference = self._data().weights
        for critic in self.critics:
            assert isinstance(critic, GraphCritic)
            if self.model.prior:
                for weights in (critic.first, critic.level):
                    weights.data.copy_(torch.tensor([throughput, energy, -interference]))
        for name in ("model", "mix", "critics"):
            self.target[name].load_state_dict(getattr(self, name).state_dict())

    # Targets.

    def next_choice(self, views: IoTViews) -> tuple[Tensor, Agents, Schedule, Tensor]:
        """Of the target agents: their values of the next choice, states, schedule with their powers, and reference powers."""
        target = self.target["model"]
        assert isinstance(target, HybridMADDPG)
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
        after: Tensor = self.target["mix"](value, agents)
        return reward.mean(1) + self.gamma * after

    def critic_target(self, reward: Tensor, views: IoTViews, action: Schedule, reference: Tensor) -> Tensor:
        """Target of the critics (eq. 4) ``[B, N]``, or ``[B, 1]`` of the team."""
        critics = self.target["critics"]
        assert isinstance(critics, nn.ModuleList)
        seen = compared(views, action, reference)
        values = [self._of_team(critic(seen)) for critic in critics]
        return twin_target(self._of_team(reward), values, self.gamma)

    def _of_team(self, value: Tensor) -> Tensor:
        return value if self.own else value.mean(1, keepdim=True)

    # Losses.

    def training_step(self, batch: Sample, batch_idx: int) -> None:
        """A step of the critics, and one of the agents."""
        rows, weight, memory = batch.rows, batch.weight, self._data().train_data
        assert isinstance(memory, IoTExperience)
        (views, action), after = memory.present(rows), memory.later(rows)
        reward, further = self._centred(rows)
        reward = further if self.energy_aware else reward
        with torch.no_grad():
            value, states, following, next_reference = self.next_choice(after)
            joint_goal = self.joint_target(reward, value, states)
            own_goal = reward + self.gamma * value
        optimizers = self.optimizers()
        assert isinstance(optimizers, list)
        policy_optimizer, critic_optimizer = optimizers
        found: dict[str, Tensor] = {}
        agents = self.model.encode(views)
        choice = self.model.taken(views, agents, action.station, action.user)
        reference = self.model.reference(views, agents, choice)
        if self.model.power_by == "learned":
            with torch.no_grad():
                goal = self.critic_target(further, after, following, next_reference)
            seen = compared(views, action, reference)
            estimates = [self._of_team(critic(seen)) for critic in self.critics]
            loss = sum((_huber(estimate, goal, weight) for estimate in estimates), goal.new_zeros(()))
            self._update(critic_optimizer, loss, self.critics)
            found["critic"], found["critic_correlation"] = loss, _correlation(estimates[0], goal)
        if int(self.steps) >= self.warmup:
            loss = self._agents_loss(views, agents, choice, reference, weight, (joint_goal, own_goal), found)
            self._update(policy_optimizer, loss, self.model, self.mix)
        self.steps += 1
        self._follow()
        if batch_idx % 20 == 0:
            logged = {f"train/{name}": value.detach() for name, value in found.items()}
            self.log_dict(logged | {"train/reward": rows["reward"].mean()}, batch_size=1)

    def _agents_loss(
        self,
        views: IoTViews,
        agents: Agents,
        choice: Discrete,
        reference: Tensor,
        weight: Tensor,
        goals: tuple[Tensor, Tensor],
        found: dict[str, Tensor],
    ) -> Tensor:
        joint, own = goals
        loss = weight.new_zeros(())
        if self.model.discrete == "learned":
            value = self.model.discrete_value(views, agents, choice)
            if self.joint:
                found["joint"] = _huber(self.mix(value, agents), joint, weight)
                loss = loss + self.joint * found["joint"]
            if self.streams:
                found["streams"] = _huber(value, own, weight)
                loss = loss + self.streams * found["streams"]
        if self.model.power_by == "learned":
            share = self.model.shares(views, agents, choice, rule=reference)
            self.critics.requires_grad_(False)
            gain = self.critics[0](compared(views, Schedule(choice.station, choice.user, share), reference)).mean(1)
            self.critics.requires_grad_(True)
            found["gain"] = (gain * weight).mean()
            loss = loss - self.actor * found["gain"]
        return loss

    def _centred(self, rows: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Rewards of both stages less their running means ``[B, N]``."""
        rewards = rows["reward"], rows["further"]
        keep = min(int(self.steps) / 100, 0.99)
        for i, reward in enumerate(rewards):
            self.centre[i] = keep * self.centre[i] + (1 - keep) * reward.mean()
        return rewards[0] - self.centre[0], rewards[1] - self.centre[1]

    def _update(self, optimizer: Any, loss: Tensor, *modules: nn.Module) -> None:
        optimizer.zero_grad()
        self.manual_backward(loss)
        nn.utils.clip_grad_norm_([p for module in modules for p in module.parameters()], self.max_norm)
        optimizer.step()

    @torch.no_grad()
    def _follow(self) -> None:
        """Target networks follow the online ones softly."""
        for name in ("model", "mix", "critics"):
            for slow, fast in zip(self.target[name].parameters(), getattr(self, name).parameters(), strict=True):
                slow.lerp_(fast, self.soft)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Stop when returns no longer rise."""
        data, seen = self._data(), self._data().train_data
        assert seen is not None
        if seen.drawn >= data.exploration() and settled(seen.returns, self.stop_window, self.stop_least):
            self.trainer.should_stop = True

    def configure_optimizers(self) -> Any:
        """Adam for agents and mixer, and for critics."""
        groups = self.model.parameter_groups(self.mix.parameters(), self.lr, self.bid_lr)
        return [torch.optim.Adam(groups), torch.optim.Adam(self.critics.parameters(), self.critic_lr)]


def _huber(value: Tensor, goal: Tensor, weight: Tensor) -> Tensor:
    loss = nn.functional.huber_loss(value, goal, reduction="none")
    return (loss.flatten(1).mean(1) * weight).mean() if loss.dim() > 1 else (loss * weight).mean()


def _correlation(value: Tensor, goal: Tensor) -> Tensor:
    """Of what the critic says and what it is to learn."""
    pair = torch.stack([value.detach().flatten(), goal.flatten()])
    return torch.corrcoef(pair)[0, 1]
