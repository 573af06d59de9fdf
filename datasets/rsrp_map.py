"""Maps of RSRP: what each cell would be heard with at places where another cell was measured.

A cell's map is a Gaussian process over the plane (kriging with a trend; Rasmussen and Williams 2006, eqs. 2.23 and 2.41).
At a place x, at distance d and in direction u (a unit vector that shrinks to zero at the mast) from the cell's site,

    RSRP(x) = m - 10 n log10(sqrt(d^2 + d0^2)) + a + b . u + s(x) + e,

with the mean m and the exponent n common to all cells (n from a robust fit of within-cell differences), a cell's own level
a ~ N(0, level_db^2), its antenna's direction b ~ N(0, sector_db^2 I), the first harmonic of a sector pattern, a residual s
whose correlation falls as exp(-|dx| / decorrelation_m), and a measurement's scatter e. Far from its rows a cell's map falls
back to the law of distance, so that a cell with two rows has a map as well.

A phone is served by one of the strongest cells, so a cell is only ever measured where it is strong, and a map of such rows
alone is too bright elsewhere. Where another cell served, this one was not heard with more than the stronger of the serving
cell and the neighbour that the phone reported, plus a margin: the neighbour has no identity and is only used for this bound.
Where a map exceeds the bound, the bound is added as if measured, and the map is fitted again.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hetgraph.datasets.lte_trace import RSRP_DBM, Numbers

Indices = NDArray[np.int64]
_SLOPE = (1.5, 6.0)  # exponents that a network can have
_PRIOR_SLOPE, _PRIOR_WEIGHT = 3.0, 25.0  # as many rows a decibel of distance apart
_HUBER = 1.345
_MOST_BOUNDS = 256  # added to a map in one round
_EXCESS_DB = 0.5


@dataclass(frozen=True)
class Measured:
    """Measurements of C cells at M places.

    Args:
        xy: places ``[M, 2]``, m.
        cell: serving cell ``[M]``, 0..C-1.
        rsrp_dbm: of the serving cell ``[M]``, dBm.
        bound_dbm: what no other cell of the same operator exceeded ``[M]``, dBm.
        site: of each cell ``[C, 2]``, m.
        operator: of each cell ``[C]``.
    """

    xy: Numbers
    cell: Indices
    rsrp_dbm: Numbers
    bound_dbm: Numbers
    site: Numbers
    operator: Indices


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
        rounds: of bounds added where a map exceeds them; 0 for maps of measured rows alone.
    """

    decorrelation_m: float = 150.0
    residual_db: float = 7.0
    level_db: float = 8.0
    sector_db: float = 4.0
    scatter_db: float = 4.0
    near_m: float = 50.0
    place_m: float = 25.0
    rounds: int = 2

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
        sector = self.sector_db**2 * self._direction(a - site) @ self._direction(b - site).T
        return np.asarray(self.level_db**2 + sector + self.residual_db**2 * np.exp(-apart / self.decorrelation_m))

    def _direction(self, offset: Numbers) -> Numbers:
        return np.asarray(offset / np.sqrt((offset**2).sum(-1, keepdims=True) + self.near_m**2))


@dataclass(frozen=True)
class CellMap:
    """RSRP of one cell; made by :func:`fit_maps`.

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


def fit_maps(rows: Measured, kriging: Kriging = Kriging()) -> list[CellMap]:
    """Maps of all C cells.

    Args:
        rows: measurements.
        kriging: what the maps assume.

    Raises:
        ValueError: a cell without a row.
    """
    cells = len(rows.site)
    if cells == 0 or np.bincount(rows.cell, minlength=cells).min() == 0:
        raise ValueError("rows: got a cell without a row, expected one or more of each")
    loss = kriging.loss(rows.xy - rows.site[rows.cell])
    slope = robust_slope(loss, rows.rsrp_dbm, rows.cell)
    level = rows.rsrp_dbm + slope * loss
    mean = float(np.median([np.median(level[rows.cell == c]) for c in range(cells)]))
    bounds = {o: _by_place(rows, rows.bound_dbm, kriging, rows.operator[rows.cell] == o) for o in set(rows.operator)}
    blank = [CellMap(kriging, slope, mean, site, np.zeros((0, 2)), np.zeros(0)) for site in rows.site]
    return [
        _fit(one, cell, _by_place(rows, rows.rsrp_dbm, kriging, rows.cell == cell), bounds[rows.operator[cell]])
        for cell, one in enumerate(blank)
    ]


def predict(maps: list[CellMap], xy: Numbers) -> Numbers:
    """RSRP of C cells at places ``[Q, 2]``: ``[Q, C]``, dBm, within what a phone can report."""
    return np.stack([one.predict(xy).clip(*RSRP_DBM) for one in maps], 1)


def _fit(blank: CellMap, cell: int, own: "_Places", bound: "_Places") -> CellMap:
    scatter = blank.kriging.scatter_db**2
    xy, value, variance = own.xy, own.value, scatter * (0.5 + 0.5 / own.count)
    free = np.array([cell not in served for served in bound.cells])
    for _ in range(blank.kriging.rounds):
        excess = np.where(free, _solved(blank, xy, value, variance).predict(bound.xy) - bound.value, -np.inf)
        worst = np.argsort(-excess, kind="stable")[:_MOST_BOUNDS]
        worst = worst[excess[worst] > _EXCESS_DB]
        xy, value = np.concatenate([xy, bound.xy[worst]]), np.concatenate([value, bound.value[worst]])
        variance = np.concatenate([variance, np.full(len(worst), scatter)])
    return _solved(blank, xy, value, variance)


def _solved(blank: CellMap, xy: Numbers, value: Numbers, variance: Numbers) -> CellMap:
    covariance = blank.kriging.covariance(xy, xy, blank.site) + np.diag(variance)
    return replace(blank, places=xy, weights=np.linalg.solve(covariance, value - blank.trend(xy)))


def robust_slope(loss: Numbers, rsrp_dbm: Numbers, cell: Indices) -> float:
    """Exponent n of ``RSRP = level of the cell - n loss``, by Huber's iteratively reweighted least squares within cells.

    Args:
        loss: ``10 log10`` of the distance ``[M]``.
        rsrp_dbm: ``[M]``, dBm.
        cell: ``[M]``.
    """
    weight, slope = np.ones_like(loss), _PRIOR_SLOPE
    for _ in range(20):
        total = np.maximum(np.bincount(cell, weight), 1e-12)
        x = loss - (np.bincount(cell, weight * loss) / total)[cell]
        y = rsrp_dbm - (np.bincount(cell, weight * rsrp_dbm) / total)[cell]
        fit = (_PRIOR_WEIGHT * _PRIOR_SLOPE - (weight * x * y).sum()) / (_PRIOR_WEIGHT + (weight * x * x).sum())
        slope = float(np.clip(fit, *_SLOPE))
        off = np.abs(y + slope * x)
        scale = max(1.4826 * float(np.median(off)), 1e-6)
        weight = np.minimum(1.0, _HUBER * scale / np.maximum(off, 1e-9))
    return slope


@dataclass(frozen=True)
class _Places:
    """Rows averaged by place: where ``[m, 2]``, their mean ``[m]``, how many ``[m]``, and the cells that served there."""

    xy: Numbers
    value: Numbers
    count: Numbers
    cells: list[set[int]]


def _by_place(rows: Measured, value: Numbers, kriging: Kriging, chosen: NDArray[np.bool_]) -> _Places:
    xy, value, cell = rows.xy[chosen], value[chosen], rows.cell[chosen]
    _, place = np.unique(np.round(xy / kriging.place_m), axis=0, return_inverse=True)
    place = place.reshape(-1)
    count = np.bincount(place).astype(float)
    served: list[set[int]] = [set() for _ in count]
    for where, which in np.unique(np.stack([place, cell], 1), axis=0).tolist():
        served[where].add(which)
    mean = [np.bincount(place, column) / count for column in (xy[:, 0], xy[:, 1], value)]
    return _Places(np.stack(mean[:2], 1), mean[2], count, served)
