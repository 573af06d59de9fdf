"""Where a scenario's networks come from, and how readers of files are found."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, TypeVar, cast

from torch_geometric.data import Batch

from hetgraph.graph.trajectories import Trajectories
from hetgraph.plugins import plugin, plugin_names
from hetgraph.serialization import Pairs, Scalar

GROUP = "hetgraph.sources"
S = TypeVar("S", bound=Scalar)


@dataclass(frozen=True)
class Drawn:
    """Networks drawn from the scenario's laws."""

    kind: Literal["drawn"] = "drawn"


@dataclass(frozen=True)
class Given:
    """Networks of somebody's files.

    Args:
        kind: name of a reader, registered under the entry-point group ``hetgraph.sources``: ``sites`` (CSV of cells), ``gain``
            (npz of gains, or a folder of them), ``deepmimo`` (folder of a ray-traced scenario), ``traces`` (folder of drive
            tests), ``graphs`` (folder made by ``hetgraph generate``), or one of somebody else's.
        path: the file or folder; a relative one counts from the working directory.
        options: of the reader, by name; a mapping of numbers, texts and flags.
    """

    kind: str = "sites"
    path: str = ""
    options: Pairs = ()

    def __post_init__(self) -> None:
        if isinstance(self.options, dict):
            object.__setattr__(self, "options", tuple(sorted(self.options.items())))

    def option(self, name: str, default: S) -> S:
        """Value of an option, of the default's type.

        Raises:
            ValueError: a value of another type.
        """
        value = dict(self.options).get(name, default)
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not type(default):
            expected = type(default).__name__
            raise ValueError(f"source.options.{name}: got {value!r}, expected a value of type {expected}")
        return cast("S", value)

    def known(self, *names: str) -> None:
        """Refuse options of other names.

        Raises:
            ValueError: the first one.
        """
        for name, _ in self.options:
            if name not in names:
                expected = f"one of {', '.join(names)}" if names else "none"
                raise ValueError(f"source.options: got the option {name!r} of {self.kind!r}, expected {expected}")


class Source(Protocol):
    """Networks by number: network i of a seed is the same alone and among many."""

    def sample(self, n: int, *, seed: int, first: int = 0) -> Batch:
        """Networks ``first .. first + n - 1``."""

    def trajectories(self, n: int, *, slots: int, seed: int, first: int = 0) -> Trajectories | None:
        """Users' ways through these networks; ``None`` where users stand and only fading changes."""


def source_kinds() -> list[str]:
    """Names of the readers, by this project or others."""
    return plugin_names(GROUP)


def reader(kind: str) -> Callable[..., Source]:
    """Function from a scenario whose source is given to that source. Nothing but registered readers is ever imported.

    Raises:
        ValueError: an unknown kind.
    """
    return cast("Callable[..., Source]", plugin("source.kind", kind, GROUP, others=", drawn"))


def stamp(path: str) -> tuple[int, int, int]:
    """What changes with a file, or with the files of a folder: their number, sizes and newest date."""
    root = Path(path)
    files = [file for file in root.rglob("*") if file.is_file()] if root.is_dir() else [root] if root.exists() else []
    states = [file.stat() for file in files]
    return len(states), sum(s.st_size for s in states), max((s.st_mtime_ns for s in states), default=0)
