"""`compare --submit`: what is asked of entries, what stays, and rules that are run again."""

import hashlib
import re
from pathlib import Path

import pytest
import yaml

from hetgraph.graph import preset
from hetgraph.models import GROWS, save
from hetgraph.trainers.cli import main
from hetgraph.trainers.leaderboard.entry import Entry

ARGUMENTS = ("compare", "arrivals", "--scenario", "grows-tiny", "--layouts", "40", "--no-figures")
SAID = ("--authors", "A", "--licence", "MIT", "--kind", "rule")


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    return int(str(done.value.code))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--layouts", "39"], "--layouts: got 39, expected at least 40 for --submit"),
        (["--probability", "0.3,0.5"], "--submit: got 2 cases"),
        (["--seed", "5"], "--submit: got a folder of another board: board.seed: got 5, expected 2000000"),
        (["--layouts", "41"], "--submit: got a folder of another board: board.networks: got 41, expected 40"),
        (["--policies", "q=q.ckpt"], "--authors: got none, expected that of q, which is no rule of task arrivals"),
        (["--policies", "q=q.ckpt", "--authors", "A", "--licence", "MIT"], "--kind: got none, expected that of q"),
        (["--policies", "argmax=q.ckpt"], "--submit: got checkpoints as argmax, which is a rule's name"),
        (["--policies", "q|q=q.ckpt", "--authors", "A", "--licence", "MIT", "--kind", "rule"], "--submit: got the policy 'q|q'"),
        (["--policies", "a b=q.ckpt,a-b=q.ckpt", *SAID], "--submit: got a b, whose file"),
        (["--submit", "q.ckpt", "--policies", "q=q.ckpt"], "--submit: got q.ckpt, which is a file"),
        (["--policies", "q=q.ckpt", *SAID, "--contact", "x" * 5000], "{board}/q.yaml: contact: got 'xxx"),
        (
            ["--policies", "q=q.ckpt:q.ckpt", "--authors", "A", "--licence", "MIT", "--kind", "rule"],
            "--kind: got rule for the 2 training seeds of q",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_submitted(
    arguments: list[str],
    message: str,
    board: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    if "ckpt" in str(arguments):
        save(GROWS((8,), 1), "q.ckpt")
    assert run(*ARGUMENTS, "--policies", "best_rate", "--submit", str(board), *arguments) == 2
    assert (
        capsys.readouterr()
        .err.strip()
        .splitlines()[-1]
        .startswith(f"hetgraph: error: {message.replace('{board}', str(board))}")
    )
    assert {path.stem for path in board.iterdir()} == {"best_rate", "least_loaded", "random_station"}


def test_options_of_entries_without_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*ARGUMENTS, "--authors", "A") == 2
    assert "--authors: got 'A' without --submit, expected both" in capsys.readouterr().err


def test_a_learned_method_joins_a_board(board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for seed in (0, 1):
        save(GROWS((8,), 1), f"{seed}.ckpt")
    before = (board / "best_rate.yaml").read_bytes()
    options = ("--kind", "learned from nothing", "--authors", "A. Person, B. Person", "--licence", "BSD-3-Clause")
    arguments = (*ARGUMENTS, "--policies", "best_rate,flat q=0.ckpt:1.ckpt", "--submit", str(board), *options)
    assert run(*arguments) == 0
    assert (board / "best_rate.yaml").read_bytes() == before  # that of a method which is there stays
    entry = yaml.safe_load((board / "flat-q.yaml").read_text())
    digests = [hashlib.sha256(Path(f"{seed}.ckpt").read_bytes()).hexdigest() for seed in (0, 1)]
    assert entry["checkpoints"] == digests and entry["seeds"] == 2 and entry["kind"] == "learned from nothing"
    assert entry["authors"] == ["A. Person", "B. Person"]
    assert len((board / "flat-q.csv").read_text().splitlines()) == 1 + 2 * 40
    assert run("leaderboard", str(board)) == 0
    assert "| flat q | learned from nothing |" in (board / "LEADERBOARD.md").read_text()


def test_files_of_networks_belong_to_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    preset("grows-tiny").to_yaml("tiny.yaml")
    arguments = ("compare", "arrivals", "--scenario", "tiny.yaml", "--no-figures", "--submit", "board", "--policies")
    assert run(*arguments, "argmax") == 2
    assert "--layouts: got None, expected at least 40 for --submit" in capsys.readouterr().err
    assert run(*arguments, "argmax", "--layouts", "40") == 0
    known = yaml.safe_load(Path("board/argmax.yaml").read_text())["board"]
    digest = hashlib.sha256(Path("tiny.yaml").read_bytes()).hexdigest()
    assert known["scenario"] == "tiny.yaml" and known["files"] == {"tiny.yaml": digest}
    assert run("leaderboard", "board", "--verify", "2") == 0
    assert "board: not run again, its networks are those of tiny.yaml" in capsys.readouterr().out
    Path("tiny.yaml").write_text(Path("tiny.yaml").read_text() + "\n")
    assert run(*arguments, "best_rate", "--layouts", "40") == 2
    assert "--submit: got a folder of another board: board.files: got {'tiny.yaml'" in capsys.readouterr().err


def forge(folder: Path, method: str, name: str) -> None:
    """The figures of a method under the name of another one, with all digests as they should be."""
    table = (folder / f"{method}.csv").read_text().replace(method, name)
    (folder / f"{name}.csv").write_text(table)
    digest = hashlib.sha256(table.encode()).hexdigest()
    about, text = folder / f"{name}.yaml", (folder / f"{method}.yaml").read_text()
    text = re.sub("method: .*", f"method: {name}", re.sub("csv: .*", f"csv: {name}.csv", text))
    about.write_text(re.sub("csv_sha256: .*", f"csv_sha256: {digest}", text))
    about.write_text(re.sub("\nsha256: .*", f"\nsha256: {Entry.from_yaml(about).digest}", about.read_text()))


def test_rules_are_run_again(board: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("leaderboard", str(board), "--verify", "5") == 0
    assert f"{board / 'best_rate'}: utility, nat " in capsys.readouterr().out
    assert run("leaderboard", str(board), "--verify", "1") == 2
    assert "--verify: got 1, expected at least 2 networks" in capsys.readouterr().err
    forge(board, "best_rate", "least_loaded")
    assert run("leaderboard", str(board)) == 0
    assert run("leaderboard", str(board), "--verify", "20") == 2
    assert f"{board / 'least_loaded'}: utility, nat " in capsys.readouterr().err
