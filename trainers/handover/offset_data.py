"""Networks with traffic for cells that choose their offsets: training, validation and test."""

from typing import Any

import torch
from torch import Tensor

from hetgraph.datasets import scenario_of
from hetgraph.envs import HandoverTrafficEnv, TrafficWeights
from hetgraph.envs.rollout import rollout
from hetgraph.graph.scenario import Scenario
from hetgraph.models.offset_qmix import OffsetQMIX
from hetgraph.radio import traffic_policy as policy_of
from hetgraph.trainers.common.env_data import SEEDS, EnvDataModule, Split, model_as
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.replay import ReplayBuffer
from hetgraph.trainers.handover.offset_experience import FailurePrice, OffsetExperience

DELAY = "mean_delay_s"


class OffsetDataModule(EnvDataModule):
    """Environments for training, validation and test, with layouts, users and arrivals that they do not share.

    Args:
        scenario: preset or YAML file, or a scenario.
        num_envs: networks in training at once.
        networks: networks of training, which come in turn; ``None`` to draw them anew for each episode.
        episodes: episodes of all networks in an epoch.
        updates: draws for each episode.
        batch_size: rows of a draw.
        capacity: rows of the replay memory.
        gamma: discount of a step.
        n_step: steps until the state whose value counts.
        control: rule that plays beside the agents, whose rewards are subtracted; empty for none.
        scale: of rewards, 1/s.
        weights: prices that differ from those of :class:`~hetgraph.envs.TrafficWeights`.
        most_failures: lost links over the rule's that decisions without exploration may have; the price of one begins at that of the
            weights and follows. ``None`` for a price that stays.
        val_networks: networks of validation, an episode each.
        test_networks: networks of the test.
        seed: of training.
    """

    def __init__(
        self,
        scenario: str | Scenario = "handover-traffic",
        num_envs: int = 12,
        networks: int | None = None,
        episodes: int = 4,
        updates: int = 16,
        batch_size: int = 128,
        capacity: int = 12_000,
        gamma: float = 0.95,
        n_step: int = 15,
        control: str = "mlb",
        scale: float = 10.0,
        weights: dict[str, float] | None = None,
        most_failures: float | None = None,
        val_networks: int = 12,
        test_networks: int = 40,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=() if isinstance(scenario, str) else ("scenario",))
        check_limits(self.hparams)
        self.scenario: Any = scenario_of(scenario) if isinstance(scenario, str) else scenario
        self.num_envs, self.pool, self.control, self.seed = num_envs, networks, control, seed
        self.weights = TrafficWeights(**(weights or {}))  # type: ignore[arg-type]
        self.most_failures = most_failures if control else None
        self.capacity, self.networks = capacity, {"val": val_networks, "test": test_networks}
        self.options: dict[str, Any] = {
            "gamma": gamma, "n_step": n_step, "scale": scale, "batch_size": batch_size, "updates": updates,
            "draws": episodes * updates,
        }  # fmt: skip
        self._envs: dict[str, HandoverTrafficEnv] = {}
        self._rule: dict[str, dict[str, Tensor]] = {}

    def environment(self) -> HandoverTrafficEnv:
        """Networks of training."""
        pool: dict[str, Any] = {"networks": self.pool} if self.pool else {"fresh": True}
        options: dict[str, Any] = {"weights": self.weights, "seed": SEEDS["train"] + self.seed, "device": self.device}
        return HandoverTrafficEnv(self.scenario, self.num_envs, **pool, **options)

    def experience(self, module: Any) -> OffsetExperience:
        """Training networks and their agents, beside the rule."""
        agents = model_as(module, OffsetQMIX)
        env = self.environment()
        rule_env = env.twin() if self.control else None
        rule = policy_of(self.control) if self.control else None
        buffer = ReplayBuffer(self.capacity, device=self.device)
        price = FailurePrice(self.weights.failure, self.most_failures)
        return OffsetExperience(env, rule_env, agents, rule, buffer, price=price, **self.options)

    def judge(self, policy: Any, split: Split, item: int) -> dict[str, Any]:
        """Indicators of a policy, means over networks; the score is minus the mean delay with its prices: the mean reward."""
        if split not in self._envs:
            networks = self.networks[split]
            self._envs[split] = HandoverTrafficEnv(
                self.scenario, networks, weights=self.weights, seed=item, device=self.device
            )
            self._rule[split] = self._means(split, policy_of(self.control)) if self.control else {}
        kpis = self._means(split, policy)
        rules = {f"{name}:{self.control}": self._rule[split][name] for name in (DELAY, "reward") if self._rule[split]}
        if rules:
            rules[f"score:{self.control}"] = rules.pop(f"reward:{self.control}")
        return kpis | rules | {"score": kpis["reward"]}

    def _means(self, split: Split, policy: Any) -> dict[str, Tensor]:
        env = self._envs[split]
        kpis = rollout(env, {"policy": policy}, seed=env.seed).values["policy"]
        return {name: torch.as_tensor(value).mean() for name, value in kpis.items()}
