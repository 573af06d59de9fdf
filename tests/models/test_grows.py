"""GROWS's columns against the formulas of its first edition, and its graph of an arrival, on observations of arrivals."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import ArrivalEnv
from hetgraph.graph.feature_table import features
from hetgraph.graph.links import links_of
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.tracing import traced
from hetgraph.models import GROWS
from hetgraph.models.grows import COLUMNS, GRAPH_COLUMNS, graph_inputs
from hetgraph.nn.hetero_encoder import LARGEST
from hetgraph.nn.hetero_layers import LayerSums
from hetgraph.radio import policy
from hetgraph.radio.arriving import arrival_facts
from hetgraph.radio.candidate_stations import CandidateStations, candidate_stations_of


def station_oracle(candidates: CandidateStations) -> Tensor:
    """Columns of candidate stations."""
    unit = candidates.time_unit.unsqueeze(1)
    rate, users = candidates.rate * unit, candidates.users
    demand = candidates.demand.unsqueeze(1).expand_as(rate)
    columns = [users, candidates.utility, rate, demand, candidates.free, candidates.asked.unsqueeze(1).expand_as(rate)]
    columns += [
        (candidates.backlog / unit).log1p(),
        (demand / rate.clamp_min(1e-6)).log1p(),
        (rate / (users + 1)).log1p(),
    ]
    wide = (
        (candidates.slots_left.unsqueeze(1) / unit).log1p(),
        candidates.probability.unsqueeze(1),
        candidates.mean_demand.unsqueeze(1),
    )
    return torch.stack(columns + [value.expand_as(rate) for value in wide], 2)


def users_oracle(env: ArrivalEnv, candidates: CandidateStations) -> tuple[Tensor, Tensor]:
    """Columns of users in service and of their edges, one after the other; zero in free places."""
    b, k = candidates.rate.shape
    users, edges = torch.zeros(b, k, env.places, 3), torch.zeros(b, k, env.places, 5)
    for i in range(b):
        for j in range(k):
            n, unit = int(candidates.station[i, j]), float(candidates.time_unit[i])
            count = float(env.users.on[i, n].sum())
            for c in range(env.places):
                left, rate, asked = (float(getattr(env.users, name)[i, n, c]) for name in ("left", "rate", "asked"))
                if left > 0:
                    users[i, j, c] = torch.tensor([1.0, math.log1p(left), asked / 5])
                    edges[i, j, c] = torch.tensor(edge_oracle(left, rate * unit, count))
    return users, edges


def edge_oracle(demand: float, rate: float, count: float) -> list[float]:
    """Columns of an edge whose station has so many users with the edge's own one."""
    need = demand / max(rate, 1e-6)
    now, later = (math.log1p(rate / (count + more)) for more in (0, 1))
    return [math.log1p(rate), min(math.log1p(need), 10), min(need, 20) / 10, now, now - later]


def observed(name: str, slots: int) -> tuple[ArrivalEnv, HeteroData]:
    env, rule = ArrivalEnv(name, 5, seed=1), policy("random_station")
    obs, generator = env.reset()[0], torch.Generator().manual_seed(0)
    for _ in range(slots):
        obs = env.step(rule.act(obs, None, generator)[0]).obs
    return env, obs


@pytest.mark.parametrize("name", ["grows-3", "grows-3:stations=12", "grows-city:stations=36", "hetnet-3tier"])
def test_columns_are_those_of_the_first_edition(name: str) -> None:
    env, obs = observed(name, 25)
    agent, candidates = GROWS(features="full", users=True), candidate_stations_of(obs)
    found = agent.views(obs)
    b, k = candidates.rate.shape
    comes = candidates.comes.reshape(-1, 1, 1)
    torch.testing.assert_close(found.station * comes, station_oracle(candidates) * comes, rtol=1e-5, atol=1e-5)
    users, edges = users_oracle(env, candidates)
    there = found.ue[:, :-1, :1] > 0
    torch.testing.assert_close(found.ue[:, :-1] * there, users.flatten(1, 2), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(found.edge[:, :-k] * there, edges.flatten(1, 2), rtol=1e-5, atol=1e-5)
    assert torch.equal(found.room, candidates.room) and bool(there.any()) and not bool(there.all())
    for i in range(b):
        demand, unit = float(candidates.demand[i]), float(candidates.time_unit[i])
        last = torch.tensor([-1.0, math.log1p(demand), float(candidates.asked[i]) / 5])
        torch.testing.assert_close(found.ue[i, -1], last)
        rows = zip((candidates.rate[i] * unit).tolist(), candidates.users[i].tolist(), strict=True)
        expected = torch.tensor([edge_oracle(demand, rate, count + 1) for rate, count in rows])
        torch.testing.assert_close(found.edge[i, -k:], expected, rtol=1e-5, atol=1e-5)
    few = GROWS(features="paper").views(obs)
    assert torch.equal(few.station, found.station[..., :4]) and few.ue.numel() == few.edge.numel() == 0
    assert len(COLUMNS) == found.station.shape[2]


@pytest.mark.parametrize("users", [True, False])
@pytest.mark.parametrize("name", ["grows-3", "grows-city:stations=36"])
def test_the_graph_of_an_arrival_is_the_observation_s_own(name: str, users: bool) -> None:
    env, obs = observed(name, 25)
    facts, k, n = arrival_facts(obs, users), env.source.links_per_user, env.num_stations
    part, made = facts.graph, links_of(facts.graph)
    for field in vars(made):
        ours, theirs = getattr(facts.links, field), getattr(made, field)
        assert torch.equal(ours, theirs) if isinstance(ours, Tensor) else ours == theirs
    per = env.places * k * users + 1
    assert len(part["ue"].demand) == 5 * per
    # Each edge is one of the observation: of the same user, who is found by its demand and noise, to the same station.
    heard = obs[CHANNEL].edge_index[0].reshape(5, -1, k)[:, -1]
    bs, ue = part[CHANNEL].edge_index
    assert torch.equal(part["bs"].users, obs["bs"].users[heard.flatten()])
    whole = obs[CHANNEL].edge_index
    for e in range(len(bs)):
        i, user = divmod(int(ue[e]), per)
        last = user == per - 1
        station = int(heard[i, int(bs[e]) % k])
        row = i * (n * env.places + 1)
        row += n * env.places if last else (station - n * i) * env.places + user % env.places
        assert part["ue"].demand[ue[e]] == obs["ue"].demand[row] and part["ue"].active[ue[e]] == obs["ue"].active[row]
        if bool(obs["ue"].active[row]):
            (same,) = ((whole[1] == row) & (whole[0] == station)).nonzero()[:, 0].tolist()
            for field in ("gain", "rate", "own", "may_serve"):
                assert torch.equal(part[CHANNEL][field][e], obs[CHANNEL][field][same]), (e, field)
            assert int(part["ue"].serving_slot[ue[e]]) == (-1 if last else 0)


@pytest.mark.parametrize("name", ["grows-3", "grows-city:stations=36", "hetnet-3tier"])
def test_ready_arguments_are_what_the_encoder_makes_of_the_graph(name: str) -> None:
    """Weights, sums and columns by arithmetic, beside those of the encoder itself, of PyG's ``propagate`` and of bags of edges."""
    torch.manual_seed(0)
    _, obs = observed(name, 25)
    agent = GROWS((16, 8), features="full", users=True)
    seen, facts = agent.views(obs), arrival_facts(obs)
    served = (seen.ue[:, :-1, 0] > 0).float()
    bs = features(facts, "bs", GRAPH_COLUMNS["bs"]).clamp(-LARGEST, LARGEST)
    with traced():  # of all users, whether they are there or not
        ready = graph_inputs(replace(seen, room=torch.ones_like(seen.room)), bs.view(5, -1, 4))
        assert agent.encoder is not None
        found, value = agent.encoder(ready), agent(seen)
    made = agent.encoder.inputs(facts)
    torch.testing.assert_close(agent(seen), value)  # of those who are there alone
    # The encoder leaves out who is not there; the model asks of rows without arrivals nothing.
    comes = seen.room.any(1)
    there = torch.cat([served > 0, comes.unsqueeze(1)], 1).flatten()
    for key in ("x_dict", "edge_attr_dict"):
        for store, value in made[key].items():
            assert torch.equal(value, ready[key][store]), store
    edges = comes[facts.links.edge_network]
    assert torch.equal(made["weight"][edges], ready["weight"][edges]) and bool(edges.any())
    edge = ready["edge_attr_dict"][CHANNEL]
    bags = LayerSums.of(facts.links, edge, ready["weight"], None)
    for other in (made, ready | {"links": None}, ready | {"links": bags}):
        states = agent.encoder(other)
        stations = comes.repeat_interleave(seen.room.shape[1])
        torch.testing.assert_close(states["bs"][stations], found["bs"][stations], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(states["ue"][there], found["ue"][there], rtol=1e-5, atol=1e-5)


def test_zeroing_the_encoder_changes_decisions() -> None:
    torch.manual_seed(0)
    _, obs = observed("grows-3", 12)
    agent = GROWS((8, 8), features="full", users=True)
    seen = agent.views(obs)
    assert agent.encoder is not None
    value = agent(seen)
    with agent.encoder.register_forward_hook(lambda *args: {k: torch.zeros_like(v) for k, v in args[2].items()}):
        blind = agent(seen)
    assert not torch.allclose(value[seen.room], blind[seen.room])


def test_what_free_places_hold_does_not_matter() -> None:
    torch.manual_seed(0)
    _, obs = observed("grows-3", 12)
    agent = GROWS((8, 8), features="full", users=True)
    seen = agent.views(obs)
    free = torch.cat([seen.ue[:, :-1, 0] < 0, torch.zeros(5, 1, dtype=torch.bool)], 1)
    ue, edge = seen.ue.clone(), seen.edge.clone()
    ue[..., 1:][free] += 3.0
    edge[:, :-3][free[:, :-1]] += 3.0
    assert bool(free.any())
    torch.testing.assert_close(agent(replace(seen, ue=ue, edge=edge)), agent(seen))


def test_a_station_without_room_is_never_chosen_and_none_rejects() -> None:
    env, obs = observed("grows-3", 12)
    torch.manual_seed(0)
    agent = GROWS()
    seen = agent.views(obs)
    value = agent(replace(seen, room=torch.zeros_like(seen.room)))
    assert bool(value.isinf().all())
    quiet = ArrivalEnv("grows-3", 64, probability=0.2, seed=2)
    action, _ = agent.act(quiet.reset()[0], None, None)
    asked = candidate_stations_of(quiet.observe("neighbourhood"))
    assert torch.equal(action == 3, ~asked.room.any(1)) and bool((action == 3).any()) and bool((action < 3).any())
    assert env.masks()["place_mask"].shape == (5, 4)


def test_options_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="features: got 'all', expected 'paper' or 'full'"):
        GROWS(features="all")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="features: got 'paper' with users, expected 'full'"):
        GROWS(users=True)
