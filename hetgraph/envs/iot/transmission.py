"""Rates and interference of a slot's schedule, with the present gains."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.graph.sums_of_others import sum_of_others
from hetgraph.radio.interference import interference_on_blocks
from hetgraph.radio.noma import noma_rates
from hetgraph.radio.schedule import Schedule


@dataclass(frozen=True)
class Budget:
    """What does not change with the slot.

    Args:
        power_max_w: budgets ``[B, N]``, W.
        noise_w: noise on a subchannel ``[B, U, S]``, W.
        subchannel_hz: bandwidth of a subchannel.
        slot_s: length of a slot.
        sic_residual: part of a cancelled layer's power that remains.
    """

    power_max_w: Tensor
    noise_w: Tensor
    subchannel_hz: float
    slot_s: float
    sic_residual: float


@dataclass(frozen=True)
class Transmission:
    """A slot of ``B`` networks.

    Args:
        room_bits: bits that users' layers have room for, whole numbers ``[B, U]``.
        power_w: what stations sent ``[B, N, S]``, W.
        layer_power_w: what was sent to users ``[B, U, S]``, W.
        interference_w: what users received of stations other than their own, plus noise ``[B, U, S]``, W.
        candidate_interference_w: what they received of all stations but one, plus noise, mean over subchannels ``[B, U, N]``, W.
        interference_db: interference of a station's layers over noise, mean ``[B, N]``, dB.
        own: whether a station serves a user ``[B, U, N]``.
    """

    room_bits: Tensor
    power_w: Tensor
    layer_power_w: Tensor
    interference_w: Tensor
    candidate_interference_w: Tensor
    interference_db: Tensor
    own: Tensor


def silence(budget: Budget, stations: int) -> Transmission:
    """Before the first slot: nobody sent."""
    noise, power = budget.noise_w, budget.power_max_w
    b, u, s = noise.shape
    return Transmission(
        torch.zeros(b, u, dtype=torch.long, device=noise.device),
        noise.new_zeros(b, stations, s),
        torch.zeros_like(noise),
        noise.clone(),
        noise.mean(2, keepdim=True).repeat(1, 1, stations),
        torch.zeros_like(power),
        torch.zeros(b, u, stations, dtype=torch.bool, device=noise.device),
    )


def transmit(action: Schedule, gain: Tensor, budget: Budget) -> Transmission:
    """Rates by the superposed convention.

    Args:
        action: a schedule of which every layer counts, within the budgets.
        gain: present gains ``[B, U, N, S]``.
        budget: powers, noise and bandwidth.
    """
    (b, n, s, layers), u = action.user.shape, gain.shape[1]
    device, on, noise = gain.device, action.user >= 0, budget.noise_w
    layer_w = action.power * budget.power_max_w.reshape(b, n, 1, 1)
    power_w = layer_w.sum(3)
    received = gain * power_w.unsqueeze(1)  # [B, U, N, S]
    others = sum_of_others(received.mean(3), 2) + noise.mean(2, keepdim=True)
    own = action.station.unsqueeze(2) == torch.arange(n, device=device)
    interference = interference_on_blocks(received, action.station, noise)
    user = action.user.clamp_min(0)
    place = (user * s + torch.arange(s, device=device).reshape(1, 1, s, 1)).flatten(
        1
    )  # among the pairs of user and block
    station = torch.arange(n, device=device).reshape(1, n, 1, 1)
    edge = ((user * n + station) * s + torch.arange(s, device=device).reshape(1, 1, s, 1)).flatten(1)
    layer_interference_w = interference.flatten(1).gather(1, place).reshape(b, n, s, layers)
    floor = noise.flatten(1).gather(1, place).reshape(layer_interference_w.shape)
    own_gain = gain.flatten(1).gather(1, edge).reshape(layer_interference_w.shape)
    rate = budget.subchannel_hz * noma_rates(own_gain, layer_w, layer_interference_w, sic_residual=budget.sic_residual)
    sent = layer_w.new_zeros(b, u * s).scatter_add_(1, place, layer_w.flatten(1)).reshape(b, u, s)
    level_db = (layer_interference_w / floor).log10() * 10 * on
    mean_db = level_db.sum((2, 3)) / on.sum((2, 3)).clamp_min(1)
    room = torch.zeros(b, u, dtype=torch.float64, device=device)
    room = (room.scatter_add_(1, user.flatten(1), rate.flatten(1).double()) * budget.slot_s).long()
    return Transmission(room, power_w, sent, interference, others, mean_db, own)
