"""Boards of a folder: their entries, and all that is checked of these."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hetgraph.trainers.leaderboard.board import Board
from hetgraph.trainers.leaderboard.entry import Entry
from hetgraph.trainers.leaderboard.tables import Tables, check_metrics, read_csv
from hetgraph.trainers.tasks import task_of

LEAST_NETWORKS = 40  # of an entry: fewer tell little of networks that nobody has seen
MOST_ENTRIES = 1000  # of a board
SUFFIX = ".yaml"


@dataclass(frozen=True)
class CheckedBoard:
    """A board whose entries hold.

    Args:
        folder: where it is.
        board: of all of its entries.
        entries: with their tables of indicators ``[S, K]``.
    """

    folder: Path
    board: Board
    entries: list[tuple[Entry, Tables]] = field(default_factory=list)


def entries_of(folder: Path) -> list[tuple[Path, Entry]]:
    """Entries of a board's folder by file, without a look at their tables.

    Raises:
        ValueError: too many files, or a file that is no entry.
    """
    return [(path, Entry.from_yaml(path)) for path in _files(folder)]


def _files(folder: Path) -> list[Path]:
    files = sorted(path for path in folder.iterdir() if path.suffix == SUFFIX)
    if len(files) > MOST_ENTRIES:
        raise ValueError(f"{folder}: got {len(files)} entries, expected at most {MOST_ENTRIES}")
    return files


def board_folders(folder: Path) -> list[Path]:
    """Folders with entries, at or below a folder; links are not followed.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: a folder without any.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: got no such folder, expected one of entries of `hetgraph compare --submit`")
    found = sorted(Path(root) for root, _, names in os.walk(folder) if any(name.endswith(SUFFIX) for name in names))
    if not found:
        raise ValueError(f"{folder}: got no entries, expected a folder of those of `hetgraph compare --submit`")
    return found


def check_board(folder: Path, done: Callable[[], None] | None = None) -> tuple[CheckedBoard | None, list[str]]:
    """Check every entry of a board.

    Args:
        folder: of the board.
        done: called after each entry, to show progress.

    Returns:
        The board, ``None`` where not one entry can be read, and a sentence on each fault.

    Raises:
        ValueError: too many files.
    """
    faults, read = list[str](), dict[Path, Entry]()
    for path in _files(folder):
        try:
            read[path] = Entry.from_yaml(path)
        except ValueError as error:
            faults.append(str(error))
    if not read:
        return None, faults
    intact = [entry for entry in read.values() if entry.sha256 == entry.digest]
    board = CheckedBoard(folder, next(iter(intact or read.values())).board)
    for path, entry in read.items():
        try:
            board.entries.append((entry, _checked(path, entry, board)))
        except ValueError as error:
            faults.append(str(error))
        if done is not None:
            done()
    return board, faults


def _checked(path: Path, entry: Entry, board: CheckedBoard) -> Tables:
    """Indicators of an entry that holds by itself and beside those before it; what names a field comes before the digest.

    Raises:
        ValueError: what does not agree or does not suffice.
    """
    difference = entry.board.difference(board.board)
    if difference is not None:
        raise ValueError(f"{path}: {difference}, that of the board")
    networks = entry.board.networks or 0
    if networks < LEAST_NETWORKS:
        raise ValueError(f"{path}: board.networks: got {networks}, expected at least {LEAST_NETWORKS}")
    if entry.method in (other.method for other, _ in board.entries):
        raise ValueError(f"{path}: method: got {entry.method!r} twice on the board, expected each method once")
    tables = read_csv(path.parent / entry.csv, entry.csv_sha256, entry.method, entry.seeds, networks)
    check_metrics(str(path), entry.metrics, tables)
    task = task_of(entry.board.task)
    first = next((column.kpi for column in task.columns if column.kpi in tables), None)
    main = entry.board.headline or first
    if entry.headline != main:
        raise ValueError(f"{path}: headline: got {entry.headline!r}, expected {main!r}, by which the board is ranked")
    if board.entries and set(board.entries[0][1]) != set(tables):
        raise ValueError(f"{path}: metrics: got {', '.join(tables)}, expected {', '.join(board.entries[0][1])}")
    entry.check_digest(path)
    return tables


def folders_twice(boards: list[CheckedBoard]) -> Iterator[str]:
    """Sentences on boards that are in two folders."""
    for i, one in enumerate(boards):
        for other in boards[:i]:
            if one.board.difference(other.board) is None:
                yield f"{one.folder}: got the board of {other.folder}, expected one folder for both"
