"""Channels of antennas: pattern and array gains in line of sight, fading statistics, streams, padding, presets, gains without mimo."""

import dataclasses
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetgraph.channel import Panel
from hetgraph.graph import CHANNEL, MOUNTED_ON, Channel, Layout, Radio, Scenario, Tier, Users, check, preset
from hetgraph.graph.spatial import block_frequencies_hz
from hetgraph.radio import Allocation, rates_bps


def in_sight(panel: Panel | None, **tier: object) -> Scenario:
    """Stations that see all their users, without fading."""
    station = Tier("macro", count=3, spacing_m=100.0, panel=panel, **tier)  # type: ignore[arg-type]
    return Scenario(
        layout=Layout(800.0, 800.0),
        tiers=(station,),
        users=Users(count=60),
        channel=Channel(los="always", shadowing="none", fading="none", mimo=True),
        radio=Radio(num_rbs=2, layers=4),
    )


def db(value: Tensor) -> Tensor:
    return 10 * value.log10()


PANELS = [Panel(4, 2, tilt_deg=8.0), Panel(10, 1, tilt_deg=12.0), Panel(2, 2, polarisations=2), Panel(1, 8, 0.7)]


@pytest.mark.parametrize("panel", PANELS)
@pytest.mark.parametrize("tilt", [0.0, 6.0])
def test_in_sight_h_has_the_pattern_gain_of_the_panel(panel: Panel, tilt: float) -> None:
    kind = {"pattern": "38.901", "azimuth_deg": (30.0, 150.0, 270.0), "tilt_deg": (tilt,)}
    graph = in_sight(panel, **kind).sample(2, seed=1)
    edges = graph[CHANNEL]
    h, expected = edges.h, edges.antenna_gain_db - edges.pathloss_db
    assert h.shape[1] == panel.num_ports
    # The fixed beam's gain, as h gives it, where the pattern is not in a null.
    seen = edges.antenna_gain_db > edges.antenna_gain_db.max() - 40
    assert int(seen.sum()) > 100
    assert float((db(edges.gain[:, 0]) - expected)[seen].abs().max()) < 0.1
    # Maximum ratio: the element's gain and 10 log10 of the elements.
    power = h.abs().square().sum(1)[:, 0]
    element = in_sight(None, **kind).sample(2, seed=1)[CHANNEL]
    gain_db = db(power) - element.antenna_gain_db + element.pathloss_db
    assert float((gain_db - 10 * math.log10(panel.num_elements)).abs().max()) < 0.2


def test_maximum_ratio_has_an_array_gain_of_10_log10_a() -> None:
    """As rates tell it: one user, A antennas, no interference."""
    for antennas in (1, 4, 16):
        scenario = replace(in_sight(None, num_antennas=antennas), users=Users(count=1))
        scenario = replace(scenario, tiers=(replace(scenario.tiers[0], count=1, spacing_m=0.0),))
        graph = scenario.sample(1, seed=2)
        h, power = graph[CHANNEL].h, graph["bs"].rb_power_max_w[0, 0] / 2
        w = h / h.abs().square().sum(1, keepdim=True).sqrt() * power.sqrt()
        allocation = Allocation(torch.zeros(1, dtype=torch.long), power.expand(1, 2), precoder=w)
        rate = rates_bps(graph, allocation, "spatial") / 20e6
        sinr = 2**rate - 1
        alone = graph[CHANNEL].gain[0, 0] * power / graph["ue"].noise_w[0, 0]
        assert abs(float(db(sinr / alone)) - 10 * math.log10(antennas)) < 0.2


def test_order_of_antennas_and_phases_follow_the_geometry() -> None:
    scenario = in_sight(Panel(2, 3), azimuth_deg=(0.0,), tilt_deg=(5.0,))
    graph = scenario.sample(1, seed=3)
    bs, ue = graph[CHANNEL].edge_index
    antenna = graph["antenna"].offset.reshape(3, 6, 3)[bs]
    toward = graph["ue"].pos[ue] - graph["bs"].pos[bs]
    toward = toward / toward.norm(dim=1, keepdim=True)
    turn = 2 * math.pi * 3.5e9 / 299_792_458.0 * (antenna * toward.unsqueeze(1)).sum(2)
    ratio = graph[CHANNEL].h[..., 0] * torch.polar(torch.ones_like(turn), -turn)
    same = ratio / ratio[:, :1]
    assert float((same - 1).abs().max()) < 1e-3


@pytest.mark.parametrize("fading", ["rayleigh", "rician", "clustered"])
def test_mean_power_is_that_of_the_large_scale(fading: str) -> None:
    scenario = preset("mimo-7:users=60,num_rbs=2")
    scenario = replace(scenario, channel=replace(scenario.channel, fading=fading, los="always"))
    edges = scenario.sample(3, seed=1)[CHANNEL]
    power = edges.h.abs().square().mean((1, 2))
    ratio = power / 10 ** (-(edges.pathloss_db + edges.shadow_db) / 10)
    assert abs(float(ratio.mean()) - 1) < 0.03
    torch.testing.assert_close(edges.gain, edges.h.abs().square().mean(1))


def test_paths_correlate_antennas_more_in_sight_and_blocks_by_their_delays() -> None:
    scenario = replace(preset("mimo-7:users=60"), radio=Radio(bandwidth_hz=20e6, num_rbs=24, layers=8))
    drawn = {}
    for los in ("always", "never"):
        edges = replace(scenario, channel=replace(scenario.channel, los=los)).sample(3, seed=2)[CHANNEL]  # type: ignore[arg-type]
        h = edges.h / edges.h.abs().square().mean((1, 2), keepdim=True).sqrt()
        near = (h[:, :, 0] * h[:, :, 1].conj()).mean(1).abs().mean()
        far = (h[:, :, 0] * h[:, :, 23].conj()).mean(1).abs().mean()
        spread = torch.linalg.svdvals(h)[:, 0].square() / h.abs().square().sum((1, 2))
        drawn[los] = float(near), float(far), float(spread.mean())
    assert drawn["never"][0] > drawn["never"][1] + 0.05
    assert drawn["always"][0] > drawn["never"][0]
    assert drawn["always"][2] > drawn["never"][2]


def test_stations_of_a_mast_have_the_same_paths() -> None:
    scenario = preset("hex-19x3")
    scenario = replace(scenario, channel=replace(scenario.channel, fading="clustered", mimo=True))
    graph = scenario.sample(1, seed=1)
    h = graph[CHANNEL].h.reshape(-1, 19, 3)  # one antenna a cell
    gain_db = (graph[CHANNEL].antenna_gain_db).reshape(-1, 19, 3)
    amplitude = h / (10 ** (gain_db / 20))
    assert float((amplitude[..., 1:].abs() / amplitude[..., :1].abs() - 1).abs().max()) < 1e-3


def test_numbers_of_antennas_differ_by_tier_and_the_rest_is_zero() -> None:
    scenario = preset("hetnet-3tier:macro=1,micro=1,pico=1,mimo=true").scaled(users=0.05)
    macro, micro, pico = scenario.tiers
    scenario = replace(
        scenario, tiers=(replace(macro, num_antennas=16), replace(micro, num_antennas=4), replace(pico, num_antennas=1))
    )
    graph = scenario.sample(2, seed=1)
    check(graph)
    owner = graph[MOUNTED_ON].edge_index[1]
    assert torch.bincount(owner).tolist() == [16, 4, 1] * 2
    bs = graph[CHANNEL].edge_index[0]
    count = torch.tensor([16, 4, 1] * 2)[bs]
    there = torch.arange(16) < count.unsqueeze(1)
    present = (graph[CHANNEL].h.abs() > 0).all(2)
    assert torch.equal(present, there)


def test_a_network_is_the_same_alone_and_among_others() -> None:
    scenario = preset("hetnet-3tier:mimo=true").scaled(users=0.05)
    batch = scenario.sample(3, seed=4)
    singles = [scenario.sample(1, seed=4, first=i) for i in range(3)]
    h = batch[CHANNEL].h.reshape(3, -1, *batch[CHANNEL].h.shape[1:])
    for i, single in enumerate(singles):
        assert torch.equal(h[i], single[CHANNEL].h)
    again = Batch.from_data_list([single[0] for single in singles])
    assert torch.equal(again[CHANNEL].h, batch[CHANNEL].h)


def test_without_mimo_nothing_has_h_and_the_digest_is_the_old_one() -> None:
    plain, mimo = preset("hetnet-3tier"), preset("hetnet-3tier:mimo=true")
    assert "h" not in plain.scaled(users=0.02).sample(1)[CHANNEL] and plain.hash != mimo.hash
    assert preset("hetnet-3tier:mimo=false") == plain
    one, other = plain.scaled(users=0.02).sample(1, seed=1), mimo.scaled(users=0.02).sample(1, seed=1)
    for name in ("pathloss_db", "shadow_db", "rsrp_dbm", "los", "distance_m"):
        assert torch.equal(one[CHANNEL][name], other[CHANNEL][name])
    assert Scenario.from_yaml(mimo.to_yaml()) == mimo


def test_presets_and_their_options() -> None:
    small = preset("mimo-7")
    assert (small.num_stations, small.users.count, small.tiers[0].ports, small.radio.layers) == (7, 28, 8, 8)
    large = preset("mimo-7:antennas=16,users=8,rings=2")
    assert (large.num_stations, large.users.count, large.tiers[0].ports) == (19, 152, 16)
    assert preset("uma-5bs:mimo=true").radio.layers == 8
    with pytest.raises(ValueError, match="got mimo=perhaps, expected a value of type bool"):
        preset("uma-5bs:mimo=perhaps")
    scenario = preset("hetnet-3tier")
    with pytest.raises(ValueError, match=r"channel\.fading: got 'clustered', expected none, rayleigh or rician"):
        replace(scenario, channel=replace(scenario.channel, fading="clustered"))
    with pytest.raises(ValueError, match=r"tiers\.num_antennas: got 0, expected at least 1"):
        replace(small, tiers=(dataclasses.replace(small.tiers[0], num_antennas=0),))


def test_frequencies_of_blocks_lie_around_their_carriers_middle() -> None:
    frequencies = block_frequencies_hz(preset("mimo-7:num_rbs=4"))
    assert frequencies.tolist() == [-7.5e6, -2.5e6, 2.5e6, 7.5e6]
