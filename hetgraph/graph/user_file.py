"""Users of an operator's network from a file, and back."""

import csv
import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path

from hetgraph.graph.aliases import USERS
from hetgraph.graph.csvfile import Row, Table, read_table
from hetgraph.graph.geo import Projection
from hetgraph.graph.scenario_parts import Users
from hetgraph.graph.selection import Selection
from hetgraph.graph.site_file import name_unused

USER_COLUMNS = ("x", "y")
_MOST_FLOORS = 200
_FLAGS = dict.fromkeys(("yes", "y", "true", "indoor", "in"), True) | dict.fromkeys(
    ("no", "n", "false", "outdoor", "out"), False
)


def read_users(path: str | Path, *, projection: Projection | None = None) -> list[tuple[float, float]]:
    """User positions of a file, m; one warning names the columns that are not used.

    Args:
        path: CSV or GeoJSON of points; ``lat,lon`` may stand for ``x,y``.
        projection: plane for ``lat,lon``; the one that touches in the middle of the users when ``None``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: no places, a cell that is no number or out of range, no rows.
    """
    return user_table(path).places(projection)


def user_table(path: str | Path) -> Table:
    """Rows of a file of users.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is no table of places.
    """
    table = read_table(path, USERS)
    name_unused(table)
    return table


def users_within(table: Table, selection: Selection) -> Table:
    """The users in a window; one warning says how many are not.

    Raises:
        ValueError: nobody in the window.
    """
    inside = selection.within(table, "users")
    left = len(table.rows) - len(inside.rows)
    if left:
        path = table.header.path
        warnings.warn(f"{path}: left out {left} of {len(table.rows)} users, who are outside the window", stacklevel=2)
    return inside


def read_user_names(path: str | Path, selection: Selection = Selection()) -> list[str]:
    """Names of the users of a file: its column ``user`` or ``id``; else the numbers of their rows, from 0.

    Args:
        path: the file.
        selection: users outside its window are left out.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that :func:`read_users` refuses, an empty name, or a name that two users have.
    """
    table = users_within(user_table(path), selection)
    if "user" not in table:
        return [str(row.number) for row in table.rows]
    first: dict[str, Row] = {}
    for row in table.rows:
        name = row.text("user")
        if name in first:
            raise row.error("user", f"a name that {row.header.unit} {first[name].line} does not have")
        first[name] = row
    return list(first)


def users_of(table: Table, users: Users) -> Users:
    """A scenario's users with the height, buildings and floors that a file gives."""
    if "z" in table:
        height = table.rows[0].number_of("z")
        for row in table.rows:
            if row.number_of("z") != height or height <= 0:
                raise row.error("z", f"one positive height for all users, such as {table.rows[0].cells['z']}")
        users = dataclasses.replace(users, height_m=height)
    if "indoor" in table or "floor" in table:
        floors = [row.whole("floor", 0, _MOST_FLOORS) if row.has("floor") else 0 for row in table.rows]
        indoor = tuple(
            _flag(row) if row.has("indoor") else floor > 0 for row, floor in zip(table.rows, floors, strict=True)
        )
        outdoors = sum(floor > 0 and not inside for floor, inside in zip(floors, indoor, strict=True))
        if outdoors:
            warnings.warn(
                f"{table.header.path}: got {outdoors} of {len(floors)} users outdoors who have a floor; it is not used",
                stacklevel=2,
            )
        floor = tuple(floor if inside else 0 for floor, inside in zip(floors, indoor, strict=True))
        users = dataclasses.replace(users, indoor=indoor, floor=floor)
    return dataclasses.replace(users, per_station=None)


def _flag(row: Row) -> bool:
    word = row.cells["indoor"].casefold()
    return _FLAGS[word] if word in _FLAGS else bool(row.whole("indoor", 0, 1))


def write_users(path: str | Path, users: Sequence[tuple[float, float]]) -> None:
    """Write user positions; inverse of :func:`read_users`."""
    with Path(path).open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(USER_COLUMNS)
        writer.writerows(users)
