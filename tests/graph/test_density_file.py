"""Maps of traffic from files: polygons, points and rasters, in degrees and metres."""

import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from hetgraph.graph import Given, Scenario, Users, scenario_from_csv
from hetgraph.graph.geo import Projection

METRES = (
    "x,y,z,tier,power_dbm,azimuth_deg,num_antennas\n0,0,25,macro,46,,1\n2000,0,25,macro,46,,1\n0,1000,25,macro,46,,1\n"
)
LAT, LON = 48.1, 11.5
DEGREE_M = tuple(Projection(LAT, LON).to_xy(LAT + 1, LON + 1))  # of longitude and latitude


def globe(lat: float = LAT, lon: float = LON) -> str:
    rows = [f"{lat},{lon}", f"{lat + 0.01},{lon}", f"{lat},{(lon + 0.02 + 180) % 360 - 180}"]
    return "lat,lon,z,tier,power_dbm,azimuth_deg,num_antennas\n" + "".join(f"{r},25,macro,46,,1\n" for r in rows)


def box(west: float, south: float, east: float, north: float) -> list[list[float]]:
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    return {"type": "Feature", "properties": properties, "geometry": {"type": kind, "coordinates": coordinates}}


def collection(*features: dict[str, Any]) -> str:
    return json.dumps({"type": "FeatureCollection", "features": features})


def load(folder: Path, map_text: str, sites: str = METRES, users: int = 4000) -> tuple[Scenario, list[str]]:
    (folder / "s.csv").write_text(sites)
    (folder / "map").write_text(map_text)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scenario = scenario_from_csv(folder / "s.csv", density=folder / "map", num_users=users)
    return scenario, [str(each.message) for each in caught]


def places(scenario: Scenario, networks: int = 5) -> np.ndarray:
    """Places of users in the coordinates of the file of cells, where these are in m."""
    with warnings.catch_warnings(action="ignore"):
        batch = scenario.sample(networks)
    corner = batch["bs"].pos[0, :2]  # the first cell is at 0, 0
    return (batch["ue"].pos[:, :2] - corner).double().numpy()


def test_polygons_have_users_like_area_times_density(tmp_path: Path) -> None:
    """Density times area, with a hole, beside a polygon of two parts, in the metres of the cells."""
    hole = box(200, 200, 600, 600)
    text = collection(
        feature("Polygon", [box(0, 0, 1000, 1000), hole[::-1]], density=2),
        feature("MultiPolygon", [[box(1200, 0, 1400, 1000)], [box(1600, 0, 1900, 1000)]], density=4.0),
        feature("Polygon", [box(0, 1100, 1000, 1200)], density=0),
    )
    x, y = places(load(tmp_path, text)[0]).T
    first = (x <= 1000) & (y <= 1000)
    in_hole = (x > 200) & (x < 600) & (y > 200) & (y < 600)
    second, third = (x >= 1200) & (x <= 1400), (x >= 1600) & (x <= 1900)
    assert not in_hole.any() and not (y > 1000.01).any() and (first | second | third).all()
    weights = np.array([2 * 0.84, 4 * 0.2, 4 * 0.3])
    count = np.array([first.sum(), second.sum(), third.sum()])
    assert chisquare(count, len(x) * weights / weights.sum()).pvalue > 1e-3
    quarters = np.histogram2d(x[second], y[second], bins=4)[0].ravel()
    assert chisquare(quarters).pvalue > 1e-3


@pytest.mark.parametrize("name", ["weight", "Users", "TRAFFIC", "population", "erlang"])
def test_totals_are_of_a_polygon_whatever_its_area(tmp_path: Path, name: str) -> None:
    text = collection(
        feature("Polygon", [box(0, 0, 1000, 1000)], **{name: 3}),
        feature("MultiPolygon", [[box(1100, 0, 1200, 100)], [box(1300, 0, 1400, 200)]], **{name: "1"}),
    )
    x, _ = places(load(tmp_path, text)[0]).T
    count = np.array([(x <= 1000).sum(), ((x > 1000) & (x < 1250)).sum(), (x > 1250).sum()])
    assert chisquare(count, len(x) * np.array([3, 1 / 3, 2 / 3]) / 4).pvalue > 1e-3


def test_without_a_weight_each_km2_is_the_same_and_unused_properties_are_named(tmp_path: Path) -> None:
    text = collection(
        feature("Polygon", [box(0, 0, 1000, 1000)], name="a"), feature("Polygon", [box(1000, 0, 1500, 1000)], name="b")
    )
    scenario, messages = load(tmp_path, text)
    x, _ = places(scenario).T
    assert chisquare([(x <= 1000).sum(), (x > 1000).sum()], len(x) * np.array([2, 1]) / 3).pvalue > 1e-3
    assert [m for m in messages if "columns that are not used: name" in m]


def test_degrees_are_those_of_the_cells(tmp_path: Path) -> None:
    text = collection(feature("Polygon", [box(LON + 0.005, LAT + 0.002, LON + 0.01, LAT + 0.004)]))
    x, y = places(load(tmp_path, text, globe())[0]).T
    assert x.min() == pytest.approx(0.005 * DEGREE_M[0], rel=1e-2) and x.max() == pytest.approx(
        0.01 * DEGREE_M[0], rel=1e-2
    )
    assert y.min() == pytest.approx(0.002 * DEGREE_M[1], rel=1e-2) and y.max() == pytest.approx(
        0.004 * DEGREE_M[1], rel=1e-2
    )


@pytest.mark.parametrize("whole", [True, False])
def test_maps_and_cells_on_both_sides_of_the_antimeridian(tmp_path: Path, whole: bool) -> None:
    """A polygon in two parts, as RFC 7946 has it, or in one beyond 180 degrees."""
    sites = globe(-17.0, 179.99)
    parts = [[box(179.995, -17.0, 180, -16.995)], [box(-180, -17.0, -179.99, -16.995)]]
    geometry = ("Polygon", [box(179.995, -17.0, 180.01, -16.995)]) if whole else ("MultiPolygon", parts)
    x, _ = places(load(tmp_path, collection(feature(*geometry, density=1)), sites)[0]).T
    degree_m = Projection(-17.0, 180.0).to_xy(-17.0, -179.0)[0]
    assert x.min() == pytest.approx(0.005 * degree_m, rel=1e-2) and x.max() == pytest.approx(0.02 * degree_m, rel=1e-2)
    west = int((x < 0.01 * degree_m).sum())
    assert chisquare([west, len(x) - west], len(x) * np.array([1, 2]) / 3).pvalue > 1e-3


GRID = "ncols 4\nnrows 2\nxllcorner 0\nYLLCORNER -100\ncellsize 500\nNODATA_value -1\n1 0 -1 3\n2 2 2 0\n"


def test_an_ascii_grid_has_rows_from_north_to_south(tmp_path: Path) -> None:
    x, y = places(load(tmp_path, GRID)[0]).T
    count = np.histogram2d(y, x, bins=((-100, 400, 900), (0, 500, 1000, 1500, 2000)))[0]
    expected = np.array([[2, 2, 2, 0], [1, 0, 0, 3]])
    assert count.sum() == len(x) and (count[expected == 0] == 0).all()
    assert chisquare(count[expected > 0], len(x) * expected[expected > 0] / 10).pvalue > 1e-3
    centre = GRID.replace("xllcorner 0", "xllcenter 250").replace("YLLCORNER -100", "yllcenter 150")
    assert np.array_equal(places(load(tmp_path, centre)[0]), np.stack([x, y], 1))
    degrees = f"ncols 2\nnrows 1\nxllcorner {LON}\nyllcorner {LAT}\ncellsize 0.01\n0 5\n"
    x, y = places(load(tmp_path, degrees, globe())[0]).T
    assert x.min() == pytest.approx(0.01 * DEGREE_M[0], rel=1e-2) and y.max() == pytest.approx(
        0.01 * DEGREE_M[1], rel=1e-2
    )


def test_points_on_a_grid_are_its_cells_and_others_are_places(tmp_path: Path) -> None:
    rows = [
        (250 + 500 * i, 150 + 500 * j, w)
        for j, w_row in enumerate(((2, 2, 2, 0), (1, 0, 0, 3)))
        for i, w in enumerate(w_row)
    ]
    text = "weight;x;y\n" + "".join(f"{w};{x};{y}\n" for x, y, w in rows if w)
    x, y = places(load(tmp_path, text)[0]).T
    count = np.histogram2d(y, x, bins=((-100, 400, 900), (0, 500, 1000, 1500, 2000)))[0]
    assert chisquare(count[count > 0], len(x) * np.array([2, 2, 2, 1, 3]) / 10).pvalue > 1e-3
    spots = places(load(tmp_path, "x,y,users\n10,20,1\n333,777,3\n500,21,0\n")[0]).round(2)
    known, many = np.unique(spots, axis=0, return_counts=True)
    assert known == pytest.approx(np.array([[10, 20], [333, 777]]), abs=0.01)
    assert chisquare(many, len(spots) * np.array([1, 3]) / 4).pvalue > 1e-3


@pytest.mark.parametrize("text", ["0,0,1\n400,300,3\n", "0,0,1\n400,0,3\n0,300,0\n"])
def test_few_points_are_no_grid(tmp_path: Path, text: str) -> None:
    spots = places(load(tmp_path, "x,y,users\n" + text)[0]).round(2)
    assert len(np.unique(spots, axis=0)) == 2


def test_a_grid_whose_lines_were_rounded_is_a_grid(tmp_path: Path) -> None:
    rows = [f"{100 * i + 0.001 * (j == 2)},{100 * j},1\n" for i in range(5) for j in range(4)]
    messages = load(tmp_path, "x,y,users\n" + "".join(rows))[1]
    assert any("20 points are read as cells of a grid of 100 m by 100 m" in message for message in messages)


def test_points_of_a_geojson(tmp_path: Path) -> None:
    text = collection(*(feature("Point", [LON + 0.01 * i, LAT], erlang=w) for i, w in enumerate((1, 2))))
    x = places(load(tmp_path, text, globe())[0])[:, 0]
    assert chisquare([(x < 100).sum(), (x > 100).sum()], len(x) * np.array([1, 2]) / 3).pvalue > 1e-3


def test_what_is_far_from_the_cells_is_left_out_with_its_share(tmp_path: Path) -> None:
    text = collection(
        feature("Polygon", [box(0, 0, 1000, 1000)], users=1), feature("Polygon", [box(9e3, 0, 9.5e3, 100)], users=3)
    )
    scenario, messages = load(tmp_path, text)
    assert places(scenario).max() <= 1000 and any(
        "left out 75.0% of the weight, which is too far" in m for m in messages
    )
    half = collection(feature("Polygon", [box(2000, 0, 4000, 100)]))  # the area ends 1 km beyond the last cell
    scenario, messages = load(tmp_path, half)
    assert places(scenario)[:, 0].max() == pytest.approx(3000, abs=1) and any("left out 50.0%" in m for m in messages)
    assert scenario.layout.width_m == pytest.approx(3100)


def test_users_without_coverage_are_said(tmp_path: Path) -> None:
    weak = METRES.replace(",46,", ",-20,")
    _, messages = load(tmp_path, "x,y\n900,900\n", weak, users=20)
    assert any("map: got 20 of 20 users without coverage" in m for m in messages)


def test_a_network_of_files_has_its_own_users(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(METRES)
    (tmp_path / "map").write_text(GRID)
    options = {"user_density": str(tmp_path / "map")}
    given = Scenario(source=Given("sites", str(tmp_path / "s.csv"), options), users=Users(40))  # type: ignore[arg-type]
    many, alone = given.sample(3, seed=2), given.sample(1, seed=2, first=1)
    assert (many.get_example(1)["ue"].pos == alone["ue"].pos).all()
    assert (many.get_example(0)["ue"].pos != alone["ue"].pos).any()


ERRORS = [
    ("x,y,users\n0,0,1\n10,10,-2\n", "map: line 3, users: got '-2', expected a weight of 0 or more"),
    ("x,y,users\n0,0,many\n", "map: line 2, users: got 'many', expected a number"),
    ("x,y,users\n0,0,0\n", "map: got weights that are all zero, expected a positive one"),
    ("lat,lon,users\n48,11,1\n", "map: got the columns lat,lon, expected x,y, as in .*s.csv"),
    (
        "x,y\n90000,0\n",
        r"map: got no weight near the cells, whose area is x -1000 to 3000 m, .* its places are x 90000 to 90000 m",
    ),
    (GRID.replace("3\n", "\n"), r"map: got 7 cells, expected 4 x 2 = 8"),
    (GRID.replace("0 -1 3", "0 -1 -3"), "map: row 1, column 4: got -3, expected a weight of 0 or more"),
    (GRID.replace("0 -1 3", "0 -1 nan"), "map: row 1, column 4: got nan, expected a weight of 0 or more"),
    (GRID.replace("cellsize 500\n", ""), "map: got a grid without cellsize, expected ncols, nrows, xllcorner"),
    (GRID.replace("cellsize 500", "cellsize 0"), "map: cellsize: got 0, expected a positive number"),
    (GRID.replace("ncols 4", "ncols 1e9"), "map: got 1000000000 x 2 cells, expected at most 4000000"),
    (GRID + "0 " * 1000, r"map: got \d+ letters of cells, expected 4 x 2 numbers"),
    (GRID.replace("ncols 4", "ncols 2.5"), "map: ncols: got '2.5', expected a whole number of 1 or more"),
    (collection(feature("Polygon", [box(0, 0, 9, 9)], users=-1)), "map: feature 1, users: got '-1', expected a weight"),
    (collection(feature("Polygon", [box(0, 0, 9, 9)], users=None)), "map: feature 1, users: got '', expected a number"),
    (
        collection(feature("LineString", [[0, 0], [1, 1]])),
        "map: feature 1: got the geometry 'LineString', expected points",
    ),
    (
        collection(feature("Polygon", [box(0, 0, 9, 9)]), feature("Point", [0, 0])),
        "map: feature 2: got the geometry 'Point', expected polygons",
    ),
    (
        collection(feature("Polygon", [[[0, 0], [1, 1]]])),
        "map: feature 1: got a ring of 2 corners, expected at least 3",
    ),
    (
        collection(feature("Polygon", [[[0, 0], [9, 9], [0, 8], [5, 2]]])),
        "map: feature 1: got rings that cross themselves",
    ),
    (collection(feature("Polygon", [box(0, 0, 9, 0)])), "map: feature 1: got a polygon without area, expected some"),
    (collection(feature("Polygon", [box(LON, LAT, LON + 1, LAT + 1)], users=0)), "weights that are all zero"),
    ('{"features": [3]}', "map: got text that is no GeoJSON, expected a FeatureCollection of polygons"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_maps_that_are_wrong(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(tmp_path, text)


def test_metres_beside_degrees(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"map: got a place of 1500, expected longitude and latitude in degrees, as in"
    ):
        load(tmp_path, GRID.replace("-100", "1000"), globe())
    degrees = collection(feature("Polygon", [box(LON, LAT, LON + 1e-3, LAT + 1e-3)]))
    far = METRES.replace("\n0,", "\n500000,").replace("\n2000,", "\n502000,")
    with pytest.raises(ValueError, match=r"got no weight near the cells, .* metres or degrees in both files"):
        load(tmp_path, degrees, far)
    with pytest.raises(FileNotFoundError, match="nowhere: got no such file"):
        scenario_from_csv(tmp_path / "s.csv", density=tmp_path / "nowhere")
    with pytest.raises(ValueError, match="num_users: got 3 beside a file of users, expected one of both"):
        scenario_from_csv(tmp_path / "s.csv", tmp_path / "s.csv", num_users=3)


def test_large_rasters_are_read_and_drawn_from(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    rows = "\n".join(" ".join(map(str, row)) for row in rng.integers(1, 9, (400, 400)))
    text = f"ncols 400\nnrows 400\nxllcorner 0\nyllcorner 0\ncellsize 2.5\n{rows}\n"
    scenario, _ = load(tmp_path, text, users=200)
    assert 100_000 < len(scenario.users.density.weight) < 160_000
    assert math.isfinite(places(scenario, 2).sum())
