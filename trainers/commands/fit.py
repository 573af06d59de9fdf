"""Everything that a training run writes goes into one folder, the trainer's ``default_root_dir``."""

from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger

from hetgraph.extras import present, require
from hetgraph.models.weights import ZIP, read_weights
from hetgraph.trainers.common.modules import loaded
from hetgraph.trainers.common.resume import WholeCheckpoints, check_resumable


def loggers(folder: str | Path) -> list[Logger]:
    """``metrics.csv`` in ``folder``, and TensorBoard's event file where TensorBoard is installed."""
    return [CSVLogger(folder, "", ""), *([TensorBoardLogger(folder, "", "")] if present("tensorboard") else [])]


RUN = ("last.ckpt", "best.ckpt", "metrics.csv")  # what a run leaves in its folder


class FolderCLI(LightningCLI):
    """LightningCLI whose loggers and checkpoints, where a configuration names no other place, share the run's folder."""

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """One more option: whether to write over an earlier run."""
        parser.add_argument("--overwrite", type=bool, default=False, help="start anew in the folder of an earlier run")

    def _parse_ckpt_path(self) -> None:
        """Refuse what a training cannot be resumed from, before anything is built.

        Options come from the configuration alone: Lightning would import the class that a checkpoint names.

        Raises:
            ValueError: no checkpoint, or one that is damaged or not finite.
        """
        path = self.config.fit.get("ckpt_path") if self.config.get("subcommand") == "fit" else None
        if path is None:
            return
        if _is_weights(path):
            raise ValueError(
                f"{path}: got no checkpoint to resume from (weights do not tell where a training was), expected last.ckpt"
            )
        check_resumable(path)

    def before_instantiate_classes(self) -> None:
        """Refuse a logger whose package is not installed, before anything is built.

        Raises:
            ValueError: TensorBoard's without TensorBoard.
        """
        logger = self._get(self.config, "trainer").get("logger")
        for each in logger if isinstance(logger, list) else [logger]:
            if getattr(each, "class_path", "").endswith(f".{TensorBoardLogger.__name__}"):
                require("tensorboard", "trainer.logger")

    def before_fit(self) -> None:
        """Refuse several processes, and to start anew where a run is.

        Raises:
            ValueError: either.
        """
        if self.trainer.world_size > 1:
            raise ValueError(
                f"trainer.devices: got {self.trainer.world_size} processes, expected one: all would draw the same networks; "
                "train seeds side by side instead"
            )
        folder, path = Path(self.trainer.default_root_dir), self._get(self.config, "ckpt_path")
        for name in RUN:
            for unfinished in folder.glob(f".{name}.*"):  # of a run that was killed while it wrote
                unfinished.unlink()
        if path is None:
            run = [name for name in RUN if (folder / name).exists()]
            if run and not self._get(self.config, "overwrite"):
                raise ValueError(
                    f"{folder}: got a folder with an earlier run's {run[0]}, expected a new one "
                    "(--trainer.default_root_dir), --ckpt_path to go on, or --overwrite true"
                )
            for name in run:
                (folder / name).unlink()

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        """Arguments of the trainer's method; weights of a ``best.ckpt`` are loaded here, as Lightning does not know them."""
        arguments: dict[str, Any] = super()._prepare_subcommand_kwargs(subcommand)
        path = arguments.get("ckpt_path")
        if subcommand != "fit" and path is not None and _is_weights(path):
            loaded(arguments["model"], read_weights(path)[1])
            arguments["ckpt_path"] = None
        return arguments

    def instantiate_trainer(self, **kwargs: Any) -> Any:
        """The trainer, with loggers and checkpoint folders filled in."""
        options = self._get(self.config_init, "trainer")
        folder = options.get("default_root_dir")
        if folder is not None and options.get("logger") is None:
            # Lightning's logger deletes metrics.csv of an earlier run, which what is validated or tested may be of.
            kwargs["logger"] = loggers(folder) if self.subcommand == "fit" else False
        trainer = super().instantiate_trainer(**kwargs)
        if type(trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # not a person's own
            trainer.strategy.checkpoint_io = WholeCheckpoints()
        for callback in trainer.checkpoint_callbacks:
            if folder is not None and isinstance(callback, ModelCheckpoint) and callback.dirpath is None:
                callback.dirpath = str(Path(folder).absolute())
        return trainer


def _is_weights(path: str) -> bool:
    """Whether a file is one of weights, not one of Lightning's, which is a zip."""
    if not Path(path).is_file():
        return False
    with Path(path).open("rb") as file:
        return file.read(len(ZIP)) != ZIP
