"""Thirty ways of writing one network, and the files that people in this job have."""

import csv
import dataclasses
import random
import warnings
from pathlib import Path

import pytest

from hetgraph.graph import Scenario, check, read_sites, scenario_from_csv
from hetgraph.graph.aliases import SITES, match_header
from hetgraph.graph.bands import band_hz, earfcn_hz
from hetgraph.graph.site_file import SITE_COLUMNS
from hetgraph.graph.user_file import read_user_names

NAMES = {
    "site": ["site", "Site ID", "site_name", "eNodeB", "Code"],
    "cell": ["cell", "Cell Name", "cellid", "SECTOR"],
    "lat": ["lat", "Latitude", "LATITUDE (WGS84)", "gps_lat"],
    "lon": ["lon", "lng", "Long", "longitude [deg]", "site-lon"],
    "height_m": ["height_m", "Height [m]", "Antenna Height (m)", "z", "height (metres)", "HeightM"],
    "azimuth": ["azimuth", "Azimuth (°)", "AzimuthDeg", "azimuth_deg", "Bearing", "AZI"],
    "mech_tilt": ["mech_tilt", "Mechanical Tilt", "M-Tilt [deg]", "mechtilt", "MDT"],
    "elec_tilt": ["elec_tilt", "Electrical Downtilt (deg)", "etilt", "RET", "EDT"],
    "power_dbm": ["power_dbm", "Power (dBm)", "Tx Power [dBm]", "max tx power", "power"],
    "band": ["band", "Freq Band"],
    "earfcn": ["earfcn", "NR-ARFCN", "DL_EARFCN", "arfcn"],
    "antenna": ["antenna", "Antenna File", "antenna_pattern"],
    "prb_util": ["prb_util", "PRB utilisation [%]"],
}
USER_NAMES = {
    "lat": ["lat", "latitude", "LAT"],
    "lon": ["lon", "lng", "Longitude (deg)"],
    "indoor": ["indoor", "Is Indoor", "in_building"],
    "floor": ["floor", "Floor Number", "storey"],
}
OPTIONAL = ("power_dbm", "band", "prb_util", "site", "cell")  # power is the default; the channel number says it all
CASES = (str, str.upper, str.lower, str.title)


def load(sites: Path, users: Path | None = None) -> tuple[Scenario, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scenario = scenario_from_csv(sites, users)
    return scenario, [str(each.message) for each in caught]


def rewrite(source: Path, target: Path, names: dict[str, list[str]], seed: int) -> None:
    """Another spelling of a file: separator, names, order, case, byte-order mark, and fewer columns."""
    draw = random.Random(seed)
    with source.open(newline="") as file:
        rows = list(csv.DictReader(file))
    columns = [name for name in rows[0] if name not in OPTIONAL or draw.random() < 0.6]
    draw.shuffle(columns)
    header = [draw.choice(CASES)(draw.choice(names[name])) for name in columns]
    separator = (",", ";", "\t")[seed % 3]
    lines = [header, *([row[name] for name in columns] for row in rows)]
    if separator == ";" and draw.random() < 0.5:  # decimal commas
        lines = [
            header,
            *([cell.replace(".", ",") if cell[-1].isdigit() else cell for cell in row] for row in lines[1:]),
        ]
    text = "\n".join(separator.join(line) for line in lines) + "\n"
    target.write_text(text, encoding="utf-8-sig" if draw.random() < 0.5 else "utf-8")


@pytest.fixture(scope="module")
def engineer(real_files: Path) -> tuple[Path, Path]:
    folder = real_files / "own_network"
    return folder / "sites_engineer.csv", folder / "users_engineer.csv"


@pytest.fixture(scope="module")
def as_written(engineer: tuple[Path, Path]) -> Scenario:
    return load(*engineer)[0]


def unnamed(scenario: Scenario) -> Scenario:
    tiers = tuple(dataclasses.replace(tier, site=(), cell=()) for tier in scenario.tiers)
    return dataclasses.replace(scenario, name="", tiers=tiers)


@pytest.mark.parametrize("seed", range(30))
def test_thirty_spellings_are_one_network(
    engineer: tuple[Path, Path], as_written: Scenario, tmp_path: Path, seed: int
) -> None:
    rewrite(engineer[0], tmp_path / "s.csv", NAMES, seed)
    rewrite(engineer[1], tmp_path / "u.csv", USER_NAMES, seed + 100)
    scenario, _ = load(tmp_path / "s.csv", tmp_path / "u.csv")
    assert unnamed(scenario) == unnamed(as_written)


def test_the_engineers_files(engineer: tuple[Path, Path]) -> None:
    """Every column is used or named in one warning; defaults are named; ids stand in the file's order."""
    scenario, messages = load(*engineer)
    assert [m for m in messages if "not used" in m and "prb_util" in m] == [
        f"{engineer[0]}: columns that are not used: prb_util"
    ]
    assert sum("taken by default" in m for m in messages) == 1
    assert any("tier macro, 1 antenna" in m for m in messages)
    assert any("got 71 of 270 users outdoors who have a floor" in m for m in messages)
    assert scenario.carriers[0].carrier_hz == pytest.approx(3.45e9)
    names = sorted(scenario.names(), key=lambda name: name.row if name.row is not None else -1)
    with engineer[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(name.site, name.cell) for name in names] == [(row["site"], row["cell"]) for row in rows]
    with warnings.catch_warnings(action="ignore"):
        site = read_sites(engineer[0])[0]
    assert (site.azimuth_deg, site.tilt_deg, site.elec_tilt_deg, site.mech_tilt_deg, site.z) == (20, 8, 6, 2, 32)
    graph = scenario.sample(1)
    check(graph)
    assert graph["bs"].num_nodes == 90 and graph["ue"].num_nodes == 270
    indoor = graph["ue"].indoor
    assert int(indoor.sum()) == 189 and float(graph["ue"].pos[indoor, 2].max()) == 1.5 + 3 * 6
    assert float(graph["ue"].pos[~indoor, 2].max()) == 1.5


def test_a_list_without_azimuth_and_height_names_its_defaults(real_files: Path) -> None:
    scenario, messages = load(real_files / "own_network" / "reunion_sites_semicolon.csv")
    assert [tier.pattern for tier in scenario.tiers] == ["omni"] and scenario.tiers[0].height_m == 25
    assert [name.site for name in scenario.names()] == ["050BNO", "051BNO", "052BNO"]
    expected = "height 25 m, tier macro, power 46 dBm, no azimuth (omnidirectional), 1 antenna, the base's carrier"
    assert sum(m.endswith(expected) for m in messages) == 1
    assert scenario.layout.height_m == pytest.approx(8709 + 200, abs=20)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("cellmapper_no_header.csv", "got a CellMapper export"), ("gnettrack_log.txt", "got a G-NetTrack log")],
)
def test_drive_tests_are_no_sites(real_files: Path, name: str, expected: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: {expected}, a drive test, expected sites or users"):
        read_sites(real_files / "own_network" / name)


@pytest.mark.parametrize(
    ("header", "value", "name", "expected"),
    [
        ("Power [W]", "40", "power_dbm", 46.0206),
        ("power_mw", "250", "power_dbm", 23.9794),
        ("Height (ft)", "100", "z", 30.48),
        ("freq [MHz]", "1842.5", "carrier_hz", 1.8425e9),
        ("Frequency", "3.5", "carrier_hz", 3.5e9),
        ("frequency", "2600", "carrier_hz", 2.6e9),
        ("EARFCN", "1300", "carrier_hz", 1.815e9),
        ("Band", "B20", "carrier_hz", 806e6),
        ("Band", "L1800", "carrier_hz", 1.8e9),
    ],
)
def test_units_in_headers(tmp_path: Path, header: str, value: str, name: str, expected: float) -> None:
    (tmp_path / "s.csv").write_text(f"x;y;{header}\n0;0;{value}\n")
    with warnings.catch_warnings(action="ignore"):
        assert getattr(read_sites(tmp_path / "s.csv")[0], name) == pytest.approx(expected)


def test_channel_numbers_of_the_standard() -> None:
    """TS 36.101 sec. 5.7.3 and TS 38.104 Table 5.4.2.3-1."""
    assert earfcn_hz(6150) == pytest.approx(791e6) and earfcn_hz(39650) == pytest.approx(2496e6)
    assert earfcn_hz(620_000) == pytest.approx(3300e6) and earfcn_hz(653_333) == pytest.approx(3799.995e6)
    assert earfcn_hz(422_000) == pytest.approx(2110e6) and earfcn_hz(2_054_166) == pytest.approx(26_500.02e6)
    assert earfcn_hz(30_000) is None and earfcn_hz(4_000_000) is None
    assert band_hz("n78") == pytest.approx(3550e6) and band_hz("3") == pytest.approx(1842.5e6)
    assert band_hz("C-band") is None


def test_of_two_columns_of_one_meaning_one_is_taken(tmp_path: Path) -> None:
    text = "Site Name,site_id,x,y," + ",".join(SITE_COLUMNS[2:]) + "\nOld Town,17,0,0,25,macro,46,,1\n"
    (tmp_path / "s.csv").write_text(text)
    with pytest.warns(UserWarning, match="columns that are not used: Site Name$"):
        assert read_sites(tmp_path / "s.csv")[0].site == "17"


def test_a_spreadsheets_separator_line(tmp_path: Path) -> None:
    header = ";".join(SITE_COLUMNS)
    (tmp_path / "s.csv").write_text(f"sep=;\n{header}\n0;0,5;25;macro;46;;1\n")
    assert read_sites(tmp_path / "s.csv")[0].y == 0.5


def test_words_that_end_like_units_are_no_units() -> None:
    header = match_header(Path("s.csv"), ["azimuthal", "term", "dim", "km", "m", "power_total", "lat", "xkm"], SITES)
    assert header.text == {"lat": "lat", "x": "xkm"}


def test_flags_and_names_of_users(tmp_path: Path) -> None:
    (tmp_path / "s.csv").write_text(",".join(SITE_COLUMNS) + "\n0,0,25,macro,46,,1\n")
    (tmp_path / "u.csv").write_text("UE;X;Y;Indoor\nanna;1;2;yes\nben;3;4;FALSE\n")
    assert scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv").users.indoor == (True, False)
    assert read_user_names(tmp_path / "u.csv") == ["anna", "ben"]


def test_a_header_is_matched_once_for_all_its_columns() -> None:
    many = [f"kpi {i}" for i in range(20_000)]
    header = match_header(Path("s.csv"), ["Lat", *many, "LNG"], SITES)
    assert header.place == {"lat": 0, "lon": 20_001} and header.unused == tuple(many)


def test_a_line_break_in_a_header_is_a_blank(tmp_path: Path) -> None:
    rest = ",".join(SITE_COLUMNS[3:])
    (tmp_path / "s.csv").write_text(f'x,y,"Antenna\nHeight\n[m]",{rest}\n0,0,31,macro,46,,1\n')
    assert read_sites(tmp_path / "s.csv")[0].z == 31
    (tmp_path / "s.csv").write_text(f'x,y,"Antenna\nHeight\n[m]",{rest}\n0,0,tall,macro,46,,1\n')
    with pytest.raises(ValueError, match=r"line 4, Antenna Height \[m\]: got 'tall', expected a number"):
        read_sites(tmp_path / "s.csv")


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"features": 7}',
        '{"features": {"a": 1}}',
        '{"features": [{"geometry": null}]}',
        '{"features": [' + "9" * 5000 + "]}",
        '{"type": "Topology"}',
        "[" * 100_000,
    ],
)
def test_what_is_no_geojson_gets_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "s.geojson").write_text(text)
    with pytest.raises(ValueError, match=r"s\.geojson: got (text that is no GeoJSON|the columns)") as caught:
        read_sites(tmp_path / "s.geojson")
    assert "\n" not in str(caught.value)


def test_geojson_of_lines_is_refused(tmp_path: Path) -> None:
    feature = '{"features": [{"geometry": {"type": "LineString", "coordinates": [[1, 2], [3, 4]]}}]}'
    (tmp_path / "s.geojson").write_text(feature)
    with pytest.raises(ValueError, match="feature 1: got the geometry 'LineString', expected points"):
        read_sites(tmp_path / "s.geojson")
