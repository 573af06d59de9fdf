"""Where cells and users of a comparison's first network are, who they are, and who served whom: what maps are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hetgraph.datasets import scenario_of
from hetgraph.envs.association import Association
from hetgraph.envs.rollout import Trial
from hetgraph.envs.snapshot.env import Served
from hetgraph.graph import Scenario
from hetgraph.graph.geo import Projection
from hetgraph.graph.site_file import site_table
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.trainers.common.networks import selection_of
from hetgraph.trainers.judge.files import write_json
from hetgraph.trainers.judge.identities import Identities, identities
from hetgraph.trainers.task import Task

FILE = "map.json"
MOST_MARKS = 15_000  # users of all policies together in the file
METRES, DEGREES = ("x, m", "y, m"), ("longitude", "latitude")
_LEAST_UNIT_M, _MOST_UNIT_M, _MOST_PLACE = 1e-3, 1e6, 1e9  # what a file may say
_SAME_PLACE_M = 0.05  # places are kept in single precision
_Points = NDArray[np.float64]


@dataclass(frozen=True)
class MapCell:
    """A cell on a map.

    Args:
        site: name of its mast; empty where it has none.
        cell: its own name, or its number.
        tier: name of its tier; empty where it has none.
        x: on the axes of the map.
        y: on the axes of the map.
        bearing_deg: compass bearing of a directional antenna, ``None`` for an omnidirectional one.
    """

    site: str
    cell: str
    tier: str
    x: float
    y: float
    bearing_deg: float | None

    @property
    def label(self) -> str:
        """Name that tells it apart from cells of other masts."""
        return self.cell if self.cell.startswith(self.site) else f"{self.site} {self.cell}"


@dataclass(frozen=True)
class MapUsers:
    """Users of one policy.

    Args:
        name: of each user; empty where nobody knows who it is.
        xy: on the axes of the map ``[U, 2]``.
        serving: cell of each ``[U]``; -1 for none.
    """

    name: Sequence[str]
    xy: _Points
    serving: NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """A network on a map.

    Args:
        title: what it is.
        axes: names of both.
        unit_m: length of a unit of either axis, m.
        cells: in the order of the network.
        users: policy -> its users.
        order: cells in the order of their owner's file.
    """

    title: str
    axes: tuple[str, str]
    unit_m: tuple[float, float]
    cells: Sequence[MapCell]
    users: Mapping[str, MapUsers]
    order: Sequence[int]

    def same_users(self, one: str, other: str) -> bool:
        """Whether two policies have the same users at the same places, so that their cells can be compared."""
        a, b = self.users[one].xy, self.users[other].xy
        return a.shape == b.shape and bool(np.allclose(a * self.unit_m, b * self.unit_m, rtol=0, atol=_SAME_PLACE_M))


def places_of(task: Task, options: Any, trial: Trial) -> Places | None:
    """What a map of a trial's first network shows; ``None`` where nobody knows positions.

    Args:
        task: which was compared.
        options: of the task.
        trial: whose first network is shown.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a file that is not as it must be.
    """
    if not trial.associations:
        return None
    first = next(iter(trial.associations.values()))
    stations = len(first.station_xy)
    who, scenario = identities(options, stations), _scenario(task, options)
    tiers, bearings = _tiers(scenario, who, first), _bearings(scenario, stations)
    plane = _plane(options, who, first)
    axes, unit_m = METRES, (1.0, 1.0)
    if plane is not None:
        axes, unit_m = DEGREES, plane[0].metres_per_degree
    xy = _on_axes(first.station_xy.double().numpy(), plane)
    cells = [
        MapCell(names.get("site", ""), names["cell"], tier, float(x), float(y), bearing)
        for names, tier, bearing, (x, y) in zip(who.cells, tiers, bearings, xy, strict=True)
    ]
    users = {name: _users(trial, name, who, plane) for name in trial.associations}
    return Places(str(trial.meta["title"]), axes, unit_m, cells, users, who.order)


def write_places(path: Path, places: Places) -> bool:
    """Write what the page of a report makes an interactive map of; of many users the first and the last policies, of too many none.

    Returns:
        whether it was written.
    """
    names = list(places.users)
    most = MOST_MARKS // max(1, *(len(each.serving) for each in places.users.values()))
    if not most or len(places.cells) > MOST_MARKS:
        return False
    kept = names if len(names) <= most else [*names[: most // 2], *names[len(names) - (most - most // 2) :]]
    users = {name: _marks(places.users[name]) for name in kept}
    cells = [asdict(cell) for cell in places.cells]
    content = {"title": places.title, "axes": list(places.axes), "unit_m": list(places.unit_m)}
    write_json(path, {**content, "cells": cells, "users": users, "order": list(places.order)})
    return True


def _marks(users: MapUsers) -> list[list[Any]]:
    """Name, x, y and number of the cell of each user."""
    rows = zip(users.name, users.xy.tolist(), users.serving.tolist(), strict=True)
    return [[name, x, y, cell] for name, (x, y), cell in rows]


def read_places(content: Any) -> Places | None:
    """Inverse of :func:`write_places`, of the JSON; ``None`` for anything else."""
    try:
        cells = [
            MapCell(
                str(cell["site"]), str(cell["cell"]), str(cell["tier"]), float(cell["x"]), float(cell["y"]),
                None if cell["bearing_deg"] is None else float(cell["bearing_deg"]),
            )
            for cell in content["cells"]
        ]  # fmt: skip
        users = {str(name): _read_users(rows) for name, rows in content["users"].items()}
        axes, unit_m = DEGREES if content["axes"] == list(DEGREES) else METRES, content["unit_m"]
        order = [int(number) for number in content["order"]]
        places = Places(str(content["title"]), axes, (float(unit_m[0]), float(unit_m[1])), cells, users, order)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, OverflowError):
        return None
    return places if _is_sound(places) else None


def _read_users(rows: Any) -> MapUsers:
    xy = np.array([[float(row[1]), float(row[2])] for row in rows]).reshape(-1, 2)
    return MapUsers([str(row[0]) for row in rows], xy, np.array([int(row[3]) for row in rows], dtype=np.int64))


def _is_sound(places: Places) -> bool:
    """Whether everything is finite, of a size that can be drawn, and users are in cells that there are."""
    marks = sum(len(users.serving) for users in places.users.values())
    if not places.cells or not 0 < marks <= MOST_MARKS or len(places.cells) > MOST_MARKS:
        return False
    numbers = [(cell.x, cell.y, cell.bearing_deg or 0.0) for cell in places.cells]
    every = np.vstack([numbers, *(np.pad(users.xy, ((0, 0), (0, 1))) for users in places.users.values())])
    within = all(
        bool(((users.serving >= -1) & (users.serving < len(places.cells))).all()) for users in places.users.values()
    )
    sizes = all(_LEAST_UNIT_M < unit < _MOST_UNIT_M for unit in places.unit_m)
    return within and sizes and bool((np.abs(every) < _MOST_PLACE).all())


def _scenario(task: Task, options: Any) -> Scenario | None:
    """Of the cells, for the names of tiers and the bearings of antennas; drive tests and gains have none."""
    sites, given = getattr(options, "sites", None), getattr(options, "scenario", None)
    if getattr(options, "gain", None) is not None:
        return None
    if sites is not None:
        return scenario_from_csv(sites, options.users, selection=selection_of(options))
    name = given or task.scenario
    if name is None or (Path(name).exists() and not name.endswith((".yaml", ".yml"))):
        return None
    source = scenario_of(name)
    return source if source.names() else None


def _tiers(scenario: Scenario | None, who: Identities, association: Association) -> list[str]:
    """Name of each cell's tier; its number where it has no name."""
    numbers = None if association.tier is None else association.tier.tolist()
    names = [] if scenario is None else [tier.name for tier in scenario.tiers]
    out = []
    for place, cell in enumerate(who.cells):
        number = None if numbers is None else numbers[place]
        known = "" if number is None else names[number] if number < len(names) else f"tier {number}"
        out.append(cell.get("tier") or known)
    return out


def _bearings(scenario: Scenario | None, stations: int) -> list[float | None]:
    """Compass bearing of each cell's antenna."""
    out: list[float | None] = []
    for tier in () if scenario is None else scenario.tiers:
        out += tier.per_cell("azimuth_deg") if tier.directional else [None] * tier.count
    return out if len(out) == stations else [None] * stations  # networks that the task changes are others


def _plane(options: Any, who: Identities, association: Association) -> tuple[Projection, _Points] | None:
    """Plane of a file in latitude and longitude, and where the network's origin is in it ``[2]``, m."""
    sites = getattr(options, "sites", None)
    table = None if sites is None else site_table(sites, selection_of(options))
    plane = None if table is None else table.projection()
    if table is None or plane is None or len(table.rows) != len(who.order):
        return None
    own = association.station_xy.double().numpy()[list(who.order)]
    return plane, np.mean(np.array(table.places(plane)) - own, axis=0)


def _on_axes(xy: _Points, plane: tuple[Projection, _Points] | None) -> _Points:
    """Points ``[n, 2]`` of the network, m, on the axes of the map."""
    if plane is None:
        return xy
    centre = np.array([plane[0].longitude_deg, plane[0].latitude_deg])
    return np.asarray(
        centre + (xy + plane[1]) / plane[0].metres_per_degree
    )  # unwrapped: a map may lie on both sides of 180


def _users(trial: Trial, name: str, who: Identities, plane: tuple[Projection, _Points] | None) -> MapUsers:
    association = trial.associations[name]
    serving = association.serving
    last = trial.details[name][0][0] if name in trial.details else None
    count = len(serving)
    if isinstance(last, Served):  # an observation of a snapshot is of before the decision
        serving = last.allocation.serving[:count].cpu()  # the first network of its batch comes first
    if not association.everybody or (who.users is not None and len(who.users) != count):
        names = [""] * count
    else:
        names = [who.user(number) for number in range(count)]
    return MapUsers(names, _on_axes(association.user_xy.double().numpy(), plane), serving.numpy())
