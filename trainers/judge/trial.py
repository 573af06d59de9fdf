"""Estimates of a trial with their intervals: means, ratios and paired differences to a reference."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from hetgraph.envs.rollout import Trial
from hetgraph.kpi_table import difference as difference_name
from hetgraph.kpi_table import indicator, vs_reference
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.statistics import Interval

Against = Literal["ratio", "difference", "none"]
SERVED_SLACK = 1e-9  # of a share of users: more than that is left unserved, not rounded
OVER_SERVED = (
    "pf_gain",
)  # means over users whom both a policy and the reference serve: leaving weak users out raises them


def table(trial: Trial, policy: str, kpi: str) -> NDArray[np.float64]:
    """Values of an indicator ``[S, K]``; ``[S, R, K]`` of one that compares with each of a reference's R training seeds."""
    return np.asarray(trial.values[policy][kpi].cpu(), dtype=np.float64)


def mean(trial: Trial, policy: str, kpi: str) -> Interval:
    """Mean over training seeds and networks."""
    values = table(trial, policy, kpi)
    return statistics.pairwise(values) if values.ndim == 3 else statistics.mean(values)


def ratio(trial: Trial, policy: str, reference: str, kpi: str) -> Interval:
    """Ratio of the means, on the same networks."""
    return statistics.ratio(table(trial, policy, kpi), table(trial, reference, kpi))


def difference(trial: Trial, policy: str, reference: str, kpi: str) -> Interval:
    """Difference of the means, paired on networks."""
    return statistics.difference(table(trial, policy, kpi), table(trial, reference, kpi))


def against(trial: Trial, policy: str, reference: str, kpi: str, how: Against) -> tuple[str, Interval] | None:
    """Name and interval of what compares an indicator with the reference's; ``None`` where nothing does."""
    if how == "ratio":
        return vs_reference(kpi), ratio(trial, policy, reference, kpi)
    return None if how == "none" else (difference_name(kpi), difference(trial, policy, reference, kpi))


def ranks(trial: Trial, reference: str, kpi: str) -> dict[str, int | None]:
    """Place of each policy by an indicator; by one of ``OVER_SERVED`` none that leaves more users unserved than the reference."""
    names = list(trial.values)
    if kpi in OVER_SERVED and "unserved" in trial.kpis:
        most = table(trial, reference, "unserved").mean() + SERVED_SLACK
        names = [name for name in names if table(trial, name, "unserved").mean() <= most]
    sign = -1 if indicator(kpi).better == "higher" else 1
    order = sorted(names, key=lambda name: sign * float(table(trial, name, kpi).mean()))
    return {name: order.index(name) + 1 if name in order else None for name in trial.values}


def averaged(trial: Trial, units: int) -> Trial:
    """The same with every ``units`` networks as one, their mean: networks i, i + K / units, ... share a layout."""
    if units == 1:
        return trial
    values = {
        policy: {kpi: value.reshape(*value.shape[:-1], units, -1).mean(-2) for kpi, value in kpis.items()}
        for policy, kpis in trial.values.items()
    }
    return replace(trial, values=values)


def over(trial: Trial, kpi: str) -> str:
    """What the intervals of a trial are over, in words."""
    rows = [mean(trial, name, kpi) for name in trial.values]
    seeds, networks = sorted({row.seeds for row in rows}), rows[0].networks
    trained = f" and {', '.join(map(str, seeds))} training seeds" if seeds != [1] else ""
    return f"95% intervals over {networks} network{'s' if networks > 1 else ''}{trained}"


def cell(interval: Interval, kpi: str, sign: str = "") -> str:
    """Estimate and half its interval in the shown unit."""
    return interval.scaled(indicator(kpi).scale).text(f"{sign}.4g")


def markdown(trial: Trial, kpis: Sequence[str]) -> str:
    """Means with half their intervals, a row for each policy, as Markdown."""
    lines = [_head("policy", kpis)]
    for name in trial.values:
        lines.append(f"| {name} | {' | '.join(cell(mean(trial, name, kpi), kpi) for kpi in kpis)} |")
    return "\n".join(lines)


def markdown_differences(trial: Trial, policy: str, kpis: Sequence[str]) -> str:
    """Paired differences of one policy to every other, with half their intervals, as Markdown."""
    lines = [_head(f"{policy} less", kpis)]
    for other in trial.values:
        if other != policy:
            line = (cell(difference(trial, policy, other, kpi), kpi, "+") for kpi in kpis)
            lines.append(f"| {other} | {' | '.join(line)} |")
    return "\n".join(lines)


def _head(first: str, kpis: Sequence[str]) -> str:
    return f"| {first} | {' | '.join(indicator(kpi).heading for kpi in kpis)} |\n" + "|---" * (len(kpis) + 1) + "|"


def trial_of(values: dict[str, dict[str, NDArray[np.float64]]], title: str = "", seed: int = 0) -> Trial:
    """Trial of arrays ``{policy: {indicator: [S, K]}}``."""
    tensors = {name: {kpi: torch.from_numpy(np.asarray(v)) for kpi, v in row.items()} for name, row in values.items()}
    networks = next(iter(next(iter(tensors.values())).values())).shape[-1]
    return Trial(tensors, {}, {"title": title, "seed": seed, "networks": networks, "keys": {}})
