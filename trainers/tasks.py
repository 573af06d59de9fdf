"""The tasks by name: those of this project and those of others that are installed."""

from hetgraph.plugins import plugin, plugin_names
from hetgraph.trainers.task import GROUP, Task


def task_names() -> list[str]:
    """Names of all tasks.

    Example:
        >>> task_names()
        ['arrivals', 'handover', 'handover-traffic', 'iot', 'queues', 'snapshot'...]
    """
    return plugin_names(GROUP)


def task_of(name: str) -> Task:
    """A task by name.

    Raises:
        ValueError: an unknown name.
    """
    task: Task = plugin("task", name, GROUP)
    return task
