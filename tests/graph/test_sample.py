"""The sampler: equal to PyG's own batching, keyed streams, presets, scenarios through YAML."""

import dataclasses

import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import (
    CHANNEL,
    PRESETS,
    Scenario,
    Tier,
    check,
    interference_k,
    links_of,
    preset,
)
from hetgraph.graph.collate import Stack
from hetgraph.graph.hexagons import hex_rings


def small(name: str) -> Scenario:
    if name == "sparse":
        base = preset("hetnet-3tier").scaled(users=0.05)
        return dataclasses.replace(base, radio=dataclasses.replace(base.radio, candidates=4))
    if name == "interference-k":
        return preset("interference-k:pairs=6")
    return preset(name).scaled(users=0.02)


def assert_same(a: HeteroData, b: HeteroData) -> None:
    assert a.node_types == b.node_types
    assert set(a.edge_types) == set(b.edge_types)
    for store in [None, *a.node_types, *a.edge_types]:
        first = a._global_store if store is None else a[store]
        second = b._global_store if store is None else b[store]
        assert set(first.keys()) == set(second.keys()), store
        for key, value in first.items():
            if isinstance(value, Tensor):
                assert value.dtype == second[key].dtype, (store, key)
                assert torch.equal(value, second[key]), (store, key)
            else:
                assert value == second[key], (store, key)


@pytest.mark.parametrize("name", ["hetnet-3tier", "uma-5bs", "interference-k", "sparse"])
def test_sample_equals_from_data_list_of_the_singles_and_back(name: str) -> None:
    batch = small(name).sample(3, seed=5)
    check(batch)
    singles = batch.to_data_list()
    collated = Batch.from_data_list(singles)
    assert_same(batch, collated)
    for table in ("_slice_dict", "_inc_dict"):
        first, second = getattr(batch, table), getattr(collated, table)
        assert set(first) == set(second)
        for key, value in first.items():
            if isinstance(value, dict):
                assert set(value) == set(second[key]), (table, key)
                for name_, inner in value.items():
                    assert torch.equal(torch.as_tensor(inner), torch.as_tensor(second[key][name_])), (table, key, name_)
    for graph, again in zip(singles, collated.to_data_list(), strict=True):
        check(graph)
        assert_same(graph, again)
    assert_same(Stack.from_batch(batch).to_batch(), collated)


@pytest.mark.parametrize("name", ["hetnet-3tier", "uma-5bs", "interference-k", "sparse"])
def test_network_i_is_the_same_alone_and_among_64(name: str) -> None:
    scenario = small(name)
    many = scenario.sample(64, seed=9)
    for i in (0, 17, 63):
        assert_same(scenario.sample(1, seed=9, first=i)[0], many[i])
    assert not torch.equal(many[0][CHANNEL].gain, many[1][CHANNEL].gain)
    assert not torch.equal(many[0][CHANNEL].gain, scenario.sample(1, seed=10)[0][CHANNEL].gain)


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    small("hetnet-3tier").sample(2, seed=1)
    assert torch.equal(before, torch.get_rng_state())


def test_uma_5bs_is_table_1() -> None:
    scenario = preset("uma-5bs")
    graph = scenario.sample(1, seed=0)[0]
    bs, ue = graph["bs"], graph["ue"]
    assert bs.pos.shape == (5, 3) and ue.pos.shape == (5400, 3)
    assert graph[CHANNEL].gain.shape == (27000, 51)
    assert graph["antenna"].offset.shape == (40, 3)
    assert graph.carrier_hz.item() == 3.5e9
    torch.testing.assert_close(graph.rb_bandwidth_hz.sum(), torch.tensor(20e6))
    torch.testing.assert_close(bs.power_max_w, torch.full((5,), 10**1.6))
    torch.testing.assert_close(bs.pos[:, 2], torch.full((5,), 25.0))
    torch.testing.assert_close(ue.pos[:, 2], torch.full((5400,), 1.5))
    noise_dbm = 10 * ue.noise_w.double().log10() + 30
    torch.testing.assert_close(
        noise_dbm, torch.full_like(noise_dbm, -174 + 9 + 10 * torch.tensor(20e6 / 51).log10().item())
    )
    assert len(cKDTree(ue.pos[:, :2].numpy()).query_pairs(1.2)) == 0
    shadow = graph[CHANNEL].shadow_db
    assert 4.5 < float(shadow.std()) < 7.5
    square = bs.pos[:4, :2]
    side = torch.cdist(square, square).unique()
    assert len(side[side > 1].round(decimals=2).unique()) == 2, "four stations form a square"
    torch.testing.assert_close(bs.pos[4, :2], (bs.pos[0, :2] + bs.pos[2, :2]) / 2)


def test_hetnet_3tier_sizes_powers_and_clusters() -> None:
    graph = preset("hetnet-3tier").sample(1, seed=0)[0]
    assert torch.bincount(graph["bs"].tier).tolist() == [3, 6, 12]
    power_dbm = 10 * graph["bs"].power_max_w.log10() + 30
    torch.testing.assert_close(power_dbm, torch.tensor([46.0] * 3 + [38.0] * 6 + [30.0] * 12))
    pico = torch.cdist(graph["ue"].pos[:300, :2], graph["bs"].pos[9:, :2]).amin(1)
    assert float(pico.max()) <= 80.001
    assert graph[CHANNEL].gain.shape == (600 * 21, 12)


def test_interference_k_serves_own_pairs_at_constant_density() -> None:
    for pairs in (10, 40):
        scenario = interference_k(pairs)
        assert scenario.layout.width_m**2 / pairs == pytest.approx(250**2 / 20)
        graph = scenario.sample(1, seed=0)[0]
        assert graph[CHANNEL].may_serve.sum() == pairs
        assert graph["ue"].serving_slot.tolist() == list(range(pairs))
        own = (graph["ue"].pos[:, :2] - graph["bs"].pos[:, :2]).norm(dim=1)
        assert float(own.min()) >= 10 and float(own.max()) <= 50.001


def test_far_stations_are_not_forgotten() -> None:
    scenario = small("sparse")
    whole = dataclasses.replace(scenario, radio=dataclasses.replace(scenario.radio, candidates=0)).sample(1, seed=3)[0]
    sparse = scenario.sample(1, seed=3)[0]
    per_block = whole["bs"].power_max_w[whole[CHANNEL].edge_index[0]] / 12
    total = torch.zeros(30, 12).index_add(0, whole[CHANNEL].edge_index[1], whole[CHANNEL].gain * per_block[:, None])
    stations, users = sparse[CHANNEL].edge_index
    heard = sparse[CHANNEL].gain * (sparse["bs"].power_max_w / 12)[stations].unsqueeze(1)
    near = torch.zeros(30, 12).index_add(0, users, heard)
    torch.testing.assert_close(near + sparse["ue"].far_interference_w, total, rtol=1e-4, atol=0)
    assert links_of(sparse).degree == 4


def test_shadowing_and_los_stay_put_when_users_move_a_metre() -> None:
    base = preset("hetnet-3tier").scaled(users=0.1)
    points = [(100.0 + 13 * i, 200.0 + 9 * i) for i in range(60)]

    def moved(step: float) -> HeteroData:
        users = dataclasses.replace(base.users, placement="fixed", positions=tuple((x + step, y) for x, y in points))
        return dataclasses.replace(base, users=users).sample(1, seed=2)[0]

    here, near, far = moved(0.0), moved(1.0), moved(300.0)
    step = (here[CHANNEL].shadow_db - near[CHANNEL].shadow_db).abs().median()
    assert float(step) < 2 < float((here[CHANNEL].shadow_db - far[CHANNEL].shadow_db).abs().median())
    assert float((here[CHANNEL].los != near[CHANNEL].los).float().mean()) < 0.05


@pytest.mark.parametrize("name", sorted({*PRESETS} - {"lte-trace"}))
def test_yaml_round_trip_and_hash(name: str, tmp_path: object) -> None:
    scenario = preset(name)
    text = scenario.to_yaml()
    again = Scenario.from_yaml(text)
    assert again == scenario and again.hash == scenario.hash
    assert dataclasses.replace(scenario, name="other").hash != scenario.hash


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\ncolour: red\n", "scenario.colour: got an unknown field"),
        ("name: a\nusers: {count: many}\n", "scenario.users.count: got 'many', expected int"),
        ("name: a\nusers: {count: 0}\n", "users.count: got 0, expected a positive number"),
        ("name: a\ntiers: []\n", "tiers: got 0, expected at least one tier"),
        ("name: a\ntiers: [{pathloss: mars}]\n", "tiers\\[0\\].pathloss: got 'mars', expected one of uma"),
        ("name: a\nchannel: {fading: heavy}\n", "scenario.channel.fading: got 'heavy', expected 'none' or"),
        ("- 1\n- 2\n", "scenario: got list, expected a mapping"),
        ("name: !!python/object/apply:os.system [echo]\n", "got text that is no safe YAML"),
    ],
)
def test_wrong_yaml_gets_one_sentence(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scenario.from_yaml(text)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mars", "preset: got 'mars', expected one of uma-5bs"),
        ("interference-k:size=3", "got argument 'size', expected one of pairs, noise_dbm, model"),
        ("interference-k:pairs=few", "got pairs=few, expected a value of type int"),
    ],
)
def test_unknown_presets(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        preset(name)


def test_hexagonal_rings() -> None:
    sites = hex_rings(19, 500.0)
    distance = torch.cdist(sites, sites) + torch.eye(19) * 1e9
    torch.testing.assert_close(distance.amin(1), torch.full((19,), 500.0))
    assert len({tuple(row) for row in sites.round().tolist()}) == 19
    assert Tier(placement="hex", count=7, spacing_m=200.0).count == 7
