"""Stations that begin an episode at the load of their counters."""

import copy
import dataclasses

import pytest
import torch

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.arrivals.lookahead import clairvoyant
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.arrivals.start_users import users_at_load, users_at_start, users_of_stations
from hetgraph.graph import Layout, Scenario, Tier, Users, check, preset
from hetgraph.graph.counters import Networks

LOAD = (0.0, 0.34, 1.0)
TIER = Tier(count=3, placement="fixed", positions=((0.0, 0.0), (600.0, 0.0), (300.0, 500.0)), load=LOAD)
BASE = Scenario("own", Layout(600, 500), (TIER,), Users(40))
BLOCKS = BASE.rules.blocks


def without_load() -> Scenario:
    return dataclasses.replace(BASE, tiers=(dataclasses.replace(TIER, load=()),))


def test_stations_begin_with_blocks_in_use_like_their_load() -> None:
    env = ArrivalEnv(BASE, 4, seed=3)
    obs, _ = env.reset(seed=3)
    check(obs, level="neighbourhood")
    wanted = torch.tensor([round(load * BLOCKS) for load in LOAD], dtype=torch.float)
    free = obs["bs"].free_rb.reshape(4, 3)
    assert torch.equal(BLOCKS - free, wanted.expand(4, -1))
    assert torch.equal(obs["bs"].users.reshape(4, 3), wanted.expand(4, -1)), "each of them asks for a block"
    users = env.users
    on = users.on
    assert (users.rate[on] > 0).all() and (users.left[on] < env.table.mean_demand.max() * 1.66).all()
    assert not env.masks()["place_mask"][:, :-1][env.table.station[0] == 2].any(), "a full station takes nobody"
    empty, _ = ArrivalEnv(without_load(), 4, seed=3).reset(seed=3)
    assert (empty["bs"].users == 0).all()


def test_users_at_the_start_are_those_who_receive_their_station_best() -> None:
    env = ArrivalEnv(BASE, 3, seed=1)
    start = env.table.start
    assert start is not None
    assert (start.place == 0).all() and start.table.comes.all()
    assert torch.equal(
        start.table.station[..., 0], users_at_load(torch.tensor(LOAD), env.service).unsqueeze(1).expand(-1, 3)
    )
    best = start.table.rate[..., 0]
    assert (best[..., :1] >= best).all()


def test_the_choice_of_users_against_a_loop() -> None:
    generator = torch.Generator().manual_seed(1)
    stations, k, b, per = 5, 3, 4, 7
    station = torch.stack([torch.randperm(stations, generator=generator)[:k] for _ in range(b * per)])
    rate = torch.rand(b * per, k, generator=generator) * (torch.rand(b * per, k, generator=generator) < 0.5)
    network = torch.arange(b).repeat_interleave(per)
    wanted, uniform = torch.arange(stations).repeat(3), torch.rand(15, b, generator=generator)
    row, place, there = users_of_stations(wanted, station, rate, network, uniform, stations)
    for t, s in enumerate(wanted.tolist()):
        for n in range(b):
            pairs = [
                (u, p) for u in range(n * per, n * per + per) for p in range(k) if station[u, p] == s and rate[u, p] > 0
            ]
            chosen = [pair for pair in pairs if pair[1] == 0] or pairs
            assert bool(there[t, n]) == bool(chosen)
            if chosen:
                assert (int(row[t, n]), int(place[t, n])) == chosen[int(uniform[t, n] * len(chosen))]


def test_a_network_starts_the_same_alone_and_among_many_and_anew_in_each_episode() -> None:
    source = arrivals(BASE)
    many, alone = (source.draw(Networks(7, numbers)).start for numbers in (range(5), range(3, 4)))
    again = source.draw(Networks(7, range(5)), 1).start
    assert many is not None and alone is not None and again is not None
    assert torch.equal(many.table.demand[:, 3:4], alone.table.demand)
    assert torch.equal(many.table.signals.pos[:, 3:4], alone.table.signals.pos)
    assert not torch.equal(many.table.demand, again.table.demand)
    assert source.draw(Networks(7, range(2)), slots=5).start is None, (
        "futures of a look-ahead start from where they are"
    )


def test_who_is_there_leaves_and_is_counted() -> None:
    env = ArrivalEnv(BASE, 2, seed=5)
    env.reset(seed=5)
    reject, total, slots = torch.full((2,), env.source.links_per_user), 0.0, env.episode_slots
    for _ in range(slots):
        step = env.step(reject)
        total += float(step.reward.sum())
    episode = step.info["episode"]
    assert (episode["completions"] > 0).all() and torch.equal(episode["arrivals"], episode["rejections"])
    assert total == pytest.approx(float(episode["utility"].sum()) * slots, rel=1e-4) and total > 0
    assert env.observe("genie")["bs"].users.sum() == 2 * round(0.34 * BLOCKS) + 2 * BLOCKS, (
        "the next episode starts so, too"
    )


def test_look_ahead_knows_who_is_there() -> None:
    env = ArrivalEnv(BASE, 2, seed=2)
    users = users_at_start(env.table, env.service)
    for name in ("left", "rate", "asked"):
        torch.testing.assert_close(getattr(users, name), getattr(env.users, name))
    start = torch.full((env.slots, 2), env.source.links_per_user)
    best, script = clairvoyant(env.table, env.source, start, sweeps=1)
    env.reset(seed=2)
    table, total = env.table, torch.zeros(2)
    env.load(table)
    for place in script:
        total += env.step(place).reward.sum(1)
    torch.testing.assert_close(total, best, rtol=1e-4, atol=1e-4)


def test_copies_and_restored_states_go_on_alike() -> None:
    env = ArrivalEnv(BASE, 2, seed=4)
    env.reset(seed=4)
    act = torch.zeros(2, dtype=torch.long)
    env.step(act)
    copied, state = copy.deepcopy(env), env.state_dict()
    other = ArrivalEnv(BASE, 2, seed=4)
    other.load_state_dict(state)
    expected = env.step(act)
    for each in (copied, other):
        step = each.step(act)
        assert torch.equal(step.reward, expected.reward)
        assert torch.equal(step.obs["ue"].demand, expected.obs["ue"].demand)


def test_loads_beside_traffic_of_arrivals() -> None:
    city = preset("grows-city")
    tiers = tuple(dataclasses.replace(tier, load=(0.5,) * tier.count) for tier in city.tiers)
    with pytest.raises(
        ValueError, match=r"tiers\.load: got loads at the start beside traffic, expected a scenario without traffic"
    ):
        ArrivalEnv(dataclasses.replace(city, tiers=tiers))
