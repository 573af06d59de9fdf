"""Cells and users outside a window: cells interfere where that is asked for, users are left out."""

import warnings
from pathlib import Path

import pytest
import torch

from hetgraph.graph import CHANNEL, Given, Scenario, Selection, preset, scenario_from_csv
from hetgraph.graph.user_file import read_user_names

HEADER = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas,earfcn,operator,prb_util\n"
CELLS = (
    "0,0,25,macro,46,,1,1300,A,20\n"
    "900,0,25,macro,46,,1,1300,A,40\n"
    "1900,0,25,macro,46,90,1,1300,A,60\n"  # outside the window, from here on
    "2400,0,25,macro,43,,1,1300,A,\n"
    "2500,0,25,macro,46,,1,6300,A,80\n"  # of another carrier
    "2600,0,25,macro,46,,1,1300,B,90\n"  # of another operator
    "30000,0,25,macro,46,,1,1300,A,90\n"  # too far
)
WINDOW = {"operator": "A", "window": "-100,-100,1000,100"}


def load(
    folder: Path, selection: Selection, users: str | None = None, cells: str = HEADER + CELLS
) -> tuple[Scenario, list[str]]:
    (folder / "s.csv").write_text(cells)
    if users is not None:
        (folder / "u.csv").write_text(users)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        scenario = scenario_from_csv(folder / "s.csv", None if users is None else folder / "u.csv", selection=selection)
    return scenario, [str(each.message) for each in caught]


def test_cells_around_the_window_interfere_at_their_load(tmp_path: Path) -> None:
    scenario, messages = load(tmp_path, Selection(**WINDOW, far_cells=True))
    assert scenario.num_stations == 2 and not scenario.tiers[0].load
    assert [name.row for name in scenario.names()] == [0, 1]
    corner = scenario.tiers[0].positions[0]
    found = {
        (x - corner[0], round(load, 9), tier.power_dbm, tier.azimuth_deg)
        for tier in scenario.background
        for (x, _), load in zip(tier.positions, tier.load, strict=True)
    }
    assert found == {(1900, 0.6, 46, (90,)), (2400, round(3.8 / 6, 9), 43, ())}  # the mean of the file
    assert any("2 of 4 cells outside the window interfere, at a mean load of 62%" in m for m in messages)
    unit = "prb_util: read as percent, since its values go up to 90; 1 of 7 cells have none"
    assert sum(unit in m for m in messages) == 1
    graph, alone = scenario.sample(1), load(tmp_path, Selection(**WINDOW))[0].sample(1)
    assert graph[CHANNEL].gain.shape == alone[CHANNEL].gain.shape and (graph["ue"].noise_w > alone["ue"].noise_w).all()


def test_the_sinr_is_that_with_the_cells_in_the_graph(tmp_path: Path) -> None:
    """The whole file at full load against all of it as stations, of which those outside the window serve nobody."""
    cells = HEADER + "".join(CELLS.splitlines(keepends=True)[:3]).replace(",60", ",100")
    users = "x,y\n500,30\n100,60\n890,-20\n"
    part = load(tmp_path, Selection(window="-100,-100,1000,100", far_cells=True), users, cells)[0].sample(1, seed=2)
    whole = load(tmp_path, Selection(), users, cells)[0]
    whole_graph = whole.sample(1, seed=2)
    blocks = part["ue"].noise_w.shape[1]
    power_w = 10**1.6 / blocks
    far_w = whole_graph[CHANNEL].gain.reshape(3, 3, -1)[:, 2] * power_w
    torch.testing.assert_close(part["ue"].noise_w, whole_graph["ue"].noise_w + far_w)
    torch.testing.assert_close(part[CHANNEL].gain.reshape(3, 2, -1), whole_graph[CHANNEL].gain.reshape(3, 3, -1)[:, :2])


def test_without_counters_far_cells_have_the_load_of_the_scenario(tmp_path: Path) -> None:
    cells = "\n".join(line.rpartition(",")[0] for line in (HEADER + CELLS).splitlines()) + "\n"
    scenario, messages = load(tmp_path, Selection(**WINDOW, far_cells=True), cells=cells)
    assert {load for tier in scenario.background for load in tier.load} == {1.0}
    assert any("at a mean load of 100%, since the file has no loads" in m for m in messages)


def test_a_far_cell_without_counter_has_the_mean_of_the_file(tmp_path: Path) -> None:
    cells = HEADER + "0,0,25,macro,46,,1,1300,A,50\n900,0,25,macro,46,,1,1300,A,40\n1900,0,25,macro,46,,1,1300,A,\n"
    scenario, messages = load(tmp_path, Selection(**WINDOW, far_cells=True), cells=cells)
    assert [tier.load for tier in scenario.background] == [(0.45,)]
    assert not any("no loads" in message for message in messages)


def test_a_far_cell_on_the_carrier_of_cells_that_name_none_interferes(tmp_path: Path) -> None:
    base = preset("hetnet-3tier").carriers[0].carrier_hz
    header, row = "x,y,z,tier,power_dbm,num_antennas,carrier_hz\n", "{},0,25,macro,46,1,{}\n"
    for near, far in (("", f"{base:.0f}"), (f"{base:.0f}", ""), ("", "")):
        text = header + row.format(0, near) + row.format(900, near) + row.format(1900, far)
        scenario, _ = load(tmp_path, Selection(window="-100,-100,1000,100", far_cells=True), cells=text)
        assert [tier.count for tier in scenario.background] == [1]


def test_a_window_without_counters_starts_at_the_mean_of_the_file(tmp_path: Path) -> None:
    cells = HEADER + "0,0,25,macro,46,,1,1300,A,\n900,0,25,macro,46,,1,1300,A,\n1900,0,25,macro,46,,1,1300,A,60\n"
    scenario, _ = load(tmp_path, Selection(**WINDOW, start_load=True), cells=cells)
    assert scenario.tiers[0].load == (0.6, 0.6)
    with pytest.raises(ValueError, match="start_load: got no load in any row, expected some"):
        load(tmp_path, Selection(**WINDOW, start_load=True), cells=cells.replace(",60", ","))


def test_loads_at_the_start_are_those_of_the_window(tmp_path: Path) -> None:
    scenario, _ = load(tmp_path, Selection(**WINDOW, start_load=True))
    assert scenario.tiers[0].load == (0.2, 0.4) and scenario.background == ()
    both, _ = load(tmp_path, Selection(**WINDOW, start_load=True, far_cells=True))
    assert both.tiers == scenario.tiers and both.background


def test_a_scenario_file_says_so_too(tmp_path: Path) -> None:
    load(tmp_path, Selection())
    options = {**WINDOW, "far_cells": True, "users": str(tmp_path / "u.csv")}
    (tmp_path / "u.csv").write_text("x,y\n0,50\n4000,0\n")
    with warnings.catch_warnings(action="ignore"):
        given = Scenario(source=Given("sites", str(tmp_path / "s.csv"), options))  # type: ignore[arg-type]
        assert given.sample(1)["ue"].noise_w.shape[0] == 1 and len(given.names()) == 2


def test_far_cells_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="far_cells: got no window, expected one around which there are cells"):
        load(tmp_path, Selection(far_cells=True))
    with pytest.raises(ValueError, match="far_cells: got no cell on the carriers of those in the window, outside it"):
        load(tmp_path, Selection(operator="B", window="2000,-100,3000,100", far_cells=True))


def test_users_outside_the_window_are_left_out_and_counted(tmp_path: Path) -> None:
    users = "id,x,y\nann,0,50\nbob,4000,0\ncid,900,60\ndan,-101,0\n"
    chosen = Selection(**WINDOW)
    scenario, messages = load(tmp_path, chosen, users)
    assert scenario.users.count == 2
    assert any("u.csv: left out 2 of 4 users, who are outside the window" in m for m in messages)
    with warnings.catch_warnings(action="ignore"):
        assert read_user_names(tmp_path / "u.csv", chosen) == ["ann", "cid"]
        assert read_user_names(tmp_path / "u.csv") == ["ann", "bob", "cid", "dan"]
    with pytest.raises(
        ValueError, match=r"u.csv: window: got '-100,.*', expected one with at least one of 1 users in it"
    ):
        load(tmp_path, chosen, "x,y\n5000,0\n")
