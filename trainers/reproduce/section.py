"""A section of a page: tables of intervals beside what the paper prints, figures and notes; as JSON and back."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from hetgraph.trainers.judge.statistics import Interval

Value = Interval | float | str


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Args:
        key: of its values.
        heading: with the unit.
        form: format of an estimate.
        half: format of half of its interval.
    """

    key: str
    heading: str
    form: str = ".4g"
    half: str = ".2g"

    def text(self, value: Value | None) -> str:
        """A cell; empty without a value, a dash for what is not finite."""
        if value is None or isinstance(value, str):
            return value or ""
        if isinstance(value, Interval):
            return value.text(self.form, self.half)
        return f"{value:{self.form}}" if math.isfinite(value) else "-"


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        name: of the method.
        kind: what it is: see :data:`~hetgraph.trainers.judge.kinds.Kind`; empty for what decides nothing.
        values: by the columns' keys.
        printed: what the paper prints there.
    """

    name: str
    kind: str
    values: Mapping[str, Value]
    printed: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """A table with a heading.

    Args:
        title: one line.
        columns: in their order.
        rows: in their order.
    """

    title: str
    columns: Sequence[Column]
    rows: Sequence[Row]

    def markdown(self) -> str:
        """The table; a column that the paper prints has the printed values beside it, in the unit of the column."""
        printed = {key for row in self.rows for key in row.printed}
        heads = ["", "what it is"] if any(row.kind for row in self.rows) else [""]
        shown = [
            column for column in self.columns if any(column.key in {*row.values, *row.printed} for row in self.rows)
        ]
        for column in shown:
            heads += [column.heading, "printed"] if column.key in printed else [column.heading]
        lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
        for row in self.rows:
            cells = [row.name, row.kind] if "what it is" in heads else [row.name]
            for column in shown:
                cells.append(column.text(row.values.get(column.key)))
                if column.key in printed:
                    number = row.printed.get(column.key)
                    cells.append("" if number is None else str(number))
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join([f"**{self.title}**", "", *lines])


@dataclass(frozen=True)
class Section:
    """What an experiment came to.

    Args:
        tables: of intervals.
        notes: sentences.
        figures: names of files without suffix, in the folder of the page's figures, and what they show.
        networks: number of test networks, in words where there are several kinds.
    """

    tables: tuple[Table, ...] = ()
    notes: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    networks: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "tables": [
                {
                    "title": table.title,
                    "columns": [asdict(column) for column in table.columns],
                    "rows": [
                        {
                            "name": row.name,
                            "kind": row.kind,
                            "values": {k: asdict(v) if isinstance(v, Interval) else v for k, v in row.values.items()},
                            "printed": dict(row.printed),
                        }
                        for row in table.rows
                    ],
                }
                for table in self.tables
            ],
            "notes": list(self.notes),
            "figures": dict(self.figures),
            "networks": self.networks,
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> "Section":
        """What :meth:`to_json` made; null is what was not finite."""
        tables = []
        for table in content["tables"]:
            rows = [
                Row(row["name"], row["kind"], {k: _value(v) for k, v in row["values"].items()}, row["printed"])
                for row in table["rows"]
            ]
            tables.append(Table(table["title"], [Column(**column) for column in table["columns"]], rows))
        return Section(tuple(tables), tuple(content["notes"]), content["figures"], content["networks"])


def _value(content: Any) -> Value:
    if isinstance(content, Mapping):
        estimate, low, high = (math.nan if content[key] is None else content[key] for key in ("value", "low", "high"))
        return Interval(estimate, low, high, content["seeds"], content["networks"])
    return math.nan if content is None else content
