"""Commands where optional packages are not installed: they say so before the work, and do what they can."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hetgraph.graph import preset
from hetgraph.trainers.cli import main

WITHOUT_FIGURES = "figures: got no matplotlib, so tables and files alone; pip install 'hetgraph[report]' brings figures"
NO_CURVES = "got no matplotlib, expected it; pip install 'hetgraph[report]'"
TINY = {"data.init_args.train": 2, "data.init_args.val": 1, "data.init_args.size": 2, "model.init_args.hidden": 8}
TINY |= {"trainer.max_epochs": 1}
FIT = ("fit", "hetgnn", *(part for key, value in TINY.items() for part in (f"--{key}", str(value))))
SMALL = ("--scenario", "small.yaml", "--layouts", "2")
pytestmark = pytest.mark.filterwarnings("always:figures. got no matplotlib")


@pytest.fixture(autouse=True)
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command in a folder of its own; what it wrote to its error stream comes back."""
    monkeypatch.chdir(tmp_path)
    preset("hetnet-3tier").scaled(users=0.05, stations=1 / 3).to_yaml(tmp_path / "small.yaml")

    def run(*arguments: str, code: int = 0) -> str:
        with pytest.raises(SystemExit) as done:
            main(list(arguments))
        assert done.value.code == code
        return capfd.readouterr().err

    return run


@pytest.fixture
def no_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "matplotlib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture
def no_tensorboard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard", None)


def figures() -> list[str]:
    return [path.name for suffix in ("png", "pdf") for path in Path().rglob(f"*.{suffix}")]


@pytest.mark.usefixtures("no_matplotlib")
def test_compare_has_tables_a_map_and_a_report(run: Callable[..., str]) -> None:
    err = run("compare", *SMALL, "--policies", "max_rsrp,pf", "--out", "out")
    assert err.count(f"warning: {WITHOUT_FIGURES}\n") == 1
    assert {path.name for path in Path("out").iterdir()} >= {
        "results.json",
        "results.csv",
        "networks.csv",
        "map.json",
    }
    err = run("report", "out")
    page = Path("out/report.html").read_text()
    assert "matplotlib" not in err and "max_rsrp" in page and "<svg" in page and figures() == []


@pytest.mark.usefixtures("no_matplotlib")
def test_who_wants_no_figures_hears_of_none(run: Callable[..., str]) -> None:
    assert "matplotlib" not in run("compare", *SMALL, "--policies", "pf", "--out", "out", "--no-figures")


@pytest.mark.usefixtures("no_matplotlib")
@pytest.mark.filterwarnings("ignore:.*by default.*")
def test_finetune_demo_and_plan_do_without(run: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    from hetgraph.trainers.commands import demo

    monkeypatch.setattr(demo, "SCENARIO", "small.yaml")
    few = ("--epochs", "1", "--batches", "1", "--no-scratch", "--out", "tuned")
    assert WITHOUT_FIGURES in run("finetune", "--ckpt", "hetgnn-hetnet", *SMALL, *few)
    assert "figures: got no matplotlib, so tables alone" in run("demo", "--quick", "--layouts", "1")
    sites = ["site,x,y,z,tier,power_dbm", "a,0,0,25,macro,43", "b,500,0,25,macro,43"]
    Path("sites.csv").write_text("\n".join(sites) + "\n")
    Path("users.csv").write_text("\n".join(["x,y", *(f"{90 * k},{35 * k}" for k in range(1, 6))]) + "\n")
    where = ("--sites", "sites.csv", "--users", "users.csv")
    assert WITHOUT_FIGURES in run("plan", "--policy", "pf", *where, "--draws", "2", "--out", "plan")
    for name in ("tuned/results.json", "runs/demo-quick/report.html", "plan/plan.json"):
        assert Path(name).is_file()
    assert figures() == []


@pytest.mark.usefixtures("no_matplotlib")
def test_a_report_of_curves_alone_needs_the_extra_and_one_of_tables_does_not(run: Callable[..., str]) -> None:
    Path("run").mkdir()
    Path("run/metrics.csv").write_text("epoch,step,val/score\n0,9,2.0\n")
    assert f"hetgraph: error: run/metrics.csv: training curves: {NO_CURVES}" in run("report", "run", code=2)
    Path("run/results.csv").write_text("policy,jain\npf,0.5\n")
    err = run("report", "run")
    assert "warning: figures: got no matplotlib, so tables and the figures that are there alone" in err
    assert "pf" in Path("run/report.html").read_text()


@pytest.mark.usefixtures("no_matplotlib")
def test_reproduce_asks_before_it_trains(run: Callable[..., str]) -> None:
    assert f"hetgraph: error: reproduce: {NO_CURVES}" in run("reproduce", "hetgnn", "--quick", code=2)
    assert not Path("runs").exists()
    run("reproduce", "hetgnn", "--list")


@pytest.mark.usefixtures("no_tensorboard")
def test_fit_logs_without_tensorboard(run: Callable[..., str]) -> None:
    assert "tensorboard" not in run(*FIT).lower()
    assert {path.name for path in Path("runs/hetgnn").iterdir()} >= {"metrics.csv", "best.ckpt", "last.ckpt"}
    assert not list(Path().rglob("events.out.*"))


@pytest.mark.usefixtures("no_tensorboard")
@pytest.mark.parametrize("form", ["alone", "listed"])
def test_who_asks_for_tensorboard_is_told_the_extra_first(
    form: str, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from hetgraph.datasets import SnapshotDataModule

    def built(*_: Any, **__: Any) -> None:
        raise AssertionError("built before the logger was looked at")

    monkeypatch.setattr(SnapshotDataModule, "__init__", built)
    logger = {"class_path": "lightning.pytorch.loggers.TensorBoardLogger", "init_args": {"save_dir": "x"}}
    err = run(*FIT, "--trainer.logger", json.dumps(logger if form == "alone" else [logger]), code=2)
    message = "trainer.logger: got no tensorboard, expected it; pip install 'hetgraph[tensorboard]'"
    assert f"hetgraph: error: {message}\n" in err
