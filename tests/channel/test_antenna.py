"""Antenna element of TR 38.901 Table 7.3-1 and panel arrays."""

import math

import pytest
import torch

from hetgraph.channel import (
    AntennaElement,
    Panel,
    antenna_gain_db,
    array_gain_db,
    array_response,
    direction_angles,
    element_gain_db,
    local_angles,
    steering_weights,
)


def deg(*values):
    return torch.tensor(values, dtype=torch.float64).deg2rad()


def oracle(azimuth_deg, zenith_deg):
    vertical = -min(12 * ((zenith_deg - 90) / 65) ** 2, 30)
    horizontal = -min(12 * (azimuth_deg / 65) ** 2, 30)
    return 8 - min(-(vertical + horizontal), 30)


def test_element_against_the_table():
    azimuth, zenith = torch.arange(-180.0, 181.0, 15.0), torch.arange(0.0, 181.0, 7.5)
    # At the poles no azimuth is left to read: the table takes a direction, and there it has none.
    zenith = zenith[1:-1]
    got = element_gain_db(
        azimuth_rad=azimuth.double().deg2rad().unsqueeze(1), zenith_rad=zenith.double().deg2rad().unsqueeze(0)
    )
    expected = [[oracle(a.item(), z.item()) for z in zenith] for a in azimuth]
    torch.testing.assert_close(got, torch.tensor(expected, dtype=torch.float64), rtol=0.0, atol=1e-9)


def test_peak_half_power_and_back():
    gain = element_gain_db(azimuth_rad=deg(0, 32.5, 0, 180, 720), zenith_rad=deg(90, 90, 122.5, 90, 90))
    torch.testing.assert_close(gain, torch.tensor([8.0, 5.0, 5.0, -22.0, 8.0], dtype=torch.float64))


def test_tilt_moves_the_peak_down():
    for tilt in (0.0, 6.0, 15.0, 90.0):
        gain = element_gain_db(azimuth_rad=deg(0), zenith_rad=deg(90 + tilt), tilt_rad=math.radians(tilt))
        assert gain.item() == pytest.approx(8.0, abs=1e-9)
    level = element_gain_db(azimuth_rad=deg(0), zenith_rad=deg(90), tilt_rad=deg(15))
    assert level.item() == pytest.approx(8.0 - 12.0 * (15 / 65) ** 2)


def test_local_angles_are_a_rotation():
    """The local direction is the global one turned by the tilt about the y axis."""
    generator = torch.Generator().manual_seed(0)
    vector = torch.randn(50, 3, generator=generator, dtype=torch.float64)
    vector = vector / vector.norm(dim=1, keepdim=True)
    for tilt in (0.0, 0.1, -0.4, 1.2):
        azimuth, zenith = local_angles(*direction_angles(vector), torch.tensor(tilt, dtype=torch.float64))
        local = torch.stack((azimuth.cos() * zenith.sin(), azimuth.sin() * zenith.sin(), zenith.cos()), 1)
        c, s = math.cos(tilt), math.sin(tilt)
        turned = vector @ torch.tensor([[c, 0.0, -s], [0.0, 1.0, 0.0], [s, 0.0, c]], dtype=torch.float64).T
        torch.testing.assert_close(local, turned)


def test_gain_toward_users():
    vector = torch.tensor([[100.0, 0.0, 0.0], [0.0, 100.0, 0.0], [-100.0, 0.0, 0.0], [0.0, 0.0, -20.0]])
    assert antenna_gain_db("omni", vector, azimuth_rad=0.3, tilt_rad=0.1).tolist() == [0.0] * 4
    sector = antenna_gain_db("38.901", vector, azimuth_rad=math.pi / 2, tilt_rad=0.0)
    torch.testing.assert_close(sector[:3], torch.tensor([-15.0, 8.0, -15.0]), rtol=0.0, atol=0.01)
    assert sector[3].isfinite()
    boresights = deg(0.0, 120.0, 240.0).float().unsqueeze(1)
    assert antenna_gain_db("38.901", vector, azimuth_rad=boresights, tilt_rad=0.1).shape == (3, 4)
    narrow = antenna_gain_db(AntennaElement(beamwidth_azimuth_deg=30.0), vector, azimuth_rad=math.pi / 2, tilt_rad=0.0)
    assert narrow[0] < sector[0]
    with pytest.raises(ValueError, match=r"pattern: got 'dipole', expected 'omni' or '38.901'"):
        antenna_gain_db("dipole", vector, azimuth_rad=0.0, tilt_rad=0.0)


def test_element_agrees_with_sionna():
    sionna = pytest.importorskip("sionna.phy.channel.tr38901", reason="sionna-no-rt is not installed")
    theirs = sionna.AntennaElement("38.901", precision="double")
    azimuth, zenith = (
        t.flatten() for t in torch.meshgrid(deg(-170, -60, 0, 25, 90), deg(20, 80, 90, 130), indexing="ij")
    )
    theta, phi = theirs.field(zenith, azimuth)
    expected = 10.0 * torch.log10(theta.square() + phi.square())
    torch.testing.assert_close(
        element_gain_db(azimuth_rad=azimuth, zenith_rad=zenith), expected.double(), rtol=0.0, atol=1e-6
    )


@pytest.mark.parametrize("panel", [Panel(), Panel(1, 8), Panel(8, 1), Panel(4, 6), Panel(2, 4, 0.7)])
def test_array_gain_peaks_at_the_number_of_elements(panel):
    towards = {"azimuth_rad": deg(20), "zenith_rad": deg(97)}
    weights = steering_weights(panel, **towards)
    assert weights.shape == (1, panel.num_elements)
    assert weights.abs().square().sum().item() == pytest.approx(1.0)
    peak = 10.0 * math.log10(panel.num_elements)
    assert array_gain_db(panel, weights, **towards).item() == pytest.approx(peak, abs=1e-9)
    azimuth, zenith = torch.meshgrid(deg(*range(-90, 91, 5)), deg(*range(0, 181, 5)), indexing="ij")
    everywhere = array_gain_db(panel, weights[0], azimuth_rad=azimuth, zenith_rad=zenith)
    assert everywhere.shape == azimuth.shape
    assert everywhere.max().item() <= peak + 1e-9


def test_array_response_against_a_loop():
    panel, azimuth, zenith = Panel(2, 3), 0.4, 1.8
    got = array_response(panel, azimuth_rad=torch.tensor(azimuth), zenith_rad=torch.tensor(zenith))
    for row in range(2):
        for column in range(3):
            turn = math.pi * (column * math.sin(azimuth) * math.sin(zenith) + row * math.cos(zenith))
            expected = complex(math.cos(turn), math.sin(turn))
            assert got[3 * row + column].item() == pytest.approx(expected, abs=1e-6)


def test_linear_array_has_its_null():
    """A broadside beam of n half-wavelength elements has nulls at sin(azimuth) = 2/n."""
    panel = Panel(1, 8)
    broadside = steering_weights(panel, azimuth_rad=deg(0), zenith_rad=deg(90))
    gain = array_gain_db(panel, broadside, azimuth_rad=torch.tensor([2 / 8]).double().asin(), zenith_rad=deg(90))
    assert gain.item() < -200.0


def test_bad_panels():
    with pytest.raises(ValueError, match=r"Panel.rows: got 0"):
        Panel(0, 1)
    with pytest.raises(ValueError, match=r"Panel.spacing_wavelengths: got 0.0"):
        Panel(1, 1, 0.0)
    with pytest.raises(ValueError, match="weights: got 3 elements, expected 4"):
        array_gain_db(Panel(2, 2), torch.ones(3, dtype=torch.complex64), azimuth_rad=deg(0), zenith_rad=deg(90))
