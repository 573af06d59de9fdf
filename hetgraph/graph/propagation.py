"""Gains of all station-user pairs of a scenario: path loss, LOS, shadowing, antennas and fading."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph import channel
from hetgraph.graph.scenario import Scenario, Tier
from hetgraph.graph.streams import Streams
from hetgraph.units import db_to_linear

_SITE_CORRELATION = 0.5  # of two stations' shadowing at one place (TR 36.814, Table A.2.1.1-2)


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


@dataclass(frozen=True)
class _TierLinks:
    """One tier's stations ``[n, M, 2]``, all users ``[n, U, 2]``, and where their randomness comes from."""

    number: int
    tier: Tier
    stations: Tensor
    users: Tensor
    streams: Streams
    field: channel.Field | None


def propagate(scenario: Scenario, stations: Tensor, users: Tensor, streams: Streams) -> Propagation:
    """Draw the channel between ``stations [n, N, 2]`` and ``users [n, U, 2]``, m."""
    first, parts, field = 0, [], None
    if scenario.channel.shadowing == "correlated":
        generators = streams.generators("shadow")
        field = channel.draw_field(scenario.num_stations, generators, inter_site_correlation=_SITE_CORRELATION)
    for number, tier in enumerate(scenario.tiers):
        chosen = slice(first, first + tier.count)
        own = field.select(chosen) if field is not None else None
        parts.append(_tier(scenario, _TierLinks(number, tier, stations[:, chosen], users, streams, own)))
        first += tier.count
    pathloss, shadow, antenna, distance, los = (torch.cat(column, 1) for column in zip(*parts, strict=True))
    power_dbm = torch.tensor([tier.power_dbm for tier in scenario.tiers for _ in range(tier.count)])
    large_scale_db = antenna - pathloss - shadow
    fading = _fading(scenario, tuple(pathloss.shape[1:]), streams)
    gain = db_to_linear(large_scale_db).unsqueeze(-1) * fading
    rsrp = power_dbm.reshape(1, -1, 1) + large_scale_db
    return Propagation(gain, pathloss, shadow, antenna, rsrp, distance, los)


def _tier(scenario: Scenario, links: _TierLinks) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    tier, stations, users = links.tier, links.stations, links.users
    offset = users.unsqueeze(1) - stations.unsqueeze(2)  # [n, M, U, 2]
    distance_2d = offset.norm(dim=-1)
    distance_3d = (distance_2d.square() + (tier.height_m - scenario.users.height_m) ** 2).sqrt()
    seen = distance_2d.clamp_min(scenario.channel.min_distance_m)
    if tier.pathloss == "unit":
        zero = torch.zeros_like(distance_2d)
        return zero, zero, zero, distance_3d, torch.ones_like(zero, dtype=torch.bool)
    los = _los(scenario, links, seen)
    heights = {"bs_height_m": tier.height_m, "ue_height_m": scenario.users.height_m}
    carrier_hz = scenario.channel.carrier_hz
    pathloss = channel.pathloss_db(tier.pathloss, seen, carrier_hz=carrier_hz, los=los, **heights)
    sigma = scenario.channel.shadow_sigma_db
    spread = (
        channel.shadow_sigma_db(tier.pathloss, los=los, distance_2d_m=seen, carrier_hz=carrier_hz, **heights)
        if sigma is None
        else torch.full_like(pathloss, sigma)
    )
    shadow = spread * _shadow(scenario, links, los)
    return pathloss, shadow, _antenna_gain(scenario, tier, offset), distance_3d, los


def _antenna_gain(scenario: Scenario, tier: Tier, offset: Tensor) -> Tensor:
    azimuth = torch.tensor(tier.azimuth_deg or (0.0,) * tier.count).deg2rad().reshape(1, -1, 1)
    drop = torch.full((*offset.shape[:-1], 1), scenario.users.height_m - tier.height_m)
    tilt = math.radians(tier.tilt_deg)
    return channel.antenna_gain_db(tier.pattern, torch.cat([offset, drop], -1), azimuth_rad=azimuth, tilt_rad=tilt)


def _fading(scenario: Scenario, pairs: tuple[int, ...], streams: Streams) -> Tensor:
    """Power gain of mean one per resource block ``[n, N, U, R]``."""
    shape, kind = (*pairs, scenario.radio.num_rbs), scenario.channel.fading
    if kind == "none":
        return torch.ones(len(streams.networks), *shape)
    if kind == "rayleigh":
        return streams.exponential("fading", *shape)
    k = 10 ** (scenario.channel.rician_k_db / 10)
    scattered = streams.normal("fading", *shape, 2) * (0.5 / (k + 1)) ** 0.5
    power: Tensor = (scattered[..., 0] + (k / (k + 1)) ** 0.5) ** 2 + scattered[..., 1] ** 2
    return power


def _los(scenario: Scenario, links: _TierLinks, distance: Tensor) -> Tensor:
    """Line of sight ``[n, M, U]``: a function of the user's place, so that it stays when the user moves a metre."""
    rule = scenario.channel.los
    if rule != "probability":
        return torch.full(distance.shape, rule == "always")
    model = links.tier.pathloss
    chance = channel.los_probability(model, distance, ue_height_m=scenario.users.height_m)
    if scenario.channel.shadowing == "correlated":
        field = channel.draw_field(links.tier.count, links.streams.generators(f"los/{links.number}"))
        return channel.correlated_los(model, field, links.users, probability=chance)
    return links.streams.uniform(f"los/{links.number}", *distance.shape[1:]) < chance


def _shadow(scenario: Scenario, links: _TierLinks, los: Tensor) -> Tensor:
    """Standard normal shadowing ``[n, M, U]``; correlated sites share half of it."""
    if scenario.channel.shadowing == "none":
        return torch.zeros(los.shape)
    if links.field is not None:
        return channel.correlated_shadow(links.tier.pathloss, links.field, links.users, los=los)
    return links.streams.normal(f"shadow/{links.number}", *los.shape[1:])
