"""Trajectories through the networks of a scenario."""

import torch

from hetgraph.graph.background import propagate_with_background
from hetgraph.graph.mobility import Waypoints
from hetgraph.graph.placement import place_stations
from hetgraph.graph.sample import noise_w
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.streams import Streams
from hetgraph.graph.trajectories import Trajectories
from hetgraph.graph.user_state import draw_user_state
from hetgraph.graph.waypoints import places


def user_trajectories(
    scenario: ScenarioFields,
    networks: int = 1,
    *,
    steps: int = 50,
    slot_s: float = 0.5,
    mobility: Waypoints = Waypoints(),
    seed: int = 0,
    first: int = 0,
) -> Trajectories:
    """Users walk through networks of a scenario: path loss, line of sight and shadowing are functions of their place.

    Fast fading is averaged out. Each network is drawn from streams of its own, and alone, so that it is the same bits in any
    number of them.

    Args:
        scenario: layout, tiers, placement, channel and radio.
        networks: number of networks P.
        steps: number of steps T.
        slot_s: time between two steps, s.
        mobility: how users move.
        seed: of all streams.
        first: number of the first network.

    Raises:
        ValueError: a number that is not positive, or a channel that is drawn anew at each place.
    """
    for name, number in (("networks", networks), ("steps", steps), ("slot_s", slot_s)):
        if number <= 0:
            raise ValueError(f"{name}: got {number}, expected a positive number")
    channel = scenario.channel
    if channel.shadowing == "independent" or (channel.shadowing == "none" and channel.los in ("probability", "soft")):
        got = f"shadowing={channel.shadowing}, los={channel.los}"
        raise ValueError(
            f"scenario.channel: got {got}, expected shadowing that is correlated in space, or none and a fixed LOS"
        )
    drawn = [_network(scenario, i, steps, slot_s, mobility, seed) for i in range(first, first + networks)]
    gain, ue_pos, speed, bs_pos, background_w = (torch.cat(column) for column in zip(*drawn, strict=True))
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
    scenario: ScenarioFields, number: int, steps: int, slot_s: float, mobility: Waypoints, seed: int
) -> tuple[torch.Tensor, ...]:
    """One network: gain ``[1, T, U, K]``, positions, speeds, cells' positions and power of the background ``[1, T, U]``."""
    streams = Streams(seed, range(number, number + 1))
    stations = place_stations(scenario, streams)
    ue_pos, speed = places(scenario, mobility, stations, streams, steps=steps, slot_s=slot_s)
    state = draw_user_state(scenario, streams)
    state = None if state is None else state.repeat(steps)
    points = ue_pos.reshape(1, -1, 2)
    paths, far_w = propagate_with_background(scenario, stations, points, streams, state=state, fast_fading=False)
    gain = paths.gain.reshape(1, len(stations[0]), steps, -1).permute(0, 2, 3, 1).contiguous()
    return gain, ue_pos, speed, stations, torch.zeros_like(speed) if far_w is None else far_w.reshape(speed.shape)
