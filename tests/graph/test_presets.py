"""The registry of presets: every name gives a scenario that samples contract graphs, and keeps through files and copies."""

import copy
import dataclasses
import math
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.channel import pathloss_db
from hetgraph.graph import (
    CHANNEL,
    CONFLICTS,
    MOUNTED_ON,
    NEIGHBOURS,
    PRESETS,
    Arrivals,
    Drawn,
    Rules,
    Scenario,
    Services,
    check,
    from_gain,
    preset,
    user_trajectories,
)
from hetgraph.graph.efficiency_places import EfficiencyPlaces
from hetgraph.graph.efficiency_users import places_of_scenario

# Sizes that keep the tests short; the presets' own are those of the papers.
SMALL = {"uma-5bs": "uma-5bs:users=60,num_rbs=4", "grows-city": "grows-city:stations=21"}
DIGESTS = {
    "uma-5bs": "15d6c4ed10b9c6f7",
    "hetnet-3tier": "2eb6098c728c26be",
    "interference-k": "d7acd21ee5c8c44b",
    "hex-19": "1ff3b3ba1bc6a1b6",
    "random-19": "bd29084650cfba20",
    "iot-noma": "506f237ef5a446ea",
    "iot-oma": "c75a466be1fd8bb8",
    "hex-19x3": "2c63ef9d3eee7ea9",
    "calibration-uma": "f4229063f2f34500",
    "calibration-umi": "9993962be586dfd9",
}


def name_of(key: str, folder: Path) -> str:
    if key == "lte-trace":
        return f"lte-trace:path={folder},generation=4G,cells=6,users=20"
    return SMALL.get(key, key)


def same(a: HeteroData, b: HeteroData) -> None:
    assert a.node_types == b.node_types and a.edge_types == b.edge_types
    for store in (*a.node_types, *a.edge_types):
        assert {*a[store]} == {*b[store]}, store
        for key, value in a[store].items():
            other = b[store][key]
            assert torch.equal(value, other) if isinstance(value, Tensor) else value == other, (store, key)
    for key, value in a._global_store.items():
        other = b._global_store[key]
        assert torch.equal(value, other) if isinstance(value, Tensor) else value == other, key


def rates(graph: HeteroData) -> Tensor:
    """Spectral efficiency of each edge without interference, by Shannon's formula in double precision ``[E]``."""
    bs, ue = graph[CHANNEL].edge_index
    signal = graph[CHANNEL].gain[:, 0].double() * graph["bs"].power_max_w.double()[bs]
    return torch.log2(1 + signal / graph["ue"].noise_w[ue, 0].double())


@pytest.mark.parametrize("key", sorted(PRESETS))
def test_every_preset(key: str, lte_traces: Path) -> None:
    scenario = preset(name_of(key, lte_traces))
    batch = scenario.sample(2, seed=3)
    check(batch)
    stations = batch["bs"].power_max_w.shape[0]
    assert batch.scenario == [scenario.name] * 2 and stations == 2 * scenario.num_stations
    assert torch.equal(batch[MOUNTED_ON].edge_index[1].unique(), torch.arange(stations)), "an antenna at least"
    same(scenario.sample(1, seed=3, first=1).get_example(0), batch.get_example(1))
    for other in (
        Scenario.from_yaml(scenario.to_yaml()),
        copy.deepcopy(scenario),
        pickle.loads(pickle.dumps(scenario)),
    ):
        assert other == scenario and other.hash == scenario.hash
    same(Scenario.from_yaml(scenario.to_yaml()).sample(2, seed=3), batch)
    same(pickle.loads(pickle.dumps(batch)), batch)


def test_digests_are_those_of_the_first_edition() -> None:
    assert {name: preset(name).hash for name in DIGESTS} == DIGESTS


def test_the_registry_names_what_it_knows() -> None:
    with pytest.raises(ValueError, match=r"preset: got 'conflict-9', expected one of uma-5bs, .*conflict-8, grows-3"):
        preset("conflict-9")
    with pytest.raises(ValueError, match="preset lte-trace: got no path, expected lte-trace:path=FOLDER"):
        preset("lte-trace")


def test_conflict_8_is_figure_2() -> None:
    scenario = preset("conflict-8")
    graph = scenario.sample(1).get_example(0)
    pairs = {tuple(pair) for pair in graph[CONFLICTS].edge_index.T.tolist()}
    assert len(pairs) == 24 and all((i ^ 1, i) in pairs for i in range(8)), "both devices of an agent conflict"
    assert [float(x) for x in graph[CHANNEL].gain.sum((0, 1)).reshape(1)] == [24.0]
    assert graph[CHANNEL].may_serve.reshape(8, 4).int().argmax(1).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert (graph.slot_s, graph.rb_bandwidth_hz.unique()) == (1.0, 1.0)


def test_ones_own_conflict_graph_as_yaml() -> None:
    text = preset("conflict-8").to_yaml()
    scenario = Scenario.from_yaml(text)
    users = dataclasses.replace(scenario.users, conflicts=((0, 7), (7, 0)))
    graph = dataclasses.replace(scenario, users=users).sample(2)
    check(graph)
    assert graph[CONFLICTS].edge_index.T.tolist() == [[0, 7], [7, 0], [8, 15], [15, 8]]
    assert graph[NEIGHBOURS].edge_index.T.tolist() == [[0, 3], [3, 0], [4, 7], [7, 4]]


@pytest.mark.parametrize(
    ("name", "levels", "bonus"),
    [
        ("grows-3", (0.86, 1.6, 2.34), 0.03),
        ("grows-3:stations=19", (0.86, 1.6, 2.34), 0.03),
        ("grows-tiny", (0.5, 2.0), 0.0),
    ],
)
def test_rates_of_grows_follow_from_the_gains(name: str, levels: tuple[float, ...], bonus: float) -> None:
    scenario = preset(name)
    graph = scenario.sample(3, seed=1)
    found = rates(graph)
    printed = torch.tensor([*levels, *(level + bonus for level in levels)], dtype=torch.float64)
    off = (found.unsqueeze(1) / printed - 1).abs()
    assert float(off.amin(1).max()) < 1e-6
    assert {*off.argmin(1).tolist()} == {*range(len(levels) * (2 if bonus else 1))}, "each of them occurs"
    first = graph[CHANNEL].edge_index[0] % scenario.num_stations == 0
    assert bool(((off.argmin(1) >= len(levels)) == (first & (bonus > 0))).all()), "the first station is heard better"
    assert float(graph["ue"].get("far_interference_w", torch.zeros(1)).abs().max()) == 0


def test_gains_of_grows_are_those_of_the_places_behind_one_wall() -> None:
    graph = preset("grows-3:stations=19").sample(1, seed=4)
    bs, ue = graph[CHANNEL].edge_index
    apart = (graph["bs"].pos[bs, :2] - graph["ue"].pos[ue, :2]).norm(dim=1)
    path = pathloss_db("lte", apart, carrier_hz=2e9, los=False, bs_height_m=30.0, ue_height_m=1.5)
    wall = graph["ue"].penetration_loss_db[ue, 0]
    torch.testing.assert_close(-10 * graph[CHANNEL].gain[:, 0].log10(), path + wall, rtol=0, atol=2e-3)
    torch.testing.assert_close(graph[CHANNEL].pathloss_db, path + wall, rtol=0, atol=2e-3)
    nearest = torch.cdist(graph["ue"].pos[:, :2], graph["bs"].pos[:, :2]).topk(3, largest=False).indices
    assert torch.equal(nearest.sort(1).values, bs.reshape(-1, 3))


def test_places_are_as_likely_as_their_efficiencies_and_triangles() -> None:
    scenario = preset("grows-3:stations=7")
    many = dataclasses.replace(scenario, users=dataclasses.replace(scenario.users, count=6000)).sample(1, seed=2)
    heard = torch.bincount(many[CHANNEL].edge_index[0], minlength=7) / 6000
    groups = places_of_scenario(scenario).groups
    assert len(groups) == 6
    expected = torch.bincount(groups.flatten(), minlength=7) / 6
    torch.testing.assert_close(heard, expected, rtol=0, atol=4 * math.sqrt(0.25 / 6000))
    level = (rates(many).unsqueeze(1) - torch.tensor([0.86, 1.6, 2.34])).abs().argmin(1)
    share = torch.bincount(level, minlength=3) / level.numel()
    torch.testing.assert_close(share, torch.full((3,), 1 / 3), rtol=0, atol=4 * math.sqrt(0.25 / 18000))


def test_a_grid_without_the_places_is_refused() -> None:
    base = preset("grows-3")

    def users(**changes: Any) -> Scenario:
        return dataclasses.replace(base, users=dataclasses.replace(base.users, **changes))

    with pytest.raises(ValueError, match=r"rates: got .* bit/s/Hz toward neighbouring stations 500 m apart"):
        users(efficiencies=(0.01, 20.0))
    with pytest.raises(ValueError, match=r"users.hears: got 4, expected 1 to 3"):
        users(hears=4)
    with pytest.raises(ValueError, match=r"users.efficiencies: got \(\), expected at least one"):
        users(efficiencies=())
    with pytest.raises(ValueError, match="expected 'lte', omni, no shadowing, 2 GHz"):
        dataclasses.replace(base, channel=dataclasses.replace(base.channel, carrier_hz=3e9))
    with pytest.raises(ValueError, match="expected 1 to 3, whose gains fix a user's place"):
        EfficiencyPlaces(4, 4, (1.0,), 0.0, 500.0, 40.0, 1e-13)


def test_what_environments_need_beyond_the_graph_is_in_traffic_and_rules() -> None:
    scenario = preset("grows-3")
    assert isinstance(scenario.traffic, Arrivals) and scenario.traffic.spread == (0.34, 1.0, 1.66)
    assert scenario.rules.blocks == 9 and scenario.users.count == 3 * 9 + 1
    assert isinstance(preset("iot-noma:load=2").traffic, Services)
    assert preset("hetnet-3tier").traffic is None and preset("hetnet-3tier").rules == Rules()
    assert preset("hetnet-3tier").source == Drawn()


def test_a_tier_can_be_left_out_and_users_can_move() -> None:
    fewer = preset("hetnet-3tier:pico=0,speed_mps=10")
    assert [tier.name for tier in fewer.tiers] == ["macro", "micro"] and fewer.users.cluster_tier == "micro"
    assert torch.allclose(fewer.sample(1)["ue"].velocity.norm(dim=1), torch.tensor(10.0))


def test_users_of_handover_full_walk_as_roam_has_them() -> None:
    scenario = preset("handover-full:cells=25,users=12")
    found = scenario.trajectories(2, slots=6, seed=5, first=1)
    assert found is not None and (found.networks, found.steps, found.users, found.cells) == (2, 6, 12, 25)
    assert scenario.mobility.waypoints is not None
    expected = user_trajectories(
        scenario, 2, steps=6, slot_s=0.5, mobility=scenario.mobility.waypoints, seed=5, first=1
    )
    assert torch.equal(found.gain, expected.gain) and found.slot_s == 0.5
    assert preset("hetnet-3tier").trajectories(1, slots=3) is None, "users stand"
    with pytest.raises(ValueError, match=r"mobility.waypoints: got none for a share of 0\.6 of the users"):
        preset("iot-noma").trajectories(1, slots=3)


def test_old_files_load() -> None:
    new = preset("iot-noma:load=1.5")
    old = new.to_dict()
    services = old.pop("traffic")
    old |= {"services": {name: value for name, value in services.items() if name != "kind"}}
    for name in ("source", "rules"):
        del old[name]
    del old["mobility"]["waypoints"]
    for tier in old["tiers"]:
        del tier["row"]
    assert Scenario.from_dict(old) == new
    defaults = Scenario.from_dict({"name": "a", "services": dataclasses.asdict(Services()) | {}})
    assert defaults == Scenario(name="a"), "defaults of the first edition say nothing of traffic"


def test_bare_gains_have_an_antenna_for_each_station() -> None:
    graph = from_gain(torch.ones(2, 3, 1), noise_w=1.0, power_max_w=1.0)
    assert graph[MOUNTED_ON].edge_index.tolist() == [[0, 1], [0, 1]]
