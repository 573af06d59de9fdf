"""The sampler: a batch drawn at once equals ``Batch.from_data_list`` of the singles, and network i is the same everywhere."""

import dataclasses
import hashlib
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, Scenario, Tier, Users, check, preset
from hetgraph.graph.collate import Stack
from hetgraph.graph.streams import Streams, stream


def small(candidates: int = 0, **channel: Any) -> Scenario:
    """Odd sizes: what a vectorised kernel does with the rest of its lanes must not show."""
    base = preset("hetnet-3tier").scaled(users=25 / 600, stations=1 / 3)
    radio = dataclasses.replace(base.radio, num_rbs=3, candidates=candidates)
    return dataclasses.replace(base, radio=radio, channel=dataclasses.replace(base.channel, **channel))


def sectors() -> Scenario:
    """Three sectors on one mast beside an omnidirectional station."""
    place, azimuth = ((300.0, 400.0),) * 3, (0.0, 120.0, 240.0)
    mast = Tier("sector", 3, placement="fixed", positions=place, azimuth_deg=azimuth, pattern="38.901", tilt_deg=8.0)
    base = small()
    return dataclasses.replace(base, tiers=(mast, dataclasses.replace(base.tiers[-1], count=1)))


SCENARIOS = {
    "dense": small(),
    "sparse": small(candidates=3),
    "independent-rician": small(shadowing="independent", fading="rician"),
    "bare": small(shadowing="none", fading="none", los="never", shadow_sigma_db=None),
    "pairs": preset("interference-k:pairs=7"),
    "unit": preset("interference-k:pairs=7,model=unit"),
    "sectors": sectors(),
    "fixed": preset("uma-5bs:users=31,num_rbs=3"),
    "one-station": Scenario(tiers=(Tier(pathloss="lte"),), users=Users(count=1)),
}


def same(a: Any, b: Any, where: str) -> None:
    """Bit equality of nested mappings, tensors and plain values."""
    assert type(a) is type(b), where
    if isinstance(a, Tensor):
        assert a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b), where
    elif isinstance(a, dict):
        assert set(a) == set(b), f"{where}: {set(a) ^ set(b)}"
        for key in a:
            same(a[key], b[key], f"{where}/{key}")
    else:
        assert a == b, where


def same_graph(a: HeteroData, b: HeteroData) -> None:
    assert a.node_types == b.node_types and a.edge_types == b.edge_types
    same(dict(a._global_store), dict(b._global_store), "graph")
    for store in [*a.node_types, *a.edge_types]:
        same(dict(a[store]), dict(b[store]), str(store))


@pytest.mark.parametrize("name", SCENARIOS)
def test_batch_equals_from_data_list_of_the_singles(name: str) -> None:
    scenario = SCENARIOS[name]
    batch = scenario.sample(3, seed=5)
    singles = [scenario.sample(1, seed=5, first=i).to_data_list()[0] for i in range(3)]
    expected = Batch.from_data_list(singles)
    same_graph(batch, expected)
    assert batch.num_graphs == expected.num_graphs == 3
    same(batch._slice_dict, expected._slice_dict, "_slice_dict")
    same(batch._inc_dict, expected._inc_dict, "_inc_dict")
    check(batch)


@pytest.mark.parametrize("name", SCENARIOS)
def test_to_data_list_gives_the_singles_back(name: str) -> None:
    scenario = SCENARIOS[name]
    for i, graph in enumerate(scenario.sample(3, seed=5).to_data_list()):
        check(graph)
        same_graph(graph, scenario.sample(1, seed=5, first=i).to_data_list()[0])
        same_graph(graph, scenario.sample(3, seed=5).get_example(i))


@pytest.mark.parametrize("name", ["dense", "sparse", "independent-rician", "sectors", "unit"])
def test_network_is_the_same_alone_and_among_64(name: str) -> None:
    scenario = SCENARIOS[name]
    many = scenario.sample(64, seed=9)
    for i in (0, 1, 31, 63):
        same_graph(many.get_example(i), scenario.sample(1, seed=9, first=i).get_example(0))
    same_graph(many.get_example(40), scenario.sample(8, seed=9, first=36).get_example(4))


def test_networks_and_seeds_differ() -> None:
    scenario = small()
    gain = [scenario.sample(1, seed=s, first=i)[CHANNEL].gain for s, i in ((0, 0), (0, 1), (1, 0))]
    assert not torch.equal(gain[0], gain[1]) and not torch.equal(gain[0], gain[2])


def test_sampling_leaves_the_global_generator_alone_and_ignores_it() -> None:
    before = torch.random.get_rng_state()
    first = small().sample(2, seed=1)
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.random.fork_rng():
        torch.random.manual_seed(77)
        same_graph(first, small().sample(2, seed=1))


def test_streams_depend_on_seed_network_and_purpose_only() -> None:
    many, alone = Streams(3, range(10)), Streams(3, range(7, 8))
    assert torch.equal(many.normal("a", 5)[7:8], alone.normal("a", 5))
    assert not torch.equal(many.uniform("a", 5), many.uniform("b", 5))
    digest = hashlib.blake2b(b"3/7/a", digest_size=8).digest()
    assert stream(3, 7, "a").initial_seed() == int.from_bytes(digest, "little") >> 1


def test_sparse_candidates_are_the_strongest_and_the_rest_is_far_interference() -> None:
    """Per resource block all received power is kept: near edges plus far interference equal the dense sum."""
    dense, sparse = small().sample(4, seed=2), small(candidates=3).sample(4, seed=2)
    users, stations = dense["ue"].num_nodes, dense["bs"].num_nodes // 4
    rsrp = dense[CHANNEL].rsrp_dbm.reshape(users, stations)
    kept = sparse[CHANNEL].edge_index[0].reshape(users, 3) - stations * dense["ue"].batch.unsqueeze(1)
    assert torch.equal(kept, rsrp.topk(3).indices.sort(1).values)
    blocks = dense[CHANNEL].gain.shape[1]
    power = dense["bs"].power_max_w / blocks

    def heard(graph: HeteroData) -> Tensor:
        bs, ue = graph[CHANNEL].edge_index
        received = graph[CHANNEL].gain.double() * power[bs].double().unsqueeze(1)
        return torch.zeros(users, blocks, dtype=torch.float64).index_add(0, ue, received)

    assert "far_interference_w" not in dense["ue"]
    torch.testing.assert_close(
        heard(sparse) + sparse["ue"].far_interference_w.double(), heard(dense), rtol=1e-5, atol=0
    )


def test_relations_between_nodes() -> None:
    scenario = small()
    graph = scenario.sample(1).get_example(0)
    stations = scenario.num_stations
    assert graph[MOUNTED_ON].edge_index[1].bincount().tolist() == [4] * stations
    source, target = graph[NEIGHBOURS].edge_index
    assert target.bincount().tolist() == [min(6, stations - 1)] * stations
    assert bool((source != target).all())
    assert graph[CONFLICTS].edge_index.shape == (2, 0)


def test_rsrp_is_power_minus_losses_and_gain_its_linear_value() -> None:
    graph = small(fading="none").sample(2, seed=3)
    edge, bs = graph[CHANNEL], graph[CHANNEL].edge_index[0]
    large_db = edge.antenna_gain_db - edge.pathloss_db - edge.shadow_db
    power_dbm = 10 * graph["bs"].power_max_w[bs].log10() + 30
    torch.testing.assert_close(edge.rsrp_dbm, power_dbm + large_db, rtol=0, atol=1e-3)
    torch.testing.assert_close(10 * edge.gain.log10(), large_db.unsqueeze(1).expand_as(edge.gain), rtol=0, atol=1e-3)
    offset = graph["bs"].pos[bs] - graph["ue"].pos[edge.edge_index[1]]
    torch.testing.assert_close(edge.distance_m, offset.norm(dim=1), rtol=1e-4, atol=1e-2)


def test_stack_takes_batches_apart_and_puts_them_together() -> None:
    scenario = small(candidates=3)
    batch = scenario.sample(5, seed=4)
    stack = Stack.from_batch(batch)
    same_graph(stack.to_batch(), batch)
    chosen = stack.select(torch.tensor([3, 1])).to_batch()
    same_graph(chosen, Batch.from_data_list([batch.get_example(3), batch.get_example(1)]))
    parts = [Stack.from_batch(scenario.sample(2, seed=4)), Stack.from_batch(scenario.sample(3, seed=4, first=2))]
    joined = Stack.concatenate(parts).to_batch()
    same_graph(joined, batch)
    same(joined._slice_dict, batch._slice_dict, "_slice_dict")


@pytest.mark.parametrize(("n", "first"), [(0, 0), (-1, 0), (1, -1)])
def test_sample_refuses_no_networks(n: int, first: int) -> None:
    with pytest.raises(ValueError, match=f"got n={n}, first={first}, expected n of 1 or more"):
        small().sample(n, first=first)
