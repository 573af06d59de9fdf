"""What a propagation model is, and the checked geometry that it is given."""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

SPEED_OF_LIGHT = 299_792_458.0
"""m/s; the standards' note on the breakpoint says 3e8, which shifts results by up to 6e-3 dB."""

MIN_DISTANCE_3D_M = 1.0
"""Far-field floor: three-dimensional distances below it count as one metre."""

Number = float | Tensor


@dataclass(frozen=True)
class Link:
    """Geometry of links, as tensors of one dtype that broadcast against each other.

    Args:
        distance_2d_m: horizontal distance.
        distance_3d_m: distance between the antennas, at least ``MIN_DISTANCE_3D_M``.
        carrier_hz: carrier frequency.
        bs_height_m: height of the station's antenna.
        ue_height_m: height of the user's antenna.
    """

    distance_2d_m: Tensor
    distance_3d_m: Tensor
    carrier_hz: Tensor
    bs_height_m: Tensor
    ue_height_m: Tensor

    @property
    def carrier_ghz(self) -> Tensor:
        """Carrier frequency in GHz, the unit of most of the standard's formulas."""
        return self.carrier_hz / 1e9


@dataclass(frozen=True)
class Validity:
    """Ranges for which a model was made; outside, its formulas are continued.

    Args:
        carrier_hz: least and greatest carrier frequency.
        bs_height_m: least and greatest height of the station's antenna.
        distance_m: greatest horizontal distance.
        ue_height_m: least and greatest height of the user's antenna.
    """

    carrier_hz: tuple[float, float] = (0.0, math.inf)
    bs_height_m: tuple[float, float] = (0.0, math.inf)
    distance_m: float = math.inf
    ue_height_m: tuple[float, float] = (0.0, math.inf)


class PropagationModel(Protocol):
    """What the functions of this package ask of a model; the shipped ones are frozen dataclasses."""

    @property
    def min_height_m(self) -> float:
        """Both antennas must be higher than this."""

    @property
    def validity(self) -> Validity:
        """Ranges for which the model was made."""

    @property
    def indoor_shadowing(self) -> tuple[float, float] | None:
        """Standard deviation (dB) and correlation distance (m) of shadowing toward indoor users; ``None``: as outdoors."""

    @property
    def indoor_model(self) -> bool:
        """Both ends are in one building: no wall between them."""

    def pathloss_db(self, link: Link, los: Tensor) -> Tensor:
        """Median path loss in dB of each link, given its LOS state (bool)."""

    def los_probability(self, distance_2d_m: Tensor, ue_height_m: Tensor) -> Tensor:
        """Probability of line of sight of each link."""

    def shadow_sigma_db(self, los: Tensor, link: Link | None, dtype: torch.dtype) -> Tensor:
        """Standard deviation of shadowing in dB; ``link`` is None when the caller gave no geometry."""

    def shadow_distance_m(self, los: bool) -> float:
        """Correlation distance of shadowing."""

    @property
    def los_distance_m(self) -> float:
        """Correlation distance of the LOS state."""


def make_link(
    distance_2d_m: Number, carrier_hz: Number, bs_height_m: Number, ue_height_m: Number, min_height_m: float
) -> Link:
    """Check and convert a geometry; everything takes the distance's dtype and device.

    Raises:
        ValueError: a negative or not finite distance, a carrier that is not positive, or an antenna that is not higher
            than ``min_height_m``.
    """
    distance = as_distance(distance_2d_m)
    carrier = like("carrier_hz", carrier_hz, distance, above=0.0)
    bs_height = like("bs_height_m", bs_height_m, distance, above=min_height_m)
    ue_height = like("ue_height_m", ue_height_m, distance, above=min_height_m)
    distance_3d = (distance.square() + (bs_height - ue_height).square()).sqrt().clamp(min=MIN_DISTANCE_3D_M)
    return Link(distance, distance_3d, carrier, bs_height, ue_height)


def as_distance(distance_2d_m: Number) -> Tensor:
    """The distance as a floating tensor (integers and floats in the default dtype), checked to be finite and >= 0."""
    distance = torch.as_tensor(distance_2d_m)
    if not distance.is_floating_point():
        distance = distance.to(torch.get_default_dtype())
    valid = (distance >= 0.0) & (distance < math.inf)
    if not bool(valid.all()):
        raise ValueError(f"distance_2d_m: got {distance[~valid][0].item():g}, expected a finite number >= 0 in metres")
    return distance


def like(name: str, value: Number, reference: Tensor, *, above: float) -> Tensor:
    """``value`` in the dtype and on the device of ``reference``, checked to be finite and greater than ``above``."""
    tensor = torch.as_tensor(value, dtype=reference.dtype, device=reference.device)
    valid = (tensor > above) & (tensor < math.inf)
    if not bool(valid.all()):
        raise ValueError(f"{name}: got {tensor[~valid][0].item():g}, expected a finite number > {above:g}")
    return tensor


def as_los(los: bool | Tensor, device: torch.device) -> Tensor:
    """The LOS state as a bool tensor.

    Raises:
        ValueError: a tensor of another dtype.
    """
    tensor = torch.as_tensor(los, device=device)
    if tensor.dtype != torch.bool:
        raise ValueError(f"los: got dtype {tensor.dtype}, expected bool")
    return tensor
