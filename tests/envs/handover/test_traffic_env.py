"""The world of handovers with traffic: bits are kept, handovers cost what they should, states and rows come back."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import HandoverAction, HandoverTrafficEnv, Physics, TrafficWeights
from hetgraph.envs.handover.traffic_kpis import TRAFFIC_INDICATORS
from hetgraph.graph import (
    CHANNEL,
    Flows,
    FullBuffer,
    Trajectories,
    check,
    features,
    preset,
    roaming,
    user_trajectories,
)
from hetgraph.graph.levels import LEVELS
from hetgraph.graph.schema import Level
from hetgraph.graph.walks import between
from hetgraph.graph.waypoints import fast_users

SMALL = roaming(6, 24, "handover-traffic")
QUIET = Physics(noise_db=0.0)


def still(levels_db: list[list[list[float]]], slot_s: float = 0.5) -> Trajectories:
    """One network: received power over noise of users and cells at places in time ``[T, U, K]``, dB; noise is 1 W."""
    level = torch.tensor(levels_db)
    t, u, k = level.shape
    return Trajectories(
        gain=10 ** (level.unsqueeze(0) / 10),
        ue_pos=torch.zeros(1, t, u, 2),
        speed_mps=torch.zeros(1, t, u),
        bs_pos=torch.arange(2.0 * k).view(1, k, 2),
        power_w=torch.ones(1, k),
        tier=torch.zeros(1, k, dtype=torch.long),
        measured=torch.zeros(1, t, u, k, dtype=torch.bool),
        bandwidth_hz=1e6,
        noise_w=1.0,
        slot_s=slot_s,
    )


def none(env: HandoverTrafficEnv) -> HandoverAction:
    return HandoverAction(offset_db=torch.zeros(env.num_envs, env.num_cells))


def crossing(steps: int = 4) -> Trajectories:
    """A user at 10 dB of cell 0, whose cell 1 rises from 0 to 20 dB between 1 and 1.5 s."""
    places = 2 * steps + 1
    return still([[[10.0, 0.0 if i < 3 else 20.0]] for i in range(places)])


def test_bits_are_kept_to_the_last_one() -> None:
    env = HandoverTrafficEnv(SMALL, 3, steps=20, seed=1)
    total = env.drawn.bits.sum((0, 2)).double()
    for seed in range(19):
        env.step(env.action.sample(torch.Generator().manual_seed(seed)))
    counters = env.sums.counters
    assert bool((env.state.queue >= 0).all()) and float(counters.served.sum()) > 0
    left = (counters.offered.double() - counters.served.double() - env.state.queue.double()).abs()
    assert float(left.max()) < 100.0, "bits of 1e8, in float32"
    arrived = counters.offered.double().sum(1) + env.drawn.bits[190:].sum((0, 2))
    torch.testing.assert_close(arrived, total, rtol=1e-5, atol=0)


@pytest.mark.parametrize("trigger", [0, 1, 3])
def test_a3_waits_for_the_margin_and_the_time_to_trigger(trigger: int) -> None:
    """Cell 1 rises by 4 dB a tick from tick 10 on; filtered by half it is 1 dB above at tick 14."""
    env = HandoverTrafficEnv(crossing(), 1, steps=4, physics=QUIET, time_to_trigger_s=trigger / 10, margin_db=1.0)
    level, first, tick = 0.0, 0, 0
    while not first:  # the filter by hand
        level += 0.5 * (min(max(tick - 10, 0) * 4.0, 20.0) - level)
        first = tick if level > 11.0 else 0
        tick += 1
    env.step(none(env))
    assert env.state.cell.item() == 0
    env.step(none(env))
    assert env.state.cell.item() == 1 and int(env.state.since) == 20 - (first + trigger)
    assert float(env.sums.counters.handovers) == 1 and float(env.sums.counters.ping_pongs) == 0


def test_offsets_move_the_point_of_handover_and_keep_users_out() -> None:
    for own, other in ((9.0, -9.0), (-9.0, 9.0)):
        env = HandoverTrafficEnv(crossing(), 1, steps=4, physics=QUIET, offset_max_db=9.0)
        for _ in range(2):
            env.step(HandoverAction(offset_db=torch.tensor([[own, other]])))
        assert env.state.cell.item() == (0 if own > 0 else 1)
    assert float(env.state.since) >= 19, "at once"


def test_offsets_change_by_steps_are_cut_and_centred() -> None:
    env = HandoverTrafficEnv(SMALL, 2, steps=9)
    change = torch.zeros(2, 6, dtype=torch.long)
    change[:, 0] = 2
    change[:, 1:] = 1
    for step in range(7):
        env.step(HandoverAction(offset=change))
        offset = env.state.offset_db
        torch.testing.assert_close(offset.mean(1), torch.zeros(2))
        if step == 0:
            torch.testing.assert_close(offset[0], torch.tensor([1.25, *[-0.25] * 5]))
    assert float(offset[:, 0].max()) <= 6.0 and bool((env.observe("local")["bs"].offset_db.view(2, 6) == offset).all())


def one_user(levels_db: list[float], bits: float, **options: Any) -> HandoverTrafficEnv:
    """One user at constant levels for whom so many bits come at the first tick, and nothing else."""
    env = HandoverTrafficEnv(still([[levels_db]] * 9), 1, steps=4, **options)
    wanted = torch.zeros_like(env.drawn.bits)
    wanted[0] = bits
    env.drawn = replace(env.drawn, bits=wanted)
    return env


def test_a_handover_interrupts_service_for_half_a_tick() -> None:
    """At 40 dB the rate is 8 bit/s/Hz, 0.8 Mbit a tick; the user goes to a cell as strong at the first tick."""
    physics = Physics(noise_db=0.0, activity=1.0, least_activity=1e-6)  # cells that do not send are silent at once
    top, served = torch.full((1, 1), 4), []
    for place in (torch.zeros_like(top), torch.ones_like(top)):
        env = one_user([40.0, 40.0], 1e8, physics=physics, actions="users")
        env.step(HandoverAction(place, top))
        assert float(env.sums.counters.handovers) == float(place) == float(env.state.cell)
        served.append(float(env.sums.counters.served))
    assert abs(served[0] - 8e6) < 1e3 and abs(served[1] - 7.6e6) < 1e3


def test_a_lost_link_costs_a_second_and_comes_back_at_the_strongest_cell() -> None:
    """Both cells stand at 0 dB beside a third one at 20 dB, whose offset keeps the user out."""
    physics = Physics(noise_db=0.0, failure_db=12.0)
    env = HandoverTrafficEnv(still([[[0.0, 0.0, 20.0]]] * 9), 1, steps=4, physics=physics, offset_max_db=40.0)
    env.state.cell = torch.zeros_like(env.state.cell)
    away = HandoverAction(offset_db=torch.tensor([[20.0, 20.0, -40.0]]))
    env.step(away)
    assert bool(env.state.lost) and float(env.sums.counters.failures) == 1 and float(env.state.dead) == 5
    assert not bool(env.masks()["allowed"][..., 1:].any())
    # The outage ends at the fifth tick, which is no handover; a wide margin keeps the user where it connects.
    env.step(replace(away, margin_db=torch.full((1,), 100.0)))
    assert not bool(env.state.lost) and float(env.sums.counters.handovers) == 0
    assert env.state.cell.item() == 2, "by measurements alone"
    short = HandoverTrafficEnv(still([[[0.0, 0.0, 20.0]]] * 9), 1, steps=4, physics=replace(physics, failure_s=9.0))
    short.state.cell = torch.zeros_like(short.state.cell)
    short.step(away)
    assert float(short.sums.counters.failures) == 0


def test_back_within_two_seconds_is_a_ping_pong() -> None:
    for pause, expected in ((1, 1.0), (2, 0.0)):
        env = one_user([20.0, 20.0], 0.0, physics=QUIET, actions="users")
        top, stay = torch.full((1, 1), 4), torch.zeros(1, 1, dtype=torch.long)
        env.step(HandoverAction(stay + 1, top))
        for _ in range(pause):
            env.step(HandoverAction(stay, top))
        env.step(HandoverAction(stay + 1, top))
        assert float(env.sums.counters.handovers) == 2 or env.episode == 1
        if env.episode == 0:
            assert float(env.sums.counters.ping_pongs) == expected


def test_levels_share_a_cell_in_proportion() -> None:
    env = HandoverTrafficEnv(still([[[30.0, -30.0], [30.0, -30.0]]] * 9), 1, steps=4, physics=QUIET, actions="users")
    env.drawn = replace(env.drawn, bits=torch.full_like(env.drawn.bits, 1e8))
    env.step(HandoverAction(torch.zeros(1, 2, dtype=torch.long), torch.tensor([[4, 0]])))
    served = env.sums.counters.served[0]
    assert abs(float(served[0] / served[1]) - 5) < 1e-3


def test_the_reward_is_the_team_s_delay_and_prices() -> None:
    free = TrafficWeights(handover=0, ping_pong=0, failure=0)
    env, priced, local = (
        HandoverTrafficEnv(SMALL, 2, steps=5, weights=w)
        for w in (free, TrafficWeights(handover=1.0), replace(free, local=1.0))
    )
    for _ in range(4):
        step, other, own = (e.step(none(e)) for e in (env, priced, local))
        assert bool((step.reward == step.reward[:, :1]).all()) and step.reward.shape == (2, 6)
        torch.testing.assert_close(step.info["reward_local"].mean(1), step.reward[:, 0])
        torch.testing.assert_close(own.reward, step.info["reward_local"])
        events = other.info["counters"]
        price = (events.handovers + 0.02 * events.ping_pongs + 0.2 * events.failures) / 24
        torch.testing.assert_close(step.reward[:, 0] - other.reward[:, 0], price)
    last = env.step(none(env)).info["episode"]
    assert set(TRAFFIC_INDICATORS) | {"reward"} == set(last) == {kpi.name for kpi in env.kpis}
    assert all(value.shape == (2,) and bool(value.isfinite().all()) for value in last.values())
    assert bool((last["load_imbalance"] < 0.5).all()) and bool((last["throughput_bps"] > 1e6).all())


@pytest.mark.parametrize("level", LEVELS)
def test_packed_rows_come_back_as_the_observation(level: Level) -> None:
    env = HandoverTrafficEnv(SMALL, 3, steps=5, seed=2)
    for _ in range(3):
        env.step(none(env))
    rows, obs = env.pack(), env.observe(level).clone()
    env.step(none(env))
    again = env.unpack(rows, level)
    check(again, level=level)
    for store in (*obs.node_types, *obs.edge_types):
        for name, value in obs[store].items():
            if isinstance(value, Tensor):
                assert torch.equal(value, again[store][name]), (store, name)
    assert torch.equal(obs.slots_left, again.slots_left)
    part = env.unpack({name: value[1:2] for name, value in rows.items()}, level)
    assert torch.equal(part["bs"].activity, obs["bs"].activity[6:12])
    bytes_of_user = sum(value[0].numel() * value.element_size() for value in rows.values()) / 24
    assert bytes_of_user < 140


def test_efficiencies_follow_from_the_graph() -> None:
    """Gains, powers, activities, noise and far interference give the spectral efficiency on every edge."""
    env = HandoverTrafficEnv(roaming(25, 50, "handover-traffic"), 2, steps=5)
    for _ in range(3):
        env.step(none(env))
    for level in ("neighbourhood", "genie"):
        obs = env.observe(level)  # type: ignore[arg-type]
        edges, ue, bs = obs[CHANNEL], obs["ue"], obs["bs"]
        received = (edges.gain[:, 0] * bs.power_max_w[edges.edge_index[0]]).view(-1, 4).double()
        sent = received * bs.activity[edges.edge_index[0]].view(-1, 4)
        other = sent.sum(1, keepdim=True) - sent + (ue.noise_w + ue.far_interference_w).double()
        expected = (1 + received / other).log2().clamp_max(8.0)
        torch.testing.assert_close(edges.spectral_efficiency.view(-1, 4).double(), expected, rtol=2e-3, atol=2e-3)
        columns = ["activity", "offset_db", "queue_log", "backlog_log", "users"]
        assert bool(features(obs, "bs", columns).isfinite().all())


def test_malformed_actions_are_refused_by_name() -> None:
    env = HandoverTrafficEnv(SMALL, 2, steps=5)
    offset, place = torch.ones(2, 6, dtype=torch.long), torch.zeros(2, 24, dtype=torch.long)
    cases: list[tuple[Any, str]] = [
        (HandoverAction(), "action.offset: got NoneType"),
        (7, "action.offset: got NoneType"),
        (HandoverAction(offset=offset + 2), "action.offset: got values from 3 to 3, expected 0..2"),
        (HandoverAction(offset=offset[:, :5]), "action.offset: got torch.int64"),
        (HandoverAction(offset_db=torch.full((2, 6), torch.nan)), "action.offset_db: got values from nan"),
        (HandoverAction(place=place), "action.level: got NoneType"),
        (HandoverAction(level=place), "action.place: got NoneType"),
        (HandoverAction(place + 4, place), "action.place: got values from 4 to 4, expected 0..3"),
        (HandoverAction(offset=offset, margin_db=torch.zeros(3)), "action.margin_db: got torch.float32"),
        (HandoverAction(offset=offset, trigger_ticks=torch.full((2,), -1)), "action.trigger_ticks: got values"),
    ]
    kept = env.state.clone()
    for action, sentence in cases:
        with pytest.raises(ValueError, match=sentence) as raised:
            env.step(action)
        assert "\n" not in str(raised.value)
    assert all(torch.equal(value, getattr(env.state, name)) for name, value in vars(kept).items())
    users = HandoverTrafficEnv(SMALL, 2, steps=5, actions="users")
    with pytest.raises(ValueError, match=r"action\.place: got NoneType"):
        users.step(HandoverAction())
    assert users.step(users.action.sample(torch.Generator().manual_seed(0))).info["refused"].tolist() == [0, 0]


def test_other_traffic_and_options_are_refused_by_name() -> None:
    full = replace(preset("handover-full:cells=25,users=20"), traffic=FullBuffer())
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (full, {}, r"scenario\.traffic: got FullBuffer, expected Flows or none"),
        (SMALL, {"actions": "cells"}, "actions: got 'cells', expected 'offsets' or 'users'"),
        (SMALL, {"steps": 0}, "steps: got 0, expected at least 1"),
        (SMALL, {"neighbours": 6}, "neighbours: got 6, expected fewer than the 6 cells"),
        (SMALL, {"level": "all"}, "level: got 'all'"),
    ]
    for scenario, options, sentence in cases:
        with pytest.raises(ValueError, match=sentence):
            HandoverTrafficEnv(scenario, 1, **options)
    for wrong, sentence in (({"filter": 0.0}, "physics.filter"), ({"outage_s": -1.0}, "physics.outage_s")):
        with pytest.raises(ValueError, match=sentence):
            Physics(**wrong)
    with pytest.raises(ValueError, match=r"weights\.local: got 2"):
        TrafficWeights(local=2.0)


def test_traffic_is_new_in_each_episode_and_networks_are_where_they_should_be() -> None:
    stays, fresh, pool = (HandoverTrafficEnv(SMALL, 2, steps=2, **o) for o in ({}, {"fresh": True}, {"networks": 3}))
    before = [(e.drawn.bits.clone(), e.drawn.received_db.clone()) for e in (stays, fresh, pool)]
    for env in (stays, fresh, pool):
        for _ in range(2):
            env.step(none(env))
        assert env.episode == 1
    same = [torch.equal(e.drawn.received_db, b[1]) for e, b in zip((stays, fresh, pool), before, strict=True)]
    assert same == [True, False, False] and pool.drawn.network.tolist() == [61 % 3, 62 % 3]
    assert not any(torch.equal(e.drawn.bits, b[0]) for e, b in zip((stays, fresh, pool), before, strict=True))
    fresh.reset(seed=0)
    assert torch.equal(fresh.drawn.received_db, before[1][1]) and torch.equal(fresh.drawn.bits, before[1][0])
    later = HandoverTrafficEnv(SMALL, 1, steps=2, fresh=True, first=1)
    assert torch.equal(later.drawn.received_db[:, 0], before[1][1][:, 1])


def test_a_whole_state_goes_on_in_another_episode_than_that_of_the_reader() -> None:
    env, other = (HandoverTrafficEnv(SMALL, 2, steps=2, fresh=True) for _ in range(2))
    for _ in range(3):
        env.step(none(env))
    other.load_state_dict(env.state_dict())
    one, two = env.step(none(env)), other.step(none(other))
    assert torch.equal(one.reward, two.reward)
    for name, value in one.info["episode"].items():
        assert torch.equal(value, two.info["episode"][name]), name


def test_a_branch_plays_the_same_future() -> None:
    env = HandoverTrafficEnv(SMALL, 2, steps=6, flows=Flows(load_bps=6e6))
    env.step(none(env))
    row = torch.tensor([0, 1, 1, 0])
    many = env.branch(env.drawn.window(10, 30).networks(row), row)
    for _ in range(2):
        reward, copies = env.step(none(env)).reward, many.step(none(many)).reward
        assert torch.equal(copies, reward[row])


def test_a_twin_is_an_environment_of_its_own_that_plays_the_same() -> None:
    env = HandoverTrafficEnv(SMALL, 3, networks=5, steps=3, seed=4)
    twin, alone = env.twin(), HandoverTrafficEnv(SMALL, 3, networks=5, steps=3, seed=4)
    assert twin.world is env.world
    for _ in range(4):  # into the next episode
        moved = env.step(HandoverAction(offset_db=torch.randn(3, 6).mul(4)))
        same, other = (each.step(none(each)) for each in (twin, alone))
        assert torch.equal(same.reward, other.reward) and not torch.equal(same.reward, moved.reward)
    assert torch.equal(twin.view.queue, alone.view.queue)


@pytest.mark.all
def test_interpolated_gains_hardly_change_the_delay() -> None:
    """Gains at places half a second apart (of walkers a second), against gains drawn at every tick of the same walks."""
    scenario = preset("handover-traffic")
    assert scenario.mobility.waypoints is not None
    walks = user_trajectories(scenario, 2, steps=601, slot_s=0.1, mobility=scenario.mobility.waypoints, seed=100)
    coarse, fast = walks.gain.clone(), fast_users(0.2, walks.users)
    for users, stride in ((fast, 5), (~fast, 10)):
        knots = torch.arange(0, 601, stride)
        for number in range(walks.networks):
            coarse[number, :, users] = between(walks.gain[number, knots][:, users].unsqueeze(0), knots, 601)[0]
    delays = []
    for gain in (walks.gain, coarse):
        env = HandoverTrafficEnv(replace(walks, gain=gain), 2, seed=100)
        for _ in range(60):
            step = env.step(none(env))
        delays.append(step.info["episode"]["mean_delay_s"])
    torch.testing.assert_close(delays[1], delays[0], rtol=0.08, atol=0.01)
