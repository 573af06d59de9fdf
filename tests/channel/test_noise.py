"""Thermal noise."""

import math

import pytest

from hetgraph.channel import thermal_noise_w
from hetgraph.units import w_to_dbm


def test_180_khz_block_with_9_db():
    noise_w = thermal_noise_w(180e3, noise_figure_db=9.0)
    assert isinstance(noise_w, float)
    assert w_to_dbm(noise_w) == pytest.approx(-174.0 + 9.0 + 10.0 * math.log10(180e3))
    assert noise_w == pytest.approx(10 ** (-174 / 10) * 1e-3 * 180e3 * 10**0.9)


def test_is_proportional_to_bandwidth():
    one, ten = (thermal_noise_w(b, noise_figure_db=5.0) for b in (1e6, 1e7))
    assert ten == pytest.approx(10.0 * one)


@pytest.mark.parametrize("bandwidth_hz", [0.0, -1.0, math.nan, math.inf])
def test_bad_bandwidth(bandwidth_hz):
    with pytest.raises(ValueError, match="bandwidth_hz: got"):
        thermal_noise_w(bandwidth_hz, noise_figure_db=9.0)


@pytest.mark.parametrize("noise_figure_db", [-1.0, math.nan, math.inf])
def test_bad_noise_figure(noise_figure_db):
    with pytest.raises(ValueError, match="noise_figure_db: got"):
        thermal_noise_w(1e6, noise_figure_db=noise_figure_db)
