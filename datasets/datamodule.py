"""Lightning data: labelled snapshots, or fresh layouts without labels."""

from pathlib import Path

import lightning
import torch
from torch.utils.data import BatchSampler, DataLoader, Dataset
from torch_geometric.data import Batch

from hetgraph.datasets.scenarios import scenario_of
from hetgraph.datasets.snapshot import SnapshotDataset, SnapshotSpec, generate
from hetgraph.datasets.splits import layout_seed
from hetgraph.graph import Scenario


class FreshLayouts(Dataset[Batch]):
    """Batches of layouts that are drawn as they are needed, without labels; scenarios take turns.

    Args:
        scenarios: families of networks.
        size: networks in a batch.
        batches: batches in an epoch.
        seed: of the layouts.
        epoch: networks are numbered on from epoch to epoch, so that none comes twice.
    """

    def __init__(self, scenarios: list[Scenario], size: int, batches: int, seed: int, epoch: int = 0) -> None:
        self.scenarios, self.size, self.batches, self.seed, self.epoch = scenarios, size, batches, seed, epoch

    def __len__(self) -> int:
        return self.batches

    def __getitem__(self, number: int) -> Batch:
        if not 0 <= number < self.batches:
            raise IndexError(f"batch: got {number}, expected 0..{self.batches - 1}")
        first = (self.epoch * self.batches + number) * self.size
        return self.scenarios[number % len(self.scenarios)].sample(self.size, seed=self.seed, first=first)


class SnapshotDataModule(lightning.LightningDataModule):
    """Layouts for training, validation and test; no layout is in two of them.

    Args:
        scenario: preset names or YAML paths; several take turns when no teacher labels them.
        teacher: policy that labels the training networks; ``None`` for fresh layouts without labels.
        root: folder of the labelled datasets.
        train: labelled training networks, or fresh ones in an epoch.
        val: validation networks of each scenario.
        test: test networks of each scenario.
        size: networks in a training batch.
        seed: of the layouts.
    """

    def __init__(
        self,
        scenario: str | list[str] = "hetnet-3tier",
        teacher: str | None = "pf_teacher",
        root: str = "data",
        train: int = 256,
        val: int = 16,
        test: int = 50,
        size: int = 4,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        names = [scenario] if isinstance(scenario, str) else scenario
        self.scenarios = [scenario_of(name) for name in names]
        if teacher is not None and len(self.scenarios) != 1:
            raise ValueError(f"scenario: got {len(self.scenarios)} scenarios, expected one for a labelled dataset")
        self.teacher, self.root, self.train, self.val, self.test = teacher, root, train, val, test
        self.size, self.seed = size, seed

    @property
    def folder(self) -> Path:
        """Folder of the labelled training networks."""
        scenario = self.scenarios[0]
        return Path(self.root) / f"{scenario.name}-{scenario.hash}-{self.teacher}-{self.train}-{self.seed}"

    def prepare_data(self) -> None:
        """Draw and label the training networks, unless they are there."""
        if self.teacher is not None:
            generate(self.folder, self._spec())

    def _spec(self) -> SnapshotSpec:
        return SnapshotSpec(self.scenarios[0], self.train, layout_seed(self.seed, "train"), self.teacher)

    def train_dataloader(self) -> "DataLoader[Batch]":
        """One epoch of training batches; its order, or its layouts, follow from the seed and the epoch's number."""
        epoch = self.trainer.current_epoch if self.trainer is not None else 0
        if self.teacher is None:
            batches = max(self.train // self.size, 1)
            seed = layout_seed(self.seed, "train")
            return DataLoader(FreshLayouts(self.scenarios, self.size, batches, seed, epoch), batch_size=None)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        dataset = SnapshotDataset(self.folder)
        # An order of its own, which does not depend on how often somebody begins to read, as a resumed run does once more.
        order = torch.randperm(len(dataset), generator=generator).tolist()
        rows = BatchSampler(order, self.size, drop_last=len(dataset) >= self.size)
        return DataLoader(_Batches(dataset), batch_size=None, sampler=rows, generator=generator)

    def val_dataloader(self) -> "DataLoader[Batch]":
        """Validation batches, one per scenario; the same in every epoch and for every training seed."""
        return self._held_out("val", self.val)

    def test_dataloader(self) -> "DataLoader[Batch]":
        """Test batches, one per scenario."""
        return self._held_out("test", self.test)

    def _held_out(self, split: str, count: int) -> "DataLoader[Batch]":
        return DataLoader(
            FreshLayouts(self.scenarios, count, len(self.scenarios), layout_seed(0, split)), batch_size=None
        )


class _Batches(Dataset[Batch]):
    """Whole batches of a dataset, without collating."""

    def __init__(self, dataset: SnapshotDataset) -> None:
        self.dataset = dataset

    def __getitem__(self, rows: list[int]) -> Batch:
        return self.dataset.batch(rows)
