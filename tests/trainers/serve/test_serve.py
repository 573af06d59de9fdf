"""`hetgraph serve`: every system answers graphs with what its policy decides, and refuses what is no graph."""

import copy
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

from hetgraph.graph import check
from hetgraph.graph.json_form import graph_from_json, graph_to_json, json_schema
from hetgraph.models import (
    GROWS,
    GraphQMIX,
    HetGNN,
    HybridMADDPG,
    NeighbourhoodMAPPO,
    OffsetQMIX,
    SpatialHetGNN,
    UnrolledScheduler,
    save,
)
from hetgraph.models.weights import read_weights
from hetgraph.trainers.cli import main
from hetgraph.trainers.export.other_sizes import graph_of_task
from hetgraph.trainers.serve.decider import Decider, Limits
from hetgraph.trainers.tasks import task_of

pytest.importorskip("fastapi")
from fastapi.testclient import TestClient

from hetgraph.trainers.serve.app import make_app

SYSTEMS: dict[str, Callable[[], Any]] = {
    "hetgnn": lambda: HetGNN(8, rounds=2),
    "hetgnn-mimo": lambda: SpatialHetGNN(8, rounds=2, polish=1),
    "grows": lambda: GROWS(features="full", users=True),
    "mappo": lambda: NeighbourhoodMAPPO(8),
    "qmix": lambda: GraphQMIX(8),
    "qmix-offsets": lambda: OffsetQMIX(8),
    "maddqn": lambda: HybridMADDPG(8),
    "iot-unrolled": lambda: UnrolledScheduler(8, 8),
}
SCENARIOS = {"hetgnn-mimo": "mimo-7", "snapshot": "random-19", "iot": "iot-noma:users=12,small_cells=2,subchannels=4"}


@cache
def served(system: str, folder: Path, limits: Limits | None = None) -> tuple[TestClient, Decider]:
    torch.manual_seed(0)
    path = save(SYSTEMS[system](), folder / f"{system}.ckpt")
    header, model = read_weights(path)[0], SYSTEMS[system]().eval()
    task = task_of(header.task)
    options = task.options(scenario=SCENARIOS.get(system, SCENARIOS.get(task.name)))
    decider = Decider(model, header, path, graph_of_task(task, options, model), limits or Limits())
    return TestClient(make_app(decider)), decider


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("serve")


def post(client: TestClient, values: Any) -> Any:
    return client.post("/decide", content=json.dumps(values), headers={"content-type": "application/json"})


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_service_decides_as_the_policy_does(system: str, folder: Path) -> None:
    client, decider = served(system, folder)
    request = client.get("/example").json()
    answer = post(client, request)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert (body["system"], body["task"]) == (system, decider.header.task)
    model, graph = decider.model, decider.example
    with torch.no_grad():
        action, _ = model.act(graph, model.initial_state(graph), None)
    for name, value in body["decision"].items():
        wanted = action if isinstance(action, torch.Tensor) else getattr(action, name, None)
        if name in ("value", "memory_next") or wanted is None:  # no part of an action
            continue
        found = torch.tensor(value)
        wanted = torch.view_as_real(wanted) if wanted.is_complex() else wanted
        torch.testing.assert_close(found, wanted.reshape(found.shape).to(found.dtype), rtol=1e-4, atol=0)
    assert client.get("/model").json()["system"] == system and client.get("/health").json()["status"] == "ok"


def test_memory_goes_round(folder: Path) -> None:
    client, _ = served("mappo", folder)
    request = client.get("/example").json()
    first = post(client, request).json()["decision"]
    second = post(client, request | {"extra": {"memory": first["memory_next"]}}).json()["decision"]
    assert second["memory_next"] != first["memory_next"]
    wrong = post(client, request | {"extra": {"memory": [0.0]}})
    assert wrong.status_code == 422 and wrong.json()["error"].startswith(
        "extra.memory: got [1], expected finite numbers"
    )


def broken(values: Any, change: Callable[[Any], None]) -> Any:
    values = copy.deepcopy(values)
    change(values)
    return values


MISTAKES: dict[str, tuple[Callable[[Any], Any], str]] = {
    "negative": (
        lambda g: g["channel"]["gain"][0].__setitem__(0, -1.0),
        "(bs, channel, ue).gain: got -1, expected no negative",
    ),
    "absent": (lambda g: g["ue"].pop("noise_w"), "ue.noise_w: got nothing, expected numbers [U, R]"),
    "short": (lambda g: g["bs"]["power_max_w"].pop(), "bs.pos: got shape (19, 3), expected [N=18, 3]"),
    "index": (
        lambda g: g["channel"]["edge_index"][0].__setitem__(0, 99),
        "(bs, channel, ue).edge_index: got bs index 99",
    ),
    "unknown": (lambda g: g["ue"].__setitem__("code", ["import os"]), "ue: got attribute 'code', expected one of pos"),
    "store": (lambda g: g.__setitem__("nodes", {}), "graph: got store 'nodes', expected one of bs, ue, antenna"),
    "text": (lambda g: g["ue"].__setitem__("noise_w", "1"), "ue.noise_w: got a text, expected a list"),
    "ragged": (
        lambda g: g["channel"]["gain"].__setitem__(0, [1.0]),
        "(bs, channel, ue).gain: got lists of different lengths",
    ),
    "texts": (
        lambda g: g["bs"].__setitem__("power_max_w", ["a"] * 19),
        "bs.power_max_w: got something else, expected numbers",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_bad_graph_gets_one_sentence(name: str, folder: Path) -> None:
    client, _ = served("hetgnn", folder)
    change, sentence = MISTAKES[name]
    answer = post(client, broken(client.get("/example").json(), change))
    assert answer.status_code == 422 and answer.json()["error"].startswith(sentence), answer.text
    assert "\n" not in answer.json()["error"]


def test_a_graph_of_another_task_is_refused_by_what_it_lacks(folder: Path) -> None:
    client, _ = served("mappo", folder)
    other, _ = served("hetgnn", folder)
    answer = post(client, other.get("/example").json())
    assert answer.status_code == 422 and ": got " in answer.json()["error"] and "expected" in answer.json()["error"]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"bs": NaN}', "[" * 100_000, '{"bs": 1}', "\x80"])
def test_what_is_no_graph_is_refused(text: str, folder: Path) -> None:
    client, _ = served("hetgnn", folder)
    answer = client.post("/decide", content=text.encode("latin-1"), headers={"content-type": "application/json"})
    assert answer.status_code == 422 and "expected" in answer.json()["error"]


def test_requests_are_bounded(folder: Path) -> None:
    client, _ = served("hetgnn", folder, Limits(body_bytes=1000))
    request = served("hetgnn", folder)[0].get("/example").json()
    assert post(client, request).status_code == 413
    parts = iter([b"{", b" " * 2000])  # without a length
    assert client.post("/decide", content=parts, headers={"content-type": "application/json"}).status_code == 413
    client, _ = served("hetgnn", folder, Limits(edges=10))
    answer = post(client, request)
    assert answer.status_code == 422 and answer.json()["error"].endswith("rows, expected at most 10")
    assert client.post("/decide", content="{}", headers={"content-type": "text/plain"}).status_code == 415


def test_json_keeps_a_graph(folder: Path) -> None:
    _, decider = served("iot-unrolled", folder)
    again = graph_from_json(json.loads(json.dumps(graph_to_json(decider.example))))
    check(again)
    for store in decider.example.node_types:
        for name, value in decider.example[store].items():
            torch.testing.assert_close(again[store][name], value, rtol=0, atol=0, check_dtype=True)
    schema = json_schema()
    gain = schema["properties"]["channel"]["properties"]["gain"]
    assert gain["items"]["items"] == {"type": "number", "minimum": 0} and gain["description"] == "[E, R]"
    assert (
        schema["properties"]["channel"]["required"] == ["gain"] or "gain" in schema["properties"]["channel"]["required"]
    )


def test_without_its_packages_the_command_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("hetgraph.extras.present", lambda name: False)
    with pytest.raises(SystemExit) as done:
        main(["serve", "--ckpt", "none.ckpt"])
    assert done.value.code == 2
    sentence = "hetgraph: error: serve: got no fastapi, expected it; pip install 'hetgraph[serve]'\n"
    assert capsys.readouterr().err == sentence
