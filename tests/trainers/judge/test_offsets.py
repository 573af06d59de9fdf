"""Policies that follow offsets: without any they are the strongest-cell rules, and large ones move users."""

import pytest
import torch

from hetgraph.envs import ArrivalEnv, HandoverEnv
from hetgraph.envs.arrivals.rules import Strongest
from hetgraph.envs.base import GraphEnv
from hetgraph.envs.handover.rules import StrongestCell
from hetgraph.trainers.arrivals.decisions import OffsetStation
from hetgraph.trainers.handover.decisions import OffsetCell
from hetgraph.trainers.judge.decisions import play_episode
from hetgraph.trainers.judge.offsets import OFFSET, with_offsets
from hetgraph.trainers.task import Decisions
from hetgraph.trainers.tasks import task_of


def served(task: str, env: GraphEnv, policy: object) -> Decisions:
    return play_episode(task_of(task), env, "mine", policy, 3).decisions


@pytest.mark.parametrize("task", ["handover", "arrivals"])
def test_no_offsets_are_the_strongest_cell_and_large_ones_keep_users_out_of_a_cell(task: str) -> None:
    if task == "handover":
        env: GraphEnv = HandoverEnv("hetnet-3tier", 1, steps=12, seed=3)
        rule, follow = StrongestCell(), OffsetCell
    else:
        env, rule, follow = ArrivalEnv("hetnet-3tier", 1, probability=1.0, seed=3), Strongest(), OffsetStation
    cells = env.num_stations
    plain, zero = served(task, env, rule), served(task, env, follow(torch.zeros(cells)))
    assert torch.equal(plain.serving, zero.serving)
    most = int(plain.cells["users"].argmax())
    offset_db = torch.zeros(cells)
    offset_db[most] = -24.0
    moved = served(task, env, follow(offset_db))
    assert moved.cells["users"][most] < plain.cells["users"][most]
    found = with_offsets(plain)
    assert found.offset_agreement is not None and found.offset_agreement > 0.9  # a margin, and full cells, aside
    assert len(found.cells[OFFSET]) == cells
