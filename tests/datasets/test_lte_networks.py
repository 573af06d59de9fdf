"""Drives through a city whose law is known: what is imputed is near the truth, and how files are split."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hetgraph.datasets import Carrier, Kriging, LTETraceDataset
from hetgraph.datasets.lte_files import split_files
from hetgraph.datasets.lte_trace import COLUMNS_5G
from hetgraph.datasets.lte_tracks import bridge
from hetgraph.graph import CHANNEL, check

Truth = Callable[[np.ndarray, np.ndarray], np.ndarray]


def where(data: LTETraceDataset, xy: torch.Tensor) -> np.ndarray:
    """Latitudes and longitudes of places ``[M, 2]`` in the dataset's plane."""
    return np.stack(data.cells.plane.to_lat_lon(*xy.double().numpy().T), 1)


def test_imputed_edges_are_near_the_truth_where_nobody_measured(drives: Path, true_rsrp: Truth) -> None:
    data = LTETraceDataset(drives, split="test", cells=6, users=200, networks=2)
    graph = data[0]
    check(graph)
    truth = true_rsrp(where(data, graph["ue"].pos[:, :2]), where(data, graph["bs"].pos[:, :2]))
    rsrp = (10 * graph[CHANNEL].gain[:, 0].log10() + 46 - 10 * math.log10(1200)).reshape(200, 6).numpy()
    measured = graph[CHANNEL].measured.reshape(200, 6).numpy()
    off = rsrp - truth
    assert np.sqrt((off[measured] ** 2).mean()) < 1.6, "the phone's scatter and rounding"
    assert np.sqrt((off[~measured] ** 2).mean()) < 4 < truth[~measured].std()
    assert abs(off[~measured].mean()) < 1
    naive = LTETraceDataset(drives, split="test", cells=6, users=200, networks=2, kriging=Kriging(rounds=0))[0][CHANNEL]
    bright = (10 * naive.gain[:, 0].log10() + 46 - 10 * math.log10(1200)).reshape(200, 6).numpy() - truth
    assert bright[~measured].mean() > 3, "cells are only measured where they are strong; bounds make up for it"


def test_imputed_steps_of_trajectories_are_near_the_truth(drives: Path, true_rsrp: Truth) -> None:
    data = LTETraceDataset(drives, split="test", cells=6, users=40)
    moved = data.trajectories(1, 40)
    places = where(data, moved.ue_pos.reshape(-1, 2))
    truth = true_rsrp(places, where(data, moved.bs_pos[0])).reshape(1, 40, 40, 6)
    rsrp = 10 * moved.gain.log10().numpy() + 46 - 10 * math.log10(1200)
    off = (rsrp - truth)[~moved.measured.numpy()]
    assert np.sqrt((off**2).mean()) < 4 and abs(off.mean()) < 1
    assert moved.speed_mps.median() == pytest.approx(20, abs=0.1) and moved.speed_mps.max() < 20.1, "less in corners"
    assert moved.noise_w == pytest.approx(10 ** ((-174 + 9 + 10 * math.log10(18e6) - 30) / 10))
    assert (moved.power_w == 10 ** ((46 - 30) / 10)).all() and (moved.tier == 0).all()


def test_gaps_part_a_drive_and_missing_seconds_are_imputed(city: "City", tmp_path: Path) -> None:  # noqa: F821
    gap, single = range(200, 240), (100, 300)
    path = city.write(tmp_path / "t.csv", skip=(*gap, *single))
    data = LTETraceDataset(path, split="all", cells=6, users=1)
    tracks = data.tracks(1.0, 5.0)
    assert len(tracks.piece) == 900 - len(gap) and tracks.piece.tolist() == [0] * 200 + [1] * 660
    assert (tracks.serving < 0).nonzero().flatten().tolist() == [100, 260]
    neighbours = tracks.rsrp_dbm[[99, 100, 101]]
    assert (neighbours[1] - neighbours[[0, 2]].mean(0)).abs().max() < 4
    starts = data.trajectories(1, 160, users=200)
    assert starts.gain.shape == (1, 160, 200, 6)
    with pytest.raises(ValueError, match="users: got 600, expected at most 542, the network's pieces of 160 slots"):
        data.trajectories(1, 160, users=600)
    assert len(set(data.tracks(1.0, 60.0).piece.tolist())) == 1


def test_hexadecimal_names_are_names(tmp_path: Path) -> None:
    good = {"Operatorname": "B", "NetworkMode": "LTE", "Longitude": "-8.4", "Latitude": "51.9", "RSRP": "-90"}
    row = dict.fromkeys(COLUMNS_5G, "-") | good | {"NRxRSRP": "-95", "NRxRSRQ": "2147483647"}
    names = ["1E02", "100", "53E42", "1E02", "-", "100", "53E42"]
    changes = [{"RAWCELLID": name, "Timestamp": f"2020.02.13_15.02.{i:02}"} for i, name in enumerate(names)]
    changes += [{"RAWCELLID": "100", "Timestamp": "2020.02.13_15.02.30", "RSRP": "-200"}]
    (tmp_path / "t.csv").write_text("\n".join(",".join((row | c).values()) for c in changes) + "\n")
    data = LTETraceDataset(tmp_path / "t.csv", split="all", cells=3, users=6)
    assert data.cells.key.tolist() == ["B/100", "B/1E02", "B/53E42"]
    assert {k: v for k, v in data.reports[0].dropped.items() if v} == {"missing RSRP": 1, "unknown cell": 1}
    np.testing.assert_array_equal(data.rows.bound_dbm, -90)
    check(data[0])


def test_the_bridge_is_the_conditional_mean_of_the_process() -> None:
    rng = np.random.default_rng(0)
    driven, scale = np.cumsum(rng.uniform(0.1, 40, 30)), 90.0
    known = rng.random((30, 4)) < 0.2
    known[:, 3] = False
    value = np.where(known, rng.normal(0, 5, (30, 4)), 0)
    found = bridge(value, known, driven, scale)
    for column in range(4):
        at = np.flatnonzero(known[:, column])
        inner = np.exp(-np.abs(driven[at, None] - driven[at]) / scale)
        cross = np.exp(-np.abs(driven[:, None] - driven[at]) / scale)
        expected = cross @ np.linalg.solve(inner, value[at, column]) if len(at) else np.zeros(30)
        np.testing.assert_allclose(found[:, column], expected, atol=1e-10)


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, (1, 0, 0)), (2, (1, 0, 1)), (3, (1, 1, 1)), (10, (6, 2, 2)), (7, (5, 1, 1))]
)
def test_files_are_split_and_none_is_in_two_parts(count: int, sizes: tuple[int, int, int]) -> None:
    files = [Path(f"{i}.csv") for i in range(count)]
    parts = split_files(files[::-1], seed=3)
    assert tuple(len(parts[name]) for name in ("train", "val", "test")) == sizes
    assert sorted(parts["train"] + parts["val"] + parts["test"]) == files == parts["all"]
    assert parts == split_files(files, seed=3)
    if count == 10:
        assert len({tuple(split_files(files, seed=s)["test"]) for s in range(9)}) > 3


def test_the_split_decides_which_files_are_mapped_and_which_are_used(drives: Path) -> None:
    options = {"cells": 6, "users": 20}
    train, val, test = (LTETraceDataset(drives, split=name, **options) for name in ("train", "val", "test"))  # type: ignore[arg-type]
    assert [len(d.files[d.split]) for d in (train, val, test)] == [2, 1, 1]
    assert {r.path for r in train.reports} == set(train.files["train"])
    assert {r.path for r in test.reports} == {*test.files["train"], *test.files["test"]}
    for a, b in zip(train.maps, test.maps, strict=True):
        np.testing.assert_array_equal(a.weights, b.weights)
    assert len(test.rows.cell) == sum(r.kept for r in test.reports if r.path in test.files["test"])


def test_operators_are_not_mixed(city: "City", tmp_path: Path) -> None:  # noqa: F821
    for name, seed in (("A", 0), ("B", 1)):
        city.write(tmp_path / f"{name}.csv", seed=seed, operator=name)
    data = LTETraceDataset(tmp_path, split="all", cells=6, users=100, networks=8)
    assert len(data.cells.key) == 12
    generator = torch.Generator().manual_seed(0)
    drawn = {tuple(data.cells.operator[data.cells.cluster(data.rows, 6, 100, generator)]) for _ in range(20)}
    assert drawn == {(0,) * 6, (1,) * 6}
    only = LTETraceDataset(tmp_path, split="all", operator="B", cells=6, users=100)
    assert set(only.cells.operator[only.cells.cluster(only.rows, 6, 100, generator, "B")]) == {1}
    with pytest.raises(ValueError, match="operator: got 'C', expected one of A, B"):
        LTETraceDataset(tmp_path, split="all", operator="C")
    with pytest.raises(ValueError, match="cells: got 7, expected at most the 6 of an operator"):
        LTETraceDataset(tmp_path, split="all", cells=7, users=9)[0]


def test_wrong_folders_and_numbers_are_refused_in_a_sentence(drives: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="got no such folder or file, expected traces"):
        LTETraceDataset(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"got no 4G or 5G trace \(\*\.csv, \*\.txt\), expected at least one"):
        LTETraceDataset(tmp_path / "empty")
    with pytest.raises(ValueError, match="got no 5G trace"):
        LTETraceDataset(drives, generation="5G")
    with pytest.raises(ValueError, match="generation: got '6G', expected '4G' or '5G'"):
        LTETraceDataset(drives, generation="6G")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"shares: got \(0\.5, 0\.5, 0\.5\), expected three that add up to 1"):
        LTETraceDataset(drives, shares=(0.5, 0.5, 0.5))
    with pytest.raises(ValueError, match="users: got 0, expected at least 1"):
        LTETraceDataset(drives, users=0)
    with pytest.raises(
        ValueError, match=r"users: got 5000, expected at most 1800, the rows that 6 neighbouring cells served"
    ):
        LTETraceDataset(drives, cells=6, users=5000)[0]
    with pytest.raises(ValueError, match=r"Carrier\.num_rbs: got 0, expected a positive number"):
        Carrier(num_rbs=0)
    with pytest.raises(ValueError, match="got no cell with 10000 rows or more, expected at least one"):
        LTETraceDataset(drives, fewest=10_000)
    data = LTETraceDataset(drives, cells=6, users=5, networks=2)
    with pytest.raises(IndexError, match=r"index: got 2, expected 0\.\.1"):
        data[2]
    with pytest.raises(ValueError, match="steps: got 0, expected a positive number"):
        data.trajectories(1, 0)
    (drives / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"other\.csv: got 2 columns without names, expected a header, or 20"):
        LTETraceDataset(drives)
