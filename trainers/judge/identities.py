"""Who cells and users are, and in which order their owner has them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hetgraph.datasets import scenario_of
from hetgraph.graph import Scenario
from hetgraph.graph.scenario import CellName
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.graph.user_file import read_user_names
from hetgraph.trainers.common.networks import selection_of


@dataclass(frozen=True)
class Identities:
    """Names of a network's cells and users.

    Args:
        cells: columns of each station, in the order of the graph.
        order: stations in the order of the owner's file.
        users: names, in the order of the graph and of the file; ``None`` for their numbers.
    """

    cells: tuple[dict[str, str], ...]
    order: tuple[int, ...]
    users: tuple[str, ...] | None = None

    def user(self, number: int) -> str:
        """Name of a user; empty for one who is not known."""
        if number < 0:
            return ""
        return str(number) if self.users is None else self.users[number]


def identities(options: Any, stations: int) -> Identities:
    """Names of the cells and users of some options; numbers where nobody named them.

    Args:
        options: of a task.
        stations: of the network.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not as it must be.
    """
    sites, users = (getattr(options, name, None) for name in ("sites", "users"))
    if sites is not None:
        names = scenario_from_csv(sites, users, selection=selection_of(options)).names()
    else:
        names = _names(getattr(options, "scenario", None))
    if len(names) != stations:  # networks that the task changes have none
        names = (CellName(site="", cell="", tier="", row=None),) * stations
    rows = [number if name.row is None else name.row for number, name in enumerate(names)]
    cells = tuple(_columns(name, row, names) for name, row in zip(names, rows, strict=True))
    order = tuple(sorted(range(stations), key=lambda number: rows[number]))
    return Identities(cells, order, None if users is None else tuple(read_user_names(users, selection_of(options))))


def _names(scenario: str | None) -> tuple[CellName, ...]:
    """Names of the cells of a preset or a YAML file; drive tests, which are a folder or a file of others, name none."""
    traces = scenario is not None and not scenario.endswith((".yaml", ".yml")) and Path(scenario).exists()
    source = None if scenario is None or traces else scenario_of(scenario)
    return source.names() if isinstance(source, Scenario) else ()


def _columns(name: CellName, row: int, names: tuple[CellName, ...]) -> dict[str, str]:
    """Columns that some cell of the network has."""
    site = {"site": name.site} if any(each.site for each in names) else {}
    tier = {"tier": name.tier} if any(each.tier for each in names) else {}
    return {**site, "cell": name.cell or str(row), **tier}
