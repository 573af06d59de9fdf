"""Columns of a table of places: what each is read as, in which unit, and what is in it."""

from collections import Counter

from hetgraph.graph.csvfile import Table
from hetgraph.trainers.doctor.description import plural
from hetgraph.trainers.doctor.meanings import MEANINGS, NAMES

_MOST_SHOWN = 3


def format_of(table: Table) -> str:
    """Form and length of a table of places."""
    unit = table.header.unit
    kind = "GeoJSON" if unit == "feature" else "text without a header" if table.rows[0].line <= 1 else "text"
    return f"{kind}, {plural(len(table.rows), 'row')}"


def columns_of(table: Table) -> list[tuple[str, str, str]]:
    """Columns in the order of the file, those that are not used last."""
    used = sorted(table.header.place, key=lambda name: table.header.place[name])
    rows = [(table.header.text[name], MEANINGS.get(name, name), _content(table, name)) for name in used]
    return [*rows, *((name, "not used", "") for name in table.header.unused)]


def _content(table: Table, name: str) -> str:
    """Range of numbers in the unit of the column, or how many texts there are, and which."""
    rows = [row for row in table.rows if row.has(name)]
    empty = f", {len(table.rows) - len(rows)} empty" if len(rows) < len(table.rows) else ""
    if not rows:
        return "empty"
    if name not in NAMES:
        try:
            numbers = [row.number_of(name) for row in rows]
        except ValueError:
            return f"{rows[0].cells[name]}, ..."
        low, high = f"{min(numbers):.10g}", f"{max(numbers):.10g}"
        return (low if low == high else f"{low} to {high}") + empty
    count = Counter(row.cells[name] for row in rows)
    few = ", ".join(list(count)[:_MOST_SHOWN])
    return (few if len(count) <= _MOST_SHOWN else f"{len(count)} different: {few}, ...") + empty
