"""Columns of result files: indicators, and the keys that say what a row is about."""

from typing import Any

from hetgraph.radio.kpi_table import indicator
from hetgraph.trainers.judge.statistics import Interval

KEYS = {
    "case": "of several scenarios in one file",
    "scenario": "name of the scenario, or of the file",
    "policy": "method",
    "rank": "place by the main indicator; none for a method that leaves more users unserved than the reference",
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
    """What a column is called in a report, with its unit; a column of other files as it is named.

    The factor of what is shown is not applied: units are those of the stored values.
    """
    if column in KEYS:
        return column.replace("_", " ")
    try:
        kpi = indicator(column)
    except ValueError:
        return column.replace("_", " ")
    return kpi.label if kpi.unit == "1" else f"{kpi.label}, {kpi.unit}"


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
