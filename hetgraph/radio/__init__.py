"""SINR, rates, allocations and indicators: the judge that every method shares."""

from hetgraph.radio.allocation import Allocation, feasible, violations
from hetgraph.radio.kpi import KPIs, evaluate
from hetgraph.radio.policy import (
    OneShotPolicy,
    Policy,
    association_names,
    handover_names,
    handover_policy,
    one_shot,
    policy,
    policy_names,
    scheduler_names,
)
from hetgraph.radio.rates import Convention, edge_sinr, equal_airtime, noise_plus_far_w, rates_bps, sinr

__all__ = [
    "Allocation",
    "Convention",
    "KPIs",
    "OneShotPolicy",
    "Policy",
    "association_names",
    "edge_sinr",
    "equal_airtime",
    "evaluate",
    "feasible",
    "handover_names",
    "handover_policy",
    "noise_plus_far_w",
    "one_shot",
    "policy",
    "policy_names",
    "rates_bps",
    "scheduler_names",
    "sinr",
    "violations",
]
