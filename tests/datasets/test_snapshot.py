"""Datasets: resumed generation, digests, nothing executed, splits, the data module."""

import hashlib
import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hetgraph.datasets import (
    SnapshotDataModule,
    SnapshotDataset,
    SnapshotSpec,
    add_labels,
    antenna_shares,
    generate,
    layout_seed,
    scenario_of,
    spatial_mask,
)
from hetgraph.datasets import snapshot as snapshot_module
from hetgraph.graph import CHANNEL, check, preset
from hetgraph.radio import policy

SCENARIO = preset("hetnet-3tier").scaled(users=0.05)
SPEC = SnapshotSpec(SCENARIO, 7, 3, "pf", 3)


class Bomb:
    """Runs when unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('exploded').write_text('x')",)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return generate(tmp_path / "set", SPEC, quiet=True)


def test_items_are_the_sampled_networks_with_labels(folder: Path) -> None:
    dataset = SnapshotDataset(folder)
    assert len(dataset) == 7
    for index in (0, 4, 6):
        graph, drawn = dataset[index], SCENARIO.sample(1, seed=3, first=index)[0]
        check(graph)
        for store in [*drawn.node_types, *drawn.edge_types]:
            for key, value in drawn[store].items():
                assert torch.equal(torch.as_tensor(graph[store][key]), torch.as_tensor(value)), (store, key)
        assert graph["ue"].teacher_slot.shape == (30,)
        assert graph["bs"].teacher_fraction.shape == (21, 12)
        share = torch.zeros(21).index_add(
            0, graph["antenna", "mounted_on", "bs"].edge_index[1], graph["antenna"].teacher_share
        )
        torch.testing.assert_close(share, torch.ones(21))
    batch = dataset.batch([6, 0, 4])
    check(batch)
    assert torch.equal(batch[2][CHANNEL].gain, dataset[4][CHANNEL].gain)
    assert torch.equal(batch[0]["ue"].teacher_slot, dataset[6]["ue"].teacher_slot)


def test_a_stopped_generation_goes_on_and_ends_equal(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def failing(batch: object, teacher: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return add_labels(batch, teacher)  # type: ignore[arg-type]

    monkeypatch.setattr(snapshot_module, "add_labels", failing)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "other", SPEC, quiet=True)
    assert [p.name for p in (tmp_path / "other").glob("*.safetensors")] == ["networks-000000.safetensors"]
    with pytest.raises(ValueError, match=r"networks-000003\.safetensors: got no such file"):
        SnapshotDataset(tmp_path / "other")
    generate(tmp_path / "other", SPEC, quiet=True)
    assert len(calls) == 4, "the first shard is not labelled again"
    for path in folder.glob("*.safetensors"):
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_a_pickle_bomb_is_refused_and_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "networks-000000.safetensors").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match=r"networks-000000\.safetensors: got a file of another digest"):
        SnapshotDataset(folder)[0]
    manifest = json.loads((folder / "manifest.json").read_text())

    manifest["sha256"]["networks-000000.safetensors"] = hashlib.sha256(pickle.dumps(Bomb())).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match=r"networks-000000\.safetensors: got no safetensors file"):
        SnapshotDataset(folder)[0]
    (folder / "manifest.json").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="got text that is no JSON"):
        SnapshotDataset(folder)
    assert not (folder / "exploded").exists()


def test_foreign_and_altered_folders_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"got no manifest\.json"):
        SnapshotDataset(tmp_path)
    with pytest.raises(ValueError, match="got seed 3, expected 4: another dataset"):
        generate(folder, SnapshotSpec(SCENARIO, 7, 4, "pf", 3), quiet=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["scenario"]["users"]["count"] = 31
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="scenario of another hash"):
        SnapshotDataset(folder)
    manifest["format"] = "other"
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ValueError, match="got another format"):
        SnapshotDataset(folder)


def test_antenna_shares_follow_the_users() -> None:
    graph = SCENARIO.sample(1, seed=1)[0]
    serving = policy("max_rsrp")(graph).serving
    share = antenna_shares(graph, serving)
    station = int(torch.bincount(serving, minlength=21).argmax())
    users = (serving == station).nonzero().squeeze(1)
    graph["ue"].pos[users] = graph["bs"].pos[station] + torch.tensor([50.0, 0.0, -8.0])  # all to the east
    moved = antenna_shares(graph, serving)
    mine = graph["antenna", "mounted_on", "bs"].edge_index[1] == station
    assert int(moved[mine].argmax()) == 0, "antenna 0 looks east"
    assert moved[mine].max() > 0.6 and not torch.equal(share[mine], moved[mine])


def test_splits_share_no_layout_and_no_cell() -> None:
    seeds = {layout_seed(5, split) for split in ("train", "val", "test")}
    assert len(seeds) == 3
    with pytest.raises(ValueError, match="split: got 'other'"):
        layout_seed(0, "other")
    graph = preset("uma-5bs").scaled(users=0.2).sample(1, seed=0)[0]
    mask = spatial_mask(graph)
    assert 0.7 < float(mask.float().mean()) < 0.9
    kept, held = graph["ue"].pos[mask, :2], graph["ue"].pos[~mask, :2]
    cells = [{tuple(c) for c in ((p - graph["ue"].pos[:, :2].amin(0)) / 48).long().tolist()} for p in (kept, held)]
    assert len(cells[0] & cells[1]) <= 8, "cells touch along their borders only"


def test_fresh_layouts_never_come_twice(tmp_path: Path) -> None:
    data = SnapshotDataModule("hetnet-3tier", None, train=4, val=2, test=2, size=2)
    data.scenarios = [SCENARIO]
    seen = [
        b[CHANNEL].gain
        for loader in (data.train_dataloader(), data.val_dataloader(), data.test_dataloader())
        for b in loader
    ]
    for i, first in enumerate(seen):
        assert all(not torch.equal(first, second) for second in seen[i + 1 :])
    again: list[Tensor] = [b[CHANNEL].gain for b in data.val_dataloader()]
    assert torch.equal(again[0], seen[2]), "validation layouts stay"


def test_scenarios_by_name_and_file(tmp_path: Path) -> None:
    SCENARIO.to_yaml(tmp_path / "s.yaml")
    assert scenario_of(str(tmp_path / "s.yaml")) == SCENARIO
    with pytest.raises(FileNotFoundError, match="got no such file, expected a scenario's YAML"):
        scenario_of("nowhere.yaml")
