"""The reference of proportional-fair utility: the best allocation that a stated effort finds, the 100% of tables.

Association and powers are searched together from many starts. Powers climb by gradient ascent on a softened association, which
carries an allocation over small steps of the utility; then association (dual prices, moves, swaps) and powers (alpha-fair WMMSE) take
turns on the utility itself, which never falls. Between rounds a network's allocations are crossed, resource block by resource block,
since what is good on one of them depends little on the others.
"""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.kpi import evaluate
from hetgraph.solvers.ascent import gradient_ascent
from hetgraph.solvers.association import dual_price_association, equal_power, max_rsrp_association
from hetgraph.solvers.copies import chosen, copies_of, hashed, places, stacked
from hetgraph.solvers.fair import utility_teacher, wmmse_alpha_fair
from hetgraph.solvers.starts import starts_of
from hetgraph.solvers.swaps import improve_association

_FIRST = {"steps": 60, "rate": 0.3}  # far from the starts
_LATER = {"steps": 30, "rate": 0.1}  # near what has been found
_CROSSED, _NOISE = 0.3, 0.3
_LOOPS, _POWER_ROUNDS = 4, 30
_LAST_LOOPS, _TOLERANCE = 60, 1e-9


@torch.no_grad()
def utility_reference(graph: HeteroData, *, starts: int = 6, rounds: int = 3, seed: int = 0) -> Allocation:
    """Best of several searches, the 100% of proportional-fair utility under the ``equal_airtime`` convention.

    Frozen by name and effort: "the reference" of a table is this function with its default ``starts``, ``rounds`` and ``seed``. It is
    never below max RSRP with equal power, the converged utility teacher and 100 steps of gradient ascent, which are searched from too.

    Args:
        graph: a graph or a batch of graphs; memory grows with its size times the starts.
        starts: searches beside those from the teacher and the ascent, see :func:`~hetgraph.solvers.starts.starts_of`.
        rounds: rounds of ascent and turns; a network's allocations are crossed before every round but the first.
        seed: of the starts and of the crossing; more starts keep the first ones.

    Raises:
        ValueError: fewer than one start or round.
    """
    if min(starts, rounds) < 1:
        raise ValueError(f"starts, rounds: got {starts} and {rounds}, expected at least one of each")
    links = links_of(graph)
    copies = copies_of(graph, links, starts)
    of_copies = links_of(copies)
    found, fitted = starts_of(copies, of_copies, starts, seed)
    fit, _ = wmmse_alpha_fair(copies, found.serving, iterations=_POWER_ROUNDS, init=found.power_w)
    found = _either(fitted, fit, found, of_copies)
    found = turns(copies, of_copies, gradient_ascent(copies, start=found, **_FIRST), _LOOPS)

    known = [utility_teacher(graph)[0], gradient_ascent(graph)]
    ...
    return found
