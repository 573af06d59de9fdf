"""Columns of result files: indicators, and the keys that say what a row is about."""

from typing import Any

from hetgraph.kpi_table import INDICATORS, Kpi, indicator
from hetgraph.trainers.judge.statistics import Interval

KEYS = {
    "case": "of several scenarios in one file",
    "scenario": "name of the scenario, or of the file",
    "policy": "method",
    "rank": "place by the main indicator; by PF gain none for a method that leaves more users unserved than the reference",
    "seeds": "training seeds, one for a rule",
    "networks": "networks, each of which is one unit",
    "training_seed": "number of a method's training seed",
    "layout": "number of the layout",
    "network": "number of the network",
    "offered_load": "packets per device and second (cells), chance of an arrival per slot (conflict graphs)",
    "probability": "chance of an arrival in a slot",
    "demand": "mean demand of arriving users",
    "measured_share": "share of the links that were measured; the others' gains are imputed",
}


def heading(column: str) -> str:
    """What a column is called in a report, with the unit in which it is shown; a column of other files as it is named."""
    kpi = _indicator(column)
    return column.replace("_", " ") if kpi is None else kpi.heading


def scale(column: str) -> float:
    """Factor of a column's values as a report shows them."""
    kpi = _indicator(column)
    return 1.0 if kpi is None else kpi.scale


def meaning(column: str) -> str:
    """What a column is, in one line; empty for one of other files."""
    kpi = _indicator(column)
    if kpi is None:
        return KEYS.get(column, "")
    source = (
        kpi.source if column in INDICATORS else kpi.source.rpartition(": ")[2]
    )  # how it compares, not of what it is made
    return f"{source}; {kpi.better} is better"


def _indicator(column: str) -> Kpi | None:
    if column in KEYS:
        return None
    try:
        return indicator(column)
    except ValueError:
        return None


def check_columns(columns: Any) -> None:
    """Refuse a column that is neither a key nor an indicator.

    Raises:
        ValueError: such a column.
    """
    for column in columns:
        if column not in KEYS:
            indicator(column)


def cells(name: str, interval: Interval) -> dict[str, float]:
    """Estimate and ends of an indicator as columns of a row."""
    return {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
