"""Signal and interference of users with a station of their own, without cancellation."""

import torch
from torch import Tensor


def signal_and_interference(gain: Tensor, power_w: Tensor, own: Tensor, noise_w: Tensor) -> tuple[Tensor, Tensor]:
    """Received power of each user's own station, and that of all others plus noise ``[M, U]`` each, W.

    Args:
        gain: linear power gain of ``M`` networks or resource blocks ``[M, U, N]``.
        power_w: transmit power ``[M, N]``, W.
        own: own station of each user ``[M, U]``.
        noise_w: noise, broadcastable against ``[M, U]``, W.
    """
    index = own.unsqueeze(2)
    own_gain = gain.gather(2, index)
    signal = own_gain.squeeze(2) * power_w.gather(1, own)
    others = gain.scatter(2, index, torch.zeros_like(own_gain))
    # A row times a matrix: the other order takes MKL many times as long.
    interference = torch.bmm(power_w.unsqueeze(1), others.transpose(1, 2)).squeeze(1)
    return signal, interference.add_(noise_w)
