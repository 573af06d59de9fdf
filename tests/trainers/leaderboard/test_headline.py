"""What a board of `snapshot` is ranked by: the sum rate where antennas have channels, else PF gain, unless the objective is said."""

import re
from pathlib import Path

import pytest
import yaml

from hetgraph.trainers.cli import main
from hetgraph.trainers.leaderboard.board import board_of
from hetgraph.trainers.leaderboard.entry import Entry
from hetgraph.trainers.tasks import task_of

SMALL = "mimo-7:antennas=2,users=2"
ARGUMENTS = ("compare", "--scenario", SMALL, "--layouts", "40", "--no-figures", "--policies", "mrt,slnr,vector_wmmse")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return int(str(done.value.code))


@pytest.mark.parametrize(
    ("options", "headline"),
    [
        ({"scenario": SMALL}, "sum_rate_bps"),
        ({"scenario": SMALL, "objective": "sum_rate"}, "sum_rate_bps"),
        ({"scenario": SMALL, "objective": "pf"}, None),
        ({"scenario": "uma-5bs:users=10"}, None),
        ({"scenario": "uma-5bs:users=10", "objective": "sum_rate"}, "sum_rate_bps"),
    ],
)
def test_the_networks_and_the_objective_decide(options: dict[str, str], headline: str | None) -> None:
    task = task_of("snapshot")
    board = board_of(task, task.options(**options))
    assert board.headline == headline and board.options.get("objective") == options.get("objective")
    assert ("headline" in board.values()) == (headline is not None)  # entries of earlier boards keep their digest


def test_precoders_are_ranked_by_their_sum_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Vector WMMSE leaves users without service for it, which PF gain punishes and the sum rate does not."""
    monkeypatch.chdir(tmp_path)
    assert run(*ARGUMENTS, "--submit", "board") == 0
    assert "Ranked by sum rate." in capsys.readouterr().out
    entries = {path.stem: yaml.safe_load(path.read_text()) for path in Path("board").glob("*.yaml")}
    assert {entry["headline"] for entry in entries.values()} == {"sum_rate_bps"}
    assert run("leaderboard", "board", "--verify", "2") == 0
    page = Path("board/LEADERBOARD.md").read_text()
    assert "ranked by sum rate, Mbit/s (sum of the users' rates), higher is better" in page
    rows = [line.split(" | ")[:2] for line in page.splitlines() if re.match(r"\| [\d-]", line)]
    rates = {name: entry["metrics"]["sum_rate_bps"]["mean"] for name, entry in entries.items()}
    assert rows == [[f"| {i + 1}", name] for i, name in enumerate(sorted(rates, key=rates.__getitem__, reverse=True))]
    assert entries["vector_wmmse"]["metrics"]["unserved"]["mean"] > entries["mrt"]["metrics"]["unserved"]["mean"]

    assert run(*ARGUMENTS, "--objective", "pf", "--submit", "board") == 2  # of another board
    assert "--submit: got a folder of another board: board.options: got {'objective': 'pf'}" in capsys.readouterr().err
    for path in Path("board").glob("*.yaml"):  # as an entry of another headline would be, with the right digest
        path.write_text(path.read_text().replace("headline: sum_rate_bps", "headline: pf_gain"))
        path.write_text(re.sub("\nsha256: .*", f"\nsha256: {Entry.from_yaml(path).digest}", path.read_text()))
    assert run("leaderboard", "board", "--verify", "2") == 2
    assert "ranked by pf_gain, its networks by sum_rate_bps, expected the same" in capsys.readouterr().err
