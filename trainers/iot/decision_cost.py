"""What a decision costs in IoT networks: operations, time, and what has to be exchanged (MADDQN-DMADDPG paper, Tables 3 and 4)."""

import time
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode
from torch_geometric.data import HeteroData

from hetgraph.models.iot.encoder import STATION_COLUMNS
from hetgraph.radio.policy import Policy
from hetgraph.radio.schedule import Schedule
from hetgraph.radio.spectrum import spectrum_of

WORD = 4  # bytes of a number


@dataclass(frozen=True)
class DecisionCost:
    """Of one network and slot, all stations together.

    Args:
        flops: floating-point operations of matrix products, two for a multiplication with its addition; others are not counted.
        ms: time on this machine, mean, networks of the batch decided together; ms.
        exchanged_kb: see :func:`exchanged_kb`; kB of 1000 bytes.
    """

    flops: float
    ms: float
    exchanged_kb: float


def decision_cost(policy: Policy[Schedule], obs: HeteroData, repeats: int = 5) -> DecisionCost:
    """Cost of a policy's decision on an observation at the level that it declares.

    Args:
        policy: who decides.
        obs: of IoTEnv; the cost is that of one of its networks.
        repeats: decisions that are timed, after one that is not.
    """
    networks, state = obs.slot_s.shape[0], policy.initial_state(obs)
    with FlopCounterMode(display=False) as counter:
        policy.act(obs, state, torch.Generator().manual_seed(0))
    start = time.perf_counter()
    for _ in range(repeats):
        policy.act(obs, state, torch.Generator().manual_seed(0))
    took = (time.perf_counter() - start) / repeats
    return DecisionCost(counter.get_total_flops() / networks, 1000 * took / networks, exchanged_kb(policy, obs))


def exchanged_kb(policy: Policy[Schedule], obs: HeteroData) -> float:
    """What stations need from others for a decision of one network, kB.

    What users report over the air is not counted: every method needs it. Rules of level ``local`` exchange nothing. Stations that
    decide for themselves (agents of scope ``agents``) tell all others the columns of their own state, with which each can encode
    what all users report; where they contest users, unless users take the station of a rule, they exchange one number for each
    station and active user; and, where users report, each tells all others, for every user and subchannel on which it was
    served, what it received of others and what it announces as the price of interference. Any other policy is
    decided in one place: each station sends what its users reported (gains of all channel edges, interference on every
    subchannel, queue, time left and mean rate), and gets its users, clusters and powers.
    """
    view = spectrum_of(obs)
    b, n, _, s = view.shape
    users = float(view.active.sum()) / b
    agents = getattr(policy, "scope", "central") == "agents"
    if policy.level == "local" and not agents:
        return 0.0
    if agents:
        columns = n * (n - 1) * len(STATION_COLUMNS)
        contested = n * users if getattr(policy, "discrete", "learned") == "learned" else 0.0
        served = float((obs["ue"].power_w > 0).sum()) / b
        announced = 2 * (n - 1) * served if getattr(policy, "reports", True) else 0.0
        return WORD * (columns + contested + announced) / 1000
    up = n * users * s + users * (s + 3)
    down = users + 2 * n * s * view.layers
    return WORD * (up + down) / 1000
