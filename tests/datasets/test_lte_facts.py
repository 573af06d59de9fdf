"""What the real traces hold, and what their reader makes of lines that are wrong."""

import csv
import math
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from hetgraph.datasets import LTETrace, estimate_sites, export_csv
from hetgraph.datasets.lte_trace import COLUMNS_4G, COLUMNS_5G
from hetgraph.graph import read_sites, read_users
from hetgraph.graph.geo import great_circle_m

CAR = "4G_car_B_2018.01.19_07.31.48.noheader.csv"
DRIVE = "5G_driving_download_B_2020.02.13_15.02.01.csv"


def write_4g(path: Path, *rows: dict[str, str], header: bool = True) -> Path:
    good = dict.fromkeys(COLUMNS_4G, "-") | {
        "Timestamp": "2018.01.19_07.31.51",
        "Longitude": "-8.4",
        "Latitude": "51.9",
        "Speed": "36",
        "Operatorname": "B",
        "CellID": "2",
        "NetworkMode": "LTE",
        "RSRP": "-100",
        "ServingCell_Lon": "-8.4",
        "ServingCell_Lat": "51.91",
    }
    lines = [",".join(COLUMNS_4G)] * header + [",".join((good | row)[c] for c in COLUMNS_4G) for row in rows]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_4g_wrong_sites_are_the_rows_whose_printed_distance_is_over_5_km(lte_traces: Path) -> None:
    trace = LTETrace.read(lte_traces / CAR)
    with (lte_traces / CAR).open() as file:
        printed = np.array([math.nan if row[-1] == "-" else float(row[-1]) for row in csv.reader(file)])
    np.testing.assert_array_equal(trace.wrong_site, printed > 5000)
    assert trace.wrong_site.mean() == pytest.approx(0.12, abs=0.01)
    assert np.isnan(trace.site[trace.wrong_site]).all()
    assert all(not trace.cell[i] and not trace.node[i] for i in np.flatnonzero(trace.wrong_site | np.isnan(printed)))
    right = ~trace.wrong_site & np.isfinite(printed)
    again = great_circle_m(trace.latitude, trace.longitude, trace.site[:, 0], trace.site[:, 1])
    np.testing.assert_allclose(again[right], printed[right], atol=15)


def test_4g_sectors_have_keys_of_their_own_and_sites_are_within_reach(lte_traces: Path) -> None:
    trace = LTETrace.read(lte_traces / CAR)
    known = {key for key in trace.cell if key}
    assert len({key.rsplit("/", 1)[1] for key in known}) < len({key.rsplit("/", 1)[0] for key in known}) <= len(known)
    sites = estimate_sites(trace)
    assert len(sites) == 21
    for latitude, longitude in sites.values():
        distance = great_circle_m(trace.latitude, trace.longitude, np.array(latitude), np.array(longitude))
        assert distance.min() < 5000
    assert np.nanmax(trace.speed_mps) == pytest.approx(50 / 3.6)


def test_5g_names_are_strings_and_a_node_is_its_cells_number_over_256(lte_traces: Path) -> None:
    trace = LTETrace.read(lte_traces / DRIVE)
    pairs = {(c, n) for c, n, m in zip(trace.cell, trace.node, trace.mode, strict=True) if c and m in ("LTE", "5G")}
    assert "B/19736841" not in {c for c, _ in pairs}, "a 3G cell, named for three more rows by a phone on LTE"
    assert {int(c.split("/")[1]) // 256 == int(n.split("/")[1], 16) for c, n in pairs} == {True}
    assert np.isnan(trace.site).all() and not trace.wrong_site.any()
    third = np.isin(trace.mode, ("HSPA+", "HSUPA"))
    assert third.sum() == 602 and np.isnan(trace.rsrp_dbm[third]).all() and np.isfinite(trace.rsrp_dbm[~third]).all()
    assert np.nanmin(trace.neighbour_rsrp_dbm) >= -156
    cells, nodes = estimate_sites(trace), estimate_sites(trace, by="node")
    assert len(nodes) < len(cells) and set(nodes) <= {n for _, n in pairs}
    for latitude, longitude in cells.values():
        assert trace.latitude.min() <= latitude <= trace.latitude.max()
        assert trace.longitude.min() <= longitude <= trace.longitude.max()


def test_time_has_gaps_and_repeats(lte_traces: Path) -> None:
    repeats = {CAR: 11, DRIVE: 388}
    for name, count in repeats.items():
        trace = LTETrace.read(lte_traces / name)
        step = np.diff(trace.time_s)
        assert trace.time_s[0] == 0 and (step >= 0).all()
        assert (step == 0).sum() == count and (step > 1).any()


def test_export_reads_back_in_metres(lte_traces: Path, tmp_path: Path) -> None:
    trace = LTETrace.read(lte_traces / CAR)
    sites, users = export_csv(trace, tmp_path / "s.csv", tmp_path / "u.csv", most_users=30, power_dbm=43, height_m=30)
    masts, phones = read_sites(tmp_path / "s.csv"), read_users(tmp_path / "u.csv")
    assert (len(masts), len(phones)) == (sites, users) == (len(estimate_sites(trace, by="node")), 30)
    assert {(s.tier, s.z, s.power_dbm, s.azimuth_deg) for s in masts} == {("macro", 30, 43, None)}
    places = list(estimate_sites(trace, by="node").values())
    (a, b), (c, d) = places[0], places[1]
    apart = great_circle_m(*(np.array(v) for v in (a, b, c, d)))
    steps = [math.dist((p.x, p.y), (q.x, q.y)) for p in masts for q in masts]
    assert min(abs(step / apart - 1) for step in steps) < 5e-3


def test_a_phone_that_waits_does_not_pull_the_centroid(tmp_path: Path) -> None:
    row = dict.fromkeys(COLUMNS_5G, "-") | {"Operatorname": "B", "RAWCELLID": "7", "Longitude": "-8.4", "RSRP": "-90"}
    lines = [row | {"Latitude": "51.0"}] * 30 + [row | {"Latitude": "52.0"}]
    text = "\n".join(",".join(r[c] for c in COLUMNS_5G) for r in lines)
    (tmp_path / "t.csv").write_text(text)
    assert estimate_sites(LTETrace.read(tmp_path / "t.csv"))["B/7"] == pytest.approx((51.5, -8.4))


def test_missing_is_a_dash_and_anything_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    trace = LTETrace.read(write_4g(path, {}, {"RSRP": "-", "Timestamp": "2018.01.19_07.31.59"}, {"SNR": ""}))
    assert np.isnan(trace.rsrp_dbm[1]) and np.isnan(trace.snr_db).all() and trace.time_s.tolist() == [0, 8, 0]
    bad = [
        ({"RSRP": "strong"}, "line 3, RSRP: got 'strong', expected a number or '-'"),
        ({"Latitude": "51.9N"}, "line 3, Latitude: got '51.9N', expected a number"),
        ({"Timestamp": "yesterday"}, "line 3, Timestamp: got 'yesterday', expected such as 2018.01.19_07.31.51"),
    ]
    for row, sentence in bad:
        with pytest.raises(ValueError, match=sentence):
            LTETrace.read(write_4g(path, {}, row))
    with pytest.raises(ValueError, match=r"line 1, Latitude: got '51\.9N'"):
        LTETrace.read(write_4g(path, {"Latitude": "51.9N"}, header=False))
    write_4g(path, {})
    path.write_text(path.read_text().replace("RSRQ", "Quality", 1))  # which nothing needs
    assert np.isnan(LTETrace.read(path).rsrq_db).all()
    path.write_text(path.read_text().replace("RSRP", "Power", 1))
    with pytest.raises(
        ValueError, match=r"got no column 'RSRP', expected the columns Timestamp, .* of a 4G trace of Raca"
    ):
        LTETrace.read(path)
    path.write_text(path.read_text().replace("Power", "RSRP", 1) + "1,2\n")
    with pytest.raises(ValueError, match="line 3: got 2 columns, expected 20"):
        LTETrace.read(path)
    path.write_bytes(b"\xff\xfe\x80")
    with pytest.raises(ValueError, match="got something that is no text, expected a trace"):
        LTETrace.read(path)
    with pytest.raises(FileNotFoundError, match="got no such file, expected a trace"):
        LTETrace.read(tmp_path / "no.csv")


def test_a_trace_without_sites_has_nothing_to_export(tmp_path: Path) -> None:
    trace = LTETrace.read(write_4g(tmp_path / "t.csv", {"ServingCell_Lat": "53"}))
    with pytest.raises(ValueError, match=r"t\.csv: got no cell with known site, expected at least one"):
        export_csv(trace, tmp_path / "s.csv", tmp_path / "u.csv")


def test_the_example_writes_both_files_and_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = str(Path(__file__).parents[2] / "examples" / "lte_sites.py")
    path = write_4g(tmp_path / "t.csv", *[{}] * 6)
    for source, code in ((str(path), 0), (script, 2)):
        monkeypatch.setattr(sys, "argv", [script, source, str(tmp_path / "out")])
        with pytest.raises(SystemExit) as left:
            runpy.run_path(script, run_name="__main__")
        assert left.value.code == code
    printed = capsys.readouterr()
    assert "4G trace of 6 rows: 1 sites and 6 pseudo-users" in printed.out
    assert "lte_sites.py: got " in printed.err and "20 (4G trace of Raca et al. (2018)), 26 (5G trace" in printed.err
    assert len(read_sites(tmp_path / "out" / "sites.csv")) == 1
