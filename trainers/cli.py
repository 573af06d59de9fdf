"""The ``hetgraph`` command."""

import argparse
import codecs
import importlib
import io
import itertools
import logging
import os
import re
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hetgraph.trainers.common.allocator import keep_freed_memory

LIGHTNING = ("fit", "validate", "test")
OTHERS = {
    "generate": "draw and label the networks of a dataset",
    "finetune": "take a checkpoint to other networks",
    "tune": "numbers of trained decisions that no weight depends on, chosen on validation networks",
    "predict": "what a policy decides on one network, as tables of cells and users",
    "plan": "what a policy would have a network of one's own do, what it gains there, with a map",
    "compare": "judge policies of a task on the same networks",
    "leaderboard": "check entries of `compare --submit` and rank them",
    "export": "the network of a checkpoint as a program of PyTorch or ONNX that needs no hetgraph",
    "serve": "answer graphs with a checkpoint's decisions, over HTTP",
    "demo": "train and judge a small model, with figures",
    "models": "the models that are shipped with the package, and their cards",
    "doctor": "check the installation, or say what files are and how they would be read",
    "report": "one HTML page of a run's figures and tables",
    "reproduce": "every table and figure of a paper, printed values beside measured ones",
}
CONFIGS = Path(__file__).parent / "configs"


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command; a user's mistake ends it with one sentence and exit code 2."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    _plain_where_needed()
    keep_freed_memory()
    try:
        raise SystemExit(_dispatch(arguments))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"hetgraph: error: {sentence(error)}\n")
        raise SystemExit(2) from None
    except argparse.ArgumentError as error:
        sys.stderr.write(f"hetgraph: error: {_first_reason(str(error))}\n")
        raise SystemExit(2) from None
    except SystemExit as end:
        if not _terminated(end):
            raise
        sys.stderr.write("hetgraph: terminated; what was written stays\n")
        raise SystemExit(128 + signal.SIGTERM) from None
    except KeyboardInterrupt:
        sys.stderr.write("hetgraph: stopped; what was written stays\n")
        raise SystemExit(130) from None
    except Exception as error:
        sys.stderr.write(f"hetgraph: error: {_unexpected(error)}\n")
        raise SystemExit(2) from None


def _unexpected(error: Exception) -> str:
    """One sentence of an error that nobody foresaw; the traceback goes to a file."""
    handle, name = tempfile.mkstemp(prefix="hetgraph-", suffix=".log")
    with os.fdopen(handle, "w") as file:
        traceback.print_exception(error, file=file)
    reason = str(error).strip().splitlines()
    return f"{type(error).__name__}: {reason[0] if reason else 'no reason given'} (traceback in {name})"


def _plain_where_needed() -> None:
    """Signs that a terminal's encoding lacks are written in ASCII."""
    codecs.register_error("hetgraph", lambda error: (_ascii(error), error.end))  # type: ignore[attr-defined]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="hetgraph")


def _ascii(error: UnicodeError) -> str:
    assert isinstance(error, UnicodeEncodeError)
    return "".join(
        {"±": "+-", "…": "...", "–": "-", "—": "-"}.get(sign, "?") for sign in error.object[error.start : error.end]
    )


def _terminated(end: SystemExit) -> bool:
    """Whether it is Lightning's answer to SIGTERM, which alone would exit with 0, as if training had ended."""
    if "lightning" not in sys.modules:
        return False
    from lightning.pytorch.utilities.exceptions import SIGTERMException

    return isinstance(end, SIGTERMException)


def _dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(_help())
        return 0 if arguments else 2
    command, rest = arguments[0], arguments[1:]
    if command == "--version":
        from hetgraph import __version__

        sys.stdout.write(f"hetgraph {__version__}\n")
        return 0
    quiet()
    if command in LIGHTNING:
        if rest and not rest[0].startswith("-"):
            rest = ["--config", *rest]  # `hetgraph fit hetgnn`
        run_lightning([command, *resolve_configs(rest)])
        return 0
    if command not in OTHERS:
        raise ValueError(f"command: got {command!r}, expected one of {', '.join([*LIGHTNING, *OTHERS])}")
    if command != "doctor":  # which says what the machine has
        _one_thread()
    module = importlib.import_module(f"hetgraph.trainers.commands.{command}")
    return int(module.run(rest))


def _one_thread() -> None:
    """One thread: decisions are hundreds of small operations, whose threads would wait for each other on a busy machine.

    Unless the environment says how many there shall be; PyTorch reads it when it is imported.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_NUM_THREADS", "1")


def run_lightning(arguments: list[str]) -> Any:
    """``fit``, ``validate`` and ``test`` through LightningCLI."""
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    try:
        return _lightning_cli(arguments)
    except MisconfigurationException as error:
        raise ValueError(str(error)) from None


def _lightning_cli(arguments: list[str]) -> Any:
    import lightning
    from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
    from lightning.pytorch.cli import SaveConfigCallback

    from hetgraph.trainers.commands.fit import FolderCLI
    from hetgraph.trainers.common.best import BestCheckpoint
    from hetgraph.trainers.common.finite import FiniteTraining
    from hetgraph.trainers.common.kept_run import KeptRun
    from hetgraph.trainers.common.random_state import RandomState

    last = ModelCheckpoint(filename="last", enable_version_counter=False)
    callbacks = [FiniteTraining(), RichProgressBar(), BestCheckpoint(), last, RandomState(), KeptRun()]
    return FolderCLI(
        lightning.LightningModule,
        lightning.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        save_config_callback=SaveConfigCallback,
        save_config_kwargs={"overwrite": True},
        trainer_defaults={"callbacks": callbacks},
        seed_everything_default=0,
        parser_kwargs={"exit_on_error": False},
        args=arguments,
    )


_SHOWN: set[str] = set()  # warnings of this command: a file that is read again says the same again


def quiet() -> None:
    """Silence advice of the stack that no user of this command can act on."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    os.environ.setdefault("JSONARGPARSE_DEPRECATION_WARNINGS", "off")  # Lightning's own calls
    for text in (
        ".*does not have many workers.*",
        ".*LeafSpec.*",
        ".*treespec.*",
        ".*exists and is not empty.*",
        ".*`IterableDataset` has `__len__` defined.*",
        ".*args parameter is intended to run.*",
        ".*smaller than the logging interval.*",
        ".*torch.jit.script.*",
    ):
        warnings.filterwarnings("ignore", message=text)
    _SHOWN.clear()
    warnings.showwarning = _show_warning


def _show_warning(
    message: Warning | str, category: Any, filename: str, lineno: int, file: Any = None, line: str | None = None
) -> None:
    """One line, once, without the place in the code, which tells a user of the command nothing."""
    if str(message) not in _SHOWN:
        _SHOWN.add(str(message))
        sys.stderr.write(f"warning: {message}\n")


def resolve_configs(arguments: list[str]) -> list[str]:
    """Replace the names of shipped configurations by their paths.

    Raises:
        ValueError: neither a shipped name nor a file.
    """
    out = list(arguments)
    for i, argument in enumerate(out):
        if argument.startswith("--config="):
            out[i] = "--config=" + config_path(argument.removeprefix("--config="))
        elif i and out[i - 1] == "--config":
            out[i] = config_path(argument)
    return out


def config_path(name: str) -> str:
    """Path of a configuration: a file, or a shipped one by name.

    Raises:
        ValueError: neither.
    """
    if Path(name).is_file():
        return name
    shipped = CONFIGS / f"{name}.yaml"
    if shipped.is_file():
        return str(shipped)
    known = ", ".join(sorted(path.stem for path in CONFIGS.glob("*.yaml")))
    raise ValueError(f"--config: got {name!r}, expected a file or one of {known}")


def sentence(error: BaseException) -> str:
    """What was wrong, in one line."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: got {str(error.strerror).lower()}, expected a file that can be read and written"
    lines = [re.sub(r"^\s*- ", "", line).strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines[1:] if ": got " in line]  # the parser wraps what a class complained of
    return reasons[0] if reasons else " ".join(lines)


def _first_reason(text: str) -> str:
    """The parser's complaint in one line: what it is about, and the first reason, down to the innermost key."""
    lines = [re.sub(r"^\s*- ", "", line).strip() for line in text.splitlines() if line.strip()]
    skip = ("Does not validate", "Subtypes", "Errors:", "Problem with given class_path")
    rest = [line for line in lines[1:] if not line.startswith(skip)]
    keys = list(itertools.takewhile(lambda line: line.startswith("Parser key"), rest))
    return " ".join([lines[0], *rest[: len(keys) + 1]])


def _help() -> str:
    lines = ["usage: hetgraph COMMAND [options]", "", "commands:"]
    lines += [f"  {name:11s} {name} a model, by configuration (--config NAME or path)" for name in LIGHTNING]
    lines += [f"  {name:11s} {text}" for name, text in OTHERS.items()]
    return "\n".join([*lines, "", "hetgraph COMMAND --help tells more."]) + "\n"
