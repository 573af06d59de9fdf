"""Policies that hand users over, on the same networks and walks."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress

from hetgraph.envs import HandoverEnv
from hetgraph.envs.rollout import rollout
from hetgraph.radio.handover import HandoverAction
from hetgraph.radio.policy import Policy
from hetgraph.trainers.judge.trial import NetworkTrial

KPIS = ("anu", "asc", "jain", "load_imbalance", "handover_rate", "ping_pong_rate")


def judge_handovers(
    env: HandoverEnv,
    policies: Mapping[str, Sequence[Policy[HandoverAction]]],
    *,
    title: str = "handovers",
    seed: int = 2_000_000,
    progress: Progress | None = None,
) -> NetworkTrial:
    """Run every policy for an episode of all networks.

    Args:
        env: networks, with an episode for each.
        policies: policy -> its training seeds.
        title: what the networks are.
        seed: of the episodes.
        progress: a bar to show.
    """
    task = progress.add_task(title, total=sum(map(len, policies.values()))) if progress else None
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, members in policies.items():
        rows = []
        for member in members:
            with torch.no_grad():
                rows.append(rollout(env, {name: member}, seed=seed).values[name])
            if progress and task is not None:
                progress.advance(task)
        found[name] = {key: np.concatenate([row[key].numpy() for row in rows]) for key in KPIS}
    return NetworkTrial(title, KPIS, found, seed)
