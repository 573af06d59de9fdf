"""Decibels, watts and compass bearings: the one place where units are made and undone."""

import math
from typing import overload

from torch import Tensor

_LN10_BY_10 = math.log(10.0) / 10.0


@overload
def db_to_linear(value_db: float) -> float: ...


@overload
def db_to_linear(value_db: Tensor) -> Tensor: ...


def db_to_linear(value_db: float | Tensor) -> float | Tensor:
    """Power ratio ``10^(x/10)`` of decibels; any shape, dtype kept."""
    if isinstance(value_db, Tensor):
        return (value_db * _LN10_BY_10).exp()
    return float(10.0 ** (value_db / 10.0))


@overload
def linear_to_db(value: float) -> float: ...


@overload
def linear_to_db(value: Tensor) -> Tensor: ...


def linear_to_db(value: float | Tensor) -> float | Tensor:
    """Decibels ``10 log10(x)`` of a power ratio; zero gives ``-inf``, a negative ratio NaN; any shape, dtype kept."""
    if isinstance(value, Tensor):
        return value.log10() * 10.0
    if value == 0.0:
        return -math.inf
    return 10.0 * math.log10(value) if value > 0.0 else math.nan


@overload
def dbm_to_w(power_dbm: float) -> float: ...


@overload
def dbm_to_w(power_dbm: Tensor) -> Tensor: ...


def dbm_to_w(power_dbm: float | Tensor) -> float | Tensor:
    """Watts of dBm (30 dBm is 1 W); any shape, dtype kept."""
    return db_to_linear(power_dbm - 30.0)


@overload
def w_to_dbm(power_w: float) -> float: ...


@overload
def w_to_dbm(power_w: Tensor) -> Tensor: ...


def w_to_dbm(power_w: float | Tensor) -> float | Tensor:
    """dBm of watts; zero gives ``-inf``; any shape, dtype kept."""
    return linear_to_db(power_w) + 30.0


def bearing_to_azimuth_rad(bearing_deg: float) -> float:
    """Internal azimuth, counter-clockwise from the x axis (east), of a compass bearing, clockwise from the y axis (north).

    The internal angle is made here and nowhere else; whatever a person writes or reads is a bearing.
    """
    return math.radians(90.0 - bearing_deg)


def azimuth_rad_to_bearing(azimuth_rad: float) -> float:
    """Compass bearing in [0, 360) of an internal azimuth; inverse of :func:`bearing_to_azimuth_rad`."""
    return (90.0 - math.degrees(azimuth_rad)) % 360.0
