"""Batched environments on graphs: queues, arrivals, schedulers."""

from hetgraph.envs.arrivals import DiscreteArrivals
from hetgraph.envs.association import ArrivalEnv
from hetgraph.envs.base import QueueEnv, Step
from hetgraph.envs.cellular import CellularEnv
from hetgraph.envs.city import CityArrivals
from hetgraph.envs.conflict import ConflictEnv
from hetgraph.envs.dynamic_programming import Optimum, optimum
from hetgraph.envs.episodes import run_episodes
from hetgraph.envs.face import to_gymnasium, to_pettingzoo
from hetgraph.envs.handover import HandoverEnv
from hetgraph.envs.handover_episodes import run_handovers
from hetgraph.envs.handover_reward import HandoverWeights
from hetgraph.envs.iot import IoTEnv
from hetgraph.envs.iot_reward import IoTWeights
from hetgraph.envs.iot_run import run_iot
from hetgraph.envs.ledger import Delays
from hetgraph.envs.lookahead import RolloutLookahead, clairvoyant
from hetgraph.envs.run import rollout
from hetgraph.envs.service import Service
from hetgraph.envs.traffic import Traffic
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
    "HandoverWeights",
    "IoTEnv",
    "IoTWeights",
    "Optimum",
    "QueueEnv",
    "RolloutLookahead",
    "Service",
    "Step",
    "Traffic",
    "cells_of",
    "clairvoyant",
    "optimum",
    "rollout",
    "run_episodes",
    "run_handovers",
    "run_iot",
    "to_gymnasium",
    "to_pettingzoo",
]
