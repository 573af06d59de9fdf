"""A networkx graph of a user's own making as a graph of the data layer."""

from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.check import check
from hetgraph.graph.schema import CHANNEL, EDGE_TYPES, NODE_TYPES, SCHEMA, SCHEMA_VERSION, Field

_PER_BLOCK = ("rb_power_max_w", "noise_w", "far_interference_w", "gain")
_RELATION = {(edge[0], edge[2]): edge for edge in EDGE_TYPES}
Pairs = dict[tuple[str, str, str], list[tuple[int, int, dict[str, Any]]]]


def complete_networkx(graph: "nx.Graph[Any]", dtype: torch.dtype = torch.float32) -> HeteroData:
    """Graph of the data layer from nodes that carry a ``type`` and edges that carry a ``gain``.

    The nodes' ``type`` is ``bs``, ``ue`` or ``antenna``; stations have ``power_max_w``, users ``noise_w``, edges from
    stations to users ``gain``, a number or one for each resource block, and any other attribute of the schema. What all
    nodes or edges share may be an attribute of the graph. Edges between stations are neighbours, between users conflicts,
    from antennas to stations mounts; an undirected graph's edges count both ways.

    Args:
        graph: any networkx graph; nodes are numbered type by type in their order.
        dtype: of all real numbers.

    Raises:
        ValueError: a node of another type, an edge that has no meaning, a missing attribute, or a broken contract.
    """
    names = {kind: [n for n, values in graph.nodes(data=True) if values.get("type") == kind] for kind in NODE_TYPES}
    for node, values in graph.nodes(data=True):
        if values.get("type") not in NODE_TYPES:
            raise ValueError(f"node {node!r}: type: got {values.get('type')!r}, expected {', '.join(NODE_TYPES)}")
    pairs = _pairs(graph, {node: (kind, i) for kind in NODE_TYPES for i, node in enumerate(names[kind])})
    gains = [np.size(values.get("gain", 0.0)) for _, _, values in pairs[CHANNEL]]
    blocks = max(gains, default=1)
    data = HeteroData()
    for kind, members in names.items():
        rows = [(f"node {node!r}", dict(graph.nodes[node])) for node in members]
        _fill(data[kind], kind, rows, graph.graph, blocks, dtype)
    for edge, members in pairs.items():
        index = [[a, b] for a, b, _ in members]
        data[edge].edge_index = torch.tensor(index, dtype=torch.long).reshape(-1, 2).T.contiguous()
        rows = [(f"edge {names[edge[0]][a]!r} -> {names[edge[2]][b]!r}", values) for a, b, values in members]
        _fill(data[edge], edge, rows, graph.graph, blocks, dtype)
    _complete(data, graph, blocks, dtype)
    for kind, members in names.items():
        data[kind].num_nodes = len(members)
    check(data)
    return data


def _pairs(graph: "nx.Graph[Any]", numbers: dict[Any, tuple[str, int]]) -> Pairs:
    """Edges of each relation, sorted by target and then by source."""
    pairs: Pairs = {edge: [] for edge in EDGE_TYPES}
    for a, b, values in graph.edges(data=True):
        both = [(a, b)] if graph.is_directed() else [(a, b), (b, a)]
        known = [(x, y) for x, y in both if (numbers[x][0], numbers[y][0]) in _RELATION]
        if not known:
            got = f"{numbers[a][0]} to {numbers[b][0]}"
            expected = ", ".join(f"{x} to {y}" for x, y in _RELATION)
            raise ValueError(f"edge {a!r} -> {b!r}: got one from {got}, expected {expected}")
        for x, y in known:
            pairs[_RELATION[numbers[x][0], numbers[y][0]]].append((numbers[x][1], numbers[y][1], values))
    return {edge: sorted(members, key=lambda m: (m[1], m[0])) for edge, members in pairs.items()}


def _fill(
    store: Any,
    kind: str | tuple[str, str, str],
    rows: list[tuple[str, dict[str, Any]]],
    shared: dict[str, Any],
    blocks: int,
    dtype: torch.dtype,
) -> None:
    """Attributes of the schema that the rows carry, or that they need."""
    for field in SCHEMA:
        if field.store != kind or field.name in ("edge_index", "slot"):
            continue
        carried = [field.name in values or field.name in shared for _, values in rows]
        needed = field.required and field.name != "rb_power_max_w"
        if not rows or not (any(carried) or needed):
            continue
        if not all(carried):
            raise ValueError(f"{rows[carried.index(False)][0]}: {field.name}: got nothing, expected a value")
        values = [_value(where, field, v.get(field.name, shared.get(field.name)), blocks) for where, v in rows]
        store[field.name] = _tensor(field, values, dtype)


def _value(where: str, field: Field, value: Any, blocks: int) -> "np.ndarray[Any, Any]":
    array = np.asarray(value)
    if array.dtype.kind not in "biufc":
        raise ValueError(f"{where}: {field.name}: got {value!r}, expected numbers")
    if field.name in _PER_BLOCK and array.ndim == 0:
        array = np.full(blocks, array)
    if field.name in _PER_BLOCK and array.shape != (blocks,):
        raise ValueError(f"{where}: {field.name}: got {array.size} numbers, expected 1 or {blocks}, as elsewhere")
    return array


def _tensor(field: Field, values: "list[np.ndarray[Any, Any]]", dtype: torch.dtype) -> Tensor:
    try:
        stacked = np.stack(values)
    except ValueError:
        shapes = sorted({v.shape for v in values})
        raise ValueError(f"{field.where}: got the shapes {shapes}, expected one shape for all") from None
    kinds = {"bool": torch.bool, "long": torch.long, "complex": torch.complex64, "real": dtype}
    return torch.from_numpy(stacked).to(kinds[field.kind])


def _complete(data: HeteroData, graph: "nx.Graph[Any]", blocks: int, dtype: torch.dtype) -> None:
    """What follows from the rest: slots, power per block, antennas without directions, attributes of the whole graph."""
    count = sum(values.get("type") == "antenna" for _, values in graph.nodes(data=True))
    for name, width in (("offset", 3), ("boresight", 2)):
        if name not in data["antenna"]:
            data["antenna"][name] = torch.zeros(count, width, dtype=dtype)
    if "power_max_w" in data["bs"] and "rb_power_max_w" not in data["bs"]:
        data["bs"].rb_power_max_w = data["bs"].power_max_w.unsqueeze(1).expand(-1, blocks).contiguous()
    user = data[CHANNEL].edge_index[1]
    first = torch.searchsorted(user, user)
    data[CHANNEL].slot = torch.arange(user.numel()) - first
    shared = {"rb_bandwidth_hz": 1.0} | graph.graph
    for field in SCHEMA:
        if field.store is None and field.name in shared:
            value = torch.as_tensor(np.asarray(shared[field.name], dtype=float)).to(dtype).reshape(1, -1)
            data[field.name] = value.expand(1, blocks).contiguous() if "R" in field.shape else value.reshape(-1)
    data.scenario, data.scenario_hash, data.schema_version = graph.name or "networkx", "", SCHEMA_VERSION
