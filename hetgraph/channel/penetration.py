"""Outdoor-to-indoor penetration loss (TR 38.901 sec. 7.4.3.1, Tables 7.4.3-1 and 7.4.3-2)."""

import math

import torch
from torch import Tensor

from hetgraph.units import db_to_linear, linear_to_db

_INDOOR_DB_PER_M = 0.5
LOW_LOSS_SIGMA_DB, HIGH_LOSS_SIGMA_DB = 4.4, 6.5
FLOOR_HEIGHT_M = 3.0
"""Height of a floor: a user of floor n (0 is the ground floor) is 3 n m above one on the ground (Table 7.2-1)."""


def _wall_db(carrier_ghz: Tensor, glass_db: tuple[float, float], glass_share: float) -> Tensor:
    """Loss through an outer wall of glass and concrete: ``5 - 10 log10(sum of share * 10^(-L/10))``."""
    glass = db_to_linear(-(glass_db[0] + glass_db[1] * carrier_ghz))
    concrete = db_to_linear(-(5.0 + 4.0 * carrier_ghz))
    return 5.0 - linear_to_db(glass_share * glass + (1.0 - glass_share) * concrete)


def penetration_loss_db(
    carrier_hz: float | Tensor, *, high_loss: Tensor, indoor_distance_m: Tensor, normal: Tensor
) -> Tensor:
    """Loss of the building around each user, added to the outdoor path loss: wall, indoor distance and a normal spread, dB.

    Args:
        carrier_hz: carrier frequency; broadcasts.
        high_loss: coated glass and concrete (bool); otherwise plain glass and concrete.
        indoor_distance_m: distance from the outer wall to the user, m.
        normal: standard normal number of the user.

    Raises:
        ValueError: a carrier that is not positive, or a negative distance.
    """
    carrier_ghz = torch.as_tensor(carrier_hz, dtype=indoor_distance_m.dtype, device=indoor_distance_m.device) / 1e9
    if not bool(((carrier_ghz > 0.0) & (carrier_ghz < math.inf)).all()):
        raise ValueError(f"carrier_hz: got {float(carrier_ghz.min()) * 1e9:g}, expected a finite number > 0")
    if bool((indoor_distance_m < 0.0).any()):
        raise ValueError(f"indoor_distance_m: got {float(indoor_distance_m.min()):g}, expected 0 or more")
    low = _wall_db(carrier_ghz, (2.0, 0.2), 0.3) + LOW_LOSS_SIGMA_DB * normal
    high = _wall_db(carrier_ghz, (23.0, 0.3), 0.7) + HIGH_LOSS_SIGMA_DB * normal
    return torch.where(high_loss, high, low) + _INDOOR_DB_PER_M * indoor_distance_m
