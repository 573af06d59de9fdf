"""Users on their way between waypoints, alone or in groups."""

import math

import torch
from torch import Tensor

from hetgraph.graph.mobility import Waypoints
from hetgraph.graph.placement import place_users
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.streams import Streams

MOST_POINTS = 64  # waypoints drawn for a user; after the last one it begins again with the first


def places(
    scenario: ScenarioFields, mobility: Waypoints, stations: Tensor, streams: Streams, *, steps: int, slot_s: float
) -> tuple[Tensor, Tensor]:
    """Users' positions ``[n, T, U, 2]``, m, and speeds from each step to the next ``[n, T, U]``, m/s.

    Args:
        scenario: area and placement of users.
        mobility: how they move.
        stations: coordinates ``[n, N, 2]``, m.
        streams: random numbers.
        steps: number of steps T.
        slot_s: time between two steps, s.
    """
    extent = torch.tensor([scenario.layout.width_m, scenario.layout.height_m])
    start = place_users(scenario, stations, streams)
    leaders = mobility.groups if mobility.kind == "group" else start.shape[1]
    leaders = min(leaders, start.shape[1])
    points = _Waypoints(scenario, stations, streams, min(steps, MOST_POINTS), leaders)
    path = _walk(start[:, :leaders], points, mobility, streams, "walk", steps + 1, slot_s)
    if mobility.kind == "group":
        around = 2 * math.pi * streams.uniform("members/angle", MOST_POINTS, start.shape[1])
        radius = mobility.radius_m * streams.uniform("members/radius", MOST_POINTS, start.shape[1]).sqrt()
        offsets = torch.stack([around.cos(), around.sin()], -1) * radius.unsqueeze(-1)
        wander = _walk(offsets[:, 0], _Given(offsets), mobility, streams, "members/walk", steps + 1, slot_s)
        path = path[:, :, torch.arange(start.shape[1]) % leaders] + wander
        path = torch.minimum(path.clamp_min(0), extent)
    speed = (path[:, 1:] - path[:, :-1]).norm(dim=-1) / slot_s
    return path[:, :-1].contiguous(), speed


class _Given:
    """Waypoints that users visit in turn.

    Args:
        points: ``[n, count, U, 2]``, m.
    """

    def __init__(self, points: Tensor) -> None:
        self.points, self.count = points, points.shape[1]

    def first(self, number: int) -> Tensor:
        """At least the first ones ``[n, number or more, U, 2]``."""
        return self.points


class _Waypoints(_Given):
    """Where users of a scenario go next, by the law that places them; drawn as far as they are reached.

    Args:
        scenario: area and placement of users.
        stations: coordinates ``[n, N, 2]``, m.
        streams: random numbers.
        count: number of points; after the last one users begin again with the first.
        users: of the first users.
    """

    def __init__(self, scenario: ScenarioFields, stations: Tensor, streams: Streams, count: int, users: int) -> None:
        extent = torch.tensor([scenario.layout.width_m, scenario.layout.height_m])
        if scenario.users.placement in ("uniform", "clustered", "density"):
            points = torch.zeros(len(stations), 0, users, 2)
        else:
            points = (streams.uniform("waypoints", count, scenario.users.count, 2) * extent)[:, :, :users]
        super().__init__(points)
        self.count, self.users = count, users
        self._law = scenario, stations, streams

    def first(self, number: int) -> Tensor:
        """At least the first ones ``[n, number or more, U, 2]``."""
        scenario, stations, streams = self._law
        while self.points.shape[1] < min(number, self.count):
            later = Streams(streams.seed, streams.networks, attempt=1_000_000 + self.points.shape[1])
            point = place_users(scenario, stations, later)[:, : self.users]
            self.points = torch.cat([self.points, point.unsqueeze(1)], 1)
        return self.points


def fast_users(share: float, users: int) -> Tensor:
    """Which of the users are fast ``[U]``: a share of them, spread evenly over their numbers."""
    number = torch.arange(users + 1, dtype=torch.float64) * share
    return (number + 1e-9).floor().diff() > 0


def _speeds(mobility: Waypoints, users: int) -> tuple[Tensor, Tensor]:
    """Smallest speed of each user, and how much larger the largest one is ``[U]``, m/s."""
    fast = fast_users(mobility.fast, users)
    ends = torch.tensor((mobility.speed_mps, mobility.fast_mps), dtype=torch.float64)[fast.long()]
    return ends[:, 0].float(), (ends[:, 1] - ends[:, 0]).float()


def _walk(
    start: Tensor, points: _Given, mobility: Waypoints, streams: Streams, name: str, steps: int, slot_s: float
) -> Tensor:
    """Positions ``[n, T, U, 2]`` of those who start at ``[n, U, 2]`` and visit points in turn."""
    (n, users, _), count = start.shape, points.count
    low, span = _speeds(mobility, users)
    speed = low + span * streams.uniform(f"{name}/speed", count, users)
    rest = mobility.pause_s * ~fast_users(mobility.fast, users) * streams.uniform(f"{name}/pause", count, users)
    leg, left = torch.zeros(n, 1, users, dtype=torch.long), torch.zeros(n, users)
    place, path, target, reach = start, [start], None, start
    for _ in range(steps - 1):
        if target is None:
            target = points.first(int(leg.max()) + 1).gather(1, leg.unsqueeze(3).expand(-1, -1, -1, 2)).squeeze(1)
            reach = speed.gather(1, leg).squeeze(1) * slot_s
        way = target - place
        distance = way.norm(dim=-1)
        going, arrives = left <= 0, distance <= reach
        share = torch.where(arrives, 1.0, reach / distance.clamp_min(1e-9)) * going
        place = place + way * share.unsqueeze(2)
        arrived, left = going & arrives, left - slot_s
        if bool(arrived.any()):
            left = torch.where(arrived, rest.gather(1, leg).squeeze(1), left)
            leg, target = (leg + arrived.unsqueeze(1)) % count, None
        path.append(place)
    return torch.stack(path, 1)
