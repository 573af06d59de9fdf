"""Dense, constant-degree and ragged edge lists give equal results in every reduction, against loops over edges."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, Links, from_gain, links_of, preset

DTYPE = torch.float64


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=DTYPE)


def graph_of(edges: list[tuple[int, int]], stations: int, users: int, seed: int = 0) -> HeteroData:
    """A graph with these (station, user) edges; degrees may differ."""
    data = from_gain(random(stations, users, 2, seed=seed), noise_w=1.0, power_max_w=1.0)
    bs, ue = torch.tensor(edges).T
    slot = torch.cat([torch.arange(int(d)) for d in torch.bincount(ue, minlength=users)])
    data[CHANNEL].edge_index, data[CHANNEL].slot = torch.stack([bs, ue]), slot
    data[CHANNEL].gain = random(len(edges), 2, seed=seed + 1)
    for empty in (MOUNTED_ON, NEIGHBOURS, CONFLICTS):
        data[empty].edge_index = torch.zeros(2, 0, dtype=torch.long)
    return data


def all_edges(stations: int, users: int) -> list[tuple[int, int]]:
    return [(b, u) for u in range(users) for b in range(stations)]


DENSE = graph_of(all_edges(3, 5), 3, 5)
CONSTANT = graph_of([(b, u) for u in range(5) for b in sorted({u % 4, (u + 2) % 4})], 4, 5)
RAGGED = graph_of([(0, 0), (2, 0), (1, 1), (0, 2), (1, 2), (2, 2), (3, 2), (3, 3), (0, 3), (2, 4)], 4, 5)
GRAPHS: dict[str, tuple[HeteroData, bool, int | None]] = {
    "dense": (DENSE, True, 3),
    "dense batch": (Batch.from_data_list([DENSE, graph_of(all_edges(3, 5), 3, 5, seed=7)]), True, 3),
    "constant": (CONSTANT, False, 2),
    "constant batch": (Batch.from_data_list([CONSTANT, CONSTANT]), False, 2),
    "one degree, networks of two sizes": (
        Batch.from_data_list([graph_of(all_edges(3, 2), 3, 2), graph_of(all_edges(3, 6), 3, 6)]),
        False,
        3,
    ),
    "ragged": (RAGGED, False, None),
    "ragged batch": (Batch.from_data_list([RAGGED, DENSE, RAGGED]), False, None),
    "one of each": (graph_of([(0, 0)], 1, 1), True, 1),
}


@pytest.fixture(params=GRAPHS)
def links(request: pytest.FixtureRequest) -> Links:
    graph, dense, degree = GRAPHS[request.param]
    found = links_of(graph)
    assert (found.dense, found.degree) == (dense, degree)
    return found


def edges_of(links: Links, user: int) -> list[int]:
    return (links.ue == user).nonzero().flatten().tolist()


def as_ragged(links: Links) -> Links:
    """The same edges, with nothing known about their order but that users ascend."""
    return replace(links, degree=None, dense=False)


def test_lift_and_flat_are_inverse(links: Links) -> None:
    edge = random(links.num_edges, 2)
    assert torch.equal(links.flat(links.lift(edge)), edge)
    assert torch.equal(links.flat(links.lift(edge[:, 0])), edge[:, 0])


def test_broadcasts_reach_the_right_edges(links: Links) -> None:
    bs, ue = random(links.num_bs, 2), random(links.num_ue, 2, seed=1)
    edge = links.lift(random(links.num_edges, 2, seed=2))
    torch.testing.assert_close(links.flat(edge * links.from_bs(bs)), links.flat(edge) * bs[links.bs])
    torch.testing.assert_close(links.flat(edge * links.from_ue(ue)), links.flat(edge) * ue[links.ue])
    flat = links.flat(edge[..., 0] * links.from_bs(bs[:, 0]) + links.from_ue(ue[:, 0]))
    torch.testing.assert_close(flat, links.flat(edge)[:, 0] * bs[links.bs, 0] + ue[links.ue, 0])


@pytest.mark.parametrize("columns", [(), (2,)])
def test_reductions_equal_loops(links: Links, columns: tuple[int, ...]) -> None:
    edge = random(links.num_edges, *columns) - 0.5
    to_ue, largest = links.sum_to_ue(links.lift(edge)), links.max_to_ue(links.lift(edge))
    for user in range(links.num_ue):
        own = edge[edges_of(links, user)]
        torch.testing.assert_close(to_ue[user], own.sum(0))
        assert torch.equal(largest[user], own.amax(0))
    to_bs = links.sum_to_bs(links.lift(edge))
    for station in range(links.num_bs):
        torch.testing.assert_close(to_bs[station], edge[links.bs == station].sum(0))


def test_softmax_over_a_users_edges(links: Links) -> None:
    logits = 600 * (random(links.num_edges) - 0.5)  # exp would overflow without taking the largest away
    weight = links.flat(links.softmax(links.lift(logits)))
    for user in range(links.num_ue):
        torch.testing.assert_close(weight[edges_of(links, user)], logits[edges_of(links, user)].softmax(0))


def test_softmax_gradient(links: Links) -> None:
    logits = random(links.num_edges, 2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: links.flat(links.softmax(links.lift(x))), (logits,))


def test_the_first_wins_a_tie(links: Links) -> None:
    score = (3 * random(links.num_edges, seed=3)).floor()
    slot = links.argmax_slot(links.lift(score))
    for user in range(links.num_ue):
        own = score[edges_of(links, user)].tolist()
        assert int(slot[user]) == own.index(max(own))
    assert not links.argmax_slot(links.lift(torch.full((links.num_edges,), -torch.inf))).any()


def test_slots_and_stations_are_inverse(links: Links) -> None:
    for station in range(-1, links.num_bs):
        serving = torch.full((links.num_ue,), station)
        slot = links.slot_of(serving)
        for user in range(links.num_ue):
            candidates = links.bs[edges_of(links, user)].tolist()
            expected = candidates.index(station) if station in candidates else -1
            assert int(slot[user]) == expected
        assert torch.equal(links.station_of(slot), torch.where(slot >= 0, serving, -1))


def test_pick_takes_the_slots_edge(links: Links) -> None:
    edge, slot = random(links.num_edges, 2), torch.zeros(links.num_ue, dtype=torch.long)
    slot[-1] = -1
    picked = links.pick(edge, slot)
    for user in range(links.num_ue - 1):
        assert torch.equal(picked[user], edge[edges_of(links, user)[0]])
    assert not picked[-1].any()
    assert links.pick(edge[:, 0] > -1, slot).tolist() == [True] * (links.num_ue - 1) + [False]


def test_users_and_sums_per_network(links: Links) -> None:
    serving = links.station_of(torch.zeros(links.num_ue, dtype=torch.long))
    serving[0] = -1
    expected = [serving.tolist().count(b) for b in range(links.num_bs)]
    assert links.users_per_bs(serving).tolist() == expected
    weight = random(links.num_ue)
    weighted = links.users_per_bs(serving, weight)
    assert weighted.dtype == DTYPE
    for network in range(links.num_networks):
        own = links.ue_network == network
        torch.testing.assert_close(links.sum_ue_to_network(weight)[network], weight[own].sum())
        stations = links.bs_network == network
        torch.testing.assert_close(links.sum_bs_to_network(weighted)[network], weight[own & (serving >= 0)].sum())
        assert int(links.sum_bs_to_network(torch.ones(links.num_bs))[network]) == int(stations.sum())


def test_the_paths_agree(links: Links) -> None:
    """One list of edges through each of the paths that fit it."""
    slow = as_ragged(links)
    edge = random(links.num_edges, 2)
    paths = [links, slow] if links.degree is None else [links, replace(links, dense=False), slow]
    results = []
    for path in paths:
        lifted = path.lift(edge)
        slot = path.argmax_slot(lifted[..., 0])
        values = (
            path.sum_to_ue(lifted),
            path.sum_to_bs(lifted),
            path.max_to_ue(lifted),
            path.flat(path.softmax(lifted)),
        )
        results.append((*values, slot, path.slot_of(path.station_of(slot)), path.pick(edge, slot), path.first_edge))
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            torch.testing.assert_close(a, b)


def test_edges_must_be_sorted_by_user() -> None:
    graph = graph_of(all_edges(2, 2), 2, 2)
    graph[CHANNEL].edge_index = graph[CHANNEL].edge_index[:, [0, 2, 1, 3]]
    with pytest.raises(ValueError, match="expected them sorted by user"):
        links_of(graph)


def test_a_large_logit_leaves_the_softmax_finite() -> None:
    links = links_of(RAGGED)
    logits = torch.full((links.num_edges,), -math.inf, dtype=DTYPE)
    logits[links.first_edge] = 0.0
    assert links.softmax(logits)[links.first_edge].tolist() == [1.0] * links.num_ue


def test_means_agree_in_all_layouts() -> None:
    batch = preset("hetnet-3tier").scaled(users=0.05, stations=1 / 3).sample(2, seed=1)
    links = links_of(batch)
    generator = torch.Generator().manual_seed(0)
    bs, ue = torch.rand(links.num_bs, 4, generator=generator), torch.rand(links.num_ue, 4, generator=generator)
    edge = torch.rand(links.num_edges, 3, generator=generator)
    assert links.dense
    expected = [links.mean_over_bs(bs), links.mean_over_ue(ue), links.mean_to_bs(links.lift(edge))]
    first = bs.reshape(2, -1, 4).mean(1)
    torch.testing.assert_close(expected[0], first[batch["ue"].batch])
    for degree in (links.degree, None):
        other = replace(links, dense=False, degree=degree)
        found = [other.mean_over_bs(bs), other.mean_over_ue(ue), other.mean_to_bs(other.lift(edge))]
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b)
