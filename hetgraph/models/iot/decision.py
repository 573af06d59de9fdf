"""What the stations of an IoT network make of their observations, and what they choose by it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Agents:
    """What stations made of their observations.

    Args:
        channel: states of the channels that they hear ``[B, N, U, H]``.
        station: states of their own ``[B, N, H]``.
        context: result of the attention over the channels ``[B, N, H]``.
        harm: what power on a subchannel would take from others ``[B, N, S]``, see :func:`~hetgraph.models.iot.priors.harm`.
        price: what others' users announce for it ``[B, N, S]``, see :func:`~hetgraph.models.iot.priors.announced_price`.
    """

    channel: Tensor
    station: Tensor
    context: Tensor
    harm: Tensor
    price: Tensor


@dataclass(frozen=True)
class Discrete:
    """Association and clusters, and what they were chosen by.

    Args:
        station: station of each user ``[B, U]``.
        user: users of clusters ``[B, N, S, L]``.
        edge_bid: of stations for users ``[B, N, U]``; minus infinity for users that are not there.
        pair_bid: of users for subchannels of their station ``[B, U, S]``.
        sinr: of users alone on subchannels of their station, as expected ``[B, U, S]``.
    """

    station: Tensor
    user: Tensor
    edge_bid: Tensor
    pair_bid: Tensor
    sinr: Tensor
