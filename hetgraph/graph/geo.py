"""Latitude and longitude as metres in a local plane, and back."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

_SEMI_MAJOR_M = 6_378_137.0  # WGS84
_ECCENTRICITY_SQUARED = 6.69437999014e-3
_POLE_DEG = 90.0
_EARTH_M = 6_371_008.8  # mean radius
_Numbers = NDArray[np.float64]
Degrees = TypeVar("Degrees", float, _Numbers)


def _within_half_turn(degrees: Degrees) -> Degrees:
    """The same longitude in -180..180; values that are within it already keep their bits."""
    turned = (degrees + 180.0) % 360.0 - 180.0
    inside = np.abs(degrees) <= 180.0
    return np.where(inside, degrees, turned) if isinstance(degrees, np.ndarray) else degrees if inside else turned


@dataclass(frozen=True)
class Projection:
    """The plane that touches the WGS84 ellipsoid at a point: x to the east, y to the north, m.

    Distances are right along the point's parallel and meridian; those from west to east elsewhere are off by :meth:`scale_error`:
    0.1 % at 6 km north or south of the point at a latitude of 45 degrees, 0.3 % at 11 km at 60 degrees.

    Args:
        latitude_deg: of the point.
        longitude_deg: of the point.
    """

    latitude_deg: float
    longitude_deg: float

    @staticmethod
    def around(latitude_deg: Iterable[float], longitude_deg: Iterable[float]) -> "Projection":
        """Plane that touches in the middle of some points, which may lie on both sides of the antimeridian."""
        latitude, longitude = np.fromiter(latitude_deg, float), np.fromiter(longitude_deg, float)
        east = _within_half_turn(longitude - longitude[0])  # of the first point
        return Projection(float(np.mean(latitude)), float(_within_half_turn(longitude[0] + np.mean(east))))

    @property
    def metres_per_degree(self) -> tuple[float, float]:
        """Metres per degree to the east and to the north."""
        latitude = math.radians(self.latitude_deg)
        squeeze = 1 - _ECCENTRICITY_SQUARED * math.sin(latitude) ** 2
        east = _SEMI_MAJOR_M / math.sqrt(squeeze) * math.cos(latitude)
        north = _SEMI_MAJOR_M * (1 - _ECCENTRICITY_SQUARED) / squeeze**1.5
        return math.radians(east), math.radians(north)

    def scale_error(self, y_m: float) -> float:
        """Relative error of distances in the plane, ``y_m`` to the north of the point: the greater one of both directions."""
        latitude = self.latitude_deg + y_m / self.metres_per_degree[1]
        if abs(latitude) >= _POLE_DEG:
            return math.inf
        there = Projection(latitude, self.longitude_deg).metres_per_degree
        return max(abs(here / true - 1) for here, true in zip(self.metres_per_degree, there, strict=True))

    def to_xy(self, latitude_deg: Degrees, longitude_deg: Degrees) -> tuple[Degrees, Degrees]:
        """East and north of the point, m; numbers or arrays."""
        east, north = self.metres_per_degree
        return _within_half_turn(longitude_deg - self.longitude_deg) * east, (latitude_deg - self.latitude_deg) * north

    def to_lat_lon(self, x_m: Degrees, y_m: Degrees) -> tuple[Degrees, Degrees]:
        """Latitude and longitude, degrees; inverse of :meth:`to_xy`."""
        east, north = self.metres_per_degree
        return y_m / north + self.latitude_deg, _within_half_turn(x_m / east + self.longitude_deg)


def great_circle_m(lat1: _Numbers, lon1: _Numbers, lat2: _Numbers, lon2: _Numbers) -> _Numbers:
    """Distance on the mean sphere, by the haversine formula, m; all in degrees."""
    a, b, c, d = (np.radians(v) for v in (lat1, lon1, lat2, lon2))
    h = np.sin((c - a) / 2) ** 2 + np.cos(a) * np.cos(c) * np.sin((d - b) / 2) ** 2
    return np.asarray(2 * _EARTH_M * np.arcsin(np.sqrt(h)))
