"""All environments share one graph, one way to refuse an action, one encoder: what holds for each of them at each level."""

import copy
import dataclasses
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import ArrivalEnv, CellularEnv, ConflictEnv, HandoverEnv, HandoverTrafficEnv, IoTEnv, SnapshotEnv
from hetgraph.envs.action_spec import Part
from hetgraph.graph import CHANNEL, MOUNTED_ON, check, preset, roaming
from hetgraph.graph.levels import LEVELS
from hetgraph.graph.schema import Level
from hetgraph.nn import HeteroEncoder

KINDS = ("snapshot", "conflict", "cellular", "arrivals", "handover", "handover-traffic", "iot")
COLUMNS: dict[Any, list[str]] = {
    "bs": ["power_dbm"],
    "ue": ["served"],
    "antenna": ["cos_azimuth", "tilt_rad"],
    CHANNEL: ["snr_db", "gap_db", "known"],
}


def make(kind: str, networks: int = 2) -> Any:
    if kind == "snapshot":
        return SnapshotEnv(preset("hetnet-3tier").scaled(users=0.05), networks, episode_slots=3)
    if kind == "conflict":
        return ConflictEnv(num_envs=networks, episode_slots=10, max_queue=None)
    if kind == "cellular":
        return CellularEnv("random-19", networks, episode_slots=10, max_queue=None)
    if kind == "arrivals":
        return ArrivalEnv("grows-3", networks)
    if kind == "handover":
        return HandoverEnv(roaming(cells=6, users=12), networks, steps=10)
    if kind == "handover-traffic":
        return HandoverTrafficEnv(roaming(6, 12, "handover-traffic"), networks, steps=10)
    return IoTEnv("iot-noma:users=6,small_cells=2,subchannels=3", networks, episode_slots=10)


def moved(env: Any, steps: int = 3) -> Any:
    for seed in range(steps):
        env.step(env.action.sample(torch.Generator().manual_seed(seed)))
    return env


EACH = pytest.mark.parametrize("kind", KINDS)


@EACH
@pytest.mark.parametrize("level", LEVELS)
def test_observations_keep_the_contract_at_their_level(kind: str, level: Level) -> None:
    env = moved(make(kind))
    obs = env.observe(level)
    check(obs)
    check(obs, level=level)
    mounted = obs[MOUNTED_ON].edge_index[1]
    assert torch.equal(mounted.unique(), torch.arange(len(obs["bs"].power_max_w))), "each station has an antenna"
    assert all("x" not in obs[store] for store in ("bs", "ue", "antenna")) and "edge_attr" not in obs[CHANNEL]
    first = env.observe("genie")[CHANNEL]
    assert torch.equal(obs[CHANNEL].edge_index, first.edge_index) and torch.equal(obs[CHANNEL].slot, first.slot)


@pytest.mark.parametrize("level", LEVELS)
def test_one_encoder_reads_every_environment(level: Level) -> None:
    encoder = HeteroEncoder(COLUMNS, 8, 2, level=level)
    for kind in KINDS:
        obs = moved(make(kind)).observe(level)
        out = encoder(obs)
        assert out["bs"].shape == (len(obs["bs"].power_max_w), 8) and out["ue"].shape == (len(obs["ue"].noise_w), 8)
        assert bool(out["bs"].isfinite().all()) and bool(out["bs"].any())


def broken(part: Part, value: Tensor) -> list[Tensor]:
    """Malformed values of a part: another shape, another dtype, out of range, and no number."""
    wrong = value.double() if part.kind == "choice" else value.long()
    if part.kind == "choice":
        assert part.n is not None
        return [
            value[..., :0],
            wrong,
            torch.full_like(value, part.first + part.n),
            torch.full_like(value, part.first - 1),
        ]
    return [value[..., :0], wrong, torch.full_like(value, torch.nan), torch.full_like(value, -1.0)]


@EACH
@pytest.mark.parametrize("fault", range(4))
def test_malformed_actions_raise_one_sentence_and_change_nothing(kind: str, fault: int) -> None:
    env = moved(make(kind))
    twin = copy.deepcopy(env)
    action = env.action.sample(torch.Generator().manual_seed(9))
    for part in env.action.fields:
        value = env.action.get(action, part.name)
        if value is None:
            continue
        bad = broken(part, value)[fault]
        wrong = bad if isinstance(action, Tensor) else dataclasses.replace(action, **{part.name: bad})
        with pytest.raises(ValueError, match=r"^action[^\n]*: got [^\n]*, expected [^\n]*$"):
            env.step(wrong)
    same(env.step(action).obs, twin.step(action).obs)


def same(one: HeteroData, other: HeteroData) -> None:
    for store in (*one.node_types, *one.edge_types):
        for name, value in one[store].items():
            if isinstance(value, Tensor):
                assert torch.equal(value, other[store][name]), (store, name)


@EACH
def test_copies_pickles_and_states_go_on_with_the_same_bits(kind: str) -> None:
    env = moved(make(kind))
    fresh = make(kind)
    fresh.load_state_dict(env.state_dict())
    twins = [copy.deepcopy(env), pickle.loads(pickle.dumps(env)), fresh]
    for seed in range(3):
        action = env.action.sample(torch.Generator().manual_seed(seed))
        step = env.step(action)
        for twin in twins:
            again = twin.step(action)
            assert torch.equal(again.reward, step.reward)
            same(step.obs, again.obs)


@EACH
def test_a_graph_survives_a_pickle(kind: str) -> None:
    obs = moved(make(kind)).observe("neighbourhood")
    again = pickle.loads(pickle.dumps(obs.clone()))
    check(again, level="neighbourhood")
    same(obs, again)
    same(obs, copy.deepcopy(obs))


@EACH
def test_a_network_is_the_same_alone_and_among_many(kind: str) -> None:
    many, alone = make(kind, 3), make(kind, 1)
    for env in (many, alone):
        env.reset(seed=4)
    obs, single = many.observe("global"), alone.observe("global")
    edges, users = len(single[CHANNEL].slot), len(single["ue"].noise_w)
    assert torch.equal(obs[CHANNEL].gain[:edges], single[CHANNEL].gain)
    assert torch.equal(obs[CHANNEL].edge_index[:, :edges], single[CHANNEL].edge_index)
    assert torch.equal(obs["ue"].serving_slot[:users], single["ue"].serving_slot)
    assert not torch.equal(obs[CHANNEL].gain[edges : 2 * edges], single[CHANNEL].gain) or kind in (
        "conflict",
        "arrivals",
    )
