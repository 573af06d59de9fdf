"""Installs as ``hetgraph.trainers``."""

if __name__ != "hetgraph.trainers":
    raise ImportError(
        f"got {__name__!r}, expected hetgraph.trainers: install the project and import it under that name"
    )

from hetgraph.trainers.arrivals.double_dqn import ArrivalDataModule, DoubleDQN, double_dqn_target
from hetgraph.trainers.common.best import BestCheckpoint
from hetgraph.trainers.common.checkpoint import (
    load_agents,
    load_association,
    load_handovers,
    load_hybrid,
    load_model,
    load_policy,
    save_weights,
)
from hetgraph.trainers.common.gae import gae
from hetgraph.trainers.common.replay import ReplayBuffer
from hetgraph.trainers.handover.data import HandoverDataModule
from hetgraph.trainers.handover.qmix import QMIX
from hetgraph.trainers.iot.data import IoTDataModule
from hetgraph.trainers.iot.decision_cost import DecisionCost, decision_cost
from hetgraph.trainers.iot.maddqn import MADDQNDMADDPG
from hetgraph.trainers.iot.mappo import IoTMAPPO
from hetgraph.trainers.queues.mappo import MAPPOModule, TrafficDataModule
from hetgraph.trainers.snapshot.distillation import DistillationModule

__all__ = [
    "MADDQNDMADDPG",
    "QMIX",
    "ArrivalDataModule",
    "BestCheckpoint",
    "DecisionCost",
    "DistillationModule",
    "DoubleDQN",
    "HandoverDataModule",
    "IoTDataModule",
    "IoTMAPPO",
    "MAPPOModule",
    "ReplayBuffer",
    "TrafficDataModule",
    "decision_cost",
    "double_dqn_target",
    "gae",
    "load_agents",
    "load_association",
    "load_handovers",
    "load_hybrid",
    "load_model",
    "load_policy",
    "save_weights",
]
