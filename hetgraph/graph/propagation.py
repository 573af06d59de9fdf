"""Gains of all station-user pairs of a scenario: path loss, LOS, shadowing, antennas and fading."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph import channel
from hetgraph.graph.scenario import Scenario, Tier
from hetgraph.graph.streams import Streams


@dataclass(frozen=True)
class Propagation:
    """Pairs of ``N`` stations and ``U`` users in ``n`` networks.

    Args:
        gain: linear power gain with fading ``[n, N, U, R]``.
        pathloss_db: path loss ``[n, N, U]``, dB.
        shadow_db: shadowing, positive for more loss ``[n, N, U]``, dB.
        antenna_gain_db: antenna gain toward the user ``[n, N, U]``, dB.
        rsrp_dbm: received power of the full budget, without fading ``[n, N, U]``, dBm.
        distance_m: 3D distance ``[n, N, U]``, m.
        los: line of sight ``[n, N, U]``.
    """

    gain: Tensor
    pathloss_db: Tensor
    shadow_db: Tensor
    antenna_gain_db: Tensor
    rsrp_dbm: Tensor
    distance_m: Tensor
    los: Tensor


def propagate(scenario: Scenario, stations: Tensor, users: Tensor, streams: Streams) -> Propagation:
    """Draw the channel between ``stations [n, N, 2]`` and ``users [n, U, 2]``, m."""
    first, parts = 0, []
    for number, tier in enumerate(scenario.tiers):
        parts.append(_tier(scenario, number, tier, stations[:, first : first + tier.count], users, streams))
        first += tier.count
    pathloss, shadow, antenna, distance, los = (torch.cat(column, 1) for column in zip(*parts, strict=True))
    power_dbm = torch.tensor([tier.power_dbm for tier in scenario.tiers for _ in range(tier.count)])
    large_scale_db = antenna - pathloss - shadow
    fading = _fading(scenario, tuple(pathloss.shape[1:]), streams)
    gain = torch.pow(10, large_scale_db / 10).unsqueeze(-1) * fading
    rsrp = power_dbm.reshape(1, -1, 1) + large_scale_db
    return Propagation(gain, pathloss, shadow, antenna, rsrp, distance, los)


def _tier(
    scenario: Scenario, number: int, tier: Tier, stations: Tensor, users: Tensor, streams: Streams
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    offset = users.unsqueeze(1) - stations.unsqueeze(2)  # [n, M, U, 2]
    distance_2d = offset.norm(dim=-1)
    distance_3d = torch.hypot(distance_2d, torch.tensor(tier.height_m - scenario.users.height_m))
    seen = distance_2d.clamp_min(scenario.channel.min_distance_m)
    if tier.pathloss == "unit":
        zero = torch.zeros_like(distance_2d)
        return zero, zero, zero, distance_3d, torch.ones_like(zero, dtype=torch.bool)
    los = _los(scenario, number, tier, stations, users, seen, streams)
    heights = {"bs_height_m": tier.height_m, "ue_height_m": scenario.users.height_m}
    carrier_hz = scenario.channel.carrier_hz
    pathloss = channel.pathloss_db(tier.pathloss, seen, carrier_hz=carrier_hz, los=los, **heights)
    sigma = scenario.channel.shadow_sigma_db
    spread = (
        channel.shadow_sigma_db(tier.pathloss, los=los, distance_2d_m=seen, carrier_hz=carrier_hz, **heights)
        if sigma is None
        else torch.full_like(pathloss, sigma)
    )
    shadow = spread * _shadow(scenario, number, tier, stations, users, los, streams)
    return pathloss, shadow, _antenna_gain(scenario, tier, offset), distance_3d, los


def _antenna_gain(scenario: Scenario, tier: Tier, offset: Tensor) -> Tensor:
    if tier.pattern == "omni":
        return offset.new_zeros(offset.shape[:-1])
    azimuth = torch.tensor(tier.azimuth_deg or (0.0,) * tier.count).deg2rad().reshape(1, -1, 1)
    drop = torch.tensor(tier.height_m - scenario.users.height_m)
    return channel.element_gain_db(
        azimuth_rad=torch.atan2(offset[..., 1], offset[..., 0]) - azimuth,
        zenith_rad=torch.pi / 2 + torch.atan2(drop, offset.norm(dim=-1)),
        tilt_rad=torch.tensor(tier.tilt_deg).deg2rad(),
    )


def _fading(scenario: Scenario, pairs: tuple[int, ...], streams: Streams) -> Tensor:
    """Power gain of mean one per resource block ``[n, N, U, R]``."""
    shape, kind = (*pairs, scenario.radio.num_rbs), scenario.channel.fading
    if kind == "none":
        return torch.ones(len(streams.networks), *shape)
    if kind == "rayleigh":
        return streams.exponential("fading", *shape)
    k = 10 ** (scenario.channel.rician_k_db / 10)
    scattered = streams.normal("fading", *shape, 2) * (0.5 / (k + 1)) ** 0.5
    return (scattered[..., 0] + (k / (k + 1)) ** 0.5) ** 2 + scattered[..., 1] ** 2


def _los(
    scenario: Scenario, number: int, tier: Tier, stations: Tensor, users: Tensor, distance: Tensor, streams: Streams
) -> Tensor:
    """Line of sight ``[n, M, U]``."""
    rule = scenario.channel.los
    if rule != "probability":
        return torch.full(distance.shape, rule == "always")
    chance = channel.los_probability(tier.pathloss, distance, ue_height_m=scenario.users.height_m)
    return streams.uniform(f"los/{number}", *distance.shape[1:]) < chance


def _shadow(
    scenario: Scenario, number: int, tier: Tier, stations: Tensor, users: Tensor, los: Tensor, streams: Streams
) -> Tensor:
    """Standard normal shadowing ``[n, M, U]``."""
    if scenario.channel.shadowing == "none":
        return torch.zeros(los.shape)
    return streams.normal(f"shadow/{number}", *los.shape[1:])
