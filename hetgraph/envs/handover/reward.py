"""The reward of a step of a handover environment, the seven terms of the QMIX paper, and its indicators."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.radio.handover import ResourceModel

BALANCED = 0.5  # load L* that a cell is asked to keep near (Section III)
SIGNAL_DB = 40.0  # received power over noise that counts as one
CIRCUIT_POWER_W = 10.0  # P_0 of eq. 15 for each cell; the paper does not print it
INDICATORS = (
    "asc",  # summed spectral efficiency of what users get, bit/s/Hz
    "anu",  # sum over users of log(1 + rate / unit)
    "jain",  # eq. 13 over all users
    "load_imbalance",  # eq. 12
    "handover_rate",  # eq. 14
    "ping_pong_rate",  # share of users who went back to the cell that they had left shortly before
    "throughput_bps",  # eq. 10, mean over users
    "energy_efficiency",  # eq. 15, bit/J
)


@dataclass(frozen=True)
class HandoverWeights:
    """Weights of the terms of a cell's reward; the paper does not print its own.

    Args:
        efficiency: w1, of tanh of its users' mean spectral efficiency (rate over bandwidth).
        signal: w2, of tanh of their mean received power over noise, 40 dB counting as one.
        load: w3, against tanh(2 abs(L - 0.5)).
        handover: w4, against tanh(3 H) with the share H of its users that it hands over.
        fairness: w5, of Jain's index of its users' rates, minus 0.5.
        capacity: w6, of tanh(C / 5): see :func:`rewards`.
        balance: w7, against tanh(2 sigma) with the standard deviation of all cells' loads.
        utility: of its users' summed log(1 + rate / unit), the cell's part of what networks are judged by (ANU).
        sum_rate: of their summed spectral efficiency, bit/s/Hz, likewise (ASC).
        spread: against the sum of its users' squared spectral efficiencies, (bit/s/Hz)^2, on which Jain's index falls.

    Raises:
        ValueError: a number that is not finite.
    """

    efficiency: float = 1.0
    signal: float = 0.5
    load: float = 0.5
    handover: float = 0.5
    fairness: float = 0.5
    capacity: float = 0.5
    balance: float = 0.5
    utility: float = 0.0
    sum_rate: float = 0.0
    spread: float = 0.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not abs(value) < float("inf"):
                raise ValueError(f"weights.{name}: got {value}, expected a finite number")


@dataclass(frozen=True)
class Served:
    """How users were served in a step, ``[B, U]`` each.

    Args:
        before: cell that decided for the user, as a node of the batch.
        cell: cell that served it, likewise.
        went: it was handed over.
        level: resource level.
        alone: spectral efficiency of its link, bit/s/Hz.
        efficiency: spectral efficiency that it got, its rate over the bandwidth.
        received_db: received power over noise, dB.
        utility: log(1 + rate / unit).
        returned: went back to the cell that it had left shortly before.
    """

    before: Tensor
    cell: Tensor
    went: Tensor
    level: Tensor
    alone: Tensor
    efficiency: Tensor
    received_db: Tensor
    utility: Tensor
    returned: Tensor


def per_cell(columns: list[Tensor], node: Tensor, cells: int) -> list[Tensor]:
    """Sums of users' columns ``[B, U]`` over the users of each cell ``[B, K]``; cells are named as nodes of the batch."""
    zero, index = columns[0].new_zeros(len(node) * cells), node.flatten()
    return [zero.scatter_add(0, index, column.flatten()).view(-1, cells) for column in columns]


def rewards(
    served: Served, cells: int, weights: HandoverWeights, *, model: ResourceModel, levels: int, max_users: int
) -> Tensor:
    r"""Reward of each cell ``[B, K]``, the seven terms of Section III, the utility, the sum rate and its spread among users.

    With the paper's resources the capacity of a cell is the mean over its users of log2(1 + SINR) times
    ``(level + 1) / levels``; where levels share the cell its fractions add up to one, and C is the sum over its users of
    log2(1 + SINR) times the fraction. A cell without users has load terms only, and one that lost them all in this step also
    pays for the handovers.

    Args:
        served: how users were served.
        cells: number of cells K.
        weights: of the terms.
        model: how levels count.
        levels: number of levels.
        max_users: users at which a cell's load is one.
    """
    one, went = torch.ones_like(served.efficiency), served.went.to(served.efficiency.dtype)
    columns = [one, served.efficiency, served.efficiency.square(), served.received_db, served.utility]
    if model == "paper":
        columns.append(served.alone * (served.level + 1) / levels)
    count, total, square, signal, utility, *printed = per_cell(columns, served.cell, cells)
    had, left = per_cell([one, went], served.before, cells)
    present = count.clamp_min(1)
    load = count / max_users
    jain = total.square() / (present * square).clamp_min(1e-30)
    capacity = printed[0] / present if printed else total
    own = weights.efficiency * (total / present).tanh()
    own = own + weights.signal * (signal / (present * SIGNAL_DB)).tanh()
    own = own + weights.fairness * (jain - 0.5) + weights.capacity * (capacity / 5).tanh() + weights.utility * utility
    own = own + weights.sum_rate * total - weights.spread * square
    handed = (3 * left / had.clamp_min(1)).tanh()
    spread = load.std(1, correction=0, keepdim=True)
    reward = own * (count > 0) - weights.handover * handed
    return reward - weights.load * (2 * (load - BALANCED).abs()).tanh() - weights.balance * (2 * spread).tanh()


def credits(served: Served, cells: int, weights: HandoverWeights, model: ResourceModel) -> Tensor:
    r"""Difference reward of each user ``[B, U]`` (Wolpert and Tumer 2002): what its being served adds to utility, sum rate and spread.

    Of the utility, its own log(1 + rate) less what the others of the cell would gain if it were not there, to first order in
    the logarithm of the share: :math:`\sum_i \frac{r_i}{1 + r_i} \log\frac{S}{S - w}` with the cell's sum S of weights; of the
    sum rate, its own less what the others would gain, :math:`\frac{w}{S - w} \sum_i r_i`; of squares likewise, which would
    grow by the square of :math:`\frac{S}{S - w}`.

    Args:
        served: how users were served.
        cells: number of cells K.
        weights: of the terms; those of the paper are not shared out among users.
        model: how levels count.
    """
    weight = (served.level + 1).to(served.utility.dtype) if model == "shared" else torch.ones_like(served.utility)
    part = 1 - (-served.utility).exp()
    columns = [weight, part, served.efficiency, served.efficiency.square()]
    total, parts, rates, squares = (sums.view(-1)[served.cell] for sums in per_cell(columns, served.cell, cells))
    without = total - weight
    share = torch.where(without > 0.5, total / without.clamp_min(0.5), 1.0)
    utility = served.utility - (parts - part) * share.log()
    gained = served.efficiency - (rates - served.efficiency) * (share - 1)
    square = columns[3] - (squares - columns[3]) * (share.square() - 1)
    return weights.utility * utility + weights.sum_rate * gained - weights.spread * square


def indicators(served: Served, power_w: Tensor, *, bandwidth_hz: float, max_users: int) -> dict[str, Tensor]:
    """Indicators of a step ``[B]``, see ``INDICATORS``.

    Args:
        served: how users were served.
        power_w: cells' transmit power ``[B, K]``, W.
        bandwidth_hz: of every cell.
        max_users: users at which a cell's load is one.
    """
    users, cells = served.cell.shape[1], power_w.shape[1]
    total, square = served.efficiency.sum(1), served.efficiency.square().sum(1)
    (count,) = per_cell([torch.ones_like(served.efficiency)], served.cell, cells)
    load = count / max_users
    return {
        "asc": total,
        "anu": served.utility.sum(1),
        "jain": total.square() / (users * square).clamp_min(1e-30),
        "load_imbalance": (load - load.mean(1, keepdim=True)).abs().mean(1),
        "handover_rate": served.went.to(total.dtype).mean(1),
        "ping_pong_rate": served.returned.to(total.dtype).mean(1),
        "throughput_bps": total * (bandwidth_hz / users),
        "energy_efficiency": total * bandwidth_hz / (power_w + CIRCUIT_POWER_W).sum(1),
    }
