"""Paths: the standard's spreads against Sionna's table, angular and delay spreads as drawn, Doppler, a sum over paths by hand."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hetgraph.channel.paths import Paths, directions, draw_paths, path_channel
from hetgraph.channel.spreads import Spreads, draw_spreads

LINKS = 4000


def spreads_of(model: str, normal: Tensor, los: bool, carrier_hz: float) -> Spreads:
    return draw_spreads(
        model,
        normal,
        los=torch.full(normal.shape[:-1], los),
        distance_2d_m=torch.full(normal.shape[:-1], 150.0),
        carrier_hz=torch.tensor(carrier_hz),
        bs_height_m=torch.tensor(25.0),
        ue_height_m=torch.tensor(1.5),
    )


@pytest.mark.parametrize(("model", "name"), [("uma", "UMa"), ("umi", "UMi"), ("rma", "RMa"), ("inh-open", "InH")])
@pytest.mark.parametrize("los", [True, False])
@pytest.mark.parametrize("ghz", [6.5, 28.0])
def test_spreads_are_those_of_an_independent_table(model: str, name: str, los: bool, ghz: float) -> None:
    sionna = pytest.importorskip("sionna.phy.channel.tr38901", reason="sionna-no-rt is not installed")
    folder = Path(sionna.__file__).parent / "models" / "v16_1"
    table = json.loads((folder / f"{name}_{'LoS' if los else 'NLoS'}.json").read_text())

    def number(kind: str, which: str) -> float:
        a, b, c = (table[f"{which}{kind}{letter}"] for letter in "abc")
        return float(a * math.log10(b + ghz) + c)

    for sign in (-1.0, 0.0, 1.0):
        drawn = spreads_of(model, torch.full((1, 5), sign), los, ghz * 1e9)
        for kind, value in (("DS", drawn.delay_s), ("ASD", drawn.departure_rad.rad2deg())):
            expected = 10 ** (number(kind, "mu") + sign * number(kind, "sigma"))
            assert float(value) == pytest.approx(min(expected, 104.0) if kind == "ASD" else expected, rel=1e-4)
        expected = 10 ** (number("ASA", "mu") + sign * number("ASA", "sigma"))
        assert float(drawn.arrival_rad.rad2deg()) == pytest.approx(min(expected, 104.0), rel=1e-4)
        k_db = table["muK"] + sign * table["sigmaK"]
        assert float(drawn.rician_k) == pytest.approx(10 ** (k_db / 10) if los else 0.0, rel=1e-4)
        assert float(drawn.delay_scaling) == pytest.approx(table["rTau"])


def drawn_paths(los: bool, seed: int = 0) -> tuple[Paths, Spreads]:
    g = torch.Generator().manual_seed(seed)
    spreads = spreads_of("umi", torch.zeros(LINKS, 5), los, 3.5e9)
    uniform, normal = torch.rand(LINKS, 20, 3, generator=g), torch.randn(LINKS, 20, 4, generator=g)
    azimuth, zenith = torch.full((LINKS,), 0.4), torch.full((LINKS,), 1.7)
    return draw_paths(azimuth, zenith, spreads, uniform, normal), spreads


@pytest.mark.parametrize("los", [True, False])
def test_powers_delays_and_angles_have_the_spreads(los: bool) -> None:
    paths, spreads = drawn_paths(los)
    torch.testing.assert_close(paths.power.sum(1), torch.ones(LINKS))
    k = float(paths.power[0, 0] / paths.power[0, 1:].sum())
    assert k == pytest.approx(float(spreads.rician_k[0]), rel=1e-3)
    scattered = paths.power[:, 1:] / paths.power[:, 1:].sum(1, keepdim=True)
    azimuth = (scattered * (paths.azimuth_rad[:, 1:] - 0.4).square()).sum(1).mean().sqrt()
    assert float(azimuth) == pytest.approx(float(spreads.departure_rad[0]), rel=0.05)
    zenith = (scattered * (paths.zenith_rad[:, 1:] - 1.7).square()).sum(1).mean().sqrt()
    assert float(zenith) == pytest.approx(float(spreads.zenith_rad[0]), rel=0.05)
    mean = (scattered * paths.delay_s[:, 1:]).sum(1, keepdim=True)
    spread = (scattered * (paths.delay_s[:, 1:] - mean).square()).sum(1).sqrt().median()
    assert 0.5 < float(spread / spreads.delay_s[0]) < 1.2
    assert bool((paths.delay_s >= 0).all()) and bool((paths.zenith_rad >= 0).all())


def test_channels_are_the_sum_over_paths() -> None:
    paths, _ = drawn_paths(True)
    few = Paths(**{name: value[:2] for name, value in vars(paths).items()})
    offset = torch.randn(2, 3, 3, generator=torch.Generator().manual_seed(1)) * 0.1
    pole, frequency = torch.tensor([[0, 1, 1], [0, 0, 1]]), torch.tensor([-5e6, 1e6])
    h = path_channel(
        few, offset, pole, wavelength_m=torch.tensor([0.1, 0.05]), frequency_hz=frequency,
        velocity_mps=torch.tensor([[3.0, 4.0], [-10.0, 0.0]]), time_s=0.02,
    )  # fmt: skip
    toward = directions(few.azimuth_rad, few.zenith_rad)
    for link, wavelength, (vx, vy) in ((0, 0.1, (3.0, 4.0)), (1, 0.05, (-10.0, 0.0))):
        for antenna in range(3):
            for block in range(2):
                total = 0j
                for p in range(21):
                    doppler = (
                        vx * math.cos(few.arrival_rad[link, p]) + vy * math.sin(few.arrival_rad[link, p])
                    ) / wavelength
                    turn = (
                        float(few.phase_rad[link, p, int(pole[link, antenna])])
                        + 2 * math.pi / wavelength * float(toward[link, p] @ offset[link, antenna])
                        - 2 * math.pi * float(frequency[block]) * float(few.delay_s[link, p])
                        + 2 * math.pi * doppler * 0.02
                    )
                    total += math.sqrt(float(few.power[link, p])) * complex(math.cos(turn), math.sin(turn))
                assert complex(h[link, antenna, block]) == pytest.approx(total, abs=1e-4)


def test_doppler_decorrelates_with_time_and_stands_still_without_speed() -> None:
    paths, _ = drawn_paths(False)
    offset, pole = torch.zeros(1, 1, 3), torch.zeros(1, 1, dtype=torch.long)

    def at(time_s: float, speed: float) -> Tensor:
        return path_channel(
            paths, offset, pole, wavelength_m=torch.tensor(0.1), frequency_hz=torch.zeros(1),
            velocity_mps=torch.tensor([speed, 0.0]).expand(LINKS, 2), time_s=time_s,
        ).flatten()  # fmt: skip

    start = at(0.0, 10.0)
    correlation = [float((at(t, 10.0) * start.conj()).mean().abs()) for t in (1e-4, 2e-3, 1e-2)]
    assert correlation[0] > 0.95 > correlation[1] > correlation[2]
    torch.testing.assert_close(at(1.0, 0.0), start)
