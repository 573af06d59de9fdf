"""IoT networks from presets, scenarios, files and graphs, at every level."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hetgraph.envs import IoTEnv
from hetgraph.graph import (
    CHANNEL,
    Channel,
    Given,
    Mobility,
    Packets,
    Scenario,
    Users,
    Waypoints,
    check,
    from_gain,
    known_edges,
    preset,
    scenario_from_csv,
)
from hetgraph.graph.schema import Level

SMALL = "iot-noma:users=6,small_cells=2,subchannels=3,load=3,disturbance_db=3"


SOURCES: dict[str, Any] = {
    "iot": lambda: SMALL,
    "hetnet": lambda: dataclasses.replace(preset("hetnet-3tier"), users=Users(count=30)),
    "yaml": lambda: Scenario.from_yaml(preset("uma-5bs:users=20").to_yaml()),
    "cells": lambda: preset("random-19"),
    "pairs": lambda: preset("interference-k:pairs=6"),
    "waypoints": lambda: dataclasses.replace(preset("uma-5bs:users=20"), mobility=Mobility(waypoints=Waypoints())),
    "gains": lambda: from_gain(
        10 ** (-9 - 2 * torch.rand(3, 5, 4)), noise_w=1e-13, power_max_w=1.0, rb_bandwidth_hz=1e6
    ),
    "batch": lambda: preset("iot-noma:users=6,small_cells=2,subchannels=3").sample(2, seed=1),
    "neighbours": lambda: preset("hex-19").sample(2, seed=1),
}


LEVELS: tuple[Level, ...] = ("local", "neighbourhood", "global", "genie")


def covered(source: str, level: Level) -> None:
    """Contract graphs with one structure at every level, unknown values zero, in a few slots of random actions."""
    env = IoTEnv(SOURCES[source](), level=level, episode_slots=3, mean_users=5.0)
    generator, structure = torch.Generator().manual_seed(0), env.observe("genie")[CHANNEL].edge_index.clone()
    for _ in range(5):
        graph = env.observe(level)
        check(graph, level)
        edges = graph[CHANNEL]
        assert (
            torch.equal(edges.edge_index, structure)
            and int(graph["antenna"].batch.bincount().min()) >= env.num_stations
        )
        assert torch.equal(edges.known, known_edges(graph, level)) and bool(edges.known.all()) == (
            level in ("global", "genie") or bool(env.active.all())
        )
        for name in ("gain", "rsrp_dbm", "interference_w"):
            assert not bool(edges[name][~edges.known].any())
        assert bool(edges.gain[edges.known].any()) == bool(edges.known.any())
        step = env.step(env.action.sample(generator))
        assert bool(step.reward.isfinite().all()) and step.info["refused"].shape == (env.num_envs,)
        assert "x" not in step.obs["bs"] and "edge_attr" not in step.obs[CHANNEL]


@pytest.mark.parametrize(
    ("source", "level"),
    [
        ("iot", "local"),
        ("hetnet", "neighbourhood"),
        ("yaml", "global"),
        ("gains", "genie"),
        ("batch", "local"),
        ("cells", "global"),
    ],
)
def test_scenarios_and_graphs_at_their_levels(source: str, level: Level) -> None:
    covered(source, level)


@pytest.mark.all
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("source", SOURCES)
def test_every_source_at_every_level(source: str, level: Level) -> None:
    covered(source, level)


def test_a_csv_of_sectors_makes_an_environment_whose_gains_follow_the_stations(tmp_path: Path) -> None:
    text = "lat,lon,z,tier,power_dbm,azimuth_deg,num_antennas,tilt_deg\n"
    for name, shift in (("here", 0.0), ("there", 0.002)):
        cells = [
            (50 + 0.004 * (i // 2) + shift * (i == 0), 8 + 0.006 * (i % 2), b) for i in range(4) for b in (30, 150, 270)
        ]
        rows = [f"{lat},{lon},25,macro,43,{bearing},1,4" for lat, lon, bearing in cells]
        (tmp_path / f"{name}.csv").write_text(text + "\n".join(rows) + "\n")
    gains = []
    for name in ("here", "there"):
        scenario = scenario_from_csv(tmp_path / f"{name}.csv")
        scenario = dataclasses.replace(scenario, users=dataclasses.replace(scenario.users, count=20))
        env = IoTEnv(scenario, 1, layout_seed=0)
        graph = env.observe("global")
        check(graph)
        assert env.num_stations == 12 and graph["bs"].site.unique().numel() == 4
        gains.append(graph[CHANNEL].gain.reshape(20, 12, -1).clone())
    assert not torch.allclose(gains[0][:, :3], gains[1][:, :3])


def test_files_of_gains_are_networks_in_turn(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    gains = [10 ** (-9 - 2 * torch.rand(3, 5, 4, generator=generator)) for _ in range(3)]
    for number, gain in enumerate(gains):
        np.savez(tmp_path / f"{number}.npz", gain=gain.numpy(), noise_w=1e-13, power_max_w=1.0, rb_bandwidth_hz=1e6)
    scenario = Scenario(source=Given("gain", str(tmp_path)), channel=Channel(fading="none"))
    env, alone = IoTEnv(scenario, 4), IoTEnv(scenario, 1, first=2)
    check(env.observe("global"))
    for network, gain in enumerate([*gains, gains[0]]):
        torch.testing.assert_close(env.channels.gain[network], gain.transpose(0, 1), rtol=1e-5, atol=0)
    assert torch.equal(alone.channels.gain[0], env.channels.gain[2])


def test_traffic_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"scenario\.traffic: got Packets, expected Services or none"):
        IoTEnv(dataclasses.replace(preset("uma-5bs:users=9"), traffic=Packets()))


def test_graphs_that_do_not_fit_are_refused() -> None:
    few = dataclasses.replace(
        preset("hetnet-3tier"), radio=dataclasses.replace(preset("hetnet-3tier").radio, candidates=3)
    )
    with pytest.raises(ValueError, match="expected every station a candidate"):
        IoTEnv(few.sample(1))
    bands = from_gain(
        torch.full((2, 3, 2), 1e-9), noise_w=1e-13, power_max_w=1.0, rb_bandwidth_hz=torch.tensor([1.0, 2.0])
    )
    with pytest.raises(ValueError, match="rb_bandwidth_hz: got resource blocks of several bandwidths"):
        IoTEnv(bands)
    with pytest.raises(ValueError, match="scenario: got int"):
        IoTEnv(3)  # type: ignore[arg-type]
    walk = dataclasses.replace(preset(SMALL), channel=Channel(shadowing="independent"))
    with pytest.raises(ValueError, match=r"scenario\.channel: got shadowing=independent"):
        IoTEnv(walk)
