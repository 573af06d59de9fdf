"""networkx in and out, and gain matrices from npz."""

import copy
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.build import from_gain
from hetgraph.graph.check import check
from hetgraph.graph.from_networkx import complete_networkx
from hetgraph.graph.npz import read_arrays


def to_networkx(data: HeteroData) -> "nx.MultiDiGraph[Any]":
    """Graph as a networkx multigraph, sharing no memory with it.

    Nodes are ``(type, number)`` with their ``type``, edges are keyed by ``(relation, number)``; attributes are numpy arrays.
    Besides the attributes of the whole graph, ``columns`` keeps dtypes and the shapes of empty stores, and ``whole`` what has
    no row for each node or edge.

    Raises:
        ValueError: a batch of several graphs.
    """
    if "batch" in data["bs"]:
        raise ValueError("graph: got a batch, expected a single graph; take batch[i]")
    out: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    columns: dict[Any, dict[str, tuple[str, tuple[int, ...]]]] = {}
    whole: dict[Any, dict[str, Any]] = {}
    for node in data.node_types:
        count = data[node].num_nodes or 0
        rows, columns[node], whole[node] = _split(data[node], count)
        for number, attributes in enumerate(rows):
            out.add_node((node, number), type=node, **attributes)
    for edge in data.edge_types:
        rows, columns[edge], whole[edge] = _split(data[edge], data[edge].edge_index.shape[1])
        for number, (a, b) in enumerate(data[edge].edge_index.T.tolist()):
            out.add_edge((edge[0], a), (edge[2], b), key=(edge[1], number), **rows[number])
    shared = {k: v.detach().cpu().numpy().copy() if isinstance(v, Tensor) else v for k, v in data._global_store.items()}
    out.graph |= {**shared, "columns": columns, "whole": copy.deepcopy(whole)}
    return out


def from_networkx(graph: "nx.Graph[Any]", *, dtype: torch.dtype = torch.float32) -> HeteroData:
    """Inverse of :func:`to_networkx`; also takes a graph of one's own, see :func:`hetgraph.graph.from_networkx.complete_networkx`.

    Args:
        graph: made by :func:`to_networkx`, or any graph whose nodes have a ``type`` and whose edges have a ``gain``.
        dtype: of the real numbers of a graph of one's own; others keep theirs.

    Raises:
        ValueError: a graph that breaks the contract.
    """
    if "columns" not in graph.graph or not isinstance(graph, nx.MultiDiGraph):
        return complete_networkx(graph, dtype)
    try:
        data = _restored(graph)
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"graph: got none of {error}, expected all nodes, edges and attributes of to_networkx"
        ) from None
    check(data)
    return data


def _restored(graph: "nx.MultiDiGraph[Any]") -> HeteroData:
    data, columns = HeteroData(), graph.graph["columns"]
    for name, value in graph.graph.items():
        if name not in ("columns", "whole"):
            data[name] = torch.from_numpy(value.copy()) if isinstance(value, np.ndarray) else value
    result: dict[tuple[str, str, str], list[Any]] = {store: [] for store in columns if isinstance(store, tuple)}
    for a, b, (relation, number), attributes in graph.edges(keys=True, data=True):
        result[a[0], relation, b[0]].append((number, a[1], b[1], attributes))
    for store, kinds in columns.items():
        for name, value in graph.graph["whole"][store].items():
            data[store][name] = copy.deepcopy(value)
        if isinstance(store, tuple):
            edges = sorted(result[store], key=lambda edge: int(edge[0]))
            index = torch.tensor([[e[1], e[2]] for e in edges], dtype=torch.long)
            data[store].edge_index = index.reshape(-1, 2).T.contiguous()
            rows = [e[3] for e in edges]
        else:
            rows = [graph.nodes[store, number] for number in range(sum(node[0] == store for node in graph))]
        for name, (kind, shape) in kinds.items():
            data[store][name] = _stack([row[name] for row in rows], kind, shape)
    return data


def from_npz(path: str | Path) -> HeteroData:
    """Graph from an npz file with ``gain [N, U, R]``, ``noise_w``, ``power_max_w`` and optionally ``rb_bandwidth_hz``.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another format, a missing array, or values that no network can have; nothing in the file is executed.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: got no such file, expected an npz with gain, noise_w and power_max_w")
    arrays = read_arrays(path)
    for name in ("gain", "noise_w", "power_max_w"):
        if name not in arrays:
            raise ValueError(f"{path}: got the arrays {', '.join(arrays)}, expected {name!r} among them")
    for name in ("gain", "noise_w", "power_max_w", "rb_bandwidth_hz"):
        value = arrays.get(name, np.ones(1))
        if value.dtype.kind not in "fiu":
            raise ValueError(f"{path}: {name}: got dtype {value.dtype}, expected numbers")
    gain = arrays["gain"] if arrays["gain"].dtype == np.float64 else arrays["gain"].astype(np.float32)
    try:
        return from_gain(
            torch.from_numpy(gain),
            noise_w=torch.from_numpy(np.asarray(arrays["noise_w"], dtype=gain.dtype)),
            power_max_w=torch.from_numpy(np.asarray(arrays["power_max_w"], dtype=gain.dtype)),
            rb_bandwidth_hz=torch.from_numpy(np.asarray(arrays.get("rb_bandwidth_hz", 1.0), dtype=gain.dtype)),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _split(
    store: Any, count: int
) -> tuple[list[dict[str, Any]], dict[str, tuple[str, tuple[int, ...]]], dict[str, Any]]:
    """Attributes row by row, their dtypes and shapes, and what has no rows."""
    columns, whole = {}, {}
    rows: list[dict[str, Any]] = [{} for _ in range(count)]
    for name, value in store.items():
        if name == "edge_index":
            continue
        if not isinstance(value, Tensor) or value.dim() == 0 or value.shape[0] != count:
            whole[name] = value
            continue
        columns[name] = (str(value.dtype), tuple(value.shape[1:]))
        for row, cell in zip(rows, value.detach().cpu().numpy().copy(), strict=True):
            row[name] = cell
    return rows, columns, whole


def _stack(values: list[Any], dtype: str, shape: tuple[int, ...]) -> Tensor:
    kind = getattr(torch, dtype.removeprefix("torch."))
    if not values:
        return torch.zeros(0, *shape, dtype=kind)
    return torch.from_numpy(np.stack(values)).to(kind)
