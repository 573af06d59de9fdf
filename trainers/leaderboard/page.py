"""Boards as tables: Markdown, and the terminal."""

import re
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hetgraph.kpi_table import indicator
from hetgraph.trainers.judge.trial import OVER_SERVED, cell
from hetgraph.trainers.leaderboard.board import Board
from hetgraph.trainers.leaderboard.folder import CheckedBoard
from hetgraph.trainers.leaderboard.ranking import Place, ranking
from hetgraph.trainers.tasks import task_of

PAGE = "LEADERBOARD.md"
EVERYTHING = 1e-9  # a share of unserved users below it is none
_WIDTH = 140
_ON_PAGE = 2  # columns that a terminal has no room for: authors and version
LEVEL = "level with the first"
_NOTES = (
    "Each row was measured on the same networks as the others of its table. ± is half a 95% interval over training seeds and "
    "networks together; the difference to the first is paired on networks, and where its interval includes zero, the row is level "
    "with the first. *information* is what a method declares that it decides with: `local` is a station's own, `neighbourhood` "
    "that of its neighbours, too, `global` everything as it was reported a slot ago, `genie` everything as it is. *ms* is the "
    "median time of a decision on the machine of the entry, for all networks that are run together: it compares rows of one "
    "machine. Written by `hetgraph leaderboard`, which checks every entry; how to add one: `docs/leaderboard.md`."
)


def markdown(boards: Sequence[CheckedBoard]) -> str:
    """Page of all boards."""
    parts = ["# Leaderboard", _NOTES]
    for board in boards:
        heads, rows = _table(board)
        lines = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
        lines += [f"| {' | '.join(_plain(text) for text in row)} |" for row in rows]
        parts += [f"## {_plain(title(board.board))}", _plain(about(board)), "\n".join(lines)]
    return "\n\n".join(parts) + "\n"


def show(board: CheckedBoard, console: Console) -> None:
    """A board on the terminal."""
    heads, rows = _table(board)
    table = Table(title=escape(f"{title(board.board)}: {about(board)}"))
    heads, rows = heads[:-_ON_PAGE], [row[:-_ON_PAGE] for row in rows]
    for head in heads:
        table.add_column(escape(head), no_wrap=head == "method")
    for row in rows:
        table.add_row(*(escape(text) for text in row))
    Console(file=console.file, width=max(console.width, _WIDTH)).print(table)


def title(board: Board) -> str:
    """Task, scenario and options."""
    options = ", ".join(f"{name} {value}" for name, value in board.options.items())
    where = board.scenario or ", ".join(board.files)
    return f"{board.task}: {where}" + (f" ({options})" if options else "")


def about(board: CheckedBoard) -> str:
    """On what the methods are measured, and by what they are ranked."""
    known, kpi = board.board, indicator(board.entries[0][0].headline)
    reference = f", over {known.reference}" if known.reference and kpi.name in OVER_SERVED else ""
    return (
        f"{known.networks} networks, seed {known.seed}; ranked by {kpi.heading} ({kpi.source}{reference}), "
        f"{kpi.better} is better"
    )


def _table(board: CheckedBoard) -> tuple[list[str], list[list[str]]]:
    """Headings, and the cells of each row."""
    places = ranking(board)
    headline = places[0].entry.headline
    others = [kpi for kpi in _shown(board) if kpi != headline and _tells(kpi, places)]
    heads = ["rank", "method", "kind", "information", indicator(headline).heading, "to the first"]
    heads += [*(indicator(kpi).heading for kpi in others), "seeds", "ms", "authors", "version"]
    return heads, [_row(place, headline, others) for place in places]


def _row(place: Place, headline: str, others: Sequence[str]) -> list[str]:
    entry = place.entry
    versions, commit = entry.source["versions"], entry.source["commit"]
    return [
        "-" if place.rank is None else str(place.rank),
        entry.method,
        entry.kind,
        entry.level,
        cell(place.mean(headline), headline),
        _to_first(place, headline),
        *(cell(place.mean(kpi), kpi) for kpi in others),
        str(entry.seeds),
        f"{entry.decision_ms:.4g}",
        ", ".join(entry.credits.authors),
        versions.get("hetgraph", "") + (f" {commit[:8]}" if commit else ""),
    ]


def _to_first(place: Place, headline: str) -> str:
    if place.to_first is None:
        return "first"
    text = cell(place.to_first, headline, "+")
    return f"{text}, {LEVEL}" if place.level_with_first else text


def _shown(board: CheckedBoard) -> list[str]:
    """Indicators that the task's printed tables have, of those that the entries have."""
    tables = board.entries[0][1]
    return [
        column.kpi for column in task_of(board.board.task).columns if column.shown != "none" and column.kpi in tables
    ]


def _tells(kpi: str, places: Sequence[Place]) -> bool:
    """Whether a column has something to say: that nobody is unserved has not."""
    return kpi != "unserved" or any(place.mean(kpi).value > EVERYTHING for place in places)


def _plain(text: str) -> str:
    """Text that is nothing but text on a Markdown page."""
    return re.sub(r"([\\`*<>|\[\]])", r"\\\1", " ".join(text.split()))
