"""Tables of a report: sortable, with what their columns are."""

import csv
import html
import io
import re
from collections.abc import Mapping, Sequence
from typing import Any

from hetgraph.trainers.judge.columns import heading, meaning, scale
from hetgraph.trainers.judge.decision_columns import COLUMNS

MOST_ROWS = 200  # of a table; a line says how many more there are
_GAINS = {  # of plan.json
    "gains": "policy, on every draw",
    "gains_fixed": "these tables, kept on other draws",
    "gains_offsets": "offsets (and powers) of the cells, kept on other draws",
}
_BLOCK = re.compile(r"_rb\d+$")  # powers of single blocks, of which there may be hundreds


def results_table(name: str, text: str) -> str:
    """A table of indicators with the ends of their intervals, and what each is.

    Args:
        name: of the file.
        text: CSV.
    """
    rows = _rows(text)
    if not rows:
        return ""
    columns = [
        column for column in rows[0] if not column.endswith(("_low", "_high")) and any(row[column] for row in rows)
    ]
    heads = {column: heading(column) for column in columns}
    return _table(name, rows, heads, _result) + _glossary({heads[c]: meaning(c) for c in columns}, opened=True)


def decisions_table(name: str, text: str) -> str:
    """A table of cells or users, and what its columns are; powers of single blocks stay in the file."""
    rows = _rows(text)
    if not rows:
        return ""
    columns = [column for column in rows[0] if not _BLOCK.search(column)]
    left = len(rows[0]) - len(columns)
    known = {column: COLUMNS.get(column, ("", "")) for column in columns}
    heads = {
        column: f"{column.replace('_', ' ')}{f' [{unit}]' if unit not in ('', '1') else ''}"
        for column, (unit, _) in known.items()
    }
    note = (
        f"<p class='about'>{left} columns of single resource blocks are in {html.escape(name)} alone.</p>"
        if left
        else ""
    )
    meanings = {heads[column]: text for column, (_, text) in known.items()}
    return _table(name, rows, heads, _plain) + note + _glossary(meanings, opened=False)


def gains_table(content: Mapping[str, Any]) -> str:
    """What a plan gains over its reference, an indicator a row, and what its tables gain when they are kept on other draws.

    Args:
        content: of ``plan.json``.
    """
    kinds = {key: head for key, head in _GAINS.items() if isinstance(content.get(key), Mapping)}
    names = dict.fromkeys(name for key in kinds for name in content[key])
    rows = [
        {"gain": heading(str(name))}
        | {head: _interval(str(name), content[key].get(name)) for key, head in kinds.items()}
        for name in names
    ]
    return _table("gains", rows, {column: column for column in rows[0]}, _plain_text) if rows else ""


def _interval(name: str, value: Any) -> str:
    """Estimate with the ends of its interval, as text."""
    if not isinstance(value, Mapping):
        return ""
    shown, low, high = (_number(value.get(end), scale(name)) for end in ("value", "low", "high"))
    return f"{shown} ({low} to {high})"


def _plain_text(row: Mapping[str, Any], column: str) -> str:
    return _td(row[column], row[column] if column != "gain" else html.escape(row[column]))


def _rows(text: str) -> list[dict[str, Any]]:
    """Rows of a CSV; none of one that is damaged."""
    try:
        rows = list(csv.DictReader(io.StringIO(text), restkey=""))
        return [{name: value for name, value in row.items() if name != ""} for row in rows]  # longer than the header
    except csv.Error:
        return []


def _table(name: str, rows: Sequence[Mapping[str, Any]], heads: Mapping[str, str], cell: Any) -> str:
    head = "".join(
        f"<th scope='col' aria-sort='none'><button type='button'>{html.escape(text)}</button></th>"
        for text in heads.values()
    )
    lines = "".join(f"<tr>{''.join(cell(row, column) for column in heads)}</tr>" for row in rows[:MOST_ROWS])
    more = len(rows) - MOST_ROWS
    left = (
        f"<p class='about'>{more} of {len(rows)} rows of {html.escape(name)} are left out here.</p>" if more > 0 else ""
    )
    about = html.escape(name)
    return (
        f"<div class='wide' tabindex='0' role='region' aria-label='{about}'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{lines}</tbody></table></div>{left}"
    )


def _glossary(meanings: Mapping[str, str], *, opened: bool) -> str:
    known = "".join(
        f"<div><dt>{html.escape(head)}</dt><dd>{html.escape(text)}</dd></div>"
        for head, text in meanings.items()
        if text
    )
    return f"<details{' open' if opened else ''}><summary>columns</summary><dl>{known}</dl></details>" if known else ""


def _result(row: Mapping[str, Any], column: str) -> str:
    """Estimate, and below it the ends of its interval."""
    factor = scale(column)
    low, high = (row.get(f"{column}_{end}") for end in ("low", "high"))
    shown = _number(row[column], factor)
    if low and high and low != high:
        shown += f"<br><small>{_number(low, factor)} to {_number(high, factor)}</small>"
    return _td(row[column], shown)


def _plain(row: Mapping[str, Any], column: str) -> str:
    name = column in ("policy", "site", "cell", "tier", "user")  # a name stays as it is, even if it looks like a number
    return _td(row[column], html.escape(str(row[column] or "")) if name else _number(row[column], 1.0))


def _td(value: Any, shown: str) -> str:
    return f"<td data-value='{html.escape(str(value or ''))}'>{shown}</td>"


def _number(text: Any, factor: float) -> str:
    try:
        return f"{factor * float(text):.4g}"
    except (TypeError, ValueError):
        return html.escape("" if text is None else str(text))
