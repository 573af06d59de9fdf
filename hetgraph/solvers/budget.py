"""The multiplier of a power budget: largest amplitudes that a quadratic wants and a budget allows."""

from collections.abc import Callable

import torch
from torch import Tensor

_ROUNDS = 60


def budgeted_amplitude(
    pull: Tensor,
    curvature: Tensor,
    cap: Tensor,
    group_sum: Callable[[Tensor], Tensor],
    spread: Callable[[Tensor], Tensor],
    weight: Tensor | float = 1.0,
) -> Tensor:
    """Amplitudes v = min(sqrt(cap), pull / (curvature + weight * mu)), mu >= 0 least such that the budget of one holds.

    The budget is ``group_sum(weight * v^2) <= 1`` for each group. The multiplier comes from a safeguarded Newton iteration
    on 1 / sqrt(sum) - 1, which is almost linear in mu and so needs few steps.

    Args:
        pull: linear coefficient, not negative.
        curvature: quadratic coefficient, not negative.
        cap: largest v^2.
        group_sum: sums a tensor like ``pull`` over each group.
        spread: brings a group tensor back to the shape of ``pull``.
        weight: what a unit of v^2 costs of the budget.
    """
    tiny = torch.finfo(pull.dtype).tiny
    limit = cap.sqrt()

    def amplitude(mu: Tensor) -> Tensor:
        slope = curvature + weight * spread(mu)
        return torch.minimum(pull / slope.clamp_min(tiny), limit)

    zero = torch.zeros_like(group_sum(pull))
    v = amplitude(zero)
    total = group_sum(weight * v * v)
    over = total > 1
    if not bool(over.any()):
        return v
    low, high = zero, group_sum(pull * pull / _positive(weight)).sqrt()
    mu, tolerance = zero, 16 * torch.finfo(pull.dtype).eps
    for _ in range(_ROUNDS):
        slope = curvature + weight * spread(mu)
        free = v < limit
        rate = group_sum(torch.where(free, weight * weight * v * v / slope.clamp_min(tiny), 0))  # -d total / d mu / 2
        newton = mu + (total.sqrt() - 1) * total / rate.clamp_min(tiny)
        inside = (newton > low) & (newton < high)
        mu = torch.where(over, torch.where(inside, newton, (low + high) / 2), zero)
        v = amplitude(mu)
        total = group_sum(weight * v * v)
        low, high = torch.where(total > 1, mu, low), torch.where(total > 1, high, mu)
        if bool((((total - 1).abs() <= tolerance) | ~over).all()):
            break
    return v / spread(total.sqrt()).clamp_min(1)  # rounding must not break the budget


def _positive(weight: Tensor | float) -> Tensor | float:
    return weight.clamp_min(torch.finfo(weight.dtype).tiny) if isinstance(weight, Tensor) else weight
