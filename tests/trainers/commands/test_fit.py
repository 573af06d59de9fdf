"""`hetgraph fit`: every shipped configuration trains, what a run leaves, and how it ends."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from hetgraph.models import load
from hetgraph.trainers import SupervisedModule
from hetgraph.trainers.cli import CONFIGS, config_path, main
from hetgraph.trainers.common.resume import read_checkpoint


def run(*arguments: str) -> Any:
    """Exit code of the command."""
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return done.value.code


NAMES = sorted(path.stem for path in CONFIGS.glob("*.yaml"))
ALWAYS = ("conflict-8", "grows", "hetgnn", "hetgnn-distill", "iot-noma", "qmix", "qmix-paper", "random-19-heavy")


def tiny(name: str) -> list[str]:
    """Options with which a shipped configuration trains for a batch in seconds."""
    if name.startswith(("conflict", "hex", "mappo", "random")):
        sizes = {"num_envs": 4, "slots": 4, "rollouts": 2, "val_slots": 20, "val_envs": 2}
    elif name == "qmix-traffic":
        sizes = {"num_envs": 2, "networks": 2, "episodes": 1, "updates": 2, "batch_size": 4, "val_networks": 1}
    elif name.startswith(("qmix", "d3qn")):
        sizes = {"cells": 7, "users": 30, "networks": 2, "num_envs": 1, "val_networks": 2, "steps": 6, "episodes": 1}
        sizes |= {"batch_size": 4, "least": 4}
    elif name.startswith("iot"):
        sizes = {"num_envs": 2, "draws": 2, "batch_size": 2, "least": 4, "episode_slots": 8, "eval_slots": 4}
        sizes |= {"val_envs": 1}
    elif name.startswith("grows"):
        sizes = {"num_envs": 4, "draws": 3, "least": 10, "val_episodes": 4, "test_episodes": 4}
    else:
        sizes = {"train": 2, "val": 1, "size": 2}
    options = {f"data.init_args.{key}": str(value) for key, value in sizes.items()}
    width, narrow = ("widths", "[8,8]") if name.startswith("grows") else ("hidden", "8")
    options |= {f"model.init_args.{width}": narrow, "trainer.limit_train_batches": "1", "trainer.max_epochs": "1"}
    options |= {"model.init_args.flat_cells": "7"} if name == "qmix-paper" else {}
    return [part for key, value in options.items() for part in (f"--{key}", value)]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.all) for name in NAMES]
)
def test_shipped_configurations_fit_their_classes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("fit", name, *tiny(name)) == 0
    (best,) = tmp_path.rglob("best.ckpt")
    assert load(best).task
    assert (best.parent / "metrics.csv").exists() and list(best.parent.glob("events.out.*"))
    assert best.with_name("last.ckpt").exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("name", NAMES)
def test_shipped_configurations_train_on_a_gpu(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("fit", name, *tiny(name), "--trainer.accelerator", "gpu", "--trainer.devices", "1") == 0
    (best,) = tmp_path.rglob("best.ckpt")
    assert all(parameter.is_cpu for parameter in load(best).parameters())


def test_last_checkpoint_is_the_last_epoch_where_nothing_improves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = {"data.init_args.train": 2, "data.init_args.val": 1, "data.init_args.size": 2, "model.init_args.hidden": 8}
    still = {"model.init_args.lr": 1e-30, "trainer.limit_train_batches": 1, "trainer.max_epochs": 3}
    assert run("fit", "hetgnn", *(part for k, v in (sizes | still).items() for part in (f"--{k}", str(v)))) == 0
    (last,) = tmp_path.rglob("last.ckpt")
    assert read_checkpoint(last)["epoch"] == 2


def test_validation_of_a_run_leaves_its_metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("fit", "hetgnn", *tiny("hetgnn")) == 0
    (metrics,) = tmp_path.rglob("metrics.csv")
    before = metrics.read_text()
    for command in ("validate", "test"):
        assert (
            run(command, "--config", "hetgnn", *tiny("hetgnn"), "--ckpt_path", str(metrics.with_name("best.ckpt"))) == 0
        )
    assert metrics.read_text() == before


def test_terminated_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)

    def end(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(SupervisedModule, "on_train_batch_end", end, raising=False)
    sizes = {"data.init_args.train": 2, "data.init_args.val": 1, "data.init_args.size": 2, "model.init_args.hidden": 8}
    with pytest.raises(SystemExit) as done:
        main(["fit", "--config", "hetgnn", *(part for k, v in sizes.items() for part in (f"--{k}", str(v)))])
    assert done.value.code == 128 + signal.SIGTERM and "hetgraph: terminated" in capfd.readouterr().err


def test_a_folder_with_a_run_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = {"data.init_args.train": 2, "data.init_args.val": 1, "data.init_args.size": 2, "model.init_args.hidden": 8}
    tiny = [part for k, v in (sizes | {"trainer.max_epochs": 1}).items() for part in (f"--{k}", str(v))]
    assert run("fit", "hetgnn", *tiny) == 0
    best = tmp_path / "runs/hetgnn/best.ckpt"
    before = best.read_bytes()
    assert run("fit", "hetgnn", *tiny) == 2
    assert "runs/hetgnn: got a folder with an earlier run's last.ckpt" in capfd.readouterr().err
    assert run("fit", "hetgnn", *tiny, "--ckpt_path", str(best)) == 2
    assert "best.ckpt: got no checkpoint to resume from" in capfd.readouterr().err
    assert best.read_bytes() == before
    assert run("validate", "hetgnn", *tiny, "--ckpt_path", str(best)) == 0
    assert run("fit", "hetgnn", *tiny, "--overwrite", "true", "--model.init_args.rounds", "1") == 0
    assert load(best).options["rounds"] == 1


@pytest.mark.parametrize(
    ("config", "option", "value", "message"),
    [
        ("conflict-8", "model.init_args.gamma", "3", "gamma: got 3.0, expected a number from 0 to 1"),
        ("conflict-8", "model.init_args.gamma", ".inf", "gamma: got inf"),
        ("conflict-8", "model.init_args.entropy", ".nan", "entropy: got nan"),
        ("conflict-8", "model.init_args.clip", "-1", "clip: got -1"),
        ("conflict-8", "model.init_args.lam", "-1", "lam: got -1"),
        ("conflict-8", "model.init_args.lr", "-1", "lr: got -1"),
        ("conflict-8", "model.init_args.epochs", "0", "epochs: got 0"),
        ("conflict-8", "model.init_args.colours", "0", "colours: got 0"),
        ("qmix", "model.init_args.soft", "-1", "soft: got -1"),
        ("grows", "model.init_args.target_every", "0", "target_every: got 0"),
        ("grows", "data.init_args.batch_size", "0", "batch_size: got 0"),
        ("iot-noma", "data.init_args.sigma", ".nan", "sigma: got nan"),
    ],
)
def test_options_are_checked_where_they_enter(
    config: str, option: str, value: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("fit", config, f"--{option}", value) == 2
    assert message in capfd.readouterr().err


def test_a_training_that_stops_being_finite_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = {"data.init_args.train": 8, "data.init_args.val": 1, "data.init_args.size": 2, "model.init_args.hidden": 8}
    tiny = [part for k, v in (sizes | {"trainer.max_epochs": 2}).items() for part in (f"--{k}", str(v))]
    step = SupervisedModule.training_step

    def poisoned(self: SupervisedModule, batch: Any, batch_idx: int) -> Any:
        return step(self, batch, batch_idx) * (float("nan") if self.current_epoch else 1)

    monkeypatch.setattr(SupervisedModule, "training_step", poisoned)
    assert run("fit", "hetgnn", *tiny) == 2
    assert "training: got a loss that is not finite at step" in capfd.readouterr().err
    assert load(tmp_path / "runs/hetgnn/best.ckpt").name == "hetgnn"


def test_several_processes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("fit", "hetgnn", "--trainer.devices", "2") == 2
    assert "trainer.devices: got 2 processes, expected one: all would draw the same networks" in capfd.readouterr().err
    assert not list(tmp_path.rglob("*.ckpt"))


def test_config_names_and_paths(tmp_path: Path) -> None:
    assert config_path("hetgnn").endswith("hetgnn.yaml")
    (tmp_path / "mine.yaml").write_text("{}")
    assert config_path(str(tmp_path / "mine.yaml")) == str(tmp_path / "mine.yaml")
