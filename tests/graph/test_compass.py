"""Azimuths are compass bearings and tilts look down, through every way in."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch

from hetgraph.channel import Panel
from hetgraph.graph import CHANNEL, Channel, Layout, Scenario, Tier, Users, scenario_from_csv
from hetgraph.units import azimuth_rad_to_bearing, bearing_to_azimuth_rad

PLACES = {"north": (500.0, 800.0), "east": (800.0, 500.0), "south": (500.0, 200.0), "west": (200.0, 500.0)}
BEARINGS = {"north": 0.0, "east": 90.0, "south": 180.0, "west": 270.0}


def best_placed(scenario: Scenario) -> str:
    gain = scenario.sample(1)[CHANNEL].antenna_gain_db
    assert float(gain.max()) - float(gain.sort().values[-2]) > 10
    return list(PLACES)[int(gain.argmax())]


def world(bearing: float, **options: object) -> Scenario:
    tier = Tier(placement="fixed", positions=((500.0, 500.0),), azimuth_deg=bearing, pattern="38.901", **options)  # type: ignore[arg-type]
    users = Users(count=4, placement="fixed", positions=tuple(PLACES.values()))
    return Scenario(tiers=(tier,), users=users, channel=Channel(los="always", shadowing="none", fading="none"))


@pytest.mark.parametrize("direction", BEARINGS)
def test_a_scenario_and_its_yaml(direction: str) -> None:
    scenario = world(BEARINGS[direction])
    assert best_placed(scenario) == direction
    assert best_placed(Scenario.from_yaml(scenario.to_yaml())) == direction
    by_hand = f"tiers: [{{placement: fixed, positions: [[500, 500]], azimuth_deg: {BEARINGS[direction]}, pattern: '38.901'}}]\n"
    users = "users: {count: 4, placement: fixed, positions: " + str([list(p) for p in PLACES.values()]) + "}\n"
    assert best_placed(Scenario.from_yaml(by_hand + users + "channel: {los: always, shadowing: none}\n")) == direction


@pytest.mark.parametrize("direction", BEARINGS)
@pytest.mark.parametrize("globe", [False, True])
def test_a_file(direction: str, globe: bool, tmp_path: Path) -> None:
    name = "lat,lon" if globe else "x,y"

    def place(x: float, y: float) -> str:
        return f"{52 + (y - 500) / 111_000},{13 + (x - 500) / 68_000}" if globe else f"{x},{y}"

    sites = f"{name},z,tier,power_dbm,azimuth_deg,num_antennas\n{place(500, 500)},25,macro,46,{BEARINGS[direction]},1\n"
    (tmp_path / "s.csv").write_text(sites)
    (tmp_path / "u.csv").write_text(f"{name}\n" + "".join(f"{place(*p)}\n" for p in PLACES.values()))
    assert best_placed(scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv")) == direction


def test_the_file_that_points_north(real_files: Path) -> None:
    folder = real_files / "own_network"
    assert best_placed(scenario_from_csv(folder / "azimuth_north.csv", folder / "azimuth_north_users.csv")) == "north"


def test_tilt_looks_down() -> None:
    """A user straight ahead at 45 degrees below the horizon: the gain is largest where the tilt points at it."""
    users = Users(count=1, placement="fixed", positions=((500.0, 523.5),))
    gains = []
    for tilt in (-45.0, 0.0, 20.0, 45.0, 70.0):
        scenario = dataclasses.replace(world(0.0, tilt_deg=tilt), users=users, layout=Layout(1000, 1000))
        gains.append(float(scenario.sample(1)[CHANNEL].antenna_gain_db[0]))
    assert gains[3] == pytest.approx(8.0, abs=1e-3) == max(gains)
    assert gains[0] < gains[1] < gains[2] < gains[3] > gains[4]


def test_a_panels_beam_looks_down_too() -> None:
    """23.5 m below the mast at 100 m: 13.2 degrees; ten elements add 10 dB to the element where the beam points."""
    users = Users(count=1, placement="fixed", positions=((500.0, 600.0),))
    down = math.degrees(math.atan2(23.5, 100.0))
    gains = {}
    for tilt in (-down, 0.0, down):
        panel = Panel(rows=10, tilt_deg=tilt)
        scenario = dataclasses.replace(world(0.0, panel=panel), users=users)
        gains[tilt] = float(scenario.sample(1)[CHANNEL].antenna_gain_db[0])
    element = 8.0 - 12.0 * (down / 65.0) ** 2
    assert gains[down] == pytest.approx(element + 10.0, abs=1e-3)
    assert gains[-down] < gains[down] - 10 and gains[0.0] < gains[down] - 6


def test_sectors_look_in_their_own_directions() -> None:
    """Each user hears best the sector that looks at it."""
    tier = Tier(count=4, sectors=4, placement="hex", azimuth_deg=tuple(BEARINGS.values()), pattern="38.901")
    users = Users(count=4, placement="fixed", positions=tuple(PLACES.values()))
    scenario = Scenario(tiers=(tier,), users=users, channel=Channel(los="always", shadowing="none", fading="none"))
    gain = scenario.sample(1)[CHANNEL].antenna_gain_db.reshape(4, 4)
    assert gain.argmax(1).tolist() == [0, 1, 2, 3]


def test_the_internal_angle_and_back() -> None:
    for bearing, angle in ((0.0, math.pi / 2), (90.0, 0.0), (180.0, -math.pi / 2), (270.0, -math.pi)):
        assert bearing_to_azimuth_rad(bearing) == pytest.approx(angle)
        assert azimuth_rad_to_bearing(angle) == pytest.approx(bearing)
    graph = world(30.0).sample(1)
    assert float(graph["bs"].azimuth_rad[0]) == pytest.approx(math.radians(60.0))
    torch.testing.assert_close(graph["antenna"].boresight, torch.tensor([[math.radians(60.0), 0.0]]))


def test_a_directional_antenna_needs_a_bearing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tiers\[0\]\.azimuth_deg: got \(\), expected a bearing"):
        Scenario(tiers=(Tier(pattern="38.901"),))
    header = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas,panel_rows\n"
    (tmp_path / "s.csv").write_text(header + "0,0,25,macro,46,,1,8\n")
    with pytest.raises(ValueError, match="line 2, azimuth_deg: got '', expected a bearing, since the cell has a panel"):
        scenario_from_csv(tmp_path / "s.csv")
    with pytest.raises(ValueError, match=r"tilt_deg: got 'x', expected a number or a list of numbers"):
        Scenario.from_yaml("tiers: [{tilt_deg: x}]\n")
