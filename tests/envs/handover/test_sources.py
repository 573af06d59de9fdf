"""Handovers in any scenario: presets, YAML, somebody's sites, gains, graphs and drive tests, at every level."""

import dataclasses
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hetgraph.channel import jakes_correlation
from hetgraph.envs import HandoverEnv
from hetgraph.envs.handover.sources import STEP_S, world_of
from hetgraph.graph import CHANNEL, Scenario, Users, check, from_gain, preset, scenario_from_csv, user_trajectories
from hetgraph.graph.mobility import Mobility, Waypoints
from hetgraph.graph.rules import Rules
from hetgraph.graph.scenario_parts import Channel
from hetgraph.graph.schema import MOUNTED_ON, Level
from hetgraph.graph.source import Given
from hetgraph.graph.traffic import FullBuffer, Packets
from hetgraph.radio.handover import HandoverRule

LEVELS: tuple[Level, ...] = ("local", "neighbourhood", "global", "genie")
SIZE = "handover-full:cells=25,users=30"


def sites(folder: Path, masts: int = 30, shift_m: float = 0.0) -> Path:
    """Masts of three sectors each, the second one moved to the east; and 40 users beside them."""
    rows = [
        f"{300 * (i % 6) + shift_m * (i == 1)},{300 * (i // 6)},25,macro,43,{bearing},2,6"
        for i in range(masts)
        for bearing in (30, 150, 270)
    ]
    path = folder / f"sites-{shift_m:g}.csv"
    path.write_text("x,y,z,tier,power_dbm,azimuth_deg,num_antennas,tilt_deg\n" + "\n".join(rows) + "\n")
    spots = np.random.default_rng(0).uniform(0, 1200, (40, 2))
    (folder / "users.csv").write_text("x,y\n" + "\n".join(f"{x:.1f},{y:.1f}" for x, y in spots) + "\n")
    return path


def gains(stations: int = 6, users: int = 12, seed: int = 0) -> torch.Tensor:
    return 10 ** (-8 - 3 * torch.rand(stations, users, 2, generator=torch.Generator().manual_seed(seed)))


def files_of_gains(folder: Path) -> Scenario:
    for number in range(3):
        band = {"noise_w": 1e-13, "power_max_w": 10.0, "rb_bandwidth_hz": 1e6}
        np.savez(folder / f"{number}.npz", gain=gains(seed=number).numpy(), **band)
    return Scenario(source=Given("gain", str(folder)))


def source(name: str, folder: Path) -> Any:
    """A scenario or a batch by name."""
    if name == "csv":
        return scenario_from_csv(sites(folder), folder / "users.csv")
    if name == "sites":
        return Scenario(source=Given("sites", str(sites(folder, 8))), users=Users(30), channel=Channel(2e9))
    if name == "gain files":
        return files_of_gains(folder)
    if name == "gain graph":
        return from_gain(gains(), noise_w=1e-13, power_max_w=10.0, rb_bandwidth_hz=1e6)
    made: dict[str, Any] = {
        "preset": SIZE,
        "yaml": Scenario.from_yaml(preset(SIZE).to_yaml()),
        "cells": "random-19",
        "conflicts": "conflict-8",
        "batch": preset("random-19").sample(3, seed=1),
        "sectors": dataclasses.replace(preset("hex-19x3"), users=Users(30)).sample(2, seed=1),
    }
    return made[name]


NAMES = ("preset", "yaml", "cells", "conflicts", "csv", "sites", "gain files", "gain graph", "batch", "sectors")


def covered(made: Any, level: Level, num_envs: int | None = None) -> HandoverEnv:
    """Contract graphs with one structure at every level, and steps of random actions."""
    env = HandoverEnv(made, num_envs, level=level, steps=4)
    assert env.level == level and env.kpis[0].name == "asc"
    for _ in range(6):
        graph = env.observe(level)
        check(graph, level=level)
        edges, other = graph[CHANNEL], env.observe("genie")[CHANNEL]
        assert torch.equal(edges.edge_index, other.edge_index) and torch.equal(edges.slot, other.slot)
        assert len(edges.slot) == env.num_envs * env.num_users * (env.neighbours + 1)
        assert int(torch.bincount(graph[MOUNTED_ON].edge_index[1]).min()) >= 1
        step = env.step(env.action.sample(torch.Generator().manual_seed(0)))
        assert bool(step.reward.isfinite().all()) and step.info["refused"].shape == (env.num_envs,)
        assert "x" not in step.obs["bs"] and "edge_attr" not in step.obs[CHANNEL]
    return env


@pytest.mark.parametrize(
    ("name", "level"),
    [
        *(("preset", "local"), ("yaml", "global"), ("csv", "neighbourhood"), ("csv", "genie"), ("conflicts", "global")),
        *(("gain files", "genie"), ("gain graph", "local"), ("batch", "neighbourhood"), ("sectors", "global")),
    ],
)
def test_scenarios_and_graphs_at_their_levels(name: str, level: Level, tmp_path: Path) -> None:
    covered(source(name, tmp_path), level)


@pytest.mark.all
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", NAMES)
def test_every_source_at_every_level(name: str, level: Level, tmp_path: Path) -> None:
    covered(source(name, tmp_path), level, num_envs=2)


@pytest.mark.parametrize("level", ["neighbourhood", pytest.param("genie", marks=pytest.mark.all)])
def test_drive_tests(level: Level, lte_traces: Path) -> None:
    scenario = preset(f"lte-trace:path={lte_traces},generation=5G,cells=8,users=20")
    env = covered(scenario, level, num_envs=2)
    assert env.terms.slot_s == 1.0 and bool((env.observe(level)["bs"].pos[:, 2] == 25).all())
    assert bool(env.observe(level)[CHANNEL].measured.any())


@pytest.mark.parametrize("name", ["preset", "csv", "batch", "gain files"])
def test_a_network_is_the_same_alone_and_among_many(name: str, tmp_path: Path) -> None:
    made = source(name, tmp_path)
    many, alone = HandoverEnv(made, 5, steps=3, seed=2), HandoverEnv(made, 1, first=4, steps=3, seed=2)
    users = many.num_users * 4
    for seed in range(7):  # more than two episodes
        action = many.action.sample(torch.Generator().manual_seed(seed))
        step = many.step(action)
        single = alone.step(dataclasses.replace(action, place=action.place[4:], level=action.level[4:]))
        assert torch.equal(step.reward[4:], single.reward)
        assert torch.equal(step.obs[CHANNEL].gain[4 * users :], single.obs[CHANNEL].gain)
        assert torch.equal(step.info["refused"][4:], single.info["refused"])


def test_gains_change_when_a_station_moves(tmp_path: Path) -> None:
    made = [scenario_from_csv(sites(tmp_path, 6, shift), tmp_path / "users.csv") for shift in (0.0, 60.0)]
    here, there = (HandoverEnv(scenario, 1).tables.trajectories for scenario in made)
    assert here.cells == 18 and torch.equal(here.ue_pos, there.ue_pos)
    assert float((here.gain / there.gain)[..., 3:6].log10().abs().mean()) > 0.05
    others = [*range(3), *range(6, 18)]
    assert torch.equal(here.gain[..., others], there.gain[..., others])
    batch = preset("random-19").sample(1, seed=1)
    moved = batch.clone()
    moved["bs"].pos[0, :2] += 40.0
    first, second = (HandoverEnv(graph, steps=20).tables.trajectories.gain for graph in (batch, moved))
    torch.testing.assert_close(first[:, 0], second[:, 0], rtol=1e-4, atol=0)  # what the graph tells of the start
    assert float((first / second)[:, 15:, :, 0].log10().abs().mean()) > 0.01


def test_stations_have_their_antennas_and_heights(tmp_path: Path) -> None:
    graph = HandoverEnv(source("csv", tmp_path), 2).observe("global")
    assert graph["bs"].tier.tolist() == [0] * 180 and bool((graph["bs"].pos[:, 2] == 25).all())
    assert bool((graph["ue"].pos[:, 2] == 1.5).all())
    assert torch.bincount(graph[MOUNTED_ON].edge_index[1]).tolist() == [2] * 180
    bearings = (90 - graph["antenna"].boresight[:, 0].rad2deg()).remainder(360)[::2]
    torch.testing.assert_close(bearings[:90], torch.tensor([30.0, 150.0, 270.0]).repeat(30), rtol=0, atol=1e-3)
    drawn = preset("hetnet-3tier").sample(1, seed=3)
    like = HandoverEnv(drawn).observe("global")
    for store, name in (("antenna", "offset"), ("antenna", "boresight"), ("bs", "pos"), ("bs", "tier")):
        assert torch.equal(like[store][name], drawn[store][name]), name


def test_walks_begin_with_the_gains_of_the_graph_and_end_in_the_law() -> None:
    """In dB, at the start exactly; far away the difference to the graph's shadowing has gone."""
    batch = preset("random-19").sample(2, seed=5)
    world = world_of(batch, 2, steps=400, seed=1).trajectories
    edges = batch[CHANNEL]
    power_dbm = 10 * batch["bs"].power_max_w.log10()[edges.edge_index[0]] + 30
    told = 10 ** ((edges.rsrp_dbm - power_dbm) / 10)
    torch.testing.assert_close(world.gain[:, 0].flatten(), told, rtol=1e-4, atol=0)
    torch.testing.assert_close(world.ue_pos[:, 0].flatten(0, 1), batch["ue"].pos[:, :2], rtol=0, atol=1e-2)
    lower = batch.clone()
    lower[CHANNEL].rsrp_dbm -= 20.0
    other = world_of(lower, 2, steps=400, seed=1).trajectories
    lost = 10 * (world.gain / other.gain).log10()
    away = (world.ue_pos - world.ue_pos[:, :1]).norm(dim=3)
    torch.testing.assert_close(lost[:, 0], torch.full_like(lost[:, 0], 20.0), rtol=0, atol=1e-3)
    assert float(away.max()) > 150 and float(lost[away > 150].max()) < 20 * math.exp(-3) + 1e-3
    assert bool((other.ue_pos == world.ue_pos).all())


def test_channels_of_users_who_stand_fade_and_nothing_else_changes(tmp_path: Path) -> None:
    """Mean one, exponential, and the correlation of Jakes from step to step."""
    graph = from_gain(torch.full((20, 200, 3), 1e-9), noise_w=1e-13, power_max_w=10.0, rb_bandwidth_hz=1e6)
    world = world_of(graph, 1, steps=100, seed=0).trajectories
    power = (world.gain / 1e-9)[0]
    assert float(power.mean()) == pytest.approx(1, abs=0.01) and float(power.var()) == pytest.approx(1, abs=0.03)
    rho = float(torch.corrcoef(torch.stack([power[1:].flatten(), power[:-1].flatten()]))[0, 1])
    assert rho == pytest.approx(jakes_correlation(1.0, STEP_S) ** 2, abs=0.01)
    assert not bool(world.speed_mps.any()) and not bool(world.ue_pos.diff(dim=1).any())
    fixed = dataclasses.replace(files_of_gains(tmp_path), channel=Channel(fading="none"))
    found = world_of(fixed, 4, steps=5, seed=0).trajectories.gain
    for network in range(4):
        torch.testing.assert_close(found[network], gains(seed=network % 3).mean(2).T.expand(5, -1, -1))
    rician = dataclasses.replace(fixed, channel=Channel(fading="rician", rician_k_db=6.0))
    power = world_of(rician, 4, steps=400, seed=0).trajectories.gain / found[:, :1]
    k = 10**0.6
    assert float(power.mean()) == pytest.approx(1, abs=0.02)
    assert float(power.var()) == pytest.approx((2 * k + 1) / (k + 1) ** 2, abs=0.03)


def test_a_scenarios_own_waypoints_and_rules() -> None:
    base = preset("uma-5bs:users=20")
    walk = Waypoints(speed_mps=(2.0, 4.0))
    mine = dataclasses.replace(
        base,
        mobility=Mobility(waypoints=walk),
        radio=dataclasses.replace(base.radio, slot_s=0.25),
        rules=Rules(margin_db=1.5, max_load=0.5, max_users=9, time_to_trigger_s=0.5),
        traffic=FullBuffer(),
    )
    env = HandoverEnv(mine, 1, seed=4)
    expected = user_trajectories(mine, 1, steps=51, slot_s=0.25, mobility=walk, seed=4)
    assert torch.equal(env.tables.trajectories.gain, expected.gain) and env.terms.slot_s == 0.25
    assert (env.rule.margin_db, env.rule.max_load, env.rule.max_users, env.timing.time_to_trigger) == (1.5, 0.5, 9, 2)
    usual = HandoverEnv(base, 1, seed=4)
    assert torch.equal(usual.tables.trajectories.gain, user_trajectories(base, 1, steps=51, seed=4).gain)
    assert (usual.rule.margin_db, usual.rule.max_users, usual.timing.time_to_trigger) == (2.5, 30, 0)
    assert HandoverEnv("uma-5bs:users=60", 1).rule.max_users == 36, "three times the mean"


def test_more_places_than_bits_of_a_byte() -> None:
    env = HandoverEnv("random-19", 2, neighbours=11, rule=HandoverRule(margin_db=-60.0))
    env.step(env.action.sample(torch.Generator().manual_seed(0)))
    obs, back = env.observe("global"), env.unpack(env.pack(), "global")
    assert torch.equal(back[CHANNEL].allowed, obs[CHANNEL].allowed) and bool(
        obs[CHANNEL].allowed.view(-1, 12)[:, 8:].any()
    )


def test_what_does_not_fit_is_refused_in_one_sentence(tmp_path: Path) -> None:
    good = preset("random-19").sample(2, seed=1)
    noisy, silent, other = (good.clone() for _ in range(3))
    noisy["ue"].noise_w[0] *= 2
    silent["bs"].rb_power_max_w[3, 0] = 0
    other["bs"].power_max_w[0] = torch.nan
    radio = dataclasses.replace(preset("uma-5bs").radio, candidates=3)
    few = dataclasses.replace(preset("uma-5bs:users=9"), radio=radio).sample(2)
    del few["bs"].pos, few["ue"].pos
    packets = dataclasses.replace(preset("random-19"), traffic=Packets())
    for made, sentence in (
        (packets, "scenario.traffic: got Packets, expected FullBuffer or none"),
        (3, "scenario: got int, expected a preset, a Scenario, Trajectories, a graph or a batch"),
        ("somewhere", "preset: got 'somewhere'"),
        (noisy, r"ue.noise_w: got sums from .* expected one of all"),
        (silent, r"bs.rb_power_max_w: got blocks on which a station is silent"),
        (other, r"bs.power_max_w: got"),
        (few, r"\(bs, channel, ue\).edge_index: got users without an edge to some station"),
        (Scenario(source=Given("gain", str(tmp_path / "none"))), "none"),
    ):
        with pytest.raises((ValueError, FileNotFoundError), match=sentence):
            HandoverEnv(made)
