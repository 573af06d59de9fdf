"""Sections as JSON, and the page that is rendered from them."""

import math
from pathlib import Path

import pytest
from rich.console import Console

from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.reproduce import make as make_module
from hetgraph.trainers.reproduce.bench import Bench
from hetgraph.trainers.reproduce.make import Plan, listing, make
from hetgraph.trainers.reproduce.page import stored
from hetgraph.trainers.reproduce.paper import Experiment, Paper
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table
from hetgraph.trainers.reproduce.trainings import Run

CALLS: list[str] = []


def section(value: float) -> Section:
    row = Row(
        "agents",
        "learned from nothing",
        {"gain": Interval(value, value - 1, value + 1, 5, 40), "best": math.nan},
        {"gain": 3.5},
    )
    table = Table(
        "gains",
        [Column("gain", "gain, nat", ".2f", ".1f"), Column("best", "best")],
        [row, Row("rule", "rule", {"gain": 1.0})],
    )
    return Section((table,), ("A sentence.",), {"one": "a curve"}, "40 layouts")


def measure(bench: Bench) -> Section:
    CALLS.append(bench.name)
    return section(2.0)


def broken(bench: Bench) -> Section:
    raise ValueError("x: got 1, expected 2")


def paper(*more: Experiment) -> Paper:
    one = Experiment("one", "The first one", ("Table I", "Figure 2"), measure)
    two = Experiment("two", "The second", (), measure)
    return Paper("toy", "A toy", "nobody", (one, two, *more), absent={"Figure 1": "a diagram"})


def plan(out: Path, rows: str | None = None, *, quick: bool = False, of: Paper | None = None) -> Plan:
    toy = of or paper()
    return Plan(toy, toy.chosen(rows), out / "runs", out / "results", quick, rows is not None)


def test_json_and_back_is_the_same() -> None:
    once = section(2.0)
    again = Section.from_json(once.to_json())
    assert [table.markdown() for table in again.tables] == [table.markdown() for table in once.tables]
    assert again.notes == once.notes
    assert dict(again.figures) == dict(once.figures)


def test_printed_values_stand_beside_ours() -> None:
    lines = section(2.0).tables[0].markdown().splitlines()
    assert lines[2] == "|  | what it is | gain, nat | printed | best |"
    assert lines[4] == "| agents | learned from nothing | 2.00 ±1.0 | 3.5 | - |"
    assert lines[5] == "| rule | rule | 1.00 |  |  |"


def test_the_page_keeps_sections_that_are_not_measured_now(tmp_path: Path) -> None:
    CALLS.clear()
    assert make(plan(tmp_path, "one"), 1, Console()) == 0
    first = (tmp_path / "results" / "toy.md").read_text()
    assert "| Figure 1 | a diagram |" in first
    assert "| Table I | [The first one](#the-first-one) |" in first
    assert "`--rows two` (not measured yet)" in first
    assert make(plan(tmp_path, "two"), 1, Console()) == 0
    page = (tmp_path / "results" / "toy.md").read_text()
    assert "## The first one" in page
    assert "## The second" in page
    assert "![a curve](toy/one.png)" in page
    assert CALLS == ["one", "two"]
    assert make(plan(tmp_path), 1, Console()) == 0  # nothing has changed
    assert CALLS == ["one", "two"]
    assert set(stored(tmp_path / "results" / "toy", paper())) == {"one", "two"}


def test_other_code_is_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    make(plan(tmp_path, "one"), 1, Console())
    monkeypatch.setattr(make_module, "_code", lambda: "other code")
    make(plan(tmp_path, "one"), 1, Console())
    assert CALLS == ["one", "one"]


def test_without_training_a_section_says_what_is_missing(tmp_path: Path) -> None:
    def learned(bench: Bench) -> Section:
        assert bench.members("fitted") == []
        return section(1.0)

    toy = Paper(
        "toy",
        "A toy",
        "nobody",
        (Experiment("one", "One", (), learned, ("fitted",)),),
        (Run("fitted", "hetgnn", main=False),),
    )
    kept = Plan(toy, toy.experiments, tmp_path / "runs", tmp_path / "results", train=False)
    assert make(kept, 1, Console()) == 0
    assert not list(tmp_path.rglob("fitted*"))
    assert "Not trained: fitted-0, fitted-1, fitted-2." in (tmp_path / "results/toy.md").read_text()


def test_a_section_that_fails_leaves_the_others(tmp_path: Path) -> None:
    toy = paper(Experiment("bad", "A bad one", (), broken))
    assert make(plan(tmp_path, of=toy), 1, Console()) == 1
    assert "x: got 1, expected 2" in (tmp_path / "runs/logs/measure-bad.log").read_text()
    assert set(stored(tmp_path / "results" / "toy", toy)) == {"one", "two"}


def test_quick_says_so_first_and_never_mixes_with_full(tmp_path: Path) -> None:
    assert make(plan(tmp_path, quick=True), 1, Console()) == 0
    assert (tmp_path / "results" / "toy.md").read_text().startswith("# Quick run")
    with pytest.raises(ValueError, match=r"--out: got .* quick run, expected one of full runs"):
        make(plan(tmp_path), 1, Console())


def test_a_page_of_somebody_else_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "toy.md").write_text("# mine\n")
    with pytest.raises(ValueError, match="somebody else's"):
        make(plan(tmp_path), 1, Console())
    assert (tmp_path / "results" / "toy.md").read_text() == "# mine\n"


def test_a_damaged_section_is_refused_by_name(tmp_path: Path) -> None:
    make(plan(tmp_path), 1, Console())
    (tmp_path / "results" / "toy" / "one.json").write_text("{}")
    with pytest.raises(ValueError, match=r"one\.json: got no section"):
        make(plan(tmp_path), 1, Console())


def test_the_list_and_unknown_names(tmp_path: Path) -> None:
    assert "one: The first one (Table I, Figure 2)" in listing(plan(tmp_path))
    with pytest.raises(ValueError, match=r"--rows: got 'on', expected one of one, two"):
        paper().chosen("on")
    with pytest.raises(ValueError, match="got one twice"):
        paper(Experiment("one", "Again", (), measure))
