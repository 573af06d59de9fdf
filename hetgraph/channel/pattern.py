"""Measured antenna patterns: two cuts of a manufacturer's file, combined as TR 38.901 combines its own."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_FEWEST_ANGLES = 4


@dataclass(frozen=True)
class AntennaPattern:
    """Horizontal and vertical cut of an antenna; by default isotropic.

    ``A = min(A_H + A_V, A_max)`` as in Table 7.3-1, with the greatest attenuation of both cuts for A_max; between angles,
    attenuations are interpolated.

    Args:
        name: of the antenna.
        gain_max_dbi: gain at the peak.
        horizontal_db: attenuation at equal steps around a turn, clockwise seen from above, from the boresight on.
        vertical_db: attenuation at equal steps around a turn, from the horizon downwards.
        tilt_deg: electrical downtilt with which the vertical cut was taken.

    Raises:
        ValueError: a cut of fewer than four angles, a negative attenuation, or a number that is not finite.
    """

    name: str = ""
    gain_max_dbi: float = 0.0
    horizontal_db: tuple[float, ...] = (0.0,) * _FEWEST_ANGLES
    vertical_db: tuple[float, ...] = (0.0,) * _FEWEST_ANGLES
    tilt_deg: float = 0.0

    def __post_init__(self) -> None:
        for name in ("gain_max_dbi", "tilt_deg"):
            if not math.isfinite(getattr(self, name)):
                raise ValueError(f"AntennaPattern.{name}: got {getattr(self, name)}, expected a finite number")
        for name in ("horizontal_db", "vertical_db"):
            cut = getattr(self, name)
            if len(cut) < _FEWEST_ANGLES or not all(0.0 <= value < math.inf for value in cut):
                got = f"{len(cut)} numbers, the least {min(cut, default=math.nan)}"
                raise ValueError(f"AntennaPattern.{name}: got {got}, expected 4 or more of 0 or more dB")

    def gain_db(self, azimuth_rad: Tensor, zenith_rad: Tensor, beam_tilt_rad: Tensor | None = None) -> Tensor:
        """Gain toward angles in the antenna's own frame, dBi.

        Args:
            azimuth_rad: counter-clockwise from the boresight.
            zenith_rad: from 0 (up) over pi/2 (horizon) to pi.
            beam_tilt_rad: electrical downtilt of the beam, which moves the vertical cut; the file's own when ``None``.
                All broadcast.
        """
        below = zenith_rad - math.pi / 2
        if beam_tilt_rad is not None:
            below = below - (beam_tilt_rad - math.radians(self.tilt_deg))
        attenuation = _at(self.horizontal_db, -azimuth_rad) + _at(self.vertical_db, below)
        return self.gain_max_dbi - attenuation.clamp(max=max(*self.horizontal_db, *self.vertical_db))


def _at(cut_db: tuple[float, ...], angle_rad: Tensor) -> Tensor:
    """Attenuation at angles, any number of turns, by linear interpolation around the turn."""
    table = torch.tensor((*cut_db, cut_db[0]), dtype=angle_rad.dtype, device=angle_rad.device)
    place = (angle_rad * (len(cut_db) / (2 * math.pi))).remainder(len(cut_db))
    below = place.floor().clamp(max=len(cut_db) - 1)
    first = below.long()
    low, high = table[first], table[first + 1]
    return low + (high - low) * (place - below)
