r"""Power control of all links at once with queues as weights, each resource block by itself (Zhang and Guo, Section V-A).

Every pair of a user and its own station is a link with an amplitude v of its own, and all links, those of one station too,
disturb each other. With normalised gains :math:`h_{uk}` from link k's station to user u, :math:`T_u = 1 + \sum_k h_{uk} v_k^2`
and :math:`I_u = T_u - h_{uu} v_u^2`, WMMSE (Shi et al. 2011) and fractional programming (Shen and Yu 2018) find a stationary point
of :math:`\sum_u q_u \log(1 + h_{uu} v_u^2 / I_u)`. A station then serves the link with the largest weighted rate.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import Cells, cells_of

Update = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def queue_weighted(graph: HeteroData, update: Update, iterations: int = 100) -> Allocation:
    """Schedule and powers of a slot from queues and gains.

    Args:
        graph: a batch of complete graphs of equal size with ``queue_bits``, each user with one station that may serve it.
        update: :func:`wmmse_update` or :func:`fp_update`.
        iterations: rounds, from full power on all links that have something to send.

    Raises:
        ValueError: a graph without cells (see :func:`~hetgraph.radio.cells.cells_of`).
    """
    cells = cells_of(graph)
    gain, most = link_gains(graph, cells)
    weight = graph["ue"].queue_bits.reshape(cells.shape[0], 1, -1)
    weight = weight / weight.amax(2, keepdim=True).clamp_min(1e-30)
    own = gain.diagonal(dim1=2, dim2=3)
    v = (weight > 0).to(gain.dtype).expand_as(own)
    for _ in range(iterations):
        v = update(v, gain, own, weight)
    total = _heard(gain, v * v) + 1
    signal = own * v * v
    value = weight * (signal / (total - signal).clamp_min(1)).log1p()  # [B, R, U]
    return _winners(cells, value.transpose(1, 2), (v * v).transpose(1, 2) * cells.at_device(most))


def link_gains(graph: HeteroData, cells: Cells) -> tuple[Tensor, Tensor]:
    """Gains between links over noise at full power ``[B, R, U, U]`` (row: user, column: link), and full powers ``[B, N, R]``."""
    b, n, u, _ = cells.shape
    most = graph["bs"].rb_power_max_w.reshape(b, n, -1)
    gain = graph[CHANNEL].gain.reshape(b, u, n, -1) * most.unsqueeze(1)
    gain = gain / graph["ue"].noise_w.reshape(b, u, 1, -1)
    place = cells.station.reshape(b, 1, u, 1).expand(b, u, u, gain.shape[3])
    return gain.gather(2, place).permute(0, 3, 1, 2).contiguous(), most


def wmmse_update(v: Tensor, gain: Tensor, own: Tensor, weight: Tensor) -> Tensor:
    """One round of WMMSE: receivers, weights of the errors, amplitudes ``[B, R, U]``."""
    total = _heard(gain, v * v) + 1
    receiver = own.sqrt() * v / total
    error_weight = total / (total - own * v * v).clamp_min(1)
    pull = weight * error_weight * receiver * own.sqrt()
    curvature = _spilled(gain, weight * error_weight * receiver.square())
    return (pull / curvature.clamp_min(1e-30)).clamp_max(1)


def fp_update(v: Tensor, gain: Tensor, own: Tensor, weight: Tensor) -> Tensor:
    """One round of fractional programming: Lagrangian dual, quadratic transform, amplitudes ``[B, R, U]``."""
    total = _heard(gain, v * v) + 1
    sinr = own * v * v / (total - own * v * v).clamp_min(1)
    root = (weight * (1 + sinr) * own).sqrt()
    y = root * v / total
    return (y * root / _spilled(gain, y * y).clamp_min(1e-30)).clamp_max(1)


def _heard(gain: Tensor, power: Tensor) -> Tensor:
    return torch.matmul(gain, power.unsqueeze(3)).squeeze(3)


def _spilled(gain: Tensor, pain: Tensor) -> Tensor:
    # A row times a matrix: the other order takes MKL many times as long.
    return torch.matmul(pain.unsqueeze(2), gain).squeeze(2)


def _winners(cells: Cells, value: Tensor, power_w: Tensor) -> Allocation:
    """Each station serves the link of the largest value on each resource block; arguments ``[B, U, R]``."""
    table = cells.gather(value).masked_fill(~cells.mask.unsqueeze(3), -1)
    best, rank = table.max(2)  # [B, N, R]
    power = cells.gather(power_w).gather(2, rank.unsqueeze(2)).squeeze(2)
    return cells.allocation(torch.where(best > 0, rank + 1, 0), power)
