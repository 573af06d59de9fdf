"""Everything that a training run writes goes into one folder, the trainer's ``default_root_dir``."""

from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningCLI
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger


def loggers(folder: str | Path) -> list[Logger]:
    """``metrics.csv`` and TensorBoard's event file in ``folder``."""
    return [CSVLogger(folder, "", ""), TensorBoardLogger(folder, "", "")]


class FolderCLI(LightningCLI):
    """LightningCLI whose loggers and checkpoints, where a configuration names no other place, share the run's folder."""

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """The trainer, with loggers and checkpoint folders filled in."""
        options = self._get(self.config_init, "trainer")
        folder = options.get("default_root_dir")
        if folder is not None and options.get("logger") is None:
            kwargs["logger"] = loggers(folder)
        trainer = super().instantiate_trainer(**kwargs)
        for callback in trainer.checkpoint_callbacks:
            if folder is not None and isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
                callback.dirpath = str(Path(folder).absolute())
        return trainer
