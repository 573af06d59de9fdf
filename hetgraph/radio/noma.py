"""Rates of superposed users of a resource block (NOMA), and how to split their power; order and SINR as in
:mod:`hetgraph.radio.cancellation`, tensors whose last dimension is the users of a cluster."""

import torch
from torch import Tensor

from hetgraph.radio.cancellation import noma_sinr, together
from hetgraph.radio.rates import shannon


def noma_rates(
    gain: Tensor, layer_power_w: Tensor, interference_plus_noise_w: Tensor, *, sic_residual: float = 0.0
) -> Tensor:
    """Spectral efficiency of each user's layer ``[*, K]``, bit/s/Hz, by Shannon's formula with interference cancellation.

    Args:
        gain: power gain of each user's own station ``[*, K]``, users of a cluster last; the arguments broadcast.
        layer_power_w: power of each user's layer ``[*, K]``, W.
        interference_plus_noise_w: what a user hears of other stations, plus noise ``[*, K]``, W; positive.
        sic_residual: part of a cancelled layer's power that remains, 0 for ideal cancellation.

    Raises:
        ValueError: a residual outside 0..1.

    Example:
        >>> gain, power = torch.tensor([4.0, 1.0]), torch.tensor([0.25, 0.75])  # the strong user cancels the layer of the weak one
        >>> noma_rates(gain, power, torch.ones(2))
        tensor([1.0000, 0.6781])
    """
    return shannon(noma_sinr(gain, layer_power_w, interference_plus_noise_w, sic_residual=sic_residual))


def noma_power_split(
    gain: Tensor, interference_plus_noise_w: Tensor, budget_w: Tensor | float, *, weights: Tensor | None = None
) -> Tensor:
    r"""Powers of a cluster that maximise its weighted sum of rates under ideal cancellation ``[*, K]``, W.

    The exact optimum (Tse 1997, on the degraded broadcast channel): power is laid on in infinitesimal layers, the one at height z
    for the user with the largest :math:`w_k / (I_k / g_k + z)`. Each user's heights are an interval, between the places at which
    two such functions cross.

    Args:
        gain: power gain of each user's own station ``[*, K]``; a user without gain gets nothing.
        interference_plus_noise_w: of each user ``[*, K]``, W.
        budget_w: power of the cluster ``[*, 1]``, W.
        weights: of the rates ``[*, K]``, not negative; ones when ``None``.

    Raises:
        ValueError: a negative weight or budget.
    """
    weights = torch.ones_like(gain) if weights is None else weights
    gain, other, weights = together(gain, interference_plus_noise_w, weights)
    budget = torch.as_tensor(budget_w, dtype=gain.dtype, device=gain.device).expand(*gain.shape[:-1], 1)
    if bool((weights < 0).any()) or bool((budget < 0).any()):
        raise ValueError("noma_power_split: got a negative weight or budget, expected none")
    floor = other / gain.clamp_min(torch.finfo(gain.dtype).tiny)
    able = (weights > 0) & (gain > 0)
    (own_w, rival_w), (own_n, rival_n) = ((v.unsqueeze(-1), v.unsqueeze(-2)) for v in (weights, floor))
    place = torch.arange(gain.shape[-1], device=gain.device)
    wins_tie = (own_n < rival_n) | ((own_n == rival_n) & (place.unsqueeze(1) < place))
    slope = own_w - rival_w
    cross = (rival_w * own_n - own_w * rival_n) / torch.where(slope == 0, 1, slope)
    never = torch.where(wins_tie, -torch.inf, torch.inf)  # with equal weights one of them is ahead at every height
    low = torch.where(slope > 0, cross, torch.where(slope == 0, never, -torch.inf))
    high = torch.where(slope < 0, cross, torch.inf)
    matters = able.unsqueeze(-2) & (place.unsqueeze(1) != place)
    low = torch.where(matters, low, -torch.inf).amax(-1).clamp_min(0)
    high = torch.minimum(torch.where(matters, high, torch.inf).amin(-1), budget)
    return (high - low).clamp_min(0) * able
