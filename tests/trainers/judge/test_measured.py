"""Results on drive tests state which share of the links was measured."""

import csv
import json
from pathlib import Path

import pytest

from hetgraph.datasets import LTETraceDataset
from hetgraph.envs import SnapshotEnv
from hetgraph.trainers.cli import main
from hetgraph.trainers.judge.measured import measured_share, noted


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == 0


def test_one_link_of_each_user_was_measured(drives: Path) -> None:
    """Of 6 cells that a user hears one served it."""
    graph = LTETraceDataset(drives, cells=6, users=20, networks=1)[0]
    assert measured_share(SnapshotEnv(graph)) == pytest.approx(1 / 6)
    assert measured_share(SnapshotEnv("uma-5bs")) is None
    assert noted("here", 1 / 6) == "here, 16.7% of the links measured" and noted("here", None) == "here"


def test_results_on_drive_tests_state_it(drives: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("--scenario", str(drives), "--cells", "6", "--slots", "4")
    options = ("--layouts", "2", "--policies", "stay,max_rsrp", "--no-figures")
    run("compare", "handover", *where, *options, "--out", str(tmp_path / "a"))
    (share,) = {row["measured_share"] for row in csv.DictReader((tmp_path / "a/results.csv").read_text().splitlines())}
    assert 0.1 < float(share) <= 1 / 4  # at most one of the four cells to which a user may go, in slots with a row
    results = json.loads((tmp_path / "a/results.json").read_text())
    assert f"{100 * float(share):.3g}% of the links measured" in results["cases"][0]
    assert "measured_share" in (tmp_path / "a/networks.csv").read_text().splitlines()[0]
    assert "links measured" in " ".join(capsys.readouterr().out.split())
    run("predict", "handover", *where, "--policy", "stay", "--out", str(tmp_path / "b"))
    assert 0.1 < json.loads((tmp_path / "b/predict.json").read_text())["case"]["measured_share"] <= 1 / 4
    options = ("--layouts", "1", "--policies", "max_rsrp", "--no-figures")
    run("compare", "--scenario", "uma-5bs", *options, "--out", str(tmp_path / "c"))
    assert "measured" not in (tmp_path / "c/results.csv").read_text()
