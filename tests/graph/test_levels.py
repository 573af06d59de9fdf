"""Who knows what at each level, against loops over stations and users."""

from typing import Any

import pytest
import torch
from torch_geometric.data import HeteroData

from hetgraph.graph import CHANNEL, MOUNTED_ON, NEIGHBOURS, SCHEMA, canary, check, hide, known_edges, preset, view
from hetgraph.graph.levels import LEVELS, known_stations, own_edges


def network(networks: int = 1, seed: int = 4) -> HeteroData:
    """Users with a station, one without, one that is not there; fewer candidates than stations."""
    graph = preset("random-19").sample(networks, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    ue, edges = graph["ue"], graph[CHANNEL]
    users, degree = len(ue.noise_w), len(edges.slot) // len(ue.noise_w)
    ue.serving_slot = torch.randint(-1, degree, (users,), generator=generator)
    ue.serving_slot[0], ue.serving_slot[1] = -1, -1
    ue.active = torch.rand(users, generator=generator) < 0.9
    ue.active[0], ue.active[1] = True, False
    edges.users = torch.rand(len(edges.slot), generator=generator) + 1
    ue.queue_bits = torch.rand(users, generator=generator) + 1
    graph.handover_rate = torch.full((networks,), 0.5)
    graph.slots_left = torch.full((networks,), 5.0)
    return graph


def expected_view(graph: HeteroData, level: str, n: int) -> dict[Any, set[int]]:
    """The definition, as sets, by loops."""
    edges = list(zip(*graph[CHANNEL].edge_index.tolist(), strict=True))
    slots, serving = graph[CHANNEL].slot.tolist(), graph["ue"].serving_slot.tolist()
    near = {n}
    if level == "neighbourhood":
        near |= {m for m, k in zip(*graph[NEIGHBOURS].edge_index.tolist(), strict=True) if k == n}
    if level in ("global", "genie"):
        here = graph["bs"].batch.tolist() if "batch" in graph["bs"] else [0] * len(graph["bs"].power_max_w)
        there = graph["ue"].batch.tolist() if "batch" in graph["ue"] else [0] * len(serving)
        return {
            "bs": {m for m, b in enumerate(here) if b == here[n]},
            "ue": {u for u, b in enumerate(there) if b == here[n]},
            CHANNEL: {e for e, (b, _) in enumerate(edges) if here[b] == here[n]},
        }

    def users_of(stations: set[int]) -> set[int]:
        out = set()
        for (b, u), slot in zip(edges, slots, strict=True):
            if b in stations and bool(graph["ue"].active[u]) and serving[u] in (slot, -1):
                out.add(u)
        return out

    mine, all_users = users_of({n}), users_of(near)
    known = {e for e, (b, u) in enumerate(edges) if u in mine or (b in near and u in all_users)}
    return {"bs": near, "ue": all_users if level == "neighbourhood" else mine, CHANNEL: known}


def members(mask: torch.Tensor) -> set[int]:
    return set(mask.nonzero().squeeze(1).tolist())


@pytest.mark.parametrize("networks", [1, 2])
@pytest.mark.parametrize("level", LEVELS)
def test_views_equal_the_definition(level: Any, networks: int) -> None:
    graph = network(networks)
    graph = graph if networks > 1 else graph[0]
    stations = len(graph["bs"].power_max_w)
    union = torch.zeros(len(graph[CHANNEL].slot), dtype=torch.bool)
    for n in range(stations):
        found = view(graph, level, n)
        for store, expected in expected_view(graph, level, n).items():
            assert members(found[store]) == expected, (store, n)
        antenna, owner = graph[MOUNTED_ON].edge_index
        assert members(found["antenna"]) == {int(a) for a, b in zip(antenna, owner, strict=True) if found["bs"][b]}
        union |= found[CHANNEL]
    assert torch.equal(union, known_edges(graph, level)), "an observation knows what some station knows"


@pytest.mark.parametrize("level", LEVELS)
def test_hidden_graphs_pass_the_check_of_their_level_and_keep_their_edges(level: Any) -> None:
    graph = network(2)
    seen = hide(graph, level)
    check(seen, level)
    edges, all_edges = seen[CHANNEL], graph[CHANNEL]
    assert torch.equal(edges.edge_index, all_edges.edge_index) and torch.equal(edges.slot, all_edges.slot)
    assert torch.equal(edges.gain, all_edges.gain * edges.known.unsqueeze(1))
    assert "known" not in all_edges, "the graph itself stays as it is"
    if level in ("global", "genie"):
        assert bool(edges.known.all()) and torch.equal(seen.handover_rate, graph.handover_rate)
    else:
        assert not bool(edges.known.all()) and not seen.handover_rate.any()
    near = {(int(m), int(n)) for m, n in graph[NEIGHBOURS].edge_index.T}
    bs, ue = graph[CHANNEL].edge_index.tolist()
    own, serving = own_edges(graph), {}
    for e in own.nonzero().squeeze(1).tolist():
        serving[ue[e]] = bs[e]
    for e, (b, u) in enumerate(zip(bs, ue, strict=True)):
        mine = serving.get(u)
        there = mine is None or mine == b or (level == "neighbourhood" and (b, mine) in near)
        there = (there and bool(graph["ue"].active[u])) or level in ("global", "genie")
        assert bool(known_stations(graph, level)[e]) == there
        assert (float(edges.users[e]) > 0) == there


@pytest.mark.parametrize("level", LEVELS)
def test_a_canary_changes_what_a_station_may_not_know_and_nothing_else(level: Any) -> None:
    graph = network(2)
    n = 3
    masks, other = view(graph, level, n), canary(graph, level, n, torch.Generator().manual_seed(0))
    for field in SCHEMA:
        if field.store is None or field.name not in graph[field.store] or field.kind != "real":
            continue
        was, now, mask = graph[field.store][field.name], other[field.store][field.name], masks[field.store]
        assert was.shape == now.shape and was.dtype == now.dtype
        assert torch.equal(was[mask], now[mask])
        if (field.dynamic or field.level != "local") and not bool(mask.all()):
            assert bool((was != now)[~mask].any()) and bool((now[~mask] > 0).all()), field.where
        elif not field.dynamic and field.level == "local":
            assert torch.equal(was, now), field.where
    assert bool(other.slots_left[0] == graph.slots_left[0]) and bool(other.slots_left[1] != graph.slots_left[1])
    assert bool(other.handover_rate[0] == graph.handover_rate[0]) == (level in ("global", "genie"))
    assert not torch.equal(graph["ue"].queue_bits, other["ue"].queue_bits)


def test_unknown_levels_and_stations_get_one_sentence() -> None:
    graph = network()
    for call in (known_edges, hide, check):
        with pytest.raises(
            ValueError, match=r"^level: got 'far', expected one of local, neighbourhood, global, genie$"
        ):
            call(graph, "far")  # type: ignore[operator]
    with pytest.raises(ValueError, match=r"^station: got 19, expected 0..18$"):
        view(graph, "local", 19)


def spoil(store: Any, name: str, change: Any) -> Any:
    def apply(graph: HeteroData) -> None:
        graph[store][name] = change(graph[store][name].clone())

    return apply


def no_antenna(graph: HeteroData) -> None:
    graph[MOUNTED_ON].edge_index = graph[MOUNTED_ON].edge_index[:, graph[MOUNTED_ON].edge_index[1] != 4]


EDGE = r"\(bs, channel, ue\)"
BAD = {
    "no known": (lambda g: g[CHANNEL].__delattr__("known"), rf"^{EDGE}.known: got nothing, expected a tensor \[E\] at"),
    "no own": (lambda g: g[CHANNEL].__delattr__("own"), rf"^{EDGE}.own: got nothing, expected a tensor \[E\] at the"),
    "gains of unknown edges": (
        spoil(CHANNEL, "gain", torch.ones_like),
        rf"^{EDGE}.gain: got values where known is not set, expected zeros at the level 'local'$",
    ),
    "losses of unknown edges": (
        spoil(CHANNEL, "pathloss_db", lambda x: x + 1),
        rf"^{EDGE}.pathloss_db: got values where",
    ),
    "another association": (
        spoil(CHANNEL, "own", lambda x: ~x),
        rf"^{EDGE}.own: got other edges than those of ue.serv",
    ),
    "a station without antennas": (no_antenna, "^antenna: got none on station 4, expected at least one on each$"),
}


@pytest.mark.parametrize("name", BAD)
def test_observations_that_break_their_level_are_refused(name: str) -> None:
    change, message = BAD[name]
    graph = hide(network(), "local")
    check(graph, "local")
    change(graph)
    with pytest.raises(ValueError, match=message):
        check(graph, "local")
