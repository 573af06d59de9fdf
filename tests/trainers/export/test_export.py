"""`hetgraph export`: programs of all systems do what the models do, on sizes of which they know nothing."""

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch_geometric.data import HeteroData

from hetgraph.graph.tracing import traced
from hetgraph.models import (
    GROWS,
    GraphQMIX,
    HetGNN,
    HybridMADDPG,
    NeighbourhoodMAPPO,
    OffsetQMIX,
    SpatialHetGNN,
    TrunkMADDPG,
    UnrolledScheduler,
    save,
)
from hetgraph.models.grows_flat import FlatQ
from hetgraph.models.inference import InferenceNetwork, inputs_of
from hetgraph.trainers.cli import main
from hetgraph.trainers.export import other_sizes
from hetgraph.trainers.export.formats import ONNX, PT2
from hetgraph.trainers.export.other_sizes import graph_of_task, graphs_of_other_sizes
from hetgraph.trainers.export.program import MOST, checked, difference, make_program
from hetgraph.trainers.tasks import task_of

USERS, STATIONS, BLOCKS = (0.4, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.3, 1.5, 1.7), (1.0, 2.0, 3.0), (1.0, 1.6)
MANY = [(u, s, b) for u in USERS for s in STATIONS for b in BLOCKS]  # not all of them can be drawn for all systems
OF_SYSTEM = {  # users of the arrivals' scenario and of a cell follow the stations
    "grows": [(1.0, 4 / 3 + number / 3, 1.0) for number in range(20)],
    "mappo": [(users, stations / 19, 1.0) for users in (1.0, 4 / 3) for stations in (*range(4, 19, 2), 21, 23)],
}
TIERS = {"scenario": "hetnet-3tier:macro=1,micro=2,pico=3,users=30,num_rbs=4"}
SYSTEMS: dict[str, tuple[Callable[[], Any], dict[str, Any]]] = {
    "hetgnn": (lambda: HetGNN(8, rounds=1, candidates=3), TIERS),
    "hetgnn-edge": (lambda: HetGNN(8, rounds=0, association="edge", encoder="sage"), TIERS),
    "hetgnn-mimo": (lambda: SpatialHetGNN(8, rounds=2), {"scenario": "mimo-7:num_rbs=2"}),
    "grows": (lambda: GROWS(features="full", users=True, dueling=True, reject=True), {}),
    "dqn": (FlatQ, {}),
    "qmix-offsets": (lambda: OffsetQMIX(8), {}),
    "qmix": (lambda: GraphQMIX(8, intentions=1, agreements=1), {}),
    "mappo": (lambda: NeighbourhoodMAPPO(8, recurrence="lstm", cross_gains=True), {}),
    "iot-unrolled": (
        lambda: UnrolledScheduler(8, 8, prices=True),
        {"scenario": "iot-noma:users=12,small_cells=2,subchannels=4"},
    ),
    "iot-trunk": (lambda: TrunkMADDPG(8, 8, rounds=1), {"scenario": "iot-noma:users=12,small_cells=2,subchannels=4"}),
    "maddqn": (lambda: HybridMADDPG(8, prior=False), {"scenario": "iot-noma:users=12,small_cells=2,subchannels=4"}),
}
WITHOUT_ONNX = ("hetgnn-mimo",)  # complex numbers
LONG = {
    "maddqn-prior": (lambda: HybridMADDPG(8, rule={"iterations": 2}), SYSTEMS["maddqn"][1]),
    "hetgnn-mimo-tiers": (
        lambda: SpatialHetGNN(8, rounds=1, objective="pf", association="prices"),
        {"scenario": f"{TIERS['scenario']},mimo=true"},
    ),
}


def model_of(name: str) -> tuple[Any, Any, Any]:
    """A model whose last layers say something, its task and options."""
    make, options = {**SYSTEMS, **LONG}[name]
    torch.manual_seed(1)
    model = make().eval()
    for parameter in model.parameters():
        if not bool(parameter.any()):
            nn.init.normal_(parameter, std=0.1)
    task = task_of(model.task)
    return model, task, task.options(**options)


@pytest.mark.parametrize("name", [*SYSTEMS, *LONG])
def test_the_ways_of_programs_lead_where_the_models_go(name: str) -> None:
    model, task, options = model_of(name)
    graphs = [graph_of_task(task, options, model), *islice(graphs_of_other_sizes(task, options, model), 2)]
    network, names = InferenceNetwork(model, graphs[0]), tuple(inputs_of(model, graphs[0]))
    for graph in graphs:
        inputs = inputs_of(model, graph, names)
        with torch.no_grad():
            wanted = network(inputs)
            with traced():
                assert difference(wanted, network(inputs)) <= MOST


@pytest.mark.parametrize("name", ["dqn", "grows-paper"])
def test_a_file_says_what_it_is_and_runs_without_the_model(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = FlatQ().eval() if name == "dqn" else GROWS().eval()
    path = save(model, tmp_path / "best.ckpt")
    run("export", "--ckpt", str(path), "--out", str(tmp_path / "best.pt2"))
    assert "largest difference" in capsys.readouterr().out
    extra = {"hetgraph.json": ""}
    program = torch.export.load(str(tmp_path / "best.pt2"), extra_files=extra)
    about = json.loads(extra["hetgraph.json"])
    assert (about["system"], about["task"]) == (model.name, "arrivals") and len(about["checkpoint"]["sha256"]) == 64
    assert about["checked"]["graphs"] >= 2 and about["checked"]["largest_difference"] <= MOST
    inputs = {each["name"]: each for each in about["inputs"]}
    assert inputs["channel_gain"] == {"name": "channel_gain", "shape": ["E", "R"], "dtype": "float32", "unit": ""}
    assert inputs["ue_noise_w"]["unit"] == "W" and about["fixed_sizes"]["R"] == 1 and "U" in about["free_sizes"]
    task = task_of("arrivals")
    graph = graph_of_task(task, task.options(seed=7), model)
    found = program.module()(inputs_of(model, graph, tuple(inputs)))
    with torch.no_grad():
        place, _ = model.act(graph, None, None)
    assert torch.equal(found["place"], place) and found["value"].shape == (3,)


def test_sizes_are_said_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where no network of another size can be drawn, the command does not claim that there was one."""
    path = save(HetGNN(8, rounds=0), tmp_path / "best.ckpt")
    command = ("export", "--ckpt", str(path), "--scenario", TIERS["scenario"], "--overwrite")
    run(*command)
    printed = capsys.readouterr().out
    assert re.search(r"4 graphs, 4 of them of other sizes \(.*N 6 to 9, R 2 to 8, U 18 to 51\): ", printed), printed

    def impossible(*arguments: Any) -> HeteroData:
        raise ValueError("one size alone")

    monkeypatch.setattr(other_sizes, "_scaled", impossible)
    run(*command)
    assert "5 graphs, none of them of other sizes: " in capsys.readouterr().out
    extra = {"hetgraph.json": ""}
    torch.export.load(str(path.with_suffix(".pt2")), extra_files=extra)
    said = json.loads(extra["hetgraph.json"])["checked"]
    assert (said["graphs"], said["graphs_of_other_sizes"], said["sizes"]) == (5, 0, {})


@pytest.mark.all
@pytest.mark.parametrize("name", [*SYSTEMS, *LONG])
def test_programs_agree_with_models_on_twenty_other_sizes(name: str) -> None:
    model, task, options = model_of(name)
    program = make_program(model, graph_of_task(task, options, model))
    graphs = _of_different_sizes(graphs_of_other_sizes(task, options, model, OF_SYSTEM.get(name, MANY)))
    comparison = checked(program, PT2(program).run, iter(graphs))
    assert comparison.largest_difference <= MOST
    assert comparison.graphs == (3 if name == "dqn" else 20)  # dqn is as wide as its stations are many


def _of_different_sizes(graphs: Iterator[HeteroData]) -> list[HeteroData]:
    """The first twenty that differ in a size, or fewer."""
    found = dict[tuple[torch.Size, ...], HeteroData]()
    for graph in graphs:
        found.setdefault((graph["bs"].power_max_w.shape, graph["ue"].noise_w.shape), graph)
        if len(found) == 20:
            break
    return list(found.values())


@pytest.mark.all
@pytest.mark.parametrize("name", [name for name in SYSTEMS if name not in WITHOUT_ONNX])
def test_onnx_runtime_agrees_with_models_on_twenty_other_sizes(name: str) -> None:
    pytest.importorskip("onnxruntime")
    model, task, options = model_of(name)
    program = make_program(model, graph_of_task(task, options, model))
    graphs = _of_different_sizes(graphs_of_other_sizes(task, options, model, OF_SYSTEM.get(name, MANY)))
    comparison = checked(program, ONNX(program).run, iter(graphs))
    assert comparison.largest_difference <= MOST
    assert comparison.graphs == (3 if name == "dqn" else 20)


@pytest.mark.all
def test_onnx_has_no_complex_numbers() -> None:
    pytest.importorskip("onnxscript")
    model, task, options = model_of("hetgnn-mimo")
    program = make_program(model, graph_of_task(task, options, model))
    with pytest.raises(
        ValueError, match=r"got onnx for hetgnn-mimo, which has complex numbers and the operator [\w.]+, exp"
    ):
        ONNX(program)


class Halving(nn.Module):
    """A model of one's own whose answer takes as many steps as a value says."""

    name, task, level = "halving", "snapshot", "global"

    def infer(self, graph: HeteroData, extra: Any) -> dict[str, torch.Tensor]:
        power = graph["bs"].power_max_w
        while float(power.sum()) > 1:
            power = power / 2
        return {"power_w": power}


def test_what_no_program_has_is_refused_in_one_sentence() -> None:
    _, task, options = model_of("hetgnn")
    graph = graph_of_task(task, options, HetGNN(8, rounds=0))
    with pytest.raises(
        ValueError, match=r"halving: got a computation that depends on values .* expected one that a program has"
    ):
        make_program(Halving(), graph)
    with pytest.raises(ValueError, match=r"Linear.infer: got none, expected a method"):
        make_program(nn.Linear(1, 1), graph)
    model, task, options = model_of("hetgnn-mimo")
    model.polish = 2
    with pytest.raises(ValueError, match=r"hetgnn-mimo: got .* \(polish: got 2 rounds, expected none in a program\)"):
        make_program(model, graph_of_task(task, options, model))


def test_a_difference_is_of_values_and_of_choices() -> None:
    one, inf = torch.tensor([1.0, -2.0]), torch.tensor([1.0, -torch.inf])
    assert difference({"x": one}, {"x": one + 1e-3}) == pytest.approx(5e-4, rel=1e-3)
    assert difference({"x": inf}, {"x": inf}) == 0 and difference({"x": inf}, {"x": one}) == float("inf")
    assert difference({"x": one}, {"x": one[:1]}) == float("inf")
    assert difference({"x": torch.tensor([1])}, {"x": torch.tensor([2])}) == float("inf")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "--ckpt: got nothing, expected a checkpoint such as best.ckpt"),
        (
            ("--ckpt", "best.ckpt", "--out", "no/such/file.pt2"),
            "--out: got no/such/file.pt2, expected a file in a folder",
        ),
        (("--ckpt", "best.ckpt", "--out", "best.ckpt"), "--out: got best.ckpt, which exists, expected a new file"),
        (("--ckpt", "best.ckpt", "--format", "onnx"), "--format onnx: got no onnx, expected it; pip install"),
    ],
)
def test_mistakes_end_in_one_sentence_before_anything_is_made(
    arguments: tuple[str, ...],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("hetgraph.extras.present", lambda name: False)
    save(FlatQ(), "best.ckpt")
    run("export", *arguments, code=2)
    assert capsys.readouterr().err.startswith(f"hetgraph: error: {sentence}")
    assert [path.name for path in tmp_path.iterdir()] == ["best.ckpt"]


def run(*arguments: str, code: int = 0) -> None:
    with pytest.raises(SystemExit) as done:
        main(list(arguments))
    assert done.value.code == code
