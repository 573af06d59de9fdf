"""Maps of RSRP: against kriging written out, and what bounds do."""

import math
from dataclasses import replace

import numpy as np
import pytest

from hetgraph.datasets import Kriging
from hetgraph.datasets.rsrp_map import Measured, fit_maps, predict, robust_slope


def drive(seed: int = 0, rows: int = 60, bound: float = 0.0) -> Measured:
    """Rows of two cells, a few at the same place."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(-500, 500, (rows, 2)).round(-1)
    cell = (xy[:, 0] > 0).astype(np.int64)
    site = np.array([[-300.0, 100.0], [300.0, -50.0]])
    rsrp = -70 - 15 * np.log10(((xy - site[cell]) ** 2).sum(1) + 2500) + rng.normal(0, 3, rows) + 60
    return Measured(xy, cell, rsrp, rsrp + bound, site, np.zeros(2, dtype=np.int64))


def kriged(rows: Measured, cell: int, place: np.ndarray, k: Kriging, slope: float, mean: float) -> float:
    """Prediction at one place, element by element."""
    site = rows.site[cell]

    def trend(p: np.ndarray) -> float:
        return mean - slope * 10 * math.log10(math.hypot(*(p - site), k.near_m))

    def cov(p: np.ndarray, q: np.ndarray) -> float:
        u, v = ((w - site) / math.hypot(*(w - site), k.near_m) for w in (p, q))
        return float(
            k.level_db**2 + k.sector_db**2 * (u @ v) + k.residual_db**2 * math.exp(-math.dist(p, q) / k.decorrelation_m)
        )

    groups: dict[tuple[float, float], list[int]] = {}
    for i in np.flatnonzero(rows.cell == cell):
        groups.setdefault(tuple(np.round(rows.xy[i] / k.place_m)), []).append(int(i))
    places = [rows.xy[g].mean(0) for g in groups.values()]
    values = [rows.rsrp_dbm[g].mean() for g in groups.values()]
    matrix = np.array([[cov(p, q) for q in places] for p in places])
    for i, g in enumerate(groups.values()):
        matrix[i, i] += k.scatter_db**2 * (0.5 + 0.5 / len(g))
    weights = np.linalg.inv(matrix) @ np.array([v - trend(p) for p, v in zip(places, values, strict=True)])
    return trend(place) + sum(cov(place, p) * w for p, w in zip(places, weights, strict=True))


def test_predictions_are_kriging_with_a_trend() -> None:
    rows, k = drive(), Kriging(rounds=0)
    maps = fit_maps(rows, k)
    queries = np.random.default_rng(1).uniform(-600, 600, (20, 2))
    expected = [[kriged(rows, c, q, k, maps[c].slope, maps[c].mean_dbm) for c in (0, 1)] for q in queries]
    np.testing.assert_allclose(predict(maps, queries), expected, rtol=0, atol=1e-8)


def test_the_slope_is_that_within_cells_and_outliers_do_not_pull_it() -> None:
    rng = np.random.default_rng(0)
    loss, cell = rng.uniform(20, 35, 400), rng.integers(0, 5, 400)
    rsrp = -20.0 * cell - 3.5 * loss + rng.normal(0, 1, 400)
    assert robust_slope(loss, rsrp, cell) == pytest.approx(3.5, abs=0.1)
    rsrp[:40] += 60
    assert robust_slope(loss, rsrp, cell) == pytest.approx(3.5, abs=0.15)
    assert robust_slope(np.full(5, 30.0), np.full(5, -90.0), np.zeros(5, dtype=np.int64)) == 3.0, (
        "one place: the prior's"
    )


def test_far_away_a_map_falls_back_to_distance_and_its_cells_level() -> None:
    rows = drive()
    one = fit_maps(rows, Kriging(rounds=0))[0]
    ring = np.array([[math.cos(a), math.sin(a)] for a in np.linspace(0, 2 * math.pi, 9)[:-1]])
    near, far = (np.mean(one.predict(one.site + r * ring) - one.trend(one.site + r * ring)) for r in (4000, 8000))
    assert near == pytest.approx(far, abs=0.05)
    assert abs(far) < 3 * one.kriging.level_db


def test_a_metre_changes_little() -> None:
    maps = fit_maps(drive(bound=3.0))
    walk = np.stack([np.arange(-400.0, 400.0), np.full(800, 33.0)], 1)
    assert np.abs(np.diff(predict(maps, walk), axis=0)).max() < 1.0


def test_a_bound_gives_the_moments_of_the_truncated_map() -> None:
    """One bound alone: the mean at its place is that of a Gaussian times a normal distribution function, by quadrature."""
    xy, site = np.array([[0.0, 0.0], [400.0, 0.0]]), np.array([[-200.0, 0.0], [600.0, 0.0]])
    rows = Measured(
        xy, np.array([0, 1]), np.array([-80.0, -95.0]), np.array([-80.0, -95.0]), site, np.zeros(2, dtype=np.int64)
    )
    free, bounded = (fit_maps(rows, Kriging(rounds=rounds))[0] for rounds in (0, 12))
    k, place = free.kriging, xy[1:]
    known = k.covariance(xy[:1], xy[:1], site[0])[0, 0] + k.scatter_db**2
    variance = k.covariance(place, place, site[0])[0, 0] - k.covariance(place, xy[:1], site[0])[0, 0] ** 2 / known
    grid = np.linspace(-200, 20, 200_001)
    below = np.array([0.5 * math.erfc((g + 95) / k.scatter_db / math.sqrt(2)) for g in grid])
    density = np.exp(-0.5 * (grid - free.predict(place)[0]) ** 2 / variance) * below
    assert bounded.predict(place)[0] == pytest.approx((grid * density).sum() / density.sum(), abs=1e-3)
    assert bounded.predict(place)[0] < free.predict(place)[0] - 3


def test_bounds_darken_a_map_where_others_served_and_leave_its_own_rows() -> None:
    rows = drive(rows=200)
    free, bounded = (fit_maps(rows, Kriging(rounds=rounds)) for rounds in (0, 4))
    other = rows.cell == 1
    over = [np.maximum(m[0].predict(rows.xy[other]) - rows.bound_dbm[other], 0).mean() for m in (free, bounded)]
    assert over[1] < 0.5 * over[0]
    assert np.sqrt(((free[0].predict(rows.xy[~other]) - bounded[0].predict(rows.xy[~other])) ** 2).mean()) < 1.5
    lax = fit_maps(replace(rows, bound_dbm=rows.bound_dbm + 100))
    np.testing.assert_allclose(predict(lax, rows.xy), predict(free, rows.xy), atol=1e-4)


def test_another_operators_rows_bound_nothing() -> None:
    rows = replace(drive(rows=200), operator=np.array([0, 1]))
    np.testing.assert_array_equal(*(predict(fit_maps(rows, Kriging(rounds=n)), rows.xy) for n in (0, 4)))


def test_what_cannot_be_mapped_is_refused() -> None:
    rows = drive()
    with pytest.raises(ValueError, match="got a cell without a row, expected one or more of each"):
        fit_maps(replace(rows, cell=np.zeros_like(rows.cell)))
    with pytest.raises(ValueError, match=r"Kriging\.decorrelation_m: got 0, expected a positive number"):
        Kriging(decorrelation_m=0)
