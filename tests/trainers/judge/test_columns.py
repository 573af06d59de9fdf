"""Every column that a command writes is a key or an indicator with a unit, and every comparison says what it compares."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hetgraph.datasets import scenario_of
from hetgraph.envs import ArrivalEnv, CellularEnv, IoTEnv
from hetgraph.envs.handover.reward import INDICATORS as HANDOVER
from hetgraph.envs.rollout import rollout
from hetgraph.graph import preset
from hetgraph.kpi_table import INDICATORS, indicator
from hetgraph.radio import iot_policy, one_shot, policy
from hetgraph.trainers import task_of
from hetgraph.trainers.cli import main
from hetgraph.trainers.judge.columns import KEYS, check_columns, heading
from hetgraph.trainers.judge.run import compare as run_compare
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import mean, ranks, ratio
from hetgraph.trainers.queues.task import Options as Queues
from hetgraph.trainers.snapshot.task import TASK, Options

IOT = "iot-noma:users=6,small_cells=2,subchannels=3"
COMMANDS = {
    "snapshot": ["--scenario", "small.yaml", "--policies", "max_rsrp,pf,wmmse"],
    "cells": [
        "queues",
        "--scenario",
        "hex-19:rings=1",
        "--policies",
        "lqf_subband,genie",
        "--slots",
        "20",
        "--traffics",
        "2",
    ],
    "conflict": ["queues", "--scenario", "conflict-8", "--policies", "gms,llq", "--slots", "40", "--traffics", "2"],
    "arrivals": ["arrivals", "--policies", "best_rate,argmax", "--probability", "1", "--demand", "6"],
    "handover": ["handover", "--cells", "7", "--slots", "3", "--policies", "max_rsrp,pf_greedy"],
    "iot": ["iot", "--scenario", IOT, "--slots", "3", "--policies", "random,wmmse_max_rsrp"],
}
COMMANDS["conflict"] += ["--load", "0.3"]


def compare(*arguments: str) -> dict[str, list[dict[str, str]]]:
    """Rows of each CSV file that a comparison writes."""
    with pytest.raises(SystemExit) as done:
        main(["compare", *arguments, "--no-figures", "--out", "out", "--overwrite"])
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
    shown = [name for name in files["results"][0] if any(row[name] for row in files["results"])]
    for column in (name for name in shown if not name.endswith(("_low", "_high"))):
        assert f">{heading(column)}</button></th>" in page.replace("&#x27;", "'"), column


def test_a_reference_of_several_seeds_is_all_of_them(tmp_path: Path) -> None:
    preset("hetnet-3tier").scaled(users=0.05, stations=1 / 3).to_yaml(tmp_path / "small.yaml")
    options = Options(scenario=str(tmp_path / "small.yaml"), layouts=3)
    rules = {name: one_shot(name) for name in ("max_rsrp", "cre", "pf")}
    team = [rules["max_rsrp"], rules["pf"]]
    (trial,), _ = run_compare(TASK, options, {"rule": [rules["cre"]], "team": team}, "team")
    for kpi in ("sum_rate_bps", "jain"):
        assert ratio(trial, "team", "team", kpi) == Interval(1.0, 1.0, 1.0, 2, 3)
    assert mean(trial, "team", "pf_gain") == Interval(0.0, 0.0, 0.0, 2, 3)
    rates = {name: float(values["sum_rate_bps"].mean()) for name, values in trial.values.items()}
    assert ratio(trial, "rule", "team", "sum_rate_bps").value == pytest.approx(rates["rule"] / rates["team"])
    alone = [
        run_compare(TASK, options, {"a": [a], "rule": [rules["cre"]]})[0][0].values["rule"]["pf_gain"] for a in team
    ]
    assert mean(trial, "rule", "pf_gain").value == pytest.approx(float(torch.stack(alone).mean()))
    assert ranks(trial, "team", "pf_gain")["rule"] in (1, 2)


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
    assert heading("sum_rate_bps") == "sum rate, Mbit/s" and heading("val/loss") == "val/loss"


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
        assert json.loads(Path("out/results.json").read_text())["cases"] == ["mine.npz"]
        least = min(float(row["unserved"]) for row in rows)
        assert least == pytest.approx(unreached / 30)
        for row in rows:
            assert bool(row["rank"]) == (float(row["unserved"]) <= least + 1e-9), row["policy"]
        assert rows[0]["sum_rate_vs_reference"] == "1.0" and rows[0]["p5_rate_vs_reference"] == "1.0"
    for other in found[1:]:
        assert other == pytest.approx(found[0], abs=1e-6)


def test_traffics_of_a_layout_are_one_unit_and_those_of_the_only_layout_are_units() -> None:
    rule, sizes = {"lqf": [policy("lqf_subband")]}, {"layouts": 2, "traffics": 3, "slots": 30}
    (trial,), _ = run_compare(task_of("queues"), Queues(scenario="hex-19:rings=1", load="20", **sizes), rule)
    source = scenario_of("hex-19:rings=1")
    where = {"layouts": 2, "layout_seed": 2_000_000, "seed": 2_000_000, "episode_slots": 30}
    each = rollout(CellularEnv(source, 6, load=20.0, **where), rule, seed=2_000_000).values["lqf"]["mean_delay_ms"]
    units = trial.values["lqf"]["mean_delay_ms"]
    assert each.shape == (1, 6) and units.shape == (1, 2)
    assert units[0].tolist() == pytest.approx([float(each[0, 0::2].mean()), float(each[0, 1::2].mean())])
    conflict = Queues(scenario="conflict-8", load="0.3", **sizes)
    (trial,), _ = run_compare(task_of("queues"), conflict, {"gms": [policy("gms")]})
    assert trial.values["gms"]["mean_delay_slots"].shape == (1, 6)
    assert mean(trial, "gms", "mean_delay_slots").networks == 6
