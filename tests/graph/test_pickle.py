"""Graphs, batches and datasets through pickle, deepcopy, PyG's DataLoader with workers, and subgraph."""

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData
from torch_geometric.loader import DataLoader

from hetgraph.datasets import SnapshotDataset, SnapshotSpec, generate
from hetgraph.graph import CHANNEL, MOUNTED_ON, check, from_gain, preset, subgraph

SCENARIO = preset("hetnet-3tier").scaled(users=0.03, stations=1 / 3)
COPIES = {"pickle": lambda x: pickle.loads(pickle.dumps(x)), "deepcopy": copy.deepcopy}


def same(a: HeteroData, b: HeteroData) -> None:
    assert type(a) is type(b) and a.node_types == b.node_types and a.edge_types == b.edge_types
    for one, other in zip(a.stores, b.stores, strict=True):
        assert list(one.keys()) == list(other.keys())
        for key, value in one.items():
            assert torch.equal(value, other[key]) if isinstance(value, Tensor) else value == other[key], key


@pytest.mark.parametrize("name", COPIES)
def test_graphs_and_batches_survive_copies(name: str) -> None:
    batch = SCENARIO.sample(3)
    for graph in (batch, batch[1], from_gain(torch.rand(2, 3, 1) + 0.1, noise_w=1.0, power_max_w=1.0)):
        other = COPIES[name](graph)
        same(graph, other)
        check(other)
        other[CHANNEL].gain.zero_()
        assert bool(graph[CHANNEL].gain.all()), "a copy has tensors of its own"
    same(batch[2], COPIES[name](batch)[2])


@pytest.mark.parametrize("workers", [0, 2])
def test_pyg_loads_graphs_and_batches_with_workers(workers: int) -> None:
    drawn = SCENARIO.sample(4)
    loaded = list(DataLoader(drawn.to_data_list(), batch_size=2, num_workers=workers))
    for half, batch in enumerate(loaded):
        check(batch)
        same(batch[1], drawn[2 * half + 1])
    parts = [SCENARIO.sample(2, first=first) for first in (0, 2)]
    whole = list(torch.utils.data.DataLoader(parts, batch_size=None, num_workers=workers))
    for part, got in zip(parts, whole, strict=True):
        same(part, got)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = SnapshotSpec(SCENARIO, count=5, seed=2, teacher="max_rsrp", shard=2)
    return generate(tmp_path_factory.mktemp("data") / "set", spec, quiet=True)


@pytest.mark.parametrize("workers", [0, 2])
def test_pyg_loads_a_dataset_with_workers(folder: Path, workers: int) -> None:
    dataset = SnapshotDataset(folder)
    batches = list(DataLoader(pickle.loads(pickle.dumps(dataset)), batch_size=2, num_workers=workers))
    assert [int(batch.num_graphs) for batch in batches] == [2, 2, 1]
    for i, batch in enumerate(batches):
        check(batch)
        same(batch[0], dataset[2 * i])
    same(dataset.batch([4, 1])[0], dataset[4])


def test_datasets_follow_pyg(folder: Path) -> None:
    def mark(graph: HeteroData) -> HeteroData:
        graph["ue"].x = torch.ones(len(graph["ue"].noise_w), 3)
        return graph

    def count(graph: HeteroData) -> HeteroData:
        calls.append(1)
        graph.count = len(calls)
        return graph

    calls: list[int] = []
    plain = SnapshotDataset(folder)
    assert len(plain[1:4]) == 3 and len(plain[[0, 4]]) == 2 and plain[-1].scenario == plain[4].scenario
    same(plain[1:4][0], plain[1])
    same(plain[1:4].batch([2, 0])[0], plain[3])
    assert plain.num_features["ue"] >= 5 and plain.num_edge_features[CHANNEL] >= 8
    dataset = SnapshotDataset(folder, transform=mark, pre_transform=count)
    assert dataset.num_features["ue"] == 3 and dataset[0]["ue"].x.shape[1] == 3
    assert dataset[0].count == 1 and dataset[1].count == 2 and dataset[0].count == 1, "once for each graph"
    assert "x" in dataset.batch([0, 1])["ue"] and "x" not in plain[0]["ue"]
    with pytest.raises(IndexError):
        plain[5]


def random_association(seed: int) -> HeteroData:
    graph = SCENARIO.sample(1, seed=seed)[0]
    degree = int(graph[CHANNEL].slot.max()) + 1
    slots = torch.randint(-1, degree, graph["ue"].serving_slot.shape, generator=torch.Generator().manual_seed(seed))
    graph["ue"].serving_slot = slots
    return graph


@pytest.mark.parametrize("as_mask", [True, False])
def test_a_subgraph_is_a_right_graph(as_mask: bool) -> None:
    graph = random_association(1)
    bs, ue = torch.tensor([0, 2, 5]), torch.arange(0, len(graph["ue"].noise_w), 2)
    nodes = {"bs": bs, "ue": ue}
    if as_mask:
        nodes = {k: torch.zeros(len(graph[k].pos), dtype=torch.bool).index_fill(0, v, True) for k, v in nodes.items()}
    part = subgraph(graph, nodes)
    check(part)
    stations = len(graph["bs"].power_max_w)
    index, gain = part[CHANNEL].edge_index, part[CHANNEL].gain
    for e in range(index.shape[1]):
        old = int(ue[index[1, e]]) * stations + int(bs[index[0, e]])  # every station is a candidate
        assert torch.equal(gain[e], graph[CHANNEL].gain[old])
    for u, slot in enumerate(part["ue"].serving_slot.tolist()):
        was = int(graph["ue"].serving_slot[ue[u]])
        assert slot == (bs.tolist().index(was) if was in bs.tolist() else -1)
    antenna, owner = part[MOUNTED_ON].edge_index
    assert torch.equal(antenna, torch.arange(len(part["antenna"].offset))) and set(owner.tolist()) == {0, 1, 2}
    assert len(subgraph(graph, {"ue": ue})["bs"].power_max_w) == stations


def test_subgraphs_that_are_no_networks_are_refused() -> None:
    graph = SCENARIO.sample(1)[0]
    users = len(graph["ue"].noise_w)
    far = graph.clone()
    far[CHANNEL].edge_index = torch.tensor([[0], [0]])
    cases: list[tuple[HeteroData, dict[str, Any], str]] = [
        (SCENARIO.sample(2), {"bs": torch.tensor([0])}, r"^graph: got a batch of 2 networks, expected one graph"),
        (graph, {"antenna": torch.tensor([0])}, "^nodes: got 'antenna', expected bs or ue"),
        (graph, {"ue": torch.tensor([1, 0])}, r"^nodes\['ue'\]: got torch.int64 \(2,\), expected a mask or ascending"),
        (graph, {"ue": torch.tensor([users])}, r"^nodes\['ue'\]: got \d+..\d+, expected numbers of 0.."),
        (graph, {"bs": torch.ones(2, dtype=torch.bool)}, r"^nodes\['bs'\]: got a mask of shape \(2,\), expected \["),
        (graph, {"bs": torch.zeros(7, dtype=torch.bool)}, r"^nodes\['bs'\]: got nothing that stays, expected at least"),
    ]
    for one, nodes, message in cases:
        with pytest.raises(ValueError, match=message):
            subgraph(one, nodes)
    near = from_gain(torch.rand(2, 2, 1) + 0.1, noise_w=1.0, power_max_w=1.0)
    near[CHANNEL].edge_index, near[CHANNEL].slot = torch.tensor([[0, 1], [0, 1]]), torch.zeros(2, dtype=torch.long)
    near[CHANNEL].gain = near[CHANNEL].gain[:2]
    with pytest.raises(ValueError, match=r"^nodes: got user 1 without any of its stations, expected"):
        subgraph(near, {"bs": torch.tensor([0])})
    assert isinstance(Batch.from_data_list([subgraph(graph, {"bs": torch.tensor([1])})] * 2), Batch)
