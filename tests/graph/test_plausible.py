"""What looks wrong in a user's own network is said once, with the number."""

import warnings
from pathlib import Path

import pytest

from hetgraph.graph import read_users, scenario_from_csv
from hetgraph.graph.geo import Projection, great_circle_m

GLOBE = "lat,lon,z,tier,power_dbm,azimuth_deg,num_antennas\n"
PLANE = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas\n"


def said(folder: Path, sites: str, users: str | None = None) -> list[str]:
    (folder / "s.csv").write_text(sites)
    if users is not None:
        (folder / "u.csv").write_text(users)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scenario_from_csv(folder / "s.csv", None if users is None else folder / "u.csv")
    return [str(each.message) for each in caught]


def test_a_height_above_sea_level_is_no_mast_height(real_files: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scenario_from_csv(real_files / "own_network" / "height_above_sea_level.csv")
    messages = [str(each.message) for each in caught if "sea level" in str(each.message)]
    assert len(messages) == 1 and "antenna heights of 596 to 637 m for 4 of 4 cells" in messages[0]


def test_heights_that_look_like_sea_level(tmp_path: Path) -> None:
    rows = [f"{500 * i},0,{105 + i},macro,46,,1\n" for i in range(4)]
    assert any("heights of 105 to 108 m for all 4 cells" in m for m in said(tmp_path, PLANE + "".join(rows)))
    rows[0] = "0,0,30,macro,46,,1\n"
    assert not said(tmp_path, PLANE + "".join(rows))


def test_swapped_latitude_and_longitude(tmp_path: Path) -> None:
    sites = GLOBE + "48.1,11.5,25,macro,46,,1\n48.11,11.5,25,macro,46,,1\n"
    good, swapped = "lat,lon\n48.1,11.51\n48.105,11.5\n", "lat,lon\n11.51,48.1\n11.5,48.105\n"
    assert not said(tmp_path, sites, good)
    assert any(
        "got users 5297 km from the cells, and 0.5 km with lat and lon swapped" in m
        for m in said(tmp_path, sites, swapped)
    )
    with pytest.raises(
        ValueError, match=r"line 2, lat: got '116\.4', expected a number in -89\.\.89; are lat and lon swapped\?"
    ):
        said(tmp_path, GLOBE + "116.4,39.9,25,macro,46,,1\n")
    with pytest.raises(ValueError, match=r"line 2, lat: got '1000', expected a number in -89\.\.89$"):
        said(tmp_path, GLOBE + "1000,39.9,25,macro,46,,1\n")


def test_areas_that_are_too_wide(tmp_path: Path) -> None:
    messages = said(tmp_path, GLOBE + "48.1,11.5,25,macro,46,,1\n49.1,13.5,25,macro,46,,1\n")
    assert any("got an area of 148 x 111 km, expected at most 100 km" in m for m in messages)
    assert any("are wrong by up to 1.00%, more than 0.1%" in m for m in messages)
    assert not said(tmp_path, GLOBE + "48.1,11.5,25,macro,46,,1\n48.15,11.55,25,macro,46,,1\n")


def test_the_scale_error_is_that_of_the_globe() -> None:
    """Two places a kilometre apart on one parallel, 20 km north of the point of the plane."""
    plane = Projection(60.0, 10.0)
    lat, lon = plane.to_lat_lon(0.0, 20_000.0)
    _, east = plane.to_lat_lon(1_000.0, 20_000.0)
    true_m = float(great_circle_m(lat, lon, lat, east))  # type: ignore[arg-type]
    at_home = float(great_circle_m(60.0, 10.0, 60.0, plane.to_lat_lon(1_000.0, 0.0)[1]))  # type: ignore[arg-type]
    assert (
        plane.scale_error(20_000.0) == pytest.approx(at_home / true_m - 1, rel=0.02) == pytest.approx(0.0054, rel=0.03)
    )
    assert plane.scale_error(0.0) == 0


def test_users_whom_nobody_reaches(tmp_path: Path) -> None:
    users = "x,y\n30,40\n4900,0\n4800,100\n60,0\n"
    messages = said(tmp_path, PLANE + "0,0,25,macro,10,,1\n", users)
    assert any("u.csv: got 2 of 4 users without coverage: SNR below -8 dB" in m for m in messages)
    assert not any("coverage" in m for m in said(tmp_path, PLANE + "0,0,25,macro,46,,1\n", "x,y\n100,100\n300,0\n"))


def test_omnidirectional_cells_on_one_carrier(tmp_path: Path) -> None:
    rows = [f"{100 * (i % 30)},{100 * (i // 30)},25,macro,46,,1\n" for i in range(501)]
    assert any(
        "got 501 omnidirectional cells on the carrier of 3500 MHz" in m for m in said(tmp_path, PLANE + "".join(rows))
    )
    assert not said(tmp_path, PLANE + "".join(rows[1:]))


def test_a_network_on_both_sides_of_the_antimeridian(tmp_path: Path) -> None:
    sites = GLOBE + "-17.0,179.99,25,macro,46,,1\n-17.0,-179.99,25,macro,46,,1\n"
    assert not said(tmp_path, sites, "lat,lon\n-17.0,179.995\n-17.001,-179.995\n")
    scenario = scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv")
    assert scenario.layout.width_m == pytest.approx(0.02 * 106_470, rel=1e-3)


def test_wide_and_long_files_are_read(tmp_path: Path) -> None:
    for rows, columns in ((2, 20_000), (40_000, 2)):
        header = "x,y," + ",".join(f"kpi{i}" for i in range(columns))
        (tmp_path / "u.csv").write_text("\n".join([header, *["1,2," + ",".join("7" * columns)] * rows]) + "\n")
        with warnings.catch_warnings(action="ignore"):
            assert len(read_users(tmp_path / "u.csv")) == rows
