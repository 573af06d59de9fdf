"""The tasks by name: those of this project and those of others that are installed."""

from importlib.metadata import entry_points

from hetgraph.trainers.task import GROUP, Task


def task_names() -> list[str]:
    """Names of all tasks."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def task_of(name: str) -> Task:
    """A task by name.

    Raises:
        ValueError: an unknown name.
    """
    for point in entry_points(group=GROUP):
        if point.name == name:
            task: Task = point.load()
            return task
    raise ValueError(f"task: got {name!r}, expected one of {', '.join(task_names())}")
