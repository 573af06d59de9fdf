"""Learning curves of several training seeds: metrics over epochs as a figure, and where they end as a table."""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hetgraph.trainers.judge import statistics
from hetgraph.trainers.judge.curves import read_metrics
from hetgraph.trainers.judge.plots import COLOURS, grid, legend, save
from hetgraph.trainers.reproduce.bench import Bench
from hetgraph.trainers.reproduce.section import Column, Row, Section, Table, Value

PER_ROW = 2  # panels
COLUMNS = (
    Column("first", "first epoch"),
    Column("last", "last epoch"),
    Column("best", "largest"),
    Column("soon", "epochs to 90% of the change", ".3g"),
)


@dataclass(frozen=True)
class Metric:
    """A logged number.

    Args:
        name: its column of ``metrics.csv``.
        label: what the figure calls it.
        printed: what the paper says of its curve.
        scale: factor of the shown values.
    """

    name: str
    label: str
    printed: str = ""
    scale: float = 1.0


def curves(bench: Bench, run: str, metric: Metric) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Epochs ``[E]`` and values ``[S, E]`` of the seeds that were trained, up to the shortest; ``None`` without any."""
    found = [read_metrics(folder / "metrics.csv").get(metric.name) for folder in bench.folders(run)]
    known = [(np.array(epochs), metric.scale * np.array(values)) for epochs, values in filter(None, found)]
    if not known:
        return None
    length = min(len(values) for _, values in known)
    return known[0][0][:length], np.stack([values[:length] for _, values in known])


def learning(
    bench: Bench,
    runs: Mapping[str, str],
    metrics: Sequence[Metric],
    notes: tuple[str, ...] = (),
    decorate: Callable[[int, object], None] | None = None,
) -> Section:
    """A panel for each metric with a band for each run; at the first and the last epoch, and how soon nine tenths are there.

    Args:
        bench: of the experiment.
        runs: what a row is called -> run.
        metrics: panels.
        notes: of the section.
        decorate: draws more into a panel, by its number.
    """
    figure, panels = grid(len(metrics), PER_ROW, 3.2)
    rows = []
    for number, (panel, metric) in enumerate(zip(panels, metrics, strict=True)):
        for colour, (label, run) in zip(itertools.cycle(COLOURS), runs.items(), strict=False):
            found = curves(bench, run, metric)
            if found is None:
                continue
            epochs, values = found
            bands = [statistics.mean(column[:, None]) for column in values.T]  # one value of each training seed
            panel.plot(epochs, [band.value for band in bands], "o-", ms=3, color=colour, label=label)
            low, high = ([getattr(band, end) for band in bands] for end in ("low", "high"))
            panel.fill_between(epochs, low, high, color=colour, alpha=0.15, linewidth=0)
            cells: dict[str, Value] = {
                "first": bands[0],
                "last": bands[-1],
                "best": statistics.mean(values.max(1)[:, None]),
            }
            cells["soon"] = soon(epochs, values.mean(0))
            kind = bench.runs[run].kind
            rows.append(
                Row(f"{label}: {metric.label}", kind, cells, {"last": metric.printed} if metric.printed else {})
            )
        panel.set(xlabel="epoch", ylabel=metric.label)
        panel.locator_params(axis="x", integer=True)
        if decorate is not None:
            decorate(number, panel)
    legend(figure, panels[0])
    save(figure, bench.figures, bench.figure())
    caption = f"{', '.join(metric.label for metric in metrics)} over epochs; bands of 95% over training seeds"
    return Section((Table("over training seeds", COLUMNS, rows),), notes, {bench.figure(): caption})


def soon(epochs: NDArray[np.float64], values: NDArray[np.float64], part: float = 0.9) -> float:
    """First epoch with a part of the change from the first value to the last one."""
    change = values[-1] - values[0]
    if change == 0:
        return float(epochs[0])
    reached = np.flatnonzero((values - values[0]) / change >= part)
    return float(epochs[reached[0]]) if len(reached) else math.nan
