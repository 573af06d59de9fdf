"""What networks read, column by column, against plain Python."""

import math
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, COLUMNS, MOUNTED_ON, NEIGHBOURS, SCHEMA, Facts, features, from_gain, preset
from hetgraph.graph.feature_table import available

N, U, R = 3, 4, 2
STORES: tuple[Any, ...] = ("bs", "ue", "antenna", CHANNEL, NEIGHBOURS, None)
SERVING = [0, 2, -1, 2]


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) + 0.05


def graph() -> HeteroData:
    gain = random(N, U, R, seed=2) - 0.04
    data = from_gain(gain, noise_w=0.3, power_max_w=torch.tensor([4.0, 2.0, 1.0]))
    data["ue"].far_interference_w = 0.1 * torch.arange(1, U * R + 1, dtype=torch.float64).reshape(U, R)
    data["bs"].pos = torch.tensor([[0.0, 0, 25], [10, 0, 25], [0, 10, 25]], dtype=torch.float64)
    data["ue"].pos = torch.tensor([[3.0, 4, 1.5], [0, 0, 1.5], [-5, 0, 1.5], [1, 1, 1.5]], dtype=torch.float64)
    return data


def whole() -> HeteroData:
    """A graph with every attribute of the schema but complex channels."""
    data = graph()
    data["antenna"].offset, data["antenna"].boresight = random(N, 3), random(N, 2)
    data[MOUNTED_ON].edge_index = torch.arange(N).expand(2, -1)
    data[NEIGHBOURS].edge_index = torch.tensor([[0, 1, 2], [1, 2, 0]])
    sizes = {"N": N, "U": U, "E": N * U, "R": R, "A": N, "Amax": 2}
    for i, field in enumerate(SCHEMA):
        store = data._global_store if field.store is None else data[field.store]
        if field.name not in store and field.kind != "complex":
            value = random(*(sizes[s] if s in sizes else int(s) for s in field.shape), seed=i)
            store[field.name] = value > 0.5 if field.kind == "bool" else value
            if field.kind == "long":
                store[field.name] = (10 * value).long()
    data["ue"].serving_slot = torch.tensor(SERVING)
    data[CHANNEL].users = (10 * data[CHANNEL].users).round()
    del data[CHANNEL]["own"], data[CHANNEL]["offset_m"]
    return data


def db(value: float) -> float:
    return 10 * math.log10(max(value, 1e-12))


def raw(data: HeteroData, store: Any, name: str) -> list[Any]:
    """Unscaled."""
    column = COLUMNS[store, name]
    return (features(data, store, [name])[..., 0] * column.scale + column.shift).tolist()


def test_powers_against_plain_python() -> None:
    data = graph()
    gain = data[CHANNEL].gain.reshape(U, N, R).tolist()
    noise = (data["ue"].noise_w + data["ue"].far_interference_w).mean(1).tolist()
    power = data["bs"].power_max_w.tolist()
    edges = {name: raw(data, CHANNEL, name) for name in ("snr_db", "sinr_db", "gap_db", "spread_db")}
    best = {name: raw(data, "ue", name) for name in ("best_snr_db", "best_sinr_db")}
    for u in range(U):
        received = [sum(gain[u][b]) / R * power[b] / R for b in range(N)]
        sinr = [db(received[b] / (sum(received) - received[b] + noise[u])) for b in range(N)]
        for b in range(N):
            e = u * N + b
            assert edges["snr_db"][e] == pytest.approx(db(received[b] / noise[u]))
            assert edges["sinr_db"][e] == pytest.approx(sinr[b])
            assert edges["gap_db"][e] == pytest.approx(db(received[b] / max(received)))
            logs = [db(g) for g in gain[u][b]]
            assert edges["spread_db"][e] == pytest.approx(abs(logs[0] - logs[1]) / 2)
        assert best["best_snr_db"][u] == pytest.approx(db(max(received) / noise[u]))
        assert best["best_sinr_db"][u] == pytest.approx(max(sinr))


@pytest.mark.parametrize("name", ["snr_db", "sinr_db", "gap_db", "spread_db"])
def test_columns_have_gradients(name: str) -> None:
    data = graph()

    def column(gain: torch.Tensor) -> torch.Tensor:
        data[CHANNEL].gain = gain
        return features(data, CHANNEL, [name])

    assert torch.autograd.gradcheck(column, (data[CHANNEL].gain.clone().requires_grad_(),), eps=1e-7, atol=1e-5)


def test_stations_and_directions() -> None:
    data = graph()
    strongest = torch.tensor(raw(data, CHANNEL, "gap_db")).reshape(U, N).argmax(1).bincount(minlength=N)
    assert raw(data, "bs", "strongest_share") == pytest.approx((strongest * N / U).tolist())
    assert raw(data, "bs", "users_per_bs") == pytest.approx([math.log(U / N)] * N)
    assert raw(data, "bs", "power_dbm") == pytest.approx([db(p) + 30 for p in (4, 2, 1)])
    cos, sin = raw(data, CHANNEL, "cos_azimuth"), raw(data, CHANNEL, "sin_azimuth")
    assert (cos[0], sin[0]) == pytest.approx((0.6, 0.8))
    assert (cos[3], sin[3]) == (0, 0), "a user under the mast has no direction"
    assert (cos[7], sin[7]) == pytest.approx((-1, 0))


def test_users_of_a_station_against_plain_python() -> None:
    data = whole()
    bs, ue, edges = data["bs"], data["ue"], data[CHANNEL]
    unit, band = float(data.rate_unit_bps), float(data.rb_bandwidth_hz.sum())
    mine = [[u for u in range(U) if SERVING[u] == b] for b in range(N)]
    efficiency = edges.spectral_efficiency.reshape(U, N).tolist()
    for b in range(N):
        assert raw(data, "bs", "queue_mbit")[b] == pytest.approx(sum(float(ue.queue_bits[u]) for u in mine[b]) / 1e6)
        own = [efficiency[u][b] for u in mine[b]] or [0.0]
        mean = sum(own) / len(own)
        assert raw(data, "bs", "efficiency_mean")[b] == pytest.approx(mean)
        spread = math.sqrt(sum((x - mean) ** 2 for x in own) / len(own))
        assert raw(data, "bs", "efficiency_std")[b] == pytest.approx(spread, abs=1e-9)
        may = [any(bool(edges.allowed[u * N + m]) for m in range(N) if m != b) for u in mine[b]]
        assert raw(data, "bs", "leavers_share")[b] == pytest.approx(sum(may) / max(len(may), 1))
    received = edges.gain.reshape(U, N, R).mean(2) * bs.power_max_w / R
    for u, b in enumerate(SERVING):
        snr = float(received[u, b] / ue.noise_w[u].mean()) if b >= 0 else 0.0
        assert raw(data, "ue", "own_snr_db")[u] == pytest.approx(db(snr))
        for m in range(N):
            e = u * N + m
            count = max(float(edges.users[e]) + 1 - (m == b), 1)
            rate = float(edges.rate[e] * data.time_unit)
            share = math.log1p(rate / count)
            assert raw(data, CHANNEL, "share_log")[e] == pytest.approx(share)
            assert raw(data, CHANNEL, "join_loss")[e] == pytest.approx(share - math.log1p(rate / (count + 1)))
            need = float(ue.demand[u]) / max(rate, 1e-6)
            assert raw(data, CHANNEL, "need")[e] == pytest.approx(min(need, 20))
            assert raw(data, CHANNEL, "need_log")[e] == pytest.approx(math.log1p(need))
            log_rate = math.log1p(efficiency[u][m] / count * band / unit)
            lost = (count - 1) * math.log(count / (count - 1)) if count > 1 else 0
            assert raw(data, CHANNEL, "log_rate")[e] == pytest.approx(log_rate)
            assert raw(data, CHANNEL, "presence")[e] == pytest.approx(log_rate - lost)
            gap = db(float(received[u, m] / received[u, b])) if b >= 0 else 0.0
            assert raw(data, CHANNEL, "own_gap_db")[e] == pytest.approx(gap, abs=1e-9)
            heard = db(float(edges.interference_w[e]) * R)
            assert raw(data, CHANNEL, "mean_sinr_db")[e] == pytest.approx(float(edges.rsrp_dbm[e]) - 30 - heard)


def test_resource_blocks_against_plain_python() -> None:
    data = whole()
    ue, most = data["ue"], data["bs"].rb_power_max_w
    got = {name: raw(data, "ue", name) for (store, name), c in COLUMNS.items() if store == "ue" and c.block}
    for u, b in enumerate(SERVING):
        for r in range(R):
            full = float(ue.own_gain[u, r] * most[b, r]) if b >= 0 else 0.0
            snr = db(full / float(ue.noise_w[u, r]))
            assert got["block_snr_db"][u][r] == pytest.approx(snr)
            assert got["block_snr_excess_db"][u][r] == pytest.approx(max(snr - 30, 0))
            heard = float(ue.interference_w[u, r])
            assert got["block_interference_db"][u][r] == pytest.approx(db(heard / float(ue.noise_w[u, r])))
            assert got["block_reach_log"][u][r] == pytest.approx(math.log1p(min(full / heard, 1000)))
            assert got["block_efficiency"][u][r] == pytest.approx(float(ue.spectral_efficiency[u, r]))
    assert features(data, "ue", list(got)).shape == (U, R, len(got))


def test_networks_against_plain_python() -> None:
    data = whole()
    load = (data["bs"].users / data["bs"].max_users.clamp_min(1)).tolist()
    mean = sum(load) / N
    assert raw(data, None, "load_mean") == pytest.approx([mean])
    assert raw(data, None, "load_variance") == pytest.approx([sum((x - mean) ** 2 for x in load) / N])
    assert raw(data, None, "load_max") + raw(data, None, "load_min") == pytest.approx([max(load), min(load)])
    data.episode_slots, data.slots_left = torch.tensor([8.0]), torch.tensor([6.0])
    assert raw(data, None, "cos_time") + raw(data, None, "sin_time") == pytest.approx([0, 1], abs=1e-6)
    assert raw(data, NEIGHBOURS, "distance_m") == pytest.approx([10, 10 * math.sqrt(2), 10])


def test_every_column_is_finite_on_the_whole_graph_and_on_one_of_zeros() -> None:
    """Unknown values are zero: what is made of them is a number of the order of one, not infinite."""
    data, nothing = whole(), whole()
    for field in SCHEMA:
        if field.dynamic and field.name != "serving_slot":
            store = nothing._global_store if field.store is None else nothing[field.store]
            if field.name in store:
                store[field.name] = torch.zeros_like(store[field.name])
    for store, name in COLUMNS:
        for one in (data, nothing):
            value = features(one, store, [name])
            assert value.dtype == torch.float64 and bool(value.isfinite().all()), (store, name)
            rows = {"bs": N, "ue": U, "antenna": N, CHANNEL: N * U, NEIGHBOURS: 3, None: 1}[store]
            assert value.shape == ((rows, R, 1) if COLUMNS[store, name].block else (rows, 1)), (store, name)
            assert float(value.abs().max()) < 150, (store, name)


def test_velocities_are_two_columns() -> None:
    data = whole()
    both = torch.tensor([raw(data, "ue", f"velocity_{axis}_mps") for axis in "xy"], dtype=torch.float64).T
    torch.testing.assert_close(both, data["ue"].velocity)


def test_bare_gains_have_the_columns_of_powers_and_no_direction() -> None:
    data = from_gain(torch.zeros(N, U, R), noise_w=1e-12, power_max_w=1.0)  # nothing is heard: finite all the same
    for store in STORES:
        names = available(data, store)
        value = features(data, store, names)
        assert value.shape[1] == len(names) and bool(torch.isfinite(value).all())
    assert set(available(data, CHANNEL)) >= {"snr_db", "sinr_db", "gap_db", "spread_db", "known", "own"}
    assert raw(data, CHANNEL, "known") == [1] * N * U and not any(raw(data, CHANNEL, "cos_azimuth"))
    assert features(data, "bs", []).shape == (N, 0) and features(data, None, []).shape == (1, 0)


def test_columns_follow_their_antennas() -> None:
    data = preset("hetnet-3tier").scaled(users=0.01, stations=1 / 3).sample(1).get_example(0)
    azimuth, tilt = data["antenna"].boresight.T
    cos, sin = (torch.tensor(raw(data, "antenna", name)) for name in ("cos_azimuth", "sin_azimuth"))
    torch.testing.assert_close(torch.atan2(sin, cos).cos(), azimuth.cos())
    torch.testing.assert_close(torch.tensor(raw(data, "antenna", "tilt_rad")), tilt)
    offsets = torch.tensor([raw(data, "antenna", f"offset_{axis}_m") for axis in "xyz"]).T
    torch.testing.assert_close(offsets, data["antenna"].offset)
    apart = (data["antenna"].offset[1] - data["antenna"].offset[0]).norm()
    assert float(apart) == pytest.approx(299_792_458 / 3.5e9 / 2, rel=1e-4), "half a wavelength"


def test_a_batch_has_the_columns_of_its_networks_and_the_facts_are_shared() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.02, stations=1 / 3).sample(2)
    facts = Facts(batch)
    for store in STORES:
        names = available(batch, store)
        both = features(facts, store, names)
        alone = [features(batch[i], store, names) for i in (0, 1)]
        torch.testing.assert_close(both, torch.cat(alone), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("store", "names", "message"),
    [
        ("ue", ["queue"], "^features: got 'queue' of ue, expected one of active, asked_rb, "),
        (MOUNTED_ON, ["x"], r"^features: got 'x' of \(antenna, mounted_on, bs\), expected one of none$"),
        ("ue", ["queue_mbit"], "^ue.queue_bits: got nothing, expected it for the column 'queue_mbit' of ue$"),
        (None, ["sin_time"], "^slots_left: got nothing, expected it for the column 'sin_time' of graph$"),
        (CHANNEL, ["load"], r"^\(bs, channel, ue\).users: got nothing, expected it for the column 'load' of \(bs"),
        ("ue", ["block_snr_db", "served"], "^features: got 'block_snr_db' of resource blocks among others, expected"),
    ],
)
def test_unknown_columns_and_missing_attributes_get_one_sentence(store: Any, names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        features(graph(), store, names)
    assert "\n" not in str(caught.value)


def test_the_table_names_attributes_of_the_schema() -> None:
    fields = {(field.store, field.name) for field in SCHEMA}
    for column in COLUMNS.values():
        assert set(column.attributes) <= fields and column.scale > 0, column.name
