"""Types and ranges of a scenario's values."""

import dataclasses
import functools
import math
import types
import typing
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from hetgraph.graph.behaviour import Mobility, Services
    from hetgraph.graph.scenario import Channel, Radio, Scenario, Tier, Users

_POWER_MAX_DBM = 100.0
_NOISE_MIN_W = 1e-30


def validate(scenario: "Scenario") -> None:
    """Refuse a scenario that no network can have.

    Raises:
        ValueError: the first value of another type or out of its range.
    """
    _check_types(scenario, "")
    _require("tiers", len(scenario.tiers), len(scenario.tiers) > 0, "at least one tier")
    _positive("layout", scenario.layout, "width_m", "height_m")
    _validate_users(scenario, scenario.users)
    _validate_channel(scenario.channel)
    _validate_radio(scenario, scenario.radio)
    _validate_mobility(scenario.mobility)
    _validate_services(scenario.services)
    for i, tier in enumerate(scenario.tiers):
        _validate_tier(f"tiers[{i}]", tier)


def _validate_users(scenario: "Scenario", users: "Users") -> None:
    _positive("users", users, "count", "height_m", "cluster_radius_m", "cell_radius_m")
    _not_negative("users", users, "spacing_m", "speed_mps", "rate_min_bps")
    _require("users.clustered_fraction", users.clustered_fraction, 0 <= users.clustered_fraction <= 1, "0..1")
    low, high = users.pair_distance_m
    _require("users.pair_distance_m", users.pair_distance_m, 0 <= low <= high, "the least, then the greatest distance")
    stations, names = scenario.num_stations, [tier.name for tier in scenario.tiers]
    if users.placement == "pairs":
        _require("users.count", users.count, users.count == stations, f"{stations}, one per station, for pairs")
    if users.placement in ("hexagons", "squares"):
        even = users.count % stations == 0
        _require("users.count", users.count, even, f"a multiple of {stations}, equally many per station")
    if users.placement == "hexagons":
        room = low < users.cell_radius_m / 2
        _require("users.pair_distance_m", users.pair_distance_m, room, "a least distance below half of cell_radius_m")
    if users.per_station is not None:
        least, most = users.per_station
        fits = 0 <= least <= most and least * stations <= users.count <= most * stations
        _require("users.per_station", users.per_station, fits, f"the fewest, then the most, for {users.count} users")
    if users.placement == "fixed":
        _require("users.positions", len(users.positions), len(users.positions) == users.count, f"{users.count}")
    if users.placement == "clustered":
        known = users.cluster_tier in ("", *names)
        _require("users.cluster_tier", users.cluster_tier, known, "one of " + ", ".join(names))


def _validate_channel(channel: "Channel") -> None:
    _positive("channel", channel, "carrier_hz", "min_distance_m", "disturbance_s")
    _not_negative("channel", channel, "disturbance_db")
    sigma = channel.shadow_sigma_db
    _require("channel.shadow_sigma_db", sigma, sigma is None or sigma >= 0, "0 or more, or null")


def _validate_radio(scenario: "Scenario", radio: "Radio") -> None:
    _positive("radio", radio, "bandwidth_hz", "num_rbs", "slot_s", "layers")
    _require("radio.far_load", radio.far_load, 0 <= radio.far_load <= 1, "0..1")
    _require("radio.candidates", radio.candidates, radio.candidates >= 0, "0 (all) or more")
    _not_negative("radio", radio, "neighbours", "neighbour_db", "noise_figure_db")
    near = radio.neighbour_db == 0 or (scenario.users.nearest_only and radio.candidates == 0)
    _require(
        "radio.neighbour_db", radio.neighbour_db, near, "0 where users.nearest_only is false or candidates are few"
    )
    noise = radio.noise_w
    _require("radio.noise_w", noise, noise is None or noise >= _NOISE_MIN_W, f"at least {_NOISE_MIN_W:g} W, or null")


def _validate_mobility(mobility: "Mobility") -> None:
    _positive("mobility", mobility, "group_size", "step_s")
    _not_negative("mobility", mobility, "walking", "grouped", "group_radius_m", "turn_rad", "doppler_hz")
    moving = mobility.walking + mobility.grouped
    _require("mobility.walking + mobility.grouped", moving, moving <= 1 + 1e-9, "shares that sum to at most 1")
    for name in ("walk_mps", "group_mps"):
        low, high = getattr(mobility, name)
        _require(f"mobility.{name}", (low, high), 0 <= low <= high, "the least, then the greatest speed")


def _validate_services(services: "Services") -> None:
    _positive("services", services, "bursts_per_s", "burst_bits", "window_s", "video_deadline_s", "burst_deadline_s")
    _not_negative("services", services, "load")
    for name in ("video", "video_jitter", "reliability"):
        value = getattr(services, name)
        _require(f"services.{name}", value, 0 <= value <= 1, "0..1")
    rates = services.video_bps
    _require("services.video_bps", rates, len(rates) > 0 and min(rates) >= 0, "rates of 0 or more, at least one")


def _validate_tier(where: str, tier: "Tier") -> None:
    from hetgraph.graph.scenario import PATHLOSS

    _require(f"{where}.count", tier.count, tier.count > 0, "at least 1")
    _require(f"{where}.power_dbm", tier.power_dbm, tier.power_dbm <= _POWER_MAX_DBM, f"at most {_POWER_MAX_DBM:g} dBm")
    most, block = tier.power_dbm, tier.rb_power_dbm
    _require(f"{where}.rb_power_dbm", block, block is None or block <= most, f"at most power_dbm, {most:g}, or null")
    _positive(where, tier, "height_m")
    _not_negative(where, tier, "spacing_m", "num_antennas", "max_users", "circuit_power_w", "jitter_m")
    _require(f"{where}.pathloss", tier.pathloss, tier.pathloss in PATHLOSS, "one of " + ", ".join(PATHLOSS))
    efficiency = tier.amplifier_efficiency
    _require(f"{where}.amplifier_efficiency", efficiency, 0 < efficiency <= 1, "above 0, at most 1")
    if tier.placement == "fixed":
        _require(f"{where}.positions", len(tier.positions), len(tier.positions) == tier.count, f"{tier.count}")
    if tier.placement == "hex" and tier.count > 1:
        _positive(where, tier, "spacing_m")
    if tier.placement == "jittered":
        _positive(where, tier, "spacing_m", "jitter_m")
    if tier.azimuth_deg:
        _require(f"{where}.azimuth_deg", len(tier.azimuth_deg), len(tier.azimuth_deg) == tier.count, f"{tier.count}")


def _positive(where: str, values: Any, *names: str) -> None:
    for name in names:
        value = getattr(values, name)
        _require(f"{where}.{name}", value, value > 0, "a positive number")


def _not_negative(where: str, values: Any, *names: str) -> None:
    for name in names:
        value = getattr(values, name)
        _require(f"{where}.{name}", value, value >= 0, "0 or more")


def _require(name: str, value: Any, valid: bool, expected: str) -> None:
    if not valid:
        raise ValueError(f"{name}: got {value!r}, expected {expected}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _check_types(values: Any, where: str) -> None:
    for name, hint in _hints(values.__class__).items():
        for place, value, expected in _leaves(getattr(values, name), hint, f"{where}{name}"):
            if dataclasses.is_dataclass(value):
                _require(place, value, isinstance(value, expected), getattr(expected, "__name__", str(expected)))
                _check_types(value, f"{place}.")
            else:
                _check_leaf(place, value, expected)


def _leaves(value: Any, hint: Any, where: str) -> Iterator[tuple[str, Any, Any]]:
    """Values within tuples, each with its place and type; of optional ones those that are there."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:
        if value is not None:
            yield from _leaves(value, args[0], where)
    elif origin is tuple:
        many = args[-1] is Ellipsis
        fits = isinstance(value, tuple) and (many or len(value) == len(args))
        _require(where, value, fits, "a tuple" if many else f"a tuple of {len(args)}")
        for i, item in enumerate(value):
            yield from _leaves(item, args[0] if many else args[i], f"{where}[{i}]")
    else:
        yield where, value, hint


def _check_leaf(where: str, value: Any, hint: Any) -> None:
    if typing.get_origin(hint) is Literal:
        _require(where, value, value in typing.get_args(hint), " or ".join(map(repr, typing.get_args(hint))))
    elif hint is float:
        fits = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        _require(where, value, fits, "a finite number")
    else:
        _require(where, value, type(value) is hint, getattr(hint, "__name__", str(hint)))
