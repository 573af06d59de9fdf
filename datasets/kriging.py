"""The map of one cell's RSRP: a Gaussian process over the plane with a trend (Rasmussen and Williams 2006, eqs. 2.23-2.24).

At a place x, at distance d and in direction u (a unit vector that shrinks to zero at the mast) from the cell's site,

    RSRP(x) = m - 10 n log10(sqrt(d^2 + d0^2)) + a + b . u + s(x) + e,

with a cell's own level a ~ N(0, level_db^2), its antenna's direction b ~ N(0, sector_db^2 I), the first harmonic of a sector
pattern, a residual s whose correlation falls as exp(-|dx| / decorrelation_m), and a measurement's scatter e. Far from its rows
a map falls back to the law of distance, so that a cell with two rows has a map as well.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.linalg import cho_factor, cho_solve

from hetgraph.datasets.lte_table import Numbers


@dataclass(frozen=True)
class Kriging:
    """What the maps assume.

    Args:
        decorrelation_m: distance at which the residual's correlation has fallen to 1/e.
        residual_db: its standard deviation.
        level_db: spread of the cells' levels.
        sector_db: spread of the antennas' directions.
        scatter_db: of one measurement, half of whose variance stays however many are averaged.
        near_m: distance d0 within which the mean flattens.
        place_m: rows within a square of this side are averaged to one place.
        bound_m: bounds within a square of this side are averaged to one.
        rounds: of expectation propagation; 0 for maps of measured rows alone.
    """

    decorrelation_m: float = 150.0
    residual_db: float = 7.0
    level_db: float = 8.0
    sector_db: float = 4.0
    scatter_db: float = 4.0
    near_m: float = 50.0
    place_m: float = 25.0
    bound_m: float = 100.0
    rounds: int = 4

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if (
                not math.isfinite(value)
                or value < 0
                or (value == 0 and name not in ("sector_db", "level_db", "rounds"))
            ):
                raise ValueError(f"Kriging.{name}: got {value}, expected a positive number")

    def loss(self, offset: Numbers) -> Numbers:
        """``10 log10`` of the distances ``[M]`` of offsets ``[M, 2]`` from a site."""
        return np.asarray(5.0 * np.log10((offset**2).sum(-1) + self.near_m**2))

    def covariance(self, a: Numbers, b: Numbers, site: Numbers) -> Numbers:
        """Of a cell's map at places ``[A, 2]`` and ``[B, 2]``: ``[A, B]``, dB^2."""
        apart = np.sqrt((a[:, :1] - b[:, 0]) ** 2 + (a[:, 1:] - b[:, 1]) ** 2)
        sector = self.sector_db**2 * self.direction(a - site) @ self.direction(b - site).T
        return np.asarray(self.level_db**2 + sector + self.residual_db**2 * np.exp(-apart / self.decorrelation_m))

    def direction(self, offset: Numbers) -> Numbers:
        """Unit vectors ``[M, 2]`` of offsets from a site, shrunk to zero at it."""
        return np.asarray(offset / np.sqrt((offset**2).sum(-1, keepdims=True) + self.near_m**2))


@dataclass(frozen=True)
class CellMap:
    """RSRP of one cell; made by :func:`~hetgraph.datasets.rsrp_map.fit_maps`.

    Args:
        kriging: what the maps assume.
        slope: exponent n.
        mean_dbm: m.
        site: of the cell ``[2]``, m.
        places: where it was measured or bounded ``[m, 2]``, m.
        weights: of the covariances with these places ``[m]``.
    """

    kriging: Kriging
    slope: float
    mean_dbm: float
    site: Numbers
    places: Numbers
    weights: Numbers

    def predict(self, xy: Numbers) -> Numbers:
        """RSRP at places ``[Q, 2]``: ``[Q]``, dBm."""
        known = self.kriging.covariance(xy, self.places, self.site)
        return np.asarray(self.trend(xy) + known @ self.weights)

    def trend(self, xy: Numbers) -> Numbers:
        """The law of distance at places ``[Q, 2]``: ``[Q]``, dBm."""
        return np.asarray(self.mean_dbm - self.slope * self.kriging.loss(xy - self.site))

    def known(self, xy: Numbers, value: Numbers, variance: Numbers) -> "CellMap":
        """The map that knows measurements ``[m]``, with variances ``[m]``, at places ``[m, 2]`` and nothing else."""
        covariance = self.kriging.covariance(xy, xy, self.site) + np.diag(variance)
        weights: Numbers = np.asarray(np.linalg.solve(covariance, value - self.trend(xy)), dtype=np.float64)
        return replace(self, places=xy, weights=weights)

    def posterior(self, xy: Numbers, value: Numbers, variance: Numbers, query: Numbers) -> tuple[Numbers, Numbers]:
        """Mean and variance ``[Q]`` at places ``[Q, 2]`` of the map that knows measurements ``[m]`` at places ``[m, 2]``."""
        kriging = self.kriging
        factor = cho_factor(kriging.covariance(xy, xy, self.site) + np.diag(variance))
        cross = kriging.covariance(query, xy, self.site)
        mean = self.trend(query) + cross @ cho_solve(factor, value - self.trend(xy))
        direction = kriging.direction(query - self.site)
        alone = kriging.level_db**2 + kriging.residual_db**2 + kriging.sector_db**2 * (direction**2).sum(1)
        return mean, np.maximum(alone - (cross * cho_solve(factor, cross.T).T).sum(1), 1e-6)
