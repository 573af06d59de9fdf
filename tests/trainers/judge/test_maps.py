"""Maps: who and where cells and users are, sectors, colours that tell neighbours apart, what a policy changes."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hetgraph.envs import SnapshotEnv
from hetgraph.envs.rollout import Trial, rollout
from hetgraph.radio import policy
from hetgraph.trainers import compare, task_of
from hetgraph.trainers.common.policies import policies_of
from hetgraph.trainers.judge.figures import draw_figures
from hetgraph.trainers.judge.maps import CELL_COLOURS, cell_colours, change_map, labels, serving_map, wedge
from hetgraph.trainers.judge.page_map import MOST_BYTES, map_figure
from hetgraph.trainers.judge.places import (
    DEGREES,
    METRES,
    MapCell,
    MapUsers,
    Places,
    places_of,
    read_places,
    write_places,
)
from hetgraph.trainers.judge.plots import DPI, WIDTH

SITES = """site,cell,lat,lon,azimuth,height
B,B1,48.20,11.50,90,30
A,A1,48.10,11.40,0,20
A,A2,48.10,11.40,120,20
A,A3,48.10,11.40,240,20
"""
USERS = "user,lat,lon\nann,48.11,11.40\nbob,48.20,11.51\ncleo,48.12,11.42\n"
COMMON = {"layouts": 1, "seed": 3}


def masts(count: int, sectors: int = 3) -> Places:
    """Masts on a line, 500 m apart, with one user at each."""
    bearings = [360.0 / sectors * k if sectors > 1 else None for k in range(sectors)]
    cells = [
        MapCell(f"M{mast}", f"M{mast}_{k}", "macro", 500.0 * mast, 40.0 * (mast % 2), bearing)
        for mast in range(count)
        for k, bearing in enumerate(bearings)
    ]
    xy = np.array([[500.0 * mast, 100.0] for mast in range(count)])
    first = np.arange(count) * sectors
    users = {
        "rule": MapUsers([str(k) for k in range(count)], xy, first),
        "same": MapUsers([str(k) for k in range(count)], xy, first.copy()),
        "other": MapUsers([str(k) for k in range(count)], xy, np.r_[-1, first[1:]]),
    }
    return Places("network", METRES, (1.0, 1.0), cells, users, list(range(len(cells))))


def trial_on(
    folder: Path, name: str = "snapshot", rules: str = "max_rsrp,pf", **options: object
) -> tuple[object, Trial]:
    """A comparison on the network of the two files."""
    (folder / "sites.csv").write_text(SITES)
    (folder / "users.csv").write_text(USERS)
    task = task_of(name)
    given = task.options(sites=str(folder / "sites.csv"), users=str(folder / "users.csv"), **COMMON, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (trial, *_), _ = compare(task, given, policies_of(task, rules))
    return given, trial


@pytest.mark.parametrize(
    ("name", "rules", "options"),
    [
        ("snapshot", "max_rsrp,pf", {}),
        ("handover", "stay,max_rsrp", {"slots": 2}),
        ("queues", "lqf_best", {"slots": 3}),
    ],
)
def test_maps_show_names_bearings_and_degrees_of_the_file(
    name: str, rules: str, options: dict[str, object], tmp_path: Path
) -> None:
    given, trial = trial_on(tmp_path, name, rules, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = places_of(task_of(name), given, trial)
    assert places is not None and places.axes == DEGREES
    in_file = [places.cells[number] for number in places.order]
    assert [(cell.site, cell.cell, cell.tier, cell.bearing_deg) for cell in in_file] == [
        *(
            ("B", "B1", "macro", 90.0),
            ("A", "A1", "macro", 0.0),
            ("A", "A2", "macro", 120.0),
            ("A", "A3", "macro", 240.0),
        )
    ]
    assert [(cell.x, cell.y) for cell in in_file] == [
        pytest.approx(place, abs=1e-5) for place in ((11.5, 48.2), *[(11.4, 48.1)] * 3)
    ]
    users = places.users[rules.split(",")[0]]
    assert list(users.name) == ["ann", "bob", "cleo"]
    if name != "handover":  # there they move
        assert np.allclose(users.xy, [[11.40, 48.11], [11.51, 48.20], [11.42, 48.12]], atol=1e-5)
    assert 73_000 < places.unit_m[0] < 75_000 and 111_000 < places.unit_m[1] < 111_400


def test_a_map_of_a_snapshot_shows_what_was_decided(tmp_path: Path) -> None:
    given, trial = trial_on(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        places = places_of(task_of("snapshot"), given, trial)
    assert places is not None
    for name, users in places.users.items():
        assert users.serving.tolist() == trial.details[name][0][0].allocation.serving.tolist()


def test_of_several_networks_at_once_the_first_is_shown() -> None:
    env = SnapshotEnv("interference-k:pairs=5", 3, seed=4)
    trial = rollout(env, {"wmmse": policy("wmmse")}, seed=4)
    trial.meta["title"] = "pairs"
    task = task_of("snapshot")
    places = places_of(task, task.options(scenario="interference-k:pairs=5"), trial)
    assert places is not None and len(places.cells) == 5
    whole = trial.details["wmmse"][0][0].allocation.serving
    assert len(whole) == 15 and places.users["wmmse"].serving.tolist() == whole[:5].tolist()


def test_arriving_users_are_those_in_service_and_nobody_names_them() -> None:
    task = task_of("arrivals")
    options = task.options(scenario="grows-3", layouts=2)
    (trial,), _ = compare(task, options, policies_of(task, "argmax,best_rate"))
    places = places_of(task, options, trial)
    assert places is not None and places.axes == METRES
    for users in places.users.values():
        assert set(users.name) == {""} and len(users.serving) < 28  # of the 28 places of each network
        assert np.isfinite(users.xy).all()


def test_conflict_graphs_have_no_map(tmp_path: Path) -> None:
    task = task_of("queues")
    options = task.options(scenario="conflict-8", layouts=1, slots=4, load="0.3")
    trials, reference = compare(task, options, policies_of(task, "llq"))
    assert places_of(task, options, trials[0]) is None
    paths = draw_figures(task, options, trials, reference, tmp_path)
    assert sorted(path.stem for path in paths) == ["delay_cdf", "delay_parts", "indicators"]
    for path in paths:
        assert int.from_bytes(path.read_bytes()[16:20]) == WIDTH * DPI, path


def test_sectors_look_where_they_should() -> None:
    east = MapCell("", "0", "", 10.0, 48.0, 90.0)
    corners = wedge(east, 700.0, (70_000.0, 111_000.0))
    assert corners[0].tolist() == [10.0, 48.0]
    assert corners[1:, 0].max() == pytest.approx(10.01) and (corners[1:, 0] > 10.008).all()
    assert corners[1:, 1].mean() == pytest.approx(48.0)


def test_cells_of_a_mast_and_of_neighbours_have_different_colours() -> None:
    places = masts(40)
    colours = cell_colours(places)
    assert set(colours) == set(CELL_COLOURS)
    for mast in range(39):
        assert len(set(colours[3 * mast : 3 * mast + 6])) == 6  # both masts' three sectors
    assert 5 < len(labels(places)) <= 40 and {name for name, _, _ in labels(places)} <= {f"M{k}" for k in range(40)}
    assert labels(masts(2)) == []  # six colours are enough


def test_users_who_change_their_cell_are_shown_and_no_others() -> None:
    places = masts(5)
    figure = change_map(places, "rule")
    assert figure is not None
    assert [panel.get_title() for panel in figure.axes] == ["other: 1 of 5 users"]
    alike = replace(places, users={name: places.users[name] for name in ("rule", "same")})
    assert change_map(alike, "rule") is None and change_map(alike, "nobody") is None
    assert [panel.get_title() for panel in serving_map(alike).axes] == ["all policies"]
    assert [panel.get_title() for panel in serving_map(places).axes] == ["rule", "same", "other"]
    others = replace(places.users["other"], xy=places.users["other"].xy + 1.0)
    assert change_map(replace(places, users={**places.users, "other": others}), "rule") is None  # not the same users


def test_maps_come_back_from_their_files_and_damaged_ones_do_not(tmp_path: Path) -> None:
    places = masts(3)
    assert write_places(tmp_path / "map.json", places)
    content = json.loads((tmp_path / "map.json").read_text())
    back = read_places(content)
    assert back is not None and back.cells == places.cells and list(back.order) == list(places.order)
    for name, users in places.users.items():
        assert back.users[name].serving.tolist() == users.serving.tolist()
        assert back.users[name].xy.tolist() == users.xy.tolist()
    damages: list[object] = [None, [], {}, {**content, "cells": []}, {**content, "users": {"rule": [["0", 0, 0, 99]]}}]
    damages += [{**content, "users": {"rule": [["0", float("inf"), 0, 0]]}}, {**content, "unit_m": [0, 1]}]
    damages += [{**content, "users": {"rule": [["0", 1e300, 0, 0]]}}, {**content, "cells": [{"site": "x"}]}]
    assert [read_places(damage) for damage in damages] == [None] * len(damages)


def test_the_map_of_a_page_is_escaped_and_below_its_limit() -> None:
    places = masts(4)
    evil = MapUsers(["</title><script>x</script>"], np.array([[0.0, 0.0]]), np.array([0]))
    shown = map_figure(replace(places, users={"<b>": evil, "rule": places.users["rule"]}))
    assert "<script" not in shown and "<b>" not in shown and "&lt;script&gt;" in shown
    assert shown.count("<polygon") == 12 and "<title>cell M0_1, macro, 120°</title>" in shown
    assert shown.count("data-policy") == 2 and "<title>user 3: M3_0</title>" in shown
    count = 5000
    crowd = MapUsers([""] * count, np.random.default_rng(0).uniform(0, 2000, (count, 2)), np.zeros(count, int))
    many = {f"policy {k}": crowd for k in range(9)}
    large = map_figure(replace(places, users=many))
    assert len(large) <= MOST_BYTES and "policy 0<" in large and "policy 8<" in large and "policy 4<" not in large


def test_many_users_leave_policies_out_and_too_many_have_no_file(tmp_path: Path) -> None:
    crowd = MapUsers([""] * 6000, np.ones((6000, 2)), np.zeros(6000, int))
    places = replace(masts(2), users=dict.fromkeys("abc", crowd))
    assert write_places(tmp_path / "map.json", places)
    assert list(json.loads((tmp_path / "map.json").read_text())["users"]) == ["a", "c"]
    crowd = MapUsers([""] * 16_000, np.ones((16_000, 2)), np.zeros(16_000, int))
    assert not write_places(tmp_path / "none.json", replace(places, users={"a": crowd}))
    assert not (tmp_path / "none.json").exists()
