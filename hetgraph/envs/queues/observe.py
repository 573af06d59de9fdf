"""What stations with queues know of their networks, at every level.

A user reports the link to its own station and the interference that it measures, nothing else. At ``local`` the known edges are
therefore the own ones. At ``neighbourhood`` a station and those that it hears tell each other's users apart: they know all edges
among the stations of a closed neighbourhood and their users. The graph is the union over stations; a station's own view of it is
:func:`hetgraph.graph.levels.view`.
"""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetgraph.envs.queues.layout import put
from hetgraph.graph.levels import STRUCTURE, sees_everything
from hetgraph.graph.schema import CHANNEL, CONFLICTS, NEIGHBOURS, Level
from hetgraph.radio.cells import Cells


def known_edges(layout: Batch, cells: Cells, level: Level) -> Tensor:
    """Edges that some station knows ``[E]``."""
    edges = layout[CHANNEL]
    if sees_everything(level):
        return torch.ones_like(edges.own)
    if level == "local":
        own: Tensor = edges.own.clone()
        return own
    _, n, u, _ = cells.shape
    hears = (cells.neighbours | torch.eye(n, dtype=torch.bool, device=edges.own.device)).float()
    together = torch.bmm(hears.transpose(1, 2), hears) > 0  # [B, N, N]: some station hears both
    bs, ue = edges.edge_index
    network = ue // u
    return together[network, bs % n, cells.station[network, ue % u]]


def level_graph(layout: Batch, cells: Cells, level: Level) -> Batch:
    """The layout as a level knows it; its tensors are the layout's where the level knows all of them.

    Edges between stations and between users are nobody's to know at ``local``.
    """
    graph = _shallow(layout)
    known = known_edges(layout, cells, level)
    put(graph, CHANNEL, "known", known)
    if sees_everything(level):
        return graph
    edges = graph[CHANNEL]
    for name, value in list(edges.items()):
        if name not in STRUCTURE and isinstance(value, Tensor):
            edges[name] = value * known.reshape(-1, *([1] * (value.dim() - 1)))
    if level == "local":
        none = torch.zeros(int(layout.num_graphs) + 1, dtype=torch.long)
        for pairs in (NEIGHBOURS, CONFLICTS):
            graph[pairs].edge_index = layout[pairs].edge_index[:, :0]
            graph._slice_dict[pairs] = {"edge_index": none}
    return graph


def with_users(graph: Batch, values: Mapping[str, Tensor]) -> Batch:
    """The graph itself, with attributes of users ``[U, *]``."""
    for name, value in values.items():
        put(graph, "ue", name, value)
    return graph


def _shallow(layout: Batch) -> Batch:
    """A batch of its own with the same tensors."""
    graph: Any = copy.copy(layout)
    for name in ("_slice_dict", "_inc_dict"):
        nested = getattr(graph, name)
        setattr(graph, name, {key: dict(value) if isinstance(value, dict) else value for key, value in nested.items()})
    result: Batch = graph
    return result
