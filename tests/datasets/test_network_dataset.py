"""All datasets are PyG datasets: selection, filters, transforms, features, files, loaders; processes that write one folder."""

import multiprocessing
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData
from torch_geometric.loader import DataLoader

from hetgraph.datasets import (
    DeepMIMODataset,
    LTETraceDataset,
    NetworkDataset,
    SnapshotDataset,
    SnapshotSpec,
    generate,
    snapshot,
)
from hetgraph.graph import CHANNEL, check, preset

SCENARIO = preset("hetnet-3tier").scaled(users=0.03, stations=1 / 3)
SPEC = SnapshotSpec(SCENARIO, count=6, seed=2, teacher="max_rsrp", shard=2)
Make = Callable[..., NetworkDataset]


@pytest.fixture(params=["snapshot", "deepmimo", "traces"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes a dataset of six networks with the given transforms."""
    if request.param == "snapshot":
        return lambda **changes: SnapshotDataset(tmp_path / "set", spec=SPEC, **changes)
    if request.param == "deepmimo":
        town = request.getfixturevalue("town").folder
        return lambda **changes: DeepMIMODataset(town, users=3, networks=6, seed=2, **changes)
    drives = request.getfixturevalue("drives")
    return lambda **changes: LTETraceDataset(drives, split="all", cells=3, users=5, networks=6, **changes)


def gains(dataset: NetworkDataset) -> list[float]:
    return [float(graph[CHANNEL].gain.double().sum()) for graph in dataset]


def test_networks_are_selected_as_in_pyg(make: Make) -> None:
    dataset = make()
    every = gains(dataset)
    assert len(dataset) == 6 and len(set(every)) == 6
    mask = torch.tensor([True, False, False, True, False, True])
    for chosen, rows in (
        (slice(2, 5), [2, 3, 4]),
        (slice(None, 0.5), [0, 1, 2]),
        ([4, 1], [4, 1]),
        (torch.tensor([5, 0]), [5, 0]),
        (np.array([3]), [3]),
        (mask, [0, 3, 5]),
        (mask.numpy(), [0, 3, 5]),
    ):
        part = dataset[chosen]
        assert type(part) is type(dataset) and gains(part) == [every[row] for row in rows], chosen
    assert gains(dataset[2:5][torch.tensor([2, 0])]) == [every[4], every[2]]
    shuffled, order = dataset.shuffle(return_perm=True)
    assert gains(shuffled) == [every[row] for row in order.tolist()]
    assert float(dataset[-1][CHANNEL].gain.double().sum()) == every[5]
    one, other = torch.utils.data.random_split(dataset, [4, 2], torch.Generator().manual_seed(0))
    assert sorted(float(g[CHANNEL].gain.double().sum()) for part in (one, other) for g in part) == sorted(every)
    with pytest.raises(IndexError, match=r"index: got 3, expected 0\.\.2"):
        dataset[2:5][3]


def test_filters_come_before_transforms(make: Make) -> None:
    every = gains(make())
    middle = sorted(every)[3]
    asked: list[int] = []

    def strong(graph: HeteroData) -> bool:
        asked.append(1)
        assert "doubled" not in graph
        return float(graph[CHANNEL].gain.double().sum()) >= middle

    def double(graph: HeteroData) -> HeteroData:
        graph[CHANNEL].gain = 2 * graph[CHANNEL].gain
        graph.doubled = True
        return graph

    def features(graph: HeteroData) -> HeteroData:
        assert graph.doubled
        graph["ue"].x = torch.ones(graph["ue"].num_nodes, 3)
        return graph

    dataset = make(pre_filter=strong, pre_transform=double, transform=features)
    kept = [gain for gain in every if gain >= middle]
    assert len(dataset) == 3 and gains(dataset) == gains(dataset) == pytest.approx([2 * gain for gain in kept])
    assert len(asked) == 6, "each network is asked for once"
    assert gains(dataset[torch.tensor([2])]) == pytest.approx([2 * kept[2]])
    assert dataset.num_features["ue"] == dataset.num_node_features["ue"] == 3
    assert dataset.num_features["bs"] == make().num_features["bs"] >= 3, "columns that `features` can give"
    assert dataset.num_edge_features[CHANNEL] >= 2


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_collates_with_and_without_workers(make: Make, workers: int) -> None:
    dataset = make()
    batches = list(DataLoader(dataset[1:6], batch_size=2, num_workers=workers))
    assert [batch.num_graphs for batch in batches] == [2, 2, 1]
    for number, batch in enumerate(batches):
        check(batch)
        assert torch.equal(batch[0][CHANNEL].gain, dataset[1 + 2 * number][CHANNEL].gain)


def test_what_is_read_lies_in_the_root(make: Make) -> None:
    dataset = make()
    before = set(Path(dataset.root).rglob("*"))
    paths = dataset.processed_paths if isinstance(dataset, SnapshotDataset) else dataset.raw_paths
    assert len(paths) >= 3 and all(Path(path).is_file() for path in paths)
    make(pre_filter=lambda graph: True, pre_transform=lambda graph: graph)[0]
    assert set(Path(dataset.root).rglob("*")) == before, "nothing is written, no folder is made"


def test_filtered_snapshots_make_batches(tmp_path: Path) -> None:
    numbers = iter(range(6))
    dataset = SnapshotDataset(tmp_path / "set", spec=SPEC, pre_filter=lambda graph: next(numbers) % 2 == 1)
    whole = SnapshotDataset(tmp_path / "set")
    batch = dataset.batch([2, 0])
    for place, number in enumerate((5, 1)):
        assert torch.equal(batch[place][CHANNEL].gain, whole[number][CHANNEL].gain)


class Writer:
    """A process that generates a folder, holds after it began to, until it is told to go on, and says how many shards it drew."""

    def __init__(self, folder: Path) -> None:
        context = multiprocessing.get_context("fork")
        self.begun, self.go_on, self.drawn = context.Event(), context.Event(), context.Value("i", 0)
        self.process = context.Process(target=self.generate, args=(folder,))
        self.process.start()

    def generate(self, folder: Path) -> None:
        real = snapshot.add_labels

        def held(*arguments: Any) -> Any:
            self.begun.set()
            self.go_on.wait(60)
            self.drawn.value += 1
            return real(*arguments)

        snapshot.add_labels = held
        warnings.simplefilter("always")
        warnings.showwarning = lambda message, *place: sys.stderr.write(f"{type(message).__name__}: {message}\n")
        generate(folder, SPEC, quiet=True)


def test_two_processes_write_one_folder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """One writes, the other says that it waits and finds the folder whole; the bytes are those of one process alone."""
    first = Writer(tmp_path / "set")
    assert first.begun.wait(60)
    second, said = Writer(tmp_path / "set"), ""
    while not said and second.process.is_alive():
        said = capfd.readouterr().err
    assert said == f"UserWarning: {tmp_path / 'set'}: another process is writing it; waiting for it to end\n"
    assert not second.begun.is_set()
    for writer in (first, second):
        writer.go_on.set()
        writer.process.join(60)
        assert writer.process.exitcode == 0
    assert (first.drawn.value, second.drawn.value) == (3, 0)
    alone = generate(tmp_path / "alone", SPEC, quiet=True)
    for name in ("manifest.json", *(shard[0] for shard in SPEC.shards())):
        assert (tmp_path / "set" / name).read_bytes() == (alone / name).read_bytes()
    assert len(SnapshotDataset(tmp_path / "set")) == 6


def test_a_writer_that_is_killed_lets_go_of_the_folder(tmp_path: Path) -> None:
    writer = Writer(tmp_path / "set")
    assert writer.begun.wait(60)
    writer.process.kill()
    writer.process.join()
    assert len(SnapshotDataset(tmp_path / "set", spec=SPEC)) == 6
