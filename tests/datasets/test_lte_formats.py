"""Drive tests as people have them: archives as they unpack, G-NetTrack logs, CellMapper exports, columns in any order."""

import csv
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hetgraph.datasets import LTETrace, LTETraceDataset, estimate_sites, export_csv
from hetgraph.datasets.lte_rows import clean, counts
from hetgraph.datasets.lte_trace import generations_of

HEAD = (
    "Timestamp",
    "Longitude",
    "Latitude",
    "Operatorname",
    "Operator",
    "Node",
    "CellID",
    "NetworkTech",
    "Level",
    "ARFCN",
)


def gnettrack(path: Path, *rows: dict[str, str]) -> Path:
    """A log with a row a second, each with a separator at its end."""
    lines = ["\t".join(HEAD)]
    for i, row in enumerate(rows):
        base = {
            "Timestamp": f"2025.07.18_22.{i // 60:02}.{i % 60:02}",
            "Longitude": f"{-8.4 + 1e-4 * i:.5f}",
            "Latitude": "51.9",
            "Operatorname": "OPA",
            "Operator": "00101",
            "Node": "21",
            "CellID": "1",
            "NetworkTech": "4G",
            "Level": "-90",
            "ARFCN": "2850",
        }
        lines.append("\t".join((base | row)[name] for name in HEAD) + "\t")
    path.write_text("\n".join(lines) + "\n")
    return path


BAD: list[dict[str, str]] = [
    *[{"NetworkTech": "3G"}] * 3,
    *[{"NetworkTech": "5G", "CellID": "9"}] * 2,
    {"NetworkTech": "-"},
    *[{"Level": "-"}] * 4,
    {"Level": "-200"},
    {"ARFCN": "-"},
    {"CellID": "", "Node": "-"},
    {"Longitude": "-"},
    {"Timestamp": "-"},
    *[{"Timestamp": "2025.07.18_23.00.00"}] * 3,
]


def counted(path: Path, generation: str) -> tuple[int, Counter[str]]:
    """Rows kept, and reasons of the others, line by line and without the library's reader."""
    reasons: Counter[str] = Counter()
    seen: set[str] = set()
    for row in csv.DictReader(path.read_text().splitlines(), delimiter="\t"):
        if row["Timestamp"] == "-":
            reasons["no time"] += 1
        elif "-" in (row["Longitude"], row["Latitude"]):
            reasons["no position"] += 1
        elif row["NetworkTech"] != generation:
            reasons["other network"] += 1
        elif row["Level"] == "-" or float(row["Level"]) < -156:
            reasons["missing RSRP"] += 1
        elif {"-", ""} & {row["Node"], row["CellID"], row["ARFCN"]}:
            reasons["unknown cell"] += 1
        elif row["Timestamp"] in seen:
            reasons["repeated"] += 1
        else:
            seen.add(row["Timestamp"])
    return len(seen), reasons


@pytest.mark.parametrize("generation", ["4G", "5G"])
def test_counts_of_a_log_are_those_of_a_plain_reading(tmp_path: Path, generation: str) -> None:
    path = gnettrack(tmp_path / "log.txt", *[{}] * 20, *BAD)
    kept, reasons = counted(path, generation)
    _, report = clean(LTETrace.read(path, generation))
    assert report.generation == generation and len(reasons) >= 2
    assert (report.rows, report.kept) == (20 + len(BAD), kept)
    assert {reason: count for reason, count in report.dropped.items() if count} == dict(reasons)
    text = f"{kept} of {report.rows} rows of drive tests kept; dropped: {counts(report.dropped)}"
    with pytest.warns(UserWarning, match=text):
        LTETraceDataset(path, generation=generation, split="all", fewest=1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=rf"got no cell with 30 rows or more, expected at least one \({text}\)"):
        LTETraceDataset(path, generation=generation, split="all", fewest=30)  # type: ignore[arg-type]


def test_the_real_log(real_files: Path) -> None:
    path = real_files / "own_network" / "gnettrack_log.txt"
    kept, reasons = counted(path, "4G")
    trace = LTETrace.read(path)
    rows, report = clean(trace)
    assert (report.rows, report.kept, dict(reasons)) == (24, kept, {"repeated": 3}) and report.dropped["repeated"] == 3
    assert set(rows.cell) == {"OPA/21/11/2850", "OPA/21/2/1464"} and set(rows.node) == {"OPA/21"}
    assert set(rows.carrier) == {"2850", "1464"} and trace.rsrp_dbm[0] == -81 and trace.rsrq_db[0] == -8
    assert generations_of(path) == ("4G",)


def test_a_log_on_other_networks_alone_says_so(tmp_path: Path) -> None:
    path = gnettrack(tmp_path / "log.txt", *[{"NetworkTech": "3G"}] * 5)
    with pytest.raises(ValueError, match="0 of 5 rows of drive tests kept; dropped: 5 other network"):
        LTETraceDataset(path, split="all")


def test_rows_of_both_generations_need_a_choice(tmp_path: Path) -> None:
    path = gnettrack(tmp_path / "log.txt", *[{}] * 4, *[{"NetworkTech": "5G", "CellID": "9"}] * 6)
    assert generations_of(path) == ("4G", "5G")
    with pytest.raises(ValueError, match="got rows of 4G and 5G, expected one kind"):
        LTETrace.read(path)
    with pytest.raises(ValueError, match="got 1 traces of 4G and 1 traces of 5G, expected one kind"):
        LTETraceDataset(path, split="all")
    for generation, cell, kept in (("4G", "OPA/21/1/2850", 4), ("5G", "OPA/21/9/2850", 6)):
        rows, _ = clean(LTETrace.read(path, generation))
        assert set(rows.cell) == {cell} and len(rows) == kept


def test_carriers_are_networks_of_their_own(tmp_path: Path) -> None:
    """Cells of a network share a carrier, and what a phone received on another one bounds nothing."""
    rows = [
        {"CellID": str(1 + i % 3), "ARFCN": "2850" if i < 60 else "1464", "Level": "-95" if i < 60 else "-60"}
        | {"Longitude": f"{-8.4 + 1e-4 * (i % 60):.5f}"}
        for i in range(120)
    ]
    path = gnettrack(tmp_path / "log.txt", *rows)
    data = LTETraceDataset(path, split="all", cells=3, users=20, networks=12)
    assert (data.cells.operators, data.cells.carriers) == (["OPA", "OPA"], ["1464", "2850"])
    levels = set()
    for graph in data:
        serving = graph["bs", "channel", "ue"].rsrp_dbm[graph["bs", "channel", "ue"].measured]
        assert serving.max() - serving.min() < 0.1, "a network of both carriers has rows of both levels"
        levels.add(round(float(serving[0])))
    assert len(levels) == 2
    weak = LTETraceDataset(path, split="all", operator="OPA 2850", cells=3, users=20, networks=4)
    strongest = max(float(graph["bs", "channel", "ue"].rsrp_dbm.max()) for graph in weak)
    assert strongest < min(levels) + 10, "the other carrier's cells are 35 dB stronger"
    with pytest.raises(ValueError, match="cells: got 4, expected at most the 3 of an operator"):
        LTETraceDataset(path, split="all", cells=4, users=20)[0]
    with pytest.raises(ValueError, match="operator: got 'OPB', expected one of OPA 1464, OPA 2850"):
        LTETraceDataset(path, split="all", operator="OPB")


def test_sites_of_a_log_are_on_one_carrier(tmp_path: Path) -> None:
    rows = [{"ARFCN": "1464" if i % 2 else "2850", "Node": "7" if i % 2 else "21"} for i in range(24)]
    trace = LTETrace.read(gnettrack(tmp_path / "log.txt", *rows))
    files = tmp_path / "sites.csv", tmp_path / "users.csv"
    assert export_csv(trace, *files, carrier="1464", most_users=9) == (1, 9)
    assert set(estimate_sites(trace, by="node", carrier="2850")) == {"OPA/21"}
    for carrier, got in ((None, "none"), ("9", "'9'")):
        with pytest.raises(ValueError, match=rf"carrier: got {got}, expected one of 1464, 2850, the carriers of"):
            export_csv(trace, *files, carrier=carrier)


def test_cellmapper_rows_have_no_times(real_files: Path) -> None:
    path = real_files / "own_network" / "cellmapper_no_header.csv"
    trace = LTETrace.read(path)
    rows, report = clean(trace)
    plain = list(csv.reader(path.read_text().splitlines()))
    assert report.kept == len(plain) == 6 and rows.rsrp_dbm.tolist() == [float(row[7]) for row in plain]
    assert set(rows.cell) == {"262-1/30926080/1300"} and set(rows.node) == {f"262-1/{30926080 // 256}"}
    assert rows.latitude.tolist() == [float(row[0]) for row in plain] and not trace.has_times
    data = LTETraceDataset(path, split="all", cells=1, users=4)
    assert data[0]["ue"].pos.shape == (4, 3)
    with pytest.raises(ValueError, match="got a file without times, expected some to follow its phone by"):
        data.trajectories(1, 2, users=1)


def test_a_cell_number_that_is_not_finite_has_no_node(real_files: Path, tmp_path: Path) -> None:
    text = (real_files / "own_network" / "cellmapper_no_header.csv").read_text()
    (tmp_path / "log.csv").write_text(text.replace("30926080", "1e400", 1))
    assert LTETrace.read(tmp_path / "log.csv").node[:2] == ["", "262-1/120805"]


def test_columns_are_found_by_name_in_any_order_case_and_separator(lte_traces: Path, tmp_path: Path) -> None:
    path = next(lte_traces.glob("5G_driving_netflix*"))
    with path.open(newline="") as file:
        head, *lines = list(csv.reader(file))
    order = np.random.default_rng(0).permutation(len(head))
    text = [";".join([*(head[i].lower() for i in order), "mine"])]
    text += [";".join([*(line[i] for i in order), "7"]) for line in lines[:400]]
    (tmp_path / "other.csv").write_text("﻿" + "\n".join(text) + "\n", encoding="utf-8")
    one, other = (clean(LTETrace.read(each))[0] for each in (path, tmp_path / "other.csv"))
    count = len(other)
    assert count > 300
    for name in ("time_s", "latitude", "longitude", "rsrp_dbm", "neighbour_rsrp_dbm"):
        known = slice(0, count - 40)  # places between fixes depend on the next fix, which the cut file may lack
        np.testing.assert_array_equal(getattr(one, name)[known], getattr(other, name)[known])
    assert one.cell[:count].tolist() == other.cell.tolist()


def test_archives_are_read_as_they_unpack(lte_traces: Path, tmp_path: Path) -> None:
    real = next(lte_traces.glob("4G_static*"))
    folder = tmp_path / "Dataset" / "static"
    folder.mkdir(parents=True)
    shutil.copyfile(real, folder / real.name)
    left = tmp_path / "__MACOSX" / "Dataset" / "static"
    left.mkdir(parents=True)
    for place in (left, folder):
        (place / f"._{real.name}").write_bytes(b"\x00\x05\x16\x07Mac OS X\xff")
    (left / "no_dot.csv").write_bytes(b"\x00\xff")
    (folder / ".DS_Store").write_bytes(b"\x00")
    (tmp_path / "README.txt").write_text("Traces of 2018.\n")
    data = LTETraceDataset(tmp_path, split="all")
    assert [report.path.name for report in data.reports] == [real.name] and data.reports[0].kept == 856
    (tmp_path / "notes.csv").write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"notes\.csv: got 2 columns without names"):
        LTETraceDataset(tmp_path, split="all")


def test_what_a_header_lacks_is_named(tmp_path: Path) -> None:
    path = gnettrack(tmp_path / "log.txt", {})
    path.write_text(path.read_text().replace("Level", "Strength"))
    with pytest.raises(ValueError, match=r"got no column 'Level', expected the columns .* of a G-NetTrack log"):
        LTETrace.read(path)
    path = gnettrack(tmp_path / "log.txt", {})
    path.write_text(path.read_text().replace("ARFCN", "Level"))
    with pytest.raises(ValueError, match="got the column 'Level' twice, expected it once"):
        LTETrace.read(path)
