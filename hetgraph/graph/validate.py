"""Types and ranges of a scenario's values."""

import dataclasses
import math
import warnings

from hetgraph.channel import FLOOR_HEIGHT_M, MODELS
from hetgraph.field_types import check_types, not_negative, positive, require
from hetgraph.graph.efficiency_places import BS_HEIGHT_M, CARRIER_HZ, MOST_STATIONS, UE_HEIGHT_M
from hetgraph.graph.efficiency_users import places_of_scenario
from hetgraph.graph.hexagons import whole_rings
from hetgraph.graph.mobility import Mobility
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.scenario_parts import PATHLOSS, Carrier, Channel, Radio, Tier, Users
from hetgraph.graph.validate_traffic import validate_rules, validate_source, validate_traffic

_POWER_MAX_DBM = 100.0
_NOISE_MIN_W = 1e-30
_RMA_INDOOR_M = 10.0  # TR 38.901 sec. 7.4.3.1: low loss only, and not farther inside


def validate(scenario: ScenarioFields) -> None:
    """Refuse a scenario that no network can have.

    Raises:
        ValueError: the first value of another type or out of its range.
    """
    check_types(scenario, "")
    require("tiers", len(scenario.tiers), len(scenario.tiers) > 0, "at least one tier")
    positive("layout", scenario.layout, "width_m", "height_m")
    for i, tier in enumerate(scenario.tiers):
        require(f"tiers[{i}].count", tier.count, tier.count > 0, "at least 1")
    _validate_users(scenario, scenario.users)
    _validate_channel(scenario.channel)
    _validate_mimo(scenario)
    _validate_radio(scenario, scenario.radio)
    _validate_mobility(scenario.mobility)
    validate_source(scenario.source)
    validate_traffic(scenario.traffic)
    validate_rules(scenario.rules)
    for i, tier in enumerate(scenario.tiers):
        _validate_tier(f"tiers[{i}]", tier)
        _validate_cells(f"tiers[{i}]", tier, scenario.radio.carriers)
    for i, tier in enumerate(scenario.background):
        where, fixed = f"background[{i}]", tier.placement == "fixed" and tier.count > 0
        require(f"{where}.placement", tier.placement, fixed, "cells at 'fixed' places")
        require("layout.wrap", scenario.layout.wrap, not scenario.layout.wrap, "false beside background cells")
        _validate_tier(where, tier)
        _validate_cells(where, tier, scenario.radio.carriers)
    if scenario.layout.wrap:
        _validate_wrap(scenario.tiers)
    _warn_outside_validity(scenario)


def _validate_users(scenario: ScenarioFields, users: Users) -> None:
    positive("users", users, "count", "height_m", "cluster_radius_m", "cell_radius_m")
    not_negative("users", users, "spacing_m", "speed_mps", "rate_min_bps")
    require("users.clustered_fraction", users.clustered_fraction, 0 <= users.clustered_fraction <= 1, "0..1")
    low, high = users.pair_distance_m
    require("users.pair_distance_m", users.pair_distance_m, 0 <= low <= high, "the least, then the greatest distance")
    stations, names = scenario.num_stations, [tier.name for tier in scenario.tiers]
    if users.placement == "pairs":
        require("users.count", users.count, users.count == stations, f"{stations}, one per station, for pairs")
    if users.placement in ("hexagons", "squares"):
        even = users.count % stations == 0
        require("users.count", users.count, even, f"a multiple of {stations}, equally many per station")
    if users.placement == "hexagons":
        room = low < users.cell_radius_m / 2
        require("users.pair_distance_m", users.pair_distance_m, room, "a least distance below half of cell_radius_m")
    if users.per_station is not None:
        least, most = users.per_station
        fits = 0 <= least <= most and least * stations <= users.count <= most * stations
        sectors = max(tier.sectors for tier in scenario.tiers)
        require("users.per_station", users.per_station, sectors == 1, "null where masts have several sectors")
        require("users.per_station", users.per_station, fits, f"the fewest, then the most, for {users.count} users")
    if users.placement == "fixed":
        require("users.positions", len(users.positions), len(users.positions) == users.count, f"{users.count}")
    _validate_density(users)
    _validate_buildings(users)
    _validate_conflicts(scenario, users)
    _validate_efficiencies(scenario, users)
    if users.placement == "clustered":
        known = users.cluster_tier in ("", *names)
        require("users.cluster_tier", users.cluster_tier, known, "one of " + ", ".join(names))


def _validate_density(users: Users) -> None:
    """A map where users are placed by one: numbers of all pieces, none of them negative, and some weight."""
    lengths = sorted({len(getattr(users.density, field.name)) for field in dataclasses.fields(users.density)})
    require("users.density", lengths, len(lengths) == 1, "lists of one length")
    there = (users.placement == "density") == bool(users.density)
    require("users.density", len(users.density.weight), there, f"pieces for 'density' alone, not {users.placement!r}")
    if users.density:
        least = min(users.density.weight)
        require("users.density.weight", least, least >= 0 and max(users.density.weight) > 0, "0 or more, one above")


def _validate_conflicts(scenario: ScenarioFields, users: Users) -> None:
    if users.placement != "conflicts":
        for name in ("station", "conflicts"):
            values = getattr(users, name)
            require(f"users.{name}", len(values), not values, f"none where users.placement is {users.placement!r}")
        return
    one = len(scenario.tiers) == 1 and scenario.num_stations == len(set(users.station))
    expected = f"one tier of {len(set(users.station))}, the stations of users.station"
    require("tiers", [tier.count for tier in scenario.tiers], one, expected)
    fits = len(users.station) == users.count and sorted(set(users.station)) == list(range(scenario.num_stations))
    require(
        "users.station", users.station, fits, f"{users.count} numbers of stations, from 0, each of them once or more"
    )
    for pair in users.conflicts:
        inside = min(pair) >= 0 and max(pair) < users.count and pair[0] != pair[1]
        require("users.conflicts", pair, inside, f"two users out of {users.count}")


def _validate_efficiencies(scenario: ScenarioFields, users: Users) -> None:
    """Places are those of one law: the LTE path loss between the masts of one hexagonal grid, and nothing random."""
    if users.placement != "efficiencies":
        return
    tier, channel = scenario.tiers[0], scenario.channel
    grid = len(scenario.tiers) == 1 and (tier.placement, tier.sectors, tier.grid_bearing_deg) == ("hex", 1, 90.0)
    require("tiers", [t.placement for t in scenario.tiers], grid, "one 'hex' tier with rows from west to east")
    given = (tier.pathloss, tier.pattern, tier.panel, channel.shadowing, channel.carrier_hz)
    require("tiers[0]", given, given == ("lte", "omni", None, "none", CARRIER_HZ), "'lte', omni, no shadowing, 2 GHz")
    heights = (tier.height_m, users.height_m)
    require("tiers[0].height_m, users.height_m", heights, heights == (BS_HEIGHT_M, UE_HEIGHT_M), "30 and 1.5 m")
    require("users.efficiencies", users.efficiencies, len(users.efficiencies) > 0, "at least one")
    low, most = min(users.efficiencies), min(MOST_STATIONS, scenario.num_stations)
    require("users.efficiencies", users.efficiencies, low > 0, "positive numbers")
    require("users.hears", users.hears, 1 <= users.hears <= most, f"1 to {most}")
    places_of_scenario(scenario)  # refuses efficiencies that no place gives


def _validate_buildings(users: Users) -> None:
    for name in ("indoor_fraction", "high_loss_fraction"):
        require(f"users.{name}", getattr(users, name), 0 <= getattr(users, name) <= 1, "0..1")
    not_negative("users", users, "indoor_distance_m")
    low, high = users.floors
    require("users.floors", users.floors, 1 <= low <= high, "the fewest, then the most floors of a building")
    for name in ("indoor", "floor"):
        values = getattr(users, name)
        fits = not values or (users.placement == "fixed" and len(values) == users.count)
        require(f"users.{name}", len(values), fits, f"{users.count}, one for each fixed user, or none")
    if users.floor:
        require("users.floor", min(users.floor), min(users.floor) >= 0, "floors of 0 (the ground floor) or more")
        inside = users.indoor or (False,) * users.count
        outdoors = [floor for floor, indoor in zip(users.floor, inside, strict=True) if floor and not indoor]
        require("users.floor", outdoors[:1], not outdoors, "0 for users outdoors")


def _validate_channel(channel: Channel) -> None:
    positive("channel", channel, "carrier_hz", "min_distance_m", "disturbance_s")
    not_negative("channel", channel, "disturbance_db")
    sigma = channel.shadow_sigma_db
    require("channel.shadow_sigma_db", sigma, sigma is None or sigma >= 0, "0 or more, or null")


def _validate_mimo(scenario: ScenarioFields) -> None:
    """Only antennas make directions; each station has at least one."""
    channel = scenario.channel
    fits = channel.mimo or channel.fading != "clustered"
    require("channel.fading", channel.fading, fits, "none, rayleigh or rician without channel.mimo")
    if channel.mimo:
        fewest = min(tier.ports for tier in scenario.tiers)
        require("tiers.num_antennas", fewest, fewest > 0, "at least 1 with channel.mimo")


def _validate_radio(scenario: ScenarioFields, radio: Radio) -> None:
    positive("radio", radio, "bandwidth_hz", "num_rbs", "slot_s", "layers")
    require("radio.far_load", radio.far_load, 0 <= radio.far_load <= 1, "0..1")
    require("radio.candidates", radio.candidates, radio.candidates >= 0, "0 (all) or more")
    not_negative("radio", radio, "neighbours", "neighbour_db", "noise_figure_db")
    near = radio.neighbour_db == 0 or (scenario.users.nearest_only and radio.candidates == 0)
    require("radio.neighbour_db", radio.neighbour_db, near, "0 where users.nearest_only is false or candidates are few")
    _validate_carriers(radio, radio.carriers)
    noise = radio.noise_w
    require("radio.noise_w", noise, noise is None or noise >= _NOISE_MIN_W, f"at least {_NOISE_MIN_W:g} W, or null")


def _validate_carriers(radio: Radio, carriers: "tuple[Carrier, ...]") -> None:
    if not carriers:
        return
    for i, carrier in enumerate(carriers):
        positive(f"radio.carriers[{i}]", carrier, "carrier_hz", "bandwidth_hz", "num_rbs")
    names = [carrier.name for carrier in carriers]
    require("radio.carriers", names, len(set(names)) == len(names) and "" not in names, "names, each of them once")
    blocks = sum(carrier.num_rbs for carrier in carriers)
    require("radio.num_rbs", radio.num_rbs, radio.num_rbs == blocks, f"{blocks}, the sum over the carriers")
    width = sum(carrier.bandwidth_hz for carrier in carriers)
    same = math.isclose(radio.bandwidth_hz, width, rel_tol=1e-9)
    require("radio.bandwidth_hz", radio.bandwidth_hz, same, f"{width:g}, the sum over the carriers")


def _validate_mobility(mobility: Mobility) -> None:
    positive("mobility", mobility, "group_size", "step_s")
    not_negative("mobility", mobility, "walking", "grouped", "group_radius_m", "turn_rad", "doppler_hz")
    moving = mobility.walking + mobility.grouped
    require("mobility.walking + mobility.grouped", moving, moving <= 1 + 1e-9, "shares that sum to at most 1")
    for name in ("walk_mps", "group_mps"):
        low, high = getattr(mobility, name)
        require(f"mobility.{name}", (low, high), 0 <= low <= high, "the least, then the greatest speed")


def _validate_tier(where: str, tier: Tier) -> None:
    require(f"{where}.power_dbm", tier.power_dbm, tier.power_dbm <= _POWER_MAX_DBM, f"at most {_POWER_MAX_DBM:g} dBm")
    most, block = tier.power_dbm, tier.rb_power_dbm
    require(f"{where}.rb_power_dbm", block, block is None or block <= most, f"at most power_dbm, {most:g}, or null")
    positive(where, tier, "height_m")
    not_negative(where, tier, "spacing_m", "num_antennas", "max_users", "circuit_power_w", "jitter_m")
    require(f"{where}.pathloss", tier.pathloss, tier.pathloss in PATHLOSS, "one of " + ", ".join(PATHLOSS))
    efficiency = tier.amplifier_efficiency
    require(f"{where}.amplifier_efficiency", efficiency, 0 < efficiency <= 1, "above 0, at most 1")
    if tier.placement == "fixed":
        require(f"{where}.positions", len(tier.positions), len(tier.positions) == tier.count, f"{tier.count}")
    if tier.placement == "hex" and tier.count > max(tier.sectors, 1):
        positive(where, tier, "spacing_m")
    if tier.placement == "jittered":
        positive(where, tier, "spacing_m", "jitter_m")


def _validate_cells(where: str, tier: Tier, carriers: "tuple[Carrier, ...]") -> None:
    """Sectors, directions, names and carrier of a tier's cells."""
    whole = tier.sectors >= 1 and tier.count % tier.sectors == 0 and (tier.sectors == 1 or tier.placement != "fixed")
    require(f"{where}.sectors", tier.sectors, whole, f"a divisor of count, {tier.count}, and 1 for fixed positions")
    lengths = sorted({1, tier.sectors, tier.count})
    expected = " or ".join(map(str, lengths)) + " numbers, or none"
    for name in ("azimuth_deg", "tilt_deg", "beam_tilt_deg"):
        values = getattr(tier, name)
        require(f"{where}.{name}", len(values), not values or len(values) in lengths, expected)
    if tier.tilt_deg:
        steepest = max(tier.tilt_deg, key=abs)
        require(f"{where}.tilt_deg", steepest, abs(steepest) <= 90, "degrees in -90..90, positive downwards")
    alone = tier.antenna is None or tier.panel is None
    require(f"{where}.antenna", tier.antenna and tier.antenna.name, alone, "null beside a panel")
    beam = tier.antenna is not None or not tier.beam_tilt_deg
    require(f"{where}.beam_tilt_deg", tier.beam_tilt_deg, beam, "none without an antenna")
    if tier.directional:
        least = 2 if tier.sectors > 1 else 1
        aimed = len(tier.azimuth_deg) >= least
        require(f"{where}.azimuth_deg", tier.azimuth_deg, aimed, "a bearing for each sector of a directional antenna")
    if tier.load:
        share = min(tier.load) >= 0 and max(tier.load) <= 1
        require(f"{where}.load", (min(tier.load), max(tier.load)), share, "shares in 0..1")
    for name, what in (("site", "names"), ("cell", "names"), ("row", "numbers"), ("load", "numbers")):
        values = getattr(tier, name)
        fits = not values or len(values) == tier.count
        require(f"{where}.{name}", len(values), fits, f"{tier.count} {what}, or none")
    names = [carrier.name for carrier in carriers]
    known = tier.carrier in ("", *names)
    require(f"{where}.carrier", tier.carrier, known, "one of " + ", ".join(names) if names else "none without carriers")


def _validate_wrap(tiers: "tuple[Tier, ...]") -> None:
    """One hexagonal cluster of whole rings, shared by all tiers, can be continued around its edges."""
    grids = {(t.placement, t.count // t.sectors, t.spacing_m, t.grid_bearing_deg) for t in tiers}
    (placement, masts, spacing, _), *others = grids
    fits = not others and placement == "hex" and spacing > 0 and whole_rings(masts) is not None
    got = ", ".join(f"{p} x {m}" for p, m, *_ in sorted(grids))
    require("layout.wrap", got, fits, "hexagonal masts of whole rings (1, 7, 19, 37, ...), the same for all tiers")


def _warn_outside_validity(scenario: ScenarioFields) -> None:
    """One warning for each value of a tier, or of its users, that its propagation model was not made for."""
    users, heights = scenario.users, [scenario.users.height_m]
    inside = users.indoor_fraction > 0 or any(users.indoor)
    if inside:
        top = max(users.floor) if users.floor else users.floors[1] - 1
        heights.append(users.height_m + FLOOR_HEIGHT_M * top)
    for i, tier in enumerate(scenario.tiers):
        if tier.pathloss not in MODELS:
            continue
        valid = MODELS[tier.pathloss].validity
        band = (valid.carrier_hz[0] / 1e9, valid.carrier_hz[1] / 1e9)
        checks = [
            (f"tiers[{i}].carrier", scenario.carrier_of(tier).carrier_hz / 1e9, band, "GHz"),
            (f"tiers[{i}].height_m", tier.height_m, valid.bs_height_m, "m"),
            *(("users' height", height, valid.ue_height_m, "m") for height in heights),
        ]
        for name, value, (low, high), unit in checks:
            if not low <= value <= high:
                warnings.warn(
                    f"{name}: got {value:g} {unit}, expected {low:g} to {high:g} {unit}, for which the model "
                    f"{tier.pathloss!r} was made; its formulas are continued",
                    stacklevel=4,
                )
        if (
            tier.pathloss == "rma"
            and inside
            and (users.high_loss_fraction > 0 or users.indoor_distance_m > _RMA_INDOOR_M)
        ):
            got = f"high_loss_fraction={users.high_loss_fraction:g}, indoor_distance_m={users.indoor_distance_m:g}"
            warnings.warn(
                f"users: got {got}, expected 0 and at most {_RMA_INDOOR_M:g} m, for which the model 'rma' was made",
                stacklevel=4,
            )
