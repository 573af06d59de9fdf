r"""The price of a power budget: the largest amplitudes that a quadratic wants and a budget allows.

All problems here are, for each station or resource block on its own,

.. math::
    \min_v \sum_i c_i v_i^2 - 2 p_i v_i \quad \text{s.t.} \quad \sum_i w_i v_i^2 \le 1,
    \qquad v_i = \frac{p_i}{c_i + w_i \mu},

with the price mu >= 0 least such that the budget holds. A Newton iteration on 1 / sqrt(sum) - 1, which is increasing, concave and
almost linear in mu, finds it (the secular equation of trust regions, Conn, Gould and Toint 2000, section 7.3). A group whose
price has settled is not touched again, so that its answer does not depend on the groups it shares a tensor with.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from hetgraph.graph.tracing import exporting, holds
from hetgraph.solvers.arrays import Array, at_least, choose, larger, largest_block, over_blocks, precision

_ROUNDS = 60
_TRACED_ROUNDS = 12  # of a program, which cannot stop when all are settled; the error is squared in each
Map = Callable[[Tensor], Tensor]


def budgeted_amplitude(pull: Tensor, curvature: Tensor) -> Tensor:
    """Amplitudes under ``sum_r v_r^2 <= 1``, the sum going over dimension 1.

    Args:
        pull: linear coefficients p, not negative, ``[*, R, *]``.
        curvature: quadratic coefficients c, not negative.
    """
    return torch.as_tensor(priced_amplitude(pull, curvature)[0])


def priced_amplitude(pull: Array, curvature: Array, guess: Array | None = None) -> tuple[Array, Array]:
    """Amplitudes as in :func:`budgeted_amplitude`, and the prices ``[*, 1, *]``; of tensors or NumPy arrays.

    Newton's iteration starts where one item alone would use up the budget. That is never too high, and from there it climbs to
    the answer without overshooting. A guess above the answer costs one step, which leads below it, the function being concave.

    Args:
        pull: linear coefficients p, not negative, ``[*, R, *]``.
        curvature: quadratic coefficients c, not negative.
        guess: price to start from, such as that of a round before; saves most of the steps.
    """
    (eps, tiny), settled = precision(pull), None
    close = _close(eps)
    least = at_least(largest_block(pull - curvature), 0.0)
    price = least if guess is None else larger(least, guess)
    for _ in range(_TRACED_ROUNDS if exporting() else _ROUNDS):
        slope = at_least(curvature + price, tiny)
        square = (pull / slope) ** 2
        total = over_blocks(square)
        fall = at_least(over_blocks(square / slope), tiny)  # -d total / d price / 2
        over = total**0.5 - 1
        new = larger(price + over * total / fall, least)
        # Judged by the budget: rounding of a price that is small beside the curvature may never cease.
        near = (abs(over) <= close) | (new == price)
        price = new if settled is None else choose(settled, price, new)
        settled = near if settled is None else settled | near
        if holds(settled.all()):
            break
    v = pull / at_least(curvature + price, tiny)
    return v / at_least(over_blocks(v * v) ** 0.5, 1.0), price  # rounding must not break the budget


def shared_amplitude(pull: Tensor, curvature: Tensor, weight: Tensor, cap: Tensor, parts: Map, spread: Map) -> Tensor:
    """Amplitudes whose weighted squares share a station's budget and, on each resource block, its cap.

    The budgets are ``parts(w v^2) <= cap`` for each resource block and, summed over them, at most 1. First the price of the
    whole budget is found, blocks that want more than their cap counting at their cap; then a price for each of those blocks.

    Args:
        pull: linear coefficients p, not negative, in a layout with resource blocks in dimension 1.
        curvature: quadratic coefficients c, not negative.
        weight: what a unit of v^2 costs.
        cap: largest share of the budget on each block, station layout.
        parts: sums over each station's items: layout of ``pull`` -> station layout.
        spread: station layout, or one with a single block -> layout of ``pull``.
    """

    def whole(value: Tensor) -> Tensor:
        return value.sum(1, keepdim=True)

    binding = torch.where(cap < 1, cap, torch.inf)  # a cap of the whole budget is none
    price = _price(pull, curvature, weight, binding, parts, spread, whole)
    return capped_amplitude(pull, curvature + weight * spread(price), weight, cap, parts, spread)


def capped_amplitude(pull: Tensor, curvature: Tensor, weight: Tensor, cap: Tensor, parts: Map, spread: Map) -> Tensor:
    """Amplitudes under ``parts(w v^2) <= cap`` on each resource block; arguments as in :func:`shared_amplitude`."""
    unit = spread(torch.where(cap > 0, cap, 1)).sqrt()
    scaled_pull, scaled_curvature = pull * unit, curvature * unit * unit
    infinite = torch.full_like(cap, torch.inf)
    price = _price(scaled_pull, scaled_curvature, weight, infinite, parts, spread, lambda value: value)
    v = scaled_pull / (scaled_curvature + weight * spread(price)).clamp_min(torch.finfo(pull.dtype).tiny)
    over = spread(parts(weight * v * v)).sqrt().clamp_min(1)
    return v / over * unit * spread((cap > 0).to(pull.dtype))


def _price(pull: Tensor, curvature: Tensor, weight: Tensor, cap: Tensor, parts: Map, spread: Map, whole: Map) -> Tensor:
    """Least price at which ``whole(min(parts(w v^2), cap))`` is at most 1; Newton within a bracket, else its middle.

    With a = p / sqrt(w) and d = c / w the sum is at least A / (mean of d with weights a^2 + mu)^2 by Jensen's inequality, A being
    the sum of a^2, and at most A / mu^2: both give the place to start from.
    """
    eps, close = torch.finfo(pull.dtype), _close(torch.finfo(pull.dtype).eps)
    weight = weight.clamp_min(eps.tiny)
    reach = pull / weight.sqrt()
    scale = whole(parts(reach)).clamp_min(eps.tiny)
    share = (reach / spread(scale)).square_()
    norm = whole(parts(share)).clamp_min(eps.tiny)
    high = scale * norm.sqrt()
    start = (high - whole(parts(share * curvature / weight)) / norm).clamp_min(0)
    settled = whole(torch.minimum(parts(weight * (pull / curvature.clamp_min(eps.tiny)).square()), cap)) <= 1
    low, price = torch.zeros_like(start), torch.where(settled, 0, start)
    for _ in range(4 * _ROUNDS):
        slope = (curvature + weight * spread(price)).clamp_min(eps.tiny)
        square = weight * (pull / slope).square()
        part = parts(square)
        total = whole(torch.minimum(part, cap))
        fall = whole(torch.where(part < cap, parts(weight * square / slope), 0))
        low, high = torch.where(total > 1, price, low), torch.where(total > 1, high, price)
        newton = price + (total.sqrt() - 1) * total / fall.clamp_min(eps.tiny)
        new = torch.where((newton >= low) & (newton <= high), newton, (low + high) / 2)
        new = torch.where((total - 1).abs() <= 8 * eps.eps, price, new)
        near = (new - price).abs() <= close * new
        price, settled = torch.where(settled, price, new), settled | near
        if bool(settled.all()):
            break
    return price


def _close(eps: float) -> float:
    """Relative error before a step of Newton's iteration after which the next would be lost in rounding."""
    return float(eps**0.5) / 4
