"""Panel antenna arrays: responses, steering weights and array gain (TR 38.901 sec. 7.3 and TR 37.840 sec. 5.4.4).

A panel stands in the y-z plane and looks along x: ``columns`` elements along y, ``rows`` along z, numbered row by row.
A linear array is a panel with one row (horizontal) or one column (vertical). Angles are those of the panel's own frame
(:func:`~hetgraph.channel.local_angles`).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.units import linear_to_db


@dataclass(frozen=True)
class Panel:
    """Uniform planar array.

    Args:
        rows: elements along the vertical.
        columns: elements along the horizontal.
        spacing_wavelengths: distance of neighbouring elements.
        polarisations: 1, or 2 for pairs of crossed elements, which double the ports.
        tilt_deg: electrical downtilt of the fixed beam without precoding, positive downwards; 12 is a zenith angle of 102.

    Raises:
        ValueError: fewer than one row or column, a spacing that is not positive, other polarisations, or a tilt beyond 90.
    """

    rows: int = 1
    columns: int = 1
    spacing_wavelengths: float = 0.5
    polarisations: int = 1
    tilt_deg: float = 0.0

    def __post_init__(self) -> None:
        for name in ("rows", "columns"):
            value = getattr(self, name)
            if type(value) is not int or value < 1:
                raise ValueError(f"Panel.{name}: got {value!r}, expected a whole number of at least 1")
        if type(self.polarisations) is not int or self.polarisations not in (1, 2):
            raise ValueError(f"Panel.polarisations: got {self.polarisations!r}, expected 1 or 2")
        if not -90.0 <= self.tilt_deg <= 90.0:
            raise ValueError(f"Panel.tilt_deg: got {self.tilt_deg}, expected a number in -90..90")
        if not 0.0 < self.spacing_wavelengths < math.inf:
            raise ValueError(f"Panel.spacing_wavelengths: got {self.spacing_wavelengths}, expected a finite number > 0")

    @property
    def num_elements(self) -> int:
        """Elements A of one polarisation."""
        return self.rows * self.columns

    @property
    def num_ports(self) -> int:
        """Elements of all polarisations."""
        return self.num_elements * self.polarisations


def array_response(panel: Panel, *, azimuth_rad: Tensor, zenith_rad: Tensor) -> Tensor:
    """Phases ``exp(j 2 pi d (column sin(az) sin(zen) + row cos(zen)))`` of a plane wave, complex ``[..., A]``.

    Args:
        panel: the array.
        azimuth_rad: azimuth in the panel's frame ``[...]``.
        zenith_rad: zenith in the panel's frame ``[...]``; both broadcast.
    """
    turn = 2.0 * math.pi * panel.spacing_wavelengths
    row = torch.arange(panel.rows, dtype=zenith_rad.dtype, device=zenith_rad.device).unsqueeze(1)
    column = torch.arange(panel.columns, dtype=zenith_rad.dtype, device=zenith_rad.device)
    across = (azimuth_rad.sin() * zenith_rad.sin())[..., None, None]
    up = zenith_rad.cos()[..., None, None]
    phase = turn * (column * across + row * up)  # [..., rows, columns]
    return torch.polar(torch.ones_like(phase), phase).flatten(-2)


def steering_weights(panel: Panel, *, azimuth_rad: Tensor, zenith_rad: Tensor) -> Tensor:
    """Unit-norm weights of the beam toward a direction (maximum ratio), complex ``[..., A]``."""
    response = array_response(panel, azimuth_rad=azimuth_rad, zenith_rad=zenith_rad)
    return response / math.sqrt(panel.num_elements)


def array_gain_db(panel: Panel, weights: Tensor, *, azimuth_rad: Tensor, zenith_rad: Tensor) -> Tensor:
    """``10 log10 |w^H a|^2`` toward directions ``[...]``, without the element's own gain.

    At most ``10 log10(A)`` for unit-norm weights, reached in the direction that the beam is steered to.

    Args:
        panel: the array.
        weights: unit-norm weights, complex ``[..., A]``, broadcast against the directions.
        azimuth_rad: azimuth in the panel's frame ``[...]``.
        zenith_rad: zenith in the panel's frame ``[...]``.

    Raises:
        ValueError: weights of another number of elements.
    """
    if weights.shape[-1] != panel.num_elements:
        raise ValueError(f"weights: got {weights.shape[-1]} elements, expected {panel.num_elements}")
    response = array_response(panel, azimuth_rad=azimuth_rad, zenith_rad=zenith_rad)
    combined = (weights.conj() * response).sum(-1)
    return linear_to_db(combined.real.square() + combined.imag.square())


def beam_gain_db(panel: Panel, *, azimuth_rad: Tensor, zenith_rad: Tensor) -> Tensor:
    """Array gain of the panel's fixed beam, steered along its boresight and down by ``tilt_deg`` ``[...]``, dB.

    Args:
        panel: the array.
        azimuth_rad: azimuth in the panel's frame ``[...]``.
        zenith_rad: zenith in the panel's frame ``[...]``.
    """
    down = azimuth_rad.new_full((), math.pi / 2.0 + math.radians(panel.tilt_deg))
    weights = steering_weights(panel, azimuth_rad=torch.zeros_like(down), zenith_rad=down)
    return array_gain_db(panel, weights, azimuth_rad=azimuth_rad, zenith_rad=zenith_rad)
