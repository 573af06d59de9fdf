"""Channels of each antenna from geometry: ``h`` of all pairs of stations and users, and the gain of the fixed beam that follows.

The large-scale power is that of scalar gains: path loss, shadowing and the antenna element toward the user. What the antennas add is a
direct wave (``fading: none``), independent Rayleigh numbers, both (``rician``), or paths with the spreads of TR 38.901
(``clustered``). A user receives h^H w of a precoder w.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.channel import direction_angles
from hetgraph.channel.paths import Paths, directions, draw_paths, path_channel, wave
from hetgraph.channel.spreads import SPREAD_NAMES, Spreads, draw_spreads
from hetgraph.graph.antennas import PortTable, port_table
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.streams import Streams
from hetgraph.units import db_to_linear

SCATTERED_PATHS = 20  # clusters without line of sight in urban macro cells (Table 7.5-6)


@dataclass(frozen=True)
class Places:
    """Where ``U`` users are as ``N`` cells see them, in ``n`` networks.

    Args:
        vector_m: from the station's antenna to the user's ``[n, N, U, 3]``.
        los: line of sight ``[n, N, U]``.
        power_db: path loss, shadowing and the antenna element's gain, without array and fading ``[n, N, U]``.
        mast: of each cell ``[N]``; cells of a mast have the same paths.
    """

    vector_m: Tensor
    los: Tensor
    power_db: Tensor
    mast: Tensor


def spatial_channels(scenario: ScenarioFields, places: Places, streams: Streams) -> tuple[Tensor, Tensor]:
    """``h [n, N, U, Amax, R]``, zero beyond a station's antennas, and the power gain without precoding ``[n, N, U, R]``.

    Without precoding a panel transmits its fixed beam; antennas without a panel share the power equally, as if each sent a signal of
    its own, which is independent of their order.
    """
    ports = port_table(scenario)
    make = _clustered if scenario.channel.fading == "clustered" else _plane
    unit = make(scenario, places, ports, streams)
    h = unit * (db_to_linear(places.power_db).sqrt()[..., None] * ports.amplitude[:, None])[..., None]
    beam = (ports.beam.conj()[:, None, :, None] * h).sum(-2)
    power = h.real.square() + h.imag.square()
    alone = power.sum(-2) / ports.count.reshape(-1, 1, 1)
    gain = torch.where(ports.steered.reshape(-1, 1, 1), beam.real.square() + beam.imag.square(), alone)
    return h, gain


def _plane(scenario: ScenarioFields, places: Places, ports: PortTable, streams: Streams) -> Tensor:
    """The direct wave, independent Rayleigh numbers of each antenna and block, or both with one K."""
    kind = scenario.channel.fading
    blocks, antennas = scenario.radio.num_rbs, ports.offset.shape[1]
    shape = (*places.los.shape[1:], antennas, blocks)
    scattered = torch.zeros((), dtype=torch.complex64)
    if kind != "none":
        scattered = torch.view_as_complex(streams.normal("fading", *shape, 2) * 0.5**0.5)
        if kind == "rayleigh":
            return scattered
    azimuth, zenith = direction_angles(places.vector_m)
    toward = directions(azimuth, zenith).unsqueeze(-2)  # [n, N, U, 1, 3]
    direct = wave(toward, ports.offset.unsqueeze(1), ports.wavelength_m.unsqueeze(1)).transpose(-1, -2)
    if kind == "none":
        return direct.expand(-1, *shape)
    k = float(db_to_linear(torch.tensor(scenario.channel.rician_k_db)))
    both: Tensor = (k / (k + 1)) ** 0.5 * direct + (1 / (k + 1)) ** 0.5 * scattered
    return both


def _clustered(scenario: ScenarioFields, places: Places, ports: PortTable, streams: Streams) -> Tensor:
    masts, users = int(places.mast.max()) + 1, places.los.shape[2]
    azimuth, zenith = direction_angles(places.vector_m)
    normal = streams.normal("spreads", masts, users, len(SPREAD_NAMES))[:, places.mast]
    spreads = _spreads(scenario, places, normal)
    uniform = streams.uniform("paths", masts, users, SCATTERED_PATHS, 3)[:, places.mast]
    normal = streams.normal("path-angles", masts, users, SCATTERED_PATHS, 4)[:, places.mast]
    paths: Paths = draw_paths(azimuth, zenith, spreads, uniform, normal)
    return path_channel(
        paths,
        ports.offset.unsqueeze(1),
        ports.polarisation.unsqueeze(1),
        wavelength_m=ports.wavelength_m.unsqueeze(1),
        frequency_hz=block_frequencies_hz(scenario),
    )


def _spreads(scenario: ScenarioFields, places: Places, normal: Tensor) -> Spreads:
    """Spreads of all cells, tier after tier."""
    first, parts = 0, []
    for tier in scenario.tiers:
        own = slice(first, first + tier.count)
        first += tier.count
        vector = places.vector_m[:, own]
        parts.append(
            draw_spreads(
                tier.pathloss,
                normal[:, own],
                los=places.los[:, own],
                distance_2d_m=vector[..., :2].norm(dim=-1),
                carrier_hz=torch.tensor(scenario.carrier_of(tier).carrier_hz),
                bs_height_m=torch.tensor(tier.height_m),
                ue_height_m=tier.height_m + vector[..., 2],
            )
        )
    return Spreads(**{name: torch.cat([vars(part)[name] for part in parts], 1) for name in vars(parts[0])})


def block_frequencies_hz(scenario: ScenarioFields) -> Tensor:
    """Middle of each resource block, from that of its carrier ``[R]``, Hz."""
    parts = [((torch.arange(c.num_rbs) + 0.5) / c.num_rbs - 0.5) * c.bandwidth_hz for c in scenario.carriers]
    return torch.cat(parts)
