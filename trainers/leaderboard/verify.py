"""Rules of a board, measured again on its first networks."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.kpi_table import indicator
from hetgraph.trainers.common.arguments import Parser, add_options, options_from, parse
from hetgraph.trainers.common.policies import rule, rules_of
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.run import compare
from hetgraph.trainers.judge.trial import cell, table
from hetgraph.trainers.leaderboard.board import Board
from hetgraph.trainers.leaderboard.entry import RULE
from hetgraph.trainers.leaderboard.folder import CheckedBoard
from hetgraph.trainers.task import Task
from hetgraph.trainers.tasks import task_of

LEAST = 2  # networks: fewer have no interval
TOLERANCE = 0.01  # of a mean: machines round differently, and one decision that turns on it changes those that follow


@dataclass(frozen=True)
class Verdict:
    """What came of it.

    Args:
        holds: whether the entry's headline is that of the run.
        text: in words.
    """

    holds: bool
    text: str


class WatchedPolicy:
    """A policy, and whether it drew random numbers.

    Args:
        policy: that decides.
    """

    def __init__(self, policy: Any) -> None:
        self.policy, self.level = policy, policy.level
        self.generator: Generator | None = None
        self.before: Tensor | None = None

    def initial_state(self, obs: HeteroData) -> Any:
        """Memory at the start of an episode."""
        return self.policy.initial_state(obs)

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Any, Any]:
        """Decide."""
        if self.before is None and generator is not None:
            self.generator, self.before = generator, generator.get_state()
        action, memory = self.policy.act(obs, state, generator)
        return action, memory

    @property
    def drew(self) -> bool:
        """Whether the generator that it was given first is no longer as it was."""
        if self.generator is None or self.before is None:
            return False
        return not torch.equal(self.generator.get_state(), self.before)


def verify(board: CheckedBoard, layouts: int) -> Iterator[Verdict]:
    """Run a board's rules on its first networks and compare the headline, network by network.

    A rule's mean may differ by :data:`TOLERANCE`. One that draws random numbers draws others among fewer networks: it holds,
    too, where the interval of the paired difference includes zero.

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
    policies = {name: [WatchedPolicy(rule(task, name))] for name in dict.fromkeys([reference, *names])}
    trials, _ = compare(task, options_of(task, board.board, count), policies, reference)
    for entry, tables in entries:
        if entry.headline != task.main(trials[0]):
            headlines = f"ranked by {entry.headline}, its networks by {task.main(trials[0])}"
            yield Verdict(False, f"{board.folder / entry.method}: {headlines}")
            continue
        rerun = table(trials[0], entry.method, entry.headline)
        rerun = rerun.mean(1) if rerun.ndim == 3 else rerun
        stated = tables[entry.headline][:, : rerun.shape[1]]
        difference = statistics.difference(rerun, stated)
        scale = float(np.abs(stated).mean())
        close = abs(difference.value) <= TOLERANCE * scale
        level = policies[entry.method][0].drew and difference.low <= 0 <= difference.high
        measured = f"{indicator(entry.headline).heading} {cell(statistics.mean(rerun), entry.headline)}"
        deviation = f"{cell(difference, entry.headline, '+')} to the entry's on {rerun.shape[1]} networks"
        yield Verdict(close or level, f"{board.folder / entry.method}: {measured}, {deviation}")


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
