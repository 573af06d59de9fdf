"""Networks of files as scenarios: gains, stored graphs, ray tracing, drive tests."""

import dataclasses
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch_geometric.data import HeteroData

from hetgraph.datasets import Carrier, DeepMIMODataset, LTETraceDataset, SnapshotSpec, generate
from hetgraph.graph import CHANNEL, MOUNTED_ON, Given, Radio, Scenario, Tier, Users, check, from_npz, preset


def given(kind: str, path: Path, base: Scenario | None = None, **options: Any) -> Scenario:
    source = Given(kind, str(path), options)  # type: ignore[arg-type]
    return dataclasses.replace(base or Scenario(), name="mine", source=source)


def same(a: HeteroData, b: HeteroData, *but: str) -> None:
    for store in (*a.node_types, *a.edge_types):
        for key, value in a[store].items():
            assert torch.equal(value, b[store][key]), (store, key)


def contract(scenario: Scenario, n: int = 3) -> HeteroData:
    """A batch that passes the checks, whose networks are the same alone and after YAML."""
    batch: HeteroData = scenario.sample(n, seed=2)
    check(batch)
    assert batch.scenario == ["mine"] * n and batch.scenario_hash == [scenario.hash] * n
    stations = batch["bs"].power_max_w.shape[0]
    assert torch.equal(batch[MOUNTED_ON].edge_index[1].unique(), torch.arange(stations))
    again = Scenario.from_yaml(scenario.to_yaml())
    for i in range(n):
        same(again.sample(1, seed=2, first=i).get_example(0), batch.get_example(i))
    return batch


@pytest.fixture
def gains(tmp_path: Path) -> Path:
    (tmp_path / "gains").mkdir()
    for i in range(2):
        gain = np.random.default_rng(i).random((2, 3 + i, 4)).astype(np.float32)
        np.savez(tmp_path / "gains" / f"{i}.npz", gain=gain, noise_w=0.1, power_max_w=np.array([1.0, 2.0]))
    return tmp_path / "gains"


def test_a_gain_file_and_a_folder_of_them(gains: Path) -> None:
    one = contract(given("gain", gains / "0.npz"))
    same(one.get_example(1), from_npz(gains / "0.npz"))
    batch = contract(given("gain", gains))
    assert [int((batch["ue"].batch == i).sum()) for i in range(3)] == [3, 4, 3], "files take turns"
    assert given("gain", gains).trajectories(1, slots=4) is None
    batch[CHANNEL].gain.zero_()
    assert float(contract(given("gain", gains))[CHANNEL].gain.min()) > 0, "nobody writes into what was read"


def test_files_that_change_are_read_again(gains: Path) -> None:
    scenario, path = given("gain", gains / "0.npz"), gains / "0.npz"
    before = scenario.sample(1)[CHANNEL].gain
    shutil.copy(gains / "1.npz", path)
    os.utime(path, ns=(1, 10**18))
    after = scenario.sample(1)[CHANNEL].gain
    assert before.shape != after.shape
    path.write_bytes(b"no npz")
    with pytest.raises(ValueError, match=r"0\.npz: got a file that is no plain npz"):
        scenario.sample(1)


def test_stored_graphs(tmp_path: Path) -> None:
    drawn = Scenario(tiers=(Tier(count=2),), users=Users(count=5), radio=Radio(num_rbs=2))
    generate(tmp_path / "set", SnapshotSpec(drawn, 4, seed=7, shard=3), quiet=True)
    scenario = given("graphs", tmp_path / "set")
    batch = contract(scenario, 6)
    expected = drawn.sample(4, seed=7)
    for i in range(6):
        same(expected.get_example(i % 4), batch.get_example(i))
    manifest = tmp_path / "set" / "manifest.json"
    manifest.write_text(manifest.read_text().replace(drawn.hash, "0" * 16))
    with pytest.raises(ValueError, match=r"manifest\.json: got a scenario of another hash"):
        scenario.sample(1)


def test_ray_tracing(town: Any) -> None:
    base = Scenario(tiers=(Tier(power_dbm=40.0),), radio=Radio(bandwidth_hz=10e6, num_rbs=2, noise_figure_db=7.0))
    batch = contract(given("deepmimo", town.folder, base, users=3))
    carrier = Carrier(power_dbm=40.0, bandwidth_hz=10e6, num_rbs=2, noise_figure_db=7.0)
    dataset = DeepMIMODataset(town.folder, users=3, networks=3, seed=2, carrier=carrier)
    for i in range(3):
        same(dataset[i], batch.get_example(i))
    assert not torch.equal(batch.get_example(0)["ue"].pos, batch.get_example(1)["ue"].pos)
    everyone = given("deepmimo", town.folder, base, coherent=True).sample(1)
    assert len(everyone["ue"].pos) == 6 and float(everyone[CHANNEL].gain.reshape(-1, 2).diff(dim=1).abs().max()) > 0
    assert given("deepmimo", town.folder).trajectories(1, slots=2) is None


def test_drive_tests(drives: Path) -> None:
    scenario = preset(f"lte-trace:path={drives},cells=4,users=15,split=train")
    batch = contract(dataclasses.replace(scenario, name="mine"))
    dataset = LTETraceDataset(drives, cells=4, users=15, networks=3, seed=2)
    for i in range(3):
        same(dataset[i], batch.get_example(i))
    measured = batch[CHANNEL].measured.reshape(-1, 4)
    assert bool((measured.sum(1) == 1).all()), "the serving cell's; the rest is imputed"
    assert torch.equal(measured.int().argmax(1), batch["ue"].serving_slot)
    found, expected = scenario.trajectories(2, slots=5, seed=3, first=1), dataset.trajectories(2, 5, seed=3, first=1)
    assert found is not None and torch.equal(found.gain, expected.gain) and found.slot_s == 1.0


def test_real_drive_tests(lte_traces: Path) -> None:
    scenario = preset(f"lte-trace:path={lte_traces},generation=4G,cells=6,users=20,num_rbs=2")
    batch = scenario.sample(2, seed=1)
    check(batch)
    assert float(batch[CHANNEL].measured.float().mean()) == pytest.approx(1 / 6)
    assert batch[CHANNEL].gain.shape == (2 * 6 * 20, 2) and scenario.num_stations == 6
    with pytest.raises(ValueError, match="expected one kind: choose by generation"):
        preset(f"lte-trace:path={lte_traces}").sample(1)
    with pytest.raises(ValueError, match="split: got 'some' of"):
        preset(f"lte-trace:path={lte_traces},generation=4G,split=some").sample(1)
    with pytest.raises(ValueError, match="operator: got 'Z', expected one of"):
        preset(f"lte-trace:path={lte_traces},generation=4G,operator=Z").sample(1)
