"""3GPP TR 38.901 UMa and UMi-Street Canyon (Tables 7.4.1-1, 7.4.2-1, 7.5-6, 7.6.3.1-2).

Both use the effective environment height h_E = 1 m in the breakpoint ``4 (h_BS - h_E)(h_UT - h_E) f / c``. For UMi the
standard says so; for UMa it holds for users up to 13 m, and above that the standard draws h_E at random, 1 m being one
of the values: here it stays 1 m, so that path loss remains a function of its arguments. Valid from 10 m to 5 km,
0.5 to 100 GHz, h_UT 1.5 to 22.5 m, h_BS 25 m (UMa) and 10 m (UMi); outside, the formulas are continued.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.channel.link import SPEED_OF_LIGHT, Link, Validity

ENVIRONMENT_HEIGHT_M = 1.0


def _two_slopes_db(link: Link, constant_db: float, slope: float, correction: float) -> Tensor:
    """LOS path loss with a breakpoint: 2D distance is compared with it, 3D distance goes into the logarithms."""
    breakpoint_m = (
        4.0
        * (link.bs_height_m - ENVIRONMENT_HEIGHT_M)
        * (link.ue_height_m - ENVIRONMENT_HEIGHT_M)
        * (link.carrier_hz / SPEED_OF_LIGHT)
    )
    log_distance = link.distance_3d_m.log10()
    offset_db = constant_db + 20.0 * link.carrier_ghz.log10()
    near = offset_db + slope * log_distance
    height_difference_m = link.bs_height_m - link.ue_height_m
    far = offset_db + 40.0 * log_distance - correction * (breakpoint_m.square() + height_difference_m.square()).log10()
    return torch.where(link.distance_2d_m < breakpoint_m, near, far)


def _street_los(distance_2d_m: Tensor, decay_m: float) -> Tensor:
    """``18/d + exp(-d/decay)(1 - 18/d)``, one up to 18 m."""
    ratio = 18.0 / distance_2d_m.clamp(min=18.0)
    return ratio + torch.exp(-distance_2d_m / decay_m) * (1.0 - ratio)


@dataclass(frozen=True)
class UMa:
    """Urban macrocell: antennas above the rooftops."""

    min_height_m = ENVIRONMENT_HEIGHT_M
    los_distance_m = 50.0
    # The table is for 25 m; other macro heights are common and continue the formulas.
    validity = Validity((0.5e9, 100e9), (10.0, 150.0), 5e3, (1.5, 22.5))
    indoor_shadowing = (7.0, 7.0)
    indoor_model = False

    def pathloss_db(self, link: Link, los: Tensor) -> Tensor:
        """Table 7.4.1-1; NLOS is the larger of the LOS loss and the NLOS formula."""
        los_db = _two_slopes_db(link, 28.0, 22.0, 9.0)
        nlos_db = (
            13.54
            + 39.08 * link.distance_3d_m.log10()
            + 20.0 * link.carrier_ghz.log10()
            - 0.6 * (link.ue_height_m - 1.5)
        )
        return torch.where(los, los_db, torch.maximum(los_db, nlos_db))

    def los_probability(self, distance_2d_m: Tensor, ue_height_m: Tensor) -> Tensor:
        """Table 7.4.2-1 with C'(h_UT) = ((h_UT - 13)/10)^1.5 above 13 m, continued above 23 m and limited to one."""
        height_factor = ((ue_height_m - 13.0) / 10.0).clamp(min=0.0).pow(1.5)
        bulge = 1.25 * (distance_2d_m / 100.0).pow(3) * torch.exp(-distance_2d_m / 150.0)
        probability = _street_los(distance_2d_m, 63.0) * (1.0 + height_factor * bulge)
        return torch.where(distance_2d_m <= 18.0, 1.0, probability).clamp(max=1.0)

    def shadow_sigma_db(self, los: Tensor, link: Link | None, dtype: torch.dtype) -> Tensor:
        """4 dB (LOS), 6 dB (NLOS)."""
        return torch.where(los, 4.0, 6.0).to(dtype)

    def shadow_distance_m(self, los: bool) -> float:
        """37 m (LOS), 50 m (NLOS)."""
        return 37.0 if los else 50.0


@dataclass(frozen=True)
class UMi:
    """Urban microcell, street canyon: antennas below the rooftops."""

    min_height_m = ENVIRONMENT_HEIGHT_M
    los_distance_m = 50.0
    # The table is for 10 m; from lamp posts to rooftops the formulas are continued.
    validity = Validity((0.5e9, 100e9), (3.0, 25.0), 5e3, (1.5, 22.5))
    indoor_shadowing = (7.0, 7.0)
    indoor_model = False

    def pathloss_db(self, link: Link, los: Tensor) -> Tensor:
        """Table 7.4.1-1; NLOS is the larger of the LOS loss and the NLOS formula."""
        los_db = _two_slopes_db(link, 32.4, 21.0, 9.5)
        nlos_db = (
            22.4 + 35.3 * link.distance_3d_m.log10() + 21.3 * link.carrier_ghz.log10() - 0.3 * (link.ue_height_m - 1.5)
        )
        return torch.where(los, los_db, torch.maximum(los_db, nlos_db))

    def los_probability(self, distance_2d_m: Tensor, ue_height_m: Tensor) -> Tensor:
        """Table 7.4.2-1."""
        return _street_los(distance_2d_m, 36.0) + torch.zeros_like(ue_height_m)

    def shadow_sigma_db(self, los: Tensor, link: Link | None, dtype: torch.dtype) -> Tensor:
        """4 dB (LOS), 7.82 dB (NLOS)."""
        return torch.where(los, 4.0, 7.82).to(dtype)

    def shadow_distance_m(self, los: bool) -> float:
        """10 m (LOS), 13 m (NLOS)."""
        return 10.0 if los else 13.0
