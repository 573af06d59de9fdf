"""Command lines made from dataclasses of options."""

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn, get_args

GONE = {
    "--env": "a task, as in `hetgraph compare queues --scenario random-19`",
    "--layout": "--scenario, or --sites for a CSV of sites",
    "--ues": "--users",
    "--episodes": "--layouts",
}


class Parser(argparse.ArgumentParser):
    """Parser whose errors are one sentence, and that takes no prefixes of options."""

    def __init__(self, prog: str, description: str) -> None:
        super().__init__(prog, description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        """Refuse the command line.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{self.prog.removeprefix('hetgraph ')}: {message}")


def add_options(parser: argparse.ArgumentParser, options: type) -> None:
    """Options of a dataclass whose fields :func:`~hetgraph.trainers.task.option` made."""
    for field in dataclasses.fields(options):
        flag, kind = f"--{field.name.replace('_', '-')}", _kind(field.type)
        text, choices = field.metadata["help"], field.metadata["choices"]
        if kind is bool:
            parser.add_argument(flag, action="store_true", help=text)
            continue
        shown = text if field.default is None else f"{text} ({field.default})"
        parser.add_argument(flag, type=kind, default=field.default, choices=choices, help=shown.replace("%", "%%"))


def options_from(options: type, values: Mapping[str, Any]) -> Any:
    """Options of a dataclass from parsed arguments."""
    return options(**{field.name: values[field.name] for field in dataclasses.fields(options)})


def parse(parser: Parser, arguments: Sequence[str], foreign: Mapping[str, str] | None = None) -> argparse.Namespace:
    """Parse; an option that is unknown here is refused by name.

    Args:
        parser: of the command.
        arguments: of the command line.
        foreign: options of other tasks, and what takes them.

    Raises:
        ValueError: an argument that the command does not take.
    """
    known, rest = parser.parse_known_args(arguments)
    if not rest:
        return known
    flag = rest[0].partition("=")[0]
    command = parser.prog.removeprefix("hetgraph ")
    if flag in GONE:
        raise ValueError(f"{flag}: got an option that is gone, expected {GONE[flag]}")
    if foreign and flag in foreign:
        raise ValueError(f"{flag}: got an option of {foreign[flag]}, expected one of {command}; see --help")
    raise ValueError(f"{command}: got {rest[0]!r}, expected one of the options of --help")


def new_folder(path: str, overwrite: bool, marks: Sequence[str] = ("results.json",)) -> Path:
    """A folder to write into, looked at before the work.

    Args:
        path: of the folder.
        overwrite: write over what an earlier run left there.
        marks: files that show that a run was there.

    Raises:
        ValueError: a file, a folder with a run, or one that cannot be made or written into.
    """
    out = Path(path)
    if out.exists() and not out.is_dir():
        raise ValueError(f"--out: got {path}, which is a file, expected a folder")
    if not overwrite and any((out / mark).exists() for mark in marks):
        raise ValueError(f"--out: got {path}, where a run has left its results, expected a new folder, or --overwrite")
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".hetgraph-probe"
        probe.touch(exist_ok=True)
        probe.unlink()
    except OSError as error:
        raise ValueError(f"--out: got {path}, expected a folder to write into ({error.strerror})") from None
    return out


def free_folder(path: str) -> str:
    """The folder, or the first of ``path-2``, ``path-3``, ... without results."""
    number, candidate = 1, path
    while (Path(candidate) / "results.json").exists():
        number += 1
        candidate = f"{path}-{number}"
    return candidate


def _kind(annotation: Any) -> type:
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not type(None)]
    kind: type = kinds[0]
    return kind
