"""From `fit` over `finetune` on somebody's own sites to `report`, for each of the five systems on tiny sizes."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from hetgraph.envs import HandoverEnv
from hetgraph.models import GraphQMIX, load
from hetgraph.models.weights import read_weights
from hetgraph.trainers.cli import main
from hetgraph.trainers.handover import task as handover
from hetgraph.trainers.task import Budget

HANDOVER = {"cells": 7, "users": 30, "networks": 2, "num_envs": 1, "val_networks": 2, "steps": 6, "episodes": 1}
HANDOVER |= {"batch_size": 4, "least": 4}
IOT = {"num_envs": 2, "draws": 2, "batch_size": 2, "least": 4, "episode_slots": 8, "eval_slots": 4, "val_envs": 1}
IOT_SMALL = "iot-noma:users=6,small_cells=2,subchannels=3"
SYSTEMS = {
    "hetgnn": ("hetgnn", {"train": 2, "val": 1, "size": 2}, (), ("--layouts", "2")),
    "hetgnn-mimo": (
        "hetgnn-mimo",
        {"train": 2, "val": 1, "size": 2},
        (),
        ("--layouts", "1", "--scenario", "hetnet-3tier:mimo=true,num_rbs=2"),
    ),
    "mappo": (
        "random-19-light",
        {"num_envs": 2, "layouts": 2, "slots": 4, "rollouts": 2, "val_slots": 20, "val_envs": 1},
        (),
        ("--layouts", "2", "--slots", "20", "--load", "5"),
    ),
    "grows": ("grows", {"num_envs": 4, "draws": 3, "least": 10, "val_episodes": 4}, (), ("--layouts", "1")),
    "qmix": ("qmix", HANDOVER, (), ("--layouts", "2", "--slots", "3")),
    "maddqn": ("iot-noma", IOT, ("--data.init_args.scenario", IOT_SMALL), ("--layouts", "1", "--slots", "3")),
}


MAIN = {
    "hetgnn": "sum_rate_bps",
    "hetgnn-mimo": "sum_rate_bps",
    "mappo": "mean_delay_ms",
    "grows": "utility",
    "qmix": "anu",
    "maddqn": "throughput_bps",
}


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == code


def fit(folder: Path, config: str, sizes: dict[str, int], *more: str) -> Path:
    """Best checkpoint of a tiny training."""
    parts = [part for key, value in sizes.items() for part in (f"--data.init_args.{key}", str(value))]
    width = ("widths", "[8,8]") if config.startswith("grows") else ("hidden", "8")
    tiny = (
        f"--model.init_args.{width[0]}",
        width[1],
        "--trainer.max_epochs",
        "1",
        "--trainer.limit_train_batches",
        "2",
    )
    run("fit", config, *parts, *tiny, "--trainer.default_root_dir", str(folder), *more)
    return folder / "best.ckpt"


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_checkpoint_goes_to_somebodys_own_network(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    write_sites: Callable[[Path], None],
) -> None:
    monkeypatch.chdir(tmp_path)
    config, sizes, more, judged = SYSTEMS[name]
    path = fit(tmp_path / "first", config, sizes, *more)
    assert load(path).name == name
    write_sites(tmp_path)
    short = ("--epochs", "1", "--batches", "2", "--no-figures")
    where = ("--sites", "sites.csv", "--users", "users.csv")
    alone = ("--no-scratch",) if name == "grows" else ()  # an episode of ninety cells has 1,200 slots
    run("finetune", "--ckpt", str(path), *where, *short, *judged, *alone, "--out", "tuned")
    words = {"before", "after"} | (set() if alone else {"from scratch"})
    printed = capsys.readouterr().out
    assert all(word in printed for word in words)
    rows = {row["policy"]: row for row in csv.DictReader((tmp_path / "tuned/results.csv").read_text().splitlines())}
    assert words < set(rows) and len(rows) >= 4
    tuned = load("tuned/best.ckpt")
    assert tuned.name == name and tuned.options == load(path).options
    task = ([] if name == "hetgnn" else [tuned.task]) + ["--policies", "tuned/best.ckpt", *where, *judged]
    run("compare", *task, "--no-figures", "--out", "again")
    (row,) = csv.DictReader((tmp_path / "again/results.csv").read_text().splitlines())
    own = MAIN[name]
    assert float(row[own]) == pytest.approx(float(rows["after"][own]), rel=1e-6)
    for file in ("cells.csv", "users.csv"):  # of the fine-tuned policy, as `predict` would write them
        tuned_rows, again = (list(csv.DictReader(Path(f, file).read_text().splitlines())) for f in ("tuned", "again"))
        assert [{"policy": "tuned/best", **row} for row in tuned_rows] == again and len(again) >= 90
    assert json.loads((tmp_path / "tuned/predict.json").read_text())["task"] == tuned.task
    for folder in ("first", "tuned"):
        run("report", folder)
        page = (tmp_path / folder / "report.html").read_text()
        assert page.count("data:image/png;base64") >= 1  # learning curves


def test_handover_agents_go_on_from_everything_of_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []

    def fit_price(policy: GraphQMIX, networks: Callable[[], HandoverEnv], *, seed: int) -> None:
        fitted.append(networks().num_envs)
        policy.get_buffer("patience").fill_(0.125)

    rule = ("--model.init_args.intentions", "2", "--model.init_args.agreements", "2")
    open_price = (*rule, "--model.init_args.patience", "null", "--model.init_args.crowding", "null")
    header, tensors = read_weights(fit(tmp_path / "first", "qmix", HANDOVER, *open_price))
    monkeypatch.setattr("hetgraph.trainers.handover.price.fit_price", fit_price)
    training = handover.TASK.training(header, tensors, handover.Options(cells=14), Budget(epochs=1, batches=3, seed=3))
    module, data = training.module, training.data
    assert data.size == (14, 140) and data.networks["train"] == 2 and data.generation is None  # type: ignore[attr-defined]
    state = module.state_dict()
    for name in ("reward_mean", "credit_std", "model.ue_mean", "target.model.edge_std"):
        assert torch.equal(state[name], tensors[name]), name
    assert module.hparams["lr"] == header.training["options"]["lr"]
    assert fitted == [2]  # on the new networks
    assert module.target_model.price() == module.model.price() and module.model.price()[0] == 0.125  # type: ignore[operator,union-attr]


def test_agents_begin_from_nothing_or_from_a_rule(tmp_path: Path) -> None:
    """What the README says of `agreements` and `intentions` needs no further option."""
    for name, counts in (("plain", ()), ("announced", (4, 0)), ("negotiated", (4, 4))):
        options = zip(("intentions", "agreements"), counts, strict=False)
        more = [part for option, count in options for part in (f"--model.init_args.{option}", str(count))]
        policy = load(fit(tmp_path / name, "qmix", HANDOVER, *more))
        assert (policy.intentions, policy.agreements) == (counts or (0, 0))


def test_what_is_kept_is_never_worse_than_before_on_validation(tmp_path: Path) -> None:
    path = fit(tmp_path / "first", "iot-noma", IOT, "--data.init_args.scenario", IOT_SMALL)
    out = tmp_path / "out"
    run(
        *(
            "finetune",
            "--ckpt",
            str(path),
            "--scenario",
            "iot-oma:users=9,small_cells=3,subchannels=4",
            "--epochs",
            "1",
        ),
        *(
            "--batches",
            "2",
            "--layouts",
            "2",
            "--slots",
            "4",
            "--lr",
            "0.9",
            "--no-scratch",
            "--no-figures",
            "--out",
            str(out),
        ),
    )
    # No good comes of such a learning rate: the weights that are kept are those of before.
    before, after = load(path), load(out / "best.ckpt")
    assert all(torch.equal(value, after.state_dict()[name]) for name, value in before.state_dict().items())
    rows = {r["policy"]: r for r in csv.DictReader((out / "results.csv").read_text().splitlines())}
    assert rows["before"]["throughput_bps"] == rows["after"]["throughput_bps"]
    assert set(rows) == {"wmmse_max_rsrp", "wmmse_path_loss", "before", "after"}
    assert json.loads((out / "results.json").read_text())["reference"] == "before"


def test_mistakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    path = str(fit(tmp_path / "first", "hetgnn", {"train": 2, "val": 1, "size": 2}))
    for arguments, message in (
        (("--epochs", "0"), "--epochs: got 0, expected at least 1"),
        (("--lr", "nan"), "--lr: got nan, expected a number above 0"),
        (("--layout", "uma-5bs"), "--layout: got an option that is gone"),
        (("--load", "3"), "--load: got an option of tasks handover-traffic and queues"),
        (("--gain", "none.npz"), "none.npz: got no such file"),
        (("--out", "first"), "--out: got first, where a run has left its results"),
    ):
        run("finetune", "--ckpt", path, *arguments, code=2)
        assert message in capsys.readouterr().err
