"""3GPP TR 38.901 InH, indoor office (Tables 7.4.1-1, 7.4.2-1, 7.5-6, 7.6.3.1-2)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.channel.link import Link, Validity


@dataclass(frozen=True)
class InH:
    """Indoor office, 0.5 to 100 GHz, 1 to 150 m.

    Args:
        open: open office; otherwise mixed (with walls and corridors). Only the LOS probability differs.
    """

    open: bool = False

    min_height_m = 0.0
    los_distance_m = 10.0
    validity = Validity((0.5e9, 100e9), (1.0, 10.0), 150.0)
    indoor_shadowing = None
    indoor_model = True

    def pathloss_db(self, link: Link, los: Tensor) -> Tensor:
        """Table 7.4.1-1; NLOS is the larger of the LOS loss and the NLOS formula."""
        log_distance, log_carrier = link.distance_3d_m.log10(), link.carrier_ghz.log10()
        los_db = 32.4 + 17.3 * log_distance + 20.0 * log_carrier
        nlos_db = 17.3 + 38.3 * log_distance + 24.9 * log_carrier
        return torch.where(los, los_db, torch.maximum(los_db, nlos_db))

    def los_probability(self, distance_2d_m: Tensor, ue_height_m: Tensor) -> Tensor:
        """Table 7.4.2-1, open or mixed office."""
        distance_m = distance_2d_m + torch.zeros_like(ue_height_m)
        if self.open:
            near = torch.exp(-(distance_m - 5.0).clamp(min=0.0) / 70.8)
            return torch.where(distance_m <= 49.0, near, 0.54 * torch.exp(-(distance_m - 49.0) / 211.7))
        near = torch.exp(-(distance_m - 1.2).clamp(min=0.0) / 4.7)
        return torch.where(distance_m < 6.5, near, 0.32 * torch.exp(-(distance_m - 6.5) / 32.6))

    def shadow_sigma_db(self, los: Tensor, link: Link | None, dtype: torch.dtype) -> Tensor:
        """3 dB (LOS), 8.03 dB (NLOS)."""
        return torch.where(los, 3.0, 8.03).to(dtype)

    def shadow_distance_m(self, los: bool) -> float:
        """10 m (LOS), 6 m (NLOS)."""
        return 10.0 if los else 6.0
