"""Rules and agents know no more than the level that they declare."""

from typing import Any

import pytest
import torch
from torch import Tensor

from hetgraph.envs import HandoverEnv
from hetgraph.graph import CHANNEL, check, roaming
from hetgraph.graph.levels import canary, known_stations
from hetgraph.graph.schema import NEIGHBOURS, Level
from hetgraph.models import GraphQMIX
from hetgraph.radio import handover_names, handover_policy
from hetgraph.radio.handover import HandoverRule
from hetgraph.trainers.handover.tabular import HandoverTable

CELLS, STATIONS = 50, (0, 3, 20, 49, 51)  # the first ones of each network are macro stations, with most users
AGENTS: dict[str, dict[str, Any]] = {
    "graph": {},
    "agreed": {"intentions": 3, "agreements": 2},
    "flat": {"encoder": "flat", "flat_cells": CELLS},
    "flat-full": {"encoder": "flat-full", "flat_cells": CELLS},
    "single": {"encoder": "single", "mixing": "independent"},
    "global": {"encoder": "global", "mixing": "independent", "dueling": False},
}


@pytest.fixture(scope="module")
def env() -> HandoverEnv:
    """More cells than hear all of each other, after some steps."""
    made = HandoverEnv(roaming(CELLS, 150), 2, rule=HandoverRule(margin_db=-30.0, max_users=12), steps=20)
    assert made.observe("neighbourhood")[NEIGHBOURS].edge_index.shape[1] == 2 * 8 * CELLS
    for seed in range(4):
        made.step(made.action.sample(torch.Generator().manual_seed(seed)))
    return made


def agent(name: str) -> GraphQMIX:
    """An agent whose heads are no longer zero."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        made = GraphQMIX(hidden=8, mixer=6, **AGENTS[name])
        for weight in made.parameters():
            torch.nn.init.normal_(weight, std=0.4)
    return made


def table() -> HandoverTable:
    """A table that values all entries."""
    made = HandoverTable()
    values = made.values
    values.value, values.visits = (
        torch.rand(values.value.shape, generator=torch.Generator().manual_seed(2)),
        values.visits + 1,
    )
    return made


def policy_of(name: str) -> Any:
    if name == "q_learning":
        return table()
    return agent(name) if name in AGENTS else handover_policy(name)


def decided(policy: Any, graph: Any) -> tuple[Tensor, Tensor]:
    """Places and levels after two decisions on a graph."""
    generator, state = torch.Generator().manual_seed(0), policy.initial_state(graph)
    _, state = policy.act(graph, state, generator)
    action, _ = policy.act(graph, state, generator)
    return action.place.flatten(), action.level.flatten()


@pytest.mark.parametrize("name", [*sorted(handover_names()), *AGENTS, "q_learning"])
def test_a_decision_keeps_its_bits_whatever_is_outside_the_view(name: str, env: HandoverEnv) -> None:
    policy = policy_of(name)
    assert policy.level in ("local", "neighbourhood", "global")
    graph = env.observe(policy.level).clone()
    cell, (place, level) = env.users.cell + CELLS * torch.arange(2).unsqueeze(1), decided(policy, graph)
    users = 0
    for station in STATIONS:
        other = canary(graph, policy.level, station, torch.Generator().manual_seed(station))
        mine = (cell == station).flatten()
        moved, again = decided(policy, other)
        assert torch.equal(moved[mine], place[mine]) and torch.equal(again[mine], level[mine])
        users += int(mine.sum())
    assert users > 5


@pytest.mark.parametrize("name", ["dual_price", "pf_announced", "pf_crowding", "pf_negotiated", "graph", "flat"])
def test_decisions_of_level_global_do_depend_on_more_than_a_neighbourhood(name: str, env: HandoverEnv) -> None:
    policy, changed = policy_of(name), 0
    graph = env.observe("neighbourhood").clone()
    cell, before = env.users.cell + CELLS * torch.arange(2).unsqueeze(1), decided(policy, graph)
    for station in range(0, 2 * CELLS, 4):
        mine = (cell == station).flatten()
        after = decided(policy, canary(graph, "neighbourhood", station, torch.Generator().manual_seed(station)))
        changed += any(not torch.equal(new[mine], old[mine]) for new, old in zip(after, before, strict=True))
    assert policy.level == "global" and changed > 0


@pytest.mark.parametrize("name", ["greedy", "pf_greedy", "max_rsrp", "pf_negotiated", "graph", "single", "q_learning"])
def test_what_is_inside_the_view_matters(name: str, env: HandoverEnv) -> None:
    """The same noise on all that a station knows changes decisions, so that the test above can fail."""
    policy = policy_of(name)
    graph = env.observe(policy.level).clone()
    noisy = graph.clone()
    g = torch.Generator().manual_seed(1)
    noisy[CHANNEL].gain *= 10 ** (2 * torch.rand(noisy[CHANNEL].gain.shape, generator=g) - 1)
    noisy[CHANNEL].spectral_efficiency *= 4 * torch.rand(len(noisy[CHANNEL].slot), generator=g)
    noisy["ue"].rate_bps *= 50 * torch.rand(len(noisy["ue"].rate_bps), generator=g)
    before, after = decided(policy, graph), decided(policy, noisy)
    assert not torch.equal(torch.stack(before), torch.stack(after))


@pytest.mark.parametrize("level", ["local", "neighbourhood", "global", "genie"])
def test_loads_of_stations_that_are_not_known_are_zero(level: Level, env: HandoverEnv) -> None:
    graph = env.observe(level)
    check(graph, level=level)
    edges, known = graph[CHANNEL], known_stations(graph, level)
    users = torch.where(known, env.state.users.flatten(), 0)
    assert torch.equal(edges.users, users) and bool(known.all()) == (level in ("global", "genie"))
    hidden = ~known
    assert torch.equal(edges.allowed[hidden], env.state.stronger.flatten()[hidden])
    assert torch.equal(edges.allowed[known], env.state.allowed.flatten()[known])
    back = env.unpack(env.pack(), level)
    assert torch.equal(back[CHANNEL].users, users) and torch.equal(back[CHANNEL].allowed, edges.allowed)
