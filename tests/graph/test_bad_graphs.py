"""More graphs that ``check`` refuses, each with its whole sentence, on a graph small enough to see through."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, SCHEMA, check, from_gain, preset

Change = Callable[[HeteroData], Any]


def good() -> HeteroData:
    """Two stations, three users, two resource blocks, an antenna each."""
    gain = torch.arange(1, 13, dtype=torch.float32).reshape(2, 3, 2)
    return from_gain(gain, noise_w=0.1, power_max_w=torch.tensor([2.0, 1.0]), rb_bandwidth_hz=180e3)


def put(store: Any, name: str, value: Any) -> Change:
    def change(data: HeteroData) -> None:
        (data if store is None else data[store])[name] = value

    return change


def drop(store: Any, name: str) -> Change:
    def change(data: HeteroData) -> None:
        del data[store][name]

    return change


def delete(store: Any) -> Change:
    def change(data: HeteroData) -> None:
        del data[store]

    return change


EDGE = "(bs, channel, ue)"
BAD: dict[str, tuple[Change, str]] = {
    "no store of antennas": (delete("antenna"), "graph: got no node type 'antenna', expected bs, ue, antenna"),
    "no store of conflicts": (delete(CONFLICTS), f"graph: got no edge type {CONFLICTS}, expected it, empty if need be"),
    "no gain": (drop(CHANNEL, "gain"), f"{EDGE}.gain: got nothing, expected a tensor [E, R]"),
    "gain of one dimension": (put(CHANNEL, "gain", torch.ones(6)), f"{EDGE}.gain: got shape (6,), expected [E, R]"),
    "a number as gain": (put(CHANNEL, "gain", torch.tensor(1.0)), f"{EDGE}.gain: got shape (), expected [E, R]"),
    "a number as power": (put("bs", "power_max_w", torch.tensor(1.0)), "bs.power_max_w: got shape (), expected [N]"),
    "noise per user alone": (put("ue", "noise_w", torch.ones(3)), "ue.noise_w: got shape (3,), expected [U, R]"),
    "power per block of another size": (
        put("bs", "rb_power_max_w", torch.ones(2, 3)),
        "bs.rb_power_max_w: got shape (2, 3), expected [N=2, R=2]",
    ),
    "bandwidth of another size": (
        put(None, "rb_bandwidth_hz", torch.ones(1, 3)),
        "rb_bandwidth_hz: got shape (1, 3), expected [1, R=2]",
    ),
    "infinite bandwidth": (
        put(None, "rb_bandwidth_hz", torch.full((1, 2), torch.inf)),
        "rb_bandwidth_hz: got infinite values, expected finite numbers",
    ),
    "flags as numbers": (put("ue", "active", torch.ones(3)), "ue.active: got dtype torch.float32, expected torch.bool"),
    "positions in a plane": (put("bs", "pos", torch.ones(2, 2)), "bs.pos: got shape (2, 2), expected [N=2, 3]"),
    "no user": (put("ue", "noise_w", torch.ones(0, 2)), "ue: got no user, expected at least one"),
    "no station": (put("bs", "power_max_w", torch.ones(0)), "bs: got no station, expected at least one"),
    "no resource block": (put(CHANNEL, "gain", torch.ones(6, 0)), "gain: got no resource block, expected at least one"),
    "an antenna that is not there": (
        put(MOUNTED_ON, "edge_index", torch.tensor([[2], [1]])),
        "(antenna, mounted_on, bs).edge_index: got antenna index 2, expected 0..1",
    ),
    "a conflict of a user that is not there": (
        put(CONFLICTS, "edge_index", torch.tensor([[0], [3]])),
        "(ue, conflicts, ue).edge_index: got ue index 3, expected 0..2",
    ),
    "an edge index of three rows": (
        put(NEIGHBOURS, "edge_index", torch.zeros(3, 1, dtype=torch.long)),
        "(bs, neighbours, bs).edge_index: got shape (3, 1), expected [2, *]",
    ),
    "an edge index of small integers": (
        put(NEIGHBOURS, "edge_index", torch.zeros(2, 1, dtype=torch.int32)),
        "(bs, neighbours, bs).edge_index: got dtype torch.int32, expected torch.int64",
    ),
    "a station twice": (
        put(CHANNEL, "edge_index", torch.tensor([[0, 0, 0, 1, 0, 1], [0, 0, 1, 1, 2, 2]])),
        f"{EDGE}.edge_index: got station 0 twice among the candidates of user 0, expected each once",
    ),
    "a serving slot before none": (
        put("ue", "serving_slot", torch.tensor([0, -2, 1])),
        "ue.serving_slot: got a slot that the user does not have, expected -1 or one of its edges",
    ),
    "queues that are no numbers": (
        put("ue", "queue_bits", torch.full((3,), torch.nan)),
        "ue.queue_bits: got NaN values, expected finite numbers",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_graphs_are_refused(name: str) -> None:
    change, sentence = BAD[name]
    data = good()
    check(data)
    change(data)
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        check(data)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sizes", [(1, 1, 1), (1, 4, 2), (4, 1, 1)])
def test_one_station_or_one_user_is_a_network(sizes: tuple[int, int, int], dtype: torch.dtype) -> None:
    data = from_gain(torch.ones(sizes, dtype=dtype), noise_w=1.0, power_max_w=1.0)
    check(data)
    for store in (data["bs"], data["ue"], data[CHANNEL]):
        for value in (v for v in store.values() if torch.is_tensor(v) and v.is_floating_point()):
            assert value.dtype == dtype and bool(torch.isfinite(value).all())


def test_every_attribute_of_a_sample_is_in_the_schema() -> None:
    graph = preset("hetnet-3tier").scaled(users=0.05).sample(2)
    known = {(f.store, f.name) for f in SCHEMA}
    for store in [*graph.node_types, *graph.edge_types]:
        assert {(store, k) for k in graph[store]} - {(store, k) for k in ("batch", "ptr", "num_nodes")} <= known
    # PyG adds offsets to what is called an index, and nothing of ours on nodes may be.
    assert all("index" not in f.name and "batch" not in f.name for f in SCHEMA if f.name != "edge_index")
