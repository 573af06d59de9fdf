"""MAPPO on IoT networks: the agents of the hybrid method as a stochastic policy, learned on their own rollouts."""

from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.models.iot.agents import HybridMADDPG
from hetgraph.models.iot.views import IoTViews
from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.iot.module import IoTModule
from hetgraph.trainers.iot.rollouts import IoTRollout, IoTRollouts, log_probs


class IoTMAPPO(IoTModule):
    """Clipped policy gradients for stations that draw their bids and power logits from Gaussians (Yu et al. 2022).

    The means are those of :class:`~hetgraph.models.HybridMADDPG`; its values are the critic. Every bid and every logit has a
    probability ratio of its own, and the advantage of its station: one ratio of thousands of numbers would always be clipped.
    Stations share the team's reward, as in the paper; each values it by what it sees.

    Args:
        hidden: see :class:`~hetgraph.models.HybridMADDPG`, as for the next four.
        heads: heads of the attention.
        agents: stations with weights of their own; 0 for shared ones.
        attention: weigh the channels heard.
        prior: correct rules.
        deviation: of bids and logits at the start.
        gamma: discount of a slot.
        lam: weight of longer traces.
        clip: range of the probability ratios.
        epochs: passes over a rollout.
        minibatches: parts of a rollout.
        value_weight: weight of the value loss.
        entropy: weight of the logarithm of the deviations.
        lr: learning rate.
        bid_lr: learning rate of the heads that bid, as a part of ``lr``.
        max_norm: largest norm of the gradient.
        own: stations learn from their own rewards, which do not tell what they take from others; else from the team's.
    """

    on_policy = True

    def __init__(
        self,
        hidden: int = 32,
        heads: int = 2,
        agents: int = 0,
        attention: bool = True,
        prior: bool = True,
        deviation: float = 0.2,
        gamma: float = 0.9,
        lam: float = 0.95,
        clip: float = 0.2,
        epochs: int = 2,
        minibatches: int = 4,
        value_weight: float = 0.5,
        entropy: float = 1e-3,
        lr: float = 5e-4,
        bid_lr: float = 1.0,
        max_norm: float = 0.5,
        own: bool = False,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.automatic_optimization = False
        self.model = HybridMADDPG(hidden, heads, agents, attention, prior)
        self.log_deviation = nn.Parameter(torch.full((3,), deviation).log())
        self.gamma, self.lam, self.clip, self.epochs, self.minibatches = gamma, lam, clip, epochs, minibatches
        self.value_weight, self.entropy, self.lr, self.bid_lr = value_weight, entropy, lr, bid_lr
        self.max_norm, self.own = max_norm, own
        self.centre: Tensor
        self.register_buffer("centre", torch.tensor(0.0))
        self.seen: Tensor
        self.register_buffer("seen", torch.tensor(0))

    def training_step(self, batch: IoTRollout, batch_idx: int) -> None:
        """Several passes over a rollout."""
        keep = min(int(self.seen) / 20, 0.95)
        reward = batch.reward if self.own else batch.reward.mean(2, keepdim=True).expand_as(batch.reward)
        self.centre.mul_(keep).add_((1 - keep) * reward.mean())
        self.seen += 1
        done = batch.done.unsqueeze(2)
        advantage = gae(
            reward - self.centre, batch.value, batch.next_value, done=done, terminated=torch.zeros_like(done),
            gamma=self.gamma, lam=self.lam,
        )  # fmt: skip
        goal = (advantage + batch.value).flatten(0, 1)
        advantage = ((advantage - advantage.mean()) / advantage.std().clamp_min(1e-6)).flatten(0, 1)
        memory, optimizer = self._rollouts(), self.optimizers()
        for _ in range(self.epochs):
            for rows in torch.randperm(len(goal)).chunk(self.minibatches):
                views = memory.views_of({name: value[rows] for name, value in batch.rows.items()})
                loss = self._loss(views, batch, rows, advantage[rows], goal[rows])
                optimizer.zero_grad()  # type: ignore[union-attr]
                self.manual_backward(loss)
                nn.utils.clip_grad_norm_(self.parameters(), self.max_norm)
                optimizer.step()  # type: ignore[union-attr]
        self.log("train/reward", batch.reward.mean(), batch_size=1)

    def _loss(self, views: IoTViews, batch: IoTRollout, rows: Tensor, advantage: Tensor, goal: Tensor) -> Tensor:
        policy, drawn = self.model, batch.drawn.select(rows)
        agents = policy.encode(views)
        choice = policy.taken(views, agents, drawn.station, drawn.user)
        now = log_probs(policy, views, agents, choice, drawn, self.log_deviation.exp())
        b, n = advantage.shape
        of_user = advantage.gather(1, drawn.station.clamp_min(0)).unsqueeze(2)
        of_station = (advantage.unsqueeze(2), of_user, advantage.reshape(b, n, 1, 1), advantage.unsqueeze(2))
        value = policy.value(agents.station).squeeze(2)
        loss = self.value_weight * nn.functional.huber_loss(value, goal)
        loss = loss - self.entropy * self.log_deviation.sum()
        for new, old, gain in zip(now, (part[rows] for part in batch.log_prob), of_station, strict=True):
            ratio, counts = (new - old).exp(), old != 0
            clipped = ratio.clamp(1 - self.clip, 1 + self.clip)
            loss = loss - (torch.minimum(ratio * gain, clipped * gain) * counts).sum() / counts.sum().clamp_min(1)
        return loss

    def _rollouts(self) -> IoTRollouts:
        found = self._data().train_data
        assert isinstance(found, IoTRollouts)
        return found

    def configure_optimizers(self) -> Any:
        """Adam."""
        return torch.optim.Adam(self.model.parameter_groups([self.log_deviation], self.lr, self.bid_lr))
