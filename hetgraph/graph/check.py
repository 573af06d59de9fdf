"""Refuse graphs that break the contract, with one sentence that says where, what was got and what was expected."""

import math
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.check_level import check_observation
from hetgraph.graph.levels import check_level
from hetgraph.graph.schema import CHANNEL, EDGE_TYPES, NODE_TYPES, SCHEMA, SCHEMA_VERSION, Field, Level
from hetgraph.graph.verified import VerifiedTensors

_VERIFIED = VerifiedTensors()


def check(data: HeteroData, level: Level | None = None) -> None:
    """Check a graph, or a batch of graphs, against the schema.

    Values of static attributes and the structure are looked at once for each tensor and again after it was written to.

    Args:
        data: a graph or a batch.
        level: what its reader may know; then ``known`` and ``own`` must be there and right, every station has an antenna, and
            what is not known is zero.

    Raises:
        ValueError: the first broken rule: a missing store or attribute, a wrong shape or dtype, NaN, infinite or negative
            values, indices that point nowhere, edges out of order, a user without a candidate station, an unknown level, or
            values that the level does not know.

    Example:
        >>> graph = from_gain(torch.ones(2, 3, 1), noise_w=1.0, power_max_w=1.0)
        >>> check(graph)
        >>> graph["bs"].power_max_w = -torch.ones(2)
        >>> check(graph)
        Traceback (most recent call last):
            ...
        ValueError: bs.power_max_w: got ...
    """
    if not isinstance(data, HeteroData):
        raise ValueError(f"graph: got {type(data).__name__}, expected torch_geometric.data.HeteroData")
    if level is not None:
        check_level(level)
    _check_stores(data)
    sizes = _sizes(data)
    for field in SCHEMA:
        store = _store(data, field)
        if field.name in store:
            _check_field(field, store[field.name], sizes, data[CHANNEL].gain.dtype)
        elif field.required:
            raise ValueError(f"{field.where}: got nothing, expected a tensor [{', '.join(field.shape)}]")
    structure = _structure(data)
    if not _VERIFIED.unchanged(structure, sizes):
        _check_indices(data, sizes)
        _check_candidates(data, sizes)
        _check_networks(data)
        _VERIFIED.remember(structure, sizes)
    _check_serving(data, sizes)
    if level is not None:
        check_observation(data, level, sizes["N"])


def _structure(data: HeteroData) -> list[Tensor]:
    """Tensors that say how the graph is connected."""
    parts = [data[CHANNEL].slot, *(data[edge].edge_index for edge in EDGE_TYPES)]
    return parts + [data[node].batch for node in NODE_TYPES if "batch" in data[node]]


def _check_stores(data: HeteroData) -> None:
    for node in NODE_TYPES:
        if node not in data.node_types:
            raise ValueError(f"graph: got no node type {node!r}, expected {', '.join(NODE_TYPES)}")
    for edge in EDGE_TYPES:
        if edge not in data.edge_types:
            raise ValueError(f"graph: got no edge type {edge}, expected it, empty if need be")
    for field in SCHEMA:
        store = _store(data, field)
        if field.required and field.name not in store:
            raise ValueError(f"{field.where}: got nothing, expected a tensor [{', '.join(field.shape)}]")
        if field.name in store and not isinstance(store[field.name], Tensor):
            raise ValueError(f"{field.where}: got {type(store[field.name]).__name__}, expected a tensor")
    version = getattr(data, "schema_version", SCHEMA_VERSION)
    versions = sorted(set(version.tolist())) if isinstance(version, Tensor) else [version]
    if versions != [SCHEMA_VERSION]:
        raise ValueError(f"schema_version: got {versions}, expected {SCHEMA_VERSION}")


def _store(data: HeteroData, field: Field) -> Any:
    """Where a field is; ``data[name]`` alone would also find a node's attribute of that name."""
    return data._global_store if field.store is None else data[field.store]


def _sizes(data: HeteroData) -> dict[str, int]:
    gain = data[CHANNEL].gain
    if gain.dim() != 2:
        raise ValueError(f"(bs, channel, ue).gain: got shape {tuple(gain.shape)}, expected [E, R]")
    if gain.dtype not in (torch.float32, torch.float64):
        raise ValueError(f"(bs, channel, ue).gain: got dtype {gain.dtype}, expected float32 or float64")
    antenna = data["antenna"]
    for store, name, rank in (("bs", "power_max_w", 1), ("ue", "noise_w", 2), (CHANNEL, "edge_index", 2)):
        value = data[store][name]
        if value.dim() != rank:
            field = next(f for f in SCHEMA if (f.store, f.name) == (store, name))
            raise ValueError(f"{field.where}: got shape {tuple(value.shape)}, expected [{', '.join(field.shape)}]")
    sizes = {
        "N": data["bs"].power_max_w.shape[0],
        "U": data["ue"].noise_w.shape[0],
        "E": data[CHANNEL].edge_index.shape[-1],
        "R": gain.shape[1],
        "A": len(antenna.offset) if "offset" in antenna and antenna.offset.dim() else antenna.num_nodes or 0,
    }
    if "h" in data[CHANNEL] and data[CHANNEL].h.dim() == 3:
        sizes["Amax"] = data[CHANNEL].h.shape[1]
    for key, what in (("N", "bs: got no station"), ("U", "ue: got no user"), ("R", "gain: got no resource block")):
        if sizes[key] == 0:
            raise ValueError(f"{what}, expected at least one")
    return sizes


def _check_field(field: Field, value: Tensor, sizes: dict[str, int], real: torch.dtype) -> None:
    allowed = {
        "real": (real,),
        "bool": (torch.bool,),
        "long": (torch.long,),
        "complex": (torch.complex64, torch.complex128),
    }[field.kind]
    if field.name == "pos":
        allowed = (torch.float32, torch.float64)
    if value.dtype not in allowed:
        raise ValueError(f"{field.where}: got dtype {value.dtype}, expected {' or '.join(map(str, allowed))}")
    graph_level = field.store is None
    fits = value.dim() == len(field.shape)
    for got, symbol in zip(value.shape, field.shape, strict=False):
        known = sizes.get(symbol, int(symbol) if symbol.isdigit() and not graph_level else None)
        fits = fits and (known is None or got == known)
    if not fits:
        shape = ", ".join(f"{s}={sizes[s]}" if s in sizes else s for s in field.shape)
        raise ValueError(f"{field.where}: got shape {tuple(value.shape)}, expected [{shape}]")
    if field.dynamic:
        _check_values(field, value)
    elif not _VERIFIED.unchanged([value], {field.where: 0}):
        _check_values(field, value)
        _VERIFIED.remember([value], {field.where: 0})


def _check_values(field: Field, value: Tensor) -> None:
    """Finite numbers, and not negative where the schema says so."""
    if field.kind == "bool" or not value.numel() or (field.kind == "long" and not field.nonnegative):
        return
    low, high = (float(end) for end in (torch.view_as_real(value) if value.is_complex() else value).aminmax())
    if not (low > -math.inf and high < math.inf):  # NaN fails both
        kind = "NaN" if math.isnan(low) else "infinite"
        raise ValueError(f"{field.where}: got {kind} values, expected finite numbers")
    if field.nonnegative and low < 0:
        raise ValueError(f"{field.where}: got {low:g}, expected no negative values")
    if field.name == "noise_w" and low <= 0:
        raise ValueError("ue.noise_w: got zero, expected positive noise power")


def _check_indices(data: HeteroData, sizes: dict[str, int]) -> None:
    count = {"bs": sizes["N"], "ue": sizes["U"], "antenna": sizes["A"]}
    for edge_type in EDGE_TYPES:
        index = data[edge_type].edge_index
        name = "(" + ", ".join(edge_type) + ").edge_index"
        for row, node in ((index[0], edge_type[0]), (index[1], edge_type[2])):
            if row.numel() and (int(row.min()) < 0 or int(row.max()) >= count[node]):
                bad = int(row.max()) if int(row.max()) >= count[node] else int(row.min())
                last = count[node] - 1
                expected = f"0..{last}" if last >= 0 else f"no edges, for there is no {node}"
                raise ValueError(f"{name}: got {node} index {bad}, expected {expected}")


def _check_candidates(data: HeteroData, sizes: dict[str, int]) -> None:
    ue = data[CHANNEL].edge_index[1]
    if bool((ue[1:] < ue[:-1]).any()):
        raise ValueError("(bs, channel, ue).edge_index: got edges in another order, expected them sorted by user")
    degree = torch.bincount(ue, minlength=sizes["U"])
    if bool((degree == 0).any()):
        user = int((degree == 0).nonzero()[0])
        raise ValueError(
            f"(bs, channel, ue).edge_index: got no candidate station for user {user}, expected at least one"
        )
    first = degree.cumsum(0) - degree
    if not torch.equal(data[CHANNEL].slot, torch.arange(sizes["E"], device=ue.device) - first[ue]):
        raise ValueError("(bs, channel, ue).slot: got other values, expected 0, 1, ... along each user's edges")
    _check_distinct(data[CHANNEL].edge_index, sizes)


def _check_serving(data: HeteroData, sizes: dict[str, int]) -> None:
    if "serving_slot" not in data["ue"]:
        return
    slot, ue = data["ue"].serving_slot, data[CHANNEL].edge_index[1]
    users, edges = sizes["U"], sizes["E"]
    degree = edges // users if edges == int(data[CHANNEL].slot[-1] + 1) * users else torch.bincount(ue, minlength=users)
    if bool((slot < -1).any()) or bool((slot >= degree).any()):
        raise ValueError("ue.serving_slot: got a slot that the user does not have, expected -1 or one of its edges")


def _check_distinct(index: Tensor, sizes: dict[str, int]) -> None:
    pair = (index[1] * sizes["N"] + index[0]).sort().values
    twice = (pair[1:] == pair[:-1]).nonzero()
    if twice.numel():
        user, station = divmod(int(pair[int(twice[0])]), sizes["N"])
        raise ValueError(
            f"(bs, channel, ue).edge_index: got station {station} twice among the candidates of user {user}, "
            "expected each once"
        )


def _check_networks(data: HeteroData) -> None:
    if "batch" not in data["bs"]:
        return
    for edge_type in EDGE_TYPES:
        source, target = data[edge_type].edge_index
        if source.numel() and bool((data[edge_type[0]].batch[source] != data[edge_type[2]].batch[target]).any()):
            name = "(" + ", ".join(edge_type) + ").edge_index"
            raise ValueError(f"{name}: got an edge between two networks of the batch, expected none")
