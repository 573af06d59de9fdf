"""Places by means, paired differences, and methods that leave users unserved."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hetgraph.trainers.judge.kinds import Kind
from hetgraph.trainers.leaderboard.board import Board
from hetgraph.trainers.leaderboard.entry import Credits, Entry
from hetgraph.trainers.leaderboard.folder import CheckedBoard
from hetgraph.trainers.leaderboard.page import markdown
from hetgraph.trainers.leaderboard.ranking import ranking
from hetgraph.trainers.leaderboard.tables import Tables, check_metrics, csv_of, metrics_of, parse_csv

FIRST = {"stations": 3, "users": 9, "links": 27, "mean_gain_db": -90.0}
BOARD = Board("snapshot", "hetnet-3tier", 0, 40, "max_rsrp", FIRST)
GENERATOR = np.random.default_rng(0)
LAYOUT = 3 * GENERATOR.standard_normal((1, 40))  # what networks have in common for all methods


def entry(method: str, headline: str = "pf_gain", seeds: int = 1) -> Entry:
    kind: Kind = "rule" if seeds == 1 else "rule + learned"
    source = {"versions": {"hetgraph": "1"}, "commit": None}
    credits = Credits(("A | B",), None, None, "MIT")
    return Entry(method, kind, "genie", credits, BOARD, headline, {}, seeds, 1.0, "", (), "", "", source)


def gains(mean: float, noise: float, seeds: int = 1) -> np.ndarray:
    return mean + LAYOUT + noise * GENERATOR.standard_normal((seeds, 40))


def board(**tables: Tables) -> CheckedBoard:
    headline = next(iter(next(iter(tables.values()))))
    rows = [(entry(name, headline, len(next(iter(each.values())))), each) for name, each in tables.items()]
    return CheckedBoard(Path("board"), BOARD, rows)


def test_differences_are_paired_on_networks() -> None:
    """Layouts differ a hundred times more than methods do: only what is paired can tell these apart."""
    places = ranking(
        board(
            second={"pf_gain": gains(1.0, 0.02)},
            best={"pf_gain": gains(1.1, 0.02)},
            close={"pf_gain": gains(1.1, 0.02, seeds=5) - 0.003},
        )
    )
    assert [place.entry.method for place in places] == ["best", "close", "second"]
    assert [place.rank for place in places] == [1, 2, 3]
    assert [place.level_with_first for place in places] == [False, True, False]
    assert places[0].to_first is None
    difference = places[2].to_first
    assert difference is not None and difference.value == pytest.approx(-0.1, abs=0.02) and difference.half < 0.02
    assert places[0].mean("pf_gain").half > 0.5


def test_lower_is_better_where_it_is() -> None:
    slow, fast = {"mean_delay_ms": 20 + LAYOUT}, {"mean_delay_ms": 10 + LAYOUT}
    assert [place.entry.method for place in ranking(board(slow=slow, fast=fast))] == ["fast", "slow"]


def test_what_leaves_more_users_unserved_than_the_reference_has_no_place() -> None:
    served, unserved = np.zeros((1, 40)), np.full((1, 40), 0.1)
    rows = {
        "greedy": {"pf_gain": gains(2.0, 0.1), "unserved": unserved},
        "fair": {"pf_gain": gains(1.0, 0.1), "unserved": served},
    }
    places = ranking(board(**rows))
    assert [(place.entry.method, place.rank) for place in places] == [("fair", 1), ("greedy", None)]
    places = ranking(board(**rows, max_rsrp={"pf_gain": gains(0.0, 0.1), "unserved": unserved}))
    assert [(place.entry.method, place.rank) for place in places] == [("greedy", 1), ("fair", 2), ("max_rsrp", 3)]


def test_text_of_others_is_text_on_the_page() -> None:
    one = board(best={"pf_gain": gains(1.0, 0.1)})
    row = markdown([one]).splitlines()[-1]
    assert "A \\| B" in row and row.count(" | ") == markdown([one]).splitlines()[-2].count("|") - 2


@pytest.mark.parametrize("seeds", [1, 3])
def test_metrics_of_a_table_agree_with_it_to_the_printed_digits(seeds: int) -> None:
    tables = {
        "pf_gain": gains(1.0, 0.1, seeds),
        "unserved": np.zeros((seeds, 40)),
        "sum_rate_bps": 1e9 * gains(9, 1, seeds),
    }
    read = parse_csv(csv_of("mine", tables), "mine.csv", "mine", seeds, 40)
    for kpi, values in tables.items():
        np.testing.assert_allclose(read[kpi], values, rtol=1e-8)
    stated = metrics_of(read)
    check_metrics("mine.yaml", stated, read)
    for kpi in ("pf_gain", "sum_rate_bps"):
        for name in ("mean", "low", "high"):
            value = stated[kpi][name]
            wrong = value + 10.0 ** (math.floor(math.log10(abs(value))) - 5)  # one in the sixth digit
            with pytest.raises(
                ValueError, match=rf"mine.yaml: metrics.{kpi}.{name}: got .*, expected .*, that of the CSV"
            ):
                check_metrics("mine.yaml", stated | {kpi: stated[kpi] | {name: wrong}}, read)


def test_values_that_are_not_finite_are_not_written() -> None:
    values = np.ones((1, 40))
    values[0, 3] = np.nan
    with pytest.raises(ValueError, match="mine: pf_gain: got nan on network 3, expected a finite number"):
        csv_of("mine", {"pf_gain": values})


def test_boards_are_told_apart() -> None:
    assert BOARD.difference(replace(BOARD, networks=None)) is None
    near, far = (replace(BOARD, first_network=FIRST | {"mean_gain_db": -90 + shift}) for shift in (0.001, 0.1))
    assert BOARD.difference(near) is None and "board.first_network" in str(BOARD.difference(far))
    assert "board.options: got {}, expected {'cre': True}" in str(
        BOARD.difference(replace(BOARD, options={"cre": True}))
    )
