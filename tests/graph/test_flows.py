"""Files, streams and a flash crowd: means and shares of what is drawn, and networks that are the same alone and among many."""

from dataclasses import replace

import pytest
import torch

from hetgraph.graph import Flows, Scenario, preset, roaming, user_trajectories
from hetgraph.graph.flows import OfferedFlows, draw_flows
from hetgraph.graph.mobility import Waypoints
from hetgraph.graph.streams import Streams
from hetgraph.graph.waypoints import fast_users

USERS, TICKS = 400, 600


def drawn(flows: Flows, networks: range = range(6)) -> OfferedFlows:
    """Users of three places, 0, 100 and 200 m from two cells, of which the one at 0 is the small one."""
    place = torch.arange(USERS) % 3 * 100.0
    pos = torch.stack([place, torch.zeros(USERS)], 1).expand(len(networks), 121, -1, -1)
    bs_pos = torch.tensor([[500.0, 0.0], [0.0, 0.0]]).expand(len(networks), -1, -1)
    power = torch.tensor([20.0, 1.0]).expand(len(networks), -1)
    where = {"ue_pos": pos, "place_s": 0.5, "bs_pos": bs_pos, "power_w": power}
    return draw_flows(flows, Streams(3, networks), **where, ticks=TICKS, tick_s=0.1)


def test_means_follow_the_law() -> None:
    out = drawn(Flows(load_bps=3e6, crowd=1.0))
    rate = out.bits.sum(0) / 60  # [n, U]
    assert abs(float(out.mean_bps.mean()) / 3e6 - 1) < 0.1 and abs(float(out.video.float().mean()) - 0.3) < 0.05
    assert abs(float(out.mean_bps.log().std()) - 0.8) < 0.05
    for kind in (out.video, ~out.video):
        assert abs(float(rate[kind].sum() / out.mean_bps[kind].sum()) - 1) < 0.06
    files = out.bits[:, ~out.video]
    assert abs(float(files[files > 0].mean()) / 4e6 - 1) < 0.35, "few ticks have two files"
    on = (out.bits > 0)[:, out.video]
    assert abs(float(on.float().mean()) - 0.5) < 0.05
    changes = (on[1:] != on[:-1]).float().sum(0).mean() / 59.9
    assert abs(float(changes) - 0.1) < 0.01, "streams and silence of ten seconds each"
    sent, share = out.bits[:, out.video], out.mean_bps[out.video] * 0.2
    assert bool(((sent == 0) | ((sent / share - 1).abs() < 1e-4)).all())


def test_the_crowd_is_where_and_when_it_is_said_to_be() -> None:
    flows = Flows(spread=0.0, crowd=4.0, crowd_window_s=(20.0, 40.0))
    out, calm = drawn(flows), drawn(replace(flows, crowd=1.0))
    assert bool((out.crowd_cell == 1).all())
    window, near = slice(200, 400), torch.arange(USERS) % 3 < 2
    factor = out.bits[window][:, :, near].sum() / calm.bits[window][:, :, near].sum()
    assert abs(float(factor) - 4) < 0.4
    rest = out.bits[window][:, :, ~near].sum() / calm.bits[window][:, :, ~near].sum()
    before = out.bits[:200].sum() / calm.bits[:200].sum()
    assert abs(float(rest) - 1) < 0.2 and abs(float(before) - 1) < 0.1


def test_a_network_is_the_same_alone_and_among_many() -> None:
    many, alone = drawn(Flows()), drawn(Flows(), range(4, 5))
    assert torch.equal(many.bits[:, 4:5], alone.bits) and torch.equal(many.mean_bps[4:5], alone.mean_bps)
    assert not torch.equal(many.bits[:, 3:4], alone.bits)


def test_the_preset_is_the_world_of_the_issue_and_can_be_resized() -> None:
    scenario = preset("handover-traffic:load=3.1,cells=50,video=0.5")
    assert [tier.count for tier in scenario.tiers] == [7, 14, 29] and scenario.users.count == 500
    flows = scenario.traffic
    assert isinstance(flows, Flows) and (flows.load_bps, flows.video) == (3.1e6, 0.5)
    base = preset("handover-traffic")
    assert [tier.count for tier in base.tiers] == [4, 7, 14] and round(base.layout.width_m) == 1091
    assert Scenario.from_yaml(base.to_yaml()) == base and roaming(50, 500, "handover-traffic").num_stations == 50
    with pytest.raises(ValueError, match=r"^traffic\.video: got 2\.0, expected 0\.\.1$"):
        preset("handover-traffic:video=2")


def test_one_user_in_five_is_fast_and_does_not_rest() -> None:
    fast = fast_users(0.2, 250)
    assert int(fast.sum()) == 50 and bool((fast.view(50, 5).sum(1) == 1).all())
    few = preset("handover-traffic:cells=25,users=40")
    assert few.mobility.waypoints is not None
    speed = user_trajectories(few, steps=40, mobility=few.mobility.waypoints).speed_mps[0]
    quick, slow = speed[:, fast[:40]], speed[:, ~fast[:40]]
    assert float(slow.max()) <= 1.5 + 1e-3 and float(quick.max()) <= 15 + 1e-3 and float(quick.median()) > 9
    with pytest.raises(ValueError, match=r"mobility\.fast: got 2\.0, expected a share in 0\.\.1"):
        Waypoints(fast=2.0)


def test_gains_between_drawn_places_are_close_to_those_there() -> None:
    """Walkers' gains at every second half second: between these they are off by about as much as a measurement, 1 dB."""
    few = preset("handover-traffic:cells=25,users=50")
    assert few.mobility.waypoints is not None
    every, some = (user_trajectories(few, steps=41, mobility=few.mobility.waypoints, seed=2, every=n) for n in (1, 2))
    assert torch.equal(every.ue_pos, some.ue_pos)
    fast = fast_users(0.2, 50)
    error = 10 * (some.gain / every.gain).log10()[0]
    assert float(error[:, fast].abs().max()) < 0.01 and float(error[::2].abs().max()) < 0.01
    between = error[1::2, ~fast]
    assert float(between.abs().median()) < 1.2 and float(between.square().mean().sqrt()) < 2.5
    assert float(between.abs().max()) > 0.1
