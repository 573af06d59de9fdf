"""Places of a board's entries by the headline indicator, with paired differences to the first."""

from dataclasses import dataclass

from hetgraph.kpi_table import indicator
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import OVER_SERVED, SERVED_SLACK
from hetgraph.trainers.leaderboard.entry import Entry
from hetgraph.trainers.leaderboard.folder import CheckedBoard
from hetgraph.trainers.leaderboard.tables import Tables


@dataclass(frozen=True)
class Place:
    """A row of a board.

    Args:
        entry: whose.
        tables: its indicators ``[S, K]``.
        rank: place; ``None`` for a method that leaves more users unserved than the reference, on a board whose headline is a mean
            over served users.
        to_first: the headline's paired difference to that of the first, on the same networks; ``None`` for the first.
    """

    entry: Entry
    tables: Tables
    rank: int | None
    to_first: Interval | None

    @property
    def level_with_first(self) -> bool:
        """Whether the interval of the difference to the first includes zero."""
        return self.to_first is not None and self.to_first.low <= 0 <= self.to_first.high

    def mean(self, kpi: str) -> Interval:
        """Mean of an indicator over training seeds and networks."""
        return statistics.mean(self.tables[kpi])


def ranking(board: CheckedBoard) -> list[Place]:
    """Rows in the order of their places, those without one behind; equal means are in the order of their names."""
    headline = board.entries[0][0].headline
    sign = -1 if indicator(headline).better == "higher" else 1
    most = _most_unserved(board) if headline in OVER_SERVED else 1.0
    order = sorted(
        board.entries,
        key=lambda pair: (_unserved(pair[1]) > most, sign * float(pair[1][headline].mean()), pair[0].method),
    )
    first, rows = order[0][1][headline], list[Place]()
    for i, (entry, tables) in enumerate(order):
        ranked = _unserved(tables) <= most
        to_first = statistics.difference(tables[headline], first) if i else None
        rows.append(Place(entry, tables, i + 1 if ranked else None, to_first))
    return rows


def _unserved(tables: Tables) -> float:
    return float(tables["unserved"].mean()) if "unserved" in tables else 0.0


def _most_unserved(board: CheckedBoard) -> float:
    """Share of users that a ranked method may leave unserved: the reference's, and none where it has no entry."""
    reference = [_unserved(tables) for entry, tables in board.entries if entry.method == board.board.reference]
    return max(reference, default=0.0) + SERVED_SLACK
