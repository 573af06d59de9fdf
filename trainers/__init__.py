"""Installs as ``hetgraph.trainers``."""

if __name__ != "hetgraph.trainers":
    raise ImportError(
        f"got {__name__!r}, expected hetgraph.trainers: install the project and import it under that name"
    )

from hetgraph.trainers.checkpoint import (
    load_agents,
    load_association,
    load_handovers,
    load_model,
    load_policy,
    save_weights,
)
from hetgraph.trainers.distillation import DistillationModule
from hetgraph.trainers.double_dqn import ArrivalDataModule, DoubleDQN, double_dqn_target
from hetgraph.trainers.gae import gae
from hetgraph.trainers.handover_data import HandoverDataModule
from hetgraph.trainers.mappo import MAPPOModule, TrafficDataModule
from hetgraph.trainers.qmix import QMIX
from hetgraph.trainers.replay import ReplayBuffer

__all__ = [
    "QMIX",
    "ArrivalDataModule",
    "DistillationModule",
    "DoubleDQN",
    "HandoverDataModule",
    "MAPPOModule",
    "ReplayBuffer",
    "TrafficDataModule",
    "double_dqn_target",
    "gae",
    "load_agents",
    "load_association",
    "load_handovers",
    "load_model",
    "load_policy",
    "save_weights",
]
