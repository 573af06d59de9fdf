"""3GPP TR 38.901 RMa, rural macrocell (Tables 7.4.1-1, 7.4.2-1, 7.5-6, 7.6.3.1-2)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.channel.link import SPEED_OF_LIGHT, Link, Validity


@dataclass(frozen=True)
class RMa:
    """Rural macrocell, 0.5 to 30 GHz, 10 m to 10 km (LOS) or 5 km (NLOS).

    Args:
        building_height_m: average building height h, 5 to 50 m in the standard.
        street_width_m: average street width W, 5 to 50 m in the standard.

    Raises:
        ValueError: an argument that is not a finite number above zero.
    """

    building_height_m: float = 5.0
    street_width_m: float = 20.0

    min_height_m = 0.0
    los_distance_m = 60.0
    validity = Validity((0.5e9, 30e9), (10.0, 150.0), 10e3, (1.0, 10.0))
    indoor_shadowing = (8.0, 120.0)
    indoor_model = False

    def __post_init__(self) -> None:
        for name in ("building_height_m", "street_width_m"):
            value = getattr(self, name)
            if not 0.0 < value < math.inf:
                raise ValueError(f"RMa.{name}: got {value}, expected a finite number > 0")

    def breakpoint_m(self, link: Link) -> Tensor:
        """``2 pi h_BS h_UT f / c``: full heights here, unlike in UMa and UMi."""
        return 2.0 * math.pi * link.bs_height_m * link.ue_height_m * (link.carrier_hz / SPEED_OF_LIGHT)

    def pathloss_db(self, link: Link, los: Tensor) -> Tensor:
        """Table 7.4.1-1; NLOS is the larger of the LOS loss and the NLOS formula."""
        los_db = self._los_db(link)
        return torch.where(los, los_db, torch.maximum(los_db, self._nlos_db(link)))

    def _los_db(self, link: Link) -> Tensor:
        breakpoint_m = self.breakpoint_m(link)
        beyond = link.distance_2d_m >= breakpoint_m
        distance_m = torch.where(beyond, breakpoint_m, link.distance_3d_m)
        roughness = math.pow(self.building_height_m, 1.72)
        near = (
            20.0 * torch.log10(distance_m * (40.0 * math.pi / 3.0) * link.carrier_ghz)
            + min(0.03 * roughness, 10.0) * distance_m.log10()
            - min(0.044 * roughness, 14.77)
            + 0.002 * math.log10(self.building_height_m) * distance_m
        )
        return near + torch.where(beyond, 40.0 * torch.log10(link.distance_3d_m / breakpoint_m), 0.0)

    def _nlos_db(self, link: Link) -> Tensor:
        log_bs_height = link.bs_height_m.log10()
        return (
            161.04
            - 7.1 * math.log10(self.street_width_m)
            + 7.5 * math.log10(self.building_height_m)
            - (24.37 - 3.7 * (self.building_height_m / link.bs_height_m).square()) * log_bs_height
            + (43.42 - 3.1 * log_bs_height) * (link.distance_3d_m.log10() - 3.0)
            + 20.0 * link.carrier_ghz.log10()
            - (3.2 * (11.75 * link.ue_height_m).log10().square() - 4.97)
        )

    def los_probability(self, distance_2d_m: Tensor, ue_height_m: Tensor) -> Tensor:
        """Table 7.4.2-1: ``exp(-(d - 10)/1000)``, one up to 10 m."""
        return torch.exp(-(distance_2d_m - 10.0).clamp(min=0.0) / 1000.0) + torch.zeros_like(ue_height_m)

    def shadow_sigma_db(self, los: Tensor, link: Link | None, dtype: torch.dtype) -> Tensor:
        """LOS 4 dB up to the breakpoint and 6 dB beyond; NLOS 8 dB.

        Raises:
            ValueError: a LOS link without geometry.
        """
        if link is not None:
            los_sigma = torch.where(link.distance_2d_m < self.breakpoint_m(link), 4.0, 6.0)
            return torch.where(los, los_sigma, 8.0).to(dtype)
        if bool(los.any()):
            raise ValueError(
                "shadow_sigma_db: got no geometry for RMa in line of sight, expected distance_2d_m, carrier_hz, "
                "bs_height_m and ue_height_m: its sigma switches at the breakpoint"
            )
        return torch.where(los, 4.0, 8.0).to(dtype)

    def shadow_distance_m(self, los: bool) -> float:
        """37 m (LOS), 120 m (NLOS)."""
        return 37.0 if los else 120.0
