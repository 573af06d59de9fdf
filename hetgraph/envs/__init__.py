"""Batched environments on graphs: queues, arrivals, schedulers."""

import hetgraph.envs.rollout  # noqa: F401 before the function of this name below, which else the module would replace
from hetgraph.envs.adapters import to_gymnasium, to_pettingzoo
from hetgraph.envs.adapters.registration import register
from hetgraph.envs.arrivals.city import CityArrivals
from hetgraph.envs.arrivals.env import ArrivalEnv
from hetgraph.envs.arrivals.layouts import LayoutArrivals
from hetgraph.envs.arrivals.lookahead import RolloutLookahead, clairvoyant
from hetgraph.envs.arrivals.optimum import Optimum, optimum
from hetgraph.envs.arrivals.service import Service
from hetgraph.envs.arrivals.sources import DiscreteArrivals
from hetgraph.envs.handover.env import HandoverEnv
from hetgraph.envs.handover.reward import HandoverWeights
from hetgraph.envs.handover.traffic_env import HandoverTrafficEnv
from hetgraph.envs.handover.traffic_physics import Physics, TrafficWeights
from hetgraph.envs.iot.env import IoTEnv
from hetgraph.envs.iot.reward import IoTWeights
from hetgraph.envs.queues.base import QueueEnv
from hetgraph.envs.queues.cellular import CellularEnv
from hetgraph.envs.queues.conflict import ConflictEnv
from hetgraph.envs.queues.delays import Delays
from hetgraph.envs.queues.traffic import Traffic
from hetgraph.envs.rollout import Trial, rollout
from hetgraph.envs.snapshot.env import SnapshotEnv
from hetgraph.envs.step import Step
from hetgraph.radio.cells import Cells, cells_of
from hetgraph.radio.handover import HandoverAction

__all__ = [
    "ArrivalEnv",
    "Cells",
    "CellularEnv",
    "CityArrivals",
    "ConflictEnv",
    "Delays",
    "DiscreteArrivals",
    "HandoverAction",
    "HandoverEnv",
    "HandoverTrafficEnv",
    "HandoverWeights",
    "IoTEnv",
    "IoTWeights",
    "LayoutArrivals",
    "Optimum",
    "Physics",
    "QueueEnv",
    "RolloutLookahead",
    "Service",
    "SnapshotEnv",
    "Step",
    "Traffic",
    "TrafficWeights",
    "Trial",
    "cells_of",
    "clairvoyant",
    "optimum",
    "rollout",
    "to_gymnasium",
    "to_pettingzoo",
]

register()
