"""A margin against needless handovers: users stay at their cells unless others are better by so much utility."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph import links_of
from hetgraph.radio import Allocation, evaluate
from hetgraph.radio.relaxed import channels_of, edge_rates

LEAST_EFFICIENCY = 1e-9  # bit/s/Hz of a station that is silent
MARGINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)  # nat
Scores = tuple[float, float]  # mean log utility, and handovers per user and second


def with_margin(graph: HeteroData, proposed: Allocation, serving: Tensor, margin: float) -> Allocation:
    r"""The proposed allocation, in which users stay at their cells unless the proposed ones are better by a margin.

    With the proposed powers a user's utility at station n is log(rate_n / users_n), equal airtime, where the users are those of
    the proposal, and itself. It moves if that of the new station exceeds that of the present one by ``margin`` at least. Who is
    not served, or has its station no more among its candidates, moves.

    Args:
        graph: a graph or a batch, the present one.
        proposed: the decision without the margin.
        serving: stations that serve the users now ``[U]``, -1 for none.
        margin: nats.
    """
    links = links_of(graph)
    fraction = proposed.power_w / graph["bs"].power_max_w.clamp_min(1e-30).unsqueeze(1)
    efficiency = links.flat(edge_rates(channels_of(graph, links, fraction.dtype), links, fraction).rate)
    users = links.users_per_bs(proposed.serving).to(efficiency.dtype)

    def utility(station: Tensor, more: int) -> Tensor:
        rate = links.pick(efficiency, links.slot_of(station)).clamp_min(LEAST_EFFICIENCY)
        return (rate / (users[station.clamp_min(0)] + more).clamp_min(1)).log()

    gain = utility(proposed.serving, 0) - utility(serving, 1)
    stays = (links.slot_of(serving) >= 0) & (proposed.serving != serving) & (gain < margin)
    return replace(proposed, serving=torch.where(stays, serving, proposed.serving))


def played(graphs: Sequence[HeteroData], proposed: Sequence[Allocation], margin: float | None = None) -> Scores:
    """Mean log utility of a walk, and handovers per user and second.

    Args:
        graphs: a second apart.
        proposed: each second's decision.
        margin: of :func:`with_margin`; ``None`` for decisions as they are.
    """
    utilities, moved, before = list[float](), list[float](), proposed[0]
    for graph, allocation in zip(graphs, proposed, strict=True):
        now = allocation if margin is None else with_margin(graph, allocation, before.serving, margin)
        utilities.append(float(evaluate(graph, now).pf_utility.mean()))
        moved.append(float((now.serving != before.serving).double().mean()))
        before = now
    return float(np.mean(utilities)), float(np.mean(moved[1:])) if len(moved) > 1 else 0.0


def chosen_margin(scores: Mapping[float, Scores], least: float) -> float:
    """The margin with the fewest handovers among those of a utility of ``least`` or more; if there are none, of the highest utility.

    Args:
        scores: of each margin, on validation networks.
        least: utility that is not to be missed.
    """
    good = [margin for margin, (utility, _) in scores.items() if utility >= least]
    if good:
        return min(good, key=lambda margin: scores[margin][1])
    return max(scores, key=lambda margin: scores[margin][0])
