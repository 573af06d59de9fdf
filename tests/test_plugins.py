"""Names of entry-point groups."""

import pytest

from hetgraph.plugins import plugin, plugin_names
from hetgraph.trainers.tasks import task_of


def test_names_are_those_of_all_groups_in_order() -> None:
    tasks, papers = plugin_names("hetgraph.tasks"), plugin_names("hetgraph.papers")
    assert plugin_names("hetgraph.tasks", "hetgraph.papers") == sorted({*tasks, *papers}) and "snapshot" in tasks


def test_a_name_stands_for_its_object_and_no_other_one_is_known() -> None:
    assert plugin("task", "iot", "hetgraph.tasks") is task_of("iot")
    with pytest.raises(ValueError, match=r"^task: got 'nothing', expected one of arrivals, .*snapshot, or mine$"):
        plugin("task", "nothing", "hetgraph.tasks", others=", or mine")
