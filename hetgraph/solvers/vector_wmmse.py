r"""Weighted MMSE precoding (Shi et al. 2011, Algorithm 1) for users of one antenna, on sparse graphs and batches.

With S_u, I_u, the amplitude s_u = h^H w_u of a user's own stream and the weight alpha_u = w_u a_q B of its rate (airtime and band
included), one round is the minimiser of the weighted mean squared error, each variable in its turn:

.. math::
    W_q \leftarrow \Big( \tfrac{1}{a_q} \sum_{u \in q} \epsilon_u h_u h_u^H + \sum_{u \notin b} \epsilon_u h_u h_u^H + \mu_b I
    \Big)^{-1} \Big[ \frac{\alpha_u s_u}{a_q I_u} h_u \Big]_{u \in q}, \qquad
    \epsilon_u = \frac{\alpha_u S_u}{(S_u + I_u) I_u},

so the weighted sum of rates never falls. ``mu_b`` keeps the budget.
"""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import get_args

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.precoders import antenna_caps, from_antennas, precoding, within_budgets
from hetgraph.radio.rates import shannon
from hetgraph.radio.spatial import Received, curvature, received, spatial_channel
from hetgraph.solvers.linear_precoding import PRECODERS
from hetgraph.solvers.precoder_budget import Prices, budgeted_precoder, capped_precoder, first_prices
from hetgraph.solvers.wmmse import Budget

_SLACK = 1e-6  # of budgets that are sums of caps, for rounding in float32


def vector_wmmse(
    graph: HeteroData,
    serving: Tensor,
    *,
    group: Tensor | None = None,
    weights: Tensor | None = None,
    iterations: int = 100,
    budget: Budget = "total",
    init: str | Tensor = "slnr",
) -> Allocation:
    """Precoders that maximise the weighted sum of rates for an association, to a stationary point.

    Args:
        graph: a graph or a batch of graphs with ``h``.
        serving: station of each user ``[U]``; -1 for none.
        group: group of each user on each block ``[U, R]``, -1 for none; all users at once when ``None``.
        weights: weight of each user ``[U]``; ones when ``None``.
        iterations: rounds.
        budget: ``total`` (over resource blocks at most ``power_max_w``) or ``per_rb`` (an equal part of it on each);
            ``rb_power_max_w`` holds in both, and ``antenna_power_max_w`` where the graph has it.
        init: ``mrt``, ``zf``, ``rzf``, ``slnr`` or precoders ``[U, Amax, R]``, root of W.

    Raises:
        ValueError: an unknown option, weights of another shape or sign, or an association with no such candidate.
    """
    problem = PrecodingProblem(graph, serving, group, weights, budget)
    precoder = problem.start(init)
    for _ in range(iterations):
        precoder = problem.update(precoder, problem.weight)
    return problem.allocation(precoder)


def vector_wmmse_steps(
    graph: HeteroData,
    serving: Tensor,
    *,
    group: Tensor | None = None,
    weights: Tensor | None = None,
    iterations: int = 100,
    budget: Budget = "total",
    init: str | Tensor = "slnr",
) -> Iterator[tuple[Tensor, Allocation]]:
    """Objective ``[B]`` (weighted sum of rates, bit/s) and allocation at the start and after every round.

    Arguments are those of :func:`vector_wmmse`.
    """
    problem = PrecodingProblem(graph, serving, group, weights, budget)
    precoder = problem.start(init)
    yield problem.objective(precoder), problem.allocation(precoder)
    for _ in range(iterations):
        precoder = problem.update(precoder, problem.weight)
        yield problem.objective(precoder), problem.allocation(precoder)


class PrecodingProblem:
    """One association's precoding.

    Args:
        graph: a graph or a batch of graphs with ``h``.
        serving: station of each user ``[U]``; -1 for none.
        group: as in :func:`vector_wmmse`.
        weights: weight of each user ``[U]``; ones when ``None``.
        budget: as in :func:`vector_wmmse`.
    """

    def __init__(
        self, graph: HeteroData, serving: Tensor, group: Tensor | None, weights: Tensor | None, budget: Budget
    ) -> None:
        if budget not in get_args(Budget):
            raise ValueError(f"budget: got {budget!r}, expected one of {', '.join(get_args(Budget))}")
        users, blocks = graph["ue"].noise_w.shape
        everyone = torch.where(serving >= 0, 0, -1).unsqueeze(1).expand(users, blocks)
        self.serving, self.group = serving, everyone if group is None else group
        self.dtype = graph[CHANNEL].gain.dtype
        # Budgets of antennas are not those of directions in the span of a station's channels.
        alone = "antenna_power_max_w" in graph["bs"]
        channel = spatial_channel(graph, serving, self.group, reduced=not alone, double=True)
        if budget == "per_rb":
            channel = replace(channel, cap=channel.cap.clamp_max(1 / blocks))
        self.channel, groups = channel, channel.groups
        self.band = graph.rb_bandwidth_hz[channel.links.ue_network].to(channel.noise)
        self.share = groups.share.unsqueeze(1)
        self.alpha = groups.gather(self.band) * self.share
        if weights is not None:
            weighted = _checked(weights, users).to(channel.noise).unsqueeze(1).expand(-1, blocks)
            self.alpha = self.alpha * groups.gather(weighted)
        # Weights near one have the same solutions and products that float32 can hold; a power of two adds no rounding.
        self.weight = self.alpha * 2.0 ** -math.frexp(float(self.alpha.max()))[1]
        self.on = channel.from_rows((channel.cap > 0).to(channel.cap).reshape(-1, 1)) / self.share
        self._set_budgets(antenna_caps(graph, channel))

    def _set_budgets(self, caps: Tensor | None) -> None:
        """One price for each budget that can bind, or several at once."""
        cap, groups = self.channel.cap, self.channel.groups
        total = cap.sum(1) > 1 + _SLACK  # the station's budget can bind
        tight = total & ((cap > 0) & (cap < 1)).any(1)
        self.several = caps is not None or bool(tight.any())
        self.caps = cap.new_ones(len(cap), self.channel.rows.shape[2]) if caps is None else caps
        self.budgets = first_prices(self.channel)
        by_block = Prices(groups.row, cap.flatten().clamp_min(torch.finfo(cap.dtype).tiny))
        self.prices = Prices(groups.station, cap.new_ones(len(cap))) if bool(total.any()) else by_block
        self.price: Tensor | None = None
        self.before: Tensor | None = None

    def start(self, init: str | Tensor) -> Tensor:
        """First precoders, complex ``[Q, L, D]``, within all budgets."""
        if isinstance(init, Tensor):
            first = from_antennas(self.channel, init)
        elif init in PRECODERS:
            first = PRECODERS[init](self.channel)
        else:
            raise ValueError(f"init: got {init!r}, expected one of {', '.join(PRECODERS)} or precoders [U, Amax, R]")
        return within_budgets(self.channel, first, self.caps if self.several else None)

    def objective(self, precoder: Tensor) -> Tensor:
        """Weighted sum of rates ``[B]``, bit/s."""
        streams = received(self.channel, precoder)
        value = self.channel.groups.scatter(self.alpha * shannon(streams.signal / streams.other))
        return self.channel.links.sum_ue_to_network(value.sum(1)).to(self.dtype)

    def user_rate(self, streams: Received) -> Tensor:
        """Rate of each user ``[U]``, bit/s."""
        rate = self.share * shannon(streams.signal / streams.other)
        result: Tensor = (self.band * self.channel.groups.scatter(rate)).sum(1)
        return result

    def update(self, precoder: Tensor, weight: Tensor, streams: Received | None = None) -> Tensor:
        """One round; ``weight`` is what a nat of each stream counts, airtime included ``[Q, L]``."""
        channel = self.channel
        streams = streams or received(channel, precoder)
        signal, other = streams.signal, streams.other
        cost = weight * signal / ((signal + other) * other)
        matrix = curvature(channel, channel.to_others(cost), cost / self.share)
        pull = (channel.own * (streams.amplitude * (weight * self.on / other)).unsqueeze(2)).mT
        if self.several:
            answer, self.budgets = capped_precoder(channel, matrix, pull, precoder, self.caps, self.budgets)
            return answer
        guess = self.price
        if guess is not None and self.before is not None:  # prices converge geometrically
            guess = (2 * guess - self.before).clamp_min(0)
        self.before = self.price
        answer, self.price = budgeted_precoder(channel, matrix, pull, self.prices, guess)
        return answer

    def allocation(self, precoder: Tensor) -> Allocation:
        """Precoders in W."""
        return precoding(self.channel, self.serving, self.group, precoder, self.dtype)


def _checked(weights: Tensor, users: int) -> Tensor:
    if tuple(weights.shape) != (users,):
        raise ValueError(f"weights: got shape {tuple(weights.shape)}, expected ({users},)")
    if not bool((weights >= 0).all()):
        raise ValueError(f"weights: got {float(weights.min()):g}, expected no negative weights")
    return weights
