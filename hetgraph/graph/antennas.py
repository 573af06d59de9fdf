"""Antenna nodes of the stations: where each antenna or port stands and where it looks."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.channel import SPEED_OF_LIGHT, Panel
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.scenario_parts import Tier
from hetgraph.units import bearing_to_azimuth_rad


def antenna_attributes(scenario: ScenarioFields, n: int) -> tuple[dict[str, Tensor], Tensor]:
    """``offset [n, A, 3]``, m, and ``boresight [n, A, 2]`` (azimuth, downtilt), rad, of ``n`` networks; ``mounted_on [n, 2, A]``.

    The ports of a panel stand in the plane that it looks away from. The antennas of a sector look where the sector does; those of
    an omnidirectional station stand in a ring of half a wavelength's spacing, each looking outwards. Cells of one tier differ by
    bearing and tilt alone, so that each tier is one tensor operation.
    """
    first, offsets, boresights, owners = 0, [], [], []
    for tier in scenario.tiers:
        azimuth = torch.tensor([bearing_to_azimuth_rad(b) for b in tier.per_cell("azimuth_deg")]).unsqueeze(1)
        lean, tilt = (torch.tensor(v).deg2rad().unsqueeze(1) for v in (tier.per_cell("tilt_deg"), tier.downtilts_deg()))
        wavelength_m = SPEED_OF_LIGHT / scenario.carrier_of(tier).carrier_hz
        offset, look = _of_tier(tier, azimuth, lean, tilt, wavelength_m)
        offsets.append(offset.flatten(0, 1))
        boresights.append(look.flatten(0, 1))
        owners.append(torch.arange(first, first + tier.count).repeat_interleave(tier.ports))
        first += tier.count
    owner = torch.cat(owners)
    mounted = torch.stack([torch.arange(owner.numel()), owner])
    attributes = {"offset": torch.cat(offsets), "boresight": torch.cat(boresights)}
    repeated = {name: value.expand(n, *value.shape).contiguous() for name, value in attributes.items()}
    return repeated, mounted.expand(n, -1, -1)


def _of_tier(tier: Tier, azimuth: Tensor, lean: Tensor, tilt: Tensor, wavelength_m: float) -> tuple[Tensor, Tensor]:
    """Offsets ``[count, ports, 3]`` and boresights ``[count, ports, 2]``; ``azimuth``, ``lean`` of the panel, ``tilt [count, 1]``."""
    shape = (tier.count, tier.ports)
    if tier.directional:
        panel = tier.panel or Panel(columns=max(tier.num_antennas, 1))
        look = torch.stack([azimuth.expand(shape), tilt.expand(shape)], 2)
        return _panel_offsets(panel, azimuth, lean, wavelength_m)[:, : tier.ports], look
    turn = 2 * math.pi * torch.arange(tier.ports) / max(tier.ports, 1)
    radius = wavelength_m / 4 / math.sin(math.pi / tier.ports) if tier.ports > 1 else 0.0
    ring = radius * torch.stack([turn.cos(), turn.sin(), torch.zeros_like(turn)], 1)
    look = torch.stack([turn.expand(shape), tilt.expand(shape)], 2)
    return ring.expand(tier.count, -1, -1), look


def _panel_offsets(panel: Panel, azimuth: Tensor, tilt: Tensor, wavelength_m: float) -> Tensor:
    """Ports ``[count, ports, 3]`` around the panel's middle, row by row, polarisations of an element at one place."""
    spacing_m = panel.spacing_wavelengths * wavelength_m
    row = (torch.arange(panel.rows) - (panel.rows - 1) / 2) * spacing_m
    column = (torch.arange(panel.columns) - (panel.columns - 1) / 2) * spacing_m
    up, across = (
        grid.flatten().repeat_interleave(panel.polarisations) for grid in torch.meshgrid(row, column, indexing="ij")
    )
    # The panel's y axis is horizontal; its z axis leans forward by the downtilt.
    x = -across * azimuth.sin() + up * tilt.sin() * azimuth.cos()
    y = across * azimuth.cos() + up * tilt.sin() * azimuth.sin()
    z = up * tilt.cos()
    return torch.stack([x, y, z.expand_as(x)], 2)


@dataclass(frozen=True)
class PortTable:
    """Antennas of ``N`` stations in a table of ``Amax`` columns; what is beyond a station's own is zero.

    Args:
        offset: places around the station's ``[N, Amax, 3]``, m.
        polarisation: 0 or 1 ``[N, Amax]``.
        amplitude: of what an antenna gets of a wave: one, or the root of a half for each of two polarisations ``[N, Amax]``.
        beam: unit-norm weights of a panel's fixed beam, complex ``[N, Amax]``; zeros without a panel.
        steered: whether the station has one ``[N]``.
        count: antennas ``[N]``.
        wavelength_m: of the station's carrier ``[N]``.
    """

    offset: Tensor
    polarisation: Tensor
    amplitude: Tensor
    beam: Tensor
    steered: Tensor
    count: Tensor
    wavelength_m: Tensor


def port_table(scenario: ScenarioFields) -> PortTable:
    """Antennas of a scenario's stations."""
    attributes, mounted = antenna_attributes(scenario, 1)
    owner = mounted[0, 1]
    cells = [tier for tier in scenario.tiers for _ in range(tier.count)]
    count = torch.tensor([tier.ports for tier in cells])
    place = torch.arange(owner.numel()) - (count.cumsum(0) - count)[owner]
    poles = torch.tensor([1 if tier.panel is None else tier.panel.polarisations for tier in cells])
    wavelength = torch.tensor([SPEED_OF_LIGHT / scenario.carrier_of(tier).carrier_hz for tier in cells])
    toward = _beam_directions(scenario)  # [N, 3]
    offset = attributes["offset"][0]
    turn = 2 * math.pi / wavelength[owner] * (offset * toward[owner]).sum(1)
    steered = torch.tensor([tier.panel is not None for tier in cells])
    weight = torch.polar(steered[owner] / count[owner].sqrt(), turn)

    def table(value: Tensor) -> Tensor:
        out = value.new_zeros(len(cells), int(count.max()), *value.shape[1:])
        out[owner, place] = value
        return out

    return PortTable(
        offset=table(offset),
        polarisation=table(place % poles[owner]),
        amplitude=table((1 / poles[owner]).sqrt()),
        beam=table(weight),
        steered=steered,
        count=count,
        wavelength_m=wavelength,
    )


def _beam_directions(scenario: ScenarioFields) -> Tensor:
    """Unit vectors of the fixed beams ``[N, 3]``: along the boresight, down by the electrical tilt in the panel's own frame."""
    parts = []
    for tier in scenario.tiers:
        azimuth = torch.tensor([bearing_to_azimuth_rad(bearing) for bearing in tier.per_cell("azimuth_deg")])
        electrical = 0.0 if tier.panel is None else math.radians(tier.panel.tilt_deg)
        # In the panel's plane of elevation both tilts add up.
        down = torch.tensor(tier.per_cell("tilt_deg")).deg2rad() + electrical
        parts.append(torch.stack([down.cos() * azimuth.cos(), down.cos() * azimuth.sin(), -down.sin()], 1))
    return torch.cat(parts)
