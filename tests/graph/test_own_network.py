"""A user's own sites and users: coordinates on the globe, heights, order of rows, and what is wrong in a file."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from hetgraph.graph import (
    CHANNEL,
    Radio,
    Scenario,
    Site,
    Users,
    check,
    read_sites,
    read_users,
    scenario_from_csv,
    write_sites,
)
from hetgraph.graph.geo import Projection

HEADER = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas\n"
GLOBE = "lat,lon,z,tier,power_dbm,azimuth_deg,num_antennas\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_projection_against_the_ellipsoid() -> None:
    """A degree of latitude is 110.574 km at the equator and 111.694 km at the poles; one of longitude 111.320 km."""
    assert Projection(0, 0).to_xy(1.0, 1.0) == pytest.approx((111_320, 110_574), abs=1)
    assert Projection(90, 0).to_xy(91.0, 0.0)[1] == pytest.approx(111_694, abs=1)
    plane = Projection(51.9, -8.4)
    x, y = plane.to_xy(np.array([51.95, 51.9]), np.array([-8.5, -8.4]))
    back = plane.to_lat_lon(x, y)
    np.testing.assert_allclose(back, ([51.95, 51.9], [-8.5, -8.4]), rtol=1e-12)
    sphere = (
        2
        * 6_371_000
        * math.asin(
            math.sqrt(
                math.sin(math.radians(0.025)) ** 2
                + math.cos(math.radians(51.9)) * math.cos(math.radians(51.95)) * math.sin(math.radians(0.05)) ** 2
            )
        )
    )
    assert math.hypot(x[0], y[0]) == pytest.approx(sphere, rel=4e-3)  # ellipsoid against sphere


def test_latitude_and_longitude_become_metres_in_one_plane(tmp_path: Path) -> None:
    sites = write(tmp_path / "s.csv", GLOBE + "51.90,-8.40,25,macro,46,,1\n51.91,-8.40,10,pico,30,,1\n")
    users = write(tmp_path / "u.csv", "lat,lon\n51.90,-8.39\n51.91,-8.40\n")
    graph = scenario_from_csv(sites, users).sample(1).get_example(0)
    check(graph)
    bs, ue = graph["bs"].pos, graph["ue"].pos
    assert (bs[1] - bs[0]).tolist() == pytest.approx([0, 1112.6, -15], abs=0.5)
    assert (ue[0] - bs[0])[:2].tolist() == pytest.approx([688.2, 0], abs=0.5)
    torch.testing.assert_close(ue[1, :2], bs[1, :2], rtol=0, atol=1e-2)
    plane = Projection(51.9, -8.4)
    assert read_users(users, projection=plane)[0] == pytest.approx((688.1, 0), abs=0.5)
    assert read_sites(sites, projection=plane)[0].x == 0


def test_sites_and_users_must_be_on_the_same_map(tmp_path: Path) -> None:
    sites = write(tmp_path / "s.csv", HEADER + "0,0,25,macro,46,,1\n")
    users = write(tmp_path / "u.csv", "lat,lon\n51.90,-8.39\n")
    with pytest.raises(ValueError, match=r"u\.csv: got the columns lat,lon, expected x,y, as in .*s\.csv"):
        scenario_from_csv(sites, users)


def test_users_height_is_one_for_all(tmp_path: Path) -> None:
    sites = write(tmp_path / "s.csv", HEADER + "0,0,25,macro,46,,1\n")
    users = write(tmp_path / "u.csv", "x,y,z\n10,20,2\n30,40,2.0\n")
    assert scenario_from_csv(sites, users).users.height_m == 2
    write(users, "x,y,z\n10,20,2\n30,40,3\n")
    with pytest.raises(ValueError, match="line 3, z: got '3', expected one positive height for all users, such as 2"):
        scenario_from_csv(sites, users)


def test_stations_know_their_rows(tmp_path: Path) -> None:
    sites = [
        Site(0, 0, 25, "macro", 46),
        Site(100, 0, 10, "pico", 30),
        Site(0, 200, 25, "macro", 46),
        Site(50, 50, 10, "pico", 24),
        Site(70, 10, 10, "pico", 30, 90.0),
        Site(90, 90, 10, "pico", 30),
    ]
    write_sites(tmp_path / "s.csv", sites)
    scenario = scenario_from_csv(tmp_path / "s.csv", base="hetnet-3tier")
    rows = [name.row for name in scenario.names() if name.row is not None]
    assert scenario.sample(1)["bs"].row.tolist() == rows
    assert sorted(rows) == list(range(6)) and rows[:2] == [0, 2]
    assert [(t.name, t.count, t.power_dbm) for t in scenario.tiers] == [
        ("macro", 2, 46),
        ("pico", 2, 30),
        ("pico", 1, 24),
        ("pico", 1, 30),
    ]
    graph = scenario.sample(1).get_example(0)
    place = torch.tensor([[float(sites[i].x), float(sites[i].y)] for i in rows])
    torch.testing.assert_close(graph["bs"].pos[:, :2] - graph["bs"].pos[0, :2], place - place[0])
    power_dbm = 10 * graph["bs"].power_max_w.log10() + 30
    torch.testing.assert_close(power_dbm, torch.tensor([float(sites[i].power_dbm) for i in rows]), rtol=0, atol=1e-4)


def test_one_site_and_one_user_are_a_network(tmp_path: Path) -> None:
    sites = write(tmp_path / "s.csv", HEADER + "0,0,25,macro,46,,1\n")
    users = write(tmp_path / "u.csv", "x,y\n0,0\n")
    for scenario in (scenario_from_csv(sites, users), scenario_from_csv(sites)):
        graph = scenario.sample(1)
        check(graph)
        assert bool((graph[CHANNEL].gain > 0).all())


def test_more_candidates_than_stations_are_all_stations(tmp_path: Path) -> None:
    sites = write(tmp_path / "s.csv", HEADER + "0,0,25,macro,46,,1\n9,0,25,macro,46,,1\n")
    base = Scenario(users=Users(count=6), radio=Radio(candidates=5))
    graph = scenario_from_csv(sites, base=base).sample(2)
    check(graph)
    assert graph[CHANNEL].edge_index.shape[1] == 2 * 2 * 6


SITE = "1,2,25,macro,46,,1\n"
BAD_SITES = {
    "a column twice": ("x,x" + HEADER[1:] + SITE, "s.csv: got the column 'x' twice, expected it once"),
    "another unit": (HEADER.replace("z,", "z [furlong],") + SITE, "z: got the unit 'furlong', expected one of m, "),
    "half a place": ("x,lon" + HEADER[3:] + SITE, r"expected x,y.* \(or lat,lon for x,y\); 'y' is missing"),
    "a short line": (HEADER + SITE + "1,2,25\n", "line 3: got 3 cells, expected 7, as in the header"),
    "a long line": (HEADER + "1,2,25,macro,46,,1,9\n", "line 2: got 8 cells, expected 7"),
    "no tier": (HEADER + "1,2,25,,46,,1\n", "line 2, tier: got '', expected some text"),
    "no power": (HEADER + SITE + "\n1,2,25,macro,,,1\n", "line 4, power_dbm: got '', expected a number"),
    "an azimuth in words": (HEADER + "1,2,25,macro,46,north,1\n", "azimuth_deg: got 'north', expected a number"),
    "many turns": (HEADER + "1,2,25,macro,46,4000,1\n", "azimuth_deg: got '4000', expected a number in -360..360"),
    "beyond the pole": (GLOBE + "123,2,25,macro,46,,1\n", "line 2, lat: got '123', expected a number in -89..89"),
    "an open quote": (HEADER + '1,2,25,"macro,46,,1\n', "got something that is no text, expected a CSV"),
}


@pytest.mark.parametrize("name", BAD_SITES)
def test_wrong_files_get_one_sentence(tmp_path: Path, name: str) -> None:
    text, sentence = BAD_SITES[name]
    with pytest.raises(ValueError, match=sentence) as caught:
        scenario_from_csv(write(tmp_path / "s.csv", text))
    assert "\n" not in str(caught.value) and "s.csv" in str(caught.value)


def test_what_is_no_text_file(tmp_path: Path) -> None:
    (tmp_path / "b.csv").write_bytes(b"\x80\x04\x95\xff\xfe")
    for path in (tmp_path / "b.csv", tmp_path):
        with pytest.raises(ValueError, match="got something that is no text, expected a CSV"):
            read_users(path)
    with pytest.raises(FileNotFoundError, match=r"no\.csv: got no such file, expected a CSV with the columns x,y"):
        read_users(tmp_path / "no.csv")
