"""Losses of the distillation (Algorithm 1, step 6) and the label-free objectives, on relaxed allocations."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links
from hetgraph.graph.schema import MOUNTED_ON
from hetgraph.nn.refine import Round
from hetgraph.radio.relaxed import Objective, utility


@dataclass(frozen=True)
class LossWeights:
    """Weights of the terms; a term of weight zero is not computed.

    Args:
        association: cross-entropy of the association.
        power: mean squared error of the power fractions, times the number of resource blocks squared.
        antenna: mean squared error of the antenna probabilities, times the number of a station's antennas squared.
        rate: rate distillation, the mean of (log rate of the teacher - log rate of the student)+.
        fairness: one minus Jain's index.
        min_rate: mean of (1 - rate / minimum rate)+.
        utility: minus the mean utility per user (PF) or the logarithm of the sum rate.
    """

    association: float = 0.0
    power: float = 0.0
    antenna: float = 0.0
    rate: float = 0.0
    fairness: float = 0.0
    min_rate: float = 0.0
    utility: float = 0.0


def soft_rates(relaxed: Round, links: Links, graph: HeteroData) -> Tensor:
    """Rate of each user under a soft association with equal airtime ``[U]``, bit/s: sum of a_e rate_e / n_b."""
    load = links.from_bs(links.sum_to_bs(relaxed.association).clamp_min(1e-6))
    band = graph.rb_bandwidth_hz.sum(1)[links.ue_network].to(relaxed.rates.rate.dtype)
    rate: Tensor = links.sum_to_ue(relaxed.association * relaxed.rates.rate / load) * band
    return rate


def association_loss(relaxed: Round, links: Links, teacher_slot: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy of the association with the teacher's, over the users in ``mask [U]``."""
    own = links.lift(torch.arange(links.num_edges, device=teacher_slot.device))
    chosen = own == links.from_ue(links.first_edge + teacher_slot.clamp_min(0))
    likelihood = links.sum_to_ue(torch.where(chosen, relaxed.association, torch.zeros_like(relaxed.association)))
    keep = mask & (teacher_slot >= 0)
    return -(likelihood.clamp_min(1e-9).log() * keep).sum() / keep.sum().clamp_min(1)


def power_loss(relaxed: Round, teacher_fraction: Tensor) -> Tensor:
    """Mean squared error of the power fractions, in units of an equal split."""
    blocks = teacher_fraction.shape[1]
    return ((relaxed.fraction - teacher_fraction) * blocks).square().mean()


def antenna_loss(logits: Tensor, graph: HeteroData) -> Tensor:
    """Mean squared error of the antenna probabilities, in units of an equal split."""
    source, target = graph[MOUNTED_ON].edge_index
    if source.numel() == 0:
        return logits.sum()
    stations = graph["bs"].power_max_w.shape[0]
    weight = (logits - logits.max().detach()).exp()
    total = weight.new_zeros(stations).index_add(0, target, weight[source])
    count = weight.new_zeros(stations).index_add(0, target, torch.ones_like(weight[source]))
    share = weight[source] / total[target].clamp_min(1e-30)
    error: Tensor = (share - graph["antenna"].teacher_share[source]) * count[target]
    return error.square().mean()


def rate_loss(rate: Tensor, teacher_rate: Tensor, mask: Tensor) -> Tensor:
    """Mean shortfall of the log rate behind the teacher's, over the users in ``mask``."""
    short = nn.functional.relu(teacher_rate.clamp_min(1).log() - rate.clamp_min(1).log())
    return (short * mask).sum() / mask.sum().clamp_min(1)


def fairness_loss(rate: Tensor, links: Links) -> Tensor:
    """One minus Jain's index (eq. 11), mean over networks."""
    count = links.sum_ue_to_network(torch.ones_like(rate))
    jain = links.sum_ue_to_network(rate) ** 2 / (count * links.sum_ue_to_network(rate**2)).clamp_min(1e-12)
    return (1 - jain).mean()


def min_rate_loss(rate: Tensor, rate_min_bps: float) -> Tensor:
    """Mean shortfall behind the minimum rate, as a part of it (the last term of eq. 14)."""
    return nn.functional.relu(1 - rate / rate_min_bps).mean()


def utility_loss(relaxed: Round, links: Links, objective: Objective) -> Tensor:
    """Minus the relaxed utility: per user for ``pf``, the logarithm of a network's sum for ``sum_rate``."""
    value = utility(relaxed.rates, relaxed.association, links, objective)
    if objective == "sum_rate":
        return -value.clamp_min(1e-6).log().mean()
    return -(value / links.sum_ue_to_network(torch.ones_like(links.ue_network, dtype=value.dtype))).mean()
