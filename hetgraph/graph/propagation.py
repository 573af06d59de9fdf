"""Gains of all station-user pairs of a scenario: path loss, LOS, shadowing, antennas, buildings and fading."""

import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph import channel
from hetgraph.graph.large_scale import Geometry, SiteRadios, geometry_of, large_scale, site_radios
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.spatial import Places, spatial_channels
from hetgraph.graph.streams import Streams
from hetgraph.graph.user_state import UserState, draw_user_state
from hetgraph.units import bearing_to_azimuth_rad, db_to_linear


@dataclass(frozen=True)
class Propagation:
    """Pairs of ``N`` stations and ``U`` users in ``n`` networks.

    Args:
        gain: linear power gain with fading ``[n, N, U, R]``.
        pathloss_db: path loss, penetration of buildings included ``[n, N, U]``, dB.
        shadow_db: shadowing, positive for more loss ``[n, N, U]``, dB.
        antenna_gain_db: antenna gain toward the user ``[n, N, U]``, dB.
        rsrp_dbm: received power of the full budget, without fading ``[n, N, U]``, dBm.
        distance_m: 3D distance to the mast (to its nearest image where the layout wraps around) ``[n, N, U]``, m.
        los: line of sight ``[n, N, U]``.
        offset_m: from the nearest image of the mast to the user ``[n, N, U, 2]``, m, where the layout wraps around, else ``None``.
        h: channel of each antenna ``[n, N, U, Amax, R]``, complex, with ``channel.mimo``, else ``None``.
    """

    gain: Tensor
    pathloss_db: Tensor
    shadow_db: Tensor
    antenna_gain_db: Tensor
    rsrp_dbm: Tensor
    distance_m: Tensor
    los: Tensor
    offset_m: Tensor | None = None
    h: Tensor | None = None


def propagate(
    scenario: ScenarioFields,
    stations: Tensor,
    users: Tensor,
    streams: Streams,
    *,
    state: UserState | None = None,
    fast_fading: bool = True,
) -> Propagation:
    """Draw the channel between ``stations [n, N, 2]`` and ``users [n, U, 2]``, m.

    Args:
        scenario: masts, antennas, channel and radio.
        stations: places of cells.
        users: places of users.
        streams: random numbers.
        state: buildings and heights of these users; drawn for the scenario's users when ``None``.
        fast_fading: ``False`` averages it out: gains have one block, at each cell's own carrier.
    """
    state = draw_user_state(scenario, streams) if state is None else state
    radios = site_radios(scenario)
    masts = stations[:, radios.first_cell[radios.of_mast]]
    geometry = geometry_of(scenario, masts, users)
    _warn_far_users(scenario, radios, geometry)
    large = large_scale(scenario, radios, geometry, users, state, streams)
    ue_height_m = torch.tensor(scenario.users.height_m) if state is None else state.height_m.unsqueeze(1)
    mast = radios.mast[radios.of_cell]  # of each cell
    height_m = radios.height_m[radios.of_cell]
    distance_m = (geometry.distance_m[:, mast].square() + (height_m - ue_height_m).square()).sqrt()
    if radios.of_cell.numel() != radios.first_cell.numel():
        large = large.select(radios.of_cell)
    vector = _vectors(scenario, stations, users, ue_height_m, mast, geometry)
    antenna = _antenna_gain_db(scenario, vector)
    large_scale_db = antenna - large.pathloss_db - large.shadow_db
    gain, h = db_to_linear(large_scale_db).unsqueeze(-1), None
    if fast_fading and scenario.channel.mimo:
        element = _antenna_gain_db(scenario, vector, beam=False)
        places = Places(vector, large.los, element - large.pathloss_db - large.shadow_db, mast)
        h, gain = spatial_channels(scenario, places, streams)
    elif fast_fading:
        gain = gain * _fading(scenario, tuple(large_scale_db.shape[1:]), streams)
    power_dbm = torch.tensor([tier.power_dbm for tier in scenario.tiers for _ in range(tier.count)])
    rsrp = power_dbm.reshape(1, -1, 1) + large_scale_db
    offset = None if geometry.image is None else geometry.offset_m[:, mast]
    return Propagation(gain, large.pathloss_db, large.shadow_db, antenna, rsrp, distance_m, large.los, offset, h)


def _warn_far_users(scenario: ScenarioFields, radios: SiteRadios, geometry: Geometry) -> None:
    """One warning where users are beyond the validity of the models of all masts."""
    models = [radios.model[i] for i in radios.of_mast.tolist()]
    limits = [channel.MODELS[model].validity.distance_m if model in channel.MODELS else torch.inf for model in models]
    if torch.inf in limits:
        return
    far = (geometry.distance_m > torch.tensor(limits).unsqueeze(1)).all(1)  # [n, U]
    if bool(far.any()):
        warnings.warn(
            f"{scenario.name}: {int(far.sum())} of {far.numel()} users are farther from every mast than its model was made "
            f"for (at most {max(limits) / 1e3:g} km); its formula is continued",
            stacklevel=3,
        )


def _vectors(
    scenario: ScenarioFields, stations: Tensor, users: Tensor, ue_height_m: Tensor, mast: Tensor, geometry: Geometry
) -> Tensor:
    """From each cell's antenna to each user's ``[n, N, U, 3]``, m; without directional antennas an empty ``[n, N, U, 0]``."""
    if not (scenario.channel.mimo or any(tier.directional for tier in scenario.tiers)):
        return users.new_zeros(len(users), stations.shape[1], users.shape[1], 0)
    around = geometry.image is not None
    offset = geometry.offset_m[:, mast] if around else users.unsqueeze(1) - stations.unsqueeze(2)
    height_m = torch.tensor([tier.height_m for tier in scenario.tiers for _ in range(tier.count)])
    drop = (ue_height_m - height_m.unsqueeze(1)).expand(offset.shape[:-1])
    return torch.cat([offset, drop.unsqueeze(-1)], -1)


def _antenna_gain_db(scenario: ScenarioFields, vector_m: Tensor, *, beam: bool = True) -> Tensor:
    """Antenna gain of each cell toward each user ``[n, N, U]``, dBi; cells of a tier have one kind of antenna.

    Args:
        scenario: the cells.
        vector_m: from their antennas to the users' ``[n, N, U, 3]``.
        beam: with the fixed beam of a panel; without it that of its element.
    """
    first, parts = 0, []
    for tier in scenario.tiers:
        vector = vector_m[:, first : first + tier.count]
        first += tier.count
        if not tier.directional or (tier.pattern == "omni" and tier.antenna is None and not beam):
            parts.append(torch.zeros(vector.shape[:-1]))
            continue
        azimuth = torch.tensor([bearing_to_azimuth_rad(bearing) for bearing in tier.per_cell("azimuth_deg")])
        tilt = torch.tensor(tier.per_cell("tilt_deg")).deg2rad()
        down = torch.tensor(tier.per_cell("beam_tilt_deg")).deg2rad().reshape(1, -1, 1) if tier.beam_tilt_deg else None
        parts.append(
            channel.antenna_gain_db(
                tier.antenna or tier.pattern,
                vector,
                azimuth_rad=azimuth.reshape(1, -1, 1),
                tilt_rad=tilt.reshape(1, -1, 1),
                panel=tier.panel if beam else None,
                beam_tilt_rad=down,
            )
        )
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


def _fading(scenario: ScenarioFields, pairs: tuple[int, ...], streams: Streams) -> Tensor:
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
