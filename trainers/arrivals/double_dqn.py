"""Double DQN for agents that decide at arrivals (van Hasselt et al. 2016; Randall et al., Section III-B)."""

import copy
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

import lightning
import torch
from torch import Tensor, nn

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.arrivals.sources import Source
from hetgraph.envs.rollout import rollout
from hetgraph.models.grows import GROWS
from hetgraph.radio import policy
from hetgraph.trainers.arrivals.experience import Experience, arrival_of
from hetgraph.trainers.arrivals.local_returns import LocalReturns
from hetgraph.trainers.common.checkpoint import association_agent
from hetgraph.trainers.common.replay import ReplayBuffer, Sample
from hetgraph.trainers.common.replay_data import ReplayDataModule

VALIDATION, TEST = 1_000_000, 2_000_000


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


class ArrivalDataModule(ReplayDataModule):
    """Arrivals for training, validation and test, with random numbers that they do not share.

    Args:
        scenario: ``grows-3``, ``grows-city`` or a source of arrivals.
        probability: of an arrival in a slot; ``None`` for the scenario's range of them.
        demand: mean demand; likewise.
        num_envs: networks in training.
        gamma: discount of a slot.
        n_step: decisions until the bootstrap.
        finite: the end of an episode is the end of the task.
        batch_size: rows of a draw.
        slots: slots of all networks before each draw.
        draws: draws in an epoch.
        capacity: of the replay memory.
        alpha: of prioritised draws; 0 for uniform ones.
        least: rows before the first draw.
        epsilon_end: chance of a random choice after exploration; it falls exponentially from 1.
        explore: draws of exploration.
        reward_scale: rewards are divided by this.
        val_episodes: episodes of validation.
        test_episodes: episodes of the test.
        replay_file: keep the replay memory in this file, beside the checkpoints, and go on from it.
        local: returns of the stations that a choice concerns, without a bootstrap, for networks of many stations.
        horizon: slots of a local return; 0 for all until the end.
        seed: of training.
    """

    evaluations: ClassVar[dict[str, int]] = {"val": VALIDATION, "test": TEST}

    def __init__(
        self,
        scenario: str | Source = "grows-3",
        probability: float | None = None,
        demand: float | None = None,
        num_envs: int = 20,
        gamma: float = 0.5,
        n_step: int = 1,
        finite: bool = True,
        batch_size: int = 32,
        slots: int = 1,
        draws: int = 10_000,
        capacity: int = 100_000,
        alpha: float = 0.0,
        least: int = 1_000,
        epsilon_end: float = 0.02,
        explore: int = 80_000,
        reward_scale: float = 1.0,
        val_episodes: int = 1500,
        test_episodes: int = 2000,
        replay_file: str | None = None,
        local: bool = False,
        horizon: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__(ReplayBuffer(capacity, alpha=alpha), replay_file)
        self.save_hyperparameters(ignore=() if isinstance(scenario, str) else ("scenario",))
        self.scenario, self.cell = scenario, {"probability": probability, "demand": demand}
        self.num_envs, self.finite, self.seed = num_envs, finite, seed
        self.options: dict[str, Any] = {
            "batch_size": batch_size, "slots": slots, "draws": draws, "least": least, "scale": reward_scale,
        }  # fmt: skip
        self.options |= {"horizon": horizon} if local else {"gamma": gamma, "n_step": n_step}
        self.local = local
        self.epsilon_end, self.explore = epsilon_end, explore
        self.episodes = {"val": val_episodes, "test": test_episodes}
        self.train_data: Experience | LocalReturns | None = None

    def epsilon(self, drawn: int) -> float:
        """Chance of a random choice at a draw."""
        return max(self.epsilon_end, math.exp(math.log(self.epsilon_end) * drawn / max(self.explore, 1)))

    def setup(self, stage: str) -> None:
        """Make the training networks, and bring features to scale by what a random agent meets."""
        if stage != "fit" or self.train_data is not None:
            return
        assert self.trainer is not None
        agent = self.trainer.lightning_module.policy
        assert isinstance(agent, GROWS)
        env = ArrivalEnv(self.scenario, self.num_envs, **self.cell, finite=self.finite, seed=self.seed)  # type: ignore[arg-type]
        if self._state is None and not bool(agent.mean.any()):
            agent.set_scale(*_first_look(agent, self.scenario, self.cell, self.seed))
        kind = LocalReturns if self.local else Experience
        self.train_data = kind(env, agent, self.buffer, epsilon=self.epsilon, **self.options)
        self.resume()

    def trial(self, split: Literal["val", "test"]) -> ArrivalEnv:
        """Networks of an evaluation, an episode each."""
        return ArrivalEnv(self.scenario, self.episodes[split], **self.cell)  # type: ignore[arg-type]


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
        self.policy = association_agent(widths, taps, features, users, dueling, flat)
        self.target = copy.deepcopy(self.policy).requires_grad_(False)
        self.pick_online, self.target_every = double, target_every
        self.lr, self.lr_end, self.max_norm = lr, lr_end, max_norm

    def on_train_start(self) -> None:
        """The target network starts as the online one; in a resumed run it is the checkpoint's, whose step is known by now."""
        if not self.trainer.global_step:
            self.target.load_state_dict(self.policy.state_dict())

    def training_step(self, batch: Sample, batch_idx: int) -> Tensor:
        """Loss of a draw."""
        rows = batch.rows
        value = self.policy(arrival_of(rows)).gather(1, rows["action"].unsqueeze(1)).squeeze(1)
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
            rows["gain"], rows["discount"], self.policy(later), self.target(later), double=self.pick_online
        )

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Copy the online network now and then."""
        if self.trainer.global_step % self.target_every == 0:
            self.target.load_state_dict(self.policy.state_dict())

    def validation_step(self, batch: int, batch_idx: int) -> None:
        """Utility and rejections on held-out arrivals, beside the best-rate rule's."""
        self._trial("val", batch)

    def test_step(self, batch: int, batch_idx: int) -> None:
        """As in validation, on the test's."""
        self._trial("test", batch)

    def _trial(self, split: Literal["val", "test"], seed: int) -> None:
        env = self._data().trial(split)
        values = rollout(env, {"agent": self.policy, "rule": policy("best_rate")}, seed=seed).values
        found, rule = values["agent"], values["rule"]
        for name in ("utility", "rejections", "completions"):
            self.log(f"{split}/{name}", found[name].mean().float(), batch_size=1)
        self.log(
            f"{split}/score", (found["utility"].mean() / rule["utility"].mean()).float(), batch_size=1, prog_bar=True
        )

    def _data(self) -> ArrivalDataModule:
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        assert isinstance(data, ArrivalDataModule)
        return data

    def configure_optimizers(self) -> Any:
        """Adam; the learning rate falls linearly."""
        optimizer = torch.optim.Adam(self.policy.parameters(), self.lr)
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: 1 - (1 - self.lr_end) * min(step / total, 1.0)
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *args: Any, **kwargs: Any) -> None:
        """Clip by norm."""
        nn.utils.clip_grad_norm_(self.policy.parameters(), self.max_norm)


def _first_look(agent: GROWS, scenario: str | Source, cell: dict[str, Any], seed: int) -> tuple[Tensor, Tensor]:
    """Stations that a random rule meets in an episode of 256 networks ``[n, K, F]``, ``[n, K]``."""
    env = ArrivalEnv(scenario, 256, **cell, seed=seed)
    rule, obs, generator, seen = policy("random_station"), env.reset()[0], torch.Generator().manual_seed(seed), []
    for _ in range(env.slots):
        seen.append(agent.views(obs))
        obs = env.step(rule.act(obs, None, generator)[0]).obs
    return torch.cat([v.station for v in seen]), torch.cat([v.room for v in seen])
