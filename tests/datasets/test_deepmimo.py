"""DeepMIMO v4 scenarios, written here in that format."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hetgraph.channel import Panel
from hetgraph.datasets import Carrier, DeepMIMODataset, LTETraceDataset
from hetgraph.datasets.deepmimo_files import Pair
from hetgraph.graph import CHANNEL, MOUNTED_ON, Channel, Given, Radio, Scenario, Tier, check
from hetgraph.radio import evaluate, one_shot

NAN = math.nan


@pytest.fixture
def scenario(town: Any) -> Any:
    return town


def test_gains_are_the_sums_of_the_paths_powers(scenario: Any) -> None:
    data = DeepMIMODataset(scenario.folder)
    graph = data[0]
    check(graph)
    assert len(data) == 1 and data.dropped == 2 and graph.scenario == "town"
    assert float(graph.carrier_hz) == pytest.approx(3.5e9)
    rows = [(1, i) for i in range(4)] + [(2, i) for i in range(2)]
    gain = graph[CHANNEL].gain.reshape(6, 3)
    for user, (s, i) in enumerate(rows):
        assert torch.equal(graph["ue"].pos[user], torch.from_numpy(scenario.rx[s][i]))
        for j in range(3):
            paths = scenario.arrays["power", j, s][i]
            expected = sum(10 ** (float(p) / 10) for p in paths if not math.isnan(p))
            assert float(gain[user, j]) == pytest.approx(expected, rel=1e-5)
            sight = any(c == 0 for c in scenario.arrays["inter", j, s][i])
            assert bool(graph[CHANNEL].los.reshape(6, 3)[user, j]) == sight
    assert torch.equal(graph["bs"].pos, torch.from_numpy(scenario.tx)) and not graph[CHANNEL].measured.any()
    assert torch.isfinite(evaluate(graph, one_shot("max_rsrp")(graph)).sum_rate_bps).all()


def test_coherent_gains_add_phases_and_delays(scenario: Any) -> None:
    carrier = Carrier(bandwidth_hz=20e6, num_rbs=5)
    gain = DeepMIMODataset(scenario.folder, coherent=True, carrier=carrier)[0][CHANNEL].gain.reshape(6, 3, 5)
    for user, (s, i) in enumerate([(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)]):
        for j in range(3):
            power, phase, delay = (scenario.arrays[name, j, s][i].astype(float) for name in ("power", "phase", "delay"))
            for r in range(5):
                offset_hz = (r - 2) * 4e6
                paths = [
                    10 ** (p / 20) * np.exp(1j * (math.radians(a) - 2 * math.pi * offset_hz * t))
                    for p, a, t in zip(power, phase, delay, strict=True)
                    if not math.isnan(p)
                ]
                assert float(gain[user, j, r]) == pytest.approx(abs(sum(paths)) ** 2, rel=1e-3, abs=1e-16)
    mean = DeepMIMODataset(scenario.folder, carrier=carrier)[0][CHANNEL].gain.reshape(6, 3, 5)
    assert (mean == mean[..., :1]).all()


def test_channels_of_antennas_add_the_phases_of_their_places(scenario: Any) -> None:
    carrier = Carrier(bandwidth_hz=20e6, num_rbs=2)
    tier = Tier("macro", panel=Panel(2, 2), azimuth_deg=(40.0,), tilt_deg=(5.0,))
    graph = DeepMIMODataset(scenario.folder, carrier=carrier, antennas=tier, layers=3)[0]
    check(graph)
    h, offset = graph[CHANNEL].h.reshape(6, 3, 4, 2), graph["antenna"].offset.reshape(3, 4, 3).double().numpy()
    assert graph.layers.tolist() == [3] and torch.bincount(graph[MOUNTED_ON].edge_index[1]).tolist() == [4, 4, 4]
    for user, (s, i) in enumerate([(1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1)]):
        for j in range(3):
            names = ("power", "phase", "delay", "aod_az", "aod_el")
            paths = zip(*(scenario.arrays[name, j, s][i].astype(float) for name in names), strict=True)
            total = np.zeros((4, 2), complex)
            for p, a, t, azimuth, zenith in paths:
                if math.isnan(p):
                    continue
                az, zen = math.radians(azimuth), math.radians(zenith)
                toward = np.array([math.sin(zen) * math.cos(az), math.sin(zen) * math.sin(az), math.cos(zen)])
                for r, offset_hz in enumerate((-5e6, 5e6)):
                    turn = math.radians(a) - 2 * math.pi * offset_hz * t
                    turns = turn + 2 * math.pi * 3.5e9 / 299_792_458.0 * (offset[j] @ toward)
                    total[:, r] += 10 ** (p / 20) * np.exp(1j * turns)
            assert np.allclose(h[user, j].numpy(), total, rtol=1e-3, atol=1e-7)
    torch.testing.assert_close(graph[CHANNEL].gain, graph[CHANNEL].h.abs().square().mean(1))
    rate = evaluate(graph, one_shot("vector_wmmse")(graph), "spatial").sum_rate_bps
    assert bool((rate > evaluate(graph, one_shot("mrt")(graph), "spatial").sum_rate_bps).all())
    given = Scenario(
        tiers=(tier,), channel=Channel(mimo=True), radio=Radio(num_rbs=2, layers=3),
        source=Given("deepmimo", str(scenario.folder)),
    )  # fmt: skip
    assert given.sample(1)[CHANNEL].h.shape == (18, 4, 2)


def multipath(k_db: float | None, receivers: int = 4000) -> Pair:
    """12 paths of random phases, with exponential delays of 100 ns; the first is ``k_db`` above all others together, if it is."""
    rng, shape, spread_s = np.random.default_rng(0), (receivers, 12), 100e-9
    delay_s = np.sort(rng.exponential(spread_s, shape), 1)
    delay_s -= delay_s[:, :1]
    power = np.exp(-delay_s / spread_s) * 10 ** (rng.normal(0, 3, shape) / 10)
    if k_db is not None:
        power[:, 1:] *= power[:, :1] * 10 ** (-k_db / 10) / power[:, 1:].sum(1, keepdims=True)
    phase_deg = rng.uniform(-180, 180, shape)
    return Pair(10 * np.log10(power) - 100, phase_deg, delay_s, None, np.zeros((receivers, 3)), np.zeros(3))


@pytest.mark.parametrize(("k_db", "block_db", "band_db", "deepest_db"), [(9.0, 2.3, 1.2, -17), (None, 5.9, 2.5, -51)])
def test_what_coherent_changes_is_what_the_docstring_says(
    k_db: float | None, block_db: float, band_db: float, deepest_db: float
) -> None:
    pair, carrier = multipath(k_db), Carrier(bandwidth_hz=20e6, num_rbs=12)
    coherent, plain = pair.gain(carrier, True), pair.gain(carrier, False)
    blocks = 10 * np.log10(coherent / plain)
    band = 10 * np.log10(coherent.mean(1) / plain.mean(1))
    assert np.sqrt((blocks**2).mean()) == pytest.approx(block_db, abs=0.05)
    assert np.sqrt((band**2).mean()) == pytest.approx(band_db, abs=0.05)
    assert blocks.min() == pytest.approx(deepest_db, abs=0.5)
    assert (coherent / plain).mean() == pytest.approx(1, abs=0.01), "the mean stays"


def test_users_are_drawn_by_seed_and_number(scenario: Any) -> None:
    one, more, other = (
        DeepMIMODataset(scenario.folder, users=3, networks=n, seed=s) for n, s in ((3, 1), (8, 1), (3, 2))
    )
    assert [torch.equal(one[i][CHANNEL].gain, more[i][CHANNEL].gain) for i in range(3)] == [True] * 3
    places = {tuple(d[i]["ue"].pos[:, 0].tolist()) for d in (more, other) for i in range(3)}
    assert len(places) > 1 and all(len(p) == 3 for p in places)
    with pytest.raises(ValueError, match=r"users: got 7, expected 1 to 6, the receivers of .*town with a path"):
        DeepMIMODataset(scenario.folder, users=7)


def test_scenes_are_items(tmp_path: Path, make_town: Any) -> None:
    root = tmp_path / "street"
    first = make_town(root / "scene_0000", seed=0)
    make_town(root / "scene_0001", seed=1)
    (root / "params.json").write_text(json.dumps(first.params | {"scene": {"num_scenes": 2}}))
    data = DeepMIMODataset(root)
    assert len(data) == 2 and not torch.equal(data[0][CHANNEL].gain, data[1][CHANNEL].gain)
    (root / "params.json").write_text(json.dumps(first.params | {"scene": {"num_scenes": 3}}))
    with pytest.raises(ValueError, match="got 2 folders of scenes, expected 3"):
        DeepMIMODataset(root)


def test_both_readers_end_in_the_same_kind_of_graph(scenario: Any, drives: Path) -> None:
    a = DeepMIMODataset(scenario.folder)[0]
    b = LTETraceDataset(drives, cells=6, users=50, networks=1)[0]
    assert a.node_types == b.node_types and a.edge_types == b.edge_types
    for store in (*a.node_types, *a.edge_types):
        mine, theirs = ({k: (v.dtype, v.dim()) for k, v in g[store].items() if k != "num_nodes"} for g in (a, b))
        theirs |= {"los": mine["los"]} if "los" in mine else {}
        assert mine == theirs, store


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("power", np.zeros((4, 4)), r"power: got shape \(4, 4\), expected \(5, paths\), as params\.json has it"),
        ("power", np.zeros(5), r"power: got shape \(5,\), expected \(5, paths\)"),
        ("inter", np.zeros((5, 3)), r"inter: got shape \(5, 3\), expected \(5, 4\), that of power"),
        ("phase", np.zeros((5, 3)), r"phase: got shape \(5, 3\), expected \(5, 4\), that of power"),
        ("phase", np.full((5, 4), NAN), "phase: got NaN or infinity where power is a number, expected numbers"),
        ("rx_pos", np.zeros((5, 2)), r"got rx_pos \(5, 2\) and tx_pos \(1, 3\), expected \(5, 3\) and \(1, 3\)"),
        ("rx_pos", np.full((5, 3), NAN), "got a place that is NaN or infinite, expected finite numbers in m"),
        ("rx_pos", np.zeros((5, 3)), "got other rx_pos for transmitter 1 of set 0, expected the same for all"),
        ("power", np.full((5, 4), math.inf), "power: got infinity, expected dB, or NaN where there is no path"),
        ("power", np.array([["x"]]), r"power: got dtype <U1, expected numbers"),
        ("power", np.array([None]), "got a file that is no plain npz, expected arrays without pickled objects"),
    ],
)
def test_wrong_arrays_are_refused_in_a_sentence(scenario: Any, name: str, value: np.ndarray, message: str) -> None:
    np.savez(scenario.path(name, 0, 1), **{name: value})
    with pytest.raises(ValueError, match=message):
        DeepMIMODataset(scenario.folder, coherent=True)


def test_a_hostile_pickle_is_not_run(scenario: Any, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    np.savez(scenario.path("power", 2, 2), power=np.array([Hostile()], dtype=object))
    with pytest.raises(ValueError, match=r"power_t000_tx002_r002\.npz: got a file that is no plain npz"):
        DeepMIMODataset(scenario.folder)
    assert not (tmp_path / "ran").exists()


def test_what_is_missing_is_named(scenario: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"params\.json: got no such file, expected a DeepMIMO v4 scenario's"):
        DeepMIMODataset(tmp_path / "nowhere")
    scenario.write("power", 0, 1, scenario.arrays["power", 0, 1], key="pwr")
    with pytest.raises(ValueError, match="got the arrays 'pwr', expected 'power' among them"):
        DeepMIMODataset(scenario.folder)
    scenario.path("power", 0, 1).write_bytes(b"PK half a file")
    with pytest.raises(ValueError, match=r"power_t000_tx000_r001\.npz: got a file that is no plain npz"):
        DeepMIMODataset(scenario.folder)
    scenario.path("power", 0, 1).unlink()
    with pytest.raises(
        FileNotFoundError, match=r"power_t000_tx000_r001\.npz: got no such file, expected the array 'power'"
    ):
        DeepMIMODataset(scenario.folder)
    scenario.write("power", 0, 1, scenario.arrays["power", 0, 1])
    for j in range(3):
        for s, n in scenario.sizes.items():
            scenario.path("inter", j, s).unlink()
            scenario.write("power", j, s, np.full((n, 2), NAN))
    with pytest.raises(ValueError, match="got no receiver that a path reaches, expected at least one"):
        DeepMIMODataset(scenario.folder)


SETS = '{"txrx_sets": {"txrx_set_0": {"id": 0, "is_tx": true, "is_rx": false, "num_points": %s}}}'


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ("{", "got text that is no JSON, expected a DeepMIMO scenario's parameters"),
        ("[]", "got TypeError .*, expected txrx_sets with id, is_tx, is_rx and num_points"),
        ('{"txrx_sets": {"txrx_set_0": {"id": 0}}}', "got KeyError 'num_points', expected txrx_sets with id"),
        (SETS % "Infinity", "got OverflowError .*, expected txrx_sets with id"),
        (SETS % "1e8", "num_points: got 100000000 in set 0, expected 0 to 10000"),
        (SETS % "-1", "num_points: got -1 in set 0, expected 0 to 10000"),
        ('{"txrx_sets": {}}', r"got 0 transmitters and sets \[\] of receivers, expected at least one of each"),
    ],
)
def test_wrong_parameters_are_refused_in_a_sentence(scenario: Any, params: str, message: str) -> None:
    (scenario.folder / "params.json").write_text(params)
    with pytest.raises(ValueError, match=message):
        DeepMIMODataset(scenario.folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("O1_60.params.mat", r"got O1_60\.params\.mat, a scenario of DeepMIMO v3, .*; `deepmimo\.download\(NAME\)`"),
        ("sionna_paths.pkl", r"output of the ray tracer Sionna RT, .*; `deepmimo\.convert\(FOLDER\)` of the package"),
        ("paths.parquet", r"output of the ray tracer AODT, .*; `deepmimo\.convert\(FOLDER\)`"),
        ("city.setup", r"output of the ray tracer Wireless InSite, .*; `deepmimo\.convert\(FOLDER\)`"),
        (
            "scene_0/city.paths.t001_01.r002.p2m",
            r"Wireless InSite without its \.setup, .*; beside it `deepmimo\.convert",
        ),
    ],
)
def test_folders_of_other_programs_are_told_what_converts_them(tmp_path: Path, name: str, message: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"what is inside is not read")
    with pytest.raises(ValueError, match=message) as error:
        DeepMIMODataset(tmp_path)
    assert "expected a DeepMIMO v4 scenario's params.json" in str(error.value) and "\n" not in str(error.value)
