"""The city: channels of a scenario, a flash crowd, users who move, stations too weak to serve."""

import math
from dataclasses import replace

import pytest
import torch

from hetgraph.envs import ArrivalEnv, CityArrivals, run_episodes
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.graph import CHANNEL, check
from hetgraph.radio import policy
from hetgraph.radio.offer import offer_of


def small(**changes: object) -> CityArrivals:
    source = arrivals("grows-city:stations=21", probability=1.0, demand=10.0)
    assert isinstance(source, CityArrivals)
    return replace(source, slots=60, moves_every=20, **changes)  # type: ignore[arg-type]


def test_rates_follow_users_who_move_and_stay_for_those_who_stand() -> None:
    moving = small(speed_mps=300.0).draw(2, torch.Generator().manual_seed(0))
    standing = small(speed_mps=0.0).draw(2, torch.Generator().manual_seed(0))
    assert moving.rate.shape == (61, 2, 8, 4)
    torch.testing.assert_close(standing.rate[..., :1].expand_as(standing.rate), standing.rate)
    torch.testing.assert_close(moving.rate[..., 0], standing.rate[..., 0])  # they come at the same places
    changed = (moving.rate[..., 3] - moving.rate[..., 0]).abs() > 0.05 * moving.rate[..., 0]
    assert float(changed[moving.rate[..., 0] > 0].float().mean()) > 0.5


def test_users_in_service_get_the_rate_of_their_period() -> None:
    source = small(speed_mps=300.0)
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
    offer = offer_of(obs)
    assert bool((offer.rate == 0).any()) and not bool(offer.room[offer.rate == 0].any())
    weak = (offer.rate == 0).to(torch.uint8).argmax(1)
    env.step(weak)
    asked = offer.comes & (offer.rate == 0).any(1)
    assert float(env.totals["rejections"].sum()) == float(asked.sum())


def test_the_crowd_comes_and_goes() -> None:
    table = small(crowd=1.0, crowd_radius_m=20.0).draw(6, torch.Generator().manual_seed(3))
    strongest = table.station[:, :, 0]
    inside, outside = strongest[16:29], strongest[31:]
    spread = [torch.tensor([len(column.unique()) for column in part.T]).float().mean() for part in (inside, outside)]
    assert float(spread[0]) < 0.6 * float(spread[1])


def test_the_same_users_for_every_rule_and_seed() -> None:
    env = ArrivalEnv(small(), 2)
    first = run_episodes(env, policy("best_rate"), seed=4)
    again = run_episodes(env, policy("best_rate"), seed=4)
    assert torch.equal(first["utility"], again["utility"]) and float(first["utility"].min()) > 0
    with pytest.raises(ValueError, match="expected one of"):
        arrivals("grows-city:users=3")


def test_rates_follow_from_gains_powers_noise_and_the_stated_interference() -> None:
    """Of every edge, users who moved on while served included; gains change with their places."""
    source = small(speed_mps=300.0)
    env, rule, first = ArrivalEnv(source, 3, seed=1), policy("best_rate"), {}
    obs, _ = env.reset()
    heard, seats, moved = source.heard, env.num_stations * env.places, 0
    for _ in range(55):
        bs, ue = obs[CHANNEL].edge_index
        received = (obs[CHANNEL].gain[:, 0] * obs["bs"].power_max_w[bs]).double().reshape(3, -1)
        floor = (obs["ue"].noise_w + obs["ue"].far_interference_w)[ue, 0].double().reshape(3, -1)
        for k in range(heard):
            others = [seats + j for j in range(heard) if j != k]
            floor[:, seats + k] += source.load * received[:, others].sum(1)
        efficiency = (received / floor).log1p() / math.log(2)
        limited = efficiency.clamp(source.least_bps_hz, source.most_bps_hz)
        rate = obs[CHANNEL].rate.double().reshape(3, -1)
        expected = limited * source.scenario.radio.bandwidth_hz * source.slot_s / source.data_bits
        torch.testing.assert_close(rate[rate > 0], expected[rate > 0], rtol=1e-5, atol=0)
        weak = efficiency[:, seats:] < source.least_bps_hz * (1 - 1e-5)
        assert bool((rate[:, seats:][weak] == 0).all())
        gain, place = obs[CHANNEL].gain.reshape(3, -1)[:, :seats], obs["ue"].pos.reshape(3, -1, 3)[:, :seats]
        on = obs["ue"].active.reshape(3, -1)[:, :seats]
        for b, seat in on.nonzero().tolist():
            since = int(env.links.since[b, seat])
            then, where = first.setdefault((b, seat, env.slot - since), (gain[b, seat], place[b, seat]))
            stands = since < source.period
            assert torch.equal(place[b, seat], where) == stands and torch.equal(gain[b, seat], then) == stands
            moved += not stands
        obs = env.step(rule.act(obs, None, None)[0]).obs
    assert moved > 50


def test_users_in_buildings_are_in_them_in_every_period() -> None:
    city = arrivals("grows-city:stations=21")
    assert isinstance(city, CityArrivals)
    users = replace(city.scenario.users, indoor_fraction=1.0)
    inside = replace(city, scenario=replace(city.scenario, users=users))
    rates = [source.draw(2, torch.Generator().manual_seed(0)).rate for source in (city, inside)]
    assert rates[0].shape == rates[1].shape and float(rates[1].mean()) < float(rates[0].mean())
