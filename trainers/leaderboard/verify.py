"""Rules of a board, measured again on its first networks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hetgraph.radio.kpi_table import indicator
from hetgraph.trainers.common.arguments import Parser, add_options, options_from, parse
from hetgraph.trainers.common.policies import rule, rules_of
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.run import compare
from hetgraph.trainers.judge.trial import cell, table
from hetgraph.trainers.leaderboard.board import Board
from hetgraph.trainers.leaderboard.entry import RULE
from hetgraph.trainers.leaderboard.folder import Checked
from hetgraph.trainers.task import Task
from hetgraph.trainers.tasks import task_of

LEAST = 2  # networks: fewer have no interval
TOLERANCE = 1e-3  # of a mean: machines round differently, and a decision that turns on it has effects


@dataclass(frozen=True)
class Verdict:
    """What came of it.

    Args:
        holds: whether the entry's headline is that of the run.
        text: in words.
    """

    holds: bool
    text: str


def verify(board: Checked, layouts: int) -> Iterator[Verdict]:
    """Run a board's rules on its first networks and compare the headline, network by network.

    A rule that draws lots decides otherwise among fewer networks: it holds where the paired difference's interval includes zero.

    Raises:
        ValueError: fewer than two networks, or options that the task does not take.
    """
    if layouts < LEAST:
        raise ValueError(f"--verify: got {layouts}, expected at least {LEAST} networks")
    task = task_of(board.board.task)
    entries = [pair for pair in board.entries if pair[0].kind == RULE and pair[0].method in rules_of(task)]
    if board.board.files:
        yield Verdict(True, f"{board.folder}: not run again, its networks are those of {', '.join(board.board.files)}")
        return
    if not entries:
        yield Verdict(True, f"{board.folder}: no rule to run again")
        return
    count = min(layouts, board.board.networks or layouts)
    names = [entry.method for entry, _ in entries]
    reference = board.board.reference or names[0]
    policies = {name: [rule(task, name)] for name in dict.fromkeys([reference, *names])}
    trials, _ = compare(task, options_of(task, board.board, count), policies, reference)
    for entry, tables in entries:
        again = table(trials[0], entry.method, entry.headline)
        again = again.mean(1) if again.ndim == 3 else again
        stated = tables[entry.headline][:, : again.shape[1]]
        difference = statistics.difference(again, stated)
        scale = float(np.abs(stated).mean())
        close = abs(difference.value) <= TOLERANCE * scale
        level = difference.low <= 0 <= difference.high
        found = f"{indicator(entry.headline).heading} {cell(statistics.mean(again), entry.headline)}"
        less = f"{cell(difference, entry.headline, '+')} to the entry's on {again.shape[1]} networks"
        yield Verdict(close or level, f"{board.folder / entry.method}: {found}, {less}")


def options_of(task: Task, board: Board, layouts: int) -> Any:
    """Options of a task from those of a board.

    Raises:
        ValueError: an option that the task does not take, or a value that it does not have.
    """
    parser = Parser(f"hetgraph {board.task}", task.summary)
    add_options(parser, task.options)
    given = {**board.options, "scenario": board.scenario, "seed": board.seed, "layouts": layouts}
    arguments = []
    for name, value in given.items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif value not in (None, False):
            arguments.append(f"{flag}={value}")
    return options_from(task.options, vars(parse(parser, arguments)))
