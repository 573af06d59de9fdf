"""Every column that a command writes is a key or an indicator with a unit, and every comparison says what it compares."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from hetgraph.envs import ArrivalEnv, IoTEnv
from hetgraph.envs.handover.reward import INDICATORS as HANDOVER
from hetgraph.envs.rollout import rollout
from hetgraph.graph import preset
from hetgraph.radio import iot_policy, one_shot, policy
from hetgraph.radio.kpi_table import INDICATORS, indicator
from hetgraph.trainers.cli import main
from hetgraph.trainers.judge.columns import KEYS, check_columns, heading
from hetgraph.trainers.judge.files import intervals, ranks
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.queues.trial import judge
from hetgraph.trainers.snapshot.comparison import compare as compare_methods

COMMANDS = {
    "snapshot": ["--scenario", "small.yaml", "--policies", "max_rsrp,pf,wmmse"],
    "cells": ["--env", "hex-19:rings=1", "--policies", "lqf_subband,genie", "--slots", "20", "--traffics", "2"],
    "conflict": ["--env", "conflict-8", "--policies", "gms,llq", "--slots", "40", "--traffics", "2", "--load", "0.3"],
    "arrivals": [
        "--env",
        "grows-3",
        "--policies",
        "best_rate,argmax",
        "--load",
        "1",
        "--demand",
        "6",
        "--episodes",
        "5",
    ],
    "handover": ["--env", "handover", "--cells", "7", "--slots", "3", "--policies", "max_rsrp,pf_greedy"],
    "iot": [
        "--env",
        "iot-noma:users=6,small_cells=2,subchannels=3",
        "--slots",
        "3",
        "--policies",
        "random,wmmse_max_rsrp",
    ],
}


def compare(*arguments: str) -> dict[str, list[dict[str, str]]]:
    """Rows of each CSV file that a comparison writes."""
    with pytest.raises(SystemExit) as done:
        main(["compare", *arguments, "--no-figures", "--out", "out"])
    assert done.value.code == 0
    return {path.stem: list(csv.DictReader(path.read_text().splitlines())) for path in Path("out").glob("*.csv")}


@pytest.mark.parametrize("task", COMMANDS)
def test_every_column_of_every_file_is_known(task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    preset("hetnet-3tier").scaled(users=0.05, stations=1 / 3).to_yaml(tmp_path / "small.yaml")
    files = compare(*COMMANDS[task], "--layouts", "2")
    rows = json.loads(Path("out/results.json").read_text())["rows"]
    for columns in (*(table[0] for table in files.values()), *rows):
        for column in columns:
            assert column in KEYS or indicator(column).unit, column
    assert {"results"} < set(files) and len(files["results"]) == 2 + (task == "snapshot")
    with pytest.raises(SystemExit):
        main(["report", "out"])
    page = Path("out/report.html").read_text()
    for column in files["results"][0]:
        assert f"<th>{heading(column)}</th>" in page.replace("&#x27;", "'"), column


def test_a_reference_of_several_seeds_is_all_of_them() -> None:
    small = preset("hetnet-3tier").scaled(users=0.05, stations=1 / 3)
    rules = {name: one_shot(name) for name in ("max_rsrp", "cre", "pf")}
    team = [rules["max_rsrp"], rules["pf"]]
    result = compare_methods(small, {"rule": [rules["cre"]], "team": team}, layouts=3, reference="team")
    found = intervals(result)
    assert {(x.value, x.low, x.high) for key, x in found["team"].items() if key.endswith("_vs_reference")} == {
        (1, 1, 1)
    }
    assert found["team"]["pf_gain"] == Interval(0.0, 0.0, 0.0, 2, 3)
    rates = {name: values.mean() for name, values in result.values["sum_rate_bps"].items()}
    assert found["rule"]["sum_rate_vs_reference"].value == pytest.approx(rates["rule"] / rates["team"])
    alone = [compare_methods(small, {"a": [a], "rule": [rules["cre"]]}, layouts=3).gains["rule"].mean() for a in team]
    assert found["rule"]["pf_gain"].value == pytest.approx(np.mean(alone))
    assert ranks(result)["rule"] in (1, 2)


def test_what_episodes_tell_is_in_the_table() -> None:
    assert set(HANDOVER) <= set(INDICATORS)
    env = IoTEnv("iot-noma:users=6,small_cells=2,subchannels=3", 1, episode_slots=2)
    iot = rollout(env, {"random": iot_policy("random")}).values["random"]
    arrivals = rollout(ArrivalEnv("grows-3", 2), {"argmax": policy("argmax")}).kpis
    assert set(iot) | set(arrivals) <= set(INDICATORS)


def test_a_column_that_nobody_defined_is_refused() -> None:
    assert not set(KEYS) & set(INDICATORS)
    check_columns(["policy", "jain", "jain_low", "sum_rate_vs_reference"])
    with pytest.raises(ValueError, match="indicator: got 'goodness'"):
        check_columns(["policy", "goodness"])
    assert heading("sum_rate_bps") == "sum rate, bit/s" and heading("val/loss") == "val/loss"


@pytest.mark.parametrize("unreached", [0, 2])
def test_gain_files_are_judged_alike_in_any_unit(
    unreached: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    gain = 10 ** rng.normal(-11, 2, (4, 30, 1)) * rng.exponential(1, (4, 30, 3))
    gain[:, :unreached] = 0
    found = []
    for bandwidth in (None, 1.0, 180e3, 20e6):
        extra = {} if bandwidth is None else {"rb_bandwidth_hz": bandwidth}
        np.savez("mine.npz", gain=gain, noise_w=1e-13, power_max_w=10.0, **extra)
        rows = compare("--gain", "mine.npz", "--policies", "max_rsrp,cre,pf,wmmse")["results"]
        found.append([float(row["pf_gain"]) for row in rows])
        printed = capsys.readouterr().out
        assert "mine.npz" in printed and "hetnet" not in printed and "nan" not in printed
        assert json.loads(Path("out/results.json").read_text())["scenario"] == "mine.npz"
        least = min(float(row["unserved"]) for row in rows)
        assert least == pytest.approx(unreached / 30)
        for row in rows:
            assert bool(row["rank"]) == (float(row["unserved"]) <= least + 1e-9), row["policy"]
        assert rows[0]["sum_rate_vs_reference"] == "1.0" and rows[0]["p5_rate_vs_reference"] == "1.0"
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-6)


def test_traffics_of_a_layout_are_one_unit_and_those_of_the_only_layout_are_units() -> None:
    cells = judge("hex-19:rings=1", 20, {"lqf": [policy("lqf_subband")]}, layouts=2, traffics=3, slots=30)
    each, units = cells.means("lqf"), cells.units("lqf")
    assert each.shape == (1, 6) and units.shape == (1, 2)
    assert units[0].tolist() == pytest.approx([each[0, 0::2].mean(), each[0, 1::2].mean()])
    env = judge("conflict-8", 0.3, {"gms": [policy("gms")]}, layouts=2, traffics=3, slots=30)
    assert env.units("gms").shape == (1, 6) and env.mean("gms").networks == 6
