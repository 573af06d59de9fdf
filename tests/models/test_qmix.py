"""GraphQMIX: monotonic, decomposable, equivariant, free in the number of cells and users; its flat ablations are not."""

import itertools
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.graph import Sizes, Terms, empty_graph, set_network
from hetgraph.graph.facts import Facts
from hetgraph.graph.schema import CHANNEL, NEIGHBOURS
from hetgraph.models import GraphQMIX
from hetgraph.models.qmix import Values
from hetgraph.nn.candidates import BS_COLUMNS, UE_COLUMNS, candidates_of
from hetgraph.nn.handover_encoders import COLUMNS, LOAD, LOG_RATE, RECEIVED, user_columns
from hetgraph.radio.handover import HandoverAction, HandoverRule
from hetgraph.solvers.announced import announced_value
from hetgraph.solvers.handover import Choice
from hetgraph.solvers.negotiated import negotiated

KINDS: dict[str, dict[str, Any]] = {
    "graph": {},
    "announced": {"intentions": 3},
    "agreed": {"intentions": 3, "agreements": 2},
    "vdn": {"mixing": "vdn", "importance": "equal"},
    "sum": {"importance": "sum", "dueling": False},
    "flat": {"encoder": "flat", "flat_cells": 6},
    "flat-full": {"encoder": "flat-full", "flat_cells": 6},
    "independent": {"mixing": "independent"},
    "single": {"encoder": "single", "mixing": "independent"},
    "global": {"encoder": "global", "mixing": "independent", "dueling": False},
}


def network(b: int = 3, k: int = 6, u: int = 20, places: int = 4, seed: int = 0) -> HeteroData:
    """A batch of random networks as a handover environment shows them; the last cell of each has no users."""
    generator = torch.Generator().manual_seed(seed)
    terms = Terms(HandoverRule(max_users=12), "shared", 5, 20e6, 1e-12, 0.5, 4e5, 50)
    graph = empty_graph(Sizes(b, k, u, places), terms, torch.device("cpu"))
    set_network(graph, 500 * torch.rand(b, k, 2, generator=generator), 1 + 20 * torch.rand(b, k, generator=generator))
    bs, ue, edges = graph["bs"], graph["ue"], graph[CHANNEL]
    order = torch.rand(b, u, k, generator=generator)
    order[..., -1] += 1
    cell = order.argsort(2)[..., :places] + k * torch.arange(b).reshape(-1, 1, 1)
    edges.edge_index[0] = cell.flatten()
    bs.users = torch.bincount(cell[..., 0].flatten(), minlength=b * k).float()
    bs.room = torch.randint(0, 8, (b * k,), generator=generator).float()
    ue.level = torch.randint(5, (b * u,), generator=generator)
    ue.since_slots = torch.randint(20, (b * u,), generator=generator)
    ue.rate_bps, ue.speed_mps = (scale * torch.rand(b * u, generator=generator) for scale in (1e7, 3.0))
    ue.pos = 500 * torch.rand(b * u, 3, generator=generator)
    ue.far_interference_w = 1e-12 * torch.rand(b * u, 1, generator=generator)
    size = b * u * places
    edges.gain = 10 ** (-11 + 3 * torch.rand(size, 1, generator=generator))
    edges.spectral_efficiency = 4 * torch.rand(size, generator=generator)
    edges.users, edges.distance_m = bs.users[cell.flatten()], 500 * torch.rand(size, generator=generator)
    edges.bias_db, edges.measured = torch.zeros(size), torch.rand(size, generator=generator) < 0.3
    allowed = torch.rand(b * u, places, generator=generator) < 0.6
    allowed[:, 0] = True
    edges.allowed = allowed.flatten()
    graph.slots_left = 50 * torch.rand(b, generator=generator)
    graph.handover_rate = torch.rand(b, generator=generator)
    return graph


EDGES = ("gain", "spectral_efficiency", "users", "distance_m", "bias_db", "measured", "allowed")


def agent(seed: int = 0, **options: Any) -> GraphQMIX:
    """An agent in double precision whose heads are no longer zero."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        made = GraphQMIX(hidden=8, mixer=6, **options).double()
        for weight in made.parameters():
            torch.nn.init.normal_(weight, std=0.4)
    return made


def double(graph: HeteroData) -> HeteroData:
    return graph.apply(lambda value: value.double() if value.is_floating_point() else value)


def anything(values: Values, seed: int = 0) -> HandoverAction:
    """An action that asks for allowed places and others."""
    generator = torch.Generator().manual_seed(seed)
    b, u, c = values.place.shape
    return HandoverAction(
        torch.randint(c, (b, u), generator=generator),
        torch.randint(values.level.shape[2], (b, u), generator=generator),
    )


def test_columns_that_are_read_by_number_are_what_they_are_called() -> None:
    assert (UE_COLUMNS[RECEIVED], BS_COLUMNS[LOAD], UE_COLUMNS[LOG_RATE]) == ("own_snr_db", "load", "log_rate")
    raw = candidates_of(network())
    assert {kind: getattr(raw, kind).shape[-1] for kind in COLUMNS} == COLUMNS


@pytest.mark.parametrize("kind", ["graph", "announced", "agreed", "vdn", "sum", "flat", "flat-full"])
def test_the_joint_value_never_falls_when_an_agents_rises(kind: str) -> None:
    for seed, (k, u) in enumerate([(6, 20), (6, 9)] if "flat" in kind else [(6, 20), (3, 5), (11, 40), (24, 30)]):
        made = agent(seed, **KINDS[kind], places=min(4, k))
        values = made(double(network(4, k, u, min(4, k), seed)))
        agents = values.agents(anything(values)).detach()
        before = made.mix(agents, values)
        for cell in range(k):
            more = agents.clone()
            more[:, cell] += torch.rand(4, dtype=torch.float64) * 10
            assert bool((made.mix(more, values) >= before).all())
        agents.requires_grad_(True)
        (slope,) = torch.autograd.grad(made.mix(agents, values).sum(), agents)
        assert bool((slope >= 0).all()) and float(slope.max()) > 0


@pytest.mark.parametrize("kind", KINDS)
def test_each_users_best_choice_is_the_best_joint_one(kind: str) -> None:
    """All 8,000 joint actions of three users with 4 places and 5 levels each, those not allowed left out."""
    options = KINDS[kind] | ({"flat_cells": 5} if "flat" in kind else {})
    for seed in range(3):
        made = agent(seed, **options)
        values = made(double(network(1, 5, 3, 4, seed)))
        single = list(itertools.product(range(4), range(5)))
        joint = torch.tensor(list(itertools.product(single, repeat=3)))  # [8000, 3, 2]
        allowed = values.allowed[0].gather(1, joint[..., 0].T).all(0)
        many = Values(*(value.expand(len(joint), *value.shape[1:]) for value in vars(values).values()))
        action = HandoverAction(joint[..., 0], joint[..., 1])
        value = made.joint(many, action) if made.mixing != "independent" else many.agents(action).sum(1)
        best = values.best()
        found = made.joint(values, best) if made.mixing != "independent" else values.agents(best).sum(1)
        assert int(allowed.sum()) < len(joint)
        torch.testing.assert_close(found.squeeze(), value[allowed].max())
        assert float(value[allowed].detach().std()) > 0


def test_agents_values_are_the_weighted_sum_by_hand() -> None:
    made = agent(**KINDS["graph"])
    graph = double(network())
    values = made(graph)
    action = anything(values)
    agents, credits = values.agents(action), values.credits(action)
    power = made._scaled(candidates_of(graph)).ue[:, RECEIVED].reshape(3, 20)
    for b, k in itertools.product(range(3), range(6)):
        mine = [i for i in range(20) if int(values.cell[b, i, 0]) == k]
        share = power[b, mine].softmax(0)
        own = values.own[b, k].clone()
        for weight, i in zip(share, mine, strict=True):
            torch.testing.assert_close(values.weight[b, i], weight)
            place = int(action.place[b, i]) if bool(values.allowed[b, i, action.place[b, i]]) else 0
            level = values.level[b, i, action.level[b, i]]
            heads = (values.place[b, i, place] + level) / 2
            own += weight * (values.user[b, i, 0] + heads)
            torch.testing.assert_close(credits[b, i], values.user[b, i, 1] + heads)
        torch.testing.assert_close(agents[b, k], own)


def test_cells_hear_wishes_and_places_read_their_user_and_both_cells() -> None:
    """The formulas of the encoder, by loops over cells, users and places."""
    made, facts = agent(**KINDS["graph"]), Facts(double(network(2)))
    raw, encoder = candidates_of(facts), made.encoder.messages
    inputs, seen = encoder.inputs(facts, raw), made._scaled(raw)
    seen = replace(seen, ue=user_columns(seen))
    state, (station, place) = encoder.graph(facts), encoder(seen, inputs)
    assert encoder.graph.level == made.level == "global"
    for cell in range(12):
        heard = [torch.zeros(8 + seen.edge.shape[2], dtype=torch.float64) for _ in range(3)]
        for user, spot in itertools.product(range(40), range(4)):
            if int(seen.cell[user, spot]) == cell and bool(seen.allowed[user, spot]):
                told = torch.cat([state["ue"][user], seen.edge[user, spot]]) / 10
                heard[0 if spot == 0 else 2] += told
                heard[1] += told * int(seen.allowed[user, 1:].sum()) * (spot == 0)
        sums = [part for width in (slice(8), slice(8, None)) for total in heard for part in [total[width]]]
        change = torch.nn.functional.silu(encoder.wishes.update_state(torch.cat([state["bs"][cell], *sums])))
        torch.testing.assert_close(station[cell], state["bs"][cell] + change)
    there, here = encoder.ends.weight.chunk(2)
    for user, spot in itertools.product(range(40), range(4)):
        home, cell = (station[seen.cell[user, index]] for index in (0, spot))
        told = encoder.ue_in(torch.cat([state["ue"][user], seen.ue[user]])) + there @ cell + here @ home
        expected = torch.nn.functional.silu(told + encoder.edge_in(seen.edge[user, spot]))
        torch.testing.assert_close(place[user, spot], expected)


def test_an_observation_is_read_once_and_again_when_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the online and the target network together; with other announcements, or after a write, anew."""
    read: list[HeteroData] = []
    monkeypatch.setattr(
        "hetgraph.models.qmix.candidates_of",
        lambda facts, totals: (read.append(facts.graph), candidates_of(facts, totals))[1],
    )
    online, target, other = (agent(intentions=rounds) for rounds in (3, 3, 1))
    obs = network()
    first = online(obs)
    assert torch.equal(target(obs).cell, first.cell) and torch.equal(online(obs).place, first.place) and len(read) == 1
    assert other(obs) is not None and len(read) == 2
    obs["bs"].users[0] += 5
    changed = online(obs)
    assert len(read) == 3 and not torch.equal(changed.agent, first.agent)
    same = online(obs.clone())
    assert len(read) == 4 and torch.equal(same.agent, changed.agent)


def test_staying_is_worth_nothing_with_dueling_heads_and_untrained_agents_stay() -> None:
    values = agent(**KINDS["graph"])(double(network()))
    assert not bool(values.place[..., 0].any())
    torch.testing.assert_close(values.level.mean(2), torch.zeros_like(values.level[..., 0]))
    action, _ = GraphQMIX().act(network(), None, None)
    assert not bool(action.place.any()) and not bool(action.level.any())


def test_a_scale_moves_the_values_of_levels_alone() -> None:
    graph, (one, more) = double(network()), (agent(level_scale=scale) for scale in (1.0, 5.0))
    more.load_state_dict(one.state_dict())
    with torch.no_grad():
        one.encoder.level.copy_(torch.randn(5)), more.encoder.level.copy_(one.encoder.level)
    first, other = one(graph), more(graph)
    torch.testing.assert_close(other.level, 5 * first.level)
    assert torch.equal(other.place, first.place) and torch.equal(other.best().moves()[1], first.best().moves()[1])


@pytest.mark.parametrize("kind", ["graph", "announced", "agreed", "flat", "single"])
def test_values_follow_a_permutation_of_the_users(kind: str) -> None:
    made, graph = agent(**KINDS[kind]), double(network(2))
    values, b, u = made(graph), 2, 20
    order = torch.stack([torch.randperm(u, generator=torch.Generator().manual_seed(i)) for i in range(b)])
    rows = (order + u * torch.arange(b).unsqueeze(1)).flatten()
    moved = graph.clone()
    for name in ("level", "since_slots", "rate_bps", "speed_mps", "far_interference_w"):
        moved["ue"][name] = graph["ue"][name][rows]
    for name in EDGES:
        value = graph[CHANNEL][name]
        moved[CHANNEL][name] = value.reshape(b * u, 4, *value.shape[1:])[rows].flatten(0, 1)
    moved[CHANNEL].edge_index[0] = graph[CHANNEL].edge_index[0].reshape(b * u, 4)[rows].flatten()
    other = made(moved)
    for name in ("place", "level", "weight", "user"):
        value = getattr(values, name)
        torch.testing.assert_close(getattr(other, name).flatten(0, 1), value.flatten(0, 1)[rows])
    torch.testing.assert_close(other.own, values.own)


def test_agents_hear_what_was_agreed() -> None:
    raw = candidates_of(double(network()))
    told = {kind: agent(**KINDS[kind])._announced(raw).edge[:, :, -1] for kind in ("announced", "agreed")}
    (b, k, u, c), first = raw.shape, 6 * torch.arange(3).reshape(3, 1, 1)
    tables = (raw.cell.view(b, u, c) - first, raw.allowed.view(b, u, c), raw.rate.view(b, u, c), raw.room.view(b, k))
    torch.testing.assert_close(told["agreed"], negotiated(Choice(*tables), rounds=3, agreements=2).flatten(0, 1))
    assert not torch.equal(told["agreed"], told["announced"])
    rules = {
        "agreed": partial(negotiated, Choice(*tables), rounds=3, agreements=2),
        "announced": partial(announced_value, Choice(*tables), rounds=KINDS["announced"]["intentions"]),
    }
    for kind, rule in rules.items():
        crowded = agent(**KINDS[kind], patience=0.3, crowding=0.1)._announced(raw).edge[:, :, -1]
        torch.testing.assert_close(crowded, rule(patience=0.3, crowding=0.1).flatten(0, 1))
        assert not torch.equal(crowded, told[kind])


@pytest.mark.parametrize("kind", ["graph", "announced", "agreed"])
def test_values_follow_a_permutation_of_the_cells(kind: str) -> None:
    made, graph = agent(**KINDS[kind]), double(network(2))
    values, k = made(graph), 6
    order = torch.stack([torch.randperm(k, generator=torch.Generator().manual_seed(i)) for i in range(2)])
    rows = (order + k * torch.arange(2).unsqueeze(1)).flatten()  # new place -> old place
    now = rows.argsort()
    moved = graph.clone()
    for name in ("users", "room", "pos", "power_max_w", "rb_power_max_w"):
        moved["bs"][name] = graph["bs"][name][rows]
    moved[CHANNEL].edge_index[0] = now[graph[CHANNEL].edge_index[0]]
    moved[NEIGHBOURS].edge_index = now[graph[NEIGHBOURS].edge_index]
    other, action = made(moved), anything(values)
    torch.testing.assert_close(other.agents(action).flatten(), values.agents(action).flatten()[rows])
    torch.testing.assert_close(other.credits(action), values.credits(action))
    torch.testing.assert_close(made.joint(other, action), made.joint(values, action))


@pytest.mark.parametrize("kind", KINDS)
def test_networks_of_a_batch_do_not_know_each_other(kind: str) -> None:
    made, graph = agent(**KINDS[kind]), double(network(3))
    values, changed = made(graph), graph.clone()
    changed["bs"].users[6:] += 1
    changed["ue"].rate_bps[20:] *= 2
    changed[CHANNEL].gain[80:] *= torch.rand(160, 1, generator=torch.Generator().manual_seed(5))
    changed.handover_rate[1:] *= 2
    other = made(changed)
    torch.testing.assert_close(other.place[0], values.place[0], rtol=0, atol=0)
    assert not torch.equal(other.level[1] + other.place[1, :, :1], values.level[1] + values.place[1, :, :1]) or bool(
        (other.place[1] != values.place[1]).any()
    )


def test_only_the_graph_runs_on_another_number_of_cells_and_options_are_checked() -> None:
    made = agent(**KINDS["graph"])
    for more in (2, 4):
        values = made(double(network(2, 6 * more, 20 * more)))
        assert values.agents(values.best()).shape == (2, 6 * more)
    for kind in ("flat", "flat-full"):
        with pytest.raises(ValueError, match="cells: got 12, expected 6, as in training"):
            agent(**KINDS[kind])(double(network(2, 12)))
    for wrong, message in (
        ({"mixing": "sum"}, "mixing: got 'sum', expected one of qmix"),
        ({"importance": "rank"}, "importance: got 'rank'"),
        ({"encoder": "tree"}, "encoder: got 'tree'"),
        ({"encoder": "flat"}, "flat_cells: got 0, expected the number"),
        ({"encoder": "flat", "flat_cells": 6, "intentions": 2}, "intentions: got announcements with encoder 'flat'"),
        ({"agreements": 2}, "agreements: got 2 without announcements"),
        ({"crowding": -0.1}, "crowding: got -0.1, expected 0 or more"),
        ({"encoder": "single"}, "mixing: got 'qmix', expected 'independent'"),
    ):
        with pytest.raises(ValueError, match=message):
            GraphQMIX(**wrong)
