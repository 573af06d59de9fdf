"""The page "My own network in ten minutes": its commands are those that the commands take, and they run."""

import csv
import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch  # noqa: F401  before output is captured: its log goes where it was at its import
import pytest
import torch

from hetgraph.graph.aliases import SITES, USERS
from hetgraph.graph.csvfile import read_table
from hetgraph.models import HetGNN, save
from hetgraph.trainers.cli import main
from hetgraph.trainers.commands import compare, doctor, finetune, plan, report

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs/ten-minutes.md"
DEMO = "runs/demo/label-free/best.ckpt"
FEWER = {
    "compare": ("--layouts", "2", "--no-figures"),
    "finetune": ("--epochs", "1", "--batches", "2", "--layouts", "2"),
    "plan": ("--draws", "2"),
}
PARSED = {"compare": compare, "finetune": finetune, "plan": plan, "report": report, "doctor": doctor}


def commands() -> list[list[str]]:
    """Lines of the page's blocks that are commands of hetgraph."""
    blocks = PAGE.read_text().split("```")[1::2]
    lines = [line for block in blocks for line in block.strip().splitlines() if line.startswith("hetgraph ")]
    return [shlex.split(line)[1:] for line in lines]


@pytest.fixture
def clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder with the files of the project that the page names, and an untrained network in the place of the demo's."""
    shutil.copytree(ROOT / "examples/own_network", tmp_path / "examples/own_network")
    torch.manual_seed(0)
    (tmp_path / DEMO).parent.mkdir(parents=True)
    save(HetGNN(hidden=8, rounds=1), tmp_path / DEMO)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(arguments: Sequence[str]) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == 0, arguments


class Parsed(Exception):
    """The command line was understood."""


def test_every_command_of_the_page_is_understood(clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renamed option, or one that is gone, ends here; nothing is run."""
    real = compare.parse
    (clone / "runs/own/finetuned").mkdir(parents=True)
    shutil.copy(clone / DEMO, clone / "runs/own/finetuned/best.ckpt")
    assert [each[0] for each in commands()] == ["doctor", "doctor", "compare", "finetune", "report", "plan", "report"]
    for command, *rest in commands():
        module = PARSED[command]

        def parse(*arguments: Any) -> None:
            raise Parsed(real(*arguments))

        monkeypatch.setattr(module, "parse", parse)
        with pytest.raises(Parsed):
            module.run(rest)
        for word in rest:
            if word.startswith("examples/"):
                assert (clone / word).is_file(), word


def test_the_example_has_the_columns_of_an_operators_export(real_files: Path) -> None:
    for name in ("sites", "users"):
        with (ROOT / f"examples/own_network/{name}.csv").open() as file:
            given = next(csv.reader(file))
        with (real_files / f"own_network/{name}_engineer.csv").open() as file:
            assert given == next(csv.reader(file))
    sites, users = (
        read_table(ROOT / f"examples/own_network/{name}.csv", table)
        for name, table in (("sites", SITES), ("users", USERS))
    )
    assert len({row.cells["site"] for row in sites.rows}) == 10 and (len(sites.rows), len(users.rows)) == (30, 80)


def test_doctor_finds_the_example_in_order(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files,) = (each for each in commands() if each[0] == "doctor" and len(each) > 1)
    run(files)
    printed = capsys.readouterr()
    assert "30 cells on 10 masts" in printed.out and "antenna patterns of files: 30 of 30" in printed.out
    assert "30 cells and 80 users" in printed.out and "without coverage" not in printed.out and not printed.err
    assert "prb_util   load, a share; with --far-cells or --start-load alone" in printed.out


@pytest.mark.all
@pytest.mark.filterwarnings("ignore:.*(by default|not used).*")
def test_the_page_runs(clone: Path) -> None:
    """Word for word, with fewer draws, epochs and batches."""
    for arguments in commands():
        run([*arguments, *FEWER.get(arguments[0], ())])
    given = list(csv.DictReader((clone / "examples/own_network/sites.csv").read_text().splitlines()))
    cells = list(csv.DictReader((clone / "runs/own/plan/cells.csv").read_text().splitlines()))
    assert [(row["site"], row["cell"]) for row in cells] == [(row["site"], row["cell"]) for row in given]
    about = json.loads((clone / "runs/own/plan/plan.json").read_text())
    assert {"gains", "gains_fixed", "gains_offsets", "offset_agreement"} <= set(about)
    for name in PAGE.read_text().split("## 5.")[1].split("`")[1::2]:
        if name.endswith((".csv", ".json", ".geojson")):
            assert (clone / "runs/own/plan" / name).is_file(), name
        elif name in ("offset_db", "power_dbm", "power_dbm_rb0", "users", "load", "site", "cell"):
            assert name in cells[0], name
    for folder in ("finetuned", "plan"):
        assert (clone / f"runs/own/{folder}/report.html").is_file()
