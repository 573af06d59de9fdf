"""The network of a trained system as a function of named tensors, for programs that know nothing of hetgraph.

A model takes part by one method, :meth:`Inferring.infer`, and says by attributes what else a program of it needs: ``given``, a
method with inputs that are no attributes of the graph, ``settings``, attributes of networks that are constants of the program, and
``fixed_sizes``, sizes of the schema that cannot change.
"""

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
            extra: values of ``given``.
        """
        ...


def input_name(field: Field) -> str:
    """Name of an attribute as input: ``bs_power_max_w``, ``channel_gain``, ``rb_bandwidth_hz``."""
    store = "" if field.store is None else field.store if isinstance(field.store, str) else field.store[1]
    return f"{store}_{field.name}".removeprefix("_")


_EDGE_LISTS = tuple(field for field in SCHEMA if field.name == "edge_index")
FIELDS: dict[str, Field] = {input_name(field): field for field in SCHEMA}


def given_of(model: nn.Module, graph: HeteroData) -> dict[str, Given]:
    """Inputs of a model beside those of the graph; of one without a method ``given`` none."""
    own = getattr(model, "given", None)
    out: dict[str, Given] = own(graph) if own is not None else {}
    return out


def attributes_of(graph: HeteroData) -> dict[str, Tensor]:
    """Attributes of a single graph by the names of inputs, but for empty ones, and those that the schema does not know."""
    stored = {name: _store(graph, field).get(field.name) for name, field in FIELDS.items()}
    return {name: value for name, value in stored.items() if isinstance(value, Tensor) and value.numel()}


def graph_of(attributes: Mapping[str, Tensor]) -> HeteroData:
    """Graph of some attributes, not checked; edges that are not named are none."""
    graph = HeteroData()
    for node in NODE_TYPES:
        graph[node]
    device = next(iter(attributes.values())).device
    for edge in EDGE_TYPES:
        graph[edge].edge_index = torch.zeros(2, 0, dtype=torch.long, device=device)
    for name, value in attributes.items():
        _store(graph, FIELDS[name])[FIELDS[name].name] = value
    graph._global_store["num_graphs"] = 1
    return graph


def inputs_of(model: nn.Module, graph: HeteroData, names: tuple[str, ...] | None = None) -> dict[str, Tensor]:
    """Inputs of a model's network for a graph.

    Args:
        model: see :class:`Inferring`.
        graph: a single graph, or a batch of one.
        names: which ones; all that the model reads when ``None``.

    Raises:
        ValueError: a graph without one of them.
    """
    attributes = attributes_of(graph)
    extra = {name: each.value for name, each in given_of(model, graph_of(attributes)).items()}
    if names is None:
        names = (*_read_by(model, attributes, extra), *extra)
    for name in names:
        if FIELDS.get(name) in _EDGE_LISTS and name not in attributes:  # a network may have no edge of a type
            attributes[name] = torch.zeros(2, 0, dtype=torch.long, device=next(iter(attributes.values())).device)
        if name not in attributes and name not in extra:
            raise ValueError(f"graph: got no {FIELDS[name].where}, expected it, as the graph of the export has it")
    return {name: extra[name] if name in extra else attributes[name] for name in names}


def _read_by(model: nn.Module, attributes: Mapping[str, Tensor], extra: Extra) -> tuple[str, ...]:
    """Names of the attributes that a model reads, but for its settings."""
    graph, seen = graph_of(attributes), set[tuple[Any, str]]()
    for store in (graph._global_store, *graph.node_stores, *graph.edge_stores):
        store._mapping = _Recorded(store._mapping, store._key, seen)
    with torch.no_grad(), traced():
        model.infer(graph, extra)  # type: ignore[operator]
    settings = getattr(model, "settings", ())
    read = (name for name in attributes if (FIELDS[name].store, FIELDS[name].name) in seen)
    return tuple(name for name in read if name not in settings)


def _store(graph: HeteroData, field: Field) -> Any:
    return graph._global_store if field.store is None else graph[field.store]


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
        graph: whose settings the program has.

    Raises:
        ValueError: a model without ``infer``.
    """

    def __init__(self, model: nn.Module, graph: HeteroData) -> None:
        super().__init__()
        if not isinstance(model, Inferring):
            raise ValueError(f"{type(model).__name__}.infer: got none, expected a method (hetgraph.models.Inferring)")
        attributes = attributes_of(graph)
        self.model = model
        self.settings = {name: attributes[name].tolist() for name in getattr(model, "settings", ())}

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs of :meth:`Inferring.infer`."""
        graph = graph_of({name: value for name, value in inputs.items() if name in FIELDS})
        for name, value in self.settings.items():
            _store(graph, FIELDS[name])[FIELDS[name].name] = value
        extra = {name: value for name, value in inputs.items() if name not in FIELDS}
        out: dict[str, Tensor] = self.model.infer(graph, extra)
        return out
