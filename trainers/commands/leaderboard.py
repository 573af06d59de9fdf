"""``hetgraph leaderboard``: check the entries of a folder's boards and rank them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from hetgraph.files import write_file
from hetgraph.trainers.common.arguments import Parser, parse
from hetgraph.trainers.leaderboard.folder import CheckedBoard, board_folders, check_board, folders_twice
from hetgraph.trainers.leaderboard.page import PAGE, markdown, show
from hetgraph.trainers.leaderboard.verify import verify

FOLDER = "results/leaderboard"


def run(arguments: Sequence[str]) -> int:
    """Check, print, write the page; 2 where an entry does not hold, each fault in one sentence."""
    parser = Parser("hetgraph leaderboard", "Check entries of `hetgraph compare --submit` and rank them.")
    parser.add_argument("folder", nargs="?", default=FOLDER, help=f"of a board or of several ({FOLDER})")
    parser.add_argument("--verify", type=int, default=None, help="run rules again on so many networks of each board")
    args = parse(parser, arguments)
    folder = Path(args.folder)
    boards, faults = check(folder)
    if not faults and args.verify is not None:
        faults = run_again(boards, args.verify)
    for fault in faults:
        sys.stderr.write(f"hetgraph: error: {fault}\n")
    if faults:
        return 2
    console = Console()
    for board in boards:
        show(board, console)
    write_file(folder / PAGE, markdown(boards).encode())
    console.print(f"leaderboard: {folder / PAGE}", markup=False, highlight=False, soft_wrap=True)
    return 0


def check(folder: Path) -> tuple[list[CheckedBoard], list[str]]:
    """Boards at or below a folder, and a sentence on each fault.

    Raises:
        FileNotFoundError: no such folder.
        ValueError: a folder without entries, or with too many.
    """
    boards, faults = list[CheckedBoard](), list[str]()
    with Progress(console=Console(stderr=True), transient=True) as progress:
        for each in board_folders(folder):
            bar = progress.add_task(str(each), total=None)
            board, wrong = check_board(each, lambda bar=bar: progress.advance(bar))  # type: ignore[misc]
            faults += wrong
            if board is not None:
                boards.append(board)
            progress.update(bar, total=1, completed=1)
    return boards, faults + list(folders_twice(boards))


def run_again(boards: Sequence[CheckedBoard], layouts: int) -> list[str]:
    """Run the rules of all boards again; what does not hold."""
    faults = []
    for board in boards:
        for verdict in verify(board, layouts):
            Console().print(verdict.text, markup=False, highlight=False, soft_wrap=True)
            if not verdict.holds:
                faults.append(f"{verdict.text}, expected the same")
    return faults
