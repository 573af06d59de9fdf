r"""Paths of a link and the channel that they make at each antenna: a light clustered model after TR 38.901 sec. 7.5.

A path is one plane wave with a power, a phase, a delay, a direction of departure and one of arrival. The channel of antenna a on
frequency f at time t is

.. math::
    h_a(f, t) = \sum_p \sqrt{P_p}\, e^{j (\phi_p + k\, d_p \cdot r_a - 2 \pi f \tau_p + 2 \pi \nu_p t)},

with the direction of departure d_p, the antenna's place r_a, k = 2 pi / wavelength and the Doppler shift nu_p. What a user receives
of a precoder w is h^H w: antennas are fed with the conjugate of w. The standard's rays of a cluster are one path here; the sum of
powers is one.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.channel.spreads import Spreads
from hetgraph.units import db_to_linear


@dataclass(frozen=True)
class Paths:
    """P paths of links ``[*]``; the first is the direct one.

    Args:
        power: part of the received power ``[*, P]``; that of the direct path is zero without line of sight.
        delay_s: beyond that of the direct path ``[*, P]``.
        azimuth_rad: of departure, counter-clockwise from the x axis ``[*, P]``.
        zenith_rad: of departure ``[*, P]``.
        arrival_rad: azimuth of arrival, direction from the user to where the path comes from ``[*, P]``.
        phase_rad: for each of two polarisations ``[*, P, 2]``.
    """

    power: Tensor
    delay_s: Tensor
    azimuth_rad: Tensor
    zenith_rad: Tensor
    arrival_rad: Tensor
    phase_rad: Tensor


def draw_paths(azimuth_rad: Tensor, zenith_rad: Tensor, spreads: Spreads, uniform: Tensor, normal: Tensor) -> Paths:
    """Paths of links from random numbers.

    Delays are exponential with ``delay_scaling`` times the delay spread, powers fall with them by eq. 7.5-5 with 3 dB of per-path
    shadowing, and angles are normal around the direction of the user with the angular spreads as standard deviations.

    Args:
        azimuth_rad: of the user as the station sees it ``[*]``.
        zenith_rad: likewise ``[*]``.
        spreads: of the links ``[*]``.
        uniform: for delays and two phases of each scattered path ``[*, P - 1, 3]``, in [0, 1).
        normal: for powers, azimuths and zeniths of departure, and azimuths of arrival ``[*, P - 1, 4]``.
    """
    scaling = spreads.delay_scaling.unsqueeze(-1)
    spread_s = spreads.delay_s.unsqueeze(-1)
    delay = -scaling * spread_s * (1 - uniform[..., 0]).log()
    delay = delay - delay.amin(-1, keepdim=True)
    db = _PER_PATH_SHADOWING_DB * normal[..., 0]
    power = torch.exp(-delay * (scaling - 1) / (scaling * spread_s)) * db_to_linear(-db)
    k = spreads.rician_k.unsqueeze(-1)
    power = power / power.sum(-1, keepdim=True) / (k + 1)
    zeros = torch.zeros_like(k)
    azimuth, zenith = azimuth_rad.unsqueeze(-1), zenith_rad.unsqueeze(-1)
    phase = 2 * math.pi * uniform[..., 1:]
    return Paths(
        power=torch.cat([k / (k + 1), power], -1),
        delay_s=torch.cat([zeros, delay], -1),
        azimuth_rad=torch.cat([azimuth, azimuth + spreads.departure_rad.unsqueeze(-1) * normal[..., 1]], -1),
        zenith_rad=torch.cat([zenith, _folded(zenith + spreads.zenith_rad.unsqueeze(-1) * normal[..., 2])], -1),
        arrival_rad=torch.cat(
            [azimuth + math.pi, azimuth + math.pi + spreads.arrival_rad.unsqueeze(-1) * normal[..., 3]], -1
        ),
        phase_rad=torch.cat([torch.zeros_like(phase[..., :1, :]), phase], -2),
    )


_PER_PATH_SHADOWING_DB = 3.0  # zeta of Table 7.5-6


def _folded(zenith_rad: Tensor) -> Tensor:
    """Zenith angles within 0 to pi: one beyond comes back from the pole."""
    turned = zenith_rad.remainder(2 * math.pi)
    return torch.minimum(turned, 2 * math.pi - turned)


def directions(azimuth_rad: Tensor, zenith_rad: Tensor) -> Tensor:
    """Unit vectors ``[*, 3]``."""
    across = zenith_rad.sin()
    return torch.stack([across * azimuth_rad.cos(), across * azimuth_rad.sin(), zenith_rad.cos()], -1)


def wave(direction: Tensor, offset_m: Tensor, wavelength_m: Tensor) -> Tensor:
    """Phase factors ``exp(j k d . r)`` of plane waves at antennas, complex ``[*, P, A]``.

    Args:
        direction: unit vectors ``[*, P, 3]``.
        offset_m: places of the antennas ``[*, A, 3]``.
        wavelength_m: ``[*]``, broadcastable.
    """
    turn = 2 * math.pi / wavelength_m[..., None, None] * (direction @ offset_m.transpose(-1, -2))
    return torch.polar(torch.ones_like(turn), turn)


def path_channel(
    paths: Paths,
    offset_m: Tensor,
    polarisation: Tensor,
    *,
    wavelength_m: Tensor,
    frequency_hz: Tensor,
    velocity_mps: Tensor | None = None,
    time_s: float = 0.0,
) -> Tensor:
    """Channel of each antenna on each block, of mean power one over phases, complex ``[*, A, R]``.

    Args:
        paths: of links ``[*]``.
        offset_m: places of the antennas ``[*, A, 3]``, broadcastable.
        polarisation: of each antenna, 0 or 1 ``[*, A]``, broadcastable.
        wavelength_m: ``[*]``, broadcastable.
        frequency_hz: of the blocks, from the middle of the band ``[R]``.
        velocity_mps: of the users, for the Doppler shift ``[*, 2]``.
        time_s: since the phases were drawn.
    """
    phase = paths.phase_rad
    if velocity_mps is not None:
        arrival = torch.stack([paths.arrival_rad.cos(), paths.arrival_rad.sin()], -1)
        doppler_hz = (arrival * velocity_mps.unsqueeze(-2)).sum(-1) / wavelength_m.unsqueeze(-1)
        phase = phase + 2 * math.pi * time_s * doppler_hz.unsqueeze(-1)
    departure = wave(directions(paths.azimuth_rad, paths.zenith_rad), offset_m, wavelength_m)  # [*, P, A]
    start = torch.polar(paths.power.sqrt().unsqueeze(-1).expand_as(phase), phase)  # [*, P, 2]
    chosen = torch.where(polarisation.unsqueeze(-2) == 0, start[..., :1], start[..., 1:])  # [*, P, A]
    turn = -2 * math.pi * paths.delay_s.unsqueeze(-1) * frequency_hz  # [*, P, R]
    return (departure * chosen).transpose(-1, -2) @ torch.polar(torch.ones_like(turn), turn)
