"""Installs as ``hetgraph.trainers``."""

if __name__ != "hetgraph.trainers":
    raise ImportError(
        f"got {__name__!r}, expected hetgraph.trainers: install the project and import it under that name"
    )

from hetgraph.trainers.best import BestCheckpoint
from hetgraph.trainers.checkpoint import (
    load_agents,
    load_association,
    load_handovers,
    load_hybrid,
    load_model,
    load_policy,
    save_weights,
)
from hetgraph.trainers.decision_cost import DecisionCost, decision_cost
from hetgraph.trainers.distillation import DistillationModule
from hetgraph.trainers.double_dqn import ArrivalDataModule, DoubleDQN, double_dqn_target
from hetgraph.trainers.gae import gae
from hetgraph.trainers.handover_data import HandoverDataModule
from hetgraph.trainers.iot_data import IoTDataModule
from hetgraph.trainers.iot_mappo import IoTMAPPO
from hetgraph.trainers.maddqn import MADDQNDMADDPG
from hetgraph.trainers.mappo import MAPPOModule, TrafficDataModule
from hetgraph.trainers.qmix import QMIX
from hetgraph.trainers.replay import ReplayBuffer

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
