"""What installed packages register under entry-point groups, this project among them: found by name, imported when asked for."""

from importlib.metadata import entry_points
from typing import Any


def plugin_names(*groups: str) -> list[str]:
    """Names in entry-point groups."""
    return sorted({point.name for group in groups for point in entry_points(group=group)})


def plugin(kind: str, name: str, *groups: str, others: str = "") -> Any:
    """What a name stands for; of a name in several groups that of the last one.

    Args:
        kind: what is looked for, for the error.
        name: of it.
        groups: where it is looked for.
        others: what else is expected, for the error.

    Raises:
        ValueError: an unknown name.
    """
    points = {point.name: point for group in groups for point in entry_points(group=group)}
    if name not in points:
        raise ValueError(f"{kind}: got {name!r}, expected one of {', '.join(sorted(points))}{others}")
    return points[name].load()
