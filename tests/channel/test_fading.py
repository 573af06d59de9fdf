"""Rayleigh and Rician fading and the Gauss-Markov process."""

import math

import pytest
import torch
from scipy import special, stats

from hetgraph.channel import (
    complex_normal_,
    doppler_hz,
    gauss_markov,
    gauss_markov_,
    jakes_correlation,
    power_gain,
    rayleigh,
    rayleigh_gain,
    rician,
)

SIZE = 200_000


def generator(seed=5):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("kind", ["gain", "complex"])
def test_rayleigh_power_is_exponential_with_mean_one(kind):
    if kind == "gain":
        power = rayleigh_gain((SIZE,), generator=generator(), dtype=torch.float64)
    else:
        power = power_gain(rayleigh((SIZE,), generator=generator(), dtype=torch.complex128))
    assert power.dtype == torch.float64
    assert power.mean().item() == pytest.approx(1.0, abs=4.5 / math.sqrt(SIZE))  # 4/pi would be 1.27
    assert stats.kstest(power.numpy(), "expon").pvalue > 1e-3


def test_complex_gain_is_circular():
    h = rayleigh((SIZE,), generator=generator(), dtype=torch.complex128)
    assert h.mean().abs().item() < 4.5 / math.sqrt(SIZE)
    assert h.square().mean().abs().item() < 4.5 * math.sqrt(2.0 / SIZE)
    torch.testing.assert_close(power_gain(h), h.abs().square())


def test_in_place_draws_are_the_same_draws():
    out = torch.empty(3, 4)
    assert rayleigh_gain((3, 4), generator=generator(), out=out) is out
    assert torch.equal(out, rayleigh_gain((3, 4), generator=generator()))
    h = torch.empty(3, 4, dtype=torch.complex64)
    assert torch.equal(complex_normal_(h, generator=generator()), rayleigh((3, 4), generator=generator()))
    with pytest.raises(ValueError, match=r"out: got shape \(3, 4\), expected \(2, 2\)"):
        rayleigh_gain((2, 2), generator=generator(), out=out)
    with pytest.raises(ValueError, match=r"out: got dtype torch.float32"):
        complex_normal_(out, generator=generator())


@pytest.mark.parametrize("k", [0.0, 1.0, 10.0])
def test_rician_mean_and_variance(k):
    h = rician(rayleigh((SIZE,), generator=generator(), dtype=torch.complex128), k_factor=k)
    power = power_gain(h)
    variance = (1.0 + 2.0 * k) / (1.0 + k) ** 2
    assert power.mean().item() == pytest.approx(1.0, abs=4.5 * math.sqrt(variance / SIZE))
    assert power.var().item() == pytest.approx(variance, rel=0.05)
    assert h.mean().real.item() == pytest.approx(math.sqrt(k / (k + 1.0)), abs=0.01)


def test_rician_limits_phase_and_broadcasting():
    scattered = rayleigh((4, 3), generator=generator())
    assert torch.equal(rician(scattered, k_factor=0.0), scattered)
    phase = torch.tensor([0.0, math.pi / 2, math.pi])
    direct = rician(scattered, k_factor=1e12, phase_rad=phase)
    torch.testing.assert_close(direct, torch.polar(torch.ones(3), phase).expand(4, 3), rtol=0.0, atol=1e-5)
    mixed = rician(scattered, k_factor=torch.tensor([[0.0], [0.0], [5.0], [5.0]]))
    torch.testing.assert_close(mixed[2:], rician(scattered[2:], k_factor=5.0))
    for k in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="k_factor: got"):
            rician(scattered, k_factor=k)


def test_jakes_correlation():
    shift_hz = doppler_hz(30.0, 2e9)
    assert shift_hz == pytest.approx(200.138, abs=1e-3)
    assert jakes_correlation(shift_hz, 1e-3) == pytest.approx(special.jv(0, 2 * math.pi * shift_hz * 1e-3))
    assert jakes_correlation(0.0, 1.0) == 1.0
    assert jakes_correlation(10.0, 0.02) == pytest.approx(0.6425, abs=1e-4)
    for bad in ((-1.0, 1.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.inf)):
        with pytest.raises(ValueError, match="expected a finite number >= 0"):
            jakes_correlation(*bad)


@pytest.mark.parametrize("rho", [0.64, -0.3, 0.0])
def test_gauss_markov_is_stationary_with_autocorrelation_rho_to_the_lag(rho):
    h, random = rayleigh((SIZE,), generator=generator(), dtype=torch.complex128), generator(6)
    start = h.clone()
    for lag in (1, 2, 3):
        h = gauss_markov(h, rho, generator=random)
        assert power_gain(h).mean().item() == pytest.approx(1.0, abs=4.5 / math.sqrt(SIZE))
        correlation = (h * start.conj()).mean()
        assert correlation.real.item() == pytest.approx(rho**lag, abs=4.5 / math.sqrt(SIZE))
        assert abs(correlation.imag.item()) < 4.5 / math.sqrt(SIZE)


def test_gauss_markov_in_place_and_per_user():
    start = rayleigh((2, 3), generator=generator())
    rho = torch.tensor([1.0, 0.5, 0.0])
    new = gauss_markov(start, rho, generator=generator(8))
    h, innovation = start.clone(), torch.empty_like(start)
    place = h.data_ptr()
    assert torch.equal(gauss_markov_(h, rho, generator=generator(8), innovation=innovation), new)
    assert h.data_ptr() == place and not torch.equal(h, start)
    assert torch.equal(new[:, 0], start[:, 0])  # a user that stands still keeps its gain
    w = complex_normal_(torch.empty_like(start), generator=generator(8))
    torch.testing.assert_close(new, rho * start + (1 - rho**2).sqrt() * w)
    torch.testing.assert_close(gauss_markov(start, 0.5, generator=generator(8)), 0.5 * start + math.sqrt(0.75) * w)
    for bad in (1.1, math.nan, torch.tensor([0.0, -1.5, 0.0])):
        with pytest.raises(ValueError, match=r"rho: got .*, expected"):
            gauss_markov(start, bad, generator=generator())


def test_nothing_touches_the_global_generator():
    before = torch.random.get_rng_state()
    gauss_markov(rayleigh((4,), generator=generator()), 0.5, generator=generator())
    rayleigh_gain((4,), generator=generator())
    assert torch.equal(before, torch.random.get_rng_state())
