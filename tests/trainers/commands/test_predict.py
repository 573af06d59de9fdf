"""`hetgraph predict`: tables of cells and users with their owner's names, which add up to what `compare` says."""

import csv
import json
import math
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hetgraph.graph.tables import scenario_from_csv
from hetgraph.models import GraphQMIX, save
from hetgraph.trainers.cli import main
from hetgraph.trainers.judge import progress
from hetgraph.trainers.judge.progress import late_progress_bar

WHERE = ("--sites", "sites.csv", "--users", "users.csv")
TASKS = {
    "snapshot": ("pf", ()),
    "queues": ("lqf_best", ("--slots", "40", "--load", "20")),
    "arrivals": ("best_rate", ("--probability", "0.7")),
    "handover": ("max_rsrp", ("--slots", "6")),
    "handover-traffic": ("mlb", ("--slots", "6", "--load", "2")),
    "iot": ("wmmse_max_rsrp", ("--slots", "4")),
}


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == code


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def total(rows: list[dict[str, str]], *names: str) -> float:
    """Sum over rows of the product of some columns; empty cells are zero."""
    return sum(math.prod(float(row[name] or 0) for name in names) for row in rows)


@pytest.mark.parametrize("task", TASKS)
def test_tables_have_the_names_of_the_files_and_add_up(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_sites: Callable[..., None]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sites(tmp_path, names=True)
    policy, options = TASKS[task]
    run("predict", task, "--policy", policy, *WHERE, *options, "--out", "out")
    cells, users = rows_of(tmp_path / "out/cells.csv"), rows_of(tmp_path / "out/users.csv")
    given = rows_of(tmp_path / "sites.csv")
    for name in ("site", "cell", "tier"):
        assert [row[name] for row in cells] == [row[name] for row in given], name
    known = {(row["site"], row["cell"]) for row in given} | {("", "")}
    assert {(row["site"], row["cell"]) for row in users} <= known
    phones = [row["id"] for row in rows_of(tmp_path / "users.csv")]
    if task == "arrivals":  # a row for each arrival
        assert {row["user"] for row in users} <= set(phones) and len(users) > len(phones)
    else:
        assert [row["user"] for row in users] == phones
    about = json.loads((tmp_path / "out/predict.json").read_text())
    assert (
        (about["task"], about["policy"]) == (task, policy) and about["commit"] and about["options"]["layouts"] is None
    )
    assert set(about["cells.csv"]) == set(cells[0]) and set(about["users.csv"]) == set(users[0])
    assert about["users.csv"]["rate_bps"]["unit"] == "bit/s"
    check_sums(task, cells, users, {name: kpi["value"] for name, kpi in about["kpis"].items()})
    run("compare", task, "--policies", policy, *WHERE, *options, "--layouts", "1", "--no-figures", "--out", "compared")
    (network,) = rows_of(tmp_path / "compared/networks.csv")
    shared = [name for name in about["kpis"] if name in network]
    assert shared
    for name in shared:
        assert float(network[name]) == pytest.approx(about["kpis"][name]["value"], rel=1e-6), name
    for file, rows in (("cells.csv", cells), ("users.csv", users)):
        assert rows_of(tmp_path / "compared" / file) == [{"policy": policy, **row} for row in rows]


def check_sums(task: str, cells: list[dict[str, str]], users: list[dict[str, str]], kpis: dict[str, float]) -> None:
    """Indicators of the network, from rows of its cells and users."""
    served = {"arrivals": None}.get(task, float(len(users)))
    if served is not None:
        assert total(cells, "users") == pytest.approx(served)
    if "power_w" in cells[0]:
        for row in cells:
            blocks = [float(value) for name, value in row.items() if name.startswith("power_w_rb")]
            assert float(row["power_w"]) == pytest.approx(sum(blocks), abs=1e-9)
            if float(row["power_w"]) > 0:
                assert float(row["power_dbm"]) == pytest.approx(10 * math.log10(1e3 * float(row["power_w"])))
            else:
                assert row["power_dbm"] == ""
    match task:
        case "snapshot":
            assert total(cells, "power_w") == pytest.approx(kpis["power_w"], rel=1e-5)
            assert total(users, "rate_bps") == pytest.approx(kpis["sum_rate_bps"], rel=1e-5)
            assert total(users, "utility") / len(users) == pytest.approx(kpis["pf_utility"], rel=1e-5)
        case "queues":
            assert all(0 <= float(row["load"]) <= 1 for row in cells) and total(cells, "load") > 0
            assert total(users, "rate_bps") > 0
            delays = [float(row["mean_delay_ms"]) for row in users if row["mean_delay_ms"]]
            assert min(delays) <= kpis["mean_delay_ms"] <= max(delays)
        case "arrivals":
            slots = 1200  # of ninety cells
            assert len(users) == kpis["arrivals"] and "power_w" not in cells[0]
            assert sum(not row["cell"] for row in users) == kpis["rejections"] == len(users) - total(cells, "admitted")
            assert total(users, "utility", "stay_slots") / slots == pytest.approx(kpis["utility"], rel=1e-5)
            assert total(users, "stay_slots") == pytest.approx(slots * total(cells, "users"))
        case "handover":
            assert "power_w" not in cells[0]  # cells send at full power
            assert total(users, "utility") == pytest.approx(kpis["anu"], rel=1e-5)
            assert total(users, "rate_bps") / len(users) == pytest.approx(kpis["throughput_bps"], rel=1e-5)
            assert total(users, "handovers") / (6 * len(users)) == pytest.approx(kpis["handover_rate"], rel=1e-5)
        case "handover-traffic":
            assert "power_w" not in cells[0] and total(cells, "offset_db") == pytest.approx(0, abs=1e-3)
            assert max(abs(float(row["offset_db"])) for row in cells) > 0
            assert total(users, "rate_bps") / len(users) == pytest.approx(kpis["throughput_bps"], rel=1e-5)
            minutes = 6 / 60
            seen = total(users, "handovers") / (len(users) * minutes)  # two in a second count as one at most
            assert 0 < seen <= kpis["handovers_per_min"]
        case "iot":
            assert total(users, "rate_bps") == pytest.approx(kpis["throughput_bps"], rel=1e-5)
            assert total(cells, "load") / len(cells) == pytest.approx(kpis["utilisation"], rel=1e-5)


def test_delays_and_rates_of_queues_follow_from_packets(tmp_path: Path) -> None:
    """A user's packets, weighted by their number, have the network's mean delay; whole packets make the rates."""
    arguments = ("--scenario", "hex-19:rings=1", "--load", "40", "--slots", "50", "--out", str(tmp_path))
    run("predict", "queues", "--policy", "lqf_best", *arguments)
    users = rows_of(tmp_path / "users.csv")
    seconds, bits = 50 * 0.02, 0.5e6
    packets = [float(row["rate_bps"]) * seconds / bits for row in users]
    assert max(packets) > 1
    assert [round(count) for count in packets] == pytest.approx(packets, abs=1e-4)


def test_cells_of_users_are_the_strongest_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_sites: Callable[..., None]
) -> None:
    """Names are those of the rows whose cells serve: by the sampled graph's `bs.row` and its RSRP."""
    monkeypatch.chdir(tmp_path)
    write_sites(tmp_path, names=True, users=40)
    run("predict", "--policy", "max_rsrp", *WHERE, "--seed", "5", "--out", "out")
    graph = scenario_from_csv("sites.csv", "users.csv").sample(1, seed=5)
    bs, ue = graph["bs", "channel", "ue"].edge_index
    power = graph["bs", "channel", "ue"].rsrp_dbm
    given = rows_of(tmp_path / "sites.csv")
    for number, row in enumerate(rows_of(tmp_path / "out/users.csv")):
        mine = (ue == number).nonzero().flatten()
        best = graph["bs"].row[bs[mine[power[mine].argmax()]]]
        assert row["cell"] == given[int(best)]["cell"]


def test_networks_that_nobody_named(tmp_path: Path) -> None:
    """Cells and users have numbers; conflict graphs have neither powers nor bits; users who come from anywhere have no name."""
    run(
        "predict",
        "queues",
        "--scenario",
        "conflict-8",
        "--policy",
        "gms",
        "--slots",
        "20",
        "--out",
        str(tmp_path / "a"),
    )
    cells, users = rows_of(tmp_path / "a/cells.csv"), rows_of(tmp_path / "a/users.csv")
    assert [row["cell"] for row in cells] == [str(number) for number in range(4)]
    assert [row["user"] for row in users] == [str(number) for number in range(len(users))]
    assert not {"power_w", "rate_bps", "load"} & (set(cells[0]) | set(users[0]))
    assert {"mean_delay_slots", "delivered"} <= set(users[0])
    run("predict", "arrivals", "--scenario", "grows-3", "--policy", "argmax", "--out", str(tmp_path / "b"))
    assert {row["user"] for row in rows_of(tmp_path / "b/users.csv")} == {""}


def test_phones_of_drive_tests_have_numbers(tmp_path: Path, lte_traces: Path) -> None:
    more = ("--generation", "5G", "--cells", "4", "--slots", "3", "--out", str(tmp_path))
    run("predict", "handover", "--scenario", str(lte_traces), "--policy", "max_rsrp", *more)
    assert [row["cell"] for row in rows_of(tmp_path / "cells.csv")] == ["0", "1", "2", "3"]
    assert [row["user"] for row in rows_of(tmp_path / "users.csv")][:2] == ["0", "1"]


def test_cells_are_chosen_by_technology_operator_and_window(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], real_files: Path
) -> None:
    """The cells that the options take keep their names and order; each warning is written once."""
    monkeypatch.chdir(tmp_path)
    cells = str(real_files / "own_network/opencellid_no_header.csv")
    Path("users.csv").write_text("lat;lng\n50.89;-113.96\n50.9;-113.97\n")
    chosen = ("--radio", "GSM", "--operator", "302-720", "--window=-114.1,50,-113,51")
    with warnings.catch_warnings(action="always"):
        run("predict", "--policy", "max_rsrp", "--sites", cells, "--users", "users.csv", *chosen, "--out", "out")
    assert [row["cell"] for row in rows_of(tmp_path / "out/cells.csv")] == ["55752", "55751", "59852"]
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if "not used" in line]
    assert len(lines) == 1 and lines[0].endswith("averageSignal")
    assert "predict.geojson" in said.out
    points = json.loads((tmp_path / "out/predict.geojson").read_text())["features"]
    assert [point["properties"]["kind"] for point in points] == ["cell"] * 3 + ["user"] * 2
    assert points[-1]["geometry"]["coordinates"] == [-113.97, 50.9]


def test_mistakes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    write_sites: Callable[..., None],
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sites(tmp_path)
    torch.manual_seed(0)
    save(GraphQMIX(hidden=8), "qmix.ckpt")
    Path("twice.csv").write_text("user,x,y\na,1,1\nb,2,2\na,3,3\n")
    Path("nobody.csv").write_text("x,y\n")
    ours: dict[tuple[str, ...], str] = {
        ("predict", "queues", "--ckpt", "qmix.ckpt"): "qmix.ckpt: got a model of task handover, expected one of queues",
        ("predict", "--policy", "pf", "--sites", "sites.csv"): "--users: got none beside --sites",
        ("predict", "--policy", "pf", "--sites", "sites.csv", "--users", "nobody.csv"): "nobody.csv: got no rows",
        ("predict", "--policy", "pf", "--sites", "sites.csv", "--users", "twice.csv"): "user: got 'a', expected a name",
        ("predict", "--policy", "nosuch"): "policy: got 'nosuch', expected one of",
        ("predict", "nosuch", "--policy", "pf"): "task: got 'nosuch', expected one of",
        ("predict",): "--ckpt, --policy: got neither, expected one of them",
        ("predict", "--policy", "pf", "--ckpt", "qmix.ckpt", "--seed", "1"): "--ckpt, --policy: got both",
        ("predict", "--policy", "pf,max_rsrp"): "--policy: got 'pf,max_rsrp', expected one policy",
        ("predict", "--policy", "pf", "--layouts", "3"): "--layouts: got 3, expected 1",
        ("predict", "--policy", "pf", "--load", "3"): "--load: got an option of tasks handover-traffic and queues",
        ("predict", "--ckpt", "none.ckpt"): "none.ckpt",
        ("predict", "arrivals", "--policy", "argmax", "--probability", "0.0001"): "got no users in",
        ("predict", "--policy", "pf", "--radio", "LTE"): "--radio: got 'LTE' without --sites, expected both",
    }  # fmt: skip
    for arguments, message in ours.items():
        run(*arguments, code=2)
        err = capsys.readouterr().err
        assert message in err and len(err.strip().splitlines()) == 1, err
    run("predict", "--policy", "pf", "--scenario", "uma-5bs", "--out", "out")
    run("predict", "--policy", "pf", "--scenario", "uma-5bs", "--out", "out", code=2)
    assert "--out: got out, where a run has left its results" in capsys.readouterr().err


def test_the_task_is_that_of_the_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(save(GraphQMIX(hidden=8), tmp_path / "best.ckpt"))
    run("predict", "--ckpt", path, "--cells", "7", "--slots", "2", "--out", str(tmp_path / "out"))
    assert json.loads((tmp_path / "out/predict.json").read_text())["task"] == "handover"
    with pytest.raises(SystemExit) as done:
        main(["predict", "handover", "--help"])
    assert done.value.code == 0 and "--slots" in capsys.readouterr().out


def test_a_bar_is_shown_when_work_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work(seconds: float) -> str:
        with late_progress_bar("schedules", 3) as counted:
            for _ in counted(iter(range(3))):
                time.sleep(seconds)
        return capsys.readouterr().err

    assert work(0.0) == ""
    monkeypatch.setattr(progress, "SHOWN_AFTER_S", 0.0)
    assert "schedules" in work(0.05)
