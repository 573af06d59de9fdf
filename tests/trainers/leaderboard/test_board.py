"""`hetgraph leaderboard`: what holds is ranked, what was changed or is malformed is refused in one sentence."""

import csv
import hashlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

from hetgraph.trainers.cli import main
from hetgraph.trainers.commands.leaderboard import check
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.leaderboard.entry import CREDITS
from hetgraph.trainers.leaderboard.folder import check_board
from hetgraph.trainers.leaderboard.page import markdown

ROOT = Path(__file__).parents[3]


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return int(str(done.value.code))


def utilities(folder: Path, method: str) -> np.ndarray:
    rows = csv.DictReader((folder / f"{method}.csv").read_text().splitlines())
    return np.array([[float(row["utility"]) for row in rows]])


def test_entries_are_checked_and_ranked_in_another_folder(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("leaderboard", str(board.parent)) == 0
    page = (board.parent / "LEADERBOARD.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if re.match(r"\| \d", line)]
    tables = {method: utilities(board, method) for method in ("best_rate", "least_loaded", "random_station")}
    order = sorted(tables, key=lambda method: -tables[method].mean())
    assert [row[1] for row in rows] == order and [row[0] for row in rows] == ["| 1", "| 2", "| 3"]
    for row in rows[1:]:
        difference = statistics.difference(tables[row[1]], tables[order[0]])
        level = difference.low <= 0 <= difference.high
        assert row[5].startswith(f"{difference.value:+.4g}") and row[5].endswith("level with the first") == level
    assert all(method in capsys.readouterr().out for method in order[:1])


def test_what_an_entry_says(board: Path) -> None:
    entry = yaml.safe_load((board / "best_rate.yaml").read_text())
    table, content = utilities(board, "best_rate"), (board / "best_rate.csv").read_bytes()
    mean = statistics.mean(table)
    assert entry["metrics"]["utility"]["mean"] == pytest.approx(mean.value, rel=1e-5)
    assert entry["metrics"]["utility"]["low"] == pytest.approx(mean.low, rel=1e-5)
    assert entry["csv_sha256"] == hashlib.sha256(content).hexdigest()
    assert (entry["kind"], entry["level"], entry["seeds"], entry["licence"]) == ("rule", "neighbourhood", 1, "MIT")
    known = entry["board"]
    assert (known["task"], known["scenario"], known["networks"], known["seed"]) == (
        "arrivals",
        "grows-tiny",
        40,
        2_000_000,
    )
    assert entry["command"].startswith("hetgraph compare arrivals --scenario grows-tiny")


def faults_of(folder: Path) -> list[str]:
    return check_board(folder)[1]


def changed(digit: str) -> str:
    return str((int(digit) + 1) % 10)


def test_a_changed_digit_of_a_metric_is_named(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = board / "least_loaded.yaml"
    entry = yaml.safe_load(path.read_text())
    mean = entry["metrics"]["rejections"]["low"]
    text = str(mean)
    path.write_text(path.read_text().replace(f"low: {text}\n", f"low: {text[:-1]}{changed(text[-1])}\n"))
    assert run("leaderboard", str(board)) == 2
    said = capsys.readouterr().err.strip()
    assert said.splitlines()[-1].startswith(f"hetgraph: error: {path}: metrics.rejections.low: got {text[:-1]}")
    assert not (board / "LEADERBOARD.md").exists()


def test_no_changed_digit_of_a_yaml_passes(board: Path) -> None:
    """Every fifth digit, wherever it is."""
    path = board / "best_rate.yaml"
    for other in ("least_loaded", "random_station"):
        (board / f"{other}.yaml").unlink()
    text = path.read_text()
    places = [match.start() for match in re.finditer(r"\d", text)][::5]
    assert len(places) > 30
    for place in places:
        path.write_text(text[:place] + changed(text[place]) + text[place + 1 :])
        (fault,) = faults_of(board)
        assert fault.startswith((f"{path}: ", f"{path.with_suffix('.csv')}: ")), fault
        assert "\n" not in fault
    path.write_text(text)
    assert faults_of(board) == []


def test_a_changed_digit_of_a_csv_is_refused(board: Path) -> None:
    path = board / "best_rate.csv"
    text = path.read_text()
    digits = [match.start() for match in re.finditer(r"\d", text)]
    for place in (digits[0], digits[len(digits) // 2], digits[-1]):
        path.write_text(text[:place] + changed(text[place]) + text[place + 1 :])
        (fault,) = faults_of(board)
        assert fault.startswith(f"{path}: sha256: got ")


def test_a_changed_csv_with_its_digest_is_refused_by_its_metrics(board: Path) -> None:
    path, about = board / "best_rate.csv", board / "best_rate.yaml"
    lines = path.read_text().splitlines()
    values = lines[7].split(",")
    values[3] = str(float(values[3]) + 0.01)
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_text("\n".join([*lines[:7], ",".join(values), *lines[8:]]) + "\n")
    about.write_text(about.read_text().replace(before, hashlib.sha256(path.read_bytes()).hexdigest()))
    (fault,) = faults_of(board)
    assert fault.startswith(f"{about}: metrics.utility.mean: got ") and "that of the CSV" in fault


def test_credits_may_be_changed_by_hand(board: Path) -> None:
    path = board / "best_rate.yaml"
    values = yaml.safe_load(path.read_text())
    values |= {"authors": ["A. Person"], "contact": "a@example.org", "url": "https://example.org", "licence": "BSD"}
    assert set(CREDITS) <= set(values)
    path.write_text(yaml.safe_dump(values, sort_keys=False))
    assert faults_of(board) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("seed: 2000000", "seed: 7"), "board.seed: got 7, expected 2000000"),
        (
            lambda text: text.replace("grows-tiny\n", "grows-3\n"),
            "board.scenario: got 'grows-3', expected 'grows-tiny'",
        ),
        (lambda text: text.replace("mean_gain_db: -", "mean_gain_db: -1"), "board.first_network: got {"),
        (lambda text: text.replace("networks: 40", "networks: 39"), "board.networks: got 39, expected 40"),
        (lambda text: text.replace("kind: rule", "kind: magic"), "kind: got 'magic', expected one of rule, learned"),
        (lambda text: text.replace("kind: rule", "kind: rule + learned"), "sha256: got "),
        (lambda text: text.replace("level: neighbourhood", "level: none"), "level: got 'none', expected one of local"),
        (lambda text: text.replace("method: best_rate", "method: least_loaded"), "csv: got 'best_rate.csv'"),
        (
            lambda text: text.replace("csv: best_rate.csv", "csv: ../x.csv"),
            "csv: got '../x.csv', expected best_rate.csv",
        ),
        (lambda text: text.replace("seeds: 1", "seeds: 0"), "seeds: got 0, expected a whole number from 1"),
        (lambda text: text.replace("seeds: 1", "seeds: true"), "seeds: got True, expected a whole number from 1"),
        (
            lambda text: re.sub("high: .*", "high: .nan", text, count=1),
            "metrics.utility.high: got nan, expected a finite",
        ),
        (lambda text: text + "more: 1\n", "more: got 1, expected no such field"),
        (lambda text: text.replace("headline: utility\n", ""), "headline: got no such field, expected a text"),
        (
            lambda text: text.replace("headline: utility", "headline: rejections"),
            "headline: got 'rejections', expected",
        ),
        (lambda text: text.replace("task: arrivals", "task: mars"), "board.task: got 'mars', expected 'arrivals'"),
        (lambda text: text.replace("format: 1", "format: 2"), "format: got 2, expected 1"),
        (lambda text: "[" * 30_000, "got a file that cannot be read"),
        (lambda text: "a: &a [1]\nb: *a\n", "got a file that cannot be read"),
        (lambda text: "a: !!python/object/apply:os.getcwd []\n", "got a file that cannot be read"),
        (lambda text: "a: 1\x00", "got a file that cannot be read"),
        (lambda text: f"a: {'9' * 5000}", "got a file that cannot be read"),
        (
            lambda text: text.replace("seed: 2000000", f"seed: 1{':1' * 9000}"),
            "board.seed: got a number, expected a whole",
        ),
        (lambda text: f"a: 1{':1' * 9000}.5", "got a file that cannot be read"),
        (lambda text: "just words", "got str, expected the fields of an entry"),
        (lambda text: "", "got NoneType, expected the fields of an entry"),
        (lambda text: text + "#" * (1 << 15), "got no regular file of at most 32768 bytes"),
    ],
)
def test_what_is_not_as_it_must_be_is_refused_in_one_sentence(
    change: Callable[[str], str], message: str, board: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = board / "best_rate.yaml"
    path.write_text(change(path.read_text()))
    assert run("leaderboard", str(board)) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert [line for line in said if line.startswith("hetgraph")] == [said[-1]]
    assert said[-1].startswith(f"hetgraph: error: {path}: {message}")


def reseal(path: Path, content: bytes) -> None:
    """Another table under the digest of an entry."""
    about = path.with_suffix(".yaml")
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    path.write_bytes(content)
    about.write_text(about.read_text().replace(before, hashlib.sha256(content).hexdigest()))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lines: lines[:-1], "got 39 rows, expected 40 of 1 seeds on 40 networks"),
        (lambda lines: [lines[0].replace("utility", "magic"), *lines[1:]], "indicator: got 'magic'"),
        (lambda lines: [lines[0].replace("network", "place"), *lines[1:]], "got the columns method,"),
        (lambda lines: [lines[0], lines[2], lines[1], *lines[3:]], "line 2: got best_rate,0,1"),
        (lambda lines: [*lines[:-1], lines[-1].rpartition(",")[0] + ",nan"], "line 41: completions: got 'nan'"),
        (lambda lines: [*lines[:-1], lines[-1].rpartition(",")[0] + ",1e999"], "line 41: completions: got '1e999'"),
        (lambda lines: [*lines[:-1], lines[-1] + ",1"], "line 41: got best_rate,0,39"),
        (lambda lines: [], "got the columns , expected method, training_seed, network"),
    ],
)
def test_malformed_tables_are_refused(change: Callable[[list[str]], list[str]], message: str, board: Path) -> None:
    path = board / "best_rate.csv"
    reseal(path, "".join(line + "\n" for line in change(path.read_text().splitlines())).encode())
    (fault,) = faults_of(board)
    assert fault.startswith(f"{path}: {message}")


def test_links_are_not_followed(board: Path) -> None:
    path = board / "best_rate.csv"
    shutil.move(path, board / "moved.csv")
    path.symlink_to(board / "moved.csv")
    assert faults_of(board) == [f"{path}: got no regular file of at most {1 << 24} bytes, expected an entry's CSV"]


def test_a_method_or_a_board_that_is_there_twice(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(board, board.parent / "again")
    assert run("leaderboard", str(board.parent)) == 2
    assert f"{board}: got the board of {board.parent / 'again'}" in capsys.readouterr().err
    shutil.copy(board / "best_rate.yaml", board / "copy.yaml")
    assert faults_of(board) == [
        f"{board / 'copy.yaml'}: method: got 'best_rate' twice on the board, expected each method once"
    ]


def test_shipped_boards_hold_and_their_page_is_theirs() -> None:
    folder = ROOT / "results" / "leaderboard"
    boards, faults = check(folder)
    assert faults == [] and len(boards) >= 2
    assert markdown(boards) == (folder / "LEADERBOARD.md").read_text()
