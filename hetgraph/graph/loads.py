"""Load counters of cells: shares of their resource blocks that are in use."""

import dataclasses
import math
import warnings

from hetgraph.graph.csvfile import Table

_MOST_SHARE = 1.5  # a column with greater numbers is one of percent, where no unit says so
_PERCENT = 1e-2


def with_load_unit(table: Table) -> Table:
    """The same rows, whose loads are shares whatever the file has.

    A unit in the header counts; without one loads are percent where any is above 1.5. One warning says which, and how many cells
    have none.

    Args:
        table: all rows of a file of cells, which decide together.

    Raises:
        ValueError: a load that is no number.
    """
    if "load" not in table:
        return table
    rows, notes = [row for row in table.rows if row.has("load")], []
    if "load" not in table.header.convert and rows:
        most = max(row.number_of("load") for row in rows)
        percent = most > _MOST_SHARE
        notes.append(f"read as {'percent' if percent else 'shares'}, since its values go up to {most:g}")
        if percent:
            convert = table.header.convert | {"load": lambda value: value * _PERCENT}
            header = dataclasses.replace(table.header, convert=convert)
            table = Table(header, [dataclasses.replace(row, header=header) for row in table.rows])
    if len(rows) < len(table.rows):
        notes.append(f"{len(table.rows) - len(rows)} of {len(table.rows)} cells have none")
    if notes:
        name = table.header.text["load"]
        warnings.warn(f"{table.header.path}: {name}: {'; '.join(notes)}", stacklevel=2)
    return table


def mean_load(table: Table) -> float | None:
    """Mean over the rows of a file that have a load; ``None`` where none has.

    Args:
        table: all rows of the file.

    Raises:
        ValueError: a load that is no number, below 0 or above 1.
    """
    known = [load for load in loads_of(table) if load is not None]
    return math.fsum(known) / len(known) if known else None


def without_loads(table: Table) -> Table:
    """The same rows, whose loads are a column that is not used."""
    if "load" not in table:
        return table
    header = table.header
    place = {name: number for name, number in header.place.items() if name != "load"}
    return Table(dataclasses.replace(header, place=place, unused=(*header.unused, header.text["load"])), table.rows)


def loads_of(table: Table) -> list[float | None]:
    """Load of each row as a share; ``None`` where the file has none.

    Raises:
        ValueError: a load that is no number, below 0 or above 1.
    """
    there = "load" in table
    return [row.number_of("load", 0.0, 1.0) if there and row.has("load") else None for row in table.rows]
