"""Installs as ``hetgraph.trainers``."""

if __name__ != "hetgraph.trainers":
    raise ImportError(
        f"got {__name__!r}, expected hetgraph.trainers: install the project and import it under that name"
    )

from hetgraph.trainers.checkpoint import load_agents, load_model, load_policy, save_weights
from hetgraph.trainers.distillation import DistillationModule
from hetgraph.trainers.gae import gae
from hetgraph.trainers.mappo import MAPPOModule, TrafficDataModule

__all__ = [
    "DistillationModule",
    "MAPPOModule",
    "TrafficDataModule",
    "gae",
    "load_agents",
    "load_model",
    "load_policy",
    "save_weights",
]
