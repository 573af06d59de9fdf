"""What networks read, column by column, against plain Python."""

import math

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, add_features, from_gain, preset
from hetgraph.graph.features import ANTENNA_COLUMNS, BS_COLUMNS, EDGE_COLUMNS, UE_COLUMNS

N, U, R = 3, 4, 2


def graph() -> HeteroData:
    gain = torch.rand(N, U, R, generator=torch.Generator().manual_seed(2), dtype=torch.float64) + 0.01
    data = from_gain(gain, noise_w=0.3, power_max_w=torch.tensor([4.0, 2.0, 1.0]))
    data["ue"].far_interference_w = 0.1 * torch.arange(1, U * R + 1, dtype=torch.float64).reshape(U, R)
    data["bs"].pos = torch.tensor([[0.0, 0, 25], [10, 0, 25], [0, 10, 25]], dtype=torch.float64)
    data["ue"].pos = torch.tensor([[3.0, 4, 1.5], [0, 0, 1.5], [-5, 0, 1.5], [1, 1, 1.5]], dtype=torch.float64)
    return add_features(data)


def db(value: float) -> float:
    return 10 * math.log10(value)


def column(values: Tensor, columns: tuple[str, ...], name: str) -> list[float]:
    return values[:, columns.index(name)].tolist()


def test_edges_and_users_against_plain_python() -> None:
    data = graph()
    gain = data[CHANNEL].gain.reshape(U, N, R).tolist()
    noise = (data["ue"].noise_w + data["ue"].far_interference_w).mean(1).tolist()
    power = data["bs"].power_max_w.tolist()
    found = {name: column(data[CHANNEL].edge_attr, EDGE_COLUMNS, name) for name in EDGE_COLUMNS}
    best = {name: column(data["ue"].x, UE_COLUMNS, name) for name in UE_COLUMNS}
    for u in range(U):
        received = [sum(gain[u][b]) / R * power[b] / R for b in range(N)]
        sinr = [db(received[b] / (sum(received) - received[b] + noise[u])) for b in range(N)]
        for b in range(N):
            e = u * N + b
            assert found["snr_db"][e] == pytest.approx(db(received[b] / noise[u]))
            assert found["sinr_db"][e] == pytest.approx(sinr[b])
            assert found["gap_db"][e] == pytest.approx(db(received[b] / max(received)))
            logs = [db(g) for g in gain[u][b]]
            assert found["spread_db"][e] == pytest.approx(abs(logs[0] - logs[1]) / 2)
        assert best["best_snr_db"][u] == pytest.approx(db(max(received) / noise[u]))
        assert best["best_sinr_db"][u] == pytest.approx(max(sinr))


def test_stations_and_directions() -> None:
    data = graph()
    gap = torch.tensor(column(data[CHANNEL].edge_attr, EDGE_COLUMNS, "gap_db")).reshape(U, N)
    strongest = gap.argmax(1).bincount(minlength=N)
    share = column(data["bs"].x, BS_COLUMNS, "strongest_share")
    assert share == pytest.approx((strongest * N / U).tolist())
    assert column(data["bs"].x, BS_COLUMNS, "users_per_bs") == pytest.approx([math.log(U / N)] * N)
    assert column(data["bs"].x, BS_COLUMNS, "power_dbm") == pytest.approx([db(p) + 30 for p in (4, 2, 1)])
    cos = column(data[CHANNEL].edge_attr, EDGE_COLUMNS, "cos_azimuth")
    sin = column(data[CHANNEL].edge_attr, EDGE_COLUMNS, "sin_azimuth")
    assert (cos[0], sin[0]) == pytest.approx((0.6, 0.8))
    assert (cos[3], sin[3]) == (0, 0), "a user under the mast has no direction"
    assert (cos[7], sin[7]) == pytest.approx((-1, 0))


def test_bare_gains_have_all_columns_and_no_direction() -> None:
    data = from_gain(torch.zeros(N, U, R), noise_w=1e-12, power_max_w=1.0)  # nothing is heard: finite all the same
    for store, name, columns in (
        ("bs", "x", BS_COLUMNS),
        ("ue", "x", UE_COLUMNS),
        ("antenna", "x", ANTENNA_COLUMNS),
        (CHANNEL, "edge_attr", EDGE_COLUMNS),
    ):
        value = data[store][name]
        assert value.shape[1] == len(columns) and bool(torch.isfinite(value).all())
    assert not data[CHANNEL].edge_attr[:, 4:].any()


def test_columns_follow_their_antennas() -> None:
    data = preset("hetnet-3tier").scaled(users=0.01, stations=1 / 3).sample(1).get_example(0)
    columns = dict(zip(ANTENNA_COLUMNS, data["antenna"].x.T, strict=True))
    azimuth, tilt = data["antenna"].boresight.T
    torch.testing.assert_close(torch.atan2(columns["sin_azimuth"], columns["cos_azimuth"]).cos(), azimuth.cos())
    assert torch.equal(columns["tilt_rad"], tilt)
    assert torch.equal(torch.stack([columns[f"offset_{axis}_m"] for axis in "xyz"], 1), data["antenna"].offset)
    apart = (data["antenna"].offset[1] - data["antenna"].offset[0]).norm()
    assert float(apart) == pytest.approx(299_792_458 / 3.5e9 / 2, rel=1e-4), "half a wavelength"
