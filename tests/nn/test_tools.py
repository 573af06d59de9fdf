"""PyG's and PyTorch's tools take the encoder as it is: explain, summary, autocast, compile, export."""

import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.nn import summary

from hetgraph.graph import Scenario, links_of, preset
from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON, NEIGHBOURS
from hetgraph.nn import HeteroEncoder

COLUMNS = {
    "bs": ("power_dbm", "users_per_bs"),
    "ue": ("best_snr_db", "best_sinr_db"),
    "antenna": ("cos_azimuth", "sin_azimuth", "tilt_rad"),
    CHANNEL: ("snr_db", "gap_db"),
}


def hetnet(candidates: int = 0) -> Scenario:
    scenario = preset("hetnet-3tier").scaled(users=40 / 600, stations=1 / 3)
    return dataclasses.replace(scenario, radio=dataclasses.replace(scenario.radio, num_rbs=4, candidates=candidates))


SCENARIOS = {"dense": hetnet(), "constant": hetnet(3), "interference-k": preset("interference-k")}


def encoder(level: str = "global") -> HeteroEncoder:
    with torch.random.fork_rng():
        torch.random.manual_seed(2)
        return HeteroEncoder(COLUMNS, 8, level=level)  # type: ignore[arg-type]


class UserValues(nn.Module):
    """A value of each user, in the form that PyG's explainers call."""

    def __init__(self, net: HeteroEncoder) -> None:
        super().__init__()
        self.layers, self.out = net.layers, nn.Linear(8, 1)

    def forward(self, x_dict: dict[str, Tensor], edge_index_dict: dict[Any, Tensor], **others: Any) -> Tensor:
        value: Tensor = self.out(self.layers(x_dict, edge_index_dict, **others)["ue"])
        return value


@pytest.mark.parametrize("level", ["local", "global"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_gnn_explainer_masks_the_edges_that_a_user_depends_on_and_no_others(name: str, level: str) -> None:
    graph, net = SCENARIOS[name].sample(2, seed=0), encoder(level)
    links, inputs = links_of(graph), net.inputs(graph)
    graph["ue"].serving_slot.fill_(0)
    model = UserValues(net)
    explainer = Explainer(
        model,
        GNNExplainer(epochs=3),
        explanation_type="model",
        node_mask_type="attributes",
        edge_mask_type="object",
        model_config={"mode": "regression", "task_level": "node", "return_type": "raw"},
    )
    others = {key: value for key, value in inputs.items() if key not in ("x_dict", "edge_index_dict")}
    before = model(inputs["x_dict"], inputs["edge_index_dict"], **others)
    explanation = explainer(inputs["x_dict"], inputs["edge_index_dict"], index=2, **others)
    mask, mounted = explanation[CHANNEL].edge_mask, explanation[MOUNTED_ON].edge_mask
    first = links.ue_network[links.ue] == 0
    assert (mask[links.ue == 2] > 0).all()
    assert not mask[~first].any() and not mounted[links.bs_network[graph[MOUNTED_ON].edge_index[1]] == 1].any()
    after = model(inputs["x_dict"], inputs["edge_index_dict"], **others)
    assert torch.equal(before, after), "the explainer left its masks behind"


def test_summary_lists_every_layer_by_its_type() -> None:
    pytest.importorskip("tabulate")
    text = summary(encoder(), hetnet().sample(1, seed=0), max_depth=5)
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| ")]
    found = {layer: sum(layer in row for row in rows) for layer in ("ChannelConv", "NeighbourConv", "MountConv")}
    assert found == {"ChannelConv": 4, "NeighbourConv": 1, "MountConv": 1}
    assert "[7, 8]" in text and "[40, 8]" in text


@pytest.mark.parametrize("level", ["local", "global"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_bfloat16_autocast_is_close_and_trains(name: str, level: str) -> None:
    graph, net = SCENARIOS[name].sample(2, seed=1), encoder(level)
    exact = net(graph)
    with torch.autocast("cpu", torch.bfloat16):
        half = net(graph)
    for key, value in half.items():
        assert value.dtype == torch.bfloat16
        torch.testing.assert_close(value.float(), exact[key], rtol=0.05, atol=0.05)
    sum(value.float().sum() for value in half.values()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in net.parameters())


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf"
)  # what the compiler itself does
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")
@pytest.mark.parametrize("name", ["dense", "constant"])
def test_compiled_encoder_gives_the_same_states_and_gradients(name: str) -> None:
    graph, net = SCENARIOS[name].sample(2, seed=1), encoder()
    torch.compiler.reset()
    compiled = torch.compile(net, backend="aot_eager")
    slopes = []
    for run in (net, compiled):
        out = run(graph)
        slopes.append((out["bs"], out["ue"], *torch.autograd.grad(out["bs"].sum() + out["ue"].sum(), net.parameters())))
    for ours, theirs in zip(*slopes, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)
    inputs = net.inputs(graph)
    whole = torch.compile(net.layers, backend="eager", fullgraph=True)(**inputs)
    torch.testing.assert_close(whole["bs"], slopes[0][0])


class Fused(nn.Module):
    """The layers for one network with edges of a known number in the order of users: tensors in, tensors out."""

    def __init__(self, net: HeteroEncoder, degree: int, dense: bool) -> None:
        super().__init__()
        self.layers, self.degree, self.dense = net.layers, degree, dense

    def forward(
        self, x: dict[str, Tensor], index: dict[Any, Tensor], edge: dict[Any, Tensor], weight: Tensor
    ) -> dict[str, Tensor]:
        bs, ue = index[CHANNEL]
        networks = [torch.zeros(x[name].shape[0], dtype=torch.long) for name in ("bs", "ue")]
        links = Links(bs, ue, *networks, 1, self.degree, self.dense)
        out: dict[str, Tensor] = self.layers(x, index, edge, weight, None, links)
        return out


def free(arguments: Any) -> Any:
    """Sizes that the exporter finds out itself; a constant k makes E a multiple of U, which a named dimension cannot say."""
    return torch.utils._pytree.tree_map(
        lambda v: dict.fromkeys(range(v.dim()), torch.export.Dim.AUTO) if isinstance(v, Tensor) else None, arguments
    )


def tensors(net: HeteroEncoder, graph: HeteroData) -> tuple[Any, ...]:
    inputs = net.inputs(graph)
    return tuple(inputs[key] for key in ("x_dict", "edge_index_dict", "edge_attr_dict", "weight"))


@pytest.mark.parametrize(
    ("name", "degree"), [("dense", 7), ("constant", 3), ("interference-k", 20), ("constant", None)]
)
def test_exported_program_serves_graphs_of_other_sizes(name: str, degree: int | None) -> None:
    scenario, net = SCENARIOS[name], encoder()
    dense = name != "constant"
    example = tensors(net, scenario.sample(1, seed=0))
    module = net.layers if degree is None else Fused(net, degree, dense)
    program = torch.export.export(module, example, dynamic_shapes=free(example))
    many = 2 if degree is None else 1
    other = scenario.scaled(users=1.5) if name != "interference-k" else scenario
    graph = other.sample(many, seed=7)
    wanted, found = net(graph), program.module()(*tensors(net, graph))
    for key in wanted:
        torch.testing.assert_close(found[key], wanted[key], rtol=1e-5, atol=1e-5)
    assert name == "interference-k" or len(wanted["ue"]) == 60 * many


def test_neighbour_columns_are_heard() -> None:
    graph = hetnet().sample(1, seed=0)
    net = HeteroEncoder({**COLUMNS, NEIGHBOURS: ("distance_m",)}, 8)
    moved = graph.clone()
    moved["bs"].pos = 1.3 * graph["bs"].pos
    assert (net(moved)["bs"] - net(graph)["bs"]).abs().max() > 1e-4
