"""Arrivals: an independent slow oracle, conservation of resource blocks, the references against the optimum."""

import dataclasses
import itertools
import math

import pytest
import torch

from hetgraph.envs import ArrivalEnv, DiscreteArrivals, RolloutLookahead, Service, clairvoyant
from hetgraph.envs.arrivals.lookahead import candidate_stations_at, users_of
from hetgraph.envs.arrivals.optimum import optimum
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.arrivals.rules import BestRate, Strongest
from hetgraph.envs.arrivals.table import Table
from hetgraph.envs.rollout import rollout
from hetgraph.graph import check
from hetgraph.radio import association_names, policy
from hetgraph.radio.candidate_stations import candidate_stations_of

ASKS = Service(3, 9, unit=0.7)
SLOTS = Service(2, 4, least_asked=2, demand="slots", share="asked")
SOURCES = {
    "equal": DiscreteArrivals(service=ASKS, probabilities=(0.8,), demands=(6.0,), most_asked=5),
    "asked": DiscreteArrivals(service=SLOTS, probabilities=(0.9,), demands=(4.0,), most_asked=3, spread=(0.5, 1.0)),
}


def slow_episode(table: Table, source: DiscreteArrivals, actions: torch.Tensor, b: int) -> dict[str, float]:
    """One network, one user after the other, in plain Python."""
    service = source.service
    cells: list[list[dict[str, float]]] = [[] for _ in range(service.stations)]
    total = {"utility": 0.0, "rejections": 0.0, "completions": 0.0}
    for t in range(len(actions)):
        if bool(table.comes[t, b]):
            place, asked = int(actions[t, b]), float(table.asked[t, b])
            cell = cells[int(table.station[t, b, place])] if place < table.station.shape[2] else None
            if cell is not None and sum(u["asked"] for u in cell) + asked <= service.blocks:
                rate = float(table.rate[t, b, place])
                cell.append({"left": float(table.demand[t, b]), "rate": rate, "asked": asked})
            else:
                total["rejections"] += 1
        for cell in cells:
            whole = sum(u["asked"] for u in cell)
            share = [1 / len(cell) if service.share == "equal" else u["asked"] / whole for u in cell]
            for user, part in zip(cell, share, strict=True):
                total["utility"] += math.log1p(user["rate"] * part / service.unit)
                user["left"] -= user["rate"] * part if service.demand == "data" else 1.0
            total["completions"] += sum(u["left"] <= 1e-5 for u in cell)
            cell[:] = [u for u in cell if u["left"] > 1e-5]
    return total


@pytest.mark.parametrize("name", SOURCES)
def test_episodes_against_a_slow_oracle(name: str) -> None:
    source = SOURCES[name]
    env = ArrivalEnv(source, 6, seed=3)
    env.reset()
    table, actions, info = env.table, [], {}
    generator = torch.Generator().manual_seed(0)
    for _ in range(env.slots):
        actions.append(torch.randint(source.links_per_user + 1, (6,), generator=generator))
        info = env.step(actions[-1]).info
    for b in range(6):
        expected = slow_episode(table, source, torch.stack(actions), b)
        expected["utility"] /= env.slots
        for key, value in expected.items():
            assert float(info["episode"][key][b]) == pytest.approx(value, abs=1e-3), key
    assert float(info["episode"]["rejections"].sum()) > 0


@pytest.mark.parametrize("name", SOURCES)
def test_resource_blocks_are_conserved(name: str) -> None:
    """100,000 slots under random actions: free blocks are never negative, and what users hold is what is not free."""
    source = SOURCES[name]
    env, generator = ArrivalEnv(source, 500, seed=1), torch.Generator().manual_seed(2)
    env.reset()
    for _ in range(200):
        env.step(torch.randint(source.links_per_user + 1, (500,), generator=generator))
        held = env.users.asked.sum(2)
        assert bool((env.stations.free >= 0).all()) and torch.equal(
            env.stations.free + held, torch.full_like(held, source.service.blocks)
        )
        assert bool((env.users.asked[~env.users.on] == 0).all()) and bool((env.users.asked[env.users.on] > 0).all())
        assert torch.equal(env.stations.users, env.users.on.sum(2).float())


def test_observations_are_graphs_and_say_what_the_state_is() -> None:
    source = SOURCES["equal"]
    env = ArrivalEnv(source, 4, seed=5)
    obs, _ = env.reset()
    for slot in range(12):
        check(obs)
        reports, direct = (
            candidate_stations_of(obs),
            candidate_stations_at(env.table, slot, env.stations, source, env.slots - slot),
        )
        for field in dataclasses.fields(reports):
            assert torch.equal(getattr(reports, field.name), getattr(direct, field.name)), field.name
        users = users_of(obs)
        assert torch.equal(users.left, env.users.left) and torch.equal(users.rate, env.users.rate)
        obs = env.step(Strongest().choose(reports, None)).obs


def test_a_full_station_blocks_or_overflows() -> None:
    source = DiscreteArrivals(
        service=Service(2, 1), probabilities=(1.0,), demands=(1000.0,), spread=(1.0,), bonus=10.0, slots=3
    )
    env = ArrivalEnv(source, 1)
    found = rollout(env, {name: policy(name) for name in ("argmax_blocking", "argmax")}).values
    assert [float(values["rejections"]) for values in found.values()] == [2, 1]
    with pytest.raises(ValueError, match=r"action.place: got values from 3 to 3, expected 0\.\.2"):
        env.step(torch.tensor([3]))
    with pytest.raises(ValueError, match="expected integers of shape"):
        env.step(torch.tensor([0.0]))


def test_every_rule_meets_the_same_users_and_chooses_stations_with_room() -> None:
    env = ArrivalEnv("grows-3", 64, probability=1.0, demand=14.0)
    arrivals = set()
    for name in association_names():
        rule = policy(name)
        arrivals.add(float(rollout(env, {name: rule}, seed=7).values[name]["arrivals"].sum()))
        obs, _ = env.reset(seed=7)
        for _ in range(env.slots):
            action, _ = rule.act(obs, None, torch.Generator().manual_seed(0))
            candidates = candidate_stations_of(obs)
            some = candidates.room.any(1)
            may = torch.nn.functional.pad(candidates.room, (0, 1), value=name == "best_rate_admission")  # to turn away
            picked = may[some].gather(1, action[some].unsqueeze(1))
            assert name == "argmax_blocking" or (bool(picked.all()) and bool((action[~some] == 3).all()))
            obs = env.step(action).obs
    assert len(arrivals) == 1


def best_script(table: Table, source: DiscreteArrivals, b: int) -> float:
    """Largest utility over all scripts of an episode that is known."""
    slots = range(source.slots)
    options = [range(source.links_per_user + 1) if bool(table.comes[t, b]) else (0,) for t in slots]
    found = 0.0
    for script in itertools.product(*options):
        actions = torch.zeros(source.slots, b + 1, dtype=torch.long)
        actions[:, b] = torch.tensor(script)
        found = max(found, slow_episode(table, source, actions, b)["utility"])
    return found


def test_the_clairvoyant_search_against_all_scripts() -> None:
    source = DiscreteArrivals(
        service=Service(2, 2), slots=5, probabilities=(0.9,), demands=(3.0,), rates=(0.5, 1.0, 2.0)
    )
    env = ArrivalEnv(source, 12, seed=4)
    env.reset()
    starts = torch.randint(3, (6, 5, 12), generator=torch.Generator().manual_seed(0))
    found = [clairvoyant(env.table, source, start) for start in starts]
    total = torch.stack([utility for utility, _ in found]).max(0).values
    best = torch.tensor([best_script(env.table, source, b) for b in range(12)])
    assert bool((total <= best + 1e-4).all()) and float((total / best).mean()) > 0.99
    assert float(((best - total) < 1e-4).float().mean()) > 0.7
    played = ArrivalEnv(source, 12, seed=4)
    played.reset()
    info = {}
    for t in range(5):
        info = played.step(found[0][1][t]).info
    torch.testing.assert_close(info["episode"]["utility"] * 5, found[0][0])


def test_the_optimum_against_a_case_by_hand() -> None:
    """One station, one block, two slots, a user in each: the better of keeping the place and taking the first."""
    service = Service(1, 1)
    source = DiscreteArrivals(
        service=service, slots=2, probabilities=(1.0,), demands=(4.0,), spread=(1.0,), rates=(1.0, 3.0)
    )
    weak, strong = math.log1p(1.0), math.log1p(3.0)
    mean = (weak + strong) / 2
    expected = (
        max(2 * weak, mean) + 2 * strong
    ) / 2  # a strong user stays for both slots, as does a weak one, unless refused
    assert optimum(source).utility == pytest.approx(expected)
    with pytest.raises(ValueError, match="expected one load"):
        optimum(DiscreteArrivals(service=service))
    with pytest.raises(ValueError, match="expected a smaller network"):
        optimum(dataclasses.replace(source, slots=9, rates=(1.0, 1.5, 2.0), service=Service(2, 4)), most_states=50)


def test_the_rollout_is_near_the_optimum_of_dynamic_programming() -> None:
    source = arrivals("grows-tiny")
    most = optimum(source).utility
    env = ArrivalEnv(source, 4000)
    found, ahead = {}, RolloutLookahead(source, BestRate(), futures=48)
    for name, values in rollout(env, {"best_rate": BestRate(), "rollout": ahead}, seed=11).values.items():
        value = values["utility"][0] * 6
        found[name] = float(value.mean())
        assert found[name] < most + 4 * float(value.std()) / 4000**0.5
    assert found["rollout"] > found["best_rate"] and found["rollout"] > 0.99 * most
