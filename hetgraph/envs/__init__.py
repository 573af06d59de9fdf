"""Batched environments on graphs: queues, arrivals, schedulers."""

from hetgraph.envs.base import QueueEnv, Step
from hetgraph.envs.cellular import CellularEnv
from hetgraph.envs.conflict import ConflictEnv
from hetgraph.envs.face import to_gymnasium, to_pettingzoo
from hetgraph.envs.ledger import Delays
from hetgraph.envs.run import rollout
from hetgraph.envs.traffic import Traffic
from hetgraph.radio.cells import Cells, cells_of

__all__ = [
    "Cells",
    "CellularEnv",
    "ConflictEnv",
    "Delays",
    "QueueEnv",
    "Step",
    "Traffic",
    "cells_of",
    "rollout",
    "to_gymnasium",
    "to_pettingzoo",
]
