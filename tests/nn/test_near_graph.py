"""The strongest candidates of each user as a graph of its own, beside the whole graph."""

from dataclasses import replace

import pytest
import torch
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import links_of, preset
from hetgraph.graph.schema import CHANNEL
from hetgraph.models import HetGNN
from hetgraph.nn.near_graph import NearGraph, near_graph_of
from hetgraph.radio import evaluate
from hetgraph.radio.relaxed import channels_of, edge_rates, pull, utility


def graphs(kind: str) -> HeteroData:
    """Networks in the three layouts of edges: all stations, a constant number of candidates, networks of several sizes."""
    if kind == "dense":
        return preset("hetnet-3tier").sample(2, seed=5)
    if kind == "constant":
        scenario = preset("hetnet-3tier")
        return replace(scenario, radio=replace(scenario.radio, candidates=9)).sample(2, seed=5)
    small, large = (preset("hetnet-3tier").scaled(stations=scale).sample(1, seed=5) for scale in (1.0, 2.0))
    return Batch.from_data_list([*small.to_data_list(), *large.to_data_list()])


def edges_of(near: NearGraph, graph: HeteroData) -> torch.Tensor:
    """Numbers of the near edges in the whole graph, by a search."""
    pairs = {pair: number for number, pair in enumerate(map(tuple, graph[CHANNEL].edge_index.T.tolist()))}
    return torch.tensor([pairs[pair] for pair in map(tuple, near.graph[CHANNEL].edge_index.T.tolist())])


@pytest.mark.parametrize("kind", ["dense", "constant", "several sizes"])
def test_rates_and_derivatives_are_those_of_the_whole_graph(kind: str) -> None:
    graph, draw = graphs(kind), torch.Generator().manual_seed(1)
    links, near = links_of(graph), near_graph_of(graph, 5, torch.float64)
    edges, channels = edges_of(near, graph), channels_of(graph, links, torch.float64)
    assert near.links.num_edges == len(edges) < links.num_edges and near.channels.far is not None
    assert torch.bincount(near.links.ue).max() == 5
    fraction = torch.rand(channels.cap.shape, generator=draw, dtype=torch.float64) * channels.cap
    fraction.requires_grad_()
    found, full = edge_rates(near.channels, near.links, fraction), edge_rates(channels, links, fraction)
    torch.testing.assert_close(near.links.flat(found.rate), links.flat(full.rate)[edges])
    scores = torch.randn(found.rate.shape, generator=draw, dtype=torch.float64)
    soft = near.links.softmax(scores)
    whole = links.lift(torch.zeros(links.num_edges, dtype=torch.float64).index_copy(0, edges, near.links.flat(soft)))
    for mine, theirs in zip(
        pull(found, soft, near.channels, near.links), pull(full, whole, channels, links), strict=True
    ):
        torch.testing.assert_close(mine, theirs)
    value = utility(found, soft, near.links).sum()
    (slope,) = torch.autograd.grad(value, fraction)
    own, harm, _ = pull(found, soft, near.channels, near.links)
    torch.testing.assert_close(slope * fraction, own - harm)


def test_the_strongest_stay_and_what_may_serve_before_what_may_not() -> None:
    graph = graphs("dense")
    near, links = near_graph_of(graph, 4, torch.float32), links_of(graph)
    power = links.lift(graph[CHANNEL].gain.mean(1) * graph["bs"].power_max_w[links.bs])
    wanted = power.topk(4, 2).indices.sort(2).values.reshape(-1, 4) + links.ue_network.unsqueeze(1) * power.shape[2]
    assert torch.equal(near.links.bs.reshape(-1, 4), wanted)
    pairs = preset("interference-k:pairs=12").sample(2, seed=0)
    near = near_graph_of(pairs, 3, torch.float32)
    assert torch.equal(near.links.station_of(near.links.argmax_slot(near.channels.may_serve.long())), torch.arange(24))  # type: ignore[union-attr]


def test_what_has_no_more_candidates_stays_as_it_is() -> None:
    graph = graphs("dense")
    for candidates in (0, len(graph["bs"].power_max_w) // 2, 40):
        near = near_graph_of(graph, candidates, torch.float32)
        assert near.graph is graph and near.channels.far is None


def test_far_interference_is_that_of_equal_power() -> None:
    graph = graphs("dense")
    near, links = near_graph_of(graph, 6, torch.float64), links_of(graph)
    received = links.lift(graph[CHANNEL].gain) * links.from_bs(
        graph["bs"].power_max_w.unsqueeze(1) / graph.rb_bandwidth_hz.shape[1]
    )
    all_w = links.sum_to_ue(received.double())
    near_w = torch.zeros_like(all_w).index_add(0, near.links.ue, links.flat(received)[edges_of(near, graph)].double())
    torch.testing.assert_close(near.graph["ue"].far_interference_w.double(), all_w - near_w, rtol=1e-4, atol=0)


def test_a_network_among_others_is_judged_as_alone() -> None:
    torch.manual_seed(0)
    batch, model = graphs("several sizes"), HetGNN(candidates=6).double().eval()
    together = model(batch).rounds
    singles = [model(Batch.from_data_list([one])).rounds for one in batch.to_data_list()]
    for number, found in enumerate(together):
        alone = [rounds[number] for rounds in singles]
        for name in ("fraction", "price"):
            torch.testing.assert_close(getattr(found, name), torch.cat([getattr(one, name) for one in alone]))
        rates = torch.cat([one.rates.rate.flatten() for one in alone])
        torch.testing.assert_close(found.rates.rate.flatten(), rates)


def test_few_candidates_lose_next_to_nothing_and_all_lose_nothing() -> None:
    torch.manual_seed(0)
    graph, model = preset("hex-19x3").sample(1, seed=9), HetGNN(candidates=0).eval()
    whole = evaluate(graph, model.allocate(graph, 6)).pf_utility
    model.candidates = 57
    assert torch.equal(evaluate(graph, model.allocate(graph, 6)).pf_utility, whole)
    model.candidates = 8
    assert float((evaluate(graph, model.allocate(graph, 6)).pf_utility - whole) / len(graph["ue"].noise_w)) > -0.1


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match=r"candidates: got -1, expected 0 \(all\) or more"):
        HetGNN(candidates=-1)
