"""An entry: what a method is, who made it, what was measured where, with a digest over all that was measured."""

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import yaml

from hetgraph.graph.levels import LEVELS
from hetgraph.graph.schema import Level
from hetgraph.trainers.judge.kinds import Kind
from hetgraph.trainers.leaderboard.board import Board
from hetgraph.trainers.leaderboard.fields import Fields, read_yaml

FORMAT = 1
RULE: Kind = "rule"
KINDS: tuple[Kind, ...] = tuple(kind for kind in get_args(Kind) if kind != "untrained weights")
METHOD = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+:/ -]{0,79}")
SHA256 = re.compile(r"[0-9a-f]{64}")
CREDITS = ("authors", "contact", "url", "licence")


@dataclass(frozen=True)
class Credits:
    """Who made a method, and on what terms it can be had.

    Args:
        authors: names.
        contact: how to reach them.
        url: of code, weights or a paper.
        licence: of the method, by its SPDX identifier.
    """

    authors: tuple[str, ...]
    contact: str | None
    url: str | None
    licence: str


@dataclass(frozen=True)
class Entry:
    """A method on a board.

    Args:
        method: name, unique on the board.
        kind: what the row is.
        level: of information that decisions are made with.
        credits: who made it.
        board: where it was measured.
        headline: indicator by which the board is ranked.
        metrics: indicator -> mean and ends (``low``, ``high``) of its 95% interval over training seeds and networks.
        seeds: training seeds, one for a rule.
        decision_ms: median time of a decision on ``machine``, for all networks that are run together.
        machine: in words.
        checkpoints: SHA-256 of the file of each training seed; empty without files.
        csv: name of the file of indicators, beside the entry.
        csv_sha256: its digest.
        source: date, command, commit and versions.
        sha256: digest that the entry's file states; see :attr:`digest`.
    """

    method: str
    kind: Kind
    level: Level
    credits: Credits
    board: Board
    headline: str
    metrics: dict[str, dict[str, float]]
    seeds: int
    decision_ms: float
    machine: str
    checkpoints: tuple[str, ...]
    csv: str
    csv_sha256: str
    source: dict[str, Any] = field(default_factory=dict)
    sha256: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of all fields but those of credits, which may be changed by hand."""
        measured = {name: value for name, value in _values(self).items() if name not in CREDITS}
        return hashlib.sha256(json.dumps(measured, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def to_yaml(self) -> str:
        """Text of the entry's file."""
        values = _values(self) | {"sha256": self.digest}
        return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)

    def check_digest(self, path: Path) -> None:
        """Compare the digest that the file states with that of its fields.

        Raises:
            ValueError: another one: a field that was changed.
        """
        if self.sha256 != self.digest:
            fields = "the fields that `hetgraph compare --submit` wrote"
            raise ValueError(f"{path}: sha256: got {self.sha256[:12]}, expected {self.digest[:12]}, that of {fields}")

    @staticmethod
    def from_yaml(path: Path) -> "Entry":
        """Entry of a file, whose digest is still to be checked.

        Raises:
            ValueError: a file that is too large or malformed, or a field that is not as it must be.
        """
        return Entry.from_values(str(path), read_yaml(path))

    @staticmethod
    def from_values(file: str, values: dict[str, Any]) -> "Entry":
        """Entry of the fields of a file, whose digest is still to be checked.

        Raises:
            ValueError: a field that is not as it must be.
        """
        fields = Fields(file, values)
        version = fields.integer("format", least=1)
        if version != FORMAT:
            raise fields.error("format", version, str(FORMAT))
        entry = _entry(fields)
        fields.nothing_else()
        return entry


def stem_of(method: str) -> str:
    """Name of a method's files, without their suffix."""
    return re.sub(r"[^A-Za-z0-9_.+-]", "-", method)


def _values(entry: Entry) -> dict[str, Any]:
    """Fields as the file has them."""
    credits = dataclasses.asdict(entry.credits) | {"authors": list(entry.credits.authors)}
    return {
        "format": FORMAT,
        "method": entry.method,
        "kind": entry.kind,
        "level": entry.level,
        **credits,
        "board": entry.board.values(),
        "headline": entry.headline,
        "metrics": entry.metrics,
        "seeds": entry.seeds,
        "decision_ms": entry.decision_ms,
        "machine": entry.machine,
        "checkpoints": list(entry.checkpoints),
        "csv": entry.csv,
        "csv_sha256": entry.csv_sha256,
        **entry.source,
    }


def _entry(fields: Fields) -> Entry:
    method: str = _matching(fields, "method", METHOD, "letters, digits and _.+:/- (80 at most)")
    kind: Any = fields.text("kind", KINDS)
    level: Any = fields.text("level", LEVELS)
    credits = Credits(
        fields.texts("authors"), fields.optional("contact"), fields.optional("url"), fields.text("licence")
    )
    entry = Entry(
        method,
        kind,
        level,
        credits,
        Board.read(fields.inner("board")),
        fields.text("headline"),
        _metrics(fields.inner("metrics")),
        fields.integer("seeds", least=1),
        fields.number("decision_ms"),
        fields.text("machine"),
        fields.texts("checkpoints"),
        fields.text("csv"),
        _matching(fields, "csv_sha256", SHA256, "64 hexadecimal digits"),
        {
            "date": fields.text("date"),
            "command": fields.text("command"),
            "commit": fields.optional("commit"),
            "versions": fields.mapping("versions", (str,)),
        },
        _matching(fields, "sha256", SHA256, "64 hexadecimal digits"),
    )
    if entry.csv != f"{stem_of(method)}.csv":
        raise fields.error("csv", entry.csv, f"{stem_of(method)}.csv, beside the entry")
    if entry.board.networks is None or entry.headline not in entry.metrics:
        raise fields.error("headline", entry.headline, f"one of the metrics {', '.join(entry.metrics)}")
    if (kind == RULE and entry.seeds != 1) or len(entry.checkpoints) not in (0, entry.seeds):
        raise fields.error("seeds", entry.seeds, "1 for a rule, and as many as there are checkpoints")
    for digest in entry.checkpoints:
        if not SHA256.fullmatch(digest):
            raise fields.error("checkpoints", digest, "64 hexadecimal digits each")
    return entry


def _matching(fields: Fields, name: str, pattern: re.Pattern[str], expected: str) -> str:
    value = fields.text(name)
    if not pattern.fullmatch(value):
        raise fields.error(name, value, expected)
    return value


def _metrics(fields: Fields) -> dict[str, dict[str, float]]:
    out = {}
    for kpi in list(fields.values):
        each = fields.inner(kpi)
        out[kpi] = {name: each.number(name) for name in ("mean", "low", "high")}
        each.nothing_else()
    return out
