r"""Precoders that a quadratic wants and budgets allow.

For each station, its groups q of airtime a_q and the matrices and vectors of a round of WMMSE,

.. math::
    \min_W \sum_q a_q \big( \mathrm{tr}\, W_q^H A_q W_q - 2 \Re\, \mathrm{tr}\, B_q^H W_q \big), \qquad
    W_q = (A_q + \Lambda)^{-1} B_q ,

with the prices of its budgets on the diagonal of Lambda. One budget has one price, which Newton's iteration on the root of the
power finds (as in :mod:`hetgraph.solvers.budget`). Budgets of blocks and antennas beside it have prices each, which are raised and
lowered by the root of power over budget; a step along the line to what they give, no longer than pays, never raises the quadratic.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.radio.complex_vectors import rounding, scaled_by
from hetgraph.radio.precoders import antenna_power, station_power_w, within_budgets
from hetgraph.radio.spatial import SpatialChannel

_ROUNDS = 60
_PRICE_STEPS = 6
_NEAR = {torch.float64: 1e-7, torch.float32: 3e-4}  # of the root of a power to that of its budget, relative


@dataclass(frozen=True)
class Prices:
    """Groups of streams that share a budget.

    Args:
        of_group: price of each group ``[Q]``.
        limit: each budget, as a share of the station's ``[J]``.
    """

    of_group: Tensor
    limit: Tensor


def budgeted_precoder(
    channel: SpatialChannel, matrix: Tensor, pull: Tensor, prices: Prices, guess: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Precoders ``[Q, L, D]`` under one budget each, and prices ``[J]``.

    The root of the power falls with the price; one over it is concave and almost linear, so that Newton's iteration from
    below climbs to the answer, and a guess above it costs one step, which leads below it.

    Args:
        channel: normalised channels.
        matrix: A, positive semidefinite ``[Q, D, D]``; overwritten.
        pull: B ``[Q, D, L]``.
        prices: who shares which budget.
        guess: prices to start from, such as those of a round before.
    """
    matrix.diagonal(dim1=1, dim2=2).add_(rounding(matrix))
    real = matrix.real.dtype
    near, least = _NEAR[real], torch.finfo(real).tiny
    price = torch.zeros_like(prices.limit) if guess is None else guess
    share, one_each = channel.groups.share, channel.aligned and len(prices.limit) == len(matrix)

    def power_of(vectors: Tensor) -> Tensor:
        value = torch.view_as_real(vectors).square().sum((1, 2, 3))
        return value if one_each else torch.zeros_like(prices.limit).index_add(0, prices.of_group, value * share)

    for _ in range(_ROUNDS):
        priced = matrix.clone()
        priced.diagonal(dim1=1, dim2=2).add_((price if one_each else price[prices.of_group]).unsqueeze(1))
        factor = torch.linalg.cholesky(priced)
        answer = torch.cholesky_solve(pull, factor)
        power = power_of(answer)
        over = (power / prices.limit).sqrt() - 1
        settled = (over.abs() <= near) | ((price <= 0) & (over <= 0))
        if bool(settled.all()):
            break
        fall = power_of(torch.linalg.solve_triangular(factor, answer, upper=False))
        step = over * power / fall.clamp_min(least)
        price = torch.where(settled, price, (price + step).clamp_min(0))
    # Beside the exact price the quadratic changes by the square of what is missing.
    scale = torch.where((price > 0) | (over > 0), 1 / (over + 1).clamp_min(least), 1.0)
    scale = scale if one_each else scale[prices.of_group]
    return scaled_by(answer.mT, scale.unsqueeze(1)), price


@dataclass(frozen=True)
class Budgets:
    """Prices of several budgets at once.

    Args:
        station: price of each station's budget ``[N]``.
        block: of each block's cap ``[N, R]``.
        antenna: of each antenna's budget ``[N, Amax]``.
    """

    station: Tensor
    block: Tensor
    antenna: Tensor


def first_prices(channel: SpatialChannel) -> Budgets:
    """Prices to start from: one each."""
    cap = channel.cap
    return Budgets(cap.new_ones(len(cap)), torch.ones_like(cap), cap.new_ones(len(cap), channel.rows.shape[2]))


def capped_precoder(
    channel: SpatialChannel, matrix: Tensor, pull: Tensor, old: Tensor, caps: Tensor, prices: Budgets
) -> tuple[Tensor, Budgets]:
    """Precoders ``[Q, L, D]`` under all budgets, no worse than feasible ``old`` ones, and prices for the next round.

    Args:
        channel: normalised channels in all antennas.
        matrix: A, positive semidefinite ``[Q, D, D]``; overwritten.
        pull: B ``[Q, D, L]``.
        old: precoders ``[Q, L, D]``.
        caps: of antennas ``[N, Amax]``.
        prices: those of a round before.
    """
    exact = matrix.clone()
    matrix.diagonal(dim1=1, dim2=2).add_(rounding(matrix))
    least = torch.finfo(matrix.real.dtype).tiny
    scale = channel.to_rows(matrix.diagonal(dim1=1, dim2=2).real.mean(1)).reshape(channel.cap.shape).amax(1)
    floor = (torch.finfo(scale.dtype).eps * scale).clamp_min(least)
    answer = old
    for _ in range(_PRICE_STEPS):
        on_block = prices.station.unsqueeze(1) + prices.block
        diagonal = channel.from_rows(on_block.flatten()).unsqueeze(1) + prices.antenna[channel.groups.station]
        factor = torch.linalg.cholesky(matrix + torch.diag_embed(diagonal).to(matrix.dtype))
        answer = torch.cholesky_solve(pull, factor).mT
        block, antenna = station_power_w(channel, answer), antenna_power(channel, answer)
        prices = Budgets(
            (prices.station * block.sum(1).sqrt()).maximum(floor),
            (prices.block * (block / channel.cap.clamp_min(least)).sqrt()).maximum(floor.unsqueeze(1)),
            (prices.antenna * (antenna / caps.clamp_min(least)).sqrt()).maximum(floor.unsqueeze(1)),
        )
    answer = _clipped(channel, answer, caps)
    return _line_search(channel, exact, pull, old, answer), prices


def _clipped(channel: SpatialChannel, precoder: Tensor, caps: Tensor) -> Tensor:
    """Antennas cut to their budgets one by one, then blocks and stations to theirs."""
    least = torch.finfo(caps.dtype).tiny
    factor = (caps / antenna_power(channel, precoder).clamp_min(least)).clamp_max(1).sqrt()
    return within_budgets(channel, precoder * factor[channel.groups.station].unsqueeze(1), caps)


def _line_search(channel: SpatialChannel, matrix: Tensor, pull: Tensor, old: Tensor, new: Tensor) -> Tensor:
    """The best point between two precoders of each station, for its quadratic."""
    step = (new - old).mT  # [Q, D, L]
    slope = (torch.view_as_real(matrix @ old.mT - pull) * torch.view_as_real(step)).sum((1, 2, 3))
    bend = (torch.view_as_real(matrix @ step) * torch.view_as_real(step)).sum((1, 2, 3))
    blocks = channel.cap.shape
    slope, bend = (channel.to_rows(v * channel.groups.share).reshape(blocks).sum(1) for v in (slope, bend))
    length = (-slope / bend.clamp_min(torch.finfo(bend.dtype).tiny)).clamp(0, 1)
    return old + length[channel.groups.station][:, None, None] * step.mT
