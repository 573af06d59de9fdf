"""What policies decide and gain over channel draws on one network: line of sight, shadowing and fading anew, sites and users kept."""

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs.rollout import Trial
from hetgraph.solvers.offsets import Reports
from hetgraph.trainers.judge.decisions import Decided, Episode, decided, one_network, play_episode
from hetgraph.trainers.judge.identities import identities
from hetgraph.trainers.judge.offsets import with_offsets
from hetgraph.trainers.judge.progress import late_progress_bar
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.judge.trial import against, mean
from hetgraph.trainers.task import Case, Decisions, Task

FIXED, OFFSETS = "fixed", "offsets"


@dataclass(frozen=True)
class Expected:
    """A policy over draws.

    Args:
        decisions: their means; each user's cell is the one that serves it most often, offsets are of all draws together.
        decided: the same as rows.
        trial: indicators of all policies, a draw being one network.
    """

    decisions: Decisions
    decided: Decided
    trial: Trial


def over_draws(
    task: Task, options: Any, policies: Mapping[str, Any], name: str, reference: str, draws: int
) -> Expected:
    """Run policies on the same draws, each of which has a seed of its own, and decide anew on each.

    Args:
        task: whose policies they are.
        options: of the task; of several cases, such as loads, the first one counts.
        policies: name -> policy.
        name: of the policy whose decisions are wanted.
        reference: name of that with which others are compared.
        draws: number of draws.

    Raises:
        ValueError: a task without tables of decisions, options that do not fit, or a policy that returns what it must not.
    """
    options = one_network(options)
    decisions, trial = _played(task, options, policies, name, reference, draws, name)
    first = task.cases(options)[0]
    kpis = {kpi: float(value.mean()) for kpi, value in trial.values[name].items() if value.ndim == 2}
    means = with_offsets(mean_decisions(decisions))
    who = identities(options, len(next(iter(means.cells.values()))))
    return Expected(means, decided(name, first, means, kpis, who), trial)


def _played(
    task: Task, options: Any, policies: Mapping[str, Any], name: str, reference: str, draws: int, shown: str
) -> tuple[list[Decisions], Trial]:
    """Decisions of one policy on each draw, and indicators of all; ``shown`` is what the progress bar calls the work."""
    decisions, parts = list[Decisions](), list[Trial]()
    with late_progress_bar(f"{shown}: {draws} draws", draws) as counted:
        for draw in counted(iter(range(draws))):
            case = task.cases(dataclasses.replace(options, seed=options.seed + draw))[0]
            env = next(case.environments())
            episodes = {each: play_episode(task, env, each, policy, case.seed) for each, policy in policies.items()}
            decisions.append(episodes[name].decisions)
            parts.append(_trial(task, case, episodes))
    first = task.cases(options)[0]
    trial = task.derive(Trial.join(parts), reference)
    trial.meta.update({"title": f"{first.title}, {draws} channel draws", "seed": first.seed})
    return decisions, trial


def over_other_draws(task: Task, options: Any, plan: Expected, reference: str, rule: Any, draws: int) -> Trial | None:
    """The tables on as many other draws, beside the reference; ``None`` for a task that cannot keep them.

    ``fixed`` keeps the means, ``offsets`` the powers and the offsets, after which users go to their strongest cell. It tells apart
    what a table gains by itself from what its policy gains by answering to the channels.
    """
    kept = {FIXED: task.fixed, OFFSETS: task.by_offsets}
    policies = {name: make(plan.decisions) for name, make in kept.items() if make is not None}
    if not policies:
        return None
    options = dataclasses.replace(one_network(options), seed=options.seed + draws)
    return _played(task, options, {reference: rule, **policies}, reference, reference, draws, "tables")[1]


def gains(task: Task, trial: Trial, name: str, reference: str) -> dict[str, Interval]:
    """What compares a policy with the reference, by the names of indicators, with 95% intervals over draws."""
    out = {}
    for column in task.columns:
        if column.kpi not in trial.kpis:
            continue
        compared = against(trial, name, reference, column.kpi, column.against)
        if compared is not None:
            out[compared[0]] = compared[1]
        elif trial.values[name][column.kpi].ndim == 3:  # compares with the reference by itself
            out[column.kpi] = mean(trial, name, column.kpi)
    return out


def mean_decisions(decisions: Sequence[Decisions]) -> Decisions:
    """Means over draws, and the cell that serves each user most often, with its share of the draws.

    Rows of arriving users are those of the first draw: others come in every draw.
    """
    first = decisions[0]
    cells = {name: _mean([each.cells[name] for each in decisions]) for name in first.cells}
    powers = [each.power_w for each in decisions if each.power_w is not None]
    power_w = _mean(powers) if powers else None
    known = [each.reports for each in decisions if each.reports is not None]
    reports = Reports.join(known) if known else None
    if first.user is not None:
        return Decisions(first.serving, first.users, cells, power_w, first.user, reports)
    serving = torch.stack([each.serving for each in decisions])  # [D, U]
    most = serving.mode(0).values
    share = {"serving_share": (serving == most).double().mean(0)}
    users = {name: _mean([each.users[name] for each in decisions]) for name in first.users}
    return Decisions(most, share | users, cells, power_w, reports=reports)


def _mean(values: Sequence[Tensor]) -> Tensor:
    """Mean over draws; of a user to whom nothing came in some draws that of the others."""
    return torch.stack([value.double() for value in values]).nanmean(0)


def _trial(task: Task, case: Case, episodes: Mapping[str, Episode]) -> Trial:
    """Indicators of a draw, as :func:`~hetgraph.envs.rollout.rollout` has them."""
    values = {
        name: {kpi: torch.tensor([[value]], dtype=torch.double) for kpi, value in each.kpis.items()}
        for name, each in episodes.items()
    }
    seconds = {name: statistics.median(each.seconds) for name, each in episodes.items()}
    meta = {"networks": 1, "title": case.title, "keys": dict(case.keys), "seed": case.seed, "task": task.name}
    details = {name: [[each.details]] for name, each in episodes.items()}
    associations = {name: each.association for name, each in episodes.items() if each.association is not None}
    return Trial(values, seconds, meta, details, associations)
