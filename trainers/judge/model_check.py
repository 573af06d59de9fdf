"""Whether a shipped model decides here as its card says."""

import time
from typing import Any

from hetgraph.trainers.common.arguments import Parser, add_options, options_from, parse
from hetgraph.trainers.judge.run import compare
from hetgraph.trainers.judge.trial import mean
from hetgraph.trainers.task import Task
from hetgraph.trainers.tasks import task_of
from hetgraph.weights.card import Check


def measured(task: str, check: Check, model: Any) -> tuple[float, float]:
    """Mean of a card's indicator over its networks, by the task's own comparison, and the seconds that it took.

    Args:
        task: of the model.
        check: of its card.
        model: that decides.

    Raises:
        ValueError: a task, an option or an indicator that does not exist.
    """
    known = task_of(task)
    options = options_of(known, check)
    start = time.monotonic()
    trials, name = compare(known, options, {"model": [model]})
    seconds = time.monotonic() - start
    if check.kpi not in trials[0].kpis:
        raise ValueError(f"card.check.kpi: got {check.kpi!r}, expected one of {', '.join(trials[0].kpis)}")
    return mean(trials[0], name, check.kpi).value, seconds


def options_of(task: Task, check: Check) -> Any:
    """Options of the task's comparison, made as ``hetgraph compare`` makes them.

    Raises:
        ValueError: an option that the task does not have, or another kind of value.
    """
    parser = Parser("hetgraph card.check.options", "")
    add_options(parser, task.options)
    return options_from(task.options, vars(parse(parser, check.arguments)))
