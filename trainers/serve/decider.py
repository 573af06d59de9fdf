"""What a service does with a request: parse, check, decide."""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.json_form import GRAPH, graph_from_json, graph_to_json
from hetgraph.models.inference import FIELDS, InferenceNetwork, attributes_of, given_of, graph_of, inputs_of
from hetgraph.models.weights import Header

EXTRA = "extra"  # of a request, beside its graph: inputs that are no attributes, such as a memory


@dataclass(frozen=True)
class Limits:
    """What a request may have at most.

    Args:
        body_bytes: of the text.
        nodes: stations, users and antennas, each.
        edges: of each type.
    """

    body_bytes: int = 1 << 26
    nodes: int = 20_000
    edges: int = 500_000


@dataclass
class Decider:
    """Decisions of one model; one at a time, as layers keep what they made of the last graphs.

    Args:
        model: see :class:`~hetgraph.models.inference.Inferring`.
        header: of its checkpoint.
        path: of its checkpoint.
        example: a graph of its task.
        limits: of requests.
    """

    model: Any
    header: Header
    path: Path
    example: HeteroData
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        InferenceNetwork(self.model, self.example)  # refuses a model that cannot
        self._lock = threading.Lock()
        self._names = inputs_of(self.model, self.example)

    def decide(self, body: bytes) -> dict[str, Any]:
        """Decision on the graph of a request.

        Raises:
            ValueError: no JSON, a graph that breaks the contract, or one that the model does not take.
        """
        values = _parsed(body)
        extra = values.get(EXTRA, {})
        inner = {name: value for name, value in values.items() if name != EXTRA}
        graph = graph_from_json(inner, max_nodes=self.limits.nodes, max_edges=self.limits.edges)
        with self._lock, torch.no_grad():
            out = self._infer(graph_of(attributes_of(graph)), extra)
        return {
            "system": self.header.system,
            "task": self.header.task,
            "decision": {name: _plain(value) for name, value in out.items()},
        }

    def _infer(self, graph: HeteroData, extra: Any) -> dict[str, Tensor]:
        try:
            given = given_of(self.model, graph)
            values = {name: each.value for name, each in given.items()}
            out: dict[str, Tensor] = self.model.infer(graph, values | _extra(extra, values))
            return out
        except (AttributeError, KeyError, IndexError, RuntimeError, TypeError) as error:
            self._refuse(graph, error)

    def _refuse(self, graph: HeteroData, error: Exception) -> NoReturn:
        """Say what a graph lacks that passed the check and is none of the model's task."""
        there = attributes_of(graph)
        missing = [FIELDS[name].where for name in self._names if name in FIELDS and name not in there]
        if missing:
            raise ValueError(f"{missing[0]}: got nothing, expected it for {self.header.system}; see /model") from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(f"graph: got sizes that {self.header.system} does not take ({reason})") from error

    def card(self) -> dict[str, Any]:
        """What the model is, and what it reads of a graph."""
        given = given_of(self.model, self.example)
        return {
            "system": self.header.system,
            "task": self.header.task,
            "level": self.model.level,
            "options": self.header.options,
            "hetgraph": self.header.version,
            "commit": self.header.commit,
            "scenario": self.header.scenario,
            "checkpoint": {"file": self.path.name, "sha256": hashlib.sha256(self.path.read_bytes()).hexdigest()},
            "parameters": sum(parameter.numel() for parameter in self.model.parameters()),
            "reads": [FIELDS[name].where for name in self._names if name in FIELDS],
            EXTRA: {name: {"shape": list(each.shape), "unit": each.unit} for name, each in given.items()},
            "limits": vars(self.limits),
        }

    def example_request(self) -> dict[str, Any]:
        """A request that is answered: the example with what the model reads."""
        names = {name for name in self._names if name in FIELDS}
        settings = getattr(self.model, "settings", ())
        needed = {"antenna_offset", *(name for name, each in FIELDS.items() if each.required)}
        kept = {k: v for k, v in attributes_of(self.example).items() if k in names | needed or k in settings}
        out = graph_to_json(graph_of(kept))
        out[GRAPH].pop("num_graphs", None)
        return out


def _plain(value: Tensor) -> Any:
    """Nested lists; JSON has no infinity, and what is not allowed is ``null``."""
    finite = value.isfinite()
    if bool(finite.all()):
        return value.tolist()
    values: Any = value.numpy().astype(object)
    values[~finite.numpy()] = None
    return values.tolist()


def _extra(values: Any, known: dict[str, Tensor]) -> dict[str, Tensor]:
    """Given inputs of a request, each of the shape that it has for the graph.

    Raises:
        ValueError: an unknown one, or another shape.
    """
    if not isinstance(values, dict):
        raise ValueError(f"{EXTRA}: got something else, expected an object")
    out = {}
    for name, value in values.items():
        if name not in known:
            raise ValueError(f"{EXTRA}: got {name!r}, expected one of {', '.join(known) or 'none'}")
        try:
            tensor = torch.tensor(value, dtype=known[name].dtype)
        except (ValueError, TypeError, OverflowError, RuntimeError):
            raise ValueError(
                f"{EXTRA}.{name}: got something else, expected numbers {list(known[name].shape)}"
            ) from None
        if tensor.shape != known[name].shape or not bool(tensor.isfinite().all()):
            raise ValueError(
                f"{EXTRA}.{name}: got {list(tensor.shape)}, expected finite numbers {list(known[name].shape)}"
            )
        out[name] = tensor
    return out


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        values = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        reason = "lists that are too deep" if isinstance(error, RecursionError) else f"no JSON ({error})"
        raise ValueError(f"body: got {reason}, expected a graph as /schema describes it") from None
    if not isinstance(values, dict):
        raise ValueError("body: got no object, expected a graph as /schema describes it")
    return values


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
