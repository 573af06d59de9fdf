"""Every environment on every source of networks at every level: contract graphs, steps, gains that follow the stations."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import (
    ArrivalEnv,
    CellularEnv,
    ConflictEnv,
    HandoverEnv,
    HandoverTrafficEnv,
    IoTEnv,
    SnapshotEnv,
)
from hetgraph.envs.base import GraphEnv
from hetgraph.graph import CHANNEL, MOUNTED_ON, Given, Radio, Scenario, Tier, check, preset, scenario_from_csv
from hetgraph.graph.schema import Level

LEVELS: tuple[Level, ...] = get_args(Level)
KINDS: dict[str, Callable[..., GraphEnv[Any]]] = {
    "snapshot": SnapshotEnv,
    "conflict": ConflictEnv,
    "cellular": CellularEnv,
    "arrivals": ArrivalEnv,
    "handover": HandoverEnv,
    "handover-traffic": HandoverTrafficEnv,
    "iot": IoTEnv,
}


def sites(folder: Path, masts: int = 30, shift_m: float = 0.0) -> Scenario:
    """Masts of three sectors each, the second one moved to the east; and 40 users beside them."""
    rows = [
        f"{300 * (i % 6) + shift_m * (i == 1)},{300 * (i // 6)},25,macro,43,{bearing},2,6"
        for i in range(masts)
        for bearing in (30, 150, 270)
    ]
    header = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas,tilt_deg"
    (folder / "sites.csv").write_text("\n".join([header, *rows]) + "\n")
    spots = np.random.default_rng(0).uniform(0, 300 * (masts // 6), (40, 2))
    (folder / "users.csv").write_text("x,y\n" + "".join(f"{x:.1f},{y:.1f}\n" for x, y in spots))
    return scenario_from_csv(folder / "sites.csv", folder / "users.csv")


def yaml(folder: Path) -> Scenario:
    preset("uma-5bs:users=20").to_yaml(folder / "own.yaml")
    return Scenario.from_yaml(folder / "own.yaml")


def gains(folder: Path) -> Scenario:
    """Three files of gains, of six stations and twelve users, on two blocks of 1 MHz."""
    for number in range(3):
        gain = 10 ** (-8 - 3 * np.random.default_rng(number).random((6, 12, 2)))
        np.savez(folder / f"{number}.npz", gain=gain, noise_w=1e-13, power_max_w=10.0, rb_bandwidth_hz=1e6)
    return Scenario(source=Given("gain", str(folder)))


@dataclass
class Files:
    """What sources read.

    Args:
        folder: for files that the sources write.
        town: ray tracing.
        drives: drive tests.
    """

    folder: Path
    town: Path
    drives: Path


@pytest.fixture
def files(tmp_path: Path, town: Any, drives: Path) -> Files:
    (tmp_path / "own").mkdir()
    return Files(tmp_path / "own", town.folder, drives)


def ray_traced(files: Files, **options: Any) -> Scenario:
    radio = Radio(bandwidth_hz=10e6, num_rbs=2, noise_figure_db=7.0)
    return Scenario(source=Given("deepmimo", str(files.town), options), tiers=(Tier(power_dbm=40.0),), radio=radio)


def driven(files: Files, slot_s: float = 1.0) -> Scenario:
    """Users of drive tests, who move in handovers and stand at their places elsewhere."""
    made = preset(f"lte-trace:path={files.drives},cells=4,users=12,num_rbs=2")
    return replace(made, radio=replace(made.radio, slot_s=slot_s))


SOURCES: dict[str, Callable[[Files], Any]] = {
    "preset": lambda files: "random-19",
    "yaml": lambda files: yaml(files.folder),
    "csv": lambda files: sites(files.folder),
    "gain files": lambda files: gains(files.folder),
    "batch": lambda files: preset("hex-19:rings=1").sample(2, seed=1),
    "ray tracing": lambda files: ray_traced(files, users=4),
    "ray tracing with phases": lambda files: ray_traced(files, coherent=True),
    "drive tests": driven,
    "drive tests, batch": lambda files: driven(files).sample(2, seed=1),
}


def structure(graph: HeteroData) -> list[Tensor]:
    return [graph[CHANNEL].edge_index, graph[CHANNEL].slot, graph[MOUNTED_ON].edge_index]


def kept(env: GraphEnv[Any], level: Level) -> None:
    """An observation is a contract graph at its level, of the structure that every level has, and knows something."""
    graph, whole = env.observe(level), env.observe("genie")
    check(graph, level=level)
    assert all(map(torch.equal, structure(graph), structure(whole)))
    mounted = graph[MOUNTED_ON].edge_index[1]
    assert torch.equal(mounted.unique(), torch.arange(env.num_envs * env.num_stations)), "each has an antenna"
    assert len(graph["ue"].noise_w) % env.num_envs == 0 and len(graph["ue"].noise_w) > 0
    edges = graph[CHANNEL]
    assert bool(edges.gain.isfinite().all()) and bool((edges.gain >= 0).all())
    assert not bool(edges.gain[~edges.known].any()) if "known" in edges else level in ("global", "genie")


def covered(kind: str, source: str, level: Level, files: Files) -> None:
    made = SOURCES[source](files)
    if (kind, source) == ("iot", "drive tests"):  # bursts of services come in shorter slots
        made = driven(files, 0.01)
    env, other = (KINDS[kind](made, 2, level=level) for _ in range(2))
    assert env.num_envs == 2
    obs, heard = env.reset(seed=3)[0], False
    other.reset(seed=3)
    for number in range(3):
        kept(env, level)
        heard |= bool(env.observe("genie")[CHANNEL].gain.any())
        action = env.action.sample(torch.Generator().manual_seed(number))
        step = env.step(action)
        assert bool(step.reward.isfinite().all()) and step.info["refused"].shape == (2,)
        assert torch.equal(other.step(action).reward, step.reward)
        obs = step.obs
    kept(env, level)
    assert heard and torch.equal(obs[CHANNEL].gain, other.observe(level)[CHANNEL].gain)


SAMPLE: tuple[tuple[str, str, Level], ...] = (
    ("snapshot", "csv", "local"),
    ("snapshot", "ray tracing", "global"),
    ("conflict", "drive tests", "neighbourhood"),
    ("conflict", "ray tracing with phases", "genie"),
    ("cellular", "yaml", "local"),
    ("cellular", "drive tests, batch", "global"),
    ("arrivals", "gain files", "global"),
    ("arrivals", "ray tracing", "neighbourhood"),
    ("handover", "ray tracing with phases", "neighbourhood"),
    ("handover", "drive tests", "genie"),
    ("handover-traffic", "csv", "local"),
    ("handover-traffic", "drive tests", "genie"),
    ("iot", "ray tracing", "local"),
    ("iot", "drive tests", "global"),
)


ALL = [(kind, source, level) for kind in KINDS for source in SOURCES for level in LEVELS]


EVERY = [one if one in SAMPLE else pytest.param(*one, marks=pytest.mark.all) for one in ALL]


@pytest.mark.parametrize(("kind", "source", "level"), EVERY)
def test_every_environment_on_every_source_at_every_level(kind: str, source: str, level: Level, files: Files) -> None:
    covered(kind, source, level, files)


def gain_table(obs: HeteroData, stations: int) -> Tensor:
    """Gains of the first network's candidates by station and user ``[N, U]``, mean over blocks; no number elsewhere."""
    bs, ue = obs[CHANNEL].edge_index
    there = (bs < stations) & (obs[CHANNEL].gain > 0).all(1)
    table = torch.full((stations, len(obs["ue"].noise_w)), torch.nan)
    table[bs[there], ue[there]] = obs[CHANNEL].gain[there].mean(1)
    return table


@pytest.mark.parametrize("kind", KINDS)
def test_gains_change_when_a_station_moves(kind: str, tmp_path: Path) -> None:
    """Of the mast that moves, and of no other."""
    tables = []
    for shift_m in (0.0, 60.0):
        env = KINDS[kind](sites(tmp_path, 6, shift_m), 1)
        env.reset(seed=1)
        for number in range(3 * (kind == "arrivals")):  # somebody comes
            env.step(env.action.sample(torch.Generator().manual_seed(number)))
        tables.append(gain_table(env.observe("genie"), 18))
    change = (tables[1] / tables[0]).log10().abs()
    moved, seen = torch.arange(18) // 3 == 1, change.isfinite()
    assert bool(seen[moved].any()) and bool(seen[~moved].any())
    assert float(change[moved][seen[moved]].mean()) > 0.05
    assert float(change[~moved][seen[~moved]].max()) < 1e-5


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        *((kind, "rays") for kind in ("snapshot", "conflict", "handover", "iot")),
        *((kind, "drives") for kind in ("snapshot", "conflict", "iot")),  # users of handovers move
    ],
)
def test_without_fading_gains_are_those_of_the_files(kind: str, source: str, files: Files) -> None:
    made = ray_traced(files) if source == "rays" else driven(files, 0.01)
    still = replace(made, channel=replace(made.channel, fading="none"))
    env = KINDS[kind](still, 1, seed=0)
    env.reset(seed=0)
    seen, told = (gain_table(graph, env.num_stations) for graph in (env.observe("genie"), still.sample(1, seed=0)))
    torch.testing.assert_close(seen, told, rtol=1e-4, atol=0, equal_nan=True)


def test_gains_of_cells_are_those_of_the_files_in_the_mean_over_fading(files: Files) -> None:
    for made in (ray_traced(files), driven(files)):
        graph = made.sample(1, seed=0)
        env = CellularEnv(graph, 400)
        env.reset(seed=0)
        mean = env.observe("genie")[CHANNEL].gain.reshape(400, -1, 2).mean((0, 2))
        torch.testing.assert_close(mean, graph[CHANNEL].gain.mean(1), rtol=0.2, atol=0)


def test_who_arrives_stands_at_the_place_of_a_user_of_the_files(files: Files) -> None:
    for made in (ray_traced(files), driven(files)):
        env = ArrivalEnv(made, 1, seed=0)
        told, came = gain_table(made.sample(1, seed=0), env.num_stations).T, 0
        for number in range(6):
            for column in gain_table(env.observe("genie"), env.num_stations).T:
                there = column.isfinite()
                assert bool(((told[:, there] / column[there] - 1).abs() < 1e-4).all(1).any())
                came += bool(there.any())
            env.step(env.action.sample(torch.Generator().manual_seed(number)))
        assert came > 0


def test_bursts_of_services_need_slots_of_drive_tests_that_are_short_enough(drives: Path) -> None:
    with pytest.raises(ValueError, match=r"^services\.bursts_per_s: got 5 bursts per slot, expected at most one$"):
        IoTEnv(preset(f"lte-trace:path={drives},cells=4,users=12"))
