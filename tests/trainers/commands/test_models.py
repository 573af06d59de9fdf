"""`hetgraph models`, and shipped names wherever a command takes a checkpoint."""

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import hetgraph
from hetgraph.graph import preset
from hetgraph.models import GraphQMIX, HetGNN, save
from hetgraph.models.weights import read_weights
from hetgraph.trainers.cli import main
from hetgraph.trainers.common import policies
from hetgraph.trainers.leaderboard.board import digest_of
from hetgraph.trainers.tasks import task_of
from hetgraph.weights import shipped
from hetgraph.weights.card import card_of
from hetgraph.weights.shipped import shipped_names

NAME = "hetgnn-hetnet"
SMALL = preset("hetnet-3tier").scaled(users=0.05, stations=1 / 3)
OWN = ("--sites", "sites.csv", "--users", "users.csv")


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == code


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    SMALL.to_yaml(tmp_path / "small.yaml")
    return tmp_path


@pytest.fixture
def tiny(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of a shipped model of another task than the one that commands take when none is named."""
    monkeypatch.setattr(shipped, "FOLDER", folder)
    save(GraphQMIX(8), folder / "qmix-tiny.safetensors")
    return "qmix-tiny"


def rows(out: str) -> dict[str, dict[str, Any]]:
    return {row["policy"]: row for row in json.loads(Path(out, "results.json").read_text())["rows"]}


def test_all_are_listed_with_their_headlines(capsys: pytest.CaptureFixture[str]) -> None:
    run("models")
    printed = capsys.readouterr().out
    for name in shipped_names():
        card = card_of(name)
        (line,) = [line for line in printed.splitlines() if line.startswith(f"│ {name} ")]
        assert card.system in line and card.task in line and f"{card.weights.size_bytes / 1000:.0f}" in line
        assert card.headline.split(",")[0].split(":")[0][:10] in printed


@pytest.mark.parametrize("name", shipped_names())
def test_a_card_is_shown_whole(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("models", name)
    printed, card = capsys.readouterr().out, card_of(name)
    texts = [card.summary, card.licence, card.version, card.weights.sha256, *card.limits, *card.out_of_scope]
    texts += [card.training.scenario, card.training.seeds, card.training.command, " ".join(card.check.arguments)]
    texts += [text for figure in card.figures for text in (figure.text, figure.networks, figure.command, figure.date)]
    assert [text for text in texts if text not in printed] == []


def test_the_report_of_a_model_is_its_card(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("report", NAME)
    assert f"report: {NAME}.html" in capsys.readouterr().out
    page, card = html.unescape((folder / f"{NAME}.html").read_text()), card_of(NAME)
    assert [line for heading, lines in card.parts.items() for line in (heading, *lines) if line not in page] == []
    assert card.training.seeds in page and card.limits[0] in page and card.headline in page
    (folder / NAME).mkdir()  # a folder of that name comes first
    run("report", NAME, code=2)
    assert "got neither figures nor results" in capsys.readouterr().err
    run("report", "hetgnn-mars", code=2)
    assert "hetgnn-mars: got no such folder, expected one of a run or a comparison, or one" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nothing",), f"models: got 'nothing', expected one of {shipped_names()[0]}"),
        (("--add", "x.ckpt"), "--name: got none, expected --add, --name and --card together"),
        (("--name", "x"), "--add: got none, expected --add, --name and --card together"),
        (("--add", "x.ckpt", "--name", "X", "--card", "c"), "--name: got 'X', expected small letters"),
        (("--add", "x.ckpt", "--name", "x", "--card", "c"), "x.ckpt: got no such file, expected weights"),
        (("--add", "x.ckpt", "--name", "x", "--card", "c", "--folder", "no"), "--folder: got no, expected a folder"),
    ],
)
def test_mistakes(arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("models", *arguments, code=2)
    assert f"hetgraph: error: {message}" in capsys.readouterr().err


def test_a_checkpoint_is_added_and_loads_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "shipped").mkdir()
    model = HetGNN(8, 1, 2)
    save(model, folder / "best.ckpt")
    card = json.loads((shipped.FOLDER / f"{NAME}.json").read_text())
    card["check"] |= {"scenario": "small.yaml", "layouts": 1}
    (folder / "card.yaml").write_text(json.dumps(card))
    run("models", "--add", "best.ckpt", "--name", "own-net", "--card", "card.yaml", "--folder", "shipped")
    monkeypatch.setattr(shipped, "FOLDER", folder / "shipped")
    assert shipped_names() == ["own-net"] and hetgraph.load("own-net").options == model.options


def test_names_are_compared_alone_and_as_seeds_of_one_method() -> None:
    common = ("compare", "--scenario", "small.yaml", "--layouts", "2", "--no-figures")
    run(*common, "--policies", f"max_rsrp,{NAME},twice={NAME}:{NAME}", "--out", "out")
    found = rows("out")
    assert set(found) == {"max_rsrp", NAME, "twice"} and found["twice"]["seeds"] == 2
    assert found["twice"]["sum_rate_bps"] == pytest.approx(found[NAME]["sum_rate_bps"])


def test_a_rule_comes_before_a_model_of_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipped, "FOLDER", folder)
    save(GraphQMIX(8), folder / "pf.safetensors")  # of another task: comparing it would be refused
    run(*("compare", "--scenario", "small.yaml", "--layouts", "1", "--no-figures"), "--policies", "pf", "--out", "out")
    assert set(rows("out")) == {"pf"}


def test_a_model_of_another_task_and_an_unknown_name_are_refused(tiny: str, capsys: pytest.CaptureFixture[str]) -> None:
    run("compare", "--scenario", "small.yaml", "--policies", tiny, code=2)
    assert f"{tiny}: got a model of task handover, expected one of snapshot" in capsys.readouterr().err
    run("compare", "--scenario", "small.yaml", "--policies", "qmix-other", code=2)
    assert f"a shipped model ({tiny})" in capsys.readouterr().err


def test_it_is_fine_tuned() -> None:
    few = ("--epochs", "1", "--batches", "1", "--layouts", "2", "--no-scratch", "--no-figures")
    run("finetune", "--ckpt", NAME, "--scenario", "small.yaml", *few, "--out", "out")
    assert {"before", "after"} < set(rows("out"))
    assert read_weights("out/best.ckpt")[0].system == "hetgnn"


@pytest.mark.parametrize("flag", ["--ckpt", "--policy"])
def test_predict_takes_its_task_from_the_model(flag: str, tiny: str, write_sites: Callable[..., None]) -> None:
    write_sites(Path(), users=20)
    run("predict", flag, tiny, *OWN, "--slots", "2", "--out", "out")
    about = json.loads(Path("out/predict.json").read_text())
    assert about["policy"] == tiny and about["task"] == "handover"


@pytest.mark.filterwarnings("ignore:.*(outside of its training range|by default).*")
def test_plan_takes_it() -> None:
    sites = [f"{name},{x},0,25,macro,43" for name, x in zip("abc", (0, 500, 900), strict=True)]
    Path("sites.csv").write_text("\n".join(["site,x,y,z,tier,power_dbm", *sites]) + "\n")
    Path("users.csv").write_text("\n".join(["x,y", *(f"{90 * k},{35 * k}" for k in range(1, 11))]) + "\n")
    run("plan", "--policy", NAME, *OWN, "--draws", "2", "--no-figures", "--out", "out")
    assert json.loads(Path("out/plan.json").read_text())["policy"] == NAME


def test_the_quick_demo_judges_it_without_training(monkeypatch: pytest.MonkeyPatch) -> None:
    from hetgraph.trainers.commands import demo

    monkeypatch.setattr(demo, "_trained", None)
    monkeypatch.setattr(demo, "SCENARIO", "small.yaml")
    monkeypatch.setattr(demo, "draw_figures", lambda *arguments: drawn.append(arguments[-1]))
    drawn = list[Path]()
    run("demo", "--quick", "--layouts", "1")
    assert NAME in rows("runs/demo-quick") and "hetgnn" not in rows("runs/demo-quick")
    assert NAME in Path("runs/demo-quick/report.html").read_text() and drawn == [Path("runs/demo-quick")]


def test_addresses_of_the_hub_may_be_the_seeds_of_one_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "trained", lambda task, path: path)
    (members,) = policies.policies_of(task_of("snapshot"), f"mine=hf://a/b/c:{NAME}:hf://a/b@v1/d").values()
    assert members == ["hf://a/b/c", NAME, "hf://a/b@v1/d"]
    assert list(policies.policies_of(task_of("snapshot"), "hf://a/b/c.ckpt")) == ["b/c"]


def test_an_entry_of_a_leaderboard_has_the_digests_of_shipped_weights() -> None:
    files = policies.checkpoints_of(task_of("snapshot"), f"pf,{NAME},twice={NAME}:{NAME}")
    weights = shipped.FOLDER / f"{NAME}.safetensors"
    assert files == {"pf": [], NAME: [weights], "twice": [weights, weights]}
    assert digest_of(weights) == card_of(NAME).weights.sha256
