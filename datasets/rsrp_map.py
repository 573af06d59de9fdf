"""Maps of RSRP: the RSRP that each cell would have at places where another cell was measured.

Each cell has a map of its own (:mod:`hetgraph.datasets.kriging`); the mean m and the exponent n of the law of distance are
common to all, n from a robust fit of the differences within cells.

A phone is served by one of the strongest cells, so a cell is only ever measured where it is strong, and a map of such rows
alone is too bright elsewhere (by 4 dB in the city of the tests). Where another cell served, this one had no more RSRP
than the stronger of the serving cell and the neighbour that the phone reported; the neighbour has no identity and is used for
this bound alone. The map is conditioned on all bounds near it by expectation propagation (Rasmussen and Williams 2006,
sec. 3.6), the likelihood of a bound being ``Phi((bound - RSRP) / scatter)``.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

from hetgraph.datasets.kriging import CellMap, Kriging
from hetgraph.datasets.lte_table import Numbers
from hetgraph.datasets.lte_trace import RSRP_DBM

Indices = NDArray[np.int64]
_SLOPE = (1.5, 6.0)  # exponents that a network can have
_PRIOR_SLOPE, _PRIOR_WEIGHT = 3.0, 25.0  # as many rows a decibel of distance apart
_HUBER = 1.345
_MOST_BOUNDS = 256  # of a map
_SLACK = 3.0  # standard deviations below which a bound matters
_FLAT, _DAMPING = 1e-9, 0.7


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
    bounds = {
        o: _by_place(rows, rows.bound_dbm, kriging.bound_m, rows.operator[rows.cell] == o) for o in set(rows.operator)
    }
    blank = [CellMap(kriging, slope, mean, site, np.zeros((0, 2)), np.zeros(0)) for site in rows.site]
    return [
        _fit(one, cell, _by_place(rows, rows.rsrp_dbm, kriging.place_m, rows.cell == cell), bounds[rows.operator[cell]])
        for cell, one in enumerate(blank)
    ]


def predict(maps: list[CellMap], xy: Numbers) -> Numbers:
    """RSRP of C cells at places ``[Q, 2]``: ``[Q, C]``, dBm, within what a phone can report."""
    return np.stack([one.predict(xy).clip(*RSRP_DBM) for one in maps], 1)


def _fit(blank: CellMap, cell: int, own: "_Places", bound: "_Places") -> CellMap:
    scatter = blank.kriging.scatter_db**2
    variance = scatter * (0.5 + 0.5 / own.count)
    free = np.array([cell not in served for served in bound.cells], dtype=bool)
    if not free.any() or blank.kriging.rounds == 0:
        return blank.known(own.xy, own.value, variance)
    mean, spread = blank.posterior(own.xy, own.value, variance, bound.xy)
    slack = np.where(free, (bound.value - mean) / np.sqrt(spread + scatter), np.inf)
    near = np.argsort(slack, kind="stable")[:_MOST_BOUNDS]
    near = near[slack[near] < _SLACK]
    level, width = _propagated(blank, own, variance, bound.xy[near], bound.value[near])
    xy = np.concatenate([own.xy, bound.xy[near]])
    return blank.known(xy, np.concatenate([own.value, level]), np.concatenate([variance, width]))


def _propagated(
    blank: CellMap, own: "_Places", variance: Numbers, at: Numbers, limit: Numbers
) -> tuple[Numbers, Numbers]:
    """Measurements at places ``[b, 2]`` that stand for their bounds ``[b]``: values and variances ``[b]``.

    They are those with which the map has the moments that each bound, taken exactly, gives it beside all the others.
    """
    xy, trend, scatter = np.concatenate([own.xy, at]), blank.trend(at), blank.kriging.scatter_db**2
    precision, shift = np.full(len(at), _FLAT), np.zeros(len(at))  # shift: (value - trend) * precision
    for _ in range(blank.kriging.rounds):
        value = np.concatenate([own.value, trend + shift / precision])
        mean, spread = blank.posterior(xy, value, np.concatenate([variance, 1 / precision]), at)
        others = np.maximum(1 / spread - precision, _FLAT)  # precision of the map without this bound
        centre, width = ((mean - trend) / spread - shift) / others, 1 / others
        cut = np.sqrt(width + scatter)
        z = (limit - trend - centre) / cut
        hazard = np.exp(-0.5 * z**2 - log_ndtr(z)) / math.sqrt(2 * math.pi)
        below, tight = centre - width * hazard / cut, width - width**2 * hazard * (z + hazard) / cut**2
        shift += _DAMPING * (below / tight - centre * others - shift)
        precision += _DAMPING * (np.maximum(1 / tight - others, _FLAT) - precision)
    return trend + shift / precision, 1 / precision


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


def _by_place(rows: Measured, value: Numbers, side_m: float, chosen: NDArray[np.bool_]) -> _Places:
    xy, value, cell = rows.xy[chosen], value[chosen], rows.cell[chosen]
    _, place = np.unique(np.round(xy / side_m), axis=0, return_inverse=True)
    place = place.reshape(-1)
    count = np.bincount(place).astype(float)
    served: list[set[int]] = [set() for _ in count]
    for where, which in np.unique(np.stack([place, cell], 1), axis=0).tolist():
        served[where].add(which)
    mean = [np.bincount(place, column) / count for column in (xy[:, 0], xy[:, 1], value)]
    return _Places(np.stack(mean[:2], 1), mean[2], count, served)
