r"""Linear precoders with equal powers: maximum ratio, zero forcing, regularised zero forcing, and signal to leakage and noise.

With the channels h_k of a group, p the power of a stream and sigma_k^2 its noise,

.. math::
    w_k \propto h_k, \quad
    w_k \propto \Big(\sum_{j \in q} \tfrac{p}{\sigma_j^2} h_j h_j^H + I\Big)^{-1} h_k, \quad
    w_k \propto \Big(\sum_j \tfrac{p}{\sigma_j^2} h_j h_j^H + I\Big)^{-1} h_k

for maximum ratio, regularised zero forcing (j in the own group) and SLNR (Sadek et al. 2007; j over all users that the station
reaches); zero forcing is the second without I.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from hetgraph.graph.power import equal_power_w
from hetgraph.radio.complex_vectors import unit_norm, with_power
from hetgraph.radio.spatial import SpatialChannel, structured_precoder

_RIDGE = 16  # times the rounding, of the channels' Gram matrix: users whose channels are the same cannot be told apart


def stream_power(channel: SpatialChannel) -> Tensor:
    """Equal power of the streams of a group, as a share of the station's budget ``[Q, L]``.

    Blocks share the budget equally as far as their caps allow.
    """
    block = equal_shares(channel.cap)
    count = channel.groups.occupied.sum(1, keepdim=True).clamp_min(1)
    return channel.from_rows(block.reshape(-1, 1)) / count * channel.groups.occupied


def equal_shares(cap: Tensor) -> Tensor:
    """Shares of a budget of one that are equal but for caps ``[N, R]``."""
    return equal_power_w(cap.new_ones(cap.shape[0]), cap)


def mrt(channel: SpatialChannel) -> Tensor:
    """Maximum ratio transmission, complex ``[Q, L, D]``."""
    return with_power(channel.own, stream_power(channel))


def zero_forcing(channel: SpatialChannel) -> Tensor:
    """Zero forcing, complex ``[Q, L, D]``; no user hears the others of its group, where these are at most D."""
    own = unit_norm(channel.own)
    gram = own @ own.mH
    ridge = _RIDGE * torch.finfo(gram.real.dtype).eps + (~channel.groups.occupied).to(gram.real.dtype)
    direction = torch.linalg.solve(gram + torch.diag_embed(ridge).to(gram.dtype), own)
    return with_power(direction, stream_power(channel))


def regularised_zero_forcing(channel: SpatialChannel) -> Tensor:
    """Regularised zero forcing, complex ``[Q, L, D]``."""
    power = stream_power(channel)
    own = power / channel.noise_of_stream
    nobody = torch.zeros_like(channel.foreign)
    return structured_precoder(channel, nobody, own, torch.ones_like(power[:, 0]), power)


def slnr(channel: SpatialChannel) -> Tensor:
    """Greatest ratio of signal to leakage and noise, complex ``[Q, L, D]``."""
    power = stream_power(channel)
    own = power / channel.noise_of_stream
    mean = channel.groups.occupied.sum(1).clamp_min(1)
    each = channel.to_rows(power.sum(1) / mean * channel.groups.share)
    rows = each.unsqueeze(1) * channel.users_to_others(1 / channel.noise)
    return structured_precoder(channel, rows, own, torch.ones_like(power[:, 0]), power)


PRECODERS: dict[str, Callable[[SpatialChannel], Tensor]] = {
    "mrt": mrt,
    "zf": zero_forcing,
    "rzf": regularised_zero_forcing,
    "slnr": slnr,
}
