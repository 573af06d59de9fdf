"""OpenCelliD exports, with and without a header and as GeoJSON, and the cells that filters take."""

import warnings
from pathlib import Path

import pytest

from hetgraph.graph import Given, Scenario, Selection, check, read_sites, scenario_from_csv
from hetgraph.graph.site_file import Site

COLUMNS = "radio,mcc,net,area,cell,unit,lon,lat,range,samples,changeable,created,updated,averageSignal"


def load(path: Path, selection: Selection = Selection()) -> tuple[list[Site], list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sites = read_sites(path, selection=selection)
    return sites, [str(each.message) for each in caught]


@pytest.fixture
def world(tmp_path: Path, real_files: Path) -> Path:
    """The export with a header and a few more rows: another technology, another operator, beyond the antimeridian."""
    text = (real_files / "own_network" / "opencellid_no_header.csv").read_text()
    more = "LTE,302,720,1,9,0,-113.95,50.9,1,1,1,1,1,0\nGSM,302,610,1,8,0,-113.96,50.9,1,1,1,1,1,0\n"
    path = tmp_path / "cells.csv"
    path.write_text(
        f"{COLUMNS}\n{text}{more}LTE,542,1,1,7,0,179.99,-17.0,1,1,1,1,1,0\nLTE,542,1,1,6,0,-179.99,-17.0,1,1,1,1,1,0\n"
    )
    return path


def test_an_export_without_header_is_read_by_its_order(real_files: Path) -> None:
    sites, messages = load(real_files / "own_network" / "opencellid_no_header.csv")
    assert [site.cell for site in sites] == ["55752", "55751", "59852", "47322", "47321", "48651"]
    assert any("columns that are not used: area, unit, range, samples" in m for m in messages)
    assert any("taken by default" in m for m in messages)
    west = Selection(window="-114.1,50,-113,51")
    near, _ = load(real_files / "own_network" / "opencellid_no_header.csv", west)
    assert [site.cell for site in near] == ["55752", "55751", "59852"]
    assert near[1].x - near[0].x == pytest.approx(0.0173 * 70_340, abs=3) and near[1].y - near[0].y == pytest.approx(
        2882, abs=5
    )


def test_geojson_is_read_by_its_properties(real_files: Path) -> None:
    path = real_files / "own_network" / "opencellid.geojson"
    sites, messages = load(path, Selection(radio="umts", operator="248-1"))
    assert [site.cell for site in sites] == ["196901", "198469", "198969", "197121"]
    assert sites[1].x - sites[0].x == pytest.approx(187, abs=1) and sites[1].y - sites[0].y == pytest.approx(
        -451, abs=2
    )
    assert sum("columns that are not used: area, range, samples" in m for m in messages) == 1
    with pytest.raises(ValueError, match=r"geojson: radio: got 'NR', expected one of UMTS \(4\)"):
        load(path, Selection(radio="NR"))
    with warnings.catch_warnings(action="ignore"):
        check(scenario_from_csv(path).sample(1))


def test_filters_choose_cells_and_keep_their_rows(world: Path) -> None:
    assert len(load(world)[0]) == 10
    assert any("8 of LTE" in m or "3 of LTE" in m for m in load(world)[1])
    assert [site.cell for site in load(world, Selection(radio="LTE", operator="302-720"))[0]] == ["9"]
    assert [site.cell for site in load(world, Selection(operator="302-610"))[0]] == ["8"]
    with warnings.catch_warnings(action="ignore"):
        scenario = scenario_from_csv(world, selection=Selection(radio="LTE"))
    assert [(name.cell, name.row) for name in scenario.names()] == [("9", 6), ("7", 8), ("6", 9)]


def test_a_window_goes_over_the_antimeridian(world: Path) -> None:
    sites, _ = load(world, Selection(window="179,-18,-179,-16"))
    assert [site.cell for site in sites] == ["7", "6"]
    assert sites[1].x - sites[0].x == pytest.approx(0.02 * 106_500, rel=1e-3)


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        (Selection(operator="302-1"), r"operator: got '302-1', expected one of 302-720 \(7\)"),
        (Selection(operator="Rogers"), "operator: got 'Rogers', expected country and network code such as 262-01"),
        (Selection(window="1,2,3"), "window: got '1,2,3', expected west,south,east,north"),
        (Selection(window="1,9,3,2"), "window: got '1,9,3,2', expected .* the lesser ones first"),
        (Selection(window="1,2,3,4"), "window: got '1,2,3,4', expected one with at least one of 10 cells in it"),
    ],
)
def test_filters_that_take_nothing(world: Path, selection: Selection, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load(world, selection)


def test_a_filter_needs_its_column(real_files: Path) -> None:
    with pytest.raises(ValueError, match="radio: got no column 'radio', expected one to choose by"):
        load(real_files / "own_network" / "sites_engineer.csv", Selection(radio="LTE"))


def test_a_scenario_file_chooses_too(real_files: Path) -> None:
    path = real_files / "own_network" / "opencellid_no_header.csv"
    options = {"radio": "GSM", "window": "-114.1,50,-113,51"}
    with warnings.catch_warnings(action="ignore"):
        scenario = Scenario(source=Given("sites", str(path), options))  # type: ignore[arg-type]
        assert [name.cell for name in scenario.names()] == ["55752", "55751", "59852"]
