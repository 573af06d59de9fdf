"""The network of a trained system as a function of named tensors, for programs that know nothing of hetgraph."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import EDGE_TYPES, NODE_TYPES, SCHEMA, Field
from hetgraph.graph.tracing import traced

Extra = Mapping[str, Tensor]


@dataclass(frozen=True)
class Given:
    """An input beside those of the graph.

    Args:
        value: for the graph that is given.
        shape: symbolic shape, as in :mod:`hetgraph.graph.schema`.
        unit: physical unit, or what it is.
    """

    value: Tensor
    shape: tuple[str, ...]
    unit: str = ""


@runtime_checkable
class Inferring(Protocol):
    """A model whose network can be exported."""

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """What the model makes of a single graph, by tensors alone: decisions where these are such, else values.

        Args:
            graph: of the model's level, no batch.
            extra: values of :meth:`given`.
        """
        ...


def given(model: nn.Module, graph: HeteroData) -> dict[str, Given]:
    """Inputs of a model beside those of the graph; of one without a method ``given`` none."""
    own = getattr(model, "given", None)
    out: dict[str, Given] = own(graph) if own is not None else {}
    return out


def input_name(field: Field) -> str:
    """Name of an attribute as input: ``bs_power_max_w``, ``channel_gain``, ``rb_bandwidth_hz``."""
    store = "" if field.store is None else field.store if isinstance(field.store, str) else field.store[1]
    return f"{store}_{field.name}".removeprefix("_")


FIELDS: dict[str, Field] = {input_name(field): field for field in SCHEMA}


def graph_inputs(graph: HeteroData) -> dict[str, Tensor]:
    """Attributes of a single graph by the names of inputs; what the schema does not know is left out."""
    out = {}
    for name, field in FIELDS.items():
        store = _store(graph, field)
        if field.name in store:
            out[name] = store[field.name]
    return out


def _store(graph: HeteroData, field: Field) -> Any:
    return graph._global_store if field.store is None else graph[field.store]


def graph_of(inputs: Mapping[str, Tensor]) -> HeteroData:
    """Graph of some inputs, not checked."""
    graph = HeteroData()
    for key in (*NODE_TYPES, *EDGE_TYPES):
        graph[key]
    for name, value in inputs.items():
        field = FIELDS[name]
        _store(graph, field)[field.name] = value
    graph._global_store["num_graphs"] = 1
    return graph


def read_by(model: nn.Module, graph: HeteroData, extra: Extra) -> list[str]:
    """Names of the attributes that a model's ``infer`` reads of a graph."""
    seen: set[tuple[Any, str]] = set()
    copy = graph_of(graph_inputs(graph))
    for store in (copy._global_store, *copy.node_stores, *copy.edge_stores):
        store._mapping = _Recorded(store._mapping, store._key, seen)
    with torch.no_grad(), traced():
        model.infer(copy, extra)  # type: ignore[operator]
    return [
        name
        for name, field in FIELDS.items()
        if (field.store, field.name) in seen and field.name in _store(graph, field)
    ]


class _Recorded(dict[str, Any]):
    """Attributes of a store that note who is read; their copies note it in the same place."""

    def __init__(self, values: Mapping[str, Any], store: Any, seen: set[tuple[Any, str]]) -> None:
        super().__init__(values)
        self.store, self.seen = store, seen

    def __getitem__(self, name: str) -> Any:
        self.seen.add((self.store, name))
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.seen.add((self.store, name))
        return super().get(name, default)

    def __copy__(self) -> "_Recorded":
        return _Recorded(dict(self.items()), self.store, self.seen)


class InferenceNetwork(nn.Module):
    """A model as a function of named tensors to named tensors.

    Args:
        model: see :class:`Inferring`.
        settings: attributes of the graph that are no inputs, as lists.
    """

    def __init__(self, model: nn.Module, settings: Mapping[str, list[Any]] | None = None) -> None:
        super().__init__()
        self.model, self.settings = model, dict(settings or {})

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs of :meth:`Inferring.infer`."""
        extra = {name: value for name, value in inputs.items() if name not in FIELDS}
        graph = graph_of({name: value for name, value in inputs.items() if name in FIELDS})
        for name, value in self.settings.items():
            _store(graph, FIELDS[name])[FIELDS[name].name] = value
        out: dict[str, Tensor] = self.model.infer(graph, extra)  # type: ignore[operator]
        return out
