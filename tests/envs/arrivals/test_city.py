"""The city: channels of a scenario, a flash crowd, users who move, stations too weak to serve."""

import math
from dataclasses import replace

import pytest
import torch

from hetgraph.envs import ArrivalEnv, CityArrivals
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.rollout import rollout
from hetgraph.graph import CHANNEL, check
from hetgraph.graph.counters import Networks
from hetgraph.radio import policy
from hetgraph.radio.candidate_stations import candidate_stations_of


def small(**changes: object) -> CityArrivals:
    source = arrivals("grows-city:stations=21", probability=1.0, demand=10.0)
    assert isinstance(source, CityArrivals)
    return replace(source, slots=60, moves_every=20, **changes)  # type: ignore[arg-type]


def test_rates_follow_users_who_move_and_stay_for_those_who_stand() -> None:
    moving = small(speed_mps=300.0).draw(Networks(0, range(2)))
    standing = small(speed_mps=0.0).draw(Networks(0, range(2)))
    assert moving.rate.shape == (61, 2, 8, 4)
    torch.testing.assert_close(standing.rate[..., :1].expand_as(standing.rate), standing.rate)
    torch.testing.assert_close(moving.rate[..., 0], standing.rate[..., 0])  # they come at the same places
    changed = (moving.rate[..., 3] - moving.rate[..., 0]).abs() > 0.05 * moving.rate[..., 0]
    assert float(changed[moving.rate[..., 0] > 0].float().mean()) > 0.5


def test_users_in_service_get_the_rate_of_their_period() -> None:
    source = small(speed_mps=300.0, demands=(60.0,))
    env, rule = ArrivalEnv(source, 3, seed=1), policy("argmax")
    obs, _ = env.reset()
    check(obs)
    first = env.table.rate[0, :, 0]
    taken = env.table.station[0, :, 0]
    for slot in range(25):
        obs = env.step(rule.act(obs, None, None)[0]).obs
        still = env.users.left[torch.arange(3), taken, 0] > 0
        now = env.users.rate[torch.arange(3), taken, 0]
        period = (slot + 1) // 20
        torch.testing.assert_close(now[still], first[still, period])
    assert bool(still.any())


def test_a_station_too_weak_takes_nobody() -> None:
    env = ArrivalEnv(small(least_bps_hz=2.0), 4, seed=2)
    obs, _ = env.reset()
    candidates = candidate_stations_of(obs)
    assert bool((candidates.rate == 0).any()) and not bool(candidates.room[candidates.rate == 0].any())
    weak = (candidates.rate == 0).to(torch.uint8).argmax(1)
    assert torch.equal(env.step(weak).info["refused"], candidates.comes & (candidates.rate == 0).any(1))


def test_the_crowd_comes_and_goes() -> None:
    table = small(crowd=1.0, crowd_radius_m=20.0).draw(Networks(3, range(6)))
    strongest = table.station[:, :, 0]
    inside, outside = strongest[16:29], strongest[31:]
    spread = [torch.tensor([len(column.unique()) for column in part.T]).float().mean() for part in (inside, outside)]
    assert float(spread[0]) < 0.6 * float(spread[1])


def test_the_same_users_for_every_rule_and_seed() -> None:
    env = ArrivalEnv(small(), 2)
    rules = {name: policy("best_rate") for name in ("first", "again")}
    first, again = rollout(env, rules, seed=4).values.values()
    assert torch.equal(first["utility"], again["utility"]) and float(first["utility"].min()) > 0
    with pytest.raises(ValueError, match="expected one of"):
        arrivals("grows-city:users=3")


def test_rates_follow_from_gains_powers_noise_and_the_stated_interference() -> None:
    """Of every edge, users who moved on while served included; gains change with their places."""
    source = small(speed_mps=300.0)
    env, rule, first = ArrivalEnv(source, 3, seed=1), policy("best_rate"), {}
    links_per_user, per, moved = source.links_per_user, env.num_stations * env.places + 1, 0
    env.reset()
    for _ in range(55):
        obs = env.observe("genie")
        bs = obs[CHANNEL].edge_index[0]
        received = (obs[CHANNEL].gain[:, 0] * obs["bs"].power_max_w[bs]).double().reshape(-1, links_per_user)
        floor = (obs["ue"].noise_w + obs["ue"].far_interference_w).double()
        floor = floor + source.load * (received.sum(1, keepdim=True) - received)
        efficiency = (received / floor).log1p() / math.log(2)
        limited = efficiency.clamp(source.least_bps_hz, source.most_bps_hz)
        rate = obs[CHANNEL].rate.double().reshape(-1, links_per_user)
        expected = limited * source.scenario.radio.bandwidth_hz * source.slot_s / source.data_bits
        torch.testing.assert_close(rate[rate > 0], expected[rate > 0], rtol=1e-5, atol=0)
        weak = (efficiency < source.least_bps_hz * (1 - 1e-5)).reshape(3, per, links_per_user)[:, -1]
        assert bool((rate.reshape(3, per, links_per_user)[:, -1][weak] == 0).all())
        own = obs[CHANNEL].rate[obs[CHANNEL].own]
        assert torch.equal(own, obs["ue"].rate[obs["ue"].serving_slot >= 0])
        gain, place = obs[CHANNEL].gain.reshape(3, per, links_per_user), obs["ue"].pos.reshape(3, per, 3).clone()
        for b, user in obs["ue"].active.reshape(3, per)[:, :-1].nonzero().tolist():
            since = env.slot - int(env.state.since[b, user])
            then, where = first.setdefault((b, user, env.slot - since), (gain[b, user].clone(), place[b, user]))
            stands = since < source.period
            assert torch.equal(place[b, user], where) == stands and torch.equal(gain[b, user], then) == stands
            moved += not stands
        env.step(rule.act(obs, None, None)[0])
    assert moved > 50


def test_reported_channels_are_those_of_a_slot_ago_and_present_on_arrival() -> None:
    """Users who stay keep in the reports of a slot what they had in the slot before."""
    env, rule = ArrivalEnv(small(speed_mps=300.0), 3, seed=1), policy("best_rate")
    before, changed = {}, 0
    env.reset()
    for _ in range(55):
        present, reported = env.observe("genie"), env.observe("global")
        names = ((CHANNEL, "gain"), (CHANNEL, "rate"), ("ue", "pos"), ("ue", "rate"))
        for store, name in names:
            now, then = (graph[store][name].reshape(3, env.state.active.shape[1], -1) for graph in (present, reported))
            assert torch.equal(now[:, -1], then[:, -1]), "who arrives reports what it measures"
            old = before.get((store, name))
            for b, user in env.users.on.flatten(1).nonzero().tolist() if old is not None else ():
                stays = int(env.state.since[b, user]) < env.slot - 1
                assert not stays or torch.equal(then[b, user], old[b, user])
                changed += not torch.equal(then[b, user], now[b, user])
            before[store, name] = now.clone()
        for level in ("local", "neighbourhood", "global", "genie"):
            check(env.observe(level), level)
        env.step(rule.act(reported, None, None)[0])
    assert changed > 50


def test_users_in_buildings_are_in_them_in_every_period() -> None:
    city = arrivals("grows-city:stations=21")
    assert isinstance(city, CityArrivals)
    users = replace(city.scenario.users, indoor_fraction=1.0)
    inside = replace(city, scenario=replace(city.scenario, users=users))
    rates = [source.draw(Networks(0, range(2))).rate for source in (city, inside)]
    assert rates[0].shape == rates[1].shape and float(rates[1].mean()) < float(rates[0].mean())
