"""Packed states make the same observations again."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import IoTEnv
from hetgraph.graph import check, preset
from hetgraph.graph.schema import Level

SOURCES: dict[str, Any] = {
    "iot": "iot-noma:users=6,small_cells=2,subchannels=3,load=3,disturbance_db=3",
    "cells": preset("random-19"),
    "batch": preset("iot-noma:users=6,small_cells=2,subchannels=3").sample(2, seed=1),
}


@pytest.mark.parametrize(
    ("source", "level"), [("iot", "global"), ("iot", "genie"), ("cells", "local"), ("batch", "global")]
)
def test_packed_rows_make_the_observation_again(source: str, level: Level) -> None:
    env, generator = IoTEnv(SOURCES[source], level=level, mean_users=4.0, seed=3), torch.Generator().manual_seed(0)
    for _ in range(4):
        env.step(env.action.sample(generator))
    rows = env.pack()
    for _ in range(3):
        env.step(env.action.sample(generator))
    env.reset()  # other layouts
    again = env.unpack(rows, level)
    check(again, level)
    same = IoTEnv(SOURCES[source], level=level, mean_users=4.0, seed=3)
    generator.manual_seed(0)
    for _ in range(4):
        same.step(same.action.sample(generator))
    same_graphs(same.observe(level), again)
    twice = {name: torch.cat([value, value]) for name, value in rows.items()}
    assert env.unpack(twice, level).num_graphs == 2 * env.num_envs
    other: Level = "global" if level == "genie" else "genie"
    with pytest.raises(ValueError, match=f"level: got '{other}' for rows of level"):
        env.unpack(rows, other)


def same_graphs(one: HeteroData, other: HeteroData) -> None:
    """All attributes, of the same names; real ones within half precision, powers and gains in dB."""
    assert one.node_types == other.node_types and set(one.edge_types) == set(other.edge_types)
    for a, b in zip(
        one.stores, (other._global_store, *other.node_stores, *map(other.__getitem__, one.edge_types)), strict=True
    ):
        assert set(a.keys()) == set(b.keys())
        for name in a:
            if not isinstance(a[name], Tensor) or not a[name].is_floating_point():
                assert torch.equal(a[name], b[name]) if isinstance(a[name], Tensor) else a[name] == b[name]
                continue
            near = (
                {"rtol": 0.02, "atol": 1e-30} if name.endswith("_w") or name == "gain" else {"rtol": 1e-3, "atol": 1e-3}
            )
            torch.testing.assert_close(a[name], b[name], **near)
