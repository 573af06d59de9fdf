"""Networks with packet queues for training, validation and test."""

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import lightning
import torch
from torch.utils.data import DataLoader
from torch_geometric.data import HeteroData

from hetgraph.datasets import scenario_of
from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv
from hetgraph.graph import CONFLICTS, Scenario
from hetgraph.models.mappo import NeighbourhoodMAPPO
from hetgraph.trainers.common.limits import check_limits
from hetgraph.trainers.queues.rollouts import Rollout, RolloutDataset

VALIDATION, TEST = 1_000_000, 2_000_000
Source: TypeAlias = Scenario | HeteroData


def has_conflicts(source: Source) -> bool:
    """Whether networks are conflict graphs: users disturb each other by edges, not by gains."""
    if isinstance(source, Scenario):
        return bool(source.users.conflicts)
    return CONFLICTS in source.edge_types and source[CONFLICTS].edge_index.shape[1] > 0


def environment(source: Source, num_envs: int | None = None, **options: Any) -> QueueEnv:
    """Environment of a scenario or of contract graphs: of a conflict graph, or of cells.

    Args:
        source: see :func:`has_conflicts`.
        num_envs: networks.
        options: of :class:`~hetgraph.envs.ConflictEnv` or :class:`~hetgraph.envs.CellularEnv`.
    """
    kind = ConflictEnv if has_conflicts(source) else CellularEnv
    return kind(source, num_envs, **options)


class TrafficDataModule(lightning.LightningDataModule):
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
        discount: as in the module.
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
        discount: float = 0.95,
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
        self.options = {"episode_slots": episode_slots, "max_queue": max_queue, "discount": discount, "reward": reward}
        self.val, self.test = (val_slots, val_envs), (test_slots, test_envs)
        self.seed, self.fresh = seed, fresh
        self.train_data: RolloutDataset | None = None
        self._state: dict[str, Any] | None = None

    def setup(self, stage: str) -> None:
        """Make the training networks."""
        assert self.trainer is not None
        every = self.trainer.reload_dataloaders_every_n_epochs  # type: ignore[attr-defined]
        if stage == "fit" and self.fresh and every != 1:
            raise ValueError(f"trainer.reload_dataloaders_every_n_epochs: got {every}, expected 1 with data.fresh")
        if stage == "fit" and self.train_data is None:
            self.train_data = self._rollouts(0)
            if self._state is not None:
                self.train_data.load_state_dict(self._state)

    def _rollouts(self, epoch: int) -> RolloutDataset:
        where: dict[str, Any] = {}
        if not self.conflicts:
            where = {"layouts": self.layouts, "layout_seed": self.seed, "first_layout": epoch * self.layouts}
        traffic = self.seed + 1000 * epoch
        env = environment(self.scenario, self.num_envs, load=self.load, seed=traffic, **where, **self.options)
        assert self.trainer is not None
        policy = self.trainer.lightning_module.model
        assert isinstance(policy, NeighbourhoodMAPPO)
        return RolloutDataset(env, policy, self.slots, self.rollouts)

    def train_dataloader(self) -> DataLoader[Rollout]:
        """Rollouts."""
        assert self.trainer is not None and self.train_data is not None
        if self.fresh and self.trainer.current_epoch:
            self.train_data = self._rollouts(self.trainer.current_epoch)
        return DataLoader(self.train_data, batch_size=None)

    def val_dataloader(self) -> DataLoader[Any]:
        """Loads and seeds of the validation episodes."""
        return self._trials(VALIDATION)

    def test_dataloader(self) -> DataLoader[Any]:
        """Loads and seeds of the test episodes."""
        return self._trials(TEST)

    def _trials(self, seed: int) -> DataLoader[Any]:
        pairs: Any = [(load, seed) for load in self.loads]
        return DataLoader(pairs, batch_size=None, collate_fn=_as_it_is)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """As it is: rollouts are made where the environment is."""
        return batch

    def state_dict(self) -> dict[str, Any]:
        """Where the training networks are."""
        return {} if self.train_data is None else {"num_envs": self.num_envs} | self.train_data.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there.

        Raises:
            ValueError: another number of networks.
        """
        networks = state_dict.get("num_envs", self.num_envs)
        if networks != self.num_envs:
            raise ValueError(f"num_envs: got {self.num_envs} with a checkpoint of {networks}, expected {networks}")
        self._state = state_dict or None
        if self.train_data is not None and state_dict:
            self.train_data.load_state_dict(state_dict)

    def trial(self, load: float, seed: int, slots: int, envs: int) -> QueueEnv:
        """Environment of an evaluation, without a limit on queues."""
        where = {} if self.conflicts else {"layout_seed": seed}
        return environment(self.scenario, envs, load=load, seed=seed, record=True, episode_slots=slots, **where)


def _as_it_is(item: Any) -> Any:
    return item
