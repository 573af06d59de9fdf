"""Antenna element of TR 38.901 Table 7.3-1, and the angles at which a tilted antenna sees a user.

Zenith angles run from 0 (up) over pi/2 (horizon) to pi (down), azimuth counter-clockwise from the x axis, in radians.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from hetgraph.channel.array import Panel, beam_gain_db
from hetgraph.channel.link import Number
from hetgraph.channel.pattern import AntennaPattern

_LANES = 64  # a multiple of the elements that a vectorised kernel takes at once


@dataclass(frozen=True)
class AntennaElement:
    """Sector antenna element.

    Args:
        beamwidth_azimuth_deg: horizontal 3 dB beamwidth.
        beamwidth_zenith_deg: vertical 3 dB beamwidth.
        attenuation_max_db: A_max, limit of the horizontal cut and of the sum.
        sidelobe_db: SLA_V, limit of the vertical cut.
        gain_max_db: maximum directional gain, dBi.
    """

    beamwidth_azimuth_deg: float = 65.0
    beamwidth_zenith_deg: float = 65.0
    attenuation_max_db: float = 30.0
    sidelobe_db: float = 30.0
    gain_max_db: float = 8.0


def direction_angles(vector_m: Tensor) -> tuple[Tensor, Tensor]:
    """Azimuth and zenith ``[...]`` of vectors ``[..., 3]`` from the station to the user."""
    x, y, z = vector_m.unbind(-1)
    return _angle(y, x), _angle((x.square() + y.square()).sqrt(), z)


def local_angles(azimuth_rad: Tensor, zenith_rad: Tensor, tilt_rad: Tensor) -> tuple[Tensor, Tensor]:
    """Azimuth and zenith in the frame of a mechanically downtilted antenna (TR 38.901 eqs. 7.1-7, 7.1-8).

    The rotation is by the downtilt beta alone: alpha = gamma = 0.

    Args:
        azimuth_rad: azimuth relative to the boresight.
        zenith_rad: zenith.
        tilt_rad: downtilt beta; all broadcast.
    """
    sin_zenith, cos_zenith = zenith_rad.sin(), zenith_rad.cos()
    sin_tilt, cos_tilt = tilt_rad.sin(), tilt_rad.cos()
    along = azimuth_rad.cos() * sin_zenith
    x = along * cos_tilt - cos_zenith * sin_tilt
    y = azimuth_rad.sin() * sin_zenith
    z = along * sin_tilt + cos_zenith * cos_tilt
    return _angle(y, x), _angle((x.square() + y.square()).sqrt(), z)


def _angle(y: Tensor, x: Tensor) -> Tensor:
    """``atan2(y, x)`` with the same bits for an element wherever it stands in the tensor.

    The kernel's last few elements do not go through its vector lanes and may differ in the last bit: pad them away.
    """
    shape = (y + x).shape
    count = math.prod(shape)
    y, x = (functional.pad(v.expand(shape).flatten(), (0, -count % _LANES)) for v in (y, x))
    return torch.atan2(y, x)[:count].reshape(shape)


def element_gain_db(
    *,
    azimuth_rad: Tensor,
    zenith_rad: Tensor,
    tilt_rad: Number = 0.0,
    element: AntennaElement = AntennaElement(),
) -> Tensor:
    """Gain in dBi of the standard's element, ``G_max - min(A_V + A_H, A_max)``; all arguments broadcast.

    Args:
        azimuth_rad: azimuth of the user relative to the antenna's boresight; any number of turns.
        zenith_rad: zenith of the user as seen from the station.
        tilt_rad: mechanical downtilt of the boresight below the horizon.
        element: pattern's parameters.
    """
    tilt = torch.as_tensor(tilt_rad, dtype=zenith_rad.dtype, device=zenith_rad.device)
    return _cuts_db(*local_angles(azimuth_rad, zenith_rad, tilt), element)


def _cuts_db(azimuth: Tensor, zenith: Tensor, element: AntennaElement) -> Tensor:
    """Gain toward angles in the element's own frame, azimuth within half a turn."""
    vertical = (zenith - math.pi / 2.0) / math.radians(element.beamwidth_zenith_deg)
    horizontal = azimuth / math.radians(element.beamwidth_azimuth_deg)
    vertical_db = (12.0 * vertical.square()).clamp(max=element.sidelobe_db)
    horizontal_db = (12.0 * horizontal.square()).clamp(max=element.attenuation_max_db)
    return element.gain_max_db - (vertical_db + horizontal_db).clamp(max=element.attenuation_max_db)


def antenna_gain_db(
    pattern: str | AntennaElement | AntennaPattern,
    vector_m: Tensor,
    *,
    azimuth_rad: Number,
    tilt_rad: Number,
    panel: Panel | None = None,
    beam_tilt_rad: Tensor | None = None,
) -> Tensor:
    """Gain in dBi toward the users.

    Args:
        pattern: ``"omni"`` (0 dBi), ``"38.901"``, an element of one's own, or a manufacturer's pattern.
        vector_m: from the station to the user ``[..., 3]``, m.
        azimuth_rad: direction of the boresight, counter-clockwise from the x axis; broadcasts against ``[...]``.
        tilt_rad: mechanical downtilt, positive downwards; broadcasts against ``[...]``.
        panel: array of such elements, with its fixed beam (:func:`~hetgraph.channel.beam_gain_db`); ``None`` for one element.
        beam_tilt_rad: electrical downtilt of a manufacturer's pattern, in place of its own; broadcasts against ``[...]``.

    Raises:
        ValueError: an unknown pattern.
    """
    if isinstance(pattern, str) and pattern not in ("omni", "38.901"):
        raise ValueError(f"pattern: got {pattern!r}, expected 'omni' or '38.901'")
    boresight = torch.as_tensor(azimuth_rad, dtype=vector_m.dtype, device=vector_m.device)
    if pattern == "omni" and panel is None:
        return torch.zeros_like(vector_m[..., 0] + boresight)
    azimuth, zenith = direction_angles(vector_m)
    tilt = torch.as_tensor(tilt_rad, dtype=zenith.dtype, device=zenith.device)
    azimuth, zenith = local_angles(azimuth - boresight, zenith, tilt)
    if isinstance(pattern, AntennaPattern):
        gain_db = pattern.gain_db(azimuth, zenith, beam_tilt_rad)
    elif pattern == "omni":
        gain_db = torch.zeros_like(azimuth)
    else:
        element = AntennaElement() if isinstance(pattern, str) else pattern
        gain_db = _cuts_db(azimuth, zenith, element)
    if panel is not None:
        gain_db = gain_db + beam_gain_db(panel, azimuth_rad=azimuth, zenith_rad=zenith)
    return gain_db
