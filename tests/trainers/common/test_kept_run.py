"""Killed and resumed runs end as one that nobody disturbed."""

import sys
from pathlib import Path
from typing import Any

import lightning
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, Timer
from lightning.pytorch.loggers import CSVLogger
from torch import nn

from hetgraph.trainers.common.kept_run import KeptRun

ROOT = Path(__file__).parents[3]
STEPS = 4


class Line(lightning.LightningModule):
    """A line through a point, whose validation never gets better."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Linear(1, 1)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        loss: torch.Tensor = (self.model(batch) - 1).square().mean()
        self.log("train/loss", loss.detach(), on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.log("val/score", 0.0)
        self.log("val/loss", (self.model(batch) - 1).square().mean())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), 0.1)


class Killed(lightning.Callback):
    """Ends a run as a signal would: nothing is written any more."""

    def __init__(self, epoch: int, step: int) -> None:
        self.epoch, self.step = epoch, step

    def on_train_batch_start(self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if (trainer.current_epoch, batch_idx) == (self.epoch, self.step):
            raise InterruptedError


def fit(folder: Path, *more: Any, epochs: int = 4, resume: bool = False) -> lightning.Trainer:
    lightning.seed_everything(0)
    last = ModelCheckpoint(folder, "last", enable_version_counter=False)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=CSVLogger(folder, "", ""),
        callbacks=[KeptRun(), last, *more],
        log_every_n_steps=2,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    data = torch.utils.data.DataLoader(list(torch.arange(4.0).view(STEPS, 1)))
    path = folder / "last.ckpt" if resume else None
    trainer.fit(Line(), data, data, ckpt_path=path, weights_only=True)
    return trainer


@pytest.mark.parametrize(("epoch", "step"), [(1, 0), (2, 3), (3, 1)])
def test_metrics_are_whole_after_a_kill(epoch: int, step: int, tmp_path: Path) -> None:
    fit(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        fit(tmp_path / "killed", Killed(epoch, step))
    fit(tmp_path / "killed", resume=True)
    whole, killed = ((tmp_path / name / "metrics.csv").read_text() for name in ("whole", "killed"))
    assert killed == whole
    assert len(whole.splitlines()) == 1 + 4 * (2 + 1 + 1)  # a header; two steps, a validation and means of each epoch


@pytest.mark.parametrize("text", [None, "epo", "epoch,step\n"])
def test_metrics_are_those_of_the_checkpoint_whatever_the_folder_has(text: str | None, tmp_path: Path) -> None:
    fit(tmp_path / "whole")
    fit(tmp_path / "killed", epochs=2)
    metrics = tmp_path / "killed" / "metrics.csv"
    metrics.unlink()
    if text is not None:
        metrics.write_text(text)
    fit(tmp_path / "killed", resume=True)
    assert metrics.read_text() == (tmp_path / "whole" / "metrics.csv").read_text()


def test_a_run_that_stopped_early_is_over(tmp_path: Path) -> None:
    def patience() -> EarlyStopping:
        return EarlyStopping("val/score", patience=2)

    first = fit(tmp_path, patience(), epochs=9)
    assert first.current_epoch == 3
    before, metrics = (tmp_path / "last.ckpt").read_bytes(), (tmp_path / "metrics.csv").read_text()
    again = fit(tmp_path, patience(), epochs=9, resume=True)
    assert again.global_step == first.global_step
    assert (tmp_path / "last.ckpt").read_bytes() == before and (tmp_path / "metrics.csv").read_text() == metrics


@pytest.mark.filterwarnings("ignore:.*callbacks used to create the checkpoint.*:UserWarning")
def test_a_run_that_was_out_of_time_goes_on_with_more(tmp_path: Path) -> None:
    class OutOfTime(Timer):
        seconds = 0.0

        def time_elapsed(self, stage: Any = None) -> float:
            self.seconds += 0.15  # it stops once the time is over, so that less than nothing is left
            return self.seconds

    first = fit(tmp_path, OutOfTime("00:00:00:01"), epochs=4)
    assert 0 < first.current_epoch < 4
    again = fit(tmp_path, epochs=4, resume=True)
    assert again.current_epoch == 4


@pytest.mark.all
@pytest.mark.parametrize("system", ["mappo-conflict", "iot"])
def test_killed_trainings_end_bit_equal(system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`benchmarks/kills.py` has all systems and more kills."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import kills

    assert kills.judge(system, tmp_path, 3, 0)
    del sys.modules["kills"]
