"""ChannelConv: its three paths and a plain loop give the same states and gradients."""

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn.functional import silu

from hetgraph.graph.links import Links
from hetgraph.nn import ChannelConv
from hetgraph.nn.edge_sums import EdgeSums

HIDDEN, COLUMNS = 6, 4
LAYOUTS = ("dense", "constant", "irregular")


def links_like(layout: str) -> Links:
    """Two networks of four stations and five users; the last station of the second one has no edge outside ``dense``."""
    candidates = [list(range(4 * (u // 5), 4 * (u // 5) + 4)) for u in range(10)]
    if layout == "constant":
        candidates = [[c[u % 3], c[3 - (u + 1) % 2]] if u % 3 < 2 + u % 2 else c[:2] for u, c in enumerate(candidates)]
    if layout == "irregular":
        candidates = [c[: 1 + u % 3] if u != 7 else [] for u, c in enumerate(candidates)]
    bs = torch.tensor([n for c in candidates for n in c])
    ue = torch.tensor([u for u, c in enumerate(candidates) for _ in c])
    degree = {"dense": 4, "constant": 2}.get(layout)
    networks = torch.arange(2).repeat_interleave(4), torch.arange(2).repeat_interleave(5)
    return Links(bs, ue, *networks, 2, degree, layout == "dense")


def inputs(links: Links, groups: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = ((8, HIDDEN), (10, HIDDEN), (links.num_edges, COLUMNS))
    bs, ue, edge = (torch.randn(s, generator=generator, dtype=torch.float64).requires_grad_() for s in shapes)
    weight = torch.rand(links.num_edges, groups, generator=generator, dtype=torch.float64)
    return bs, ue, edge, weight * (torch.rand(weight.shape, generator=generator) < 0.7)


def layer(**options: object) -> ChannelConv:
    with torch.random.fork_rng():
        torch.random.manual_seed(1)
        return ChannelConv(HIDDEN, COLUMNS, **options).double()  # type: ignore[arg-type]


def by_loop(conv: ChannelConv, bs: Tensor, ue: Tensor, edge: Tensor, weight: Tensor, links: Links) -> Tensor:
    """The equation of the docstring, an edge at a time."""
    source, target = (bs, ue) if conv.to == "ue" else (ue, bs)
    ends = list(zip(links.bs.tolist(), links.ue.tolist(), strict=True))
    rows = []
    for v in range(len(target)):
        heard: list[Tensor] = []
        for g in range(conv.groups):
            total, value = torch.zeros((), dtype=bs.dtype), torch.zeros(conv.sender + COLUMNS, dtype=bs.dtype)
            value = torch.zeros(HIDDEN, dtype=bs.dtype) if conv.kind == "relu" else value
            for e, (n, u) in enumerate(ends):
                s, t = (n, u) if conv.to == "ue" else (u, n)
                if t != v:
                    continue
                message = torch.cat([source[s][: conv.sender], edge[e]])
                if conv.kind == "relu":
                    message = conv.from_target(target[v]) + conv.from_edge(edge[e])
                    message = (message + (conv.from_source(source[s]) if conv.from_source else 0)).relu()
                total, value = total + weight[e, g], value + weight[e, g] * message
            heard.append(value / total.clamp_min(1e-6) if conv.aggregation == "mean" else value)
        if conv.kind == "linear":
            heard = [h[: conv.sender] for h in heard] + [h[conv.sender :] for h in heard]
        rows.append(target[v] + silu(conv.update_state(torch.cat([target[v], *heard]))))
    return torch.stack(rows)


OPTIONS = [
    dict(zip(("to", "message", "aggr", "groups", "source"), values, strict=True))
    for values in itertools.product(("ue", "bs"), ("linear", "relu"), ("mean", "sum"), (1, 2), (True, False))
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(map(str, o.values())))
def test_all_paths_and_a_loop_give_the_same_states_and_gradients(layout: str, options: dict[str, object]) -> None:
    links, conv = links_like(layout), layer(**options)
    bs, ue, edge, weight = inputs(links, conv.groups)
    index = torch.stack([links.bs, links.ue])
    wanted = by_loop(conv, bs, ue, edge, weight, links)
    outs = [conv((bs, ue), index, edge, weight), conv((bs, ue), index, edge, weight, links)]
    if conv.kind == "linear":
        outs.append(conv((bs, ue), index, edge, weight, EdgeSums.of(links, edge, weight, conv.to, conv.aggregation)))
    direction = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(2), dtype=wanted.dtype)
    leaves = [bs, ue, edge, *conv.parameters()]

    def gradients(out: Tensor) -> list[Tensor]:
        return list(
            torch.autograd.grad(
                (out * direction).sum(), leaves, retain_graph=True, allow_unused=True, materialize_grads=True
            )
        )

    slopes = gradients(wanted)
    for out in outs:
        torch.testing.assert_close(out, wanted, rtol=1e-9, atol=1e-9)
        for ours, theirs in zip(gradients(out), slopes, strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("to", ["ue", "bs"])
def test_second_derivatives_are_those_of_propagate(layout: str, to: str) -> None:
    links, conv = links_like(layout), layer(to=to)
    bs, ue, edge, weight = inputs(links, 2)
    index = torch.stack([links.bs, links.ue])

    def curvature(*extra: Links) -> Tensor:
        out = conv((bs, ue), index, edge, weight, *extra)
        (slope,) = torch.autograd.grad(out.pow(3).sum(), ue, create_graph=True)
        return torch.autograd.grad(slope.pow(2).sum(), bs)[0]

    torch.testing.assert_close(curvature(links), curvature(), rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("message", ["linear", "relu"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_learned_weights_get_their_gradient(layout: str, message: str) -> None:
    links, conv = links_like(layout), layer(message=message)
    bs, ue, edge, weight = inputs(links, 2)
    index, weight = torch.stack([links.bs, links.ue]), (weight + 0.1).requires_grad_()
    slopes = [
        torch.autograd.grad(conv((bs, ue), index, edge, weight, *extra).sum(), weight)[0] for extra in ((), (links,))
    ]
    assert slopes[0].abs().max() > 1e-3
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("to", ["ue", "bs"])
def test_edges_without_weight_are_not_heard(to: str) -> None:
    links, conv = links_like("constant"), layer(to=to)
    bs, ue, edge, weight = inputs(links, 2)
    index = torch.stack([links.bs, links.ue])
    weight[3] = 0
    other = edge.detach().clone()
    other[3] = 7
    assert torch.equal(conv((bs, ue), index, edge, weight, links), conv((bs, ue), index, other, weight, links))


@pytest.mark.parametrize("message", ["linear", "relu"])
def test_hooks_of_pyg_see_every_message_though_links_are_given(message: str) -> None:
    links, conv = links_like("dense"), layer(message=message)
    bs, ue, edge, weight = inputs(links, 2)
    index = torch.stack([links.bs, links.ue])
    without = conv((bs, ue), index, edge, weight, links)
    seen: list[Tensor] = []
    handle = conv.register_message_forward_hook(lambda _module, _inputs, out: seen.append(out))
    torch.testing.assert_close(conv((bs, ue), index, edge, weight, links), without)
    assert [len(message) for message in seen] == [links.num_edges]
    handle.remove()
    conv((bs, ue), index, edge, weight, links)
    assert len(seen) == 1


def test_a_graph_without_edges_leaves_the_nodes_to_themselves() -> None:
    conv, empty = layer(), torch.zeros(2, 0, dtype=torch.long)
    bs, ue, _, _ = inputs(links_like("dense"), 2)
    out = conv((bs, ue), empty, torch.zeros(0, COLUMNS).double())
    alone = ue + silu(conv.update_state(torch.cat([ue, ue.new_zeros(10, 2 * (HIDDEN + COLUMNS))], 1)))
    torch.testing.assert_close(out, alone)


def test_wrong_arguments_name_themselves() -> None:
    links, conv = links_like("dense"), layer()
    bs, ue, edge, weight = inputs(links, 2)
    index = torch.stack([links.bs, links.ue])
    with pytest.raises(ValueError, match=r"weight: got \[40, 1\], expected \[40, 2\]"):
        conv((bs, ue), index, edge, weight[:, :1])
    with pytest.raises(ValueError, match="links: got sums at 'bs', expected sums at 'ue'"):
        conv((bs, ue), index, edge, weight, EdgeSums.of(links, edge, weight, "bs"))
    for name in ("to", "message", "aggr"):
        with pytest.raises(ValueError, match=f"{name}: got 'x', expected one of"):
            layer(**{name: "x"})
