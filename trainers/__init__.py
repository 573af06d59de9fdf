"""Installs as ``hetgraph.trainers``."""

if __name__ != "hetgraph.trainers":
    raise ImportError(
        f"got {__name__!r}, expected hetgraph.trainers: install the project and import it under that name"
    )

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported when they are asked for, so that the command line starts at once
    from hetgraph.trainers.arrivals.data import ArrivalDataModule
    from hetgraph.trainers.arrivals.double_dqn import DoubleDQN, double_dqn_target
    from hetgraph.trainers.common.best import BestCheckpoint
    from hetgraph.trainers.common.env_data import EnvDataModule
    from hetgraph.trainers.common.experience import Experience
    from hetgraph.trainers.common.gae import gae
    from hetgraph.trainers.common.off_policy import OffPolicyModule
    from hetgraph.trainers.common.on_policy import OnPolicyModule
    from hetgraph.trainers.common.replay import ReplayBuffer
    from hetgraph.trainers.handover.data import HandoverDataModule
    from hetgraph.trainers.handover.offset_data import OffsetDataModule
    from hetgraph.trainers.handover.offset_qmix import OffsetQMIXModule
    from hetgraph.trainers.handover.qmix import QMIX
    from hetgraph.trainers.iot.data import IoTDataModule
    from hetgraph.trainers.iot.decision_cost import DecisionCost, decision_cost
    from hetgraph.trainers.iot.maddqn import MADDQNDMADDPG
    from hetgraph.trainers.iot.mappo import TrunkMAPPOModule
    from hetgraph.trainers.iot.trunk import TrunkModule
    from hetgraph.trainers.iot.unrolled import UnrolledModule
    from hetgraph.trainers.judge.run import compare
    from hetgraph.trainers.queues.data import TrafficDataModule
    from hetgraph.trainers.queues.mappo import MAPPOModule
    from hetgraph.trainers.snapshot.spatial import SpatialModule
    from hetgraph.trainers.snapshot.supervised import SupervisedModule
    from hetgraph.trainers.task import Budget, Case, Column, Decisions, Task, Training, option
    from hetgraph.trainers.tasks import task_names, task_of

_PLACES = {
    "arrivals.data": ("ArrivalDataModule",),
    "arrivals.double_dqn": ("DoubleDQN", "double_dqn_target"),
    "common.best": ("BestCheckpoint",),
    "common.env_data": ("EnvDataModule",),
    "common.experience": ("Experience",),
    "common.gae": ("gae",),
    "common.off_policy": ("OffPolicyModule",),
    "common.on_policy": ("OnPolicyModule",),
    "common.replay": ("ReplayBuffer",),
    "handover.data": ("HandoverDataModule",),
    "handover.offset_data": ("OffsetDataModule",),
    "handover.offset_qmix": ("OffsetQMIXModule",),
    "handover.qmix": ("QMIX",),
    "iot.data": ("IoTDataModule",),
    "iot.decision_cost": ("DecisionCost", "decision_cost"),
    "iot.maddqn": ("MADDQNDMADDPG",),
    "iot.mappo": ("TrunkMAPPOModule",),
    "iot.trunk": ("TrunkModule",),
    "iot.unrolled": ("UnrolledModule",),
    "judge.run": ("compare",),
    "queues.data": ("TrafficDataModule",),
    "queues.mappo": ("MAPPOModule",),
    "snapshot.spatial": ("SpatialModule",),
    "snapshot.supervised": ("SupervisedModule",),
    "task": ("Budget", "Case", "Column", "Decisions", "Task", "Training", "option"),
    "tasks": ("task_names", "task_of"),
}
_MODULES = {name: f"hetgraph.trainers.{place}" for place, names in _PLACES.items() for name in names}

__all__ = [
    "MADDQNDMADDPG",
    "QMIX",
    "ArrivalDataModule",
    "BestCheckpoint",
    "Budget",
    "Case",
    "Column",
    "DecisionCost",
    "Decisions",
    "DoubleDQN",
    "EnvDataModule",
    "Experience",
    "HandoverDataModule",
    "IoTDataModule",
    "MAPPOModule",
    "OffPolicyModule",
    "OffsetDataModule",
    "OffsetQMIXModule",
    "OnPolicyModule",
    "ReplayBuffer",
    "SpatialModule",
    "SupervisedModule",
    "Task",
    "TrafficDataModule",
    "Training",
    "TrunkMAPPOModule",
    "TrunkModule",
    "UnrolledModule",
    "compare",
    "decision_cost",
    "double_dqn_target",
    "gae",
    "option",
    "task_names",
    "task_of",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'hetgraph.trainers' has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
