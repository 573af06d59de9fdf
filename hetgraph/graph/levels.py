"""What a level knows of a graph: for the whole network, and for each station that decides alone (contracts, level).

A station serves users, and these report all edges that they hear to it. A user without a station, one that arrives, reports to
every station that it hears. ``local`` is a station, its users and what they report; ``neighbourhood`` adds the stations that it
hears of over ``(bs, neighbours, bs)`` with their users, and the edges among all these; ``global`` and ``genie`` have everything.
The number and order of edges are the same at every level; unknown values are zero.
"""

from typing import Any, get_args

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, SCHEMA, Field, Level
from hetgraph.graph.tracing import contained

LEVELS: tuple[Level, ...] = get_args(Level)
STRUCTURE = ("edge_index", "slot", "may_serve", "known", "own", "batch", "ptr")  # the same at every level
Mask = dict[str | tuple[str, str, str], Tensor]


def check_level(level: str) -> None:
    """Refuse a level that does not exist.

    Raises:
        ValueError: an unknown level.
    """
    if level not in LEVELS:
        raise ValueError(f"level: got {level!r}, expected one of {', '.join(LEVELS)}")


def sees_everything(level: Level) -> bool:
    """Whether every station knows the whole network."""
    return level in ("global", "genie")


def own_edges(graph: HeteroData) -> Tensor:
    """Edges to serving stations ``[E]``, from ``ue.serving_slot``; none without it."""
    edges = graph[CHANNEL]
    if "serving_slot" not in graph["ue"]:
        return torch.zeros_like(edges.slot, dtype=torch.bool)
    own: Tensor = edges.slot == graph["ue"].serving_slot[edges.edge_index[1]]
    return own


def known_edges(graph: HeteroData, level: Level) -> Tensor:
    """Edges that some station knows ``[E]``: all, but below ``global`` no user reports that is not there.

    Raises:
        ValueError: an unknown level.
    """
    check_level(level)
    edges = graph[CHANNEL]
    if sees_everything(level) or "active" not in graph["ue"]:
        return torch.ones_like(edges.slot, dtype=torch.bool)
    known: Tensor = graph["ue"].active[edges.edge_index[1]]
    return known


def known_stations(graph: HeteroData, level: Level) -> Tensor:
    """Edges whose station's state is known to the user's own station ``[E]``; a user without one hears it from all.

    Raises:
        ValueError: an unknown level.
    """
    known, own = known_edges(graph, level), own_edges(graph)
    if sees_everything(level):
        return known
    serving, stations = _serving(graph, own), graph["bs"].power_max_w.shape[0]
    bs, ue = graph[CHANNEL].edge_index
    near = own | (serving[ue] < 0)
    if level == "neighbourhood":
        source, target = graph[NEIGHBOURS].edge_index
        pair = bs * stations + serving[ue].clamp_min(0)
        near = near | contained(pair, source * stations + target, stations * stations)
    return near & known


def hide(graph: HeteroData, level: Level) -> HeteroData:
    """A copy that has ``known``, ``own``, and zeros where a level does not know; other tensors are shared.

    Below ``global``, attributes of edges are zero where ``known`` is not set, those of an edge's station (level
    ``neighbourhood`` in the schema) also where that station is too far away, and those of the whole network are zero.

    Raises:
        ValueError: an unknown level.
    """
    known, own = known_edges(graph, level), own_edges(graph)
    out = _shallow(graph)
    out[CHANNEL].known, out[CHANNEL].own = known, own
    if sees_everything(level):
        return out
    known_bs = known_stations(graph, level)
    fields = {(field.store, field.name): field for field in SCHEMA}
    for name, value in list(graph[CHANNEL].items()):
        if name not in STRUCTURE and isinstance(value, Tensor):
            field = fields.get((CHANNEL, name))
            keep = known_bs if field is not None and field.level == "neighbourhood" else known
            out[CHANNEL][name] = value * keep.reshape(-1, *([1] * (value.dim() - 1)))
    for field in SCHEMA:
        if field.store is None and field.name in graph._global_store and _above(field, level):
            out[field.name] = torch.zeros_like(graph[field.name])
    return out


def view(graph: HeteroData, level: Level, station: int) -> Mask:
    """What a station knows: a mask of each store.

    Args:
        graph: a graph or a batch; no station sees another network.
        level: of its policy.
        station: counted through the batch.

    Raises:
        ValueError: an unknown level or a station that is not there.
    """
    check_level(level)
    stations = len(graph["bs"].power_max_w)
    if not 0 <= station < stations:
        raise ValueError(f"station: got {station}, expected 0..{stations - 1}")
    bs, ue = graph[CHANNEL].edge_index
    if sees_everything(level):
        near, users = _same_network(graph, "bs", station), _same_network(graph, "ue", station)
        edges = near[bs]
    else:
        near = torch.zeros(stations, dtype=torch.bool, device=bs.device)
        near[station] = True
        mine = _users_of(graph, near)
        edges, users = mine[ue], mine
        if level == "neighbourhood":
            source, target = graph[NEIGHBOURS].edge_index
            near[source[target == station]] = True
            users = _users_of(graph, near)
            edges = edges | (near[bs] & users[ue])
    source, target = graph[NEIGHBOURS].edge_index
    antenna, owner = graph[MOUNTED_ON].edge_index
    one, other = graph[CONFLICTS].edge_index
    mounted = torch.zeros(_antennas(graph), dtype=torch.bool, device=bs.device)
    mounted[antenna[near[owner]]] = True
    pairs = near[source] & near[target]
    return {
        "bs": near,
        "ue": users,
        "antenna": mounted,
        CHANNEL: edges,
        MOUNTED_ON: near[owner],
        NEIGHBOURS: pairs,
        CONFLICTS: users[one] & users[other],
    }


def canary(graph: HeteroData, level: Level, station: int, generator: Generator | None = None) -> HeteroData:
    """A copy in which all that a station may not know has other values: its decision must not change by a bit.

    Real attributes that are dynamic, restricted to a level or unknown to the schema become random positive numbers outside
    ``view(graph, level, station)``; those of networks where their level is above, or where the network is another one.

    Raises:
        ValueError: an unknown level or a station that is not there.
    """
    masks, out = view(graph, level, station), _shallow(graph)
    fields = {(field.store, field.name): field for field in SCHEMA}
    for store, mask in masks.items():
        for name, value in list(graph[store].items()):
            field = fields.get((store, name))
            if _secret(value) and (field is None or field.dynamic or field.level != "local"):
                out[store][name] = _noisy(value, mask, generator)
    rows = torch.arange(int(getattr(graph, "num_graphs", 1)), device=masks["bs"].device)
    here = rows == (graph["bs"].batch[station] if "batch" in graph["bs"] else 0)
    for name, value in list(graph._global_store.items()):
        field = fields.get((None, name))
        if _secret(value) and field is not None and (field.dynamic or field.level != "local"):
            out[name] = _noisy(value, torch.zeros_like(here) if _above(field, level) else here, generator)
    return out


def _above(field: Field, level: Level) -> bool:
    """Whether an attribute is of a wider level; the gain, which all levels have of their own slot, is not."""
    return field.level != "genie" and LEVELS.index(field.level) > LEVELS.index(level)


def _secret(value: Any) -> bool:
    return isinstance(value, Tensor) and (value.is_floating_point() or value.is_complex())


def _noisy(value: Tensor, mask: Tensor, generator: Generator | None) -> Tensor:
    """Random positive values of the attribute's own size outside the mask."""
    size = value.abs().mean() if value.numel() else value.abs().sum()
    size = torch.where(size > 0, size, torch.ones_like(size))
    noise = 0.1 + torch.rand(value.shape, generator=generator, dtype=size.dtype).to(value.device)
    return torch.where(mask.reshape(-1, *([1] * (value.dim() - 1))), value, (noise * size).to(value.dtype))


def _shallow(graph: HeteroData) -> HeteroData:
    """A graph of its own with the same tensors."""
    out: HeteroData = graph.__copy__()
    return out


def _serving(graph: HeteroData, own: Tensor) -> Tensor:
    """Station of each user ``[U]``, -1 without one."""
    bs, ue = graph[CHANNEL].edge_index
    serving = torch.full((graph["ue"].noise_w.shape[0],), -1, device=bs.device)
    return serving.scatter(0, ue[own], bs[own])


def _users_of(graph: HeteroData, near: Tensor) -> Tensor:
    """Users that some stations serve, or that ask them without having one ``[U]``; they must be there."""
    bs, ue = graph[CHANNEL].edge_index
    serving = _serving(graph, own_edges(graph))
    asks = torch.zeros_like(serving, dtype=torch.bool)
    asks[ue[near[bs]]] = True
    users: Tensor = torch.where(serving >= 0, near[serving.clamp_min(0)], asks)
    return users & graph["ue"].active if "active" in graph["ue"] else users


def _same_network(graph: HeteroData, store: str, station: int) -> Tensor:
    count = len(graph["bs"].power_max_w if store == "bs" else graph["ue"].noise_w)
    if "batch" not in graph["bs"]:
        return torch.ones(count, dtype=torch.bool, device=graph[CHANNEL].slot.device)
    same: Tensor = graph[store].batch == graph["bs"].batch[station]
    return same


def _antennas(graph: HeteroData) -> int:
    antenna = graph["antenna"]
    return len(antenna.offset) if "offset" in antenna else int(antenna.num_nodes or 0)
