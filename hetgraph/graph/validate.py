"""Ranges of a scenario's values."""

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hetgraph.graph.scenario import Scenario, Tier


def validate(scenario: "Scenario") -> None:
    """Refuse a scenario that no network can have.

    Raises:
        ValueError: the first value out of its range.
    """
    layout, users, channel, radio = scenario.layout, scenario.users, scenario.channel, scenario.radio
    positive = {
        "layout.width_m": layout.width_m,
        "layout.height_m": layout.height_m,
        "users.count": users.count,
        "users.height_m": users.height_m,
        "users.cluster_radius_m": users.cluster_radius_m,
        "channel.carrier_hz": channel.carrier_hz,
        "channel.min_distance_m": channel.min_distance_m,
        "radio.bandwidth_hz": radio.bandwidth_hz,
        "radio.num_rbs": radio.num_rbs,
        "radio.slot_s": radio.slot_s,
    }
    for name, value in positive.items():
        _require(name, value, math.isfinite(value) and value > 0, "a positive number")
    _require("users.clustered_fraction", users.clustered_fraction, 0 <= users.clustered_fraction <= 1, "0..1")
    _require("users.spacing_m", users.spacing_m, users.spacing_m >= 0, "0 or more")
    _require("radio.far_load", radio.far_load, 0 <= radio.far_load <= 1, "0..1")
    _require("radio.candidates", radio.candidates, radio.candidates >= 0, "0 (all) or more")
    _require("radio.neighbours", radio.neighbours, radio.neighbours >= 0, "0 or more")
    _require("radio.noise_w", radio.noise_w, radio.noise_w is None or radio.noise_w > 0, "a positive number or null")
    _require("tiers", len(scenario.tiers), len(scenario.tiers) > 0, "at least one tier")
    for i, tier in enumerate(scenario.tiers):
        _validate_tier(f"tiers[{i}]", tier)
    stations = scenario.num_stations
    if users.placement == "pairs":
        _require("users.count", users.count, users.count == stations, f"{stations}, one per station, for pairs")
    if users.placement == "fixed":
        _require("users.positions", len(users.positions), len(users.positions) == users.count, f"{users.count}")


def _validate_tier(where: str, tier: "Tier") -> None:
    from hetgraph.graph.scenario import PATHLOSS

    _require(f"{where}.count", tier.count, tier.count > 0, "at least 1")
    _require(f"{where}.power_dbm", tier.power_dbm, math.isfinite(tier.power_dbm), "a finite number")
    _require(f"{where}.height_m", tier.height_m, tier.height_m > 0, "a positive number")
    _require(f"{where}.pathloss", tier.pathloss, tier.pathloss in PATHLOSS, "one of " + ", ".join(PATHLOSS))
    _require(f"{where}.num_antennas", tier.num_antennas, tier.num_antennas >= 0, "0 or more")
    efficiency = tier.amplifier_efficiency
    _require(f"{where}.amplifier_efficiency", efficiency, 0 < efficiency <= 1, "above 0, at most 1")
    if tier.placement == "fixed":
        _require(f"{where}.positions", len(tier.positions), len(tier.positions) == tier.count, f"{tier.count}")
    if tier.azimuth_deg:
        _require(f"{where}.azimuth_deg", len(tier.azimuth_deg), len(tier.azimuth_deg) == tier.count, f"{tier.count}")


def _require(name: str, value: Any, valid: bool, expected: str) -> None:
    if not valid:
        raise ValueError(f"{name}: got {value!r}, expected {expected}")
