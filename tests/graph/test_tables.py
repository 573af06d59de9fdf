"""CSV, npz and networkx, in and out, and what they refuse."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from hetgraph.graph import (
    CHANNEL,
    Site,
    check,
    from_networkx,
    from_npz,
    preset,
    read_sites,
    read_users,
    scenario_from_csv,
    to_networkx,
    write_sites,
    write_users,
)

HEADER = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas\n"


def test_sites_and_users_round_trip(tmp_path: Path) -> None:
    sites = [Site(0, 0), Site(10.5, -3, 10, "pico", 30, 120.0, 4), Site(5, 5, 25, "macro", 43)]
    write_sites(tmp_path / "s.csv", sites)
    assert read_sites(tmp_path / "s.csv") == sites
    users = [(1.0, 2.0), (3.0, 4.5), (300.0, 10.0)]
    write_users(tmp_path / "u.csv", users)
    assert read_users(tmp_path / "u.csv") == users
    scenario = scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv")
    graph = scenario.sample(1, seed=0)[0]
    check(graph)
    assert graph["bs"].pos.shape == (3, 3) and graph["ue"].pos.shape == (3, 3)
    between = (graph["ue"].pos[1, :2] - graph["bs"].pos[0, :2]).tolist()
    assert between == pytest.approx([3.0, 4.5])
    power = (10 * graph["bs"].power_max_w.log10() + 30).tolist()
    assert power == pytest.approx([46, 30, 43])
    assert graph[CHANNEL].antenna_gain_db.reshape(3, 3)[:, 1].abs().max() > 0.1, "a sector antenna has a pattern"
    assert graph[CHANNEL].antenna_gain_db.reshape(3, 3)[:, 0].abs().max() == 0


def test_antennas_and_their_tilts_round_trip(tmp_path: Path) -> None:
    sites = [
        Site(0, 0, azimuth_deg=10.0, tilt_deg=8.0, elec_tilt_deg=6.0, antenna="a.msi", site="A", cell="A1"),
        Site(9, 9, azimuth_deg=20.0, tilt_deg=3.0, carrier_hz=1.8e9),
    ]
    write_sites(tmp_path / "s.csv", sites)
    assert read_sites(tmp_path / "s.csv") == sites


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + ",2,25,macro,46,,1\n", "line 2, x: got '', expected a number"),
        ("", "got the columns nothing"),
        (HEADER, "got no rows"),
        (HEADER + "1,north,25,macro,46,,1\n", "line 2, y: got 'north', expected a number"),
        (HEADER + "1,2,25,macro,nan,,1\n", "line 2, power_dbm: got 'nan', expected a number"),
        (HEADER + "1,2,-5,macro,46,,1\n", "line 2, z: got '-5', expected a positive height"),
        (HEADER + "1,2,25,macro,46,,1.5\n", "num_antennas: got '1.5', expected a whole number"),
    ],
)
def test_wrong_sites_get_one_sentence(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "s.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_sites(tmp_path / "s.csv")


def test_networkx_round_trip() -> None:
    graph = preset("hetnet-3tier").scaled(users=0.02).sample(1, seed=1)[0]
    there = to_networkx(graph)
    assert there.number_of_nodes() == 21 + 12 + 84
    back = from_networkx(there)
    for store in [*graph.node_types, *graph.edge_types]:
        for key, value in graph[store].items():
            assert torch.equal(torch.as_tensor(back[store][key]), torch.as_tensor(value)), (store, key)
    assert torch.equal(back.rb_bandwidth_hz, graph.rb_bandwidth_hz)


def test_npz_in_and_what_it_refuses(tmp_path: Path) -> None:
    path = tmp_path / "g.npz"
    gain = np.random.default_rng(0).random((2, 3, 4))
    np.savez(path, gain=gain, noise_w=0.1, power_max_w=np.array([1.0, 2.0]))
    graph = from_npz(path)
    assert graph[CHANNEL].gain.dtype == torch.float64
    np.savez(path, gain=gain)
    with pytest.raises(ValueError, match="expected 'noise_w' among them"):
        from_npz(path)
    np.savez(path, gain=-gain, noise_w=0.1, power_max_w=1.0)
    with pytest.raises(ValueError, match=r"g\.npz: .*gain: got -"):
        from_npz(path)
    path.write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="got a file that is no plain npz"):
        from_npz(path)
