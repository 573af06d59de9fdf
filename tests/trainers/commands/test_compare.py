"""`hetgraph compare` end to end: files, figures, units, the same numbers as the environments'."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import rollout
from hetgraph.graph import preset
from hetgraph.models import HetGNN, save
from hetgraph.radio import handover_policy, iot_policy
from hetgraph.trainers import HandoverDataModule
from hetgraph.trainers.cli import main

SMALL = preset("hetnet-3tier").scaled(users=0.05, stations=1 / 3)


def test_compare_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    checkpoint = save(HetGNN(8, 1, 2), tmp_path / "best.ckpt")
    SMALL.to_yaml(tmp_path / "small.yaml")
    policies = f"max_rsrp,pf,student={checkpoint}:{checkpoint}"
    arguments = ["compare", "--scenario", "small.yaml", "--policies", policies, "--layouts", "3", "--out", "out"]
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {row["policy"]: row for row in results["rows"]}
    assert set(rows) == {"max_rsrp", "pf", "student"}
    assert results["task"] == "snapshot" and results["cases"] == ["small.yaml"]
    assert [(row["seeds"], row["networks"]) for row in rows.values()] == [(1, 3), (1, 3), (2, 3)]
    itself = rows["max_rsrp"]
    assert itself["pf_gain"] == itself["pf_gain_low"] == itself["pf_gain_high"] == 0
    assert itself["sum_rate_vs_reference"] == itself["sum_rate_vs_reference_low"] == 1
    assert sorted(row["rank"] for row in rows.values()) == [1, 2, 3]
    each = list(csv.DictReader((tmp_path / "out" / "networks.csv").read_text().splitlines()))
    rates = {
        name: np.mean([float(r["sum_rate_bps"]) for r in each if r["policy"] == name]) for name in ("max_rsrp", "pf")
    }
    assert rows["pf"]["sum_rate_bps"] == pytest.approx(rates["pf"])
    assert rows["pf"]["sum_rate_vs_reference"] == pytest.approx(rates["pf"] / rates["max_rsrp"])
    lines = (tmp_path / "out" / "networks.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 + 3 + 6
    assert len((tmp_path / "out" / "results.csv").read_text().splitlines()) == 4
    figures = {p.stem for p in (tmp_path / "out").glob("*.png")}
    expected = {"rate_cdf", "power_per_rb", "load_per_station", "confusion", "distance_pathloss", "indicators"}
    expected |= {"association_map", "association_changes"}
    assert figures == expected == {p.stem for p in (tmp_path / "out").glob("*.pdf")}
    with pytest.raises(SystemExit):
        main(["report", "out"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64") == 8 and "http" not in page.replace("http-equiv", "")


def test_networks_with_channels_of_antennas_are_compared_by_precoders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Rates count precoders without being asked to, and a rule without any is refused, not rated as if it had some."""
    monkeypatch.chdir(tmp_path)
    common = ("compare", "--scenario", "mimo-7", "--layouts", "2", "--no-figures")
    with pytest.raises(SystemExit) as done:
        main([*common, "--out", "out"])
    assert done.value.code == 0
    rows = {row["policy"]: row for row in json.loads((tmp_path / "out/results.json").read_text())["rows"]}
    assert set(rows) == {"mrt", "zf", "rzf", "slnr", "vector_wmmse"}
    assert rows["vector_wmmse"]["sum_rate_bps"] > rows["slnr"]["sum_rate_bps"] > 2 * rows["mrt"]["sum_rate_bps"]
    with pytest.raises(SystemExit) as done:
        main([*common, "--policies", "max_rsrp", "--out", "other"])
    assert done.value.code == 2
    assert (
        "allocation.precoder: got None, expected [U, Amax, R] under the convention 'spatial'" in capsys.readouterr().err
    )


def test_delays_are_compared_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [
        *("compare", "queues", "--scenario"),
        "hex-19:rings=1",
        "--load",
        "20,40",
        "--slots",
        "60",
        "--traffics",
        "2",
        "--out",
        "out",
    ]
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--policies", "lqf_subband,genie,llq", "--layouts", "2"])
    assert done.value.code == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {(row["offered_load"], row["policy"]): row for row in results["rows"]}
    assert set(rows) == {(load, name) for load in (20.0, 40.0) for name in ("lqf_subband", "genie", "llq")}
    for row in rows.values():
        assert row["mean_delay_ms"] == pytest.approx(row["waiting_ms"] + row["transmission_ms"])
        assert (row["seeds"], row["networks"]) == (1, 2)  # two traffics of a layout are one unit
    assert rows[20.0, "lqf_subband"]["mean_delay_vs_reference"] == 1
    assert rows[40.0, "genie"]["mean_delay_vs_reference"] < 1
    assert len((tmp_path / "out" / "networks.csv").read_text().splitlines()) == 1 + 2 * 3 * 2
    assert {p.stem for p in (tmp_path / "out").glob("*.png")} == {
        *("delay_cdf", "delay_parts", "indicators_0", "indicators_1", "association_map")
    }


@pytest.mark.parametrize(
    ("arguments", "policies", "rows"),
    [
        (["handover", "--cells", "7", "--cre", "--slots", "5"], "max_rsrp,pf_announced", 2),
        (
            ["iot", "--scenario", "iot-noma:users=6,small_cells=2,subchannels=3", "--slots", "4"],
            "wmmse_max_rsrp,wmmse_path_loss",
            2,
        ),
    ],
)
def test_compare_on_networks(
    arguments: list[str], policies: str, rows: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as done:
        main(["compare", *arguments, "--policies", policies, "--layouts", "3", "--out", str(out)])
    assert done.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in policies.split(","))
    found = list(csv.DictReader((out / "results.csv").read_text().splitlines()))
    assert [row["policy"] for row in found] == policies.split(",") and (out / "differences.png").exists()
    if arguments[0] == "handover":
        data = HandoverDataModule("hetnet-3tier", 7, 70, test_networks=3, steps=5, cre=True)
        rule = handover_policy("pf_announced")
        again = rollout(data.environment("test"), {"": rule}, seed=2_000_000).values[""]["anu"].mean()
        assert float(found[1]["anu"]) == pytest.approx(float(again))
    else:
        rules = {"near": iot_policy("wmmse_path_loss")}
        again = rollout(IoTEnv(arguments[2], 3, episode_slots=4), rules, seed=2_000_000).values["near"]
        assert float(found[1]["throughput_bps"]) == pytest.approx(float(again["throughput_bps"].double().mean()))


OWN = """
from hetgraph.radio import Allocation
from hetgraph.solvers import equal_power, max_rsrp_association

def strongest(graph):
    return Allocation(max_rsrp_association(graph), equal_power(graph))

def broken(graph):
    return "allocation"

class Policy:
    level = "local"
    def initial_state(self, obs):
        return None
    def act(self, obs, state, generator):
        return strongest(obs), state

class Halves(Policy):
    def act(self, obs, state, generator):
        return strongest(obs)
"""


def test_policies_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    SMALL.to_yaml(tmp_path / "small.yaml")
    (tmp_path / "own_policies.py").write_text(OWN)
    arguments = ["compare", "--scenario", "small.yaml", "--layouts", "2", "--no-figures", "--policies"]
    with pytest.raises(SystemExit) as done:
        main([*arguments, "max_rsrp,own_policies:strongest,own_policies:Policy", "--out", "out"])
    assert done.value.code == 0
    rows = list(csv.DictReader((tmp_path / "out/results.csv").read_text().splitlines()))
    assert len({row["sum_rate_bps"] for row in rows}) == 1 and len(rows) == 3
    for name, message in (
        ("broken", "policy own_policies:broken: "),
        ("Halves", "got Allocation from act, expected a pair"),
    ):
        with pytest.raises(SystemExit) as done:
            main([*arguments, f"own_policies:{name}", "--out", name])
        assert done.value.code == 2 and message in capsys.readouterr().err


def test_models_of_ones_own_are_compared_by_their_checkpoints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    SMALL.to_yaml(tmp_path / "small.yaml")
    text = """
import torch
from hetgraph.models import keep_options
from hetgraph.radio import Allocation
from hetgraph.solvers import equal_power, max_rsrp_association

@keep_options
class Mine(torch.nn.Module):
    name, task, level = "mine_of_tests", "snapshot", "local"

    def __init__(self, hidden: int = 3) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(hidden))

    def initial_state(self, obs):
        return None

    def act(self, obs, state, generator):
        return Allocation(max_rsrp_association(obs), equal_power(obs)), state
"""
    (tmp_path / "own_models.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    from own_models import Mine  # type: ignore[import-not-found]

    save(Mine(5), tmp_path / "mine.ckpt")
    arguments = ["compare", "--scenario", "small.yaml", "--layouts", "2", "--no-figures", "--policies", "pf,mine.ckpt"]
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--out", "without"])
    assert done.value.code == 2
    assert "mine.ckpt: system: got 'mine_of_tests', expected one of" in capsys.readouterr().err
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--out", "with", "--models", "own_models:Mine"])
    assert done.value.code == 0
