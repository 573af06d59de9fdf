"""Outdoor-to-indoor penetration loss of TR 38.901 Table 7.4.3-2."""

import math

import pytest
import torch

from hetgraph.channel import penetration_loss_db, shadow_sigma_db


def oracle(ghz: float, high: bool, way_m: float, normal: float) -> float:
    glass, coated, concrete = 2 + 0.2 * ghz, 23 + 0.3 * ghz, 5 + 4 * ghz
    first, share, sigma = (coated, 0.7, 6.5) if high else (glass, 0.3, 4.4)
    wall = 5 - 10 * math.log10(share * 10 ** (-first / 10) + (1 - share) * 10 ** (-concrete / 10))
    return wall + 0.5 * way_m + sigma * normal


@pytest.mark.parametrize("ghz", [0.7, 3.5, 6.0, 28.0])
def test_against_the_table(ghz: float) -> None:
    high = torch.tensor([False, True, False, True])
    way = torch.tensor([0.0, 0.0, 12.5, 25.0], dtype=torch.float64)
    spread = torch.tensor([0.0, 0.0, 1.0, -0.5], dtype=torch.float64)
    got = penetration_loss_db(ghz * 1e9, high_loss=high, indoor_distance_m=way, normal=spread)
    expected = [oracle(ghz, *row) for row in zip(high.tolist(), way.tolist(), spread.tolist(), strict=True)]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-9)


def test_refused() -> None:
    way = torch.zeros(1)
    with pytest.raises(ValueError, match="carrier_hz: got -1"):
        penetration_loss_db(-1.0, high_loss=way > 0, indoor_distance_m=way, normal=way)
    with pytest.raises(ValueError, match="indoor_distance_m: got -2, expected 0 or more"):
        penetration_loss_db(1e9, high_loss=way > 0, indoor_distance_m=way - 2, normal=way)


def test_shadowing_toward_indoor_users() -> None:
    los, indoor = torch.tensor([True, False]), torch.tensor([True, True])
    assert shadow_sigma_db("uma", los=los, indoor=indoor).tolist() == [7.0, 7.0]
    assert shadow_sigma_db("umi", los=los, indoor=~indoor).tolist() == pytest.approx([4.0, 7.82])
    assert shadow_sigma_db("inh-open", los=los, indoor=indoor).tolist() == pytest.approx([3.0, 8.03])
