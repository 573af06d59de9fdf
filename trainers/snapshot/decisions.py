"""What a policy decided on a single network, and a policy that keeps to it."""

from collections import deque
from collections.abc import Iterator
from typing import Any

from torch_geometric.data import HeteroData

from hetgraph.envs import SnapshotEnv
from hetgraph.envs.step import Step
from hetgraph.radio import Allocation
from hetgraph.radio.kpi import LEAST_BPS_PER_HZ
from hetgraph.radio.policy import OneShotPolicy
from hetgraph.solvers import biased_association
from hetgraph.solvers.offsets import Reports
from hetgraph.trainers.judge.decision_columns import share_in_use, users_of_cells
from hetgraph.trainers.judge.offsets import OFFSET
from hetgraph.trainers.task import Decisions


def decisions(env: SnapshotEnv, steps: Iterator[tuple[Any, Step]]) -> Decisions:
    """Powers, stations and rates as they were granted in the last slot."""
    deque(steps, maxlen=0)
    served = env.details()
    assert served is not None
    n, u, graph = env.num_stations, env.num_users, served.graph
    serving, power_w = served.allocation.serving[:u], served.allocation.power_w[:n]
    rate = served.rate_bps[:u]
    utility = rate.clamp_min(LEAST_BPS_PER_HZ * float(graph.rb_bandwidth_hz[0].sum())).log()
    cells = {"users": users_of_cells(serving, n), "load": share_in_use(power_w, graph["bs"].rb_power_max_w[:n])}
    reports = Reports.of_graph(graph, serving)
    return Decisions(serving, {"rate_bps": rate, "utility": utility}, cells, power_w, reports=reports)


def fixed(result: Decisions) -> OneShotPolicy:
    """The same stations and powers on every draw of one network."""
    power_w = result.power_w
    assert power_w is not None
    return OneShotPolicy("fixed", lambda graph: Allocation(result.serving, power_w.to(graph["bs"].rb_power_max_w)))


def by_offsets(result: Decisions) -> OneShotPolicy:
    """The same powers on every draw of one network, each user at its strongest station after the offsets."""
    power_w, offset_db = result.power_w, result.cells[OFFSET]
    assert power_w is not None

    def act(graph: HeteroData) -> Allocation:
        return Allocation(biased_association(graph, offset_db), power_w.to(graph["bs"].rb_power_max_w))

    return OneShotPolicy("offsets", act)
