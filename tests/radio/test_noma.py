"""NOMA: rates against computations by hand and a loop, decoding, and the optimal power split against a grid and OMA."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from hetgraph.radio import noma_power_split, noma_rates, sic_feasible
from hetgraph.radio.cancellation import noma_sinr


def random(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def exact(values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def by_loops(gain: list[float], power: list[float], other: list[float], residual: float) -> list[float]:
    rates = []
    for k in range(len(gain)):
        heard = 0.0
        for j in range(len(gain)):
            if j != k:
                stronger = gain[j] / other[j] > gain[k] / other[k]
                heard += power[j] * (1.0 if stronger else residual)
        rates.append(math.log2(1 + gain[k] * power[k] / (other[k] + gain[k] * heard)))
    return rates


def test_three_users_by_hand() -> None:
    """Gains 8, 2, 1 over interference plus noise of 2, 1, 1: order 4 > 2 > 1."""
    gain, other = exact([8.0, 2.0, 1.0]), exact([2.0, 1.0, 1.0])
    power = exact([0.5, 1.5, 3.0])
    ideal = exact([math.log2(1 + 8 * 0.5 / 2), math.log2(1 + 2 * 1.5 / (1 + 2 * 0.5)), math.log2(1 + 3 / (1 + 2.0))])
    assert torch.allclose(noma_rates(gain, power, other), ideal, rtol=0, atol=1e-9)
    rest = 0.1  # of cancelled layers
    first = math.log2(1 + 4 / (2 + 8 * rest * 4.5))
    second = math.log2(1 + 3 / (1 + 2 * (0.5 + rest * 3)))
    imperfect = exact([first, second, math.log2(1 + 3 / 3)])
    assert torch.allclose(noma_rates(gain, power, other, sic_residual=rest), imperfect, rtol=0, atol=1e-9)


def test_the_order_is_by_gain_over_interference_not_by_gain() -> None:
    """The user with the larger gain hears a neighbour: it is the weak one and suffers the other's layer."""
    gain, other = exact([5.0, 1.0]), exact([10.0, 0.1])
    power = exact([2.0, 1.0])
    expected = exact([math.log2(1 + 10 / (10 + 5)), math.log2(1 + 1 / 0.1)])
    assert torch.allclose(noma_rates(gain, power, other), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("residual", [0.0, 0.03, 1.0])
def test_clusters_of_any_size_against_loops(residual: float) -> None:
    for k in (1, 2, 3, 6):
        gain, other = 10 ** (4 * random(3, 5, k, seed=k) - 2), 0.1 + random(3, 5, k, seed=k + 9)
        power = random(3, 5, k, seed=k + 19) * (random(3, 5, k, seed=k + 29) > 0.3)
        found = noma_rates(gain, power, other, sic_residual=residual)
        for i, j in itertools.product(range(3), range(5)):
            expected = by_loops(gain[i, j].tolist(), power[i, j].tolist(), other[i, j].tolist(), residual)
            assert torch.allclose(found[i, j], exact(expected), rtol=0, atol=1e-9)
        assert bool((found[power == 0] == 0).all())


def test_a_layer_without_power_disturbs_nobody_and_order_in_the_cluster_does_not_matter() -> None:
    gain, power, other = (0.1 + random(7, 4, seed=s) for s in range(3))
    wider = [
        torch.cat([v, torch.full((7, 1), fill).double()], 1) for v, fill in ((gain, 9.0), (power, 0.0), (other, 0.1))
    ]
    found = noma_rates(gain, power, other)
    assert torch.equal(noma_rates(*wider)[:, :4], found)
    turn = torch.tensor([2, 0, 3, 1])
    assert torch.allclose(noma_rates(gain[:, turn], power[:, turn], other[:, turn]), found[:, turn], rtol=1e-12)


def test_decoding_is_feasible_in_the_right_order_and_not_always_by_gain() -> None:
    gain, other = 10 ** (3 * random(400, 3, seed=1) - 1), 0.1 + 10 * random(400, 3, seed=2)
    power = random(400, 3, seed=3)
    for residual in (0.0, 0.05):
        assert bool(sic_feasible(gain, power, other, sic_residual=residual).all())
    by_gain = sic_feasible(gain, power, other, order_by=gain)
    for i in range(400):
        order = sorted(range(3), key=lambda k: -float(gain[i, k]))  # strongest first
        possible = True
        for later, earlier in itertools.combinations(order, 2):
            above = sum(float(power[i, k]) for k in order[: order.index(earlier)])
            at = [float(power[i, earlier] / (other[i, k] / gain[i, k] + above)) for k in (later, earlier)]
            possible &= at[0] >= at[1] * (1 - 1e-12)
        assert bool(by_gain[i]) == possible
    assert 0 < int(by_gain.sum()) < 400


def test_the_least_power_difference() -> None:
    gain, other = torch.tensor([4.0, 1.0]), torch.tensor([1.0, 1.0])
    assert bool(sic_feasible(gain, torch.tensor([1.0, 3.0]), other, threshold=8.0)), "4 (3 - 1) / 1 = 8"
    assert not bool(sic_feasible(gain, torch.tensor([1.0, 3.0]), other, threshold=8.1))
    assert bool(sic_feasible(gain, torch.tensor([0.0, 3.0]), other, threshold=100.0)), "nobody cancels anything"


def test_the_power_split_against_a_grid() -> None:
    gain, other, weights = 10 ** (3 * random(20, 3, seed=4) - 1), 0.1 + random(20, 3, seed=5), random(20, 3, seed=6)
    power = noma_power_split(gain, other, 2.0, weights=weights)
    assert torch.allclose(power.sum(1), torch.full((20,), 2.0).double()) and bool((power >= 0).all())
    value = (weights * noma_rates(gain, power, other)).sum(1)
    steps = [s for s in itertools.product(range(41), repeat=3) if sum(s) == 40]
    grid = exact(steps) / 20  # [G, 3]
    rate = noma_rates(gain.unsqueeze(1), grid, other.unsqueeze(1))
    best = (weights.unsqueeze(1) * rate).sum(2).amax(1)
    assert bool((value >= best - 1e-12).all()) and bool((value <= best * 1.05).all())
    assert int((power > 0).sum(1).max()) > 1, "clusters that share"


def test_noma_is_at_least_orthogonal_access_on_the_same_channels() -> None:
    """For any split of band and power among orthogonal users, the optimal split of the superposed ones is no worse."""
    gain, other, weights = 10 ** (4 * random(500, 4, seed=7) - 2), 0.1 + random(500, 4, seed=8), random(500, 4, seed=9)
    band = random(500, 4, seed=10)
    band, part = band / band.sum(1, keepdim=True), random(500, 4, seed=11)
    power = 3 * part / part.sum(1, keepdim=True)
    orthogonal = band * (1 + gain * power / (band * other)).log2()
    for w in (weights, torch.ones_like(weights)):
        split = noma_power_split(gain, other, 3.0, weights=w)
        superposed = noma_rates(gain, split, other)
        assert bool(((w * superposed).sum(1) >= (w * orthogonal).sum(1) - 1e-9).all())
    single = (1 + 3 * gain / other).log2().amax(1)
    assert torch.allclose(superposed.sum(1), single), "of equal weights the best user takes all"


def test_rates_have_gradients_and_equal_users_one_winner() -> None:
    gain, other = torch.ones(2, 3).double(), torch.ones(2, 3).double()
    split = noma_power_split(gain, other, exact([[1.0], [0.0]]))
    assert split.tolist() == [[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    power = (0.1 + random(2, 3, seed=1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: noma_sinr(exact([3.0, 2.0, 1.0]), p, other), (power,))


def test_bad_numbers_are_refused() -> None:
    one = torch.ones(2)
    with pytest.raises(ValueError, match="sic_residual: got 2"):
        noma_rates(one, one, one, sic_residual=2)
    with pytest.raises(ValueError, match="threshold=-1"):
        sic_feasible(one, one, one, threshold=-1)
    with pytest.raises(ValueError, match="negative weight or budget"):
        noma_power_split(one, one, -1.0)
