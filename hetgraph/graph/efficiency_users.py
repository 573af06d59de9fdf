"""Users of a scenario who hear neighbouring stations at given spectral efficiencies: where they are, and behind which walls."""

import functools
from dataclasses import replace

import torch
from torch import Tensor

from hetgraph.channel import thermal_noise_w
from hetgraph.graph.efficiency_places import EfficiencyPlaces
from hetgraph.graph.propagation import Propagation
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.streams import Streams
from hetgraph.units import db_to_linear, dbm_to_w


@functools.lru_cache(8)
def _cached_places(
    stations: int,
    hears: int,
    efficiencies: tuple[float, ...],
    bonus: float,
    spacing_m: float,
    power_w: float,
    noise_w: float,
) -> EfficiencyPlaces:
    return EfficiencyPlaces(stations, hears, efficiencies, bonus, spacing_m, power_w, noise_w)


def places_of_scenario(scenario: ScenarioFields) -> EfficiencyPlaces:
    """The places of a scenario whose ``users.placement`` is ``efficiencies``."""
    tier, users, radio = scenario.tiers[0], scenario.users, scenario.radio
    noise_w = thermal_noise_w(radio.bandwidth_hz, noise_figure_db=radio.noise_figure_db)
    power_w = dbm_to_w(tier.power_dbm)
    return _cached_places(
        tier.count, users.hears, users.efficiencies, users.first_bonus, tier.spacing_m, power_w, noise_w
    )


def _drawn(scenario: ScenarioFields, streams: Streams) -> tuple[EfficiencyPlaces, Tensor, Tensor]:
    """The places, and each user's group of stations and combination ``[n, U]``."""
    places, users = places_of_scenario(scenario), scenario.users.count
    levels = len(places.efficiencies)
    level = (streams.uniform("users/levels", users, places.hears) * levels).long().clamp_max(levels - 1)
    number = (streams.uniform("users/groups", users) * len(places.groups)).long().clamp_max(len(places.groups) - 1)
    return places, number, places.combination(level, places.groups[number])


def place_by_efficiency(scenario: ScenarioFields, streams: Streams) -> Tensor:
    """User coordinates ``[n, U, 2]``, m."""
    places, number, combination = _drawn(scenario, streams)
    pos = places.pos[number * len(places.table.gain) + combination, :2]
    return pos + torch.tensor([scenario.layout.width_m, scenario.layout.height_m]) / 2


def behind_walls(scenario: ScenarioFields, paths: Propagation, streams: Streams) -> tuple[Propagation, Tensor]:
    """The same users behind the walls that give the stations their efficiencies.

    Gains toward the stations that a user hears are those of double precision, so that one efficiency is one number.

    Returns:
        the paths, and the penetration losses ``[n, U, R]``, dB.
    """
    places, number, combination = _drawn(scenario, streams)
    loss_db = places.table.loss_db[combination].float().unsqueeze(1)  # [n, 1, U]
    station = places.groups[number].transpose(1, 2).unsqueeze(3)  # [n, K, U, 1]
    exact = places.table.gain.float()[combination].transpose(1, 2).unsqueeze(3)  # [n, K, U, 1]
    blocks = paths.gain.shape[3]
    gain = paths.gain * db_to_linear(-loss_db).unsqueeze(3)
    gain = gain.scatter(1, station.expand(-1, -1, -1, blocks), exact.expand(-1, -1, -1, blocks))
    behind = replace(paths, gain=gain, pathloss_db=paths.pathloss_db + loss_db, rsrp_dbm=paths.rsrp_dbm - loss_db)
    return behind, loss_db.transpose(1, 2).expand(-1, -1, blocks).contiguous()
