"""SINR, rates, allocations and indicators: the judge that every method shares."""

from hetgraph.kpi_table import INDICATORS, Kpi, indicator
from hetgraph.radio.allocation import Allocation, feasible, violations
from hetgraph.radio.cancellation import sic_feasible
from hetgraph.radio.interference import signal_and_interference
from hetgraph.radio.kpi import KPIs, evaluate, pf_gain
from hetgraph.radio.noma import noma_power_split, noma_rates
from hetgraph.radio.policy import (
    OneShotPolicy,
    Policy,
    association_names,
    handover_names,
    handover_policy,
    iot_names,
    iot_policy,
    one_shot,
    policy,
    policy_names,
    scheduler_names,
    traffic_names,
    traffic_policy,
)
from hetgraph.radio.rates import (
    Convention,
    edge_sinr,
    equal_airtime,
    noise_plus_far_w,
    rates_bps,
    shannon,
    sinr,
    spectral_efficiency,
)
from hetgraph.radio.schedule import Schedule, budgeted, clusters, contest

__all__ = [
    "INDICATORS",
    "Allocation",
    "Convention",
    "KPIs",
    "Kpi",
    "OneShotPolicy",
    "Policy",
    "Schedule",
    "association_names",
    "budgeted",
    "clusters",
    "contest",
    "edge_sinr",
    "equal_airtime",
    "evaluate",
    "feasible",
    "handover_names",
    "handover_policy",
    "indicator",
    "iot_names",
    "iot_policy",
    "noise_plus_far_w",
    "noma_power_split",
    "noma_rates",
    "one_shot",
    "pf_gain",
    "policy",
    "policy_names",
    "rates_bps",
    "scheduler_names",
    "shannon",
    "sic_feasible",
    "signal_and_interference",
    "sinr",
    "spectral_efficiency",
    "traffic_names",
    "traffic_policy",
    "violations",
]
