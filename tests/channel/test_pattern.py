"""Antenna pattern files: peak gain, attenuation at the file's angles, electrical tilt, and what is no pattern."""

import math
from pathlib import Path

import pytest
import torch
from torch import Tensor

from hetgraph.channel import AntennaPattern, antenna_gain_db, read_pattern

FILES = {"AMB4520R8v06_1845_05T.msi": 16.95 + 2.15, "B800A065-18-0E.pln": 13.6 + 2.15}
CUT = "HORIZONTAL 4\n0 0\n90 3\n180 9\n270 3\nVERTICAL 4\n0 0\n90 12\n180 9\n270 12\n"


def plain_cut(path: Path, name: str) -> list[tuple[float, float]]:
    """Angles and attenuations of a cut, read the plain way."""
    lines = [line.split() for line in path.read_text().splitlines()]
    start = next(i for i, words in enumerate(lines) if words and words[0] == name)
    return [(float(a), float(b)) for a, b in lines[start + 1 : start + 1 + int(lines[start][1])]]


def toward(bearing_deg: Tensor, below_deg: Tensor) -> Tensor:
    """Vectors to users at angles clockwise from north and below the horizon."""
    bearing, below = bearing_deg.deg2rad(), below_deg.deg2rad()
    return 1000.0 * torch.stack([bearing.sin() * below.cos(), bearing.cos() * below.cos(), -below.sin()], -1)


def gain(pattern: AntennaPattern, bearing_deg: Tensor, below_deg: Tensor, **tilts: Tensor) -> Tensor:
    vector = toward(*torch.broadcast_tensors(bearing_deg, below_deg))
    return antenna_gain_db(pattern, vector, azimuth_rad=math.pi / 2, tilt_rad=tilts.pop("tilt_rad", 0.0), **tilts)


@pytest.mark.parametrize("name", FILES)
def test_gain_and_attenuation_are_the_files(real_files: Path, name: str) -> None:
    path = real_files / "own_network" / name
    pattern = read_pattern(path)
    horizontal, vertical = plain_cut(path, "HORIZONTAL"), plain_cut(path, "VERTICAL")
    peak_h, peak_v = (min(cut, key=lambda pair: pair[1])[0] for cut in (horizontal, vertical))
    angle_h, loss_h = torch.tensor(horizontal).unbind(1)
    front = [(a, b) for a, b in vertical if a < 90 or a > 270]  # straight down there is no azimuth
    angle_v, loss_v = torch.tensor(front).unbind(1)
    across = gain(pattern, angle_h, torch.tensor(peak_v))
    down = gain(pattern, torch.tensor(peak_h), angle_v)
    assert float(across.max()) == pytest.approx(FILES[name], abs=0.02)
    torch.testing.assert_close(FILES[name] - across, loss_h, rtol=0, atol=0.05)
    torch.testing.assert_close(FILES[name] - down, loss_v, rtol=0, atol=0.05)


def test_two_panels_differ_below_the_horizon_as_their_files_do(real_files: Path) -> None:
    gains, expected = [], []
    for name in FILES:
        path = real_files / "own_network" / name
        bearing = min(plain_cut(path, "HORIZONTAL"), key=lambda pair: pair[1])[0]
        gains.append(float(gain(read_pattern(path), torch.tensor(bearing), torch.tensor(15.0))))
        expected.append(FILES[name] - dict(plain_cut(path, "VERTICAL"))[15.0])
    assert gains == pytest.approx(expected, abs=0.05)
    assert gains[1] - gains[0] == pytest.approx(26.11 - 16.3 + 13.6 - 16.95, abs=0.05)


def test_tilts_move_the_beam(real_files: Path) -> None:
    """The file of an antenna at 5 degrees: at 8 degrees electrically, or 3 mechanically, its peak is 8 degrees down."""
    pattern = read_pattern(real_files / "own_network" / "AMB4520R8v06_1845_05T.msi")
    assert pattern.tilt_deg == 5
    below = torch.arange(0.0, 20.0, 1.0)
    straight = AntennaPattern("", pattern.gain_max_dbi, (0.0,) * 360, pattern.vertical_db, pattern.tilt_deg)
    for tilts in ({"beam_tilt_rad": torch.tensor(8.0).deg2rad()}, {"tilt_rad": torch.tensor(3.0).deg2rad()}):
        assert float(below[gain(straight, torch.tensor(0.0), below, **tilts).argmax()]) == 8
    behind = gain(straight, torch.tensor(180.0), below, beam_tilt_rad=torch.tensor(8.0).deg2rad())
    assert float(below[behind.argmax()]) == 8, "an electrical tilt points all around downwards"


def test_between_angles_attenuation_is_interpolated_around_the_turn(tmp_path: Path) -> None:
    (tmp_path / "a.ant").write_text("GAIN 10 dBi\n" + CUT)
    pattern = read_pattern(tmp_path / "a.ant")
    bearing = torch.tensor([45.0, -45.0, 315.0, 360.0, 135.0])
    expected = 10 - torch.tensor([1.5, 1.5, 1.5, 0.0, 6.0])
    torch.testing.assert_close(gain(pattern, bearing, torch.tensor(0.0)), expected, rtol=0, atol=1e-4)
    steep = gain(pattern, torch.tensor(180.0), torch.tensor(89.9))
    assert float(steep) == pytest.approx(10 - 12, abs=1e-3), "no more than the greatest attenuation of the cuts"


@pytest.mark.parametrize(
    ("text", "gain_dbi", "horizontal"),
    [
        ("GAIN 10\n" + CUT, 12.15, (0, 3, 9, 3)),
        ("gain 10dBi\n" + CUT, 10, (0, 3, 9, 3)),
        ("GAIN\t10 dBd\n" + CUT.replace(" 3", " -3").replace(" 9", " -9").replace(" 12", " -12"), 12.15, (0, 3, 9, 3)),
        (
            "GAIN 10 dBi\n" + CUT.replace("HORIZONTAL 4", "HORIZONTAL 5").replace("270 3", "270 3\n360 0", 1),
            10,
            (0, 3, 9, 3),
        ),
    ],
)
def test_spellings(tmp_path: Path, text: str, gain_dbi: float, horizontal: tuple[float, ...]) -> None:
    (tmp_path / "a.pln").write_text(text)
    pattern = read_pattern(tmp_path / "a.pln")
    assert pattern.gain_max_dbi == pytest.approx(gain_dbi) and pattern.horizontal_db == horizontal
    assert pattern.name == "a"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CUT, "got no GAIN"),
        ("GAIN 3 dBi\nHORIZONTAL 4\n0 0\n90 1\n180 2\n270 1\n", "got no VERTICAL"),
        ("GAIN 3 furlongs\n" + CUT, "GAIN: got '3 furlongs', expected a number and dBd or dBi"),
        ("GAIN 3 dBi\nHORIZONTAL 360\n0 0\n", "line 2, HORIZONTAL: got '360' angles"),
        ("GAIN 3 dBi\n" + CUT.replace("180 9", "180 x"), "line 2, HORIZONTAL: got other lines"),
        ("GAIN 3 dBi\n" + CUT.replace("180 9", "180 -9"), "line 2, HORIZONTAL: got -9 to 3 dB"),
        ("GAIN 3 dBi\n" + CUT.replace("180 9", "180 inf"), "HORIZONTAL: got 0 to inf dB"),
        ("", "got no GAIN"),
    ],
)
def test_what_is_no_pattern_gets_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "a.msi").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_pattern(tmp_path / "a.msi")
    assert "a.msi" in str(caught.value) and "\n" not in str(caught.value)
