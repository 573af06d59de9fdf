"""Trials as tables on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from hetgraph.envs.rollout import Trial
from hetgraph.kpi_table import indicator
from hetgraph.trainers.judge.trial import against, cell, mean, over, ranks
from hetgraph.trainers.task import Column, Task

_WIDTH = 120
EVERYTHING = 1e-9  # a share of unserved users below it is none


def print_trials(task: Task, trials: Sequence[Trial], reference: str, console: Console) -> None:
    """A table for each trial, a row for each policy."""
    wide = Console(file=console.file, width=max(console.width, _WIDTH))
    for trial in trials:
        wide.print(_table(task, trial, reference))


def _table(task: Task, trial: Trial, reference: str) -> Table:
    columns = [column for column in task.columns if column.shown != "none" and _tells(column, trial)]
    main, place = task.main(trial), None
    title = Table(title=f"{trial.meta['title']}, against {reference}, {over(trial, main)}")
    title.add_column("policy", no_wrap=True)
    if "unserved" in trial.kpis:
        place = ranks(trial, reference, main)
        title.add_column("rank", justify="right")
        if None in place.values():
            title.caption = "Policies without a rank leave more users unserved than the reference."
        elif main != columns[0].kpi:
            title.caption = f"Ranked by {indicator(main).label}."
    for column in columns:
        for heading in _headings(column):
            title.add_column(heading, justify="right")
    title.add_column("ms", justify="right", no_wrap=True)
    for name in trial.values:
        line = [] if place is None else ["-" if place[name] is None else str(place[name])]
        for column in columns:
            line += _cells(column, trial, name, reference)
        title.add_row(name, *line, f"{1e3 * trial.seconds[name]:.3g}")
    return title


def _tells(column: Column, trial: Trial) -> bool:
    """Whether a column has something to say: that nobody is unserved has not."""
    if column.kpi != "unserved":
        return column.kpi in trial.kpis
    return any(float(kpis["unserved"].mean()) > EVERYTHING for kpis in trial.values.values())


def _headings(column: Column) -> list[str]:
    label, names = indicator(column.kpi), []
    if column.shown in ("all", "mean"):
        names.append(label.heading)
    if column.against != "none" and column.shown in ("all", "against"):
        names.append(f"{label.label} {'ratio' if column.against == 'ratio' else '- reference'}")
    return names


def _cells(column: Column, trial: Trial, name: str, reference: str) -> list[str]:
    out = [cell(mean(trial, name, column.kpi), column.kpi)] if column.shown in ("all", "mean") else []
    compared = against(trial, name, reference, column.kpi, column.against)
    if compared is not None and column.shown in ("all", "against"):
        out.append(cell(compared[1], compared[0], "" if column.against == "ratio" else "+"))
    return out
