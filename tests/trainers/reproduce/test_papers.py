"""The papers' lists: every training's command parses, every table and figure has a place."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning
import pytest

from hetgraph.trainers.cli import resolve_configs
from hetgraph.trainers.commands import tune
from hetgraph.trainers.commands.finetune import _add_arguments
from hetgraph.trainers.commands.fit import FolderCLI
from hetgraph.trainers.commands.reproduce import run
from hetgraph.trainers.common.arguments import Parser, add_options
from hetgraph.trainers.reproduce.paper import Paper, paper_names, paper_of
from hetgraph.trainers.reproduce.trainings import Chosen, Tuned
from hetgraph.trainers.tasks import task_of


class Parsed(FolderCLI):
    """The command line alone: nothing is built, nothing is run."""

    def instantiate_classes(self) -> None:
        """Nothing."""

    def _run_subcommand(self, subcommand: str) -> None:
        """Nothing."""


def parser(command: tuple[str, ...]) -> Any:
    return Parsed(
        lightning.LightningModule,
        lightning.LightningDataModule,
        subclass_mode_model=True,
        subclass_mode_data=True,
        seed_everything_default=0,
        save_config_callback=None,
        parser_kwargs={"exit_on_error": False},
        args=resolve_configs(list(command[1:])),
    ).parser


TUNED_TASKS = {"grows": "arrivals", "qmix": "handover-traffic"}  # of the agents that a paper's page fine-tunes


def tuning(task: str) -> Parser:
    """Command line of `hetgraph finetune`."""
    own = Parser("hetgraph finetune", "")
    _add_arguments(own)
    add_options(own, task_of(task).options)
    return own


@pytest.fixture(autouse=True)
def no_other_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning warns of arguments of the process beside those that it is given, and of its own calls."""
    monkeypatch.setattr("sys.argv", ["hetgraph"])
    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")


@pytest.mark.parametrize("name", paper_names())
def test_every_training_parses(name: str, tmp_path: Path) -> None:
    """With the options of quick runs, which come after the full ones: these are looked at, too."""
    paper = paper_of(name)
    own = parser(paper.runs[0].command(1, tmp_path, False))  # making it takes longer than parsing
    for training in paper.runs:
        command = training.command(1, tmp_path, True)
        if isinstance(training, Tuned):
            assert tuning(TUNED_TASKS[name]).parse_args(list(command[2:])).out == str(tmp_path / f"{training.name}-1")
            continue
        if isinstance(training, Chosen):
            parsed = tune._parser(task_of(TUNED_TASKS[name])).parse_args(list(command[2:]))
            assert parsed.ckpt == ",".join(str(tmp_path / f"{each}-1" / "best.ckpt") for each in training.needs)
            assert parsed.out == str(tmp_path / f"{training.name}-1")
            continue
        parsed = own.parse_args(resolve_configs(list(command[1:]))).fit
        seed = 1 + training.first_seed
        assert parsed.seed_everything == seed, training.name
        assert parsed.trainer.default_root_dir == str(tmp_path / f"{training.name}-1")
        if training.data_seed:
            assert parsed.data.init_args.seed == seed, training.name


def test_a_wrong_option_is_found(tmp_path: Path) -> None:
    training = paper_of("hetgnn").runs[0]
    wrong = replace(training, options=(*training.options, "--model.init_args.hiden", "3"))
    own = parser(training.command(0, tmp_path, False))
    with pytest.raises(Exception, match="hiden"):
        own.parse_args(resolve_configs(list(wrong.command(0, tmp_path, True)[1:])))


@pytest.mark.parametrize("name", paper_names())
def test_trainings_come_in_order_with_what_they_need(name: str, tmp_path: Path) -> None:
    paper = paper_of(name)
    for quick in (False, True):
        jobs = paper.jobs(paper.experiments, tmp_path, quick)
        places = {job.name: number for number, job in enumerate(jobs)}
        assert len(places) == len(jobs)
        assert all(places[need] < places[job.name] for job in jobs for need in job.needs)
    read = {run for experiment in paper.experiments for run in experiment.runs}
    needed = {need for training in paper.runs for need in training.needs}
    assert {training.name for training in paper.runs} <= read | needed  # none is trained for nothing


COUNTS = {  # figures and tables of the papers
    "hetgnn": (range(1, 8), ("1", "2")),
    "mimo": (range(0), ()),
    "grows": (range(1, 5), ("I",)),
    "mappo": (range(1, 14), ("I", "II", "III", "IV", "V")),
    "qmix": (range(1, 9), ("I", "II", "III", "IV")),
    "iot": (range(1, 11), ("1", "2", "3", "4", "5", "6")),
}


@pytest.mark.parametrize("name", paper_names())
def test_every_table_and_figure_has_a_place(name: str) -> None:
    paper: Paper = paper_of(name)
    places = {place for experiment in paper.experiments for place in experiment.place} | set(paper.absent)
    figures, tables = COUNTS[name]
    missing = {f"Figure {n}" for n in figures} | {f"Table {n}" for n in tables}
    assert missing <= {re.sub(r"[a-z]$", "", place) for place in places}


def test_names_are_not_guessed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"reproduce: got 'het', expected one of .*hetgnn"):
        run(["het", "--list"])
    with pytest.raises(ValueError, match=r"--rows: got 'pap', expected one of paper, "):
        run(["hetgnn", "--rows", "pap"])
    with pytest.raises(ValueError, match="--jobs: got 0, expected at least 1"):
        run(["hetgnn", "--jobs", "0"])
    assert run(["hetgnn", "--list", "--rows", "paper"]) == 0
    assert "hetgnn-paper" in capsys.readouterr().out
