"""What a policy decided on a network of moving users, over an episode."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor

from hetgraph.envs import HandoverEnv
from hetgraph.envs.handover.rules import Mover, best
from hetgraph.envs.handover.rules import Reports as Places
from hetgraph.envs.step import Step
from hetgraph.graph.schema import CHANNEL
from hetgraph.solvers.offsets import Reports
from hetgraph.trainers.judge.decision_columns import Means
from hetgraph.trainers.judge.offsets import OFFSET
from hetgraph.trainers.task import Decisions


def decisions(env: HandoverEnv, steps: Iterator[tuple[Any, Step]]) -> Decisions:
    """Cells and levels of users after the last step; means of their rates and utilities, and of the cells' users."""
    n, u, means, reports = env.num_cells, env.num_users, Means(), list[Reports]()
    cell, level = env.users.cell[0].clone(), env.users.level[0]
    handovers = torch.zeros_like(cell)
    for _, step in steps:
        graph = step.info.get("final_obs", step.obs)
        bs, ue, edges = graph["bs"], graph["ue"], graph[CHANNEL]
        near = edges.edge_index[0].view(env.num_envs, u, -1)[0]
        now = near[:, 0].clone()  # the own cell comes first
        received_w = edges.gain.view(env.num_envs, u, -1)[0] * bs.power_max_w[near]
        reports.append(Reports.of(near, 10 * received_w.log10(), now))
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
    cells = {"users": means["users"], "load": means["load"]}
    return Decisions(cell, users, cells, reports=Reports.join(reports))


class OffsetCell(Mover):
    """The strongest cell after individual offsets, as far as the environment's rule lets users go there.

    Args:
        offset_db: of each cell ``[K]``, dB.
    """

    name = "offsets"

    def __init__(self, offset_db: Tensor) -> None:
        super().__init__()
        self.offset_db = offset_db

    def choose(self, reports: Places, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the largest received power, offset included."""
        return best(reports, reports.gap_db + self.offset_db.to(reports.gap_db)[reports.choice.cell]), state


def by_offsets(result: Decisions) -> OffsetCell:
    """Users at their strongest cell after the offsets of decisions."""
    return OffsetCell(result.cells[OFFSET])
