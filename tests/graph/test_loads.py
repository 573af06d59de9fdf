"""Load counters in files of cells: names, units, and what is said of them."""

import warnings
from pathlib import Path

import pytest

from hetgraph.graph import Selection, read_sites, scenario_from_csv, write_sites

ALL = Selection(start_load=True)


def loads(
    folder: Path, header: str, *values: object, selection: Selection = ALL
) -> tuple[list[float | None], list[str]]:
    rows = [f"{500 * i},0,25,macro,46,,1;{value}".replace(",", ";") for i, value in enumerate(values)]
    head = "x;y;z;tier;power_dbm;azimuth_deg;num_antennas"
    (folder / "s.csv").write_text("\n".join([f"{head};{header}", *rows]) + "\n")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        sites = read_sites(folder / "s.csv", selection=selection)
    return [site.load for site in sites], [str(each.message) for each in caught]


@pytest.mark.parametrize(
    "header", ["prb_util", "PRB utilisation", "PRB Utilization", "prb load", "DL PRB usage", "load", "cell load"]
)
def test_names_and_shares(tmp_path: Path, header: str) -> None:
    got, messages = loads(tmp_path, header, 0.25, 0, 1)
    assert got == [0.25, 0, 1]
    assert messages == [f"{tmp_path}/s.csv: {header}: read as shares, since its values go up to 1"]


@pytest.mark.parametrize("header", ["prb_util", "DL PRB usage"])
def test_numbers_above_one_are_percent(tmp_path: Path, header: str) -> None:
    got, messages = loads(tmp_path, header, 25, 0.5, 87)
    assert got == pytest.approx([0.25, 0.005, 0.87])
    assert messages == [f"{tmp_path}/s.csv: {header}: read as percent, since its values go up to 87"]


@pytest.mark.parametrize(
    "header", ["prb util [%]", "PRB utilisation (%)", "load %", "prb_util_pct", "PRB usage percent"]
)
def test_a_unit_in_the_name_counts(tmp_path: Path, header: str) -> None:
    got, messages = loads(tmp_path, header, 1, 0.5, 1.4)
    assert got == pytest.approx([0.01, 0.005, 0.014]) and not messages


def test_the_whole_file_decides_on_the_unit(tmp_path: Path) -> None:
    got, _ = loads(tmp_path, "prb_util", 1.2, 60, selection=Selection(window="-1,-1,1,1", start_load=True))
    assert got == pytest.approx([0.012])


def test_cells_without_a_load(tmp_path: Path) -> None:
    got, messages = loads(tmp_path, "load [%]", 30, "", 50)
    assert got == [pytest.approx(0.3), None, pytest.approx(0.5)]
    assert messages == [f"{tmp_path}/s.csv: load [%]: 1 of 3 cells have none"]
    with warnings.catch_warnings(action="ignore"):
        scenario = scenario_from_csv(tmp_path / "s.csv", selection=ALL)
    assert scenario.tiers[0].load == pytest.approx((0.3, 0.4, 0.5)), "the mean of the others"


def test_a_load_that_nothing_reads_is_named(tmp_path: Path) -> None:
    _, messages = loads(tmp_path, "prb_util", 25, 0.5, selection=Selection())
    assert messages == [f"{tmp_path}/s.csv: columns that are not used: prb_util"]
    with warnings.catch_warnings(action="ignore"):
        assert scenario_from_csv(tmp_path / "s.csv").tiers[0].load == ()


def test_loads_that_are_none(tmp_path: Path) -> None:
    for header, value, message in (
        ("prb_util", 101, r"line 2, prb_util: got '101', expected a number in 0..1"),
        ("prb_util", -0.1, r"line 2, prb_util: got '-0.1', expected a number in 0..1"),
        ("load [%]", "high", r"line 2, load \[%\]: got 'high', expected a number"),
    ):
        with pytest.raises(ValueError, match=message):
            loads(tmp_path, header, value)
    loads(tmp_path, "kpi", 3)
    with (
        warnings.catch_warnings(action="ignore"),
        pytest.raises(ValueError, match=r"s.csv: start_load: got no column of loads such as prb_util, expected one"),
    ):
        scenario_from_csv(tmp_path / "s.csv", selection=ALL)


def test_written_cells_keep_their_loads(tmp_path: Path) -> None:
    loads(tmp_path, "prb_util", 25, 50)
    with warnings.catch_warnings(action="ignore"):
        sites = read_sites(tmp_path / "s.csv", selection=ALL)
        write_sites(tmp_path / "again.csv", sites)
        assert read_sites(tmp_path / "again.csv", selection=ALL) == sites
        assert [site.load for site in read_sites(tmp_path / "again.csv")] == [None, None]
