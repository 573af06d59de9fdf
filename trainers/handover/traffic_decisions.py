"""What a policy decided on a network of moving users with traffic, over an episode."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import HandoverTrafficEnv
from hetgraph.envs.step import Step
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.radio.handover import HandoverAction
from hetgraph.trainers.judge.decision_columns import Means
from hetgraph.trainers.judge.offsets import OFFSET
from hetgraph.trainers.task import Decisions


def decisions(env: HandoverTrafficEnv, steps: Iterator[tuple[Any, Step]]) -> Decisions:
    """Cells of users after the last step; means of their rates, and of the cells' users, busy shares and offsets."""
    n, u, means = env.num_stations, env.view.cell.shape[1], Means()
    cell = env.view.cell[0, :, 0].clone()
    handovers = torch.zeros_like(cell)
    for _, step in steps:
        graph = step.info.get("final_obs", step.obs)
        bs, ue = graph["bs"], graph["ue"]
        now = graph[CHANNEL].edge_index[0].view(env.num_envs, u, -1)[0, :, 0].clone()  # the own cell comes first
        handovers += now != cell
        cell = now
        means.add(rate=ue.rate_bps[:u], users=bs.users[:n], load=bs.activity[:n], offset=bs.offset_db[:n])
    users = {"rate_bps": means["rate"], "handovers": handovers}
    return Decisions(cell, users, {"users": means["users"], "load": means["load"], OFFSET: means["offset"]})


class FixedOffsets:
    """The same offsets in every step, by which A3 hands over with the environment's margin and time to trigger.

    Args:
        offset_db: of each cell ``[K]``, dB.
    """

    name = "offsets"
    level: Level = "local"

    def __init__(self, offset_db: Tensor) -> None:
        self.offset_db = offset_db

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[HandoverAction, Any]:
        """The offsets."""
        offset_db = self.offset_db.to(obs["bs"].offset_db).view(1, -1).expand(int(obs.num_graphs), -1)
        return HandoverAction(offset_db=offset_db.clone()), state


def by_offsets(result: Decisions) -> FixedOffsets:
    """The mean offsets of decisions, kept."""
    return FixedOffsets(result.cells[OFFSET])
