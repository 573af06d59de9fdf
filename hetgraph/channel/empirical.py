"""Models without a LOS state: COST-231 Hata, LTE macrocell, log-distance, free space.

They accept ``los`` and ignore it. Their LOS probability is zero, for they are medians over obstructed links, except for
free space, which is always in line of sight.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.channel.link import SPEED_OF_LIGHT, Link, Validity


def free_space_db(distance_m: Tensor, carrier_hz: Tensor) -> Tensor:
    """Friis: ``20 log10(4 pi d f / c)``."""
    return 20.0 * torch.log10(distance_m * (4.0 * math.pi / SPEED_OF_LIGHT * carrier_hz))


@dataclass(frozen=True, kw_only=True)
class _Median:
    """What the models without a LOS state have in common.

    Args:
        sigma_db: standard deviation of shadowing.
        correlation_m: correlation distance of shadowing.

    Raises:
        ValueError: a negative or not finite argument.
    """

    sigma_db: float = 8.0
    correlation_m: float = 50.0

    min_height_m = 0.0
    los_distance_m = 50.0
    validity = Validity()
    indoor_shadowing = None
    indoor_model = False

    def __post_init__(self) -> None:
        if not 0.0 <= self.sigma_db < math.inf:
            raise ValueError(f"{type(self).__name__}.sigma_db: got {self.sigma_db}, expected a finite number >= 0")
        if not 0.0 < self.correlation_m < math.inf:
            raise ValueError(
                f"{type(self).__name__}.correlation_m: got {self.correlation_m}, expected a finite number > 0"
            )

    def los_probability(self, distance_2d_m: Tensor, ue_height_m: Tensor) -> Tensor:
        """Zero."""
        return torch.zeros_like(distance_2d_m + ue_height_m)

    def shadow_sigma_db(self, los: Tensor, link: Link | None, dtype: torch.dtype) -> Tensor:
        """``sigma_db`` whatever the state."""
        return torch.full(los.shape, self.sigma_db, dtype=dtype, device=los.device)

    def shadow_distance_m(self, los: bool) -> float:
        """``correlation_m`` whatever the state."""
        return self.correlation_m


@dataclass(frozen=True)
class COST231(_Median):
    """COST-231 extension of Hata's model (COST 231 final report, eq. 4.4.3), never below free space.

    Fitted to 1.5-2 GHz, 1-20 km, h_BS 30-200 m, h_UT 1-10 m. Hata's distance is horizontal, in kilometres; within a few
    tens of metres of the station the formula falls below free space, which is then used instead.

    Args:
        large_city: metropolitan centre, C = 3 dB; otherwise medium-sized city or suburb, C = 0 dB.
    """

    large_city: bool = False

    validity = Validity((1.5e9, 2e9), (30.0, 200.0), 20e3, (1.0, 10.0))

    def pathloss_db(self, link: Link, los: Tensor) -> Tensor:
        """``46.3 + 33.9 log f - 13.82 log h_BS - a(h_UT) + (44.9 - 6.55 log h_BS) log d + C``, in MHz, m and km."""
        log_carrier = torch.log10(link.carrier_hz / 1e6)
        log_bs_height = link.bs_height_m.log10()
        mobile_db = (1.1 * log_carrier - 0.7) * link.ue_height_m - (1.56 * log_carrier - 0.8)
        log_distance = torch.log10(link.distance_2d_m.clamp(min=1e-3) / 1000.0)
        hata_db = 46.3 + 33.9 * log_carrier - 13.82 * log_bs_height - mobile_db + (3.0 if self.large_city else 0.0)
        hata_db = hata_db + (44.9 - 6.55 * log_bs_height) * log_distance
        return torch.maximum(hata_db, free_space_db(link.distance_3d_m, link.carrier_hz))


@dataclass(frozen=True)
class LTE(_Median):
    """LTE macrocell at 2 GHz (TR 36.814 Table A.2.1.1-2, TR 36.942 sec. 4.5.2), never below free space.

    The formula is for 2 GHz and 15 m above the rooftops, whatever ``carrier_hz`` and the heights are; its distance is
    horizontal, in kilometres. Under about 21 m it falls below free space, which is then used instead.
    """

    # 2 GHz and rooftops; other bands below 4 GHz and small cells are common and take the same numbers.
    validity = Validity((0.7e9, 4e9), (5.0, 150.0), 20e3, (1.0, 10.0))

    def pathloss_db(self, link: Link, los: Tensor) -> Tensor:
        """``128.1 + 37.6 log10(d)``, d in kilometres."""
        lte_db = 128.1 + 37.6 * torch.log10(link.distance_2d_m.clamp(min=1e-3) / 1000.0)
        return torch.maximum(lte_db, free_space_db(link.distance_3d_m, link.carrier_hz))


@dataclass(frozen=True)
class LogDistance(_Median):
    """``PL(d0) + 10 n log10(d / d0)`` over the 3D distance; within d0 the loss stays that of d0.

    Args:
        exponent: path-loss exponent n.
        reference_distance_m: d0.
        reference_loss_db: PL(d0); None for free space at the carrier.

    Raises:
        ValueError: a reference distance or exponent that is not above zero.
    """

    exponent: float = 3.0
    reference_distance_m: float = 1.0
    reference_loss_db: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("exponent", "reference_distance_m"):
            if not 0.0 < getattr(self, name) < math.inf:
                raise ValueError(f"LogDistance.{name}: got {getattr(self, name)}, expected a finite number > 0")
        if self.reference_loss_db is not None and not math.isfinite(self.reference_loss_db):
            raise ValueError(f"LogDistance.reference_loss_db: got {self.reference_loss_db}, expected a finite number")

    def pathloss_db(self, link: Link, los: Tensor) -> Tensor:
        """See the class."""
        ratio = (link.distance_3d_m / self.reference_distance_m).clamp(min=1.0)
        if self.reference_loss_db is not None:
            reference_db = torch.full_like(link.carrier_hz, self.reference_loss_db)
        else:
            reference_db = free_space_db(torch.full_like(link.carrier_hz, self.reference_distance_m), link.carrier_hz)
        return reference_db + 10.0 * self.exponent * ratio.log10()


@dataclass(frozen=True, kw_only=True)
class FreeSpace(_Median):
    """Friis free space over the 3D distance; always in line of sight, no shadowing unless asked for."""

    sigma_db: float = 0.0

    def pathloss_db(self, link: Link, los: Tensor) -> Tensor:
        """``20 log10(4 pi d f / c)``."""
        return free_space_db(link.distance_3d_m, link.carrier_hz)

    def los_probability(self, distance_2d_m: Tensor, ue_height_m: Tensor) -> Tensor:
        """One."""
        return torch.ones_like(distance_2d_m + ue_height_m)
