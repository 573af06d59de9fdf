"""Environments of queues keep the contract: levels, sources, conflicts from gains, far stations, indicators, replay."""

import copy
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch_geometric.data import Batch

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv, rollout
from hetgraph.envs.queues.candidates import CandidateTable
from hetgraph.envs.queues.delays import nearest_rank, tail_slots
from hetgraph.envs.queues.layout import large_scale
from hetgraph.envs.queues.power_control import PowerControl
from hetgraph.graph import CHANNEL, CONFLICTS, NEIGHBOURS, Scenario, check, from_gain, preset, scenario_from_csv
from hetgraph.graph.levels import canary
from hetgraph.graph.schema import Level
from hetgraph.kpi_table import indicator
from hetgraph.models import NeighbourhoodMAPPO
from hetgraph.radio import policy

LEVELS = get_args(Level)
HEADER = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas\n"


def own_network(folder: Path, masts: int = 3) -> Scenario:
    """Three-sector masts in a row, and users around them, from CSV files."""
    rows = [(400 * i, 0, b) for i in range(masts) for b in (0, 120, 240)]
    (folder / "sites.csv").write_text(HEADER + "".join(f"{x},{y},25,macro,43,{b},2\n" for x, y, b in rows))
    users = [(400 * i + 30 * k - 60, 80 * (k % 3) - 70) for i in range(masts) for k in range(4)]
    (folder / "users.csv").write_text("x,y,z\n" + "".join(f"{x},{y},1.5\n" for x, y in users))
    return scenario_from_csv(folder / "sites.csv", folder / "users.csv", base="hetnet-3tier")


def gains(users: int = 7, stations: int = 3) -> Any:
    """A graph made of gains alone, whose stations hear each other in a line."""
    generator = torch.Generator().manual_seed(5)
    gain = 10 ** (-9 - 3 * torch.rand(stations, users, 2, generator=generator))
    graph = from_gain(gain, noise_w=1e-13, power_max_w=2.0, rb_bandwidth_hz=1e6)
    line = torch.arange(stations - 1)
    graph[NEIGHBOURS].edge_index = torch.cat([torch.stack([line, line + 1]), torch.stack([line + 1, line])], 1)
    return graph


def written(folder: Path) -> Scenario:
    """A scenario by way of a YAML file."""
    preset("hex-19:rings=1").to_yaml(folder / "own.yaml")
    return Scenario.from_yaml(folder / "own.yaml")


SOURCES: dict[str, Callable[[Path], Any]] = {
    "preset": lambda folder: "random-19",
    "yaml": written,
    "csv": own_network,
    "gain": lambda folder: gains(),
    "batch": lambda folder: preset("hex-19:rings=1").sample(3, seed=2),
    "few-candidates": lambda folder: "random-19:stations=66",
}
KINDS: dict[str, type[ConflictEnv] | type[CellularEnv]] = {"conflict": ConflictEnv, "cellular": CellularEnv}


def make(kind: str, networks: int = 1, source: Any = None, **options: Any) -> QueueEnv:
    """An environment with some traffic; of the paper's own networks without a source."""
    name = source if source is not None else {"conflict": "conflict-8", "cellular": "hex-19:rings=1"}[kind]
    load = {"conflict": 0.5, "cellular": 25.0}[kind]
    env: QueueEnv = KINDS[kind](name, networks, **{"load": load, **options})
    return env


SAMPLE = [
    ("conflict", "preset"),
    ("conflict", "gain"),
    ("cellular", "csv"),
    ("cellular", "batch"),
    ("cellular", "gain"),
]
REST = [(kind, source) for kind in KINDS for source in SOURCES if (kind, source) not in SAMPLE]


def played(env: QueueEnv, slots: int = 3, rule: str = "random") -> None:
    found = policy(rule)
    state = found.initial_state(env.observe(found.level))
    for _ in range(slots):
        env.step(found.act(env.observe(found.level), state, torch.Generator().manual_seed(1))[0])


def same(one: Batch, other: Batch) -> None:
    """Two graphs are equal, bit by bit."""
    for store in (*one.node_types, *one.edge_types):
        assert set(one[store].keys()) == set(other[store].keys())
        for name, value in one[store].items():
            if isinstance(value, torch.Tensor):
                assert torch.equal(value, other[store][name]), (store, name)


@pytest.mark.parametrize(("kind", "source"), [*SAMPLE, *(pytest.param(*pair, marks=pytest.mark.all) for pair in REST)])
def test_every_level_of_every_source_is_a_contract_graph(kind: str, source: str, tmp_path: Path) -> None:
    env = make(kind, 3, SOURCES[source](tmp_path))
    env.reset(seed=1)
    played(env)
    first = env.observe("genie")
    assert env.observe("global") is not first
    for level in LEVELS:
        graph = env.observe(level)
        check(graph, level=level)
        edges = graph[CHANNEL]
        assert torch.equal(edges.edge_index, first[CHANNEL].edge_index) and torch.equal(edges.slot, first[CHANNEL].slot)
        assert (
            "x" not in graph["bs"] and "edge_attr" not in edges and graph["antenna"].num_nodes >= graph["bs"].num_nodes
        )
        assert level in ("global", "genie") or not edges.gain[~edges.known].any()
        assert bool(edges.gain[edges.known].sum() > 0) and len(graph.to_data_list()) == 3
        same(pickle.loads(pickle.dumps(graph)), graph)
        single = graph.to_data_list()[1]
        check(single, level=level)


def test_what_is_known_station_by_station() -> None:
    """Local: the own edges. Neighbourhood: edges among the stations of some closed neighbourhood and their users, by loops."""
    env = make("cellular", 1, "random-19")
    env.reset(seed=1)
    home, hears = env.cells.station[0].tolist(), env.cells.neighbours[0]
    known = {level: env.observe(level)[CHANNEL].known for level in LEVELS}
    places = env.observe("genie")[CHANNEL].edge_index.t().tolist()
    closed = [{n, *hears[n].nonzero().flatten().tolist()} for n in range(env.num_stations)]
    for edge, (station, user) in enumerate(places):
        assert bool(known["local"][edge]) == (station == home[user])
        near = any(station in members and home[user] in members for members in closed)
        assert bool(known["neighbourhood"][edge]) == near
    assert 0 < int(known["neighbourhood"].sum()) < len(places) and bool(known["global"].all())
    local = env.observe("local")
    assert not local[NEIGHBOURS].edge_index.numel() and not local[CHANNEL].pathloss_db[~known["local"]].any()


def test_gains_are_one_slot_old_except_the_genies() -> None:
    env = make("cellular", 2)
    env.reset(seed=1)
    for _ in range(3):
        now = env.observe("genie")[CHANNEL].gain.clone()
        played(env, 1)
        for level in ("local", "neighbourhood", "global"):
            edges = env.observe(level)[CHANNEL]
            assert torch.equal(edges.gain, now * edges.known.unsqueeze(1))
        assert not torch.equal(env.observe("genie")[CHANNEL].gain, now)


def test_conflicts_from_gains_by_the_rule() -> None:
    env = ConflictEnv(gains(), conflict_db=6.0)
    graph = env.reset(seed=0)[0]
    mean = env._layout[CHANNEL].gain.mean(1).reshape(7, 3).tolist()
    home = env.cells.station[0].tolist()
    expected = {
        (u, v)
        for u in range(7)
        for v in range(7)
        if u != v and (home[u] == home[v] or mean[v][home[u]] >= mean[v][home[v]] * 10**-0.6)
    }
    assert home == [max(range(3), key=row.__getitem__) for row in mean]
    assert set(map(tuple, graph[CONFLICTS].edge_index.t().tolist())) == expected and 0 < len(expected) < 42
    pairs = {(home[u], home[v]) for u, v in expected if home[u] != home[v]}
    assert pairs <= set(map(tuple, graph[NEIGHBOURS].edge_index.t().tolist()))
    assert len(ConflictEnv("hex-19", 2, conflict_db=30).disturbs.shape) == 3, (
        "layouts differ, and so do their conflicts"
    )


def test_far_stations_of_large_networks_are_far_interference() -> None:
    env = CellularEnv("random-19:stations=66", 1, load=20.0)
    env.reset(seed=1)
    assert env.observe("genie")[CHANNEL].gain.shape[0] == 32 * env.num_devices
    whole = preset("random-19:stations=66").sample(1, seed=0)
    gain, user = large_scale(whole).reshape(-1, 66), 5
    power = whole["bs"].rb_power_max_w[:, 0].double()
    received = gain[user] * power
    far = received.sort().values[: 66 - 32].sum()
    assert float(env._layout["ue"].far_interference_w[user, 0]) == pytest.approx(float(far), rel=1e-5)
    heard = env.observe("genie")[CHANNEL].edge_index[0].reshape(-1, 32)[user].tolist()
    assert sorted(heard) == sorted(received.topk(32).indices.tolist())
    played(env)
    floor = env.observe("local")["ue"]
    assert bool((floor.interference_w >= floor.noise_w + floor.far_interference_w * (1 - 1e-6)).all())


def test_tables_of_candidates_give_what_all_pairs_give() -> None:
    env = CellularEnv("hex-19:rings=1", 2)
    env.reset(seed=3)
    layout = env._layout.clone()
    dense, sparse = CandidateTable(layout, 2), CandidateTable(layout, 2)
    sparse.dense = False
    power = torch.rand(env.num_rbs, 2, env.num_stations)
    one, other = (table.received_power(env.gain, power) for table in (dense, sparse))
    torch.testing.assert_close(one, other, rtol=1e-5, atol=0)


def test_users_with_fewer_candidates_fill_their_rows_with_zeros() -> None:
    full = gains()
    kept = torch.ones(21, dtype=torch.bool)
    kept[[1, 5, 6]] = False
    kept[[4, 8]] = True
    edges = full[CHANNEL]
    for name, value in list(edges.items()):
        edges[name] = value[:, kept] if name == "edge_index" else value[kept]
    ue = edges.edge_index[1]
    edges.slot = torch.cat([torch.arange(int(count)) for count in torch.bincount(ue)])
    env = CellularEnv(full, 2, load=300.0)
    env.reset(seed=1)
    played(env)
    for level in LEVELS:
        check(env.observe(level), level=level)
    table = env._table.of_rows(env.observe("genie")[CHANNEL].gain)
    assert torch.equal(table, env._gains[0])


def test_the_strongest_station_serves_where_several_may() -> None:
    env = CellularEnv("hetnet-3tier")
    graph = env.reset(seed=0)[0]
    received = large_scale(env._layout) * env._layout["bs"].rb_power_max_w.mean(1)[graph[CHANNEL].edge_index[0]]
    assert torch.equal(received.reshape(-1, env.num_stations).argmax(1), env.cells.station[0])
    assert int((graph[CHANNEL].may_serve).sum()) == env.num_devices


@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_ends_with_the_indicators_of_its_packets(kind: str) -> None:
    env = make(kind, 3, episode_slots=60, record=True)
    env.reset(seed=2)
    rule = policy("llq")
    state, found = rule.initial_state(env.observe(rule.level)), []
    for slot in range(120):
        step = env.step(rule.act(env.observe(rule.level), state, torch.Generator().manual_seed(slot))[0])
        assert ("episode" in step.info) == bool(step.truncated.all()) == (slot % 60 == 59)
        if "episode" in step.info:
            found.append(step.info["episode"])
            delays = env.delays().before(60 - tail_slots(60))
            scale = 1.0 if kind == "conflict" else 20.0  # slots of 20 ms
            for network in range(3):
                total = delays.of_network(network).total.sort().values
                unit = "slots" if kind == "conflict" else "ms"
                expected = {"mean": total.mean(), "p95": nearest_rank(total, 95), "p99": nearest_rank(total, 99)}
                for name, value in expected.items():
                    got = float(found[-1][f"{name}_delay_{unit}"][network])
                    assert got == pytest.approx(scale * float(value), rel=1e-5)
                delivered = delays.of_network(network).delivered.double().mean()
                assert float(found[-1]["delivered"][network]) == pytest.approx(float(delivered))
    assert not torch.equal(found[0]["delivered"], found[1]["delivered"]) or len(found) == 2
    assert [kpi.name for kpi in env.kpis] == list(found[0]) and all(indicator(name) for name in found[0])


def test_all_policies_meet_the_same_traffic_and_indicators_have_their_shape() -> None:
    env = CellularEnv("hex-19:rings=1", 2, load=20.0, episode_slots=25)
    agents = NeighbourhoodMAPPO(8, overbook=True).eval()
    trial = rollout(
        env, {"lqf": policy("lqf_subband"), "twice": policy("lqf_subband"), "mappo": [agents, agents]}, 2, 3
    )
    assert set(trial.kpis) == {kpi.name for kpi in env.kpis}
    assert torch.equal(trial.values["lqf"]["mean_delay_ms"], trial.values["twice"]["mean_delay_ms"])
    assert trial.values["mappo"]["p95_delay_ms"].shape == (2, 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", LEVELS)
def test_packed_rows_become_their_observations_again(kind: str, level: Any) -> None:
    env = make(kind, 3, level=level)
    env.reset(seed=1)
    played(env, 2)
    rows, kept = env.pack(), env.observe(level).clone()
    narrow = env.observe("local").clone()
    played(env, 3)
    later, kept_later = env.pack(), env.observe(level).clone()
    same(env.unpack(rows), kept)
    same(env.unpack(later, level), kept_later)
    if level != "genie" or kind == "conflict":
        same(env.unpack(rows, "local"), narrow)
    order = torch.tensor([2, 0])
    mixed = env.unpack({name: torch.stack([rows[name][2], later[name][0]]) for name in rows})
    assert [int(n) for n in mixed["ue"].ptr] == [0, env.num_devices, 2 * env.num_devices]
    u = env.num_devices
    assert torch.equal(mixed["ue"].queue_bits[:u], kept["ue"].queue_bits[order[0] * u :][:u])
    edges = len(mixed[CHANNEL].gain) // 2
    assert torch.equal(mixed[CHANNEL].gain[:edges], kept[CHANNEL].gain[2 * edges : 3 * edges])
    assert torch.equal(mixed[CHANNEL].gain[edges:], kept_later[CHANNEL].gain[:edges])
    if kind == "cellular" and level == "local":
        with pytest.raises(ValueError, match="level: got 'genie', expected 'local'"):
            env.unpack(rows, "genie")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"])
def test_a_copied_environment_goes_on_with_the_same_bits(kind: str, copied: Any) -> None:
    env = make(kind, 2, episode_slots=12, record=True)
    env.reset(seed=3)
    played(env, 7)
    other = copied(env)
    for _ in range(9):
        action = env.action.sample(torch.Generator().manual_seed(4))
        one, two = env.step(action), other.step(action)
        assert torch.equal(one.reward, two.reward)
        same(one.obs, two.obs)
        assert one.info.keys() == two.info.keys()
        assert all(torch.equal(v, two.info["episode"][k]) for k, v in one.info.get("episode", {}).items())


def test_neighbourhood_power_control_decides_as_if_it_picked_from_all_gains() -> None:
    env = CellularEnv("random-19", 2, load=40.0)
    env.reset(seed=1)
    played(env, 4, "lqf_subband")
    for method in ("wmmse", "fp"):
        rule = PowerControl(method, "neighbourhood", iterations=10)  # type: ignore[arg-type]
        assert rule.level == "neighbourhood"
        found = [
            rule.act(env.observe(level), rule.initial_state(env.observe("global")), None)[0] for level in LEVELS[1:3]
        ]
        assert torch.equal(found[0].power_w, found[1].power_w) and bool(found[0].power_w.any())


RULES = {
    "conflict": ("gms", "gms_paper", "llq", "qcsma", "random"),
    "cellular": ("llq", "lqf_subband", "lqf_best", "max_weight_local", "local_score", "wmmse_neighbourhood",
                 "fp_neighbourhood", "random", "fair_itlinq", "wmmse_global", "genie", "mappo with cross gains"),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "name"), [(k, n) for k, names in RULES.items() for n in (*names, "mappo")])
def test_a_canary_outside_a_stations_view_changes_nothing_of_its_decision(kind: str, name: str) -> None:
    env = make(kind, 1, {"conflict": None, "cellular": "random-19"}[kind])
    torch.manual_seed(0)
    agents = NeighbourhoodMAPPO(8, overbook=True, cross_gains="cross" in name).eval()
    rule: Any = agents if name.startswith("mappo") else policy(name)
    env.reset(seed=3)
    played(env, 4)
    obs = env.observe(rule.level)
    state = rule.initial_state(obs)
    before = rule.act(obs, state, torch.Generator().manual_seed(1))[0]
    changed = False
    for station in range(env.num_stations):
        reports = canary(obs, rule.level, station, torch.Generator().manual_seed(station))
        after = rule.act(reports, state, torch.Generator().manual_seed(1))[0]
        own = env.cells.station[0] == station
        assert torch.equal(after.power_w[station], before.power_w[station])
        assert torch.equal(after.airtime[own], before.airtime[own])
        changed |= not torch.equal(after.power_w, before.power_w)
    assert changed or rule.level in ("global", "genie") or name == "random"
