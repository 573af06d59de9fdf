"""What a schedule of an IoT network promises by the gains of the slot before."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.models.iot.views import IoTViews, sum_at
from hetgraph.radio.interference import interference_on_blocks
from hetgraph.radio.noma import noma_rates
from hetgraph.radio.schedule import Schedule


@dataclass(frozen=True)
class Promise:
    """What a schedule would bring with the gains of the slot before; differentiable in its powers.

    Args:
        bits: that users' layers would carry ``[B, U]``.
        served: of those that wait ``[B, U]``.
        interference_db: interference plus noise over noise, mean over a user's layers ``[B, U]``, dB.
        sent: part of the budget that is sent ``[B, N]``.
        received_db: mean power that a user receives of each station over noise ``[B, N, U]``, dB, at least -20.
        reward: throughput, energy efficiency and interference as in the reward of ``sharing="own"`` ``[B, N, 3]``.
    """

    bits: Tensor
    served: Tensor
    interference_db: Tensor
    sent: Tensor
    received_db: Tensor
    reward: Tensor


def promise(views: IoTViews, action: Schedule) -> Promise:
    """Rates by the superposed convention, with the gains of the slot before."""
    view, user, on = views.spectrum, action.user, action.user >= 0
    b, n, u, s = view.shape
    layer_w = action.power * view.power_max_w.reshape(b, n, 1, 1) * on
    received = view.gain * layer_w.sum(3).unsqueeze(1)  # [B, U, N, S]
    other = interference_on_blocks(received, action.station, view.noise_w)
    network = torch.arange(b, device=user.device).reshape(b, 1, 1, 1)
    block = torch.arange(s, device=user.device).reshape(1, 1, s, 1)
    index = user.clamp_min(0)
    gain = view.gain[network, index, torch.arange(n, device=user.device).reshape(1, n, 1, 1), block]
    interference_w = other[network, index, block]
    carried = noma_rates(gain, layer_w, interference_w) * view.bits_per_efficiency.reshape(b, 1, 1, 1) * on
    level_db = (interference_w / view.noise_w[network, index, block]).log10() * 10 * on
    where = index.flatten(1)
    zero = torch.zeros(b, u, dtype=layer_w.dtype, device=user.device)
    bits, level, layers = (zero.scatter_add(1, where, v.flatten(1)) for v in (carried, level_db, on.to(layer_w)))
    served = torch.minimum(bits, view.queue_bits)
    sent_w = layer_w.sum((2, 3))
    drawn = sent_w / views.amplifier_efficiency + views.circuit_power_w
    # Bits per slot over those of a subchannel at 1 bit/s/Hz and S subchannels: bit/s/Hz of the whole band.
    throughput = sum_at(action.station, served, n) / (view.bits_per_efficiency * s).unsqueeze(1)
    efficiency = served.sum(1) / (drawn.sum(1) * views.slot_s).clamp_min(1e-30) / 1e6
    at_stations = level_db.sum((2, 3)) / on.sum((2, 3)).clamp_min(1) / 10
    reward = torch.stack([throughput, efficiency.unsqueeze(1).expand(b, n), at_stations], 2)
    received_db = (received.mean(3) / view.noise_w.mean(2, keepdim=True)).clamp_min(1e-2).log10() * 10
    share = sent_w / view.power_max_w
    return Promise(bits, served, level / layers.clamp_min(1), share, received_db.transpose(1, 2), reward)
