"""Where stations and users are during an episode, and the path loss and shadowing between them."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.graph.background import propagate_with_background
from hetgraph.graph.placement import place_stations, place_users
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.streams import Streams
from hetgraph.graph.user_state import UserState, draw_user_state
from hetgraph.graph.waypoints import places

MOST_PAIRS = 2_000_000  # of a station and a user's place at once
SAME_M = 1e-3  # distances that differ by less are those of cells on one mast


@dataclass(frozen=True)
class Paths:
    """``B`` networks of ``N`` stations and ``U`` users, who are at one place after the other in ``P`` steps.

    Args:
        stations: places of stations ``[B, N, 2]``, m.
        users: places of users, height included ``[B, P, U, 3]``, m.
        gain_db: gain of links without fading ``[B, P, U, N]``, dB.
        speed_mps: of users, mean ``[B, U]``.
        background_w: power over the band that they receive of cells that serve nobody, mean over their way ``[B, U]``, W; ``None``
            for none.
    """

    stations: Tensor
    users: Tensor
    gain_db: Tensor
    speed_mps: Tensor
    background_w: Tensor | None = None


def draw_paths(scenario: Scenario, streams: Streams, geography: Streams, steps: int) -> Paths:
    """Draw stations, users and the ways that they go; there is one step where all users stand.

    Args:
        scenario: stations, users, channel, mobility.
        streams: of users.
        geography: of stations, line of sight and shadowing.
        steps: places P of each user.

    Raises:
        ValueError: users that move through a channel that is drawn anew at each place.
    """
    stations, mobility = place_stations(scenario, geography), scenario.mobility
    stand = mobility.waypoints is None and mobility.walking + mobility.grouped == 0
    if not stand:
        _refuse_new_channels(scenario)
    if mobility.waypoints is None:
        users, speed = _positions(scenario, streams, place_users(scenario, stations, streams), 1 if stand else steps)
    else:
        ways = places(scenario, mobility.waypoints, stations, streams, steps=steps, slot_s=mobility.step_s)
        users, speed = ways[0], ways[1].mean(1)
    few = max(MOST_PAIRS // (stations.shape[1] * users.shape[1] * users.shape[2]), 1)
    state, parts = draw_user_state(scenario, streams), []
    for first in range(0, len(stations), few):
        rows = slice(first, first + few)
        some = Streams(geography.seed, geography.networks[rows], geography.attempt)
        own = None if state is None else state.select(rows)
        parts.append(_received(scenario, stations[rows], users[rows], own, some))
    height = torch.tensor(scenario.users.height_m) if state is None else state.height_m.unsqueeze(1)
    users = torch.cat([users, height.expand(users.shape[:3]).unsqueeze(3)], 3)
    gains, background = zip(*parts, strict=True)
    background_w = torch.cat(background) if scenario.background else None
    return Paths(stations, users, torch.cat(gains), speed, background_w)


def _refuse_new_channels(scenario: Scenario) -> None:
    channel = scenario.channel
    if channel.shadowing == "independent" or (channel.shadowing == "none" and channel.los in ("probability", "soft")):
        got = f"shadowing={channel.shadowing}, los={channel.los}"
        raise ValueError(
            f"scenario.channel: got {got}, expected shadowing that is correlated in space, or none and a fixed LOS"
        )


def may_serve(scenario: Scenario, stations: Tensor, paths: Paths) -> Tensor | None:
    """Which stations may serve a user ``[B, U, N]``, where the scenario restricts it; else ``None``.

    Args:
        scenario: placement of users.
        stations: places, height included ``[B, N, 3]``, m.
        paths: users and gains; the first place counts.
    """
    b, _, u, n = paths.gain_db.shape
    if scenario.users.placement == "pairs":
        return torch.eye(u, n, dtype=torch.bool).expand(b, u, n)
    if not scenario.users.nearest_only:
        return None
    distance = torch.cdist(paths.users[:, 0], stations)
    near = distance <= distance.amin(2, keepdim=True) + SAME_M  # cells of the nearest mast
    best = paths.gain_db[:, 0].masked_fill(~near, -torch.inf).argmax(2, keepdim=True)
    return torch.zeros(b, u, n, dtype=torch.bool).scatter(2, best, True)


def _received(
    scenario: Scenario, stations: Tensor, users: Tensor, state: UserState | None, streams: Streams
) -> tuple[Tensor, Tensor]:
    """Gains ``[n, P, U, N]``, dB, functions of the place, and power of the background ``[n, U]``, W."""
    n, steps, count, _ = users.shape
    state = None if state is None else state.repeat(steps)
    points = users.reshape(n, -1, 2)
    paths, far_w = propagate_with_background(scenario, stations, points, streams, state=state, fast_fading=False)
    loss = paths.antenna_gain_db - paths.pathloss_db - paths.shadow_db  # [n, N, P * U]
    far_w = loss.new_zeros(n, steps * count) if far_w is None else far_w
    return loss.transpose(1, 2).reshape(n, steps, count, -1), far_w.reshape(n, steps, count).mean(1)


def _positions(scenario: Scenario, streams: Streams, start: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """Places ``[n, P, U, 2]`` and speeds ``[n, U]``; the edges of the area turn users back."""
    mobility, users = scenario.mobility, start.shape[1]
    extent = torch.tensor([scenario.layout.width_m, scenario.layout.height_m])
    kind = streams.uniform("mobility", users)
    walks = kind < mobility.walking
    grouped = ~walks & (kind < mobility.walking + mobility.grouped)
    own, own_mps = _walk(scenario, streams, "walk", mobility.walk_mps, users, steps)
    groups = max(round(users * mobility.grouped / mobility.group_size), 1)
    way, way_mps = _walk(scenario, streams, "group", mobility.group_mps, groups, steps)
    member = (streams.uniform("group/member", users) * groups).long()
    centre = streams.uniform("group/start", groups, 2) * extent
    row = torch.arange(len(start)).unsqueeze(1)
    beside = centre[row, member] + mobility.group_radius_m * streams.normal("group/place", users, 2)
    start = torch.where(grouped.unsqueeze(2), beside, start)
    moved = torch.where(grouped.reshape(-1, users, 1, 1), way[row, member], own * walks.reshape(-1, users, 1, 1))
    place = start.unsqueeze(2) + moved
    inside = extent - (place % (2 * extent) - extent).abs()  # reflected at the edges, as often as need be
    return inside.transpose(1, 2), torch.where(grouped, way_mps[row, member], own_mps * walks)


def _walk(
    scenario: Scenario, streams: Streams, name: str, speed_mps: tuple[float, float], count: int, steps: int
) -> tuple[Tensor, Tensor]:
    """Random walks from the origin ``[n, count, P, 2]``, m, and their speeds ``[n, count]``."""
    low, high = speed_mps
    speed = low + (high - low) * streams.uniform(f"{name}/speed", count)
    turns = scenario.mobility.turn_rad * streams.normal(f"{name}/turns", count, steps)
    turns[..., 0] = 2 * math.pi * streams.uniform(f"{name}/heading", count)
    heading = turns.cumsum(2)
    step = torch.stack([heading.cos(), heading.sin()], 3) * (speed * scenario.mobility.step_s).reshape(-1, count, 1, 1)
    return step.cumsum(2) - step[..., :1, :], speed
