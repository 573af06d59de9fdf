"""`hetgraph doctor FILE ...`: what files are, what is read of them, and one sentence for those that are none."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from hetgraph.datasets import SnapshotSpec, generate
from hetgraph.graph import preset
from hetgraph.graph.aliases import DENSITY, SITES, USERS
from hetgraph.models import HetGNN, save
from hetgraph.models.weights import read_weights, write_weights
from hetgraph.trainers.cli import main
from hetgraph.trainers.doctor.kinds import describe
from hetgraph.trainers.doctor.meanings import MEANINGS

PATTERN = "NAME small\nGAIN 15 dBi\nTILT 4\nHORIZONTAL 360\n{0}\nVERTICAL 360\n{0}\n"


def pattern_text() -> str:
    """A cut that is 3 dB down at 30.5 degrees on both sides."""
    cut = "\n".join(f"{angle} {min(3 * (min(angle, 360 - angle) / 30.5) ** 2, 25):.2f}" for angle in range(360))
    return PATTERN.format(cut)


def doctor(*files: object, code: int = 0) -> None:
    with pytest.raises(SystemExit) as done:
        main(["doctor", *map(str, files)])
    assert done.value.code == code


def test_every_column_of_sites_users_and_traffic_has_a_meaning() -> None:
    assert {*SITES, *USERS, *DENSITY} == {*MEANINGS}


def test_sites_and_users_have_columns_units_ranges_defaults_and_their_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cells.csv").write_text(
        "Site;Latitude;Longitude;Height [ft];Azimuth;freq_mhz;vendor\nA;48,10;11,50;100;0;1800;x\n"
        "A;48,10;11,50;100;120;1800;x\nB;48,11;11,51;50;;2100;y\n"
    )
    Path("phones.csv").write_text("id,lat,lon,floor\np1,48.101,11.501,2\np2,48.109,11.509,\n")
    doctor("cells.csv", "phones.csv")
    printed = capsys.readouterr()
    lines = [" ".join(line.split()) for line in printed.out.splitlines()]
    for line in (
        "cells.csv: sites, text, 3 rows",
        "3 cells on 2 masts, 2 of them sectors",
        "2 carriers: 1800 MHz (2 cells), 2100 MHz (1 cell)",
        "Site name of the mast A, B",
        "Height [ft] height above the ground, m 15.24 to 30.48",
        "Azimuth bearing clockwise from north, degrees 0 to 120, 1 empty",
        "freq_mhz carrier frequency, Hz 1800000000 to 2100000000",
        "vendor not used",
        "warning: taken by default, since no column says so: tier macro, power 46 dBm, 1 antenna",
        "phones.csv: users, text, 2 rows",
        "id name of the user p1, p2",
        "floor floor, 0 for the ground floor 2, 1 empty",
        "cells.csv: with phones.csv: a network",
        "use: hetgraph plan --policy pf_teacher_6 --sites cells.csv --users phones.csv",
    ):
        assert line in lines, line
    assert printed.out.isascii() and not printed.err


def test_maps_of_traffic_and_load_counters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cells.csv").write_text("site,x,y,azimuth,prb_util\nA,0,0,0,20\nB,500,0,120,60\n")
    square = [[0, 0], [500, 0], [500, 500], [0, 500], [0, 0]]
    features = [
        {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [square]}, "properties": {"users": total}}
        for total in (30, 12)
    ]
    Path("areas.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    Path("grid.asc").write_text("ncols 2\nnrows 1\nxllcorner 0\nyllcorner 0\ncellsize 250\n1 3\n")
    Path("points.csv").write_text("x,y,population\n0,0,4\n250,0,6\n")
    for name, kind in (
        ("areas.geojson", "map of traffic, GeoJSON of 2 polygons"),
        ("grid.asc", "map of traffic, ESRI ASCII grid"),
        ("points.csv", "map of traffic, 2 points"),
    ):
        doctor("cells.csv", name)
        lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
        assert f"{name}: {kind}" in lines and f"cells.csv: with {name}: a network" in lines
        assert "prb_util load, a share; with --far-cells or --start-load alone 0.2 to 0.6" in lines
        assert not any("not used" in line for line in lines)
        assert (
            f"use: hetgraph compare --sites cells.csv --user-density {name} --policies max_rsrp,pf,pf_teacher_6"
            in lines
        )
    assert "weights: totals, 42 together" in describe(Path("areas.geojson")).facts


@pytest.mark.filterwarnings("ignore")
def test_each_real_file_is_what_its_owner_calls_it(real_files: Path) -> None:
    folder = real_files / "own_network"
    kinds = {
        "sites_engineer.csv": "sites, text, 90 rows",
        "users_engineer.csv": "users, text, 270 rows",
        "azimuth_north_users.csv": "users, text, 4 rows",
        "reunion_sites_semicolon.csv": "sites, text, 3 rows",
        "opencellid_no_header.csv": "sites, text without a header, 6 rows",
        "opencellid.geojson": "sites, GeoJSON, 4 rows",
        "gnettrack_log.txt": "drive tests: G-NetTrack log",
        "cellmapper_no_header.csv": "drive tests: CellMapper export",
        "B800A065-18-0E.pln": "antenna pattern (Planet format)",
        "AMB4520R8v06_1845_05T.msi": "antenna pattern (Planet format)",
    }
    assert {name: describe(folder / name).kind for name in kinds} == kinds
    high = describe(folder / "height_above_sea_level.csv")
    assert any("above sea level" in text for text in high.warnings)
    drives = describe(real_files / "lte_traces")
    assert drives.kind.startswith("drive tests: 4G trace") and "5G trace" in drives.kind
    assert "--generation 5G" in drives.commands[0]
    assert "2611 of 2869 rows of drive tests kept" in drives.facts[1]


def test_patterns_gains_scenarios_and_configurations(tmp_path: Path) -> None:
    (tmp_path / "small.ant").write_text(pattern_text())
    facts = " ".join(describe(tmp_path / "small.ant").facts)
    assert "15.00 dBi" in facts and "61 degrees wide" in facts and "tilt 4 degrees" in facts and "25.0 dB" in facts
    np.savez(tmp_path / "g.npz", gain=np.full((2, 3, 4), 1e-9), noise_w=1e-13, power_max_w=np.ones(2), extra=np.ones(3))
    gain = describe(tmp_path / "g.npz")
    assert gain.facts[0] == "2 stations, 3 users, 4 resource blocks" and "-90.0 to -90.0 dB" in gain.facts[1]
    assert "not used: extra" in gain.facts[-1] and "rb_bandwidth_hz 1 Hz" in gain.facts[-2]
    preset("hex-19").to_yaml(tmp_path / "mine.yaml")
    assert "19 stations" in describe(tmp_path / "mine.yaml").facts[0]
    (tmp_path / "fit.yaml").write_text("model: {class_path: mine.Net}\ndata: {class_path: mine.Data}\n")
    assert describe(tmp_path / "fit.yaml").facts == ["model: mine.Net", "data: mine.Data"]


def test_checkpoints_runs_and_datasets(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    torch.manual_seed(0)
    save(HetGNN(hidden=8), run / "best.ckpt", scenario={"name": "hex-19", "range": {"users": [10.0, 20.0]}})
    (run / "metrics.csv").write_text("epoch,step,val/score\n0,1,2.0\n1,2,3.0\n")
    (run / "results.json").write_text(json.dumps({"task": "snapshot", "rows": [{"policy": "pf"}, {"policy": "mine"}]}))
    weights = describe(run / "best.ckpt")
    assert weights.facts[0].startswith("system hetgnn of task snapshot: ") and "10 to 20 users" in weights.facts[-1]
    assert not weights.warnings and f"hetgraph compare snapshot --policies {run / 'best.ckpt'}" in weights.commands
    about = describe(run)
    assert about.facts[:2] == ["metrics.csv: 2 rows, 2 epochs", "results.json: task snapshot, policies pf, mine"]
    assert about.commands[-1] == f"hetgraph report {run}"
    data = generate(tmp_path / "data", SnapshotSpec(preset("conflict-8"), 2), quiet=True)
    assert describe(data).facts == ["2 networks of conflict-8, labelled by nobody"]


def test_nothing_that_a_checkpoint_names_is_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system of a file that is not installed is a warning, though a module of that name is on the path."""
    torch.manual_seed(0)
    header, tensors = read_weights(save(HetGNN(hidden=8), tmp_path / "mine.ckpt"))
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    values = {**vars(header), "system": "trap", "training": {"_class_path": "trap.Module"}}
    write_weights(tmp_path / "mine.ckpt", type(header)(**values), tensors)
    assert "got the system 'trap', which is not installed here" in describe(tmp_path / "mine.ckpt").warnings[0]


def test_files_that_cannot_be_read_have_a_sentence_each_and_the_others_are_described(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    write_bad: Callable[[], dict[str, str]],
) -> None:
    monkeypatch.chdir(tmp_path)
    sentences = write_bad()
    Path("good.csv").write_text("lat,lon\n48,11\n")
    doctor(*sentences, "good.csv", code=2)
    printed = capsys.readouterr()
    errors = printed.err.splitlines()
    assert len(errors) == len(sentences)
    for line, (name, expected) in zip(errors, sentences.items(), strict=True):
        assert line.startswith(f"hetgraph: error: {name}") and expected in line, line
    assert "good.csv: sites, text, 1 row" in printed.out


@pytest.fixture
def write_bad() -> Callable[[], dict[str, str]]:
    def write() -> dict[str, str]:
        Path("words.txt").write_text("some words\n")
        Path("picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\xff\xfe")
        Path("pole.csv").write_text("lat,lon\n1000,11\n")
        Path("broken.msi").write_text("NAME x\n")
        Path("broken.npz").write_bytes(b"PK\x03\x04")
        Path("broken.ckpt").write_bytes(b"\x80\x04")
        Path("broken.yaml").write_text("tiers: [1, 2\n")
        Path("empty").mkdir()
        return {
            "none.csv": "got no such file",
            "words.txt": "got the columns some words, expected x,y",
            "picture.png": "got something that is no text",
            "pole.csv": "got '1000', expected a number in -89..89",
            "broken.msi": "got no GAIN",
            "broken.npz": "got a file that is no plain npz",
            "broken.ckpt": "got a pickle, which is never loaded",
            "broken.yaml": "got text that is no safe YAML",
            "empty": "got a folder of other files",
        }

    return write
