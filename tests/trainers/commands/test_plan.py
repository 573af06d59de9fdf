"""`hetgraph plan`: expected decisions and gains on a network of one's own, on an operator's export of thirty sites."""

import csv
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import mean, stdev

import pytest
import torch
from scipy.stats import t as student

from hetgraph.graph import links_of
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.models import GraphQMIX, HetGNN, save
from hetgraph.radio import Allocation, evaluate, pf_gain, policy
from hetgraph.solvers.offsets import STEPS_DB
from hetgraph.trainers.cli import main
from hetgraph.trainers.commands import plan

WHERE = ("--sites", "sites.csv", "--users", "users.csv")
SEED, DRAWS = 2_000_000, 3
pytestmark = pytest.mark.filterwarnings("ignore:.*(without coverage|by default|not used|not beside).*")


@pytest.fixture
def engineer(real_files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with the operator's files."""
    for name in ("sites", "users"):
        shutil.copyfile(real_files / f"own_network/{name}_engineer.csv", tmp_path / f"{name}.csv")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == code


def column(rows: list[dict[str, str]], name: str) -> list[float]:
    return [float(row[name]) for row in rows]


def test_values_are_means_of_what_predict_decides_on_each_draw(engineer: Path) -> None:
    run("plan", "--policy", "wmmse_pf", *WHERE, "--draws", str(DRAWS), "--no-figures", "--out", "plan")
    cells, users = rows_of(engineer / "plan/cells.csv"), rows_of(engineer / "plan/users.csv")
    given = rows_of(engineer / "sites.csv")
    assert [(row["site"], row["cell"]) for row in cells] == [(row["site"], row["cell"]) for row in given]
    assert [row["user"] for row in users] == [str(number) for number in range(270)]
    draws = []
    for draw in range(DRAWS):
        where = ("--seed", str(SEED + draw), "--out", f"draw-{draw}")
        run("predict", "--policy", "wmmse_pf", *WHERE, *where)
        draws.append([rows_of(engineer / f"draw-{draw}" / file) for file in ("cells.csv", "users.csv")])
    assert draws[0] != draws[1]
    for rows, number, names in ((cells, 0, ("power_w", "power_w_rb0", "users", "load")), (users, 1, ("rate_bps",))):
        for name in names:
            expected = [mean(values) for values in zip(*(column(each[number], name) for each in draws), strict=True)]
            assert column(rows, name) == pytest.approx(expected, rel=1e-6, abs=1e-9), name
    for place, row in enumerate(users):
        chosen = [each[1][place]["cell"] for each in draws]
        assert chosen.count(row["cell"]) == max(chosen.count(cell) for cell in chosen)
        assert float(row["serving_share"]) == pytest.approx(chosen.count(row["cell"]) / DRAWS)
    for row in cells:
        power_w = float(row["power_w"])
        assert (
            row["power_dbm"] == ""
            if power_w == 0
            else float(row["power_dbm"]) == pytest.approx(10 * math.log10(1e3 * power_w))
        )
    about = json.loads((engineer / "plan/plan.json").read_text())
    assert sum(column(users, "rate_bps")) == pytest.approx(about["kpis"]["sum_rate_bps"]["value"], rel=1e-6)


def test_gains_have_the_interval_over_draws_and_the_map_the_places_of_the_files(
    engineer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("plan", "--policy", "pf", *WHERE, "--draws", str(DRAWS), "--out", "plan")
    about = json.loads((engineer / "plan/plan.json").read_text())
    assert (about["draws"], about["reference"], about["policy"]) == (DRAWS, "max_rsrp", "pf")
    rows = [row for row in rows_of(engineer / "plan/networks.csv") if row["policy"] == "pf"]
    gain = column(rows, "pf_gain")
    half = float(student.ppf(0.975, DRAWS - 1)) * stdev(gain) / DRAWS**0.5
    found = about["gains"]["pf_gain"]
    assert (found["value"], found["unit"]) == (pytest.approx(mean(gain)), "nat")
    assert (found["low"], found["high"]) == pytest.approx((mean(gain) - half, mean(gain) + half))
    assert "sum_rate_vs_reference" in about["gains"]
    printed = capsys.readouterr().out
    assert f"pf on {DRAWS} channel draws, over max_rsrp, with 95% intervals" in printed
    assert f"PF gain, nat: {found['value']:.4g}" in printed
    assert (engineer / "plan/association_map.png").stat().st_size > 1000
    collection = json.loads((engineer / "plan/plan.geojson").read_text())
    for kind in ("cell", "user"):
        given = rows_of(engineer / ("sites.csv" if kind == "cell" else "users.csv"))
        points = [each for each in collection["features"] if each["properties"]["kind"] == kind]
        places = [[float(row["lon"]), float(row["lat"])] for row in given]
        assert [each["geometry"]["coordinates"] for each in points] == places
        table = rows_of(engineer / f"plan/{kind}s.csv")
        for each, row in zip(points, table, strict=True):
            assert set(each["properties"]) == {"kind", *row} and each["properties"]["cell"] == row["cell"]
    run("plan", "--policy", "pf", *WHERE, "--out", "plan", code=2)
    assert "--out: got plan, where a run has left its results" in capsys.readouterr().err


def test_tables_held_on_other_draws_are_worth_less_than_their_policy(engineer: Path) -> None:
    """By an evaluation of the tables as they are written, on the draws after those of which they are the means."""
    run("plan", "--policy", "wmmse_pf", *WHERE, "--draws", str(DRAWS), "--no-figures", "--out", "plan")
    cells, users = rows_of(engineer / "plan/cells.csv"), rows_of(engineer / "plan/users.csv")
    number = {row["cell"]: place for place, row in enumerate(cells)}
    gain, by_offsets = [], []
    offset_db = torch.tensor([float(row["offset_db"] or "-inf") for row in cells])
    for draw in range(DRAWS, 2 * DRAWS):
        graph = scenario_from_csv("sites.csv", "users.csv").sample(1, seed=SEED + draw)
        station = {int(row): place for place, row in enumerate(graph["bs"].row)}
        serving = torch.tensor([station[number[row["cell"]]] if row["cell"] else -1 for row in users])
        blocks = graph["bs"].rb_power_max_w.shape[1]
        by_row = torch.tensor([[float(row[f"power_w_rb{block}"]) for block in range(blocks)] for row in cells])
        plain = policy("max_rsrp")(graph)
        strongest = (graph["bs", "channel", "ue"].rsrp_dbm.view(len(users), -1) + offset_db[graph["bs"].row]).argmax(1)
        kept = [Allocation(each, by_row[graph["bs"].row]) for each in (serving, strongest)]
        fixed, offset, base = (evaluate(graph, each).rate_bps for each in (*kept, plain))
        gain.append(float(pf_gain(fixed, base, links_of(graph))))
        by_offsets.append(float(pf_gain(offset, base, links_of(graph))))
    about = json.loads((engineer / "plan/plan.json").read_text())
    assert about["gains_fixed"]["pf_gain"]["value"] == pytest.approx(mean(gain), rel=1e-4)
    assert about["gains_fixed"]["pf_gain"]["high"] < 0 < about["gains"]["pf_gain"]["low"]
    assert about["gains_offsets"]["pf_gain"]["value"] == pytest.approx(mean(by_offsets), rel=1e-4)
    assert about["gains_offsets"]["pf_gain"]["low"] > about["gains_fixed"]["pf_gain"]["high"]


def test_offsets_put_users_where_they_were_decided_to_be(engineer: Path) -> None:
    """The share is counted anew from the columns as they are written, on the draws that they are of."""
    run("plan", "--policy", "pf", *WHERE, "--draws", str(DRAWS), "--no-figures", "--out", "plan")
    about, cells = json.loads((engineer / "plan/plan.json").read_text()), rows_of(engineer / "plan/cells.csv")
    offset_db = torch.tensor(column(cells, "offset_db"))
    assert set(offset_db.tolist()) <= set(STEPS_DB) and offset_db.any()
    agree, plain = [], []
    for draw in range(DRAWS):
        graph = scenario_from_csv("sites.csv", "users.csv").sample(1, seed=SEED + draw)
        decided, row = policy("pf")(graph).serving, graph["bs"].row
        for shares, offset in ((agree, offset_db[row]), (plain, torch.zeros(len(row)))):
            received = graph["bs", "channel", "ue"].rsrp_dbm.view(len(decided), -1) + offset
            shares += (received.argmax(1) == decided).tolist()
    assert about["offset_agreement"] == pytest.approx(mean(agree), abs=1e-6) and mean(agree) > mean(plain) + 0.03
    assert about["cells.csv"]["offset_db"]["unit"] == "dB"


def test_files_in_metres_have_no_map_and_other_tasks_have_plans_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_sites: Callable[..., None]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_sites(tmp_path, names=True, users=40)
    options = ("--slots", "3", "--draws", "2", "--no-figures", "--out", "plan")
    run("plan", "handover", "--policy", "dual_price", *WHERE, *options)
    assert not (tmp_path / "plan/plan.geojson").exists()
    about = json.loads((tmp_path / "plan/plan.json").read_text())
    assert (about["task"], about["reference"]) == ("handover", "max_rsrp") and "anu_difference" in about["gains"]
    assert "gains_fixed" not in about  # its decisions follow users who move
    assert "anu_difference" in about["gains_offsets"] and 0.5 < about["offset_agreement"] <= 1
    run("plan", "arrivals", "--policy", "best_rate", *WHERE, "--draws", "2", "--no-figures", "--out", "arriving")
    about = json.loads((tmp_path / "arriving/plan.json").read_text())
    assert "utility_vs_reference" in about["gains_offsets"] and 0.5 < about["offset_agreement"] <= 1
    assert set(column(rows_of(tmp_path / "arriving/cells.csv"), "offset_db")) <= set(STEPS_DB)
    given = rows_of(tmp_path / "sites.csv")
    assert [row["cell"] for row in rows_of(tmp_path / "plan/cells.csv")] == [row["cell"] for row in given]


def test_a_checkpoint_is_told_where_the_network_is_unlike_its_training(engineer: Path) -> None:
    torch.manual_seed(0)
    near = {"stations": [80.0, 100.0], "users": [200.0, 300.0]}
    far = {"stations": [5.0, 25.0], "users": [200.0, 300.0]}
    for name, sizes in (("near", near), ("far", far)):
        Path(name).mkdir()
        save(HetGNN(hidden=8), f"{name}/best.ckpt", scenario={"name": "mine", "range": sizes})
    options = (*WHERE, "--draws", "2", "--no-figures")
    run("plan", "--policy", "near/best.ckpt", *options, "--out", "a")  # a warning would be an error
    with pytest.warns(UserWarning, match=r"far/best\.ckpt: .* range: 90 stations \(training: 5 to 25\); finetune"):
        assert plan.run(["--policy", "far/best.ckpt", *options, "--out", "b"]) == 0
    assert json.loads((engineer / "b/plan.json").read_text())["policy"] == "far/best"


def test_mistakes_end_in_one_sentence(engineer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    save(GraphQMIX(hidden=8), "qmix.ckpt")
    Path("nobody.csv").write_text("lat,lon\n")
    sites = WHERE[:2]
    ours: dict[tuple[str, ...], str] = {
        ("--policy", "lqf_best", *WHERE): "policy: got 'lqf_best', expected one of",
        ("snapshot", "--policy", "qmix.ckpt", *WHERE): "qmix.ckpt: got a model of task handover, expected one of snapshot",
        ("--policy", "none.ckpt", *WHERE): "none.ckpt: got no such file",
        ("--policy", "pf", *sites): "--users: got none, expected a CSV of the users",
        ("--policy", "pf", *sites, "--users", "nobody.csv"): "nobody.csv: got no rows",
        ("--policy", "pf"): "--sites: got none, expected a CSV of the cells",
        WHERE: "--policy: got none, expected one policy",
        ("--policy", "pf,wmmse", *WHERE): "--policy: got pf,wmmse, expected one policy",
        ("--policy", "pf", *WHERE, "--layouts", "3"): "--layouts: got 3, expected --draws",
        ("--policy", "pf", *WHERE, "--draws", "1"): "--draws: got 1, expected at least 2",
        ("--policy", "pf", *WHERE, "--load", "3"): "--load: got an option of tasks handover-traffic and queues",
        ("--policy", "pf", *WHERE, "--reference", "best"): "policy: got 'best', expected one of",
    }  # fmt: skip
    for arguments, message in ours.items():
        run("plan", *arguments, "--out", "out", code=2)
        err = capsys.readouterr().err
        assert message in err and len(err.strip().splitlines()) == 1, err
