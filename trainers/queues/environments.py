"""Environments of packet queues, on conflict graphs or in cells, by what their networks are."""

from typing import Any, TypeAlias

from torch_geometric.data import HeteroData

from hetgraph.envs import CellularEnv, ConflictEnv, QueueEnv
from hetgraph.graph import CONFLICTS, Scenario

Source: TypeAlias = Scenario | HeteroData


def has_conflicts(source: Source) -> bool:
    """Whether networks are conflict graphs: users disturb each other by edges, not by gains."""
    if isinstance(source, Scenario):
        return bool(source.users.conflicts)
    return CONFLICTS in source.edge_types and source[CONFLICTS].edge_index.shape[1] > 0


def environment(source: Source, num_envs: int | None = None, **options: Any) -> QueueEnv:
    """Environment of a scenario or of contract graphs: of a conflict graph, or of cells.

    Args:
        source: see :func:`has_conflicts`.
        num_envs: networks.
        options: of :class:`~hetgraph.envs.ConflictEnv` or :class:`~hetgraph.envs.CellularEnv`.
    """
    kind = ConflictEnv if has_conflicts(source) else CellularEnv
    return kind(source, num_envs, **options)
