"""The environment of arrivals on scenarios of every kind: contract graphs, numbered networks, replay, copies, wishes."""

import copy
import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.arrivals.sources import Source
from hetgraph.graph import CHANNEL, Scenario, check, preset
from hetgraph.graph.convert import from_gain
from hetgraph.graph.rules import Rules
from hetgraph.graph.schema import Level
from hetgraph.graph.tables import scenario_from_csv
from hetgraph.graph.traffic import Packets
from hetgraph.radio import policy

Given = str | Scenario | HeteroData | Source


def moving_city(folder: Path) -> Source:
    city = arrivals("grows-city:stations=36", probability=1.0)
    return replace(city, slots=60, moves_every=7, speed_mps=300.0)  # type: ignore[call-arg]


def three_sector_sites(folder: Path) -> Scenario:
    """Ten masts of three cells on the plane, in metres, with users."""
    sites, users = ["x,y,z,tier,power_dbm,azimuth_deg,num_antennas"], ["x,y"]
    for mast in range(10):
        x, y = 400 * (mast % 4), 350 * (mast // 4)
        sites += [f"{x},{y},25,macro,43,{azimuth},4" for azimuth in (0, 120, 240)]
        users += [f"{x + 60 * math.cos(i):.1f},{y + 80 * math.sin(i):.1f}" for i in range(9)]
    (folder / "sites.csv").write_text("\n".join(sites) + "\n", encoding="utf-8")
    (folder / "users.csv").write_text("\n".join(users) + "\n", encoding="utf-8")
    return scenario_from_csv(folder / "sites.csv", folder / "users.csv")


def from_yaml(folder: Path) -> Scenario:
    preset("hetnet-3tier").scaled(users=0.2).to_yaml(folder / "own.yaml")
    return Scenario.from_yaml(folder / "own.yaml")


def gain_matrix(folder: Path) -> HeteroData:
    gain = 10 ** (-8 - 4 * torch.rand(4, 20, 3, generator=torch.Generator().manual_seed(0)))
    return from_gain(gain, noise_w=torch.full((20, 3), 1e-13), power_max_w=torch.full((4,), 20.0))


def batch_of_graphs(folder: Path) -> Batch:
    return preset("uma-5bs:users=30,num_rbs=4").sample(3, seed=5)


SOURCES: dict[str, Callable[[Path], Given]] = {
    "grows-3": lambda _: "grows-3",
    "grows-3:stations=40": lambda _: "grows-3:stations=40",
    "city": moving_city,
    "hetnet-3tier": lambda _: "hetnet-3tier",
    "hex-19": lambda _: "hex-19",
    "interference-k": lambda _: "interference-k",
    "yaml": from_yaml,
    "csv": three_sector_sites,
    "gain": gain_matrix,
    "batch": batch_of_graphs,
}

LEVELS: tuple[Level, ...] = get_args(Level)
SAMPLE = [("grows-3", "local"), ("city", "genie"), ("city", "neighbourhood"), ("csv", "global"), ("gain", "local")]
WHOLE = [(source, level) for source in SOURCES for level in LEVELS]


def same(one: HeteroData, other: HeteroData) -> None:
    """All attributes of two graphs are equal bit for bit."""
    for store in (*one.node_types, *one.edge_types):
        assert set(one[store].keys()) == set(other[store].keys()), store
        for name, value in one[store].items():
            assert torch.equal(value, other[store][name]), (store, name)
    for name, value in one._global_store.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, other[name]), name


def walked(
    source: Any, level: Level, slots: int, networks: int = 3, **options: Any
) -> tuple[ArrivalEnv, torch.Generator]:
    """An environment after some random actions, checked in every slot."""
    env, generator = ArrivalEnv(source, networks, level=level, seed=4, **options), torch.Generator().manual_seed(0)
    obs, _ = env.reset()
    for _ in range(slots):
        check(obs, level)
        obs = env.step(env.action.sample(generator)).obs
    return env, generator


def follow(source: Any, level: Level) -> None:
    """Contract graphs with constant edges, the same at all levels; copies go on alike; rows of a replay are the observation."""
    env, generator = walked(source, level, 12)
    obs = env.observe(level)
    edges, counts = obs[CHANNEL].edge_index[1], [len(obs["bs"].pos) if "pos" in obs["bs"] else 0]
    rows = env.pack()
    assert all(len(value) == env.num_envs for value in rows.values()) and counts[0] in (0, 3 * env.num_stations)
    order = torch.tensor([2, 0, 0])
    chosen = {name: value[order] for name, value in rows.items()}
    kept = {each: env.observe(each).clone() for each in LEVELS}
    copies = [copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    for _ in range(env.slots - 10):  # into the next episode
        action = env.action.sample(generator)
        step = env.step(action)
        assert torch.equal(step.obs[CHANNEL].edge_index[1], edges)
        check(step.obs, level)
        for other in copies:
            same(step.obs, other.step(action).obs)
    for each in LEVELS:
        same(env.unpack(rows, each), kept[each])
        found = env.unpack(chosen, each)
        check(found, each)
        for store, name in (
            (CHANNEL, "gain"),
            (CHANNEL, "known"),
            ("bs", "users"),
            ("ue", "rate"),
            ("ue", "serving_slot"),
        ):
            parts, expected = found[store][name].chunk(3), kept[each][store][name].chunk(3)
            assert all(torch.equal(parts[i], expected[place]) for i, place in enumerate(order.tolist())), name


@pytest.mark.parametrize(("source", "level"), SAMPLE)
def test_observations_copies_and_rows(source: str, level: Level, tmp_path: Path) -> None:
    follow(SOURCES[source](tmp_path), level)


@pytest.mark.all
@pytest.mark.parametrize(("source", "level"), WHOLE)
def test_observations_copies_and_rows_everywhere(source: str, level: Level, tmp_path: Path) -> None:
    follow(SOURCES[source](tmp_path), level)


@pytest.mark.parametrize("source", ["grows-3", "grows-3:stations=40", "city", "hetnet-3tier", "batch"])
def test_a_network_is_the_same_alone_and_among_many(source: str, tmp_path: Path) -> None:
    given = SOURCES[source](tmp_path)
    many, rule = ArrivalEnv(given, 5, seed=3), policy("best_rate")
    alone, others = ArrivalEnv(given, 1, seed=3, first=3), set()
    obs, single = many.reset()[0], alone.reset()[0]
    for _ in range(many.slots + 5):
        for store, name in (("ue", "demand"), ("ue", "pos"), (CHANNEL, "gain"), ("bs", "pos"), ("bs", "utility")):
            assert torch.equal(obs[store][name].chunk(5)[3], single[store][name]), name
        others.add(float(obs["ue"].demand.chunk(5)[3].sum() - obs["ue"].demand.chunk(5)[2].sum()))
        action, _ = rule.act(obs, None, None)
        obs, single = many.step(action).obs, alone.step(action[3:4]).obs
    assert len(others) > 5


def test_gains_change_when_a_station_moves_and_rates_follow_shannon() -> None:
    base = preset("interference-k:pairs=6")
    env = ArrivalEnv(base, 2, probability=1.0, seed=1)
    obs = env.reset()[0]
    pos = obs["bs"].pos[:6, :2].tolist()
    moved = [*pos[:2], [pos[2][0] + 30.0, pos[2][1]], *pos[3:]]
    gains = []
    for places in (pos, moved):
        tier = {**vars(base.tiers[0]), "placement": "fixed", "positions": tuple(map(tuple, places))}
        users = {**vars(base.users), "placement": "uniform"}
        scenario = Scenario(
            "moved", base.layout, (type(base.tiers[0])(**tier),), type(base.users)(**users), base.channel, base.radio
        )
        reports = ArrivalEnv(scenario, 1, probability=1.0, seed=1).reset()[0]
        station = reports[CHANNEL].edge_index[0].reshape(-1, 6)[-1]
        gains.append(reports[CHANNEL].gain.reshape(-1, 6)[-1][station.argsort()])
        received = (reports[CHANNEL].gain.reshape(-1, 6)[-1] * reports["bs"].power_max_w[station]).double()
        floor = (reports["ue"].noise_w + reports["ue"].far_interference_w)[-1] + 0.3 * (received.sum() - received)
        efficiency = (1 + received / floor).log2()
        expected = efficiency.clamp(0.3, 6) * (efficiency >= 0.3) * float(reports.slot_s)
        torch.testing.assert_close(reports[CHANNEL].rate.reshape(-1, 6)[-1].double(), expected, rtol=1e-5, atol=0)
    changed = gains[0] != gains[1]
    assert bool(changed[2]) and int(changed.sum()) == 1


def test_a_scenarios_rules_count_and_another_kind_of_traffic_is_one_sentence() -> None:
    base = preset("interference-k:pairs=6")
    env = ArrivalEnv(replace(base, rules=Rules(blocks=2, candidates=1)), 4, probability=1.0)
    obs, info = env.reset()
    for _ in range(20):
        assert int(env.masks()["place_mask"][:, :-1].sum(1).max()) <= 1
        assert float(obs["bs"].free_rb.min()) >= 0 and float(obs["bs"].free_rb.max()) <= 2
        obs = env.step(env.masks()["place_mask"].to(torch.uint8).argmax(1)).obs
    assert int(obs["bs"].users.max()) == 2 and info["decides"].dtype == torch.bool
    with pytest.raises(ValueError, match="traffic"):
        ArrivalEnv(replace(base, traffic=Packets()))
