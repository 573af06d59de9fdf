"""IoT networks for training, validation and test, with layouts, users and traffic that they do not share."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import IoTEnv, IoTWeights
from hetgraph.envs.rollout import rollout
from hetgraph.graph import Scenario
from hetgraph.graph.schema import Level
from hetgraph.models.iot.agents import HybridMADDPG
from hetgraph.models.iot.trunk_agents import TrunkMADDPG
from hetgraph.models.iot.unrolled import UnrolledScheduler
from hetgraph.radio.policy import Policy
from hetgraph.radio.schedule import Schedule
from hetgraph.trainers.common.env_data import EnvDataModule, Split, model_as
from hetgraph.trainers.common.exploration import ActionNoise, Noise, linear_epsilon
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.iot.experience import IoTExperience, Random, SlotReplay
from hetgraph.trainers.iot.mappo import TrunkMAPPOModule
from hetgraph.trainers.iot.rollouts import TrunkRollouts
from hetgraph.trainers.iot.trunk import TrunkModule
from hetgraph.trainers.iot.trunk_experience import TrunkExperience
from hetgraph.trainers.iot.unrolled import IoTSlots, UnrolledModule

COST = 10.0  # of a lost share of throughput or promises, in shares of bits per joule
KPIS = ("throughput_bps", "bit_per_j", "qos_violation", "jain", "handover_rate", "utilisation", "loss")


class IoTDataModule(EnvDataModule):
    """Slots of exploring agents, and episodes of validation and test.

    Args:
        scenario: preset, scenario or contract graphs.
        num_envs: networks in training.
        episode_slots: length of an episode; each has new stations and users.
        weights: of throughput, fairness, handovers, energy and interference in the rewards; ``[1, 0, 0, 0, 0]`` for throughput only.
        batch_size: rows of a draw.
        slots: slots of all networks before each draw; of a rollout for a module that learns on the policy.
        draws: draws or rollouts in an epoch.
        capacity: rows of the replay memory.
        least: rows before the first draw.
        epsilon_start: chance that an agent explores at the start.
        epsilon_end: and after exploration; it falls linearly.
        explore: draws of exploration; ``None`` for 80% of those of all epochs.
        random: ``near`` or ``uniform`` choices of an exploring agent.
        spread: of near ones, in the unit of bids.
        noise: ``ou`` or ``gaussian``, on the power logits.
        sigma: its deviation.
        theta: how fast ``ou`` returns to zero.
        steps: slots of a return before target networks say the rest (TD(n)), of agents on one trunk.
        val_envs: networks of validation.
        test_envs: networks of the test.
        eval_slots: length of their episodes.
        seed: of training.
    """

    def __init__(
        self,
        scenario: str | Scenario | HeteroData = "iot-noma",
        num_envs: int = 16,
        episode_slots: int = 200,
        weights: Sequence[float] = (1.0, 1.0, 1.0, 0.1, 0.1),
        batch_size: int = 128,
        slots: int = 1,
        draws: int = 200,
        capacity: int = 20_000,
        least: int = 512,
        epsilon_start: float = 0.9,
        epsilon_end: float = 0.05,
        explore: int | None = None,
        random: Random = "near",
        spread: float = 0.2,
        noise: Noise = "ou",
        sigma: float = 0.3,
        theta: float = 0.15,
        steps: int = 1,
        val_envs: int = 8,
        test_envs: int = 16,
        eval_slots: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if len(weights) != 5:
            raise ValueError(f"weights: got {len(weights)} numbers, expected 5")
        self.save_hyperparameters(ignore=() if isinstance(scenario, str) else ("scenario",))
        check_limits(self.hparams)
        self.scenario, self.num_envs, self.episode_slots, self.seed = scenario, num_envs, episode_slots, seed
        self.weights = tuple(weights)
        self.options: dict[str, Any] = {
            "capacity": capacity, "batch_size": batch_size, "slots": slots, "draws": draws, "least": least,
            "random": random, "spread": spread,
        }  # fmt: skip
        self.epsilon_range, self.explore = (epsilon_start, epsilon_end), explore
        self.noise: tuple[float, float, Noise] = (sigma, theta, noise)
        self.steps, self.envs, self.eval_slots = steps, {"val": val_envs, "test": test_envs}, eval_slots
        self._rule: dict[str, dict[str, Tensor]] = {}

    def exploration(self) -> int:
        """Draws of exploration."""
        if self.explore is not None:
            return self.explore
        assert self.trainer is not None
        return round(0.8 * int(self.options["draws"]) * max(self.trainer.max_epochs or 1, 1))

    def epsilon(self, drawn: int) -> float:
        """Chance that an agent explores at a draw."""
        return linear_epsilon(drawn, self.exploration(), *self.epsilon_range)

    def experience(self, module: Any) -> SlotReplay | TrunkRollouts | IoTSlots:
        """Slots of agents that explore, rollouts of a module that learns on the policy, or slots of an unrolled scheduler."""
        if isinstance(module, TrunkModule):
            agents = model_as(module, TrunkMADDPG)
            noise = ActionNoise(*self.noise)
            env = self.environment(agents.level)
            return TrunkExperience(env, agents, noise=noise, epsilon=self.epsilon, steps=self.steps, **self.options)
        if isinstance(module, TrunkMAPPOModule):
            agents = model_as(module, TrunkMADDPG)
            many = (self.options["slots"], self.options["draws"])
            return TrunkRollouts(self.environment(agents.level), agents, module.log_deviation, *many)
        if isinstance(module, UnrolledModule):
            scheduler = model_as(module, UnrolledScheduler)
            return IoTSlots(self.environment(scheduler.level), scheduler, self.options["draws"])
        policy = model_as(module, HybridMADDPG)
        env = self.environment(policy.level)
        return IoTExperience(env, policy, noise=ActionNoise(*self.noise), epsilon=self.epsilon, **self.options)

    def environment(self, level: Level) -> IoTEnv:
        """Training networks, with stations' own rewards."""
        return IoTEnv(
            self.scenario,
            self.num_envs,
            episode_slots=self.episode_slots,
            weights=IoTWeights(*self.weights),
            sharing="own",
            level=level,
            seed=self.seed,
            device=self.device,
        )

    def judge(self, policy: Policy[Schedule], split: Split, item: int) -> dict[str, Tensor]:
        """Indicators of a policy ``[B]`` each, and a ``score`` beside the rule that untrained agents follow.

        The score is the ratio of bits per joule to the rule's, less ``COST`` times what is lost of its throughput and of its kept QoS
        promises, both as shares: the rule serves almost all bits where it can, so that energy is what is left to win.
        """
        trial = IoTEnv(self.scenario, self.envs[split], episode_slots=self.eval_slots, device=self.device)
        kpis = _episode(trial, policy, item)
        if split not in self._rule:
            with torch.random.fork_rng():  # training goes on with the same random numbers whenever this is
                untrained = HybridMADDPG(hidden=2).to(self.device)
            self._rule[split] = _episode(trial, untrained, item)
        rule = self._rule[split]
        kept = (1 - kpis["qos_violation"].mean()) / (1 - rule["qos_violation"].mean()).clamp_min(1e-9)
        throughput, efficiency = (kpis[name].mean() / rule[name].mean().clamp_min(1e-9) for name in KPIS[:2])
        lost = (1 - throughput).clamp_min(0) + (1 - kept).clamp_min(0)
        rules = {f"{name}:rule": rule[name] for name in KPIS} | {"score:rule": torch.tensor(1.0)}
        return kpis | rules | {"score": efficiency - COST * lost}


def _episode(env: IoTEnv, policy: Policy[Schedule], seed: int) -> dict[str, Tensor]:
    """Indicators of an episode of each network ``[B]``."""
    return {name: value[0] for name, value in rollout(env, {"": policy}, seed=seed).values[""].items()}
