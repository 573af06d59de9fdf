r"""Weighted MMSE power control (Shi et al. 2011) of superposed layers, under each station's budget.

Every layer of a cluster is a link of its own with an amplitude v: it hears the summed power of other stations, and of its own the
layers of stronger users (and what remains of cancelled ones). With own gain g, interference plus noise I, total T = I + g v^2 and
weight alpha one round is, as in :mod:`hetgraph.solvers.wmmse`,

.. math::
    v_j \leftarrow \frac{\alpha_j g_j v_j / I_j}{\sum_i a_{ij} \alpha_i \beta_i + \mu}, \qquad \beta_i = \frac{g_i v_i^2}{T_i I_i}

with a_ij the gain from layer j to the user of layer i, and the price mu that keeps the station's budget.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.radio.cancellation import noma_sinr
from hetgraph.radio.rates import shannon
from hetgraph.solvers.budget import budgeted_amplitude


@dataclass(frozen=True)
class LayerGains:
    """Gains of the layers' users over noise at full power of each station.

    Args:
        own: of the own station ``[B, N, S, L]``; zero for a free layer.
        cross: of all stations, the own one zero ``[B, N, S, L, N]``.
    """

    own: Tensor
    cross: Tensor

    def interference(self, power: Tensor) -> Tensor:
        """Other stations' power plus noise, over noise ``[B, N, S, L]``; ``power [B, N, S, L]`` is in budgets."""
        total = power.sum(3).transpose(1, 2)[:, None, :, None, :]  # [B, 1, S, 1, N]
        return (self.cross * total).sum(4) + 1

    def efficiency(self, power: Tensor, *, sic_residual: float = 0.0) -> Tensor:
        """Nats per channel use of each layer ``[B, N, S, L]``."""
        return shannon(noma_sinr(self.own, power, self.interference(power), sic_residual=sic_residual), nats=True)


def layer_gains(gain: Tensor, user: Tensor, noise_w: Tensor, power_max_w: Tensor) -> LayerGains:
    """Gains of clusters.

    Args:
        gain: of all links ``[B, U, N, S]``.
        user: users of clusters ``[B, N, S, L]``; -1 for a free layer.
        noise_w: on a subchannel ``[B, U, S]``, W.
        power_max_w: budgets ``[B, N]``, W.
    """
    b, n, s, _ = user.shape
    over = gain * (power_max_w[:, None, :, None] / noise_w.unsqueeze(2))
    network = torch.arange(b, device=user.device).reshape(b, 1, 1, 1)
    block = torch.arange(s, device=user.device).reshape(1, 1, s, 1)
    rows = over.transpose(2, 3)[network, user.clamp_min(0), block]  # [B, N, S, L, N]
    rows = rows * (user >= 0).unsqueeze(4)
    mine = torch.eye(n, dtype=torch.bool, device=user.device).reshape(1, n, 1, 1, n)
    own = rows.masked_fill(~mine, 0).sum(4)
    return LayerGains(own, rows.masked_fill(mine, 0))


def layered_wmmse(
    gains: LayerGains, weight: Tensor, start: Tensor, iterations: int = 20, *, sic_residual: float = 0.0
) -> Tensor:
    """Powers of layers in parts of the stations' budgets that (locally) maximise the weighted sum of rates ``[B, N, S, L]``.

    Args:
        gains: of the clusters.
        weight: of the layers' rates ``[B, N, S, L]``, not negative.
        start: powers to start from; a layer without stays without.
        iterations: rounds.
        sic_residual: part of a cancelled layer's power that remains.
    """
    b, n, s, layers = weight.shape
    own, v = gains.own, start.sqrt()
    for _ in range(iterations):
        power = v * v
        interference = gains.interference(power)
        inside = inside_clusters(own, own / interference, sic_residual)
        value, pain = _slopes(own, inside, interference, weight, power)
        spilled = (gains.cross * pain.unsqueeze(4)).sum((1, 3)).transpose(1, 2)  # [B, N, S]
        curvature = own * pain + (inside * pain.unsqueeze(4)).sum(3) + spilled.unsqueeze(3)
        pull = v * value * own
        v = budgeted_amplitude(pull.reshape(b * n, -1), curvature.reshape(b * n, -1)).reshape(b, n, s, layers)
    return v * v


def priced_wmmse(quality: Tensor, weight: Tensor, price: Tensor, start: Tensor, iterations: int = 8) -> Tensor:
    """Powers of layers ``[B, N, S, L]`` by the same rounds, of each station alone: what it hears and what it does to others is given.

    Distributed WMMSE, as in Shi et al. 2011, Section III: where prices and interference are those of the other stations' present
    powers, a round is one of :func:`layered_wmmse`.

    Args:
        quality: own gains at full power over interference plus noise ``[B, N, S, L]``; zero for a free layer.
        weight: of the layers' rates ``[B, N, S, L]``, not negative.
        price: what the full budget on a subchannel costs others, as they announce it ``[B, N, S]``: the sum over their layers of
            cross gain times weight times received power, over interference plus noise and over that with the received power.
        start: powers to start from; a layer without stays without.
        iterations: rounds.
    """
    b, n, s, layers = quality.shape
    inside, v = inside_clusters(quality, quality), start.sqrt()
    interference = torch.ones_like(quality)
    for _ in range(iterations):
        value, pain = _slopes(quality, inside, interference, weight, v * v)
        curvature = quality * pain + (inside * pain.unsqueeze(4)).sum(3) + price.unsqueeze(3)
        pull = v * value * quality
        v = budgeted_amplitude(pull.reshape(b * n, -1), curvature.reshape(b * n, -1)).reshape(b, n, s, layers)
    return v * v


def inside_clusters(own: Tensor, quality: Tensor, sic_residual: float = 0.0) -> Tensor:
    """What a cluster's users hear of each other's layers ``[B, N, S, L, L]``: row i of the layers j above it in the order."""
    layers = own.shape[3]
    place = torch.arange(layers, device=own.device)
    tie = place.unsqueeze(1) > place  # of equal users the first counts as the stronger one
    rival, mine = quality.unsqueeze(3), quality.unsqueeze(4)
    above = (rival > mine) | ((rival == mine) & tie)
    inside = own.unsqueeze(4) * torch.where(above, 1.0, sic_residual)
    return inside.masked_fill(torch.eye(layers, dtype=torch.bool, device=own.device), 0)


def _slopes(own: Tensor, inside: Tensor, interference: Tensor, weight: Tensor, power: Tensor) -> tuple[Tensor, Tensor]:
    """Weights over what layers hear, and what a unit of interference costs them ``[B, N, S, L]``."""
    other = interference + (inside * power.unsqueeze(3)).sum(4)
    value = weight / other
    return value, value * own * power / (own * power + other)
