"""Intervals against scipy and by simulation."""

import numpy as np
import pytest
from scipy import stats

from hetgraph.trainers.statistics import paired_difference, ratio_of_means, t_interval


def test_t_interval_is_scipys() -> None:
    values = np.random.default_rng(0).normal(3, 1, 9)
    found = t_interval(values, "layouts")
    low, high = stats.t.interval(0.95, 8, values.mean(), stats.sem(values))
    assert (found.low, found.high) == pytest.approx((low, high))
    assert np.isnan(t_interval(values[:1], "seeds").low)


def test_the_unit_is_the_training_seed_where_there_are_several() -> None:
    method, reference = np.ones((5, 20)) * np.arange(5)[:, None], np.zeros(20)
    found = paired_difference(method, reference)
    assert (found.unit, found.count, found.mean) == ("seeds", 5, 2.0)
    assert paired_difference(method[:1], reference).unit == "layouts"
    assert ratio_of_means(method, reference + 2).mean == 1.0


def test_pairing_removes_what_layouts_have_in_common() -> None:
    rng = np.random.default_rng(1)
    layout = rng.normal(0, 10, 50)
    found = paired_difference((layout + 1 + rng.normal(0, 0.1, 50))[None], layout)
    assert found.low > 0.9 and found.high < 1.1


def test_ratio_intervals_cover() -> None:
    rng, hits = np.random.default_rng(2), 0
    for _ in range(300):
        reference = rng.gamma(20, 1, 40)
        method = 1.2 * reference + rng.normal(0, 2, 40)
        found = ratio_of_means(method[None], reference)
        hits += found.low <= 1.2 <= found.high
    assert 0.9 < hits / 300 < 0.99
