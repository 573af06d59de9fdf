"""Fine-tuning of handover and IoT agents on other networks."""

import csv
from pathlib import Path

import pytest
import torch

from hetgraph.trainers import load_handovers, load_hybrid
from hetgraph.trainers.cli import main
from hetgraph.trainers.common.adapt import adapt, kind_of
from hetgraph.trainers.common.checkpoint import read_checkpoint

HANDOVER = {"cells": 7, "users": 30, "networks": 2, "num_envs": 1, "val_networks": 2, "steps": 6, "episodes": 1}
HANDOVER |= {"batch_size": 4, "least": 4}
IOT = {"num_envs": 2, "draws": 2, "batch_size": 2, "least": 4, "episode_slots": 8, "eval_slots": 4, "val_envs": 1}
IOT_SMALL = "iot-noma:users=6,small_cells=2,subchannels=3"


def run(*arguments: str) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == 0


def fit(folder: Path, config: str, sizes: dict[str, int], *more: str) -> Path:
    parts = [part for key, value in sizes.items() for part in (f"--data.init_args.{key}", str(value))]
    tiny = ("--model.init_args.hidden", "8", "--trainer.max_epochs", "1", "--trainer.default_root_dir", str(folder))
    run("fit", "--config", config, *parts, *tiny, *more)
    (path,) = folder.rglob("last.ckpt")
    return path


def test_handover_agents_go_on_from_everything_of_the_checkpoint(tmp_path: Path) -> None:
    open_price = ("--model.init_args.patience", "null", "--model.init_args.crowding", "null")
    path = fit(tmp_path / "first", "qmix", HANDOVER, *open_price)
    content = read_checkpoint(path)
    assert kind_of(content["hyper_parameters"]) == "handover"
    module, data = adapt(path, "hetnet-3tier", tmp_path / "kept", epochs=1, draws=3, cells=14, users=40, seed=3)
    assert data.size == (14, 40) and data.networks["train"] == 2 and data.generation is None
    state = content["state_dict"]
    for name in ("reward_mean", "credit_std", "policy.ue_mean", "target.edge_std"):
        assert torch.equal(module.state_dict()[name], state[name]), name
    assert module.lr == module.hparams["lr"] == content["hyper_parameters"]["lr"]
    before = tuple(float(state[f"policy.{name}"]) for name in ("patience", "crowding"))
    assert module.target.price() == module.model.price() != before
    best = load_handovers(tmp_path / "kept" / "finetuned.ckpt")
    assert all(torch.equal(value, module.model.state_dict()[name]) for name, value in best.state_dict().items())
    out = tmp_path / "out"
    run(
        *("finetune", "--ckpt", str(path), "--layout", "hetnet-3tier", "--cells", "14", "--epochs", "1"),
        *("--batches", "2", "--layouts", "2", "--lr", "0.01", "--out", str(out)),
    )
    rows = {row["policy"] for row in csv.DictReader((out / "results.csv").read_text().splitlines())}
    assert rows == {"max_rsrp", "pf_negotiated", "dual_price", "before", "after"}


def test_agents_learn_with_less_of_the_rule(tmp_path: Path) -> None:
    """What the README says of `agreements` and `intentions` needs no further option."""
    for name, options in (("announced", ["agreements"]), ("plain", ["agreements", "intentions"])):
        more = [part for option in options for part in (f"--model.init_args.{option}", "0")]
        policy = load_handovers(fit(tmp_path / name, "qmix", HANDOVER, *more))
        assert (policy.agreements, bool(policy.intentions)) == (0, name == "announced")


@pytest.mark.filterwarnings("ignore:You're using the WeightAveraging callback")
def test_a_checkpoint_from_before_an_option_goes_on_as_it_was_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = fit(tmp_path, "qmix", HANDOVER)
    old = torch.load(path, weights_only=True)
    del old["hyper_parameters"]["crowding"]
    torch.save(old, path)
    sizes = [part for key, value in HANDOVER.items() for part in (f"--data.init_args.{key}", str(value))]
    again = ["validate", "--config", "qmix", "--ckpt_path", str(path), *sizes]
    again += ["--trainer.default_root_dir", str(tmp_path), "--model.init_args.hidden", "8"]
    with pytest.raises(SystemExit) as done:
        main([*again, "--model.init_args.crowding", "0.01"])
    assert done.value.code == 2
    assert "crowding: got 0.01 with a checkpoint from before this option, expected 0.0" in capsys.readouterr().err
    run(*again)


def test_iot_agents_are_never_worse_than_before_on_validation(tmp_path: Path) -> None:
    scenario = ("--data.init_args.scenario", IOT_SMALL)
    path = fit(tmp_path / "first", "iot-noma", IOT, *scenario)
    out = tmp_path / "out"
    run(
        *("finetune", "--ckpt", str(path), "--layout", "iot-oma:users=9,small_cells=3,subchannels=4", "--epochs", "1"),
        *("--batches", "2", "--layouts", "2", "--lr", "10", "--out", str(out)),
    )
    # No good comes of such a learning rate: the weights that are kept are those of before.
    before, after = load_hybrid(path), load_hybrid(out / "finetuned.ckpt")
    assert all(torch.equal(value, after.state_dict()[name]) for name, value in before.state_dict().items())
    rows = {r["policy"]: r for r in csv.DictReader((out / "results.csv").read_text().splitlines())}
    assert rows["before"]["throughput_bps"] == rows["after"]["throughput_bps"]
    assert set(rows) == {"wmmse_max_rsrp", "wmmse_path_loss", "before", "after"}
