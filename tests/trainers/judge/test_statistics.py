"""Intervals over training seeds and networks: against scipy where there is one kind of unit, by simulation where there are two."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from hetgraph.trainers.judge.statistics import Interval, difference, mean, pairwise, ratio, share

RNG = np.random.default_rng


def drawn(
    rng: np.random.Generator, shape: tuple[int, int], seed: float, network: NDArray[np.float64]
) -> NDArray[np.float64]:
    """A table of means zero: effects of seeds, of networks ``[K]`` and a residual of one."""
    return seed * rng.normal(size=(shape[0], 1)) + network + rng.normal(size=shape)


def covers(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


@pytest.mark.parametrize("shape", [(1, 9), (9, 1)])
def test_one_kind_of_unit_gives_students_interval(shape: tuple[int, int]) -> None:
    values = RNG(0).normal(3, 1, shape)
    low, high = stats.t.interval(0.95, 8, values.mean(), stats.sem(values.ravel()))
    found = mean(values)
    assert (found.value, found.low, found.high) == pytest.approx((values.mean(), low, high))
    assert (found.seeds, found.networks) == shape
    assert np.isnan(mean(values[:1, :1]).low) and mean(values[:1, :1]).text() == f"{values[0, 0]:.4g}"


def test_the_variance_is_that_of_the_two_way_analysis() -> None:
    seeds, networks = 4, 7
    y = drawn(RNG(1), (seeds, networks), 2.0, RNG(2).normal(size=networks))
    by_seed, by_network = y.mean(1) - y.mean(), y.mean(0) - y.mean()
    residual = y - y.mean() - by_seed[:, None] - by_network
    ms = (
        networks * (by_seed**2).sum() / (seeds - 1),
        seeds * (by_network**2).sum() / (networks - 1),
        (residual**2).sum() / ((seeds - 1) * (networks - 1)),
    )
    variance = (ms[0] + ms[1] - ms[2]) / (seeds * networks)
    freedom = (ms[0] + ms[1] - ms[2]) ** 2 / (
        ms[0] ** 2 / (seeds - 1) + ms[1] ** 2 / (networks - 1) + ms[2] ** 2 / ((seeds - 1) * (networks - 1))
    )
    assert ms[0] > ms[2]
    assert mean(y).half == pytest.approx(stats.t.ppf(0.975, freedom) * variance**0.5)


@pytest.mark.parametrize("seed", [0.0, (5 / 40) ** 0.5, 1.0, 10.0])
def test_intervals_of_five_seeds_and_forty_networks_cover(seed: float) -> None:
    rng, hits, draws = RNG(3), 0, 1000
    for _ in range(draws):
        hits += covers(mean(drawn(rng, (5, 40), seed, rng.normal(size=40))), 0.0)
    assert 0.93 <= hits / draws <= 0.97


@pytest.mark.parametrize(("seeds", "others"), [(5, 3), (3, 5), (5, 5)])
def test_differences_pair_networks_and_add_what_seeds_of_both_differ_by(seeds: int, others: int) -> None:
    rng, hits, widths, draws = RNG(4), 0, [], 1000
    for _ in range(draws):
        network = rng.normal(0, 30, 40)  # far larger than what the methods differ by
        found = difference(drawn(rng, (seeds, 40), 1.0, network), drawn(rng, (others, 40), 0.5, network))
        hits += covers(found, 0.0)
        widths.append(found.half)
    assert 0.93 <= hits / draws <= 0.98 and np.median(widths) < 3


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_a_method_beside_itself_is_equal_to_it_exactly(seeds: int) -> None:
    values = RNG(5).gamma(2, 3, (seeds, 6))
    assert difference(values, values.copy()) == Interval(0.0, 0.0, 0.0, seeds, 6)
    assert ratio(values, values.copy()) == Interval(1.0, 1.0, 1.0, seeds, 6)
    low = RNG(6).gamma(1, 1, (1, 6))
    assert share(values, low, values).value == share(values, low, values).low == 1.0
    nothing = share(low, low, values)
    assert nothing.value == nothing.low == nothing.high == 0.0


def test_a_reference_with_several_seeds_is_its_mean_not_its_first() -> None:
    method, reference = np.full((2, 4), 6.0), np.arange(12.0).reshape(3, 4)
    assert ratio(method, reference).value == pytest.approx(6 / reference.mean())
    assert difference(method, reference).value == pytest.approx(6 - reference.mean())
    spread = [float(stats.t.ppf(0.975, 2) * reference.mean(1).std(ddof=1) / 3**0.5)]
    assert difference(method, reference[:, :1].repeat(4, 1)).half == pytest.approx(spread[0])


def test_pairs_of_seeds_tell_what_differences_tell_where_effects_add() -> None:
    rng = RNG(7)
    network = rng.normal(size=8)
    method, reference = drawn(rng, (4, 8), 1, network), drawn(rng, (3, 8), 1, network)
    found, expected = pairwise(method[:, None] - reference), difference(method, reference)
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))


def test_ratios_have_the_scale_free_intervals_of_differences_where_the_reference_is_constant() -> None:
    method, reference = RNG(8).gamma(9, 1, (3, 10)), np.full((1, 10), 4.0)
    less, over = difference(method, reference), ratio(method, reference)
    assert over.value == pytest.approx(1 + less.value / 4)
    # Equal leverages, 1/K each: HC3 is wider by K / (K - 1) in the part of the networks.
    assert less.half / 4 < over.half < less.half / 4 * 10 / 9
    assert ratio(7 * method, 7 * reference).half == pytest.approx(over.half)


@pytest.mark.parametrize(("seeds", "others"), [(1, 1), (5, 1), (5, 4)])
def test_ratio_intervals_cover(seeds: int, others: int) -> None:
    rng, hits, draws = RNG(9), 0, 600
    for _ in range(draws):
        network = rng.gamma(20, 1, 40)
        method = 1.2 * (network + drawn(rng, (seeds, 40), 1.0 if seeds > 1 else 0.0, np.zeros(40)))
        hits += covers(ratio(method, network + drawn(rng, (others, 40), 1.0 if others > 1 else 0.0, np.zeros(40))), 1.2)
    assert 0.92 <= hits / draws <= 0.98


def test_few_networks_of_which_one_is_large_tell_little() -> None:
    reference = np.array([[15.0, 17, 19, 20, 170]])
    method = np.array([[14.0, 15, 17, 19, 110]])
    each = (method - method.mean() / reference.mean() * reference)[0] / reference.mean()
    plain = float(stats.t.ppf(0.975, 4) * each.std(ddof=1) / 5**0.5)
    assert ratio(method, reference).half > 2 * plain


def test_what_has_no_value_says_so() -> None:
    zero = np.zeros((1, 3))
    assert np.isnan(ratio(np.ones((1, 3)), zero).value) and ratio(np.ones((1, 3)), zero).text() == "-"
    assert ratio(zero, zero.copy()).value == 1.0  # neither has anything: equal
    assert np.isnan(ratio(np.ones((1, 3)), np.array([[1.0, 0.0, 0.0]])).low)  # one network decides alone


def test_pairing_removes_what_networks_have_in_common() -> None:
    network = RNG(10).normal(0, 10, 50)
    found = difference((network + 1 + RNG(11).normal(0, 0.1, 50))[None], network[None])
    assert 0.9 < found.low < found.high < 1.1
    assert found.scaled(-100).low == pytest.approx(-100 * found.high)
