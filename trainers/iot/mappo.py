"""MAPPO on IoT networks: the agents of the hybrid method as a stochastic policy, learned on their own rollouts."""

from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.models.iot.agents import HybridMADDPG
from hetgraph.models.iot.views import IoTViews
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.optimisers import Group, Optimiser
from hetgraph.trainers.iot.rollouts import IoTRollout, IoTRollouts, log_probs
from hetgraph.trainers.iot.station_mappo import StationMAPPO


class IoTMAPPO(StationMAPPO):
    """Clipped policy gradients for stations that draw their bids and power logits from Gaussians (Yu et al. 2022).

    The means are those of :class:`~hetgraph.models.HybridMADDPG`; its values are the critic. Every bid and every logit has a
    probability ratio of its own, and the advantage of its station: one ratio of thousands of numbers would always be clipped.
    Stations share the team's reward, as in the paper; each values it by what it sees.

    Args:
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
        optimiser: ``adam`` or ``rmsprop``.
        model: options of :class:`~hetgraph.models.HybridMADDPG`.
    """

    model: HybridMADDPG

    def __init__(
        self,
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
        optimiser: Optimiser = "adam",
        **model: Any,
    ) -> None:
        super().__init__(
            gamma=gamma, lam=lam, clip=clip, epochs=epochs, minibatches=minibatches, value_weight=value_weight,
            entropy=entropy, lr=lr, lr_end=1.0, max_norm=max_norm, optimiser=optimiser,
            own=own,
        )  # fmt: skip
        self.save_hyperparameters()
        check_limits(self.hparams)
        self.model = HybridMADDPG(**model)
        self.log_deviation = nn.Parameter(torch.full((3,), deviation).log())
        self.bid_lr = bid_lr

    def loss(self, rollout: IoTRollout, part: Tensor, advantage: Tensor, goal: Tensor) -> Tensor:
        """Loss of a minibatch."""
        views = self._experience().views_of({name: value[part] for name, value in rollout.rows.items()})
        return self._loss(views, rollout, part, advantage[part], goal[part])

    def parameter_groups(self) -> dict[str, Group]:
        """All, the heads that bid at a rate of their own."""
        return {"loss": Group(self.model.parameter_groups([self.log_deviation], self.lr, self.bid_lr), self.lr)}

    def _loss(self, views: IoTViews, batch: IoTRollout, rows: Tensor, advantage: Tensor, goal: Tensor) -> Tensor:
        policy, drawn = self.model, batch.drawn.select(rows)
        agents = policy.encode(views)
        choice = policy.taken(views, agents, drawn.station, drawn.user)
        now = log_probs(policy, views, agents, choice, drawn, self.log_deviation.exp())
        b, n = advantage.shape
        of_user = advantage.gather(1, drawn.station.clamp_min(0)).unsqueeze(2)
        of_station = (advantage.unsqueeze(2), of_user, advantage.reshape(b, n, 1, 1), advantage.unsqueeze(2))
        value = policy.value(agents.station).squeeze(2)
        before = (part[rows] for part in batch.log_prob)
        return self.clipped_loss(value, goal, zip(now, before, of_station, strict=True))

    def _experience(self) -> IoTRollouts:
        rollouts = self.data.train_data
        assert isinstance(rollouts, IoTRollouts)
        return rollouts
