"""HeteroEncoder: what a level may not know changes no bit of a station's state; fused paths and ``propagate`` agree."""

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph import Scenario, links_of, preset
from hetgraph.graph.levels import canary
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON, NEIGHBOURS, Level
from hetgraph.nn import HeteroEncoder, NeighbourConv
from hetgraph.nn.edge_sums import EdgeSums

COLUMNS = {
    "bs": ("power_dbm", "free_rb", "queue_mbit"),
    "ue": ("best_snr_db", "own_snr_db", "queue_mbit", "active"),
    "antenna": ("cos_azimuth", "sin_azimuth", "tilt_rad", "offset_x_m"),
    CHANNEL: ("snr_db", "sinr_db", "gap_db", "own", "known"),
    NEIGHBOURS: ("distance_m",),
}
LEVELS: tuple[Level, ...] = ("local", "neighbourhood", "global", "genie")


def small(candidates: int = 0) -> Scenario:
    scenario = preset("hetnet-3tier").scaled(users=40 / 600, stations=1 / 3)
    return dataclasses.replace(scenario, radio=dataclasses.replace(scenario.radio, num_rbs=4, candidates=candidates))


def sparse(candidates: int = 0) -> Scenario:
    """Stations most of which do not neighbour each other."""
    scenario = preset("random-19")
    few = {"candidates": candidates, "neighbour_db": 0.0, "neighbours": 2} if candidates else {}
    return dataclasses.replace(scenario, radio=dataclasses.replace(scenario.radio, **few))


def observation(
    candidates: int = 0, networks: int = 2, seed: int = 0, make: Callable[[int], Scenario] = small
) -> HeteroData:
    """Graphs with queues and an association, some users without a station, some edges unknown."""
    graph = make(candidates).sample(networks, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    users, edges = len(graph["ue"].serving_slot), graph[CHANNEL].gain.shape[0]
    graph["bs"].free_rb = 10 * torch.rand(len(graph["bs"].power_max_w), generator=generator)
    graph["ue"].queue_bits = 1e5 * torch.rand(users, generator=generator)
    graph["ue"].serving_slot = torch.randint(-1, edges // users, (users,), generator=generator)
    graph[CHANNEL].known = torch.rand(edges, generator=generator) < 0.8
    return graph


def encoder(level: Level = "global", **options: object) -> HeteroEncoder:
    with torch.random.fork_rng():
        torch.random.manual_seed(5)
        made = HeteroEncoder(COLUMNS, 16, level=level, **options)  # type: ignore[arg-type]
        with torch.no_grad():
            for parameter in made.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def outside(graph: HeteroData, station: int, level: Level) -> tuple[Tensor, Tensor]:
    """Stations ``[N]`` and users ``[U]`` beyond the view of a station, one hop at ``neighbourhood``."""
    links = links_of(graph)
    bs = torch.ones(links.num_bs, dtype=torch.bool)
    bs[station] = False
    if level == "neighbourhood":
        source, target = graph[NEIGHBOURS].edge_index
        bs[source[target == station]] = False
    serving = links.station_of(graph["ue"].serving_slot)
    return bs, (serving < 0) | bs[serving.clamp_min(0)]


def randomised(graph: HeteroData, bs: Tensor, ue: Tensor) -> HeteroData:
    """Everything that stations and users outside a view have, measure or decide, drawn anew; what all know of the layout stays."""
    graph, links = graph.clone(), links_of(graph)
    generator = torch.Generator().manual_seed(9)

    def draw(like: Tensor, where: Tensor) -> Tensor:
        new = torch.rand(like.shape, generator=generator, dtype=torch.float64).to(like.dtype) * 2 * like.abs().amax()
        return torch.where(where.reshape(-1, *[1] * (like.dim() - 1)), new, like)

    edge, antenna = ue[links.ue], bs[graph[MOUNTED_ON].edge_index[1]]
    for store, names, where in (
        (graph["bs"], ("free_rb",), bs),
        (graph["ue"], ("queue_bits", "noise_w"), ue),
        (graph["antenna"], ("offset", "boresight"), antenna),
        (graph[CHANNEL], ("gain",), edge),
    ):
        for name in names:
            store[name] = draw(store[name], where)
    flip = torch.rand(links.num_edges, generator=generator) < 0.5
    graph[CHANNEL].known = torch.where(edge & flip, ~graph[CHANNEL].known, graph[CHANNEL].known)
    graph["ue"].active = graph["ue"].active & ~(ue & (torch.rand(links.num_ue, generator=generator) < 0.3))
    slot = torch.randint(0, links.num_edges // links.num_ue, (links.num_ue,), generator=generator)
    stays_out = ue & bs[links.station_of(slot)]  # nobody enters the view
    graph["ue"].serving_slot = torch.where(stays_out, slot, graph["ue"].serving_slot)
    return graph


@pytest.mark.parametrize("candidates", [0, 3])
@pytest.mark.parametrize("level", ["local", "neighbourhood"])
def test_what_a_level_does_not_know_changes_no_bit_of_a_station(level: Level, candidates: int) -> None:
    graph, net = observation(candidates, make=sparse), encoder(level)
    before = net(graph)["bs"]
    for station in range(0, len(before), 3):
        bs, ue = outside(graph, station, level)
        after = net(randomised(graph, bs, ue))["bs"]
        assert torch.equal(after[station], before[station])
        assert not torch.equal(after, before), "the canary changed nothing"


def test_wider_levels_do_hear_what_narrower_ones_do_not() -> None:
    graph = observation(3, make=sparse)
    for level, wider in (("local", "neighbourhood"), ("neighbourhood", "global")):
        net = encoder(wider)  # type: ignore[arg-type]
        before, changes = net(graph)["bs"], 0
        for station in range(len(before)):
            after = net(randomised(graph, *outside(graph, station, level)))["bs"]  # type: ignore[arg-type]
            changes += not torch.equal(after[station], before[station])
        assert changes > len(before) / 3  # some have no neighbours


@pytest.mark.parametrize("level", LEVELS)
def test_gains_of_unknown_edges_are_not_read(level: Level) -> None:
    columns = {**COLUMNS, "ue": ("queue_mbit",), CHANNEL: ("snr_db", "known")}  # others are made of all edges of a user
    graph, net = observation(3), HeteroEncoder(columns, 16, level=level)
    other = graph.clone()
    unknown = ~graph[CHANNEL].known
    assert unknown.any()
    other[CHANNEL].gain = torch.where(unknown.unsqueeze(1), 3 * graph[CHANNEL].gain + 1e-9, graph[CHANNEL].gain)
    for name, state in net(graph).items():
        assert torch.equal(net(other)[name], state)


@pytest.mark.parametrize("candidates", [0, 3])
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("served", [True, False])
def test_fused_paths_and_propagate_agree_forward_and_backward(level: Level, candidates: int, served: bool) -> None:
    graph, net = observation(candidates), encoder(level).double()
    if not served:
        graph["ue"].serving_slot[:40] = -1  # the first network; the soft association takes its place there
    fused, inputs = net(graph), net.inputs(graph)
    assert inputs["links"] is not None
    plain = net.layers(**{**inputs, "links": None})
    slopes = [
        torch.autograd.grad(sum(v.pow(2).sum() for v in out.values()), net.parameters()) for out in (fused, plain)
    ]
    for name in ("bs", "ue"):
        torch.testing.assert_close(fused[name], plain[name], rtol=1e-6, atol=1e-6)
    for ours, theirs in zip(*slopes, strict=True):
        assert theirs.abs().max() > 0
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6 * float(theirs.abs().max()))


@pytest.mark.parametrize("candidates", [0, 3])
@pytest.mark.parametrize("level", LEVELS)
def test_sums_instead_of_means_agree_on_all_paths_and_count_users(level: Level, candidates: int) -> None:
    graph, net = observation(candidates), encoder(level, aggr="sum", reports=False).double()
    graph["ue"].serving_slot.clamp_min_(0)
    inputs = net.inputs(graph)
    assert inputs["reports"] is None
    fused, plain = net(inputs), net({**inputs, "links": None})
    for name in ("bs", "ue"):
        torch.testing.assert_close(fused[name], plain[name], rtol=1e-6, atol=1e-6)
    made = {store: torch.zeros_like(value) for store, value in inputs["x_dict"].items()}
    attr = {kind: torch.ones_like(value) for kind, value in inputs["edge_attr_dict"].items()}
    alike = net({**inputs, "x_dict": made, "edge_attr_dict": attr, "links": links_of(graph)})["bs"]
    mean = encoder(level, hops=0, reports=False).double()
    flat = mean({**inputs, "x_dict": made, "edge_attr_dict": attr, "links": None})["bs"]
    served = (
        inputs["weight"][:, 0].new_zeros(len(alike)).index_add(0, graph[CHANNEL].edge_index[0], inputs["weight"][:, 0])
    )
    busy = served > 0
    assert float(alike[busy].detach().std(0).max()) > 1e-3  # users differ in nothing but their number
    if level in ("local", "neighbourhood"):
        assert float(flat[busy].detach().std(0).max()) < 1e-6


@pytest.mark.parametrize("columns", [True, False])
def test_means_over_neighbours_made_once_are_those_of_propagate(columns: bool) -> None:
    graph = observation(make=sparse)
    edge_index = graph[NEIGHBOURS].edge_index[:, ::2].flip(1)  # in no order, and some stations hear nobody
    stations, generator = len(graph["bs"].power_max_w), torch.Generator().manual_seed(1)
    edge_index = edge_index[:, edge_index[1] != 3]
    attr = torch.rand(edge_index.shape[1], 2 * columns, generator=generator, dtype=torch.float64)
    state = torch.rand(stations, 8, generator=generator, dtype=torch.float64, requires_grad=True)
    layer = NeighbourConv(8, 2 * columns).double()
    sums = EdgeSums.among(edge_index, attr, links_of(graph).bs_network, 2)
    outs = [layer(state, edge_index, attr), layer(state, edge_index, attr, sums)]
    slopes = [torch.autograd.grad(out.pow(2).sum(), [state, *layer.parameters()]) for out in outs]
    torch.testing.assert_close(outs[1], outs[0])
    for ours, theirs in zip(slopes[1], slopes[0], strict=True):
        torch.testing.assert_close(ours, theirs)
    assert not torch.equal(outs[0], layer(state, edge_index[:, 1:], attr[1:]))


def test_extra_columns_come_ready() -> None:
    graph, net = observation(), encoder(level="neighbourhood", extra={"bs": 2})
    inputs = encoder(level="neighbourhood").inputs(graph)
    with pytest.raises(ValueError, match="graph: got a graph, expected ready arguments with 2 extra columns"):
        net(graph)
    wide = torch.nn.functional.pad(inputs["x_dict"]["bs"], (0, 2), value=0.5)
    out = net({**inputs, "x_dict": {**inputs["x_dict"], "bs": wide}})
    assert out["bs"].shape == (14, 16)


@pytest.mark.parametrize("level", LEVELS)
def test_a_network_has_the_same_states_alone_and_in_a_batch(level: Level) -> None:
    single, net = [observation(networks=1, seed=seed) for seed in (1, 2, 3)], encoder(level)
    single[1]["ue"].serving_slot.fill_(-1)
    together = net(Batch.from_data_list(single))
    for name, size in (("bs", 7), ("ue", 40)):
        for i, graph in enumerate(single):
            torch.testing.assert_close(
                together[name][i * size : (i + 1) * size], net(graph)[name], rtol=1e-5, atol=1e-5
            )


def test_antennas_count_where_they_differ() -> None:
    graph, net = observation(), encoder()
    turned = graph.clone()
    turned["antenna"].boresight = turned["antenna"].boresight + torch.tensor([1.0, 0.2])
    assert (net(turned)["bs"] - net(graph)["bs"]).abs().max() > 1e-3


def test_absent_users_are_not_heard() -> None:
    graph, net = observation(), encoder(hops=0)
    graph["ue"].active[:] = torch.arange(80) % 3 > 0
    other = graph.clone()
    other["ue"].queue_bits = torch.where(graph["ue"].active, graph["ue"].queue_bits, 7e5)
    columns = {**COLUMNS, "bs": ("free_rb",)}  # queues of stations count all their users
    net = HeteroEncoder(columns, 16)
    assert torch.equal(net(other)["bs"], net(graph)["bs"])


def test_a_graph_without_channel_edges_has_states() -> None:
    graph, net = observation(networks=1), encoder(hops=0)
    inputs = net.inputs(graph)
    empty = {kind: index[:, :0] for kind, index in inputs["edge_index_dict"].items()}
    attr = {kind: value[:0] for kind, value in inputs["edge_attr_dict"].items()}
    out = net.layers(inputs["x_dict"], empty, attr, inputs["weight"][:0])
    assert all(bool(value.isfinite().all()) for value in out.values())


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"bs": ()}, {}, "columns: got none of 'bs'"),
        ({"roof": ("x",)}, {}, "columns: got store 'roof'"),
        ({}, {"extra": {"roof": 2}}, "columns: got store 'roof'"),
        ({"ue": ("block_snr_db",)}, {}, "columns: got columns of resource blocks of 'ue'"),
        ({"ue": ("height",)}, {}, "features: got 'height' of ue"),
        ({}, {"level": "city"}, "level: got 'city'"),
        ({}, {"hops": 3}, "hops: got 3 with 2 layers"),
    ],
)
def test_wrong_arguments_name_themselves(change: dict, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HeteroEncoder({**COLUMNS, **change}, 8, **options)


@pytest.mark.parametrize("candidates", [0, 3])
def test_the_canary_of_the_contract_changes_no_bit_at_local(candidates: int) -> None:
    graph, net = observation(candidates, make=sparse), encoder("local")
    before, generator = net(graph)["bs"], torch.Generator().manual_seed(3)
    for station in range(len(before)):
        after = net(canary(graph, "local", station, generator))["bs"]
        assert torch.equal(after[station], before[station])
        assert not torch.equal(after, before), "the canary changed nothing"
