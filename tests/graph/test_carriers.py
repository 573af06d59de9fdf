"""Carriers: each owns a range of the resource blocks, and cells on different ones do not hear each other."""

import dataclasses
from pathlib import Path

import pytest
import torch

from hetgraph.graph import (
    CHANNEL,
    Carrier,
    Channel,
    Radio,
    Scenario,
    Tier,
    Users,
    check,
    features,
    from_gain,
    scenario_from_csv,
    user_trajectories,
)
from hetgraph.graph.feature_table import available
from hetgraph.radio import Allocation, edge_sinr, evaluate, feasible, policy
from hetgraph.solvers import equal_power, max_rsrp_association

CARRIERS = (Carrier("low", 0.8e9, 10e6, 4), Carrier("high", 3.5e9, 40e6, 8))
TIERS = (
    Tier("macro", 3, placement="uniform", carrier="low", power_dbm=46.0),
    Tier("micro", 5, height_m=10.0, pathloss="umi", carrier="high", power_dbm=38.0),
)
WORLD = Scenario(tiers=TIERS, users=Users(count=60), radio=Radio(bandwidth_hz=50e6, num_rbs=12, carriers=CARRIERS))


def test_attributes_of_two_carriers() -> None:
    graph = WORLD.sample(2, seed=1)
    check(graph)
    bs = graph["bs"]
    owned = bs.rb_power_max_w[:8] > 0
    assert owned[:3, :4].all() and not owned[:3, 4:].any() and owned[3:, 4:].all() and not owned[3:, :4].any()
    assert graph.rb_bandwidth_hz[0].tolist() == [2.5e6] * 4 + [5e6] * 8
    assert bs.carrier_hz[:8].tolist() == [0.8e9] * 3 + [3.5e9] * 5
    noise = graph["ue"].noise_w[0]
    assert float(noise[-1] / noise[0]) == pytest.approx(2.0)
    power = equal_power(graph)
    torch.testing.assert_close(power.sum(1), bs.power_max_w)


def test_cells_on_different_carriers_do_not_interfere() -> None:
    """SINR with both layers on the air equals that of each layer alone."""
    graph = WORLD.sample(1, seed=2)
    power = equal_power(graph)
    both = edge_sinr(graph, power).reshape(60, 8, 12)
    for cells, blocks in ((slice(0, 3), slice(0, 4)), (slice(3, 8), slice(4, 12))):
        alone = torch.zeros_like(power)
        alone[cells] = power[cells]
        torch.testing.assert_close(edge_sinr(graph, alone).reshape(60, 8, 12)[:, cells, blocks], both[:, cells, blocks])
    assert not both[:, :3, 4:].any() and not both[:, 3:, :4].any()


def test_each_carriers_path_loss() -> None:
    """Free space at 0.8 and 3.5 GHz differs by 20 log10 of the ratio on one mast."""
    place = ((500.0, 500.0),)
    tiers = tuple(
        Tier(name, pathloss="free-space", placement="fixed", positions=place, carrier=name) for name in ("low", "high")
    )
    channel = Channel(shadowing="none", fading="none")
    loss = dataclasses.replace(WORLD, tiers=tiers, channel=channel).sample(1)[CHANNEL].pathloss_db.reshape(60, 2)
    expected = torch.full((60,), 20 * torch.tensor(3.5 / 0.8).log10().item())
    torch.testing.assert_close(loss[:, 1] - loss[:, 0], expected, rtol=0, atol=1e-3)


def test_policies_keep_to_their_carrier() -> None:
    graph = WORLD.sample(1, seed=3)
    for name in ("max_rsrp", "pf", "wmmse", "pf_teacher_6"):
        allocation = policy(name)(graph)
        assert feasible(graph, allocation), name
        assert not allocation.power_w[:3, 4:].any() and not allocation.power_w[3:, :4].any(), name
        assert bool(evaluate(graph, allocation).sum_rate_bps > 0)
    assert all(bool(features(graph, s, available(graph, s)).isfinite().all()) for s in ("bs", "ue", CHANNEL))


def test_features_of_a_carrier_are_those_of_its_own_blocks() -> None:
    """A network on one carrier among two looks, to its edges, as it does alone."""
    one = Channel(shadowing="none", fading="none", carrier_hz=0.8e9)
    alone = dataclasses.replace(
        WORLD,
        tiers=(dataclasses.replace(TIERS[0], carrier=""),),
        radio=Radio(bandwidth_hz=10e6, num_rbs=4),
        channel=one,
    ).sample(1, seed=5)
    both = dataclasses.replace(WORLD, channel=one).sample(1, seed=5)
    names = ("snr_db", "sinr_db")
    snr, sinr = features(both, CHANNEL, names).reshape(60, 8, -1)[:, :3].unbind(2)
    snr_alone, sinr_alone = features(alone, CHANNEL, names).reshape(60, 3, -1).unbind(2)
    torch.testing.assert_close(snr, snr_alone, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(sinr, sinr_alone, rtol=1e-4, atol=1e-3)


def test_carriers_of_a_file(tmp_path: Path) -> None:
    header = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas,carrier_hz\n"
    rows = "0,0,25,macro,46,0,1,1.8e9\n0,0,25,macro,46,0,1,3.5e9\n500,0,25,macro,46,180,1,1800000000\n"
    (tmp_path / "s.csv").write_text(header + rows)
    scenario = scenario_from_csv(tmp_path / "s.csv")
    assert [(c.name, c.carrier_hz, c.num_rbs) for c in scenario.carriers] == [
        ("1800 MHz", 1.8e9, 12),
        ("3500 MHz", 3.5e9, 12),
    ]
    graph = scenario.sample(1)
    check(graph)
    assert sorted(graph["bs"].carrier_hz.tolist()) == [1.8e9, 1.8e9, 3.5e9]
    serving = max_rsrp_association(graph)
    assert feasible(graph, Allocation(serving, equal_power(graph)))


def test_bands_and_channel_numbers_of_a_file_do_not_interfere(tmp_path: Path) -> None:
    """Two layers of one operator by EARFCN and band: the SINR of each is what it has without the other."""
    header = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas,band,earfcn,cell\n"
    low, high = "46,0,1,B20,6300", "46,0,1,n78,630000"
    rows = [f"{x},0,25,macro,{kind},c{i}" for i, (x, kind) in enumerate(((0, low), (0, high), (500, high), (900, low)))]
    (tmp_path / "s.csv").write_text(header + "\n".join(rows) + "\n")
    (tmp_path / "u.csv").write_text("x,y,indoor,floor\n100,300,0,0\n450,250,1,3\n")
    scenario = scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv")
    assert [carrier.name for carrier in scenario.carriers] == ["806 MHz", "3450 MHz"]
    graph = scenario.sample(1, seed=4)
    power = equal_power(graph)
    both = edge_sinr(graph, power).reshape(2, 4, -1)
    for frequency in (806e6, 3.45e9):
        cells = (graph["bs"].carrier_hz - frequency).abs() < 1e3
        blocks = graph["bs"].rb_power_max_w[cells][0] > 0
        alone = torch.where(cells.unsqueeze(1), power, 0.0)
        expected = edge_sinr(graph, alone).reshape(2, 4, -1)[:, cells][..., blocks]
        torch.testing.assert_close(both[:, cells][..., blocks], expected)
        assert not both[:, cells][..., ~blocks].any() and int(cells.sum()) == 2
    loss_db = graph["ue"].penetration_loss_db[1]
    assert float(loss_db[-1] - loss_db[0]) > 0, "glass and concrete take more at 3.45 GHz than at 806 MHz"
    assert float(graph["ue"].pos[1, 2]) == 1.5 + 3 * 3


def test_one_frequency_of_a_file_is_the_carrier(tmp_path: Path) -> None:
    header = "x,y,z,tier,power_dbm,azimuth_deg,num_antennas,carrier_hz\n"
    (tmp_path / "s.csv").write_text(header + "0,0,25,macro,46,0,1,2.1e9\n9,0,25,macro,46,90,1,2.1e9\n")
    for base in ("hetnet-3tier", WORLD):
        scenario = scenario_from_csv(tmp_path / "s.csv", base=base)
        assert scenario.channel.carrier_hz == 2.1e9 and len(scenario.carriers) == 1
        assert scenario.sample(1).carrier_hz.tolist() == pytest.approx([2.1e9])


def test_a_stations_carrier_is_not_the_graphs() -> None:
    graph = from_gain(torch.rand(2, 3, 1), noise_w=1.0, power_max_w=1.0)
    graph["bs"].carrier_hz = torch.full((2,), 2e9)
    check(graph)


@pytest.mark.parametrize(
    ("radio", "message"),
    [
        ({"num_rbs": 5}, r"radio\.num_rbs: got 5, expected 12, the sum over the carriers"),
        ({"bandwidth_hz": 1e6}, r"radio\.bandwidth_hz: got 1000000.0, expected 5e\+07"),
        (
            {"carriers": (CARRIERS[0], CARRIERS[0])},
            r"radio\.carriers: got \['low', 'low'\], expected names, each of them once",
        ),
    ],
)
def test_carriers_that_do_not_fit(radio: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(WORLD, radio=dataclasses.replace(WORLD.radio, **radio))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"tiers\[0\]\.carrier: got 'mid', expected one of low, high"):
        dataclasses.replace(WORLD, tiers=(dataclasses.replace(TIERS[0], carrier="mid"),))


def test_environments_of_one_band_refuse_several_carriers() -> None:
    with pytest.raises(ValueError, match=r"radio\.carriers: got low, high, expected one carrier"):
        user_trajectories(WORLD, 1, steps=2)
