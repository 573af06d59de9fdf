"""networkx and npz: round trips lose nothing, graphs of one's own are taken in, broken ones are refused."""

import dataclasses
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import (
    CHANNEL,
    CONFLICTS,
    NEIGHBOURS,
    check,
    from_gain,
    from_networkx,
    from_npz,
    preset,
    to_networkx,
)


def sampled() -> HeteroData:
    base = preset("hetnet-3tier").scaled(users=0.02, stations=1 / 3)
    scenario = dataclasses.replace(base, radio=dataclasses.replace(base.radio, candidates=3))
    return scenario.sample(1, seed=1).get_example(0)


def bare() -> HeteroData:
    return from_gain(torch.ones(2, 3, 2, dtype=torch.float64), noise_w=1.0, power_max_w=2.0)


def extended() -> HeteroData:
    """Attributes beyond the sampler's: complex channels, conflicts, a label of the graph and one that has no rows."""
    graph = bare()
    graph[CHANNEL].h = torch.randn(6, 4, 2, dtype=torch.complex64, generator=torch.Generator().manual_seed(0))
    graph[CONFLICTS].edge_index = torch.tensor([[0, 2, 0], [1, 1, 1]])
    graph["ue"].note = "a word"
    graph["bs"].scale = torch.tensor(3.0)
    graph.label = torch.tensor([7])
    return graph


def assert_equal(a: HeteroData, b: HeteroData) -> None:
    assert a.node_types == b.node_types and a.edge_types == b.edge_types
    for store in [None, *a.node_types, *a.edge_types]:
        mine, other = (d._global_store if store is None else d[store] for d in (a, b))
        assert set(mine.keys()) == set(other.keys()), store
        for name, value in mine.items():
            if isinstance(value, Tensor):
                assert value.dtype == other[name].dtype and torch.equal(value, other[name]), (store, name)
            else:
                assert value == other[name], (store, name)


@pytest.mark.parametrize("make", [sampled, bare, extended])
def test_round_trip_loses_nothing(make: Any) -> None:
    assert_equal(make(), from_networkx(to_networkx(make())))


def test_the_networkx_graph_reads_as_one_would_think() -> None:
    data = sampled()
    graph = to_networkx(data)
    kinds = [kind for _, kind in graph.nodes(data="type")]
    assert {kind: kinds.count(kind) for kind in kinds} == {"bs": 7, "ue": 12, "antenna": 28}
    assert graph.out_degree(("antenna", 0)) == 1
    bs, ue = data[CHANNEL].edge_index[:, 5].tolist()
    edge = graph.edges[("bs", bs), ("ue", ue), ("channel", 5)]
    np.testing.assert_array_equal(edge["gain"], data[CHANNEL].gain[5].numpy())
    assert float(graph.nodes["bs", 2]["power_max_w"]) == float(data["bs"].power_max_w[2])
    assert graph.graph["scenario"] == "hetnet-3tier"
    graph.nodes["ue", 0]["noise_w"][:] = 9
    assert float(data["ue"].noise_w.max()) < 1, "no memory is shared"


def test_a_batch_is_refused() -> None:
    with pytest.raises(ValueError, match="got a batch, expected a single graph"):
        to_networkx(preset("interference-k:pairs=3").sample(2))


def test_a_spoiled_networkx_graph_is_refused() -> None:
    graph = to_networkx(sampled())
    graph.remove_node(("bs", 1))
    with pytest.raises(ValueError, match=r"got none of \('bs', 1\), expected all nodes, edges and attributes"):
        from_networkx(graph)
    graph = to_networkx(sampled())
    del graph.nodes["ue", 3]["noise_w"]
    with pytest.raises(ValueError, match="got none of 'noise_w'"):
        from_networkx(graph)
    graph = to_networkx(sampled())
    graph.nodes["ue", 3]["noise_w"][0] = np.nan
    with pytest.raises(ValueError, match=r"ue\.noise_w: got NaN values"):
        from_networkx(graph)


def own(kind: type = nx.DiGraph) -> Any:
    """Two stations, three users, as a newcomer would write them down."""
    graph = kind(noise_w=0.5, rb_bandwidth_hz=180e3, name="mine")
    graph.add_node("north", type="bs", power_max_w=2.0, pos=(0, 0, 25))
    graph.add_node("anna", type="ue", pos=(10, 0, 1.5))
    graph.add_node("south", type="bs", power_max_w=1, pos=(100, 0, 25))
    graph.add_nodes_from(["bert", "carl"], type="ue", pos=(50, 0, 1.5))
    graph.add_edge("north", "carl", gain=[0.3, 0.1])
    graph.add_edge("south", "carl", gain=0.7)
    graph.add_edge("south", "anna", gain=np.array([1.0, 2.0]))
    graph.add_edge("north", "bert", gain=(3, 4))
    graph.add_edge("north", "anna", gain=5.0)
    graph.add_edge("north", "south")
    return graph


@pytest.mark.parametrize("kind", [nx.DiGraph, nx.MultiDiGraph, nx.Graph])
def test_a_graph_of_ones_own(kind: type) -> None:
    data = from_networkx(own(kind), dtype=torch.float64)
    check(data)
    assert data[CHANNEL].edge_index.tolist() == [[0, 1, 0, 0, 1], [0, 0, 1, 2, 2]]
    assert data[CHANNEL].slot.tolist() == [0, 1, 0, 0, 1]
    assert data[CHANNEL].gain.tolist() == [[5, 5], [1, 2], [3, 4], [0.3, 0.1], [0.7, 0.7]]
    assert data["bs"].power_max_w.tolist() == [2, 1] and data["bs"].rb_power_max_w.tolist() == [[2, 2], [1, 1]]
    assert data["ue"].noise_w.tolist() == [[0.5, 0.5]] * 3 and data["ue"].pos[0].tolist() == [10, 0, 1.5]
    assert data.rb_bandwidth_hz.tolist() == [[180e3, 180e3]] and data.scenario == "mine"
    both = [[1, 0], [0, 1]] if kind is nx.Graph else [[0], [1]]
    assert data[NEIGHBOURS].edge_index.tolist() == both
    assert from_networkx(own(kind))[CHANNEL].gain.dtype == torch.float32
    assert_equal(data, from_networkx(to_networkx(data)))


def change(**values: Any) -> Any:
    graph = own()
    graph.nodes["anna"].update(values)
    return graph


def no_power() -> Any:
    graph = own()
    del graph.nodes["south"]["power_max_w"]
    return graph


def extra_edge(a: str, b: str, **values: Any) -> Any:
    graph = own()
    graph.add_edge(a, b, **values)
    return graph


@pytest.mark.parametrize(
    ("graph", "sentence"),
    [
        (change(type="phone"), "node 'anna': type: got 'phone', expected bs, ue, antenna"),
        (no_power(), "node 'south': power_max_w: got nothing, expected a value"),
        (change(noise_w="low"), "node 'anna': noise_w: got 'low', expected numbers"),
        (change(noise_w=[1.0, 2.0, 3.0]), "node 'anna': noise_w: got 3 numbers, expected 1 or 2, as elsewhere"),
        (change(pos=(1, 2)), r"ue\.pos: got the shapes \[\(2,\), \(3,\)\], expected one shape for all"),
        (change(noise_w=-1), r"ue\.noise_w: got -1, expected no negative values"),
        (extra_edge("anna", "north"), "edge 'anna' -> 'north': got one from ue to bs, expected bs to ue"),
        (extra_edge("south", "bert"), "edge 'south' -> 'bert': gain: got nothing, expected a value"),
        (extra_edge("south", "bert", gain=[1.0, 2.0, 3.0]), "expected 1 or 3, as elsewhere"),
        (nx.DiGraph(), "bs.power_max_w: got nothing"),
    ],
)
def test_graphs_of_ones_own_that_are_refused(graph: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        from_networkx(graph)


def test_npz_gives_from_gain(tmp_path: Path) -> None:
    gain = np.random.default_rng(0).random((2, 3, 4))
    for dtype in (np.float64, np.float32, np.int64):
        values = {
            "gain": (gain * 10).astype(dtype),
            "noise_w": 0.1,
            "power_max_w": [1.0, 2.0],
            "rb_bandwidth_hz": 180e3,
        }
        np.savez(tmp_path / "g.npz", **values, note=np.array("anything"))
        found = from_npz(tmp_path / "g.npz")
        real = torch.float64 if dtype is np.float64 else torch.float32
        as_tensor = torch.from_numpy(values["gain"]).to(real)
        power = torch.tensor([1.0, 2.0], dtype=real)
        assert_equal(found, from_gain(as_tensor, noise_w=0.1, power_max_w=power, rb_bandwidth_hz=180e3))


def test_npz_that_is_refused(tmp_path: Path) -> None:
    path, good = tmp_path / "g.npz", {"gain": np.ones((2, 3, 4)), "noise_w": 0.1, "power_max_w": 1.0}
    bad: list[tuple[dict[str, Any], str]] = [
        ({"gain": np.ones((2, 3))}, r"gain: got \(2, 3\), expected a real floating-point tensor \[N, U, R\]"),
        ({"gain": np.full((2, 3, 4), np.nan)}, "got NaN values, expected finite numbers"),
        ({"gain": np.array("text")}, "gain: got dtype <U4, expected numbers"),
        ({"noise_w": np.ones((5, 4))}, r"noise_w: got shape \(5, 4\), expected a number or \[3, 4\]"),
        ({"gain": np.array([None, 1], dtype=object)}, "expected arrays without pickled objects"),
    ]
    for values, sentence in bad:
        np.savez(path, **(good | values))
        with pytest.raises(ValueError, match=r"g\.npz: .*" + sentence):
            from_npz(path)
    np.save(tmp_path / "g.npy", np.ones(3))
    path.write_bytes(path.read_bytes()[:200])
    for file in (path, tmp_path / "g.npy"):
        with pytest.raises(ValueError, match="got a file that is no plain npz"):
            from_npz(file)
    with pytest.raises(FileNotFoundError, match="got no such file, expected an npz with gain"):
        from_npz(tmp_path / "no.npz")
