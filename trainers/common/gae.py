"""Generalised advantage estimation."""

import torch
from torch import Tensor


def gae(
    reward: Tensor, value: Tensor, next_value: Tensor, *, done: Tensor, terminated: Tensor, gamma: float, lam: float
) -> Tensor:
    """Advantages (Schulman et al. 2015, eq. 16, with the bootstrap that the MAPPO paper's eq. 19 leaves out).

    Args:
        reward: ``[T, *]``.
        value: value of the observation before each step ``[T, *]``.
        next_value: value of the observation after it, before any reset ``[T, *]``.
        done: the episode ended after the step: the trace is cut; broadcastable.
        terminated: it ended for good: there is nothing to bootstrap; broadcastable.
        gamma: discount.
        lam: weight of longer traces.

    Raises:
        ValueError: shapes that do not fit, or a termination that is not an end.
    """
    if not reward.shape == value.shape == next_value.shape:
        got = ", ".join(str(tuple(t.shape)) for t in (reward, value, next_value))
        raise ValueError(f"gae: got reward, value and next_value of shapes {got}, expected one shape")
    if bool((terminated & ~done).any()):
        raise ValueError(
            "gae: got a step that is terminated and not done, expected terminated steps among the done ones"
        )
    delta = reward + gamma * next_value * ~terminated - value
    keep = gamma * lam * (~done).to(reward.dtype).expand_as(reward)
    out, trace = torch.empty_like(reward), torch.zeros_like(reward[0])
    for t in reversed(range(reward.shape[0])):
        trace = delta[t] + keep[t] * trace
        out[t] = trace
    return out
