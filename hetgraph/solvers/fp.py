"""Fractional programming for power control (Shen and Yu 2018, Part I), in closed form."""

from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.radio.allocation import Allocation
from hetgraph.solvers.wmmse import Problem, quiet


def fractional_programming(
    graph: HeteroData,
    serving: Tensor,
    *,
    weights: Tensor | None = None,
    iterations: int = 100,
    init: str | Tensor = "full",
) -> Allocation:
    r"""Powers by the Lagrangian dual and the quadratic transform; total budget, one power per station and block.

    .. math::
        \gamma_u = \mathrm{SINR}_u, \quad y_u = \frac{\sqrt{(1 + \gamma_u) g_u} v_{b(u)}}{T_u}, \quad
        v_b = \frac{\sum_{u \in b} \alpha_u y_u \sqrt{(1 + \gamma_u) g_u}}{\sum_u \alpha_u y_u^2 g_{ub} + \mu_b}

    (eqs. 18, 56-58 of Part I for one antenna). For scalar channels its iterates are those of WMMSE (Shen and Yu, Part II), which
    the tests hold against this independent form.

    Args:
        graph: a graph or a batch of graphs.
        serving: serving station of each user ``[U]``; -1 for none.
        weights: weight of each user ``[U]``; ones when ``None``.
        iterations: rounds.
        init: ``full`` or powers ``[N, R]``, W.
    """
    problem = Problem(graph, serving, weights, "total", "per_bs")
    kernel, alpha = problem.kernel, problem.scaled
    v, gain = problem.start(init, None), kernel.own_gain
    with quiet():
        for _ in range(iterations):
            own_v, other = kernel.at_user(v), kernel.interference(v * v)
            total = other + gain * own_v * own_v
            root = ((1 + gain * own_v * own_v / other) * gain) ** 0.5
            y = root * own_v / total
            pull = kernel.to_station(alpha * y * root)
            curvature = kernel.to_station(alpha * y * y * gain) + kernel.spill(alpha * y * y)
            v = problem.bounded(pull, curvature)
    return problem.allocation(v)
