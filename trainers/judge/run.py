"""Policies of a task on the networks of some options."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.progress import Progress

from hetgraph.envs.rollout import Trial, rollout
from hetgraph.trainers.judge.measured import SHARE, measured_share, noted
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

    Example:
        >>> task = task_of("snapshot")
        >>> options = task.options(scenario="uma-5bs:users=20", layouts=2)
        >>> (trial,), reference = compare(task, options, {name: [policy(name)] for name in ("max_rsrp", "pf")})
        >>> reference, trial.values["pf"]["pf_gain"].shape  # training seeds of both, and networks
        ('max_rsrp', torch.Size([1, 1, 2]))
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
    parts, shares = list[Trial](), list[float | None]()
    for env in case.environments():
        parts.append(rollout(env, policies, seed=case.seed, done=done))
        shares.append(measured_share(env))
    trial, known = Trial.join(parts), [share for share in shares if share is not None]
    share = sum(known) / len(known) if known else None
    keys = dict(case.keys) if share is None else {**case.keys, SHARE: share}
    title = noted(case.title, share)
    trial.meta.update({"title": title, "keys": keys, "seed": case.seed, "task": task.name, "headline": case.headline})
    return averaged(task.derive(trial, reference), case.units)
