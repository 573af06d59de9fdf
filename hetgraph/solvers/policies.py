"""The classical methods as policies ``graph -> Allocation``, found by name through the entry points."""

from torch_geometric.data import HeteroData

from hetgraph.radio.allocation import Allocation
from hetgraph.solvers import ascent as _ascent
from hetgraph.solvers import fair
from hetgraph.solvers.association import (
    allocate,
    biased_association,
    dual_price_association,
    equal_power,
    max_rsrp_association,
)
from hetgraph.solvers.fp import fractional_programming
from hetgraph.solvers.queued import fp_update, queue_weighted, wmmse_update
from hetgraph.solvers.reference import utility_reference
from hetgraph.solvers.wmmse import wmmse as _wmmse


def max_rsrp(graph: HeteroData) -> Allocation:
    """Strongest station, equal power."""
    return allocate(graph, max_rsrp_association(graph))


def cre(graph: HeteroData) -> Allocation:
    """Cell range expansion by 6 dB for all stations below the largest budget, equal power."""
    return allocate(graph, biased_association(graph, 6.0))


def pf(graph: HeteroData) -> Allocation:
    """Proportional-fair association by dual prices (Ye et al. 2013), equal power."""
    return allocate(graph, dual_price_association(graph, equal_power(graph)))


def wmmse(graph: HeteroData) -> Allocation:
    """Sum-rate WMMSE, 100 rounds from full power, at the strongest station; with queues as weights where there are any."""
    if "queue_bits" in graph["ue"]:
        return queue_weighted(graph, wmmse_update)
    return _wmmse(graph, max_rsrp_association(graph))


def wmmse_pf(graph: HeteroData) -> Allocation:
    """Proportional-fair WMMSE, at most 100 rounds, at the dual-price association."""
    serving = dual_price_association(graph, equal_power(graph))
    return fair.wmmse_alpha_fair(graph, serving, iterations=100, tolerance=1e-9)[0]


def fp(graph: HeteroData) -> Allocation:
    """Sum-rate fractional programming, 100 rounds, at the strongest station; with queues as weights where there are any."""
    if "queue_bits" in graph["ue"]:
        return queue_weighted(graph, fp_update)
    return fractional_programming(graph, max_rsrp_association(graph))


def sum_rate_teacher(graph: HeteroData) -> Allocation:
    """The paper's teacher: WMMSE per resource block, rate-weighted voting."""
    return fair.sum_rate_teacher(graph)


def pf_teacher(graph: HeteroData) -> Allocation:
    """Utility teacher, run until a turn changes the utility by less than 1e-6 of it."""
    return fair.utility_teacher(graph)[0]


def pf_teacher_6(graph: HeteroData) -> Allocation:
    """Utility teacher, six turns."""
    return fair.utility_teacher(graph, loops=6)[0]


def pf_teacher_ascent(graph: HeteroData) -> Allocation:
    """Converged utility teacher, then 80 steps of gradient ascent from what it found, and dual prices for its powers."""
    return _ascent.multi_start(graph, starts=0, steps=80, include=(pf_teacher(graph),))


def ascent(graph: HeteroData) -> Allocation:
    """Gradient ascent on the relaxed utility, 100 steps, no network."""
    return _ascent.gradient_ascent(graph, steps=100)


def reference(graph: HeteroData) -> Allocation:
    """The best allocation that a stated effort finds, the 100% of proportional-fair utility."""
    return utility_reference(graph)
