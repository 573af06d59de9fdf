"""Training end to end on tiny sizes, checkpoints, resumed runs, and the command's way with mistakes."""

import csv
import json
import os
import pickle
import signal
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from hetgraph.datasets import SnapshotDataModule
from hetgraph.envs import IoTEnv
from hetgraph.envs.rollout import rollout
from hetgraph.graph import links_of, preset
from hetgraph.radio import Allocation, evaluate, handover_policy, iot_policy, policy
from hetgraph.trainers import DistillationModule, HandoverDataModule, load_model, load_policy, save_weights
from hetgraph.trainers.cli import CONFIGS, config_path, main
from hetgraph.trainers.common.checkpoint import RandomState, read_checkpoint
from hetgraph.trainers.snapshot import losses

SMALL = preset("hetnet-3tier").scaled(users=0.05, stations=1 / 3)


def data_module(root: Path, teacher: str | None) -> SnapshotDataModule:
    data = SnapshotDataModule("hetnet-3tier", teacher, str(root), train=6, val=2, test=2, size=2)
    data.scenarios = [SMALL]
    return data


def trainer(folder: Path, epochs: int, *callbacks: lightning.Callback) -> lightning.Trainer:
    return lightning.Trainer(
        max_epochs=epochs, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0, reload_dataloaders_every_n_epochs=1, default_root_dir=folder,
        callbacks=[ModelCheckpoint(folder, save_last=True, enable_version_counter=False), RandomState(), *callbacks],
    )  # fmt: skip


def module(**options: Any) -> DistillationModule:
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return DistillationModule(rounds=2, hidden=8, **options)


def test_all_losses_train_together_and_fall(tmp_path: Path) -> None:
    student = module(
        weight_association=0.2, weight_power=0.02, weight_antenna=0.1, weight_rate=1.0, weight_fairness=0.1,
        weight_min_rate=0.1, weight_utility=0.1, lr=1e-2, split="space",
    )  # fmt: skip
    run = trainer(tmp_path, 8)
    seen: list[float] = []

    class Watch(lightning.Callback):
        def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
            seen.append(float(trainer.callback_metrics["train/loss"]))

    run.callbacks.append(Watch())  # type: ignore[attr-defined]
    run.fit(student, datamodule=data_module(tmp_path, "pf"))
    assert seen[-1] < 0.9 * seen[0]
    names = {"association", "power", "antenna", "rate", "fairness", "min_rate", "utility"}
    assert names <= {k.removeprefix("train/") for k in run.callback_metrics}
    assert all(
        f"val/{k}" in run.callback_metrics
        for k in ("pf_gain", "score", "jain_vs_reference", "p5_rate_vs_reference", "sum_rate_vs_reference")
    )


def test_the_losses_vanish_for_the_teacher_itself() -> None:
    batch = SMALL.sample(2, seed=1)
    links = links_of(batch)
    allocation = policy("pf")(batch)
    prediction = module().model(batch)
    slot = links.slot_of(allocation.serving)
    hard = (links.lift(torch.arange(links.num_edges)) == links.from_ue(links.first_edge + slot)).float()
    fraction = allocation.power_w / batch["bs"].power_max_w.unsqueeze(1)
    from hetgraph.nn.refine import Round
    from hetgraph.radio.relaxed import channels_of, edge_rates

    rates = edge_rates(channels_of(batch, links), links, fraction)
    seen = Round(fraction, hard, hard, rates, prediction.rounds[0].price)
    mask = torch.ones(links.num_ue, dtype=torch.bool)
    rate = evaluate(batch, allocation).rate_bps
    torch.testing.assert_close(losses.soft_rates(seen, links, batch), rate, rtol=1e-3, atol=1.0)
    assert float(losses.association_loss(seen, links, slot, mask)) == pytest.approx(0, abs=1e-6)
    assert float(losses.power_loss(seen, fraction)) == 0
    assert float(losses.rate_loss(losses.soft_rates(seen, links, batch), rate, mask)) < 1e-3
    jain = evaluate(batch, Allocation(allocation.serving, allocation.power_w)).jain.mean()
    assert float(losses.fairness_loss(rate, links)) == pytest.approx(1 - float(jain), abs=1e-5)


def test_a_resumed_run_ends_bit_equal(tmp_path: Path) -> None:
    whole = module()
    trainer(tmp_path / "whole", 3).fit(whole, datamodule=data_module(tmp_path, None))
    half = module()
    stop = trainer(tmp_path / "half", 3)

    class Interrupt(lightning.Callback):
        def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
            if trainer.current_epoch == 1:
                trainer.should_stop = True

    stop.callbacks.append(Interrupt())  # type: ignore[attr-defined]
    stop.fit(half, datamodule=data_module(tmp_path, None))
    resumed = module()
    trainer(tmp_path / "half", 3).fit(
        resumed, datamodule=data_module(tmp_path, None), ckpt_path=tmp_path / "half" / "last.ckpt"
    )
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert not torch.equal(half.model.price_head[0].weight, whole.model.price_head[0].weight)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    trainer(folder, 1).fit(module(), datamodule=data_module(folder, None))
    return folder / "last.ckpt"


def test_checkpoints_become_policies_and_weights(checkpoint: Path, tmp_path: Path) -> None:
    batch = SMALL.sample(2, seed=3)
    model = load_model(checkpoint)
    first = load_policy(checkpoint)(batch)
    options = read_checkpoint(checkpoint)["hyper_parameters"]
    second = load_policy(save_weights(model, options, tmp_path / "w.safetensors"))(batch)
    assert torch.equal(first.power_w, second.power_w) and torch.equal(first.serving, second.serving)
    assert module(init_from=str(checkpoint)).model.state_dict().keys() == model.state_dict().keys()


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return exec, ("import pathlib; pathlib.Path('exploded').write_text('x')",)


def test_hostile_and_foreign_checkpoints_are_refused(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": Bomb(), "hyper_parameters": {}}, tmp_path / "bomb.ckpt")
    (tmp_path / "raw.ckpt").write_bytes(pickle.dumps(Bomb()))
    (tmp_path / "text.ckpt").write_text("weights")
    torch.save({"a": 1}, tmp_path / "other.ckpt")
    torch.save({"state_dict": {}, "hyper_parameters": {"depth": 3}}, tmp_path / "foreign.ckpt")
    for name, message in (
        ("bomb", "not loaded"), ("raw", "expected"), ("text", "expected"), ("other", "expected a Lightning checkpoint"),
        ("foreign", "expected a checkpoint of HetGNN"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            load_policy(tmp_path / f"{name}.ckpt")
    with pytest.raises(ValueError, match="another model"), torch.random.fork_rng():
        DistillationModule(rounds=2, hidden=16, init_from=str(checkpoint))
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", sorted(p.stem for p in CONFIGS.glob("*.yaml")))
def test_shipped_configurations_fit_their_classes(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if name.startswith(("conflict", "hex", "random")):
        sizes = {"num_envs": 4, "slots": 4, "rollouts": 2, "val_slots": 20, "val_envs": 2}
    elif name.startswith(("qmix", "d3qn")):
        sizes = {"cells": 7, "users": 30, "networks": 2, "num_envs": 1, "val_networks": 2, "steps": 6, "episodes": 1}
        sizes |= {"batch_size": 4, "least": 4}
    elif name.startswith("iot"):
        sizes = {
            "num_envs": 2,
            "draws": 2,
            "batch_size": 2,
            "least": 4,
            "episode_slots": 8,
            "eval_slots": 4,
            "val_envs": 1,
        }
    elif name.startswith("grows"):
        sizes = {"num_envs": 4, "draws": 3, "least": 10, "val_episodes": 4, "test_episodes": 4}
    else:
        sizes = {"train": 2, "val": 1, "size": 2}
    tiny = [part for key, value in sizes.items() for part in (f"--data.init_args.{key}", str(value))]
    width = ["widths", "[8,8]"] if name.startswith("grows") else ["hidden", "8"]
    tiny += [
        f"--model.init_args.{width[0]}",
        width[1],
        "--trainer.limit_train_batches",
        "1",
        "--trainer.max_epochs",
        "1",
    ]
    tiny += ["--model.init_args.flat_cells", "7"] if name == "qmix-paper" else []
    with pytest.raises(SystemExit) as done:
        main(["fit", "--config", name, *tiny])
    assert done.value.code == 0
    (best,) = tmp_path.rglob("best.ckpt")
    assert (best.parent / "metrics.csv").exists() and list(best.parent.glob("events.out.*"))
    assert best.with_name("last.ckpt").exists()


def test_last_checkpoint_is_the_last_epoch_where_nothing_improves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = {"data.init_args.train": 2, "data.init_args.val": 1, "data.init_args.size": 2, "model.init_args.hidden": 8}
    still = {"model.init_args.lr": 0.0, "trainer.limit_train_batches": 1, "trainer.max_epochs": 3}
    with pytest.raises(SystemExit) as done:
        main(["fit", "--config", "hetgnn", *(part for k, v in (sizes | still).items() for part in (f"--{k}", str(v)))])
    assert done.value.code == 0
    epochs = {p.stem: torch.load(p, weights_only=False)["epoch"] for p in tmp_path.rglob("*.ckpt")}  # our own files
    assert epochs == {"best": 0, "last": 2}


def test_terminated_run_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.chdir(tmp_path)

    def end(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(DistillationModule, "on_train_batch_end", end, raising=False)
    sizes = {"data.init_args.train": 2, "data.init_args.val": 1, "data.init_args.size": 2, "model.init_args.hidden": 8}
    with pytest.raises(SystemExit) as done:
        main(["fit", "--config", "hetgnn", *(part for k, v in sizes.items() for part in (f"--{k}", str(v)))])
    assert done.value.code == 128 + signal.SIGTERM and "hetgraph: terminated" in capfd.readouterr().err


MISTAKES = [
    (["compare", "--env", "iot-noma", "--policies", "best"], "policy: got 'best', expected one of"),
    (["compare", "--env", "iot-xx"], "preset: got 'iot-xx'"),
    (["compare", "--env", "iot-noma", "--layouts", "0"], "--layouts: got 0, expected at least 1"),
    (["compare", "--env", "handover", "--scenario", "mars"], "or a folder of drive tests"),
    (["compare", "--env", "handover", "--cells", "0"], "cells: got 0, expected a positive number"),
    (["compare", "--env", "handover", "--slots", "0"], "--slots: got 0, expected at least 1"),
    (
        ["finetune", "--ckpt", "any.ckpt", "--layout", "uma-5bs", "--epochs", "0"],
        "--epochs: got 0, expected at least 1",
    ),
    (["compare", "--env", "handover", "--reference", "best"], "--reference: got 'best', expected one of max_rsrp"),
    (["compare", "--scenario", "mars"], "preset: got 'mars', expected one of uma-5bs"),
    (["compare", "--policies", "best"], "policy: got 'best', expected one of"),
    (["compare", "--policies", "no/such.ckpt"], "no/such.ckpt: got no such file, expected a checkpoint"),
    (["compare", "--scenario", "none.yaml"], "none.yaml: got no such file"),
    (["compare", "--sites", "none.csv"], "none.csv: got no such file, expected a CSV with the columns x,y,z"),
    (["compare", "--users", "u.csv"], "--users: got a file without --sites"),
    (["compare", "--gain", "none.npz"], "none.npz: got no such file"),
    (["compare", "--layouts", "0"], "got 4 policies and 0 layouts, expected at least one"),
    (["compare", "--reference", "wmmse", "--policies", "pf"], "--reference: got 'wmmse', expected one of pf"),
    (["generate", "--out", "x", "--count", "0"], "--count: got 0, expected 1 or more"),
    (["report", "nowhere"], "nowhere: got no such folder"),
    (
        ["fit", "--config", "conflict-8", "--trainer.enable_progress_bar", "false"],
        "`enable_progress_bar=False` but found",
    ),
    (["compare", "--env", "mars"], "preset: got 'mars', expected one of uma-5bs"),
    (["compare", "--env", "conflict-8", "--load", "much"], "--load: got 'much', expected numbers"),
    (["compare", "--env", "conflict-8", "--policies", "lqf_subband"], "policy: got an environment without channels"),
    (["compare", "--env", "hex-19", "--policies", "gms"], "policy gms: got a graph without conflict edges"),
    (["compare", "--env", "hex-19", "--traffics", "0"], "got 4 policies, 40 layouts, 0 traffic seeds"),
    (["compare", "--policies", "gms"], "policy: got 'gms', which acts in an environment"),
    (["fit", "--config", "nothing"], "--config: got 'nothing', expected a file or one of conflict-8, d3qn, grows"),
    (["fit", "--config", "hetgnn", "--model.init_args.roundz", "3"], "'roundz' is not accepted"),
    (["conquer"], "command: got 'conquer', expected one of fit"),
]


@pytest.mark.parametrize(("arguments", "message"), MISTAKES)
def test_mistakes_get_one_sentence_and_exit_code_2(
    arguments: list[str],
    message: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as done:
        main(arguments)
    err = capsys.readouterr().err
    assert done.value.code == 2
    assert message in err and "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith("hetgraph: error:")]) == 1


def test_compare_end_to_end(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    SMALL.to_yaml(tmp_path / "small.yaml")
    policies = f"max_rsrp,pf,student={checkpoint}:{checkpoint}"
    arguments = ["compare", "--scenario", "small.yaml", "--policies", policies, "--layouts", "3", "--out", "out"]
    with pytest.raises(SystemExit) as done:
        main(arguments)
    assert done.value.code == 0
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {row["policy"]: row for row in results["rows"]}
    assert set(rows) == {"max_rsrp", "pf", "student"}
    assert results["scenario_hash"] == SMALL.hash
    assert [(row["seeds"], row["networks"]) for row in rows.values()] == [(1, 3), (1, 3), (2, 3)]
    itself = rows["max_rsrp"]
    assert itself["pf_gain"] == itself["pf_gain_low"] == itself["pf_gain_high"] == 0
    assert itself["sum_rate_vs_reference"] == itself["sum_rate_vs_reference_low"] == 1
    assert sorted(row["rank"] for row in rows.values()) == [1, 2, 3]
    each = list(csv.DictReader((tmp_path / "out" / "layouts.csv").read_text().splitlines()))
    rates = {
        name: np.mean([float(r["sum_rate_bps"]) for r in each if r["policy"] == name]) for name in ("max_rsrp", "pf")
    }
    assert rows["pf"]["sum_rate_bps"] == pytest.approx(rates["pf"])
    assert rows["pf"]["sum_rate_vs_reference"] == pytest.approx(rates["pf"] / rates["max_rsrp"])
    lines = (tmp_path / "out" / "layouts.csv").read_text().splitlines()
    assert len(lines) == 1 + 3 + 3 + 6
    assert len((tmp_path / "out" / "results.csv").read_text().splitlines()) == 4
    figures = {p.stem for p in (tmp_path / "out").glob("*.png")}
    expected = {"rate_cdf", "power_per_rb", "load_per_station", "confusion", "association_map", "distance_pathloss"}
    assert figures == expected == {p.stem for p in (tmp_path / "out").glob("*.pdf")}
    with pytest.raises(SystemExit):
        main(["report", "out"])
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count("data:image/png;base64") == 6 and "http" not in page.replace("http-equiv", "")


def test_delays_are_compared_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = [
        "compare",
        "--env",
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
    assert len((tmp_path / "out" / "networks.csv").read_text().splitlines()) == 1 + 2 * 3 * 4
    assert {p.stem for p in (tmp_path / "out").glob("*.png")} == {"delay_cdf", "delay_parts"}


@pytest.mark.parametrize(
    ("arguments", "policies", "rows"),
    [
        (["handover", "--cells", "7", "--cre", "--slots", "5"], "max_rsrp,pf_announced", 2),
        (["iot-noma:users=6,small_cells=2,subchannels=3", "--slots", "4"], "wmmse_max_rsrp,wmmse_path_loss", 2),
    ],
)
def test_compare_on_networks(
    arguments: list[str], policies: str, rows: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as done:
        main(["compare", "--env", *arguments, "--policies", policies, "--layouts", "3", "--out", str(out)])
    assert done.value.code == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in policies.split(","))
    found = list(csv.DictReader((out / "results.csv").read_text().splitlines()))
    assert [row["policy"] for row in found] == policies.split(",") and (out / "differences.png").exists()
    name = arguments[0]
    if name == "handover":
        data = HandoverDataModule("hetnet-3tier", 7, 70, test_networks=3, steps=5, cre=True)
        rule = handover_policy("pf_announced")
        again = rollout(data.environment("test"), {"": rule}, seed=2_000_000).values[""]["anu"].mean()
        assert float(found[1]["anu"]) == pytest.approx(float(again))
    else:
        rules = {"near": iot_policy("wmmse_path_loss")}
        again = rollout(IoTEnv(name, 3, episode_slots=4), rules, seed=2_000_000).values["near"]
        assert float(found[1]["throughput_bps"]) == pytest.approx(float(again["throughput_bps"].double().mean()))


def test_finetune_prints_before_and_after(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    SMALL.to_yaml(tmp_path / "small.yaml")
    arguments = [
        "finetune",
        "--ckpt",
        str(checkpoint),
        "--layout",
        "small.yaml",
        "--epochs",
        "1",
        "--batches",
        "2",
        "--layouts",
        "2",
    ]
    with pytest.raises(SystemExit) as done:
        main([*arguments, "--freeze-encoder"])
    assert done.value.code == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("before", "after", "from scratch", "max_rsrp"))
    assert (tmp_path / "runs" / "finetuned" / "model.safetensors").exists()


def test_config_names_and_paths(tmp_path: Path) -> None:
    assert config_path("hetgnn").endswith("hetgnn.yaml")
    (tmp_path / "mine.yaml").write_text("{}")
    assert config_path(str(tmp_path / "mine.yaml")) == str(tmp_path / "mine.yaml")
