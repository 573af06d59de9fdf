"""Networks with packet queues for training, validation and test."""

from collections.abc import Sequence
from typing import Any, Literal

from torch.utils.data import DataLoader

from hetgraph.datasets import scenario_of
from hetgraph.envs import QueueEnv, rollout
from hetgraph.envs.queues.delays import tail_slots
from hetgraph.models.mappo import NeighbourhoodMAPPO
from hetgraph.radio import policy as policy_of
from hetgraph.trainers.common.env_data import SEEDS, EnvDataModule, Split, model_as
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.queues.environments import Source, environment, has_conflicts
from hetgraph.trainers.queues.rollouts import Rollout, RolloutDataset

RULES = {True: "llq", False: "lqf_best"}  # beside which agents are shown, on conflict graphs and in cells


class TrafficDataModule(EnvDataModule):
    """Environments for training, validation and test, with layouts and traffic that they do not share.

    Args:
        scenario: preset or YAML file, a scenario, or contract graphs; a conflict graph where it has conflicts, else cells.
        load: mean packets per device and slot (conflict graphs) or second (cells), in training.
        loads: those of validation and test; ``None`` for that of training.
        num_envs: networks in training.
        layouts: how many layouts they have at once.
        fresh: draw other layouts and start anew in every epoch.
        slots: slots of a rollout.
        rollouts: rollouts in an epoch.
        episode_slots: length of an episode.
        max_queue: packets above which a network is terminated in training.
        reward: see :class:`~hetgraph.envs.QueueEnv`.
        val_slots: slots of a validation episode.
        val_envs: networks in validation.
        test_slots: slots of a test episode.
        test_envs: networks in the test.
        seed: of training layouts and traffic.
    """

    def __init__(
        self,
        scenario: str | Source = "conflict-8",
        load: float = 0.5,
        loads: Sequence[float] | None = None,
        num_envs: int = 256,
        layouts: int = 16,
        fresh: bool = False,
        slots: int = 16,
        rollouts: int = 100,
        episode_slots: int = 2000,
        max_queue: float = 50.0,
        reward: Literal["queue", "delay"] = "queue",
        val_slots: int = 1000,
        val_envs: int = 10,
        test_slots: int = 5000,
        test_envs: int = 20,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters(ignore=() if isinstance(scenario, str) else ("scenario",))
        check_limits(self.hparams)
        self.scenario: Source = scenario_of(scenario) if isinstance(scenario, str) else scenario
        self.conflicts = has_conflicts(self.scenario)
        self.load, self.loads = load, tuple(loads or (load,))
        self.num_envs, self.layouts, self.slots, self.rollouts = num_envs, layouts, slots, rollouts
        self.options = {"episode_slots": episode_slots, "max_queue": max_queue, "reward": reward}
        self._rule: dict[tuple[str, float], float] = {}
        self.evaluations = {"val": (val_slots, val_envs), "test": (test_slots, test_envs)}
        self.seed, self.fresh = seed, fresh

    def experience(self, module: Any) -> RolloutDataset:
        """Rollouts of the first layouts.

        Raises:
            ValueError: fresh layouts, with a trainer that would ask for them only once.
        """
        assert self.trainer is not None
        every = self.trainer.reload_dataloaders_every_n_epochs  # type: ignore[attr-defined]
        if self.fresh and every != 1:
            raise ValueError(f"trainer.reload_dataloaders_every_n_epochs: got {every}, expected 1 with data.fresh")
        return self._rollouts(module, 0)

    def _rollouts(self, module: Any, epoch: int) -> RolloutDataset:
        where: dict[str, Any] = {}
        if not self.conflicts:
            where = {"layouts": self.layouts, "layout_seed": self.seed, "first_layout": epoch * self.layouts}
        traffic = self.seed + 1000 * epoch
        env = environment(
            self.scenario, self.num_envs, load=self.load, seed=traffic, discount=module.gamma, device=self.device,
            **where, **self.options,
        )  # fmt: skip
        return RolloutDataset(env, model_as(module, NeighbourhoodMAPPO), self.slots, self.rollouts)

    def train_dataloader(self) -> DataLoader[Rollout]:
        """Rollouts."""
        assert self.trainer is not None
        if self.fresh and self.trainer.current_epoch:
            self.train_data = self._rollouts(self.trainer.lightning_module, self.trainer.current_epoch)
        return super().train_dataloader()

    def items(self, split: Split) -> list[tuple[float, int]]:
        """Loads and seeds of the episodes."""
        return [(load, SEEDS[split]) for load in self.loads]

    def judge(self, policy: Any, split: Split, item: tuple[float, int]) -> dict[str, float]:
        """Delays at a load on held-out traffic and layouts; the score is minus their mean.

        Packets that come in an episode's last slots are left out: their delays are not known at its end.
        """
        load, seed = item
        slots, envs = self.evaluations[split]
        env = self.trial(load, seed, slots, envs)
        if (split, load) not in self._rule:  # the same on the same traffic, however often it is asked
            self._rule[split, load] = self._delays(env, policy_of(RULES[self.conflicts]), slots, seed)["mean"]
        delays, mean = self._delays(env, policy, slots, seed), self._rule[split, load]
        rule = {f"mean-{load:g}:{RULES[self.conflicts]}": mean, f"score:{RULES[self.conflicts]}": -mean}
        return {f"{name}-{load:g}": value for name, value in delays.items()} | rule | {"score": -delays["mean"]}

    def _delays(self, env: QueueEnv, policy: Any, slots: int, seed: int) -> dict[str, float]:
        rollout(env, {"policy": policy}, seed=seed)
        return env.delays().before(slots - tail_slots(slots)).summary()

    def trial(self, load: float, seed: int, slots: int, envs: int) -> QueueEnv:
        """Environment of an evaluation, without a limit on queues."""
        where = {} if self.conflicts else {"layout_seed": seed}
        return environment(
            self.scenario, envs, load=load, seed=seed, record=True, episode_slots=slots, device=self.device, **where
        )  # fmt: skip
