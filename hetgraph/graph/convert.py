"""networkx in and out, and gain matrices from npz."""

import zipfile
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.build import from_gain
from hetgraph.graph.check import check


def to_networkx(data: HeteroData) -> "nx.MultiDiGraph[Any]":
    """Graph as a networkx multigraph: nodes ``(type, number)``, edges keyed by relation, attributes as numpy arrays.

    Raises:
        ValueError: a batch of several graphs.
    """
    if "batch" in data["bs"]:
        raise ValueError("graph: got a batch, expected a single graph; take batch[i]")
    out: nx.MultiDiGraph[Any] = nx.MultiDiGraph()
    for name, value in data._global_store.items():
        out.graph[name] = value.numpy() if isinstance(value, Tensor) else value
    for node in data.node_types:
        values = _tensors(data[node])
        for number in range(data[node].num_nodes or 0):
            out.add_node((node, number), **{k: v[number].numpy() for k, v in values.items()})
        out.graph[f"columns/{node}"] = {k: (str(v.dtype), tuple(v.shape[1:])) for k, v in values.items()}
    for source, relation, target in data.edge_types:
        store = data[source, relation, target]
        values = {k: v for k, v in _tensors(store).items() if k != "edge_index"}
        for number, (a, b) in enumerate(store.edge_index.T.tolist()):
            attributes = {k: v[number].numpy() for k, v in values.items()}
            out.add_edge((source, a), (target, b), key=(relation, number), number=number, **attributes)
        kinds = {k: (str(v.dtype), tuple(v.shape[1:])) for k, v in values.items()}
        out.graph[f"columns/{source}/{relation}/{target}"] = kinds
    return out


def from_networkx(graph: "nx.MultiDiGraph[Any]") -> HeteroData:
    """Inverse of :func:`to_networkx`.

    Raises:
        ValueError: a graph that :func:`to_networkx` did not make, or that breaks the contract.
    """
    data = HeteroData()
    headers = {k: v for k, v in graph.graph.items() if k.startswith("columns/")}
    if not headers:
        raise ValueError("graph: got no column tables, expected a graph made by to_networkx")
    for name, value in graph.graph.items():
        if name not in headers:
            data[name] = torch.from_numpy(np.asarray(value)) if isinstance(value, np.ndarray) else value
    for header, columns in headers.items():
        store = header.removeprefix("columns/").split("/")
        if len(store) == 1:
            count = sum(1 for node in graph if node[0] == store[0])
            rows = [graph.nodes[store[0], number] for number in range(count)]
            for name, (dtype, shape) in columns.items():
                data[store[0]][name] = _stack([r[name] for r in rows], dtype, shape)
            continue
        source, relation, target = store
        edges = [
            (attributes["number"], a[1], b[1], attributes)
            for a, b, key, attributes in graph.edges(keys=True, data=True)
            if a[0] == source and b[0] == target and key[0] == relation
        ]
        edges.sort(key=lambda edge: edge[0])
        index = torch.tensor([[e[1] for e in edges], [e[2] for e in edges]], dtype=torch.long).reshape(2, -1)
        data[source, relation, target].edge_index = index
        for name, (dtype, shape) in columns.items():
            data[source, relation, target][name] = _stack([e[3][name] for e in edges], dtype, shape)
    check(data)
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
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, zipfile.BadZipFile, AttributeError, EOFError):
        raise ValueError(f"{path}: got a file that is no plain npz, expected arrays without pickled objects") from None
    for name in ("gain", "noise_w", "power_max_w"):
        if name not in arrays:
            raise ValueError(f"{path}: got the arrays {', '.join(arrays)}, expected {name!r} among them")
    for name, value in arrays.items():
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


def _tensors(store: Any) -> dict[str, Tensor]:
    return {k: v for k, v in store.items() if isinstance(v, Tensor)}


def _stack(values: list[Any], dtype: str, shape: tuple[int, ...]) -> Tensor:
    kind = getattr(torch, dtype.removeprefix("torch."))
    if not values:
        return torch.zeros(0, *shape, dtype=kind)
    return torch.from_numpy(np.stack(values)).to(kind)
