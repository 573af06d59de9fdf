r"""Successive interference cancellation of superposed users of a resource block (NOMA).

A cluster's users are ordered by gain over interference plus noise, :math:`\gamma_k = g_k / I_k`. User k decodes and removes the
layers of those below it and suffers the layers of those above it:

.. math::
    \mathrm{SINR}_k = \frac{g_k p_k}{I_k + g_k (\sum_{\gamma_j > \gamma_k} p_j + \epsilon \sum_{\gamma_j < \gamma_k} p_j)}

with the part epsilon of a cancelled layer that remains. All of this module works on tensors whose last dimension is the users of
a cluster; layers without power have no rate and disturb nobody.
"""

import torch
from torch import Tensor


def noma_sinr(
    gain: Tensor, layer_power_w: Tensor, interference_plus_noise_w: Tensor, *, sic_residual: float = 0.0
) -> Tensor:
    """SINR of each user's own layer after cancellation ``[*, K]``; arguments as in :func:`~hetgraph.radio.noma.noma_rates`."""
    if not 0 <= sic_residual <= 1:
        raise ValueError(f"sic_residual: got {sic_residual}, expected a number from 0 to 1")
    gain, power, other = together(gain, layer_power_w, interference_plus_noise_w)
    order = (gain / other).detach().argsort(dim=-1, descending=True, stable=True)
    ranked = power.gather(-1, order)
    # Sums of the others, not total minus own: the difference would lose a small layer beside a large one.
    interference = _before(ranked)
    if sic_residual:
        interference = interference + sic_residual * _before(ranked.flip(-1)).flip(-1)
    interference = torch.zeros_like(interference).scatter(-1, order, interference)
    return gain * power / (other + gain * interference)


def sic_feasible(
    gain: Tensor,
    layer_power_w: Tensor,
    interference_plus_noise_w: Tensor,
    *,
    threshold: float = 0.0,
    order_by: Tensor | None = None,
    sic_residual: float = 0.0,
) -> Tensor:
    """Whether the users of a cluster can decode what they have to cancel ``[*]``.

    A user that is later in the order must decode the layer of each user before it at the rate at which that one is served, and
    hear it by ``threshold`` times its own interference plus noise above the layers that it has not yet cancelled (the least power
    difference of Ali, Tabassum and Hossain 2016, eq. 4). In the order of gain over interference plus noise the first always holds;
    ordered by gain alone, or by what was measured a slot ago, it may not.

    Args:
        gain: power gain of each user's own station ``[*, K]``.
        layer_power_w: power of each user's layer ``[*, K]``, W.
        interference_plus_noise_w: of each user ``[*, K]``, W.
        threshold: least power difference, over interference plus noise.
        order_by: what the order follows, the smallest decoded first ``[*, K]``; gain over interference plus noise when ``None``.
        sic_residual: part of a cancelled layer's power that remains.

    Raises:
        ValueError: a negative threshold, or a residual outside 0..1.
    """
    if threshold < 0 or not 0 <= sic_residual <= 1:
        got = f"threshold={threshold}, sic_residual={sic_residual}"
        raise ValueError(f"sic_feasible: got {got}, expected a threshold of 0 or more and a residual from 0 to 1")
    gain, power, other = together(gain, layer_power_w, interference_plus_noise_w)
    key = gain / other if order_by is None else order_by.expand_as(gain)
    order = key.argsort(dim=-1, descending=True, stable=True)
    gain, power, other = (value.gather(-1, order) for value in (gain, power, other))
    above = _before(power)  # of layers that are not cancelled when this one is decoded
    interference = above + sic_residual * _before(power.flip(-1)).flip(-1)
    floor = (other / gain.clamp_min(torch.finfo(gain.dtype).tiny)).unsqueeze(-1)  # row: user that decodes
    ratio = power.unsqueeze(-2) / (floor + interference.unsqueeze(-2))  # [*, K, K], column: layer
    own = ratio.diagonal(dim1=-2, dim2=-1).unsqueeze(-2)
    clear = (
        (power - above).unsqueeze(-2) >= threshold * floor if threshold else torch.ones_like(ratio, dtype=torch.bool)
    )
    decodes = (ratio >= own * (1 - 64 * torch.finfo(gain.dtype).eps)) & clear
    on = power > 0
    later = torch.ones(decodes.shape[-2:], dtype=torch.bool, device=gain.device).triu(1)
    concerned = later & on.unsqueeze(-1) & on.unsqueeze(-2)
    return (decodes | ~concerned).flatten(-2).all(-1)


def _before(value: Tensor) -> Tensor:
    """Sum of the entries before each one in the last dimension."""
    return torch.cat([torch.zeros_like(value[..., :1]), value[..., :-1].cumsum(-1)], -1)


def together(first: Tensor, second: Tensor, third: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three tensors broadcast against each other."""
    first, second, third = torch.broadcast_tensors(first, second, third)  # type: ignore[no-untyped-call]
    return first, second, third
