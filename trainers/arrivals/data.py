"""Arrivals for training, validation and test."""

import math
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.arrivals.sources import Source
from hetgraph.envs.rollout import rollout
from hetgraph.graph import Scenario
from hetgraph.models.grows import GROWS
from hetgraph.radio import policy as arrival_policy
from hetgraph.trainers.arrivals.experience import ArrivalExperience
from hetgraph.trainers.arrivals.local_returns import LocalReturns
from hetgraph.trainers.common.env_data import EnvDataModule, Split, model_as
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.common.replay import ReplayBuffer

LOOK_STATIONS = 768  # of the first look that brings features to scale: 256 networks of three


class ArrivalDataModule(EnvDataModule):
    """Arrivals for training, validation and test, with random numbers that they do not share.

    Args:
        scenario: preset, scenario, contract graphs, or a source of arrivals.
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
        local: returns of the stations that a choice concerns, without a bootstrap, for networks of many stations.
        horizon: slots of a local return; 0 for all until the end.
        control: subtract what best rate has on the same arrivals from local returns.
        seed: of training.
    """

    def __init__(
        self,
        scenario: str | Scenario | HeteroData | Source = "grows-3",
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
        local: bool = False,
        horizon: int = 0,
        control: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=() if isinstance(scenario, str) else ("scenario",))
        check_limits(self.hparams)
        self.scenario, self.cell = scenario, {"probability": probability, "demand": demand}
        self.num_envs, self.finite, self.seed = num_envs, finite, seed
        self.options: dict[str, Any] = {
            "batch_size": batch_size, "slots": slots, "draws": draws, "least": least, "scale": reward_scale,
        }  # fmt: skip
        self.options |= {"horizon": horizon} if local else {"gamma": gamma, "n_step": n_step}
        self.local, self.control = local, control
        self.epsilon_end, self.explore = epsilon_end, explore
        self.episodes = {"val": val_episodes, "test": test_episodes}
        self.memory: dict[str, Any] = {"capacity": capacity, "alpha": alpha}
        self._rule: dict[str, float] = {}

    def epsilon(self, drawn: int) -> float:
        """Chance of a random choice at a draw."""
        return max(self.epsilon_end, math.exp(math.log(self.epsilon_end) * drawn / max(self.explore, 1)))

    def experience(self, module: Any) -> ArrivalExperience | LocalReturns:
        """Training networks and their agent, whose features are brought to scale by what a random agent meets."""
        agent = model_as(module, GROWS)
        options = {**self.cell, "finite": self.finite, "seed": self.seed, "device": self.device}
        env = ArrivalEnv(self.scenario, self.num_envs, **options)  # type: ignore[arg-type]
        if not self.resuming and not bool(agent.mean.any()):
            agent.set_scale(*_first_look(agent, self.scenario, self.cell, self.seed))
        more = {}
        if self.control:
            more = {"control": ArrivalEnv(self.scenario, self.num_envs, **options)}  # type: ignore[arg-type]
        kind: Any = LocalReturns if self.local else ArrivalExperience
        out: ArrivalExperience | LocalReturns = kind(
            env, agent, ReplayBuffer(**self.memory, device=self.device), epsilon=self.epsilon, **self.options, **more
        )
        return out

    def judge(self, policy: Any, split: Split, item: int) -> dict[str, Any]:
        """Utility, rejections and completions on held-out arrivals; the score is the utility over the best-rate rule's."""
        env = ArrivalEnv(self.scenario, self.episodes[split], **self.cell, device=self.device)  # type: ignore[arg-type]
        if split not in self._rule:  # the same on the same arrivals, however often it is asked
            rule = rollout(env, {"rule": arrival_policy("best_rate")}, seed=item)
            self._rule[split] = float(rule.values["rule"]["utility"].mean())
        values = rollout(env, {"agent": policy}, seed=item).values["agent"]
        kpis = {name: values[name].mean() for name in ("utility", "rejections", "completions")}
        rules = {"utility:best_rate": self._rule[split], "score:best_rate": 1.0}
        return kpis | rules | {"score": kpis["utility"] / self._rule[split]}


def _first_look(agent: GROWS, scenario: Any, cell: dict[str, Any], seed: int) -> tuple[Tensor, Tensor]:
    """Stations that a random rule meets in an episode of some networks ``[n, K, F]``, ``[n, K]``: as many as make 768 stations."""
    stations = ArrivalEnv(scenario, **cell, seed=seed).num_stations
    env = ArrivalEnv(scenario, max(LOOK_STATIONS // stations, 1), **cell, seed=seed)
    rule, obs, generator, observations = (
        arrival_policy("random_station"),
        env.reset()[0],
        torch.Generator().manual_seed(seed),
        [],
    )
    for _ in range(env.slots):
        observations.append(agent.views(obs))
        obs = env.step(rule.act(obs, None, generator)[0]).obs
    return torch.cat([v.station for v in observations]), torch.cat([v.room for v in observations])
