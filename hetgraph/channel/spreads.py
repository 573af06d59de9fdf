"""Spreads of paths in delay and angle, and Rician K: Tables 7.5-6 to 7.5-10 of TR 38.901 (V16.1)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.units import db_to_linear

SPREAD_NAMES = ("delay", "azimuth_departure", "zenith_departure", "azimuth_arrival", "rician_k")
_MOST_AZIMUTH_DEG, _MOST_ZENITH_DEG = 104.0, 52.0  # sec. 7.5, step 4


@dataclass(frozen=True)
class _Row:
    """Mean and standard deviation ``a log10(b + f) + c``, f in GHz, of the decimal logarithms; K in dB.

    Args:
        delay: ``(a, c)`` of the mean and of the standard deviation; in s.
        departure: likewise of the azimuth spread of departure, in degrees.
        arrival: likewise of the azimuth spread of arrival, in degrees.
        zenith_sigma: standard deviation of the zenith spread of departure, whose mean depends on the distance.
        k_db: mean and standard deviation of K, dB; zero without line of sight.
        delay_scaling: r_tau.
    """

    delay: tuple[float, float, float, float]
    departure: tuple[float, float, float, float]
    arrival: tuple[float, float, float, float]
    zenith_sigma: float
    k_db: tuple[float, float]
    delay_scaling: float


# Of each model: b, the lowest frequency in GHz, and the rows without and with line of sight.
_UMA = (
    _Row((-0.204, -6.28, 0, 0.39), (-0.1144, 1.5, 0, 0.28), (-0.27, 2.08, 0, 0.11), 0.49, (0, 0), 2.3),
    _Row((-0.0963, -6.955, 0, 0.66), (0.1114, 1.06, 0, 0.28), (0, 1.81, 0, 0.20), 0.40, (9, 3.5), 2.5),
)
_UMI = (
    _Row((-0.24, -6.83, 0.16, 0.28), (-0.23, 1.53, 0.11, 0.33), (-0.08, 1.81, 0.05, 0.3), 0.35, (0, 0), 2.1),
    _Row((-0.24, -7.14, 0, 0.38), (-0.05, 1.21, 0, 0.41), (-0.08, 1.73, 0.014, 0.28), 0.35, (9, 5), 3.0),
)
_RMA = (
    _Row((0, -7.43, 0, 0.48), (0, 0.95, 0, 0.45), (0, 1.52, 0, 0.13), 0.30, (0, 0), 1.7),
    _Row((0, -7.49, 0, 0.55), (0, 0.90, 0, 0.38), (0, 1.52, 0, 0.24), 0.34, (7, 4), 3.8),
)
_INH = (
    _Row((-0.28, -7.173, 0.10, 0.055), (0, 1.62, 0, 0.25), (-0.11, 1.863, 0.12, 0.059), 0.36, (0, 0), 3.0),
    _Row((-0.01, -7.692, 0, 0.18), (0, 1.60, 0, 0.18), (-0.19, 1.781, 0.12, 0.119), 0.30, (7, 4), 3.6),
)
_TABLE = {
    "uma": (0.0, 6.0, _UMA),
    "umi": (1.0, 2.0, _UMI),
    "rma": (1.0, 0.0, _RMA),
    "inh-mixed": (1.0, 6.0, _INH),
    "inh-open": (1.0, 6.0, _INH),
}


@dataclass(frozen=True)
class Spreads:
    """Of links ``[*]``.

    Args:
        delay_s: root mean square delay spread.
        departure_rad: azimuth spread of departure.
        zenith_rad: zenith spread of departure.
        arrival_rad: azimuth spread of arrival.
        rician_k: power of the direct path over that of all others; zero without line of sight.
        delay_scaling: r_tau, by which the law of delays is wider than the delay spread.
    """

    delay_s: Tensor
    departure_rad: Tensor
    zenith_rad: Tensor
    arrival_rad: Tensor
    rician_k: Tensor
    delay_scaling: Tensor


def draw_spreads(
    model: str,
    normal: Tensor,
    *,
    los: Tensor,
    distance_2d_m: Tensor,
    carrier_hz: Tensor,
    bs_height_m: Tensor,
    ue_height_m: Tensor,
) -> Spreads:
    """Spreads of links from standard normal numbers.

    The five are drawn independently of each other. Models outside the standard have the spreads of ``uma``.

    Args:
        model: alias of a propagation model.
        normal: one number for each of ``SPREAD_NAMES`` ``[*, 5]``.
        los: line of sight ``[*]``.
        distance_2d_m: horizontal distance ``[*]``.
        carrier_hz: carrier frequency, broadcastable.
        bs_height_m: height of the station, broadcastable.
        ue_height_m: height of the user, broadcastable.
    """
    offset, least_ghz, rows = _TABLE.get(model, _TABLE["uma"])
    log_f = (offset + (carrier_hz / 1e9).clamp_min(least_ghz)).log10()

    def lognormal(name: str, number: int) -> Tensor:
        both = []
        for row in rows:
            a, c, sigma_a, sigma_c = getattr(row, name)
            both.append(a * log_f + c + (sigma_a * log_f + sigma_c) * normal[..., number])
        return db_to_linear(10 * torch.where(los, both[1], both[0]))

    zenith = _zenith_mean(model, los, distance_2d_m, log_f, bs_height_m, ue_height_m)
    zenith = zenith + _choose(los, [row.zenith_sigma for row in rows]) * normal[..., 2]
    mean, sigma = (_choose(los, [row.k_db[i] for row in rows]) for i in (0, 1))
    k = db_to_linear(mean + sigma * normal[..., 4])
    return Spreads(
        delay_s=lognormal("delay", 0),
        departure_rad=lognormal("departure", 1).clamp_max(_MOST_AZIMUTH_DEG).deg2rad(),
        zenith_rad=db_to_linear(10 * zenith).clamp_max(_MOST_ZENITH_DEG).deg2rad(),
        arrival_rad=lognormal("arrival", 3).clamp_max(_MOST_AZIMUTH_DEG).deg2rad(),
        rician_k=torch.where(los, k, torch.zeros_like(k)),
        delay_scaling=_choose(los, [row.delay_scaling for row in rows]),
    )


def _choose(los: Tensor, numbers: list[float]) -> Tensor:
    """The number without, or with line of sight."""
    without, with_los = numbers
    return torch.where(los, with_los, without).to(torch.float32)


def _zenith_mean(
    model: str, los: Tensor, distance_2d_m: Tensor, log_f: Tensor, bs_height_m: Tensor, ue_height_m: Tensor
) -> Tensor:
    """Mean of the logarithm of the zenith spread of departure, degrees (Tables 7.5-7 to 7.5-10)."""
    km, above = distance_2d_m / 1e3, ue_height_m - 1.5
    if model == "umi":
        higher = ue_height_m - bs_height_m
        sight = (-14.8 * km + 0.01 * higher.abs() + 0.83).clamp_min(-0.21)
        none = (-3.1 * km + 0.01 * higher.clamp_min(0) + 0.2).clamp_min(-0.5)
    elif model == "rma":
        sight = (-0.17 * km - 0.01 * above + 0.22).clamp_min(-1.0)
        none = (-0.19 * km - 0.01 * above + 0.28).clamp_min(-1.0)
    elif model.startswith("inh"):
        sight = -1.43 * log_f + 2.228
        none = torch.full_like(log_f, 1.08)
    else:
        sight = (-2.1 * km - 0.01 * above + 0.75).clamp_min(-0.5)
        none = (-2.1 * km - 0.01 * above + 0.9).clamp_min(-0.5)
    return torch.where(los, sight, none)
