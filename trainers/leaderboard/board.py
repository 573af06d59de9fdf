"""What makes entries comparable: one task, the same networks, the same options."""

import dataclasses
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from hetgraph.graph import CHANNEL
from hetgraph.graph.presets import PRESETS
from hetgraph.trainers.leaderboard.fields import Fields
from hetgraph.trainers.task import Task

Option = str | int | float | bool
GAIN_DIGITS, GAIN_TOLERANCE_DB = 4, 0.01  # of the mean gain of the first network: machines round differently
_SEPARATE = ("scenario", "seed", "layouts")  # options that a board has as fields of their own


@dataclass(frozen=True)
class Board:
    """Where methods are ranked among each other.

    Args:
        task: name.
        scenario: preset or name of a YAML file; ``None`` where files of sites or gains say it all.
        options: of the task, those that are not as without any.
        files: name -> SHA-256 of the files and folders that options name.
        seed: of the networks.
        networks: how many; each is one unit.
        reference: policy with which indicators compare, where some do.
        first_network: sizes of the first network and the mean gain of its links, dB: networks that are drawn by other rules than
            those of an earlier version are others, whatever their options are.
        headline: indicator by which methods are ranked; ``None`` for the first of the task's columns.
    """

    task: str
    scenario: str | None
    seed: int
    networks: int | None
    reference: str | None
    first_network: dict[str, int | float]
    options: dict[str, Option] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    headline: str | None = None

    def values(self) -> dict[str, Any]:
        """Fields as the file of an entry has them, the headline only where it is not the task's first column."""
        out = dataclasses.asdict(self)
        return out if self.headline is not None else {name: out[name] for name in out if name != "headline"}

    def difference(self, other: "Board") -> str | None:
        """The first field that differs, with both values; ``None`` for the same board. What is not known yet agrees."""
        for name, own in dataclasses.asdict(self).items():
            another = getattr(other, name)
            if None in (own, another) and name in ("networks", "reference"):
                continue
            same = _same_network(own, another) if name == "first_network" else own == another
            if not same:
                return f"board.{name}: got {own!r}, expected {another!r}"
        return None

    @staticmethod
    def read(fields: Fields) -> "Board":
        """Board of an entry's fields.

        Raises:
            ValueError: a field that is missing, unknown, or not as it must be.
        """
        scenario, reference = fields.optional("scenario"), fields.optional("reference")
        first = fields.mapping("first_network", (int, float))
        board = Board(
            fields.text("task"),
            scenario,
            fields.integer("seed", least=0),
            fields.integer("networks", least=1),
            reference,
            first,
            fields.mapping("options", (str, int, float, bool)),
            fields.mapping("files", (str,)),
            fields.optional("headline"),
        )
        fields.nothing_else()
        return board


def board_of(task: Task, options: Any) -> Board:
    """Board of some options, before anything is measured on it.

    Raises:
        ValueError: options of several cases, each of which would be a board.
    """
    values, files = _options(options)
    cases = task.cases(_with_layouts(options, 1))
    if len(cases) != 1:
        titles = "; ".join(case.title for case in cases)
        raise ValueError(f"--submit: got {len(cases)} cases ({titles}), expected the options of one")
    given = any(getattr(options, name, None) is not None for name in ("sites", "gain"))
    scenario = values.get("scenario", None if given else task.scenario)
    rest = {name: value for name, value in values.items() if name not in _SEPARATE}
    first = _first_network(task, options)
    headline = None if cases[0].headline == task.columns[0].kpi else cases[0].headline
    return Board(task.name, scenario, cases[0].seed, None, None, first, rest, files, headline)  # type: ignore[arg-type]


def _options(options: Any) -> tuple[dict[str, Option], dict[str, str]]:
    """Options that are not as without any, paths as names, and the digests of what is there."""
    values, files = dict[str, Option](), dict[str, str]()
    for each in dataclasses.fields(options):
        value = getattr(options, each.name)
        if value == each.default or value is None:
            continue
        if isinstance(value, str) and value.partition(":")[0] not in PRESETS and Path(value).exists():
            path = Path(value)
            value = path.resolve().name
            files[value] = digest_of(path)
        values[each.name] = value
    return values, files


def digest_of(path: Path) -> str:
    """SHA-256 of a file; of a folder that of the names and digests of all files in it."""
    if not path.is_dir():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    lines = [f"{each.relative_to(path).as_posix()} {digest_of(each)}\n" for each in _files(path)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    yield from (each for each in sorted(folder.rglob("*")) if each.is_file())


def _with_layouts(options: Any, layouts: int) -> Any:
    """The same with so many networks, where there is an option of that name."""
    known = any(each.name == "layouts" for each in dataclasses.fields(options))
    return dataclasses.replace(options, layouts=layouts) if known else options


def _first_network(task: Task, options: Any) -> dict[str, int | float]:
    """Sizes and mean gain of the first network at the start of its episode; it is the same alone and among many."""
    case = task.cases(_with_layouts(options, 1))[0]
    obs, _ = next(case.environments()).reset(seed=case.seed)
    stations, users = (_count(obs[store]) for store in ("bs", "ue"))
    own = obs[CHANNEL].edge_index[0] < stations
    gain = obs[CHANNEL].gain[own].double()
    known = 10 * gain[gain > 0].log10()
    out: dict[str, int | float] = {"stations": stations, "users": users, "links": int(own.sum())}
    return out | ({"mean_gain_db": round(float(known.mean()), GAIN_DIGITS)} if len(known) else {})


def _count(store: Any) -> int:
    ptr: Tensor | None = getattr(store, "ptr", None)
    return int(store.num_nodes if ptr is None else ptr[1])


def _same_network(own: dict[str, Any], other: dict[str, Any]) -> bool:
    close = {name: math.isclose(own[name], other[name], rel_tol=0, abs_tol=GAIN_TOLERANCE_DB * ("gain" in name))
             for name in own.keys() & other.keys()}  # fmt: skip
    return own.keys() == other.keys() and all(close.values())
