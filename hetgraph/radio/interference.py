"""Signal and interference of users with a station of their own, without cancellation: what an SINR is made of.

Three layouts: complete tables of gains ``[*, U, N]``, whose sums are products of matrices; tables with the resource blocks last
``[B, U, N, R]``; and edge lists ``[E, R]`` with the :class:`~hetgraph.graph.links.Links` of their graph. In all of them the gain
of one's own station is left out before the sum.
"""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links


def signal_and_interference(
    gain: Tensor, power_w: Tensor, own: Tensor, noise_w: Tensor, *, exact: bool = True
) -> tuple[Tensor, Tensor]:
    """Received power of each user's own station, and that of all others plus noise ``[*, U]`` each, W.

    Args:
        gain: linear power gain; the leading dimensions are networks or resource blocks ``[*, U, N]``.
        power_w: transmit power ``[*, N]``, W.
        own: own station of each user ``[*, U]``.
        noise_w: noise, broadcastable against ``[*, U]``, W.
        exact: sum the others. Otherwise the interference is the total minus one's own, at half the cost: in float32 it is then
            wrong by the rounding of the *signal*, up to a millionth of it. Only for rates that are capped at an SINR of 30 dB
            (``most=1000`` of :func:`~hetgraph.radio.rates.spectral_efficiency`), where that is below 1e-3 nats.
    """
    index = own.unsqueeze(-1)
    own_gain = gain.gather(-1, index)
    signal = own_gain.squeeze(-1) * power_w.gather(-1, own)
    if exact:
        others = received_power(gain.scatter(-1, index, torch.zeros_like(own_gain)), power_w)
    else:
        others = (received_power(gain, power_w) - signal).clamp_min(0)
    return signal, others.add_(noise_w)


def received_power(gain: Tensor, power_w: Tensor) -> Tensor:
    """Power that users receive of all stations ``[*, U]``, W; of all others where the gain of their own is zero.

    Args:
        gain: linear power gain ``[*, U, N]``.
        power_w: transmit power ``[*, N]``, W.
    """
    # A row times a matrix: the other order takes MKL many times as long.
    return torch.matmul(power_w.unsqueeze(-2), gain.transpose(-1, -2)).squeeze(-2)


def interference_on_blocks(received_w: Tensor, own: Tensor, noise_w: Tensor) -> Tensor:
    """Interference plus noise of users on each resource block ``[B, U, R]``, W.

    Args:
        received_w: power received of each station ``[B, U, N, R]``, W.
        own: own station of each user, -1 for none ``[B, U]``.
        noise_w: noise, broadcastable against ``[B, U, R]``, W.
    """
    foreign = own.unsqueeze(2) != torch.arange(received_w.shape[2], device=own.device)  # [B, U, N]
    return (received_w * foreign.to(received_w.dtype).unsqueeze(3)).sum(2).add_(noise_w)


def interference_on_edges(gain: Tensor, power_w: Tensor, serves: Tensor, noise_w: Tensor, links: Links) -> Tensor:
    """Interference plus noise of users on each resource block ``[U, R]``, W.

    Args:
        gain: linear power gain of the channel edges ``[E, R]``.
        power_w: transmit power ``[N, R]``, W.
        serves: whether an edge is that of its user's own station, edge layout.
        noise_w: noise, broadcastable against ``[U, R]``, W.
        links: index structure.
    """
    received = links.lift(gain) * links.from_bs(power_w)
    return links.sum_to_ue(received.masked_fill_(serves.unsqueeze(-1), 0)).add_(noise_w)


def noise_plus_far_w(graph: HeteroData) -> Tensor:
    """Noise plus the interference of stations that are no candidates ``[U, R]``, W."""
    ue = graph["ue"]
    noise: Tensor = ue.noise_w
    return noise + ue.far_interference_w if "far_interference_w" in ue else noise
