"""What a policy decided on a network of moving users, over an episode."""

from collections.abc import Iterator
from typing import Any

import torch

from hetgraph.envs import HandoverEnv
from hetgraph.envs.step import Step
from hetgraph.graph.schema import CHANNEL
from hetgraph.trainers.judge.decision_columns import Means
from hetgraph.trainers.task import Decisions


def decisions(env: HandoverEnv, steps: Iterator[tuple[Any, Step]]) -> Decisions:
    """Cells and levels of users after the last step; means of their rates and utilities, and of the cells' users."""
    n, u, means = env.num_cells, env.num_users, Means()
    cell, level = env.users.cell[0].clone(), env.users.level[0]
    handovers = torch.zeros_like(cell)
    for _, step in steps:
        graph = step.info.get("final_obs", step.obs)
        bs, ue = graph["bs"], graph["ue"]
        now = graph[CHANNEL].edge_index[0].view(env.num_envs, u, -1)[0, :, 0].clone()  # the own cell comes first
        handovers += now != cell
        cell, level = now, ue.level[:u].clone()
        rate = ue.rate_bps[:u]
        means.add(
            rate=rate,
            utility=(rate / env.rate_unit_bps).log1p(),
            users=bs.users[:n],
            load=bs.users[:n] / bs.max_users[:n].clamp_min(1),
        )
    users = {"rate_bps": means["rate"], "utility": means["utility"], "level": level, "handovers": handovers}
    return Decisions(cell, users, {"users": means["users"], "load": means["load"]})
