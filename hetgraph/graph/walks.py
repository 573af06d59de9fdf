"""Trajectories through the networks of a scenario."""

import torch
from torch import Tensor

from hetgraph.graph.background import propagate_with_background
from hetgraph.graph.mobility import Waypoints
from hetgraph.graph.placement import place_stations
from hetgraph.graph.sample import noise_w
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.streams import Streams
from hetgraph.graph.trajectories import Trajectories
from hetgraph.graph.user_state import UserState, draw_user_state
from hetgraph.graph.waypoints import fast_users, places

_POINTS = 4096  # places of users at which gains are drawn at once
_LEAST = 1e-30


def user_trajectories(
    scenario: ScenarioFields,
    networks: int = 1,
    *,
    steps: int = 50,
    slot_s: float = 0.5,
    mobility: Waypoints = Waypoints(),
    seed: int = 0,
    first: int = 0,
    every: int = 1,
) -> Trajectories:
    """Users walk through networks of a scenario: path loss, line of sight and shadowing are functions of their place.

    Fast fading is averaged out. Each network is drawn from streams of its own, so that it is the same bits in any number
    of them.

    Args:
        scenario: layout, tiers, placement, channel and radio.
        networks: number of networks P.
        steps: number of steps T.
        slot_s: time between two steps, s.
        mobility: how users move.
        seed: of all streams.
        first: number of the first network.
        every: gains of users who are not fast are drawn at so many steps each, and interpolated in dB between them.

    Raises:
        ValueError: a number that is not positive, or a channel that is drawn anew at each place.
    """
    for name, number in (("networks", networks), ("steps", steps), ("slot_s", slot_s), ("every", every)):
        if number <= 0:
            raise ValueError(f"{name}: got {number}, expected a positive number")
    channel = scenario.channel
    if channel.shadowing == "independent" or (channel.shadowing == "none" and channel.los in ("probability", "soft")):
        got = f"shadowing={channel.shadowing}, los={channel.los}"
        raise ValueError(
            f"scenario.channel: got {got}, expected shadowing that is correlated in space, or none and a fixed LOS"
        )
    numbers = range(first, first + networks)
    own_streams = [Streams(seed, range(number, number + 1)) for number in numbers]
    # Stations are placed network by network: distances of several at once are other bits. Walks are the same bits together.
    bs_pos = torch.cat([place_stations(scenario, streams) for streams in own_streams])
    ue_pos, speed = places(scenario, mobility, bs_pos, Streams(seed, numbers), steps=steps, slot_s=slot_s)
    fast = fast_users(mobility.fast, speed.shape[2])
    drawn = [
        _network(scenario, stations.unsqueeze(0), way.unsqueeze(0), fast, streams, every)
        for stations, way, streams in zip(bs_pos, ue_pos, own_streams, strict=True)
    ]
    gain, background_w = (torch.cat(column) for column in zip(*drawn, strict=True))
    counts = torch.tensor([tier.count for tier in scenario.tiers])
    power_dbm = torch.tensor([tier.power_dbm for tier in scenario.tiers])
    return Trajectories(
        gain=gain,
        ue_pos=ue_pos,
        speed_mps=speed,
        bs_pos=bs_pos,
        power_w=(10 ** ((power_dbm - 30) / 10)).repeat_interleave(counts).expand(networks, -1).contiguous(),
        tier=torch.arange(len(counts)).repeat_interleave(counts).expand(networks, -1).contiguous(),
        measured=torch.zeros(1, dtype=torch.bool).expand(gain.shape),
        bandwidth_hz=scenario.radio.bandwidth_hz,
        noise_w=noise_w(scenario) * scenario.radio.num_rbs,
        slot_s=slot_s,
        background_w=background_w if scenario.background else None,
    )


def _network(
    scenario: ScenarioFields, stations: Tensor, ue_pos: Tensor, fast: Tensor, streams: Streams, every: int
) -> tuple[Tensor, Tensor]:
    """Gains ``[1, T, U, K]`` and power of the background ``[1, T, U]`` of one network on users' ways ``[1, T, U, 2]``."""
    _, steps, users, _ = ue_pos.shape
    state = draw_user_state(scenario, streams)
    gain, far_w = torch.empty(1, steps, users, stations.shape[1]), torch.zeros(1, steps, users)
    for chosen, stride in ((fast, 1), (~fast, every)) if every > 1 else ((torch.ones_like(fast), 1),):
        if not bool(chosen.any()):
            continue
        knots = torch.tensor(sorted({*range(0, steps, stride), steps - 1}))
        of_users = None if state is None else UserState(*(value[:, chosen] for value in vars(state).values()))
        drawn = _gains(scenario, stations, ue_pos[:, knots][:, :, chosen], of_users, streams)
        gain[:, :, chosen], far_w[:, :, chosen] = (between(value, knots, steps) for value in drawn)
    return gain, far_w


def _gains(
    scenario: ScenarioFields, stations: Tensor, ue_pos: Tensor, state: UserState | None, streams: Streams
) -> tuple[Tensor, Tensor]:
    """Gains ``[1, T, U, K]`` and power of the background ``[1, T, U]`` at places ``[1, T, U, 2]``."""
    _, steps, users, _ = ue_pos.shape
    gain, far_w = torch.empty(1, steps, users, len(stations[0])), torch.zeros(1, steps, users)
    together = max(_POINTS // users, 1)
    for first in range(0, steps, together):  # tables of some steps stay in a core's cache
        part = slice(first, min(first + together, steps))
        of_part = None if state is None else state.repeat(part.stop - first)
        points = ue_pos[:, part].reshape(1, -1, 2)
        paths, heard = propagate_with_background(scenario, stations, points, streams, state=of_part, fast_fading=False)
        gain[:, part] = paths.gain.reshape(1, len(stations[0]), part.stop - first, users).permute(0, 2, 3, 1)
        if heard is not None:
            far_w[:, part] = heard.reshape(1, part.stop - first, users)
    return gain, far_w


def between(value: Tensor, knots: Tensor, steps: int) -> Tensor:
    """Values ``[1, G, *]`` at some steps as values at all of them, interpolated in the logarithm."""
    if len(knots) == steps:
        return value
    step = torch.arange(steps)
    after = torch.searchsorted(knots, step).clamp_min(1)
    part = (step - knots[after - 1]) / (knots[after] - knots[after - 1])
    logs, shape = value.clamp_min(_LEAST).log(), (1, -1, *([1] * (value.dim() - 2)))
    return torch.lerp(logs[:, after - 1], logs[:, after], part.reshape(shape)).exp()
