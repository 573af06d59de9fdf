"""Environments of users who move: drawn at the density of a preset, given, or of drive tests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias

from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverEnv
from hetgraph.graph.presets import roaming
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.trajectories import Trajectories

Part = Literal["train", "val", "test"]
Source: TypeAlias = str | Scenario | HeteroData | Mapping[str, Trajectories]
NEIGHBOURS = 3  # cells to which a user may go


def environment(
    source: Source,
    networks: int,
    num_envs: int | None = None,
    *,
    split: Part,
    size: tuple[int, int],
    generation: Literal["4G", "5G"] | None,
    seed: int,
    steps: int,
    **options: Any,
) -> HandoverEnv:
    """Environment of a split.

    Args:
        source: preset, folder of drive tests, a scenario, contract graphs, or trajectories of each split.
        networks: how many there are.
        num_envs: how many are played at once; ``None`` for all.
        split: which of the drive tests' files or of the trajectories.
        size: cells and users of networks that are drawn.
        generation: of drive tests, where there are both.
        seed: of networks and walks.
        steps: of an episode.
        options: of :class:`~hetgraph.envs.HandoverEnv`.

    Raises:
        ValueError: neither a preset nor a folder of drive tests.
    """
    scenario = _scenario(source, split, networks, size, generation, steps, seed)
    if isinstance(scenario, Trajectories):
        networks = scenario.networks
    return HandoverEnv(scenario, num_envs or networks, networks=networks, seed=seed, steps=steps, **options)


def _scenario(
    source: Source,
    split: Part,
    networks: int,
    size: tuple[int, int],
    generation: Literal["4G", "5G"] | None,
    steps: int,
    seed: int,
) -> Scenario | HeteroData | Trajectories:
    """What a split's networks are drawn from, or their trajectories."""
    if isinstance(source, Scenario | HeteroData):
        return source
    if not isinstance(source, str):
        return source[split]
    cells, users = size
    if not Path(source).exists():
        try:
            return roaming(cells, users, source)
        except ValueError as error:
            hint = ", or a folder of drive tests" if str(error).startswith("preset") else ""
            raise ValueError(f"{error}{hint}") from error
    from hetgraph.datasets.lte_dataset import LTETraceDataset  # with the regression of maps, which others do without

    traces: dict[str, Any] = {"generation": generation, "cells": cells, "users": users}
    drives = LTETraceDataset(source, split="train", **traces)
    if drives.files.get(split) and split != "train":
        drives = LTETraceDataset(source, split=split, **traces)
    return drives.trajectories(networks, steps + 1, seed=seed)
