"""Which channel edges carry messages at a level, and with what weight."""

import torch
from torch import Tensor

from hetgraph.graph.facts import Facts
from hetgraph.graph.levels import sees_everything
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.graph.tracing import holds

_SOFTNESS_DB = 5.0  # SINR that makes a station e times as likely to serve where no association is given yet


def edge_groups(facts: Facts, level: Level) -> tuple[Tensor, Tensor | None]:
    """Weights of edges in the groups of messages, and of edges that a user reports without hearing their station.

    At ``local`` and ``neighbourhood`` messages pass over serving edges alone, and all other known edges are reports. At ``global``
    and ``genie`` they pass over all known edges, in two groups: serving ones and others. Unknown edges and those of absent users
    weigh nothing.

    Args:
        facts: of a graph or a batch.
        level: what a network may read.

    Returns:
        Weights ``[E, 1]`` and reports ``[E, 1]``, or ``[E, 2]`` and ``None``.
    """
    served, known_weight = served_weight(facts), _known_weight(facts)
    groups = torch.stack([served, 1 - served])  # groups first in memory, as they are summed one by one
    if known_weight is not None:
        groups = groups * known_weight
    return (groups.T, None) if sees_everything(level) else (groups[:1].T, groups[1:].T)


def served_weight(facts: Facts) -> Tensor:
    """One on serving edges ``[E]``; in networks where nobody is served, how likely each edge is to serve, by its SINR."""
    own = facts.real(facts.own_edge)
    associated = associated_networks(facts)
    if holds(associated.all()):
        return own
    links, channel = facts.links, facts.graph[CHANNEL]
    score = facts.sinr_db / _SOFTNESS_DB
    for name in ("may_serve", "known"):
        if name in channel:
            score = score.masked_fill(~links.lift(channel[name]), -1e9)
    return torch.where(associated[links.ue_network[links.ue]], own, links.flat(links.softmax(score)))


def associated_networks(facts: Facts) -> Tensor:
    """Networks in which somebody is served ``[B]``, bool."""
    return facts.links.sum_ue_to_network(facts.real(facts.serving_slot >= 0)) > 0


def _known_weight(facts: Facts) -> Tensor | None:
    """One on known edges of present users ``[E]``, zero elsewhere; ``None`` if that is all of them."""
    channel, ue = facts.graph[CHANNEL], facts.graph["ue"]
    known = channel.known if "known" in channel else None
    if "active" in ue:
        active = ue.active[facts.links.ue]
        known = active if known is None else known & active
    return None if known is None else facts.real(known)
