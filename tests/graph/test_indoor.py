"""Users in buildings: what belongs to the user is the same toward all stations."""

import dataclasses

import pytest
import torch

from hetgraph.channel import los_probability, penetration_loss_db
from hetgraph.graph import (
    CHANNEL,
    Channel,
    Layout,
    Scenario,
    Tier,
    Users,
    check,
    preset,
    scenario_from_csv,
    user_trajectories,
)
from hetgraph.graph.streams import Streams
from hetgraph.graph.user_state import draw_user_state

INSIDE = Users(count=4000, indoor_fraction=0.8)


def test_shares_floors_and_ways() -> None:
    state = draw_user_state(Scenario(users=INSIDE), Streams(0, range(5)))
    assert state is not None
    inside = state.indoor
    assert float(inside.float().mean()) == pytest.approx(0.8, abs=0.015)
    assert float(state.high_loss[inside].float().mean()) == pytest.approx(0.5, abs=0.02)
    torch.testing.assert_close(state.height_m, 1.5 + 3.0 * state.floor)
    # A building has 4 to 8 floors, a user any of them: P(floor = k) = mean over n of [k < n] / n.
    for k in range(8):
        expected = sum((k < n) / n for n in range(4, 9)) / 5
        assert float((state.floor[inside] == k).float().mean()) == pytest.approx(expected, abs=0.01)
    assert float(state.indoor_distance_m[inside].mean()) == pytest.approx(25 / 3, abs=0.2), "the smaller of two draws"
    assert not state.floor[~inside].any() and not state.indoor_distance_m[~inside].any()
    assert not state.penetration_loss_db(3.5e9)[~inside].any()


def test_the_loss_of_a_user_is_the_same_toward_all_stations() -> None:
    """Path loss less the formula at the user's own height and distance is the building's loss, whatever the station."""
    tiers = (Tier("macro", 3, pathloss="uma"), Tier("micro", 4, height_m=10.0, pathloss="umi"))
    scenario = Scenario(tiers=tiers, users=dataclasses.replace(INSIDE, count=200), channel=Channel(los="never"))
    graph = scenario.sample(1, seed=3)[0]
    check(graph)
    outdoors = dataclasses.replace(scenario.users, indoor_fraction=0.0)
    ue, edges = graph["ue"], graph[CHANNEL]
    from hetgraph.channel import pathloss_db

    bs, user = edges.edge_index
    distance = (graph["bs"].pos[bs, :2] - ue.pos[user, :2]).norm(dim=1).clamp_min(scenario.channel.min_distance_m)
    for model, stations in (("uma", slice(0, 3)), ("umi", slice(3, 7))):
        rows = (bs >= stations.start) & (bs < stations.stop)
        plain = pathloss_db(
            model,
            distance[rows],
            carrier_hz=3.5e9,
            bs_height_m=25.0 if model == "uma" else 10.0,
            ue_height_m=ue.pos[user[rows], 2],
            los=False,
        )
        building = edges.pathloss_db[rows] - plain
        torch.testing.assert_close(building, ue.penetration_loss_db[user[rows], 0], rtol=0, atol=2e-3)
    assert float(ue.penetration_loss_db[ue.indoor].min()) > 0 and not ue.penetration_loss_db[~ue.indoor].any()
    assert outdoors.count == 200


def test_line_of_sight_takes_the_way_outside() -> None:
    """Users 60 m away whose last 25 m are inside see the mast as often as those 35 m away."""
    many = 20_000
    users = Users(
        count=many, placement="fixed", positions=((560.0, 500.0),) * many, indoor=(True,) * many, floor=(0,) * many
    )
    tier = Tier(pathloss="umi", height_m=10.0, placement="fixed", positions=((500.0, 500.0),))
    scenario = Scenario(tiers=(tier,), users=users, channel=Channel(shadowing="independent"))
    batch = scenario.sample(1)
    way = batch["ue"].indoor_distance_m
    chance = los_probability("umi", 60.0 - way, ue_height_m=1.5)
    assert float(chance.mean()) > float(los_probability("umi", 60.0, ue_height_m=1.5)) + 0.05
    state = batch[CHANNEL].los.float()
    assert float(state.mean()) == pytest.approx(float(chance.mean()), abs=0.015)
    near = way < 4
    assert float(state[near].mean()) == pytest.approx(float(chance[near].mean()), abs=0.03)


def test_users_of_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "s.csv").write_text("x,y,z,tier,power_dbm,azimuth_deg,num_antennas\n0,0,25,macro,46,,1\n")
    (tmp_path / "u.csv").write_text("x,y,indoor,floor\n10,20,1,3\n30,40,0,0\n50,60,1,\n")
    graph = scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv").sample(1)
    assert graph["ue"].indoor.tolist() == [True, False, True]
    assert graph["ue"].pos[:, 2].tolist() == [10.5, 1.5, 1.5]
    (tmp_path / "u.csv").write_text("x,y,indoor,floor\n10,20,2,3\n")
    with pytest.raises(ValueError, match=r"line 2, indoor: got '2', expected a whole number in 0\.\.1"):
        scenario_from_csv(tmp_path / "s.csv", tmp_path / "u.csv")


def test_a_walker_keeps_its_floor() -> None:
    """Over the steps of a walk the building stays: gains of indoor users never exceed what they have outdoors."""
    base = preset("hetnet-3tier").scaled(users=0.05)
    inside = dataclasses.replace(base, users=dataclasses.replace(base.users, indoor_fraction=1.0))
    walk = user_trajectories(inside, 1, steps=4, seed=1)
    state = draw_user_state(inside, Streams(1, range(1)))
    assert state is not None
    repeated = state.repeat(4)
    assert torch.equal(repeated.floor.reshape(4, -1)[2], state.floor[0])
    assert float(walk.gain.median()) < 0.1 * float(user_trajectories(base, 1, steps=4, seed=1).gain.median())


def test_carriers_lose_differently() -> None:
    loss = [
        penetration_loss_db(hz, high_loss=torch.tensor([True]), indoor_distance_m=torch.zeros(1), normal=torch.zeros(1))
        for hz in (0.8e9, 3.5e9)
    ]
    assert float(loss[1]) > float(loss[0])


def test_an_indoor_model_has_no_wall() -> None:
    users = Users(count=50, indoor_fraction=1.0, floors=(1, 1))
    tier = Tier("indoor", height_m=3.0, pathloss="inh-open")
    channel = Channel(shadowing="none", fading="none", los="always")
    inside = Scenario(layout=Layout(50, 50), tiers=(tier,), users=users, channel=channel).sample(1)[CHANNEL]
    outside = dataclasses.replace(users, indoor_fraction=0.0)
    plain = Scenario(layout=Layout(50, 50), tiers=(tier,), users=outside, channel=channel).sample(1)[CHANNEL]
    torch.testing.assert_close(inside.pathloss_db, plain.pathloss_db)


def test_line_of_sight_within_the_distance_floor() -> None:
    """The floor is the path loss's: at 2 m an office is nearly always in sight (Table 7.4.2-1)."""
    many = 4000
    users = Users(count=many, placement="fixed", positions=((502.0, 500.0),) * many)
    tier = Tier("indoor", height_m=3.0, pathloss="inh-mixed", placement="fixed", positions=((500.0, 500.0),))
    los = Scenario(tiers=(tier,), users=users, channel=Channel(shadowing="independent")).sample(1)[CHANNEL].los
    assert float(los.float().mean()) == pytest.approx(
        float(los_probability("inh-mixed", 2.0, ue_height_m=1.5)), abs=0.03
    )


def test_a_floor_needs_a_building() -> None:
    with pytest.raises(ValueError, match=r"users\.floor: got \[5\], expected 0 for users outdoors"):
        Scenario(users=Users(count=1, placement="fixed", positions=((1.0, 1.0),), indoor=(False,), floor=(5,)))
