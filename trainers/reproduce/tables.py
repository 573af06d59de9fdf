"""Tables of trials: indicators, what compares them, the share of the room, and what learning adds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hetgraph.envs.rollout import Trial
from hetgraph.kpi_table import indicator
from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge import trial as judged
from hetgraph.trainers.judge.statistics import Interval
from hetgraph.trainers.reproduce.bench import Methods
from hetgraph.trainers.reproduce.section import Column, Row, Table, Value

MILLISECONDS = Column("decision_ms", "ms of a decision", ".3g")
NOT_LEARNED = ("rule", "untrained weights")
Printed = Mapping[tuple[str, str], float | str]  # (row, column) -> what the paper prints, in the column's unit


@dataclass(frozen=True)
class Measure:
    """A column that comes from an indicator.

    Args:
        kpi: indicator.
        how: its mean, or the ratio or difference to a row's.
        to: the row.
        form: format of the estimate.
        half: format of half of its interval.
        scale: factor on top of the indicator's own.
        heading: in place of the indicator's.
    """

    kpi: str
    how: Literal["mean", "ratio", "difference"] = "mean"
    to: str = ""
    form: str = ".4g"
    half: str = ".2g"
    scale: float = 1.0
    heading: str = ""

    @property
    def column(self) -> Column:
        """Its column."""
        kpi = indicator(self.kpi)
        names = {
            "mean": kpi.heading,
            "ratio": f"{kpi.label} over {self.to}'s",
            "difference": f"{kpi.heading}, less {self.to}'s",
        }
        key = self.kpi if self.how == "mean" else f"{self.kpi}_{self.how}_{self.to}"
        return Column(key, self.heading or names[self.how], self.form, self.half)

    def value(self, trial: Trial, name: str) -> Interval:
        """Its value in a row."""
        scale = self.scale * (1.0 if self.how == "ratio" else indicator(self.kpi).scale)
        if self.how == "mean":
            return judged.mean(trial, name, self.kpi).scaled(scale)
        compare = statistics.ratio if self.how == "ratio" else statistics.difference
        return compare(flat(trial, name, self.kpi), flat(trial, self.to, self.kpi)).scaled(scale)


@dataclass(frozen=True)
class Room:
    """The room between a rule and a reference, of which methods take a share.

    Args:
        kpi: indicator.
        low: row of the rule.
        high: row of the reference.
    """

    kpi: str
    low: str
    high: str

    @property
    def column(self) -> Column:
        """Its column."""
        return Column(f"share_of_room_{self.high}", f"share of the room {self.low} to {self.high}, %", ".1f", ".1f")

    def value(self, trial: Trial, name: str) -> Interval:
        """A row's share, in per cent."""
        return statistics.share(*(flat(trial, each, self.kpi) for each in (name, self.low, self.high))).scaled(100.0)


def flat(trial: Trial, name: str, kpi: str) -> NDArray[np.float64]:
    """Values of an indicator ``[S, K]``, means over a reference's seeds where there are several."""
    values = judged.table(trial, name, kpi)
    return values.mean(1) if values.ndim == 3 else values


def trial_table(
    trial: Trial,
    methods: Methods,
    title: str,
    measures: Sequence[Measure],
    *,
    rooms: Sequence[Room] = (),
    printed: Printed | None = None,
    timed: bool = True,
) -> Table:
    """A row for each method of a trial.

    Args:
        trial: of the methods.
        methods: what they are; rows of the trial without one are rules.
        title: of the table; networks are added.
        measures: columns; the first one's indicator is that of which learning adds something.
        rooms: of which methods take shares.
        printed: what the paper has in some cells.
        timed: whether to show the time of a decision.
    """
    kpi = measures[0].kpi
    label = indicator(kpi)
    added = Column("learning_adds", f"what learning adds to {label.heading}", "+.3g", ".2g")
    columns = [measure.column for measure in measures] + [room.column for room in rooms] + [added, MILLISECONDS]
    printed, rows = printed or {}, []
    for name in trial.values:
        known = [measure for measure in measures if measure.kpi in trial.values[name]]
        values: dict[str, Value] = {measure.column.key: measure.value(trial, name) for measure in known}
        values |= {room.column.key: room.value(trial, name) for room in rooms}
        method = methods.get(name)
        if method is not None and method.start in trial.values:
            start = flat(trial, method.start, kpi)
            values[added.key] = statistics.difference(flat(trial, name, kpi), start).scaled(label.scale)
        if timed and np.isfinite(trial.seconds.get(name, np.nan)):
            values[MILLISECONDS.key] = 1e3 * trial.seconds[name]
        here = {key: value for (row, key), value in printed.items() if row == name}
        rows.append(Row(name, "rule" if method is None else kind_of(trial, name, methods), values, here))
    return Table(f"{title}; {judged.over(trial, kpi)}", columns, rows)


def kind_of(trial: Trial, name: str, methods: Methods) -> str:
    """What a row is; a learned one that decides as a rule does, or as it did before training, is named so."""
    method = methods[name]
    if method.kind in NOT_LEARNED:
        return method.kind
    for other, rival in methods.items():
        if rival.kind in NOT_LEARNED and other in trial.values and _same(trial, name, other):
            return f"{method.kind}: decides as {other}"
    return method.kind


def _same(trial: Trial, name: str, rule: str) -> bool:
    """Whether all indicators are equal on every network: a rule's one row with every seed, several rows seed by seed."""
    for kpi in trial.kpis:
        mine, other = flat(trial, name, kpi), flat(trial, rule, kpi)
        if len(other) not in (1, len(mine)):
            return False
        if not np.array_equal(np.broadcast_to(other, mine.shape), mine, equal_nan=True):
            return False
    return True
