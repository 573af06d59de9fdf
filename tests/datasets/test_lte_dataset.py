"""Real drive tests as networks: counts, splits, held-out files, graphs and trajectories."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from torch_geometric.data import Batch

from hetgraph.datasets import Kriging, LTETrace, LTETraceDataset
from hetgraph.datasets.lte_cells import cells_of
from hetgraph.datasets.lte_rows import REASONS, clean
from hetgraph.datasets.lte_table import Numbers
from hetgraph.datasets.lte_trace import COLUMNS_4G, COLUMNS_5G
from hetgraph.datasets.rsrp_map import Indices, Measured, fit_maps
from hetgraph.graph import CHANNEL, check
from hetgraph.radio import evaluate, one_shot

# rows, kept, cells, then dropped for: other network, wrong site, unknown cell, repeated
COUNTS = {
    "4G_car_B_2018.01.19_07.31.48.noheader.csv": (2013, 1755, 22, 0, 245, 2, 11),
    "4G_static_A_2018.01.27_13.58.29.csv": (856, 856, 1, 0, 0, 0, 0),
    "5G_driving_download_B_2020.02.13_15.02.01.csv": (3574, 2629, 46, 602, 0, 3, 340),
    "5G_driving_netflix_B_2019.11.26_15.02.50.csv": (3702, 3440, 45, 130, 0, 0, 132),
}


def counted(path: Path) -> tuple[int, int, set[str], Counter[str]]:
    """Rows, rows kept, cells, and reasons, line by line and without the library's reader."""
    reasons: Counter[str] = Counter()
    seen, cells, rows = set(), set(), 0
    with path.open(newline="") as file:
        for cell in csv.reader(file):
            if cell[0] == "Timestamp":
                continue
            rows += 1
            row = dict(zip(COLUMNS_4G if len(cell) == 20 else COLUMNS_5G, cell, strict=True))
            key, reason = judged(row)
            if not reason and row["Timestamp"] in seen:
                reason = "repeated"
            if reason:
                reasons[reason] += 1
                continue
            seen.add(row["Timestamp"])
            cells.add(key)
    return rows, len(seen), cells, reasons


def judged(row: dict[str, str]) -> tuple[str, str]:
    """Key of a row's cell, and why the row cannot be used."""
    if row["NetworkMode"] not in ("LTE", "5G"):
        return "", "other network"
    if row["RSRP"] == "-" or float(row["RSRP"]) <= -200:
        return "", "missing RSRP"
    if "RAWCELLID" in row:
        stale = int(row["RAWCELLID"]) // 256 != int(row["NODEHEX"], 16)
        return row["RAWCELLID"], "unknown cell" if stale else ""
    if row["ServingCell_Distance"] != "-" and float(row["ServingCell_Distance"]) > 5000:
        return "", "wrong site"
    key = "/".join(row[name] for name in ("Operatorname", "ServingCell_Lon", "ServingCell_Lat", "CellID"))
    return key, "unknown cell" if "-" in (row["ServingCell_Lon"], row["CellID"]) else ""


def test_rows_and_cells_of_every_file_are_those_of_a_count_by_hand(lte_traces: Path) -> None:
    paths = sorted(lte_traces.glob("*.csv"))
    assert {p.name for p in paths} >= set(COUNTS)
    for path in paths:
        rows, report = clean(LTETrace.read(path))
        total, kept, cells, reasons = counted(path)
        assert (report.rows, report.kept, report.cells) == (total, kept, len(cells)), path.name
        assert {k: v for k, v in report.dropped.items() if v} == dict(reasons)
        assert report.kept + sum(report.dropped.values()) == report.rows and tuple(report.dropped) == REASONS
        assert len(rows) == kept and (np.diff(rows.time_s) > 0).all() and np.isfinite(rows.rsrp_dbm).all()
        if path.name in COUNTS:
            found = [report.dropped[r] for r in ("other network", "wrong site", "unknown cell", "repeated")]
            assert (report.rows, report.kept, report.cells, *found) == COUNTS[path.name]
            assert path.name in str(report) and f"{report.kept} kept of {report.cells} cells" in str(report)


MISSING = {  # RSRP, SNR, neighbour's RSRP
    "4G_car_B_2018.01.19_07.31.48.noheader.csv": (0, 0, 1130),
    "4G_static_A_2018.01.27_13.58.29.csv": (0, 0, 780),
    "5G_driving_download_B_2020.02.13_15.02.01.csv": (602, 602, 1334),
    "5G_driving_netflix_B_2019.11.26_15.02.50.csv": (130, 130, 1134),
}


def test_missing_values_of_every_file_are_those_of_a_count_by_hand(lte_traces: Path) -> None:
    for path in sorted(lte_traces.glob("*.csv")):
        trace = LTETrace.read(path)
        with path.open(newline="") as file:
            lines = [line for line in csv.reader(file) if line[0] != "Timestamp"]
        columns = COLUMNS_4G if len(lines[0]) == 20 else COLUMNS_5G
        rows = [dict(zip(columns, line, strict=True)) for line in lines]
        rsrp = sum(r["NetworkMode"] not in ("LTE", "5G") or r["RSRP"] == "-" or float(r["RSRP"]) <= -200 for r in rows)
        snr = sum(r["SNR"] == "-" for r in rows)
        neighbour = sum(
            r["NRxRSRP"] == "-"
            or float(r["NRxRSRP"]) <= -200
            or (r["NRxRSRQ"] != "-" and abs(float(r["NRxRSRQ"])) > 34)
            for r in rows
        )  # an RSRQ beyond -34 dB, such as 2147483647 or -204, is none, and nor is the RSRP beside it
        got = tuple(int(np.isnan(v).sum()) for v in (trace.rsrp_dbm, trace.snr_db, trace.neighbour_rsrp_dbm))
        assert got == (rsrp, snr, neighbour), path.name
        assert got == MISSING.get(path.name, got)


def test_between_fixes_the_phone_moves_evenly_and_fixes_stay(lte_traces: Path) -> None:
    trace = LTETrace.read(lte_traces / "5G_driving_download_B_2020.02.13_15.02.01.csv")
    rows, _ = clean(trace)
    printed = np.stack([trace.latitude, trace.longitude], 1)
    jumps = 1 + np.flatnonzero((np.diff(printed, axis=0) != 0).any(1))
    smooth = dict(zip(rows.time_s.tolist(), np.stack([rows.latitude, rows.longitude], 1), strict=True))
    at_jumps = [np.abs(smooth[t] - printed[i]).max() for i in jumps if (t := trace.time_s[i]) in smooth]
    assert len(at_jumps) > 100 and max(at_jumps) < 1e-9
    step = np.hypot(np.diff(rows.latitude) * 111e3, np.diff(rows.longitude) * 69e3)[np.diff(rows.time_s) == 1]
    assert step.max() < 25, "the phone's fixes are 100 m apart, its rows after that are not"


def test_both_kinds_in_one_folder_are_refused_until_one_is_chosen(lte_traces: Path) -> None:
    with pytest.raises(
        ValueError, match="2 traces of 4G and 2 traces of 5G, expected one kind: choose by generation='4G' or"
    ):
        LTETraceDataset(lte_traces)
    chosen = LTETraceDataset(lte_traces, generation="4G", split="all")
    assert {r.generation for r in chosen.reports} == {"4G"} and chosen.cells.operators == ["A", "B"]


def test_one_file_is_a_dataset(lte_traces: Path) -> None:
    data = LTETraceDataset(lte_traces / "4G_car_B_2018.01.19_07.31.48.noheader.csv", split="all", networks=1)
    assert len(data) == 1 and data[0]["bs"].pos.shape == (22, 3)
    with pytest.raises(
        ValueError, match="cells: got 23, expected at most the 22 of an operator with rows in the split"
    ):
        LTETraceDataset(lte_traces / "4G_car_B_2018.01.19_07.31.48.noheader.csv", cells=23)[0]


def rms(off: Numbers) -> float:
    return float(np.sqrt((off**2).mean()))


def distance_fits(train: Measured, xy: Numbers, cell: Indices) -> tuple[Numbers, Numbers]:
    """Least squares of RSRP on the logarithm of distance: one line for all cells, and one slope with a level for each."""
    x = 10 * np.log10(np.hypot(*(train.xy - train.site[train.cell]).T).clip(10))
    query = 10 * np.log10(np.hypot(*(xy - train.site[cell]).T).clip(10))
    slope, level = np.polyfit(x, train.rsrp_dbm, 1)
    own = np.eye(len(train.site))[train.cell]
    best, *_ = np.linalg.lstsq(np.column_stack([x, own]), train.rsrp_dbm, rcond=None)
    return slope * query + level, best[0] * query + best[1:][cell]


@pytest.mark.parametrize("split_seed", [0, 1])
def test_held_out_files_are_better_imputed_than_by_distance(
    lte_traces: Path, split_seed: int, record_property: "pytest.RecordProperty"
) -> None:
    data = LTETraceDataset(lte_traces, generation="5G", split="test", split_seed=split_seed)
    train = LTETraceDataset(lte_traces, generation="5G", split="train", split_seed=split_seed)
    assert not {p.name for p in data.files["test"]} & {p.name for p in data.files["train"]}
    own, rows = data.rows, train.rows
    one, each = (rms(p - own.rsrp_dbm) for p in distance_fits(rows, own.xy, own.cell))
    found, law, count = data.rms_db()
    record_property(
        "rms_db", f"map {found:.2f}, distance {one:.2f}, distance and level of the cell {each:.2f}, rows {count}"
    )
    assert count > 1900 and found < 0.6 * one and found < 0.85 * each and law > found
    assert train.rms_db()[0] < found, "rows that a map is made of must fit it better than others"


def test_held_out_minutes_of_a_4g_drive_are_better_imputed_than_by_distance(lte_traces: Path) -> None:
    """Only one 4G file has these cells, so minutes are held out: every fifth."""
    rows, _ = clean(LTETrace.read(lte_traces / "4G_car_B_2018.01.19_07.31.48.noheader.csv"))
    everything = cells_of([rows], 2, "").measured([rows])
    held = (rows.time_s // 60 % 5 == 4) & np.isin(rows.cell, rows.cell[rows.time_s // 60 % 5 != 4])
    held &= (
        np.bincount(everything.cell[rows.time_s // 60 % 5 != 4], minlength=len(everything.site))[everything.cell] > 0
    )
    kept = rows.time_s // 60 % 5 != 4
    known = np.unique(everything.cell[kept])
    again = np.full(len(everything.site), -1)
    again[known] = np.arange(len(known))
    train = Measured(
        everything.xy[kept],
        again[everything.cell[kept]],
        everything.rsrp_dbm[kept],
        everything.bound_dbm[kept],
        everything.site[known],
        everything.operator[known],
    )
    maps, cell = fit_maps(train), again[everything.cell[held]]
    place, truth = everything.xy[held], everything.rsrp_dbm[held]
    found = np.array([maps[c].predict(p[None])[0] for c, p in zip(cell, place, strict=True)])
    one, each = (rms(p - truth) for p in distance_fits(train, place, cell))
    assert len(truth) > 250 and rms(found - truth) < min(one, each)


def test_graphs_are_networks_with_one_measured_edge_for_each_user(lte_traces: Path) -> None:
    data = LTETraceDataset(lte_traces, generation="5G", split="test", networks=3)
    graph = data[1]
    check(graph)
    assert graph["bs"].pos.shape == (22, 3) and graph["ue"].pos.shape == (250, 3) and graph.scenario == "lte-trace"
    measured = graph[CHANNEL].measured.reshape(250, 22)
    assert torch.equal(measured.sum(1), torch.ones(250, dtype=torch.long))
    assert torch.equal(measured.long().argmax(1), graph["ue"].serving_slot)
    element_dbm = 46 - 10 * np.log10(18e6 / 15e3)
    rsrp = 10 * graph[CHANNEL].gain[:, 0].log10() + element_dbm
    seen = {round(float(r)) for row in data.rows.rsrp_dbm[:, None] for r in row}
    assert torch.allclose(rsrp[measured.reshape(-1)], rsrp[measured.reshape(-1)].round(), atol=1e-3)
    assert {round(float(r)) for r in rsrp[measured.reshape(-1)]} <= seen
    assert rsrp.min() >= -156 and rsrp.max() <= -31
    batch = Batch.from_data_list([data[i] for i in range(3)])
    check(batch)
    allocation = one_shot("wmmse")(batch)
    kpis = evaluate(batch, allocation)
    assert (kpis.sum_rate_bps > 0).all() and torch.isfinite(kpis.sum_rate_bps).all()


def test_networks_depend_on_seed_and_number_alone(lte_traces: Path) -> None:
    path = lte_traces / "5G_driving_netflix_B_2019.11.26_15.02.50.csv"
    one, same, other = (
        LTETraceDataset(path, split="all", networks=n, seed=s, kriging=Kriging(rounds=0))
        for n, s in ((4, 5), (9, 5), (4, 6))
    )
    assert torch.equal(one[3][CHANNEL].gain, same[3][CHANNEL].gain)
    assert not torch.equal(one[3][CHANNEL].gain, other[3][CHANNEL].gain)
    assert not torch.equal(one[3]["ue"].pos, one[2]["ue"].pos)
    a, b = one.trajectories(3, 20, users=50), same.trajectories(1, 20, users=50, first=2)
    assert torch.equal(a.gain[2:], b.gain) and torch.equal(a.measured[2:], b.measured)
    assert not torch.equal(a.gain, one.trajectories(3, 20, users=50, seed=6).gain)


def test_trajectories_follow_the_trace(lte_traces: Path) -> None:
    path = lte_traces / "5G_driving_netflix_B_2019.11.26_15.02.50.csv"
    data = LTETraceDataset(path, split="all")
    moved = data.trajectories(4, 50, cells=25)
    assert moved.gain.shape == (4, 50, 250, 25) and moved.gain.dtype == torch.float32
    assert (moved.measured.sum(-1) <= 1).all()
    assert (moved.measured.any(-1).float().mean(1) >= 0.5).all(), "at least half of a piece is served by the network"
    step = (moved.ue_pos[:, 1:] - moved.ue_pos[:, :-1]).norm(dim=-1)
    assert torch.allclose(step, moved.speed_mps[:, :-1], atol=1e-2) and step.max() < 25
    rsrp = 10 * moved.gain.log10() + 46 - 10 * np.log10(18e6 / 15e3)
    assert torch.allclose(rsrp[moved.measured], rsrp[moved.measured].round(), atol=1e-3)
    # what was imputed moves with the phone, and does not jump when another cell takes over
    imputed = ~(moved.measured[:, 1:] | moved.measured[:, :-1])
    change = (rsrp[:, 1:] - rsrp[:, :-1]).abs()
    assert change[imputed].median() < 0.1 and change[imputed].quantile(0.99) < 1.5
    standing = (step < 0.05).unsqueeze(-1) & imputed
    assert standing.any() and change[standing].quantile(0.9) < 0.2
    assert data.trajectories(1, 30, slot_s=2.0).slot_s == 2.0


def test_a_folder_cannot_be_split_further_than_its_files(lte_traces: Path, tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="split: got 'val' of 2 files, expected train, val or test with at least one file"
    ):
        LTETraceDataset(lte_traces, generation="5G", split="val")
    with pytest.raises(ValueError, match=r"got no row of the split 'test' in a cell of the training files"):
        LTETraceDataset(lte_traces, generation="4G", split="test")
    cut = tmp_path / "cut" / "5G.csv"
    cut.parent.mkdir()
    shutil.copyfile(lte_traces / "5G_driving_netflix_B_2019.11.26_15.02.50.csv", cut)
    cut.write_bytes(cut.read_bytes()[:5000])
    with pytest.raises(ValueError, match=r"5G\.csv: line \d+: got \d+ columns, expected 26"):
        LTETraceDataset(cut.parent)
