"""Policies of a task on the networks of some options."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import Progress

from hetgraph.envs.rollout import Trial, rollout
from hetgraph.trainers.judge.trial import averaged
from hetgraph.trainers.task import Case, Task


def compare(
    task: Task, options: Any, policies: Mapping[str, Sequence[Any]], reference: str | None = None
) -> tuple[list[Trial], str]:
    """A trial for each case: all policies on the same networks, traffic and channels.

    Args:
        task: what is asked.
        options: of the task.
        policies: name -> one policy, or one for each training seed.
        reference: policy with which others are compared; the first when ``None``.

    Returns:
        Trials, whose ``meta`` has ``title`` and ``keys`` of the case, and the reference.

    Raises:
        ValueError: no policy, an unknown reference, or options that do not fit.
    """
    if not policies:
        raise ValueError("--policies: got none, expected at least one")
    reference = reference or next(iter(policies))
    if reference not in policies:
        raise ValueError(f"--reference: got {reference!r}, expected one of {', '.join(policies)}")
    cases, trials = task.cases(options), []
    with Progress(console=Console(stderr=True)) as progress:
        for case in cases:
            bar = progress.add_task(case.title, total=None)
            trials.append(run(task, case, policies, reference, lambda bar=bar: progress.advance(bar)))  # type: ignore[misc]
            done = progress.tasks[bar].completed
            progress.update(bar, total=done, completed=done)
    return trials, reference


def run(
    task: Task,
    case: Case,
    policies: Mapping[str, Sequence[Any]],
    reference: str,
    done: Callable[[], None] | None = None,
) -> Trial:
    """One case."""
    trial = Trial.join([rollout(env, policies, seed=case.seed, done=done) for env in case.environments()])
    trial.meta.update({"title": case.title, "keys": dict(case.keys), "seed": case.seed, "task": task.name})
    return averaged(task.derive(trial, reference), case.units)
