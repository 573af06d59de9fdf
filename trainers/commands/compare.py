"""``hetgraph compare [TASK]``: policies on the same networks, as tables, files and figures."""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hetgraph.envs.rollout import Trial
from hetgraph.trainers.common.arguments import Parser, add_options, free_folder, new_folder, options_from, parse
from hetgraph.trainers.common.policies import policies_of, register_models, rules_of
from hetgraph.trainers.judge.decision_files import write_compared
from hetgraph.trainers.judge.decisions import decide
from hetgraph.trainers.judge.figures import draw_figures
from hetgraph.trainers.judge.files import write_trials
from hetgraph.trainers.judge.plots import announce
from hetgraph.trainers.judge.run import compare
from hetgraph.trainers.judge.table import print_trials
from hetgraph.trainers.leaderboard.submit import Plan, Submission, plan, submit
from hetgraph.trainers.task import Task
from hetgraph.trainers.tasks import task_names, task_of

DEFAULT, OUT = "snapshot", "runs/compare"


def run(arguments: Sequence[str]) -> int:
    """Compare, print, write."""
    name, rest = split_task(arguments)
    task = task_of(name)
    parser = Parser(f"hetgraph compare {task.name}", f"Compare policies: {task.summary}.")
    parser.epilog = (
        f"Rules: {', '.join(rules_of(task))}. Tasks: {', '.join(task_names())}; {DEFAULT} when none is named."
    )
    policies_help = "rules, checkpoints, shipped models (see hetgraph models) and module:attribute, separated by commas"
    parser.add_argument("--policies", default=None, help=policies_help)
    parser.add_argument("--models", default=None, help="module:attribute of models of one's own, for their checkpoints")
    parser.add_argument("--reference", default=None, help="policy with which others are compared; the first")
    parser.add_argument("--out", default=None, help=f"folder of results and figures ({OUT}, or the next free one)")
    parser.add_argument("--overwrite", action="store_true", help="write over results of an earlier run")
    parser.add_argument("--no-figures", action="store_true", help="tables and files alone")
    parser.add_argument("--submit", default=None, help="folder of a leaderboard's entries, to which policies are added")
    add_options(parser, Submission)
    add_options(parser, task.options)
    args = parse(parser, rest, foreign_options(task))
    options = options_from(task.options, vars(args))
    if not args.no_figures:
        announce("tables and files")
    register_models(args.models)
    chosen = args.policies or task.default(options)
    policies = policies_of(task, chosen)
    submission = options_from(Submission, vars(args))
    planned = None
    if args.submit is None:
        _check_unused(submission)
    else:
        command = shlex.join(["hetgraph", "compare", *arguments])
        folder = Path(args.submit)
        planned = plan(folder, task, options, chosen, args.reference, submission, command, overwrite=args.overwrite)
    out = new_folder(args.out or free_folder(OUT), args.overwrite)
    trials, reference = compare(task, options, policies, args.reference)
    report(task, trials, reference, out)
    if planned is not None:
        written = submit(planned, task, trials[0], reference, policies)
        _say_submitted(planned, written)
    if task.decisions is not None and getattr(options, "sites", None) is not None:
        write_compared([decide(task, options, name, members[0]) for name, members in policies.items()], out)
    draw(task, options, trials, reference, out, figures=not args.no_figures)
    return 0


def _check_unused(submission: Submission) -> None:
    """Refuse what only entries have.

    Raises:
        ValueError: such an option.
    """
    for field in dataclasses.fields(submission):
        value = getattr(submission, field.name)
        if value is not None:
            raise ValueError(f"--{field.name}: got {value!r} without --submit, expected both")


def _say_submitted(planned: Plan, written: Sequence[Path]) -> None:
    kept = f"; entries that stay (--overwrite replaces them): {', '.join(planned.kept)}" if planned.kept else ""
    names = ", ".join(path.name for path in written) or "none"
    Console().print(f"entries in {planned.folder}: {names}{kept}", markup=False, soft_wrap=True)


def report(task: Task, trials: Sequence[Trial], reference: str, out: Path) -> None:
    """Print the tables and write the files."""
    print_trials(task, trials, reference, Console())
    write_trials(task, trials, reference, out)


def draw(task: Task, options: Any, trials: Sequence[Trial], reference: str, out: Path, *, figures: bool) -> None:
    """Draw, when all tables are written, and say where everything is."""
    drawn = draw_figures(task, options, trials, reference, out) if figures else []
    Console().print(f"results{' and figures' if drawn else ''}: {out}")


def split_task(arguments: Sequence[str]) -> tuple[str, list[str]]:
    """Name of the task, which comes first or is left out, and all other arguments."""
    rest = list(arguments)
    return (rest[0], rest[1:]) if rest and not rest[0].startswith("-") else (DEFAULT, rest)


def foreign_options(task: Task) -> dict[str, str]:
    """Options of other tasks: flag -> ``task NAME``, or ``tasks NAME and NAME``."""
    own = {field.name for field in dataclasses.fields(task.options)}
    tasks: dict[str, list[str]] = {}
    for name in task_names():
        if name == task.name:
            continue
        options: Any = task_of(name).options
        for field in dataclasses.fields(options):
            if field.name not in own:
                tasks.setdefault(f"--{field.name.replace('_', '-')}", []).append(name)
    return {flag: f"task{'s' * (len(names) > 1)} {' and '.join(names)}" for flag, names in tasks.items()}
