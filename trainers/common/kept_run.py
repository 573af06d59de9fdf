"""What Lightning's checkpoints lack of a run: the rows of ``metrics.csv``, and whether training is over."""

import csv
import io
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Timer
from lightning.pytorch.loggers import CSVLogger

from hetgraph.files import write_file

KEY = "run"  # of a checkpoint


class KeptRun(lightning.Callback):
    """Keep the rows of ``metrics.csv`` and the decision to stop with the checkpoint.

    Lightning's logger deletes the file of an earlier run. Here a resumed run's file has the rows up to its checkpoint, each once,
    whatever stood in the folder: rows that were written between the checkpoint and the end of a killed run come again. A run that
    early stopping ended does not train on when it is resumed.
    """

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Store both."""
        timers = [each.time_remaining() for each in trainer.callbacks if isinstance(each, Timer)]
        out_of_time = any(left is not None and left <= 0 for left in timers)  # a longer time may be given
        kept: dict[str, Any] = {"stop": bool(trainer.should_stop) and not out_of_time}
        for logger in _loggers(trainer)[:1]:
            path = Path(logger.experiment.metrics_file_path)
            kept |= {"rows": path.read_text() if path.is_file() else "", "last_row": _last_row(trainer)}
        checkpoint[KEY] = kept

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Put them back, where training goes on."""
        kept = checkpoint.get(KEY)
        if kept is None or trainer.state.fn != "fit":
            return
        trainer.should_stop = kept["stop"]
        for logger in _loggers(trainer):
            writer = logger.experiment
            writer.metrics_keys = next(csv.reader(io.StringIO(kept.get("rows", ""))), [])
            if writer.metrics_keys:
                write_file(writer.metrics_file_path, kept["rows"].encode())
            if kept.get("last_row"):
                row = dict(kept["last_row"])
                logger.log_metrics(row, int(row.pop("step")))
                logger.save()


def _loggers(trainer: Any) -> list[CSVLogger]:
    return [logger for logger in trainer.loggers if isinstance(logger, CSVLogger)]


def _last_row(trainer: Any) -> dict[str, float]:
    """Means of an epoch whose end is now, which Lightning writes after its checkpoint; empty at any other time."""
    progress = trainer.fit_loop.epoch_progress.current
    if progress.processed == progress.completed:
        return {}
    values = {name: float(value) for name, value in trainer._logger_connector.metrics["log"].items()}
    if not values:
        return {}
    step = trainer.fit_loop.epoch_loop._batches_that_stepped - 1
    return {"step": step, "epoch": trainer.current_epoch} | values
