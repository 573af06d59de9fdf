"""Keep the best weights of a run, those from before its first step among them."""

import json
from pathlib import Path
from typing import Any

from lightning import LightningDataModule, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, WeightAveraging

from hetgraph.graph import Scenario
from hetgraph.models import save
from hetgraph.trainers.common.modules import model_of
from hetgraph.trainers.common.training_range import RANGE, range_of
from hetgraph.trainers.judge.files import commit


class BestCheckpoint(ModelCheckpoint):
    """Write the weights with the highest ``val/score`` to ``best.ckpt``, a file that :func:`hetgraph.load` takes.

    Where Lightning validates before training (``num_sanity_val_steps`` of -1, all batches), the untrained weights are a candidate,
    too, so that what is kept is never worse than the start. Averaged weights are kept where a run averages them.

    Args:
        dirpath: folder; the run's when ``None``.
        filename: name of the file without ``.ckpt``.
        monitor: what is compared.
        mode: whether the highest or the lowest is best.
    """

    def __init__(
        self,
        dirpath: str | Path | None = None,
        filename: str = "best",
        monitor: str = "val/score",
        mode: str = "max",
    ) -> None:
        super().__init__(dirpath, filename, monitor, mode=mode, enable_version_counter=False)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint; Lightning keeps the last candidate's score there, but does not take it back."""
        super().load_state_dict(state_dict)
        self.current_score = state_dict["current_score"]

    def on_sanity_check_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The first candidate."""
        if self.monitor in trainer.callback_metrics:
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def _save_checkpoint(self, trainer: Trainer, filepath: str) -> None:
        if trainer.is_global_zero:
            Path(filepath).parent.mkdir(parents=True, exist_ok=True)
            write_best(trainer, filepath)
        self._last_global_step_saved = trainer.global_step
        self._last_checkpoint_saved = filepath


def write_best(trainer: Trainer, path: str | Path) -> Path:
    """Write the weights of a trainer's module, averaged ones where it averages, with what it needs to go on training."""
    module, data = trainer.lightning_module, getattr(trainer, "datamodule", None)
    content: dict[str, Any] = {"state_dict": module.state_dict()}
    for callback in trainer.callbacks:  # type: ignore[attr-defined]
        if isinstance(callback, WeightAveraging):
            callback.on_save_checkpoint(trainer, module, content)
    training = {"module": type(module).__name__, "options": _plain(module.hparams), "data": _data_options(data)}
    about = {"scenario": _scenario(data), "training": training, "commit": commit() or ""}
    return save(model_of(module), path, state=content["state_dict"], **about)


def _data_options(data: LightningDataModule | None) -> dict[str, Any]:
    return {} if data is None else _plain(data.hparams)


def _plain(options: Any) -> dict[str, Any]:
    """Options that JSON has; a scenario that is an object is not one, and is told by its digest."""
    out = {}
    for name, value in dict(options).items():
        if name.startswith("_"):
            continue
        try:
            out[name] = json.loads(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError):
            continue
    return out


def _scenario(data: LightningDataModule | None) -> dict[str, Any]:
    """Name, digest and sizes of what a module trains on, as far as its data module says."""
    scenario = getattr(data, "scenario", None)
    if isinstance(scenario, str):
        return {"name": scenario}
    many = [scenario] if scenario is not None else getattr(data, "scenarios", [])
    scenarios = [each for each in many if isinstance(each, Scenario)]
    if not scenarios:
        return {}
    names, digests = ("+".join(getattr(each, part) for each in scenarios) for part in ("name", "hash"))
    return {"name": names, "hash": digests, RANGE: range_of(scenarios)}
