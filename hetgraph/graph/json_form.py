"""Graphs as JSON: one object for each store of the schema, numbers in nested lists; for services and other languages.

``{"bs": {"power_max_w": [...]}, "ue": {...}, "antenna": {...}, "channel": {"edge_index": [[...], [...]], "gain": [[...]]},
"mounted_on": {...}, "neighbours": {...}, "conflicts": {...}, "graph": {"rb_bandwidth_hz": [[...]]}}``. Edges that are not named are
none, ``slot`` follows from the order of a user's edges, and complex numbers are pairs.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.check import check
from hetgraph.graph.schema import CHANNEL, EDGE_TYPES, NODE_TYPES, SCHEMA, SCHEMA_VERSION, Field

GRAPH = "graph"  # attributes of the whole graph
_KINDS = {"real": np.float32, "bool": np.bool_, "long": np.int64, "complex": np.float32}
_SIGNS = {"real": "iuf", "bool": "b", "long": "iu", "complex": "iuf"}
_TYPES = {"real": "number", "bool": "boolean", "long": "integer", "complex": "number"}


def store_name(field: Field) -> str:
    """Name of a field's store in JSON."""
    return GRAPH if field.store is None else field.store if isinstance(field.store, str) else field.store[1]


_FIELDS: dict[str, dict[str, Field]] = {name: {} for name in (*NODE_TYPES, *(edge[1] for edge in EDGE_TYPES), GRAPH)}
for _field in SCHEMA:
    _FIELDS[store_name(_field)][_field.name] = _field


def json_schema() -> dict[str, Any]:
    """The contract as a JSON Schema (draft 2020-12)."""
    stores = {
        store: {
            "type": "object",
            "additionalProperties": False,
            "properties": {name: _schema_of(field) for name, field in fields.items()},
            "required": [
                name for name, field in fields.items() if field.required and name not in ("edge_index", "slot")
            ],
        }
        for store, fields in _FIELDS.items()
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"hetgraph graph, schema {SCHEMA_VERSION}",
        "type": "object",
        "additionalProperties": False,
        "properties": stores,
        "required": ["bs", "ue", "channel", GRAPH],
    }


def _schema_of(field: Field) -> dict[str, Any]:
    item: dict[str, Any] = {"type": _TYPES[field.kind]}
    if field.nonnegative:
        item["minimum"] = 0
    shape = (*field.shape, "2") if field.kind == "complex" else field.shape
    for size in reversed(shape):
        item = {"type": "array", "items": item}
        if size.isdigit():
            item |= {"minItems": int(size), "maxItems": int(size)}
    return item | {"description": f"[{', '.join(shape)}] {field.unit}".strip()}


def graph_to_json(graph: HeteroData) -> dict[str, dict[str, Any]]:
    """A single graph as nested lists; what the schema does not know is left out."""
    out: dict[str, dict[str, Any]] = {}
    for store, fields in _FIELDS.items():
        values: Any = None
        for name, field in fields.items():
            values = graph._global_store if field.store is None else graph[field.store]
            if isinstance(values.get(name), Tensor):
                value = values[name].detach().cpu()
                out.setdefault(store, {})[name] = (torch.view_as_real(value) if value.is_complex() else value).tolist()
    return out


def graph_from_json(values: Any, *, max_nodes: int = 1 << 20, max_edges: int = 1 << 24) -> HeteroData:
    """A graph of nested lists, checked; real numbers are float32.

    Args:
        values: what a JSON parser makes of the text.
        max_nodes: most stations, users and antennas, each.
        max_edges: most edges of a type.

    Raises:
        ValueError: the first value that breaks the contract, or more nodes or edges than are allowed.
    """
    _check_stores(values)
    graph = HeteroData()
    for node in NODE_TYPES:
        graph[node]
    for edge in EDGE_TYPES:
        graph[edge].edge_index = torch.zeros(2, 0, dtype=torch.long)
    for store, fields in values.items():
        for name, value in fields.items():
            field = _FIELDS[store][name]
            _check_number(field, value, max_nodes if store in NODE_TYPES else max_edges)
            target: Any = graph._global_store if field.store is None else graph[field.store]
            target[name] = _tensor(field, value)
    if "slot" not in graph[CHANNEL]:
        graph[CHANNEL].slot = _slots(graph[CHANNEL].edge_index)
    graph.schema_version = SCHEMA_VERSION
    _count_nodes(graph, values)
    check(graph)
    return graph


def _count_nodes(graph: HeteroData, values: Mapping[str, Any]) -> None:
    """Numbers of nodes, which PyG infers of some attributes only."""
    for node in NODE_TYPES:
        graph[node].num_nodes = max((len(value) for value in values.get(node, {}).values()), default=0)


def _check_stores(values: Any) -> None:
    if not isinstance(values, Mapping):
        raise ValueError(f"graph: got {_what(values)}, expected an object of stores")
    for store, fields in values.items():
        if store not in _FIELDS:
            raise ValueError(f"graph: got store {store!r}, expected one of {', '.join(_FIELDS)}")
        if not isinstance(fields, Mapping):
            raise ValueError(f"{store}: got {_what(fields)}, expected an object of attributes")
        for name in fields:
            if name not in _FIELDS[store]:
                raise ValueError(f"{store}: got attribute {name!r}, expected one of {', '.join(_FIELDS[store])}")
    for store in ("bs", "ue", "channel", GRAPH):
        for name, field in _FIELDS[store].items():
            if field.required and name != "slot" and name not in values.get(store, {}):
                raise ValueError(f"{field.where}: got nothing, expected numbers [{', '.join(field.shape)}]")


def _check_number(field: Field, value: Any, most: int) -> None:
    """Bound what is allocated: rows, and of edge indices columns."""
    if not isinstance(value, list):
        raise ValueError(f"{field.where}: got {_what(value)}, expected a list")
    rows = (
        max((len(row) for row in value if isinstance(row, list)), default=0)
        if field.name == "edge_index"
        else len(value)
    )
    if field.store is not None and rows > most:
        raise ValueError(f"{field.where}: got {rows} rows, expected at most {most}")


def _tensor(field: Field, value: list[Any]) -> Tensor:
    dims = len(field.shape) + (field.kind == "complex")
    try:
        array = np.array(value)
    except (ValueError, TypeError, OverflowError):
        raise ValueError(
            f"{field.where}: got lists of different lengths, expected [{', '.join(field.shape)}]"
        ) from None
    if array.size == 0:
        width = [int(size) if size.isdigit() else 0 for size in field.shape]
        shape = (*array.shape, *width[array.ndim :])
        return torch.from_numpy(np.zeros(shape, _KINDS[field.kind]))
    if array.dtype.kind not in _SIGNS[field.kind] or array.ndim != dims:
        expected = f"{_TYPES[field.kind]}s [{', '.join(field.shape)}]"
        got = f"{array.dtype.name} in {array.ndim} dimensions" if array.dtype.kind in "iufb" else "something else"
        raise ValueError(f"{field.where}: got {got}, expected {expected}")
    with np.errstate(over="ignore"):  # what is too large is infinite, which the check refuses
        tensor = torch.from_numpy(np.ascontiguousarray(array, dtype=_KINDS[field.kind]))
    if field.kind != "complex":
        return tensor
    if tensor.shape[-1] != 2:
        raise ValueError(f"{field.where}: got {tensor.shape[-1]} numbers, expected pairs of real and imaginary parts")
    return torch.view_as_complex(tensor)


def _slots(edge_index: Tensor) -> Tensor:
    """0, 1, ... along each user's edges; the check refuses other orders."""
    ue = edge_index[1]
    if not ue.numel():
        return ue.clone()
    first = torch.ones_like(ue, dtype=torch.bool)
    first[1:] = ue[1:] != ue[:-1]
    place = torch.arange(ue.numel())
    return place - torch.where(first, place, 0).cummax(0).values


def _what(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a flag", type(None): "nothing"}
    if isinstance(value, float) and not math.isfinite(value):
        return "a number that is not finite"
    return names.get(type(value), "a number")
