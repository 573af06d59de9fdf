"""Handover policies: the search against all choices, what policies may see, and how they are found."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch

from hetgraph.envs import HandoverEnv
from hetgraph.envs.handover.rules import Reports, StrongestCell
from hetgraph.envs.rollout import rollout
from hetgraph.graph import Trajectories, roaming, user_trajectories
from hetgraph.graph.scenario import Scenario
from hetgraph.radio import handover_names, handover_policy
from hetgraph.radio.handover import HandoverRule, strongest_cells
from hetgraph.solvers.genetic import evolve
from hetgraph.solvers.handover import Choice, best_places, improve, prices, wishes

RULE = HandoverRule(max_users=10)


@pytest.fixture(scope="module")
def world() -> Trajectories:
    scenario: Scenario = roaming(cells=9, users=50)
    return user_trajectories(scenario, 4, steps=13, seed=2)


def tiny(networks: int, users: int, cells: int, seed: int) -> Choice:
    """Users with two other cells each, some of them allowed, some cells without room."""
    g = torch.Generator().manual_seed(seed)
    order = torch.rand(networks, users, cells, generator=g).argsort(dim=2)[..., :3]
    allowed = torch.rand(networks, users, 3, generator=g) < 0.7
    allowed[..., 0] = True
    rate = (torch.randn(networks, users, 3, generator=g) * 1.2 + 3).exp()
    return Choice(order, allowed, rate, torch.randint(0, 4, (networks, cells), generator=g).float())


class Lists:
    """A network of a choice in plain lists."""

    def __init__(self, choice: Choice, b: int) -> None:
        self.cell, self.allowed, self.rate = (getattr(choice, name)[b].tolist() for name in ("cell", "allowed", "rate"))
        self.room = choice.room[b].tolist()

    def keeps(self, place: Sequence[int]) -> bool:
        joins = [self.cell[u][p] for u, p in enumerate(place) if p]
        return all(self.allowed[u][p] for u, p in enumerate(place)) and all(
            joins.count(k) <= self.room[k] for k in joins
        )

    def worth(self, place: Sequence[int]) -> float:
        cell = [self.cell[u][p] for u, p in enumerate(place)]
        return sum(math.log(1 + self.rate[u][p] / cell.count(cell[u])) for u, p in enumerate(place))


@pytest.mark.parametrize(("users", "cells"), [(6, 3), (6, 5)])
def test_best_places_against_all_choices(users: int, cells: int) -> None:
    choice = tiny(25, users, cells, seed=users)
    found = best_places(choice)
    hits, regret, room = 0, 0.0, 0.0
    for b in range(25):
        plain, place = Lists(choice, b), found[b].tolist()
        best = max(plain.worth(p) for p in itertools.product(range(3), repeat=users) if plain.keeps(p))
        mine = plain.worth(place)
        assert plain.keeps(place) and mine <= best + 1e-4
        assert mine == pytest.approx(float(choice.utility(found)[b]), rel=1e-5)
        hits, regret = hits + (mine > best - 1e-3), regret + best - mine
        room += best - plain.worth([0] * users)
    assert hits >= 22 and regret < 0.01 * room


def test_the_search_never_makes_it_worse_and_ends_where_no_move_helps() -> None:
    choice = tiny(20, 15, 6, seed=1)
    stay = torch.zeros_like(choice.cell[..., 0])
    found, evolved = improve(choice, stay), evolve(choice, generator=torch.Generator().manual_seed(0))
    assert bool((choice.utility(found) >= choice.utility(stay)).all())
    for b in range(20):
        plain, place = Lists(choice, b), found[b].tolist()
        base = plain.worth(place)
        for user, other in itertools.product(range(15), range(3)):
            moved = [other if u == user else p for u, p in enumerate(place)]
            assert not plain.keeps(moved) or plain.worth(moved) <= base + 1e-3
        assert plain.keeps(evolved[b].tolist())
    assert bool((choice.utility(evolved) >= choice.utility(stay)).all())
    assert float((choice.utility(evolved) - choice.utility(stay)).mean()) > 0.1


def test_prices_balance_cells_of_equal_rates() -> None:
    """Thirty users for whom three cells are alike: prices are equal, and the dual's load is ten."""
    cell = torch.arange(3).expand(1, 30, 3)
    choice = Choice(
        cell, torch.ones(1, 30, 3, dtype=torch.bool), torch.full((1, 30, 3), 50.0), torch.full((1, 3), 30.0)
    )
    price = prices(choice, torch.tensor([[0.0, 1.0, 5.0]]), 200)
    torch.testing.assert_close(price, torch.full((1, 3), math.log(10.1)), rtol=1e-3, atol=1e-3)
    cheap = torch.tensor([[3.0, 1.0, 2.0]])
    assert wishes(choice, cheap).unique().tolist() == [1]
    assert wishes(choice, cheap, least_gain=2.5).unique().tolist() == [0]


def test_first_association_against_the_strongest_pairs_first() -> None:
    g = torch.Generator().manual_seed(0)
    power = torch.randn(10, 14, 4, generator=g)
    power[..., 0] += 3
    found = strongest_cells(power, 4)
    for b in range(10):
        cell = [-1] * 14
        for value in power[b].flatten().sort(descending=True).indices.tolist():
            user, k = divmod(value, 4)
            if cell[user] < 0 and cell.count(k) < 4:
                cell[user] = k
        assert found[b].tolist() == cell


@pytest.mark.parametrize("bias", [False, True])
def test_policies_on_the_same_episodes(bias: bool, world: Trajectories) -> None:
    env = HandoverEnv(world, 4, rule=replace(RULE, bias=bias), steps=8)
    found = {
        name: {key: value[0] for key, value in kpis.items()}
        for name, kpis in rollout(
            env, {name: handover_policy(name) for name in handover_names()}, seed=1
        ).values.items()
    }
    assert {"random", "greedy", "round_robin", "max_rsrp", "cre", "genetic", "dual_price", "pf_optimum"} <= set(found)
    anu = {name: float(result["anu"].mean()) for name, result in found.items()}
    assert anu["pf_optimum"] > anu["max_rsrp"] > anu["random"] > anu["stay"]
    assert anu["dual_price"] > anu["max_rsrp"] and anu["genetic"] > anu["random"]
    assert float(found["stay"]["handover_rate"].max()) == 0
    again = rollout(env, {"random": handover_policy("random")}, seed=1).values["random"]
    assert all(torch.equal(value[0], found["random"][name]) for name, value in again.items())


def test_a_higher_level_is_free_in_the_papers_model_and_equal_levels_are_alike_where_shared(
    world: Trajectories,
) -> None:
    """Level 4 over level 3 is 1 / 0.9 in the paper's model, whatever the association; shared, it is nothing."""
    asc = {}
    for model in ("shared", "paper"):
        env = HandoverEnv(world, 4, rule=RULE, steps=12, resource_model=model)  # type: ignore[arg-type]
        for level in (3, 4):
            asc[model, level] = rollout(env, {"": StrongestCell(level_of_all=level)}, seed=1).values[""]["asc"][0]
    torch.testing.assert_close(
        asc["paper", 4] / asc["paper", 3], torch.full((4,), 1 / 0.9, dtype=torch.double), rtol=1e-5, atol=0
    )
    torch.testing.assert_close(asc["shared", 4], asc["shared", 3], rtol=1e-5, atol=0)
    torch.testing.assert_close(asc["shared", 4], asc["paper", 4], rtol=1e-5, atol=0)


def test_reports_and_unknown_names(world: Trajectories) -> None:
    env = HandoverEnv(world, 4, rule=RULE, steps=12)
    reports = Reports.of(env.observe("neighbourhood"), "neighbourhood")
    assert torch.equal(reports.choice.cell, env.state.links.cell) and torch.equal(
        reports.choice.allowed, env.state.allowed
    )
    torch.testing.assert_close(reports.users, env.state.users)
    torch.testing.assert_close(reports.choice.rate, env.state.links.efficiency * 200)
    with pytest.raises(ValueError, match="policy: got 'best', expected one of cre, dual_price"):
        handover_policy("best")
