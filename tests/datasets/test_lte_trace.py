"""Reader of the drive-test traces, on the real files and on small ones made here."""

import warnings
from pathlib import Path

import numpy as np
import pytest

from hetgraph.datasets import LTETrace, estimate_sites, export_csv
from hetgraph.datasets.lte_trace import COLUMNS_4G, COLUMNS_5G
from hetgraph.graph import check, scenario_from_csv
from hetgraph.graph.geo import great_circle_m


def row_4g(**values: str) -> str:
    base = dict.fromkeys(COLUMNS_4G, "-") | {
        "Operatorname": "B",
        "Latitude": "51.9",
        "Longitude": "-8.4",
        "CellID": "2",
    }
    base |= {"RSRP": "-100", "ServingCell_Lat": "51.91", "ServingCell_Lon": "-8.4", "Speed": "36"}
    return ",".join((base | values)[name] for name in COLUMNS_4G)


def test_real_traces(lte_traces: Path, tmp_path: Path) -> None:
    rows = {"4G_static": 855, "4G_car": 2013, "5G_driving_download": 3573, "5G_driving_netflix": 3701}
    for path in sorted(lte_traces.glob("*.csv")):
        trace = LTETrace.read(path)
        expected = next(count for name, count in rows.items() if path.name.startswith(name))
        assert abs(len(trace) - expected) <= 1, path.name
        known = np.isfinite(trace.rsrp_dbm)
        assert trace.rsrp_dbm[known].min() > -200
        sites, users = export_csv(trace, tmp_path / "s.csv", tmp_path / "u.csv", most_users=40)
        assert sites >= 1 and users == 40
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message=".*users without coverage"
            )  # of the model, where the phone had some
            graph = scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv").sample(1, seed=0)
        check(graph)
        assert graph["bs"].pos.shape[0] == sites


def test_rows_with_a_wrong_site_lose_it_and_sectors_are_told_apart(tmp_path: Path) -> None:
    lines = [row_4g()] * 3 + [row_4g(CellID="3")] * 2 + [row_4g(ServingCell_Lat="53.0")] * 2 + [row_4g(RSRP="-")]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    trace = LTETrace.read(tmp_path / "t.csv")
    assert len(set(trace.cell)) == 3 and trace.cell[5] == ""
    assert np.isnan(trace.site[5:7]).all() and np.isnan(trace.rsrp_dbm[-1])
    assert trace.speed_mps[0] == pytest.approx(10.0)
    assert estimate_sites(trace, fewest=3) == {trace.cell[0]: (51.91, -8.4)}


def test_5g_cells_are_strings_sentinels_are_missing_and_sites_are_weighted(tmp_path: Path) -> None:
    base = dict.fromkeys(COLUMNS_5G, "-") | {
        "Operatorname": "B",
        "Longitude": "-8.4",
        "CELLHEX": "53E42",
        "RAWCELLID": "10805003",
    }
    strong, weak = base | {"Latitude": "51.0", "RSRP": "-80"}, base | {"Latitude": "52.0", "RSRP": "-100"}
    lost = base | {"Latitude": "51.0", "RSRP": "-200", "NRxRSRP": "-90", "NRxRSRQ": "2147483647"}
    lines = [",".join(COLUMNS_5G)] + [",".join(r[c] for c in COLUMNS_5G) for r in [strong, weak, lost] * 5]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    trace = LTETrace.read(tmp_path / "t.csv")
    assert len(trace) == 15 and trace.cell[0] == "B/10805003"
    assert np.isnan(trace.rsrp_dbm[2]) and np.isnan(trace.neighbour_rsrp_dbm[2])
    latitude, _ = estimate_sites(trace)["B/10805003"]
    assert latitude == pytest.approx((51 * 100 + 52) / 101)


def test_geometry() -> None:
    one = great_circle_m(np.array([0.0]), np.array([0.0]), np.array([1.0]), np.array([0.0]))
    assert one[0] == pytest.approx(111_195, rel=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,c\n", "got 3 columns without names, expected a header, or 20"),
        ("", "got 0 columns"),
        (",".join(COLUMNS_4G) + "\n", "got no rows"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        LTETrace.read(tmp_path / "t.csv")
