"""Sizes of a training's networks in a checkpoint's header, and networks that are unlike them."""

import dataclasses

import pytest

from hetgraph.datasets import SnapshotDataModule
from hetgraph.graph import preset
from hetgraph.models.weights import Header
from hetgraph.trainers.common.best import _scenario
from hetgraph.trainers.common.training_range import NEAR, beyond, range_of, sizes_of


def header(**sizes: list[float]) -> Header:
    return Header("hetgnn", "snapshot", {}, 1, scenario={"name": "mine", "range": sizes})


def test_sizes_are_those_of_the_first_network() -> None:
    scenario = preset("hetnet-3tier")
    graph = scenario.sample(1, seed=0)
    x, y = ([float(place[axis]) for store in ("bs", "ue") for place in graph[store].pos] for axis in (0, 1))
    area_km2 = 1e-6 * (max(x) - min(x)) * (max(y) - min(y))
    sizes = sizes_of(scenario)
    assert (sizes["stations"], sizes["users"]) == (scenario.num_stations, scenario.users.count)
    assert sizes["stations per km2"] == pytest.approx(scenario.num_stations / area_km2, rel=1e-6)
    assert "stations per km2" not in sizes_of(preset("conflict-8"))  # without geometry


def test_the_range_goes_from_the_smallest_to_the_largest_scenario() -> None:
    small, large = preset("uma-5bs"), preset("hetnet-3tier")
    both = range_of([small, large])
    for name, (low, high) in both.items():
        assert [low, high] == sorted([sizes_of(small)[name], sizes_of(large)[name]])
    data = SnapshotDataModule(["uma-5bs", "hetnet-3tier"], teacher=None)
    kept = _scenario(data)
    assert kept == {"name": "uma-5bs+hetnet-3tier", "hash": f"{small.hash}+{large.hash}", "range": both}
    data.scenarios = [large]  # as finetune puts a network of one's own there
    assert _scenario(data) == {"name": large.name, "hash": large.hash, "range": range_of([large])}
    assert _scenario(None) == {}


def test_a_network_is_far_when_it_is_beyond_the_range_by_more_than_a_factor() -> None:
    scenario = preset("hetnet-3tier")
    n, u = scenario.num_stations, scenario.users.count
    assert beyond(header(stations=[n, n], users=[u / NEAR, u]), scenario) is None
    assert beyond(header(), scenario) is None  # nobody knows
    far = beyond(header(stations=[2 * n, 3 * n], users=[u, u]), scenario)
    assert far == f"{n} stations (training: {2 * n} to {3 * n})"
    crowd = dataclasses.replace(scenario, users=dataclasses.replace(scenario.users, count=2 * u))
    assert beyond(header(stations=[n, n], users=[u, u]), crowd) == f"{2 * u} users (training: {u})"
