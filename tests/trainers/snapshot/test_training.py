"""Training of HetGNN end to end on tiny sizes: losses, resumed runs, first weights from a checkpoint."""

from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from hetgraph.datasets import SnapshotDataModule
from hetgraph.graph import links_of, preset
from hetgraph.models import load
from hetgraph.radio import Allocation, evaluate, policy
from hetgraph.trainers import BestCheckpoint, SupervisedModule
from hetgraph.trainers.common.random_state import RandomState
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


def module(**options: Any) -> SupervisedModule:
    with torch.random.fork_rng():
        torch.random.manual_seed(0)
        return SupervisedModule(rounds=2, hidden=8, **options)


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


@pytest.mark.parametrize("teacher", [None, "pf"])
def test_a_resumed_run_ends_bit_equal(tmp_path: Path, teacher: str | None) -> None:
    losses_of = {"weight_utility": 1.0} if teacher is None else {"weight_utility": 0.0, "weight_rate": 1.0}
    whole = module(**losses_of)
    trainer(tmp_path / "whole", 3).fit(whole, datamodule=data_module(tmp_path, teacher))
    half = module(**losses_of)
    stop = trainer(tmp_path / "half", 3)

    class Interrupt(lightning.Callback):
        def on_validation_end(self, trainer: lightning.Trainer, pl_module: Any) -> None:
            if trainer.current_epoch == 1:
                trainer.should_stop = True

    stop.callbacks.append(Interrupt())  # type: ignore[attr-defined]
    stop.fit(half, datamodule=data_module(tmp_path, teacher))
    resumed = module(**losses_of)
    trainer(tmp_path / "half", 3).fit(
        resumed, datamodule=data_module(tmp_path, teacher), ckpt_path=tmp_path / "half" / "last.ckpt"
    )
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert not torch.equal(half.model.price_head[0].weight, whole.model.price_head[0].weight)


def test_checkpoints_are_policies_and_first_weights(tmp_path: Path) -> None:
    student, batch = module(), SMALL.sample(2, seed=3)
    trainer(tmp_path, 1, BestCheckpoint(tmp_path)).fit(student, datamodule=data_module(tmp_path, None))
    model = load(tmp_path / "best.ckpt")
    assert torch.equal(model.act(batch, None, None)[0].power_w, student.model.eval().allocate(batch).power_w)
    first = module(init_from=str(tmp_path / "best.ckpt")).model.state_dict()
    assert all(torch.equal(value, first[name]) for name, value in model.state_dict().items())
    with pytest.raises(ValueError, match="another model"), torch.random.fork_rng():
        SupervisedModule(rounds=2, hidden=16, init_from=str(tmp_path / "best.ckpt"))
