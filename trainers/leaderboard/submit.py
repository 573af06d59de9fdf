"""Entries of a comparison's policies, written into the folder of their board."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetgraph.envs.rollout import Trial
from hetgraph.files import write_file
from hetgraph.graph.schema import Level
from hetgraph.trainers.common.policies import checkpoints_of, rules_of
from hetgraph.trainers.judge.files import provenance
from hetgraph.trainers.judge.kinds import Kind
from hetgraph.trainers.judge.machine import machine
from hetgraph.trainers.judge.trial import table
from hetgraph.trainers.leaderboard.board import Board, board_of, digest_of
from hetgraph.trainers.leaderboard.entry import KINDS, METHOD, RULE, Credits, Entry, stem_of
from hetgraph.trainers.leaderboard.fields import MOST_TEXT, parse_yaml
from hetgraph.trainers.leaderboard.folder import LEAST_NETWORKS, SUFFIX, entries_of
from hetgraph.trainers.leaderboard.tables import Tables, csv_of, metrics_of, parse_csv
from hetgraph.trainers.task import Task, option

PROJECT, LICENCE = "hetgraph contributors", "MIT"  # of the rules of the library


@dataclass(frozen=True)
class Submission:
    """Options of entries; what a policy is that is no rule of the library must be said."""

    kind: str | None = option(None, "for --submit: what policies that are no rules of the task are", KINDS)
    authors: str | None = option(None, "for --submit: names, separated by commas")
    contact: str | None = option(None, "for --submit: how to reach the authors")
    url: str | None = option(None, "for --submit: of code, weights or a paper")
    licence: str | None = option(None, "for --submit: of the method, SPDX identifier")


@dataclass(frozen=True)
class Plan:
    """What a comparison will submit, checked before the work.

    Args:
        folder: of the board.
        board: as far as it is known.
        kinds: of each policy that has no entry yet.
        kept: policies whose entries stay.
        checkpoints: digests of each policy's files.
        credits: of policies that are no rules.
        command: that measures.
    """

    folder: Path
    board: Board
    kinds: dict[str, Kind]
    kept: list[str]
    checkpoints: dict[str, tuple[str, ...]]
    credits: Credits
    command: str


def plan(
    folder: Path,
    task: Task,
    options: Any,
    policies: str,
    reference: str | None,
    submission: Submission,
    command: str,
    *,
    overwrite: bool,
) -> Plan:
    """Look at all that can be refused before anything is measured.

    Args:
        folder: of the board; it is made where there is none.
        task: of the comparison.
        options: of the task.
        policies: list of the command line.
        reference: policy with which others are compared; the first when ``None``.
        submission: who submits what.
        command: that measures.
        overwrite: write over entries of the same name.

    Raises:
        ValueError: too few networks, another board than that of the folder, a name that does not do, or a policy of which it is
            not said what it is.
    """
    layouts = getattr(options, "layouts", LEAST_NETWORKS)  # a task of others may have no such option
    if layouts is None or layouts < LEAST_NETWORKS:
        raise ValueError(f"--layouts: got {layouts}, expected at least {LEAST_NETWORKS} for --submit")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--submit: got {folder}, which is a file, expected the folder of a board")
    listed = checkpoints_of(task, policies)
    board = board_of(task, options)
    there = _others(folder, replace(board, reference=reference or next(iter(listed), None)))
    checkpoints = {name: tuple(digest_of(path) for path in paths) for name, paths in listed.items()}
    kinds = {
        name: _kind(task, name, len(files), submission)
        for name, files in checkpoints.items()
        if overwrite or name not in there
    }
    for name in kinds:
        _check_name(name, folder, kinds, there)
    authors = tuple(part.strip() for part in (submission.authors or "").split(",") if part.strip())
    credits = Credits(authors, submission.contact, submission.url, submission.licence or "")
    kept = [name for name in checkpoints if name not in kinds]
    return Plan(folder, board, kinds, kept, checkpoints, credits, command)


def _check_name(name: str, folder: Path, names: Collection[str], there: Mapping[str, Path]) -> None:
    """Refuse a method's name that does not do, or whose files another method has.

    Raises:
        ValueError: such a name.
    """
    if not METHOD.fullmatch(name):
        raise ValueError(f"--submit: got the policy {name!r}, expected letters, digits and _.+:/-, 80 at most")
    target = folder / f"{stem_of(name)}{SUFFIX}"
    taken = target.exists() and there.get(name) != target
    if taken or [stem_of(other) for other in names].count(stem_of(name)) > 1:
        raise ValueError(f"--submit: got {name}, whose file {target} is another method's, expected another name")


def _others(folder: Path, board: Board) -> dict[str, Path]:
    """Files of the entries that are in a folder, by method.

    Raises:
        ValueError: entries of another board.
    """
    there = {}
    for path, entry in entries_of(folder) if folder.is_dir() else ():
        difference = board.difference(entry.board)
        if difference is not None:
            raise ValueError(f"--submit: got a folder of another board: {difference}, that of {path}")
        there[entry.method] = path
    return there


def _kind(task: Task, name: str, files: int, submission: Submission) -> Kind:
    """What a policy is: a rule of the task by its name, else as it is said.

    Raises:
        ValueError: kind, authors or licence that are not said, checkpoints under the name of a rule, or a rule of several.
    """
    if name in rules_of(task):
        if files:
            raise ValueError(f"--submit: got checkpoints as {name}, which is a rule's name, expected another")
        return RULE
    for flag in ("authors", "licence"):
        if not getattr(submission, flag):
            raise _unsaid(flag, name, task)
    kind = next((kind for kind in KINDS if kind == submission.kind), None)
    if kind is None:
        raise _unsaid("kind", name, task)
    if kind == RULE and files > 1:
        raise ValueError(f"--kind: got {RULE} for the {files} training seeds of {name}, expected what learned")
    return kind


def _unsaid(flag: str, name: str, task: Task) -> ValueError:
    return ValueError(f"--{flag}: got none, expected that of {name}, which is no rule of task {task.name}")


def submit(plan: Plan, task: Task, trial: Trial, reference: str, policies: Mapping[str, Sequence[Any]]) -> list[Path]:
    """Write the entries of a trial.

    Returns:
        Files of the entries.

    Raises:
        ValueError: too few networks, values that are not finite, or a reference that others cannot compare with.
    """
    networks = next(iter(trial.values[reference].values())).shape[-1]
    if networks < LEAST_NETWORKS:
        raise ValueError(f"--submit: got {networks} networks, expected at least {LEAST_NETWORKS}: --layouts")
    kpis = [column.kpi for column in task.columns if column.kpi in trial.kpis]
    relative = [kpi for kpi in kpis if table(trial, reference, kpi).ndim == 3]
    if relative and reference not in rules_of(task):
        raise ValueError(
            f"--reference: got {reference}, expected a rule, with which {relative[0]} of all entries compares"
        )
    board = replace(plan.board, networks=networks, reference=reference if relative else None)
    _others(plan.folder, board)
    plan.folder.mkdir(parents=True, exist_ok=True)
    source = provenance() | {"command": plan.command[:MOST_TEXT]}
    written = []
    for name in plan.kinds:
        tables = {kpi: _by_seed(table(trial, name, kpi)) for kpi in kpis}
        content = csv_of(name, tables)
        shape = next(iter(tables.values())).shape
        rounded = parse_csv(content, name, name, *shape)  # metrics are of what those who check will read
        entry = _entry(plan, task, trial, name, policies[name][0].level, board, rounded)
        entry = replace(entry, csv_sha256=hashlib.sha256(content).hexdigest(), source=source)
        path, text = plan.folder / f"{stem_of(name)}{SUFFIX}", entry.to_yaml().encode()
        Entry.from_values(str(path), parse_yaml(str(path), text))  # what is written can be read
        write_file(plan.folder / entry.csv, content)
        written.append(write_file(path, text))
    return written


def _by_seed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Values ``[S, K]``: what compares with a reference has an axis of the reference's seeds."""
    return values.mean(1) if values.ndim == 3 else values


def _entry(plan: Plan, task: Task, trial: Trial, name: str, level: Level, board: Board, tables: Tables) -> Entry:
    """Entry of a policy, without the digest of its table."""
    return Entry(
        method=name,
        kind=plan.kinds[name],
        level=level,
        credits=Credits((PROJECT,), None, None, LICENCE) if name in rules_of(task) else plan.credits,
        board=board,
        headline=task.main(trial),
        metrics=metrics_of(tables),
        seeds=len(tables[task.main(trial)]),
        decision_ms=float(f"{1e3 * trial.seconds[name]:.3g}"),
        machine=machine(),
        checkpoints=plan.checkpoints[name],
        csv=f"{stem_of(name)}.csv",
        csv_sha256="",
    )
