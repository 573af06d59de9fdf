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


@dataclass(frozen=True)
class Layers:
    """Layers of the clusters of a slot.

    Args:
        power_w: of each ``[B, N, S, L]``, W.
        received: power of each station at each user ``[B, U, N, S]``, W.
        interference_w: what users receive of other stations than their own, plus noise ``[B, U, S]``, W.
        place: of the layers' users and blocks in a table of all of them ``[B, N * S * L]``.
        rate_bps: of each ``[B, N, S, L]``, bit/s.
    """

    power_w: Tensor
    received: Tensor
    interference_w: Tensor
    place: Tensor
    rate_bps: Tensor


def layers_of(action: Schedule, gain: Tensor, budget: Budget) -> Layers:
    """Powers and rates of layers; arguments as in :func:`transmit`."""
    (b, n, s, _), device, noise = action.user.shape, gain.device, budget.noise_w
    layer_w = action.power * budget.power_max_w.reshape(b, n, 1, 1)
    received = gain * layer_w.sum(3).unsqueeze(1)  # [B, U, N, S]
    interference = interference_on_blocks(received, action.station, noise)
    user, block = action.user.clamp_min(0), torch.arange(s, device=device).reshape(1, 1, s, 1)
    place = (user * s + block).flatten(1)
    station = torch.arange(n, device=device).reshape(1, n, 1, 1)
    edge = ((user * n + station) * s + block).flatten(1)
    layer_interference_w = interference.flatten(1).gather(1, place).reshape(layer_w.shape)
    own_gain = gain.flatten(1).gather(1, edge).reshape(layer_w.shape)
    rate = budget.subchannel_hz * noma_rates(own_gain, layer_w, layer_interference_w, sic_residual=budget.sic_residual)
    return Layers(layer_w, received, interference, place, rate)


def carried_bits(action: Schedule, gain: Tensor, budget: Budget) -> Tensor:
    """Bits that layers carry for each user, fractions included; gradients of powers flow through them ``[B, U]``.

    Arguments as in :func:`transmit`.
    """
    bits = layers_of(action, gain, budget).rate_bps * (action.user >= 0) * budget.slot_s
    return bits.new_zeros(gain.shape[:2]).scatter_add(1, action.user.clamp_min(0).flatten(1), bits.flatten(1))


def transmit(action: Schedule, gain: Tensor, budget: Budget) -> Transmission:
    """Rates by the superposed convention.

    Args:
        action: a schedule of which every layer counts, within the budgets.
        gain: present gains ``[B, U, N, S]``.
        budget: powers, noise and bandwidth.
    """
    (b, n, s, _), u = action.user.shape, gain.shape[1]
    device, on, noise = gain.device, action.user >= 0, budget.noise_w
    layers = layers_of(action, gain, budget)
    others = sum_of_others(layers.received.mean(3), 2) + noise.mean(2, keepdim=True)
    own = action.station.unsqueeze(2) == torch.arange(n, device=device)
    place, layer_w = layers.place, layers.power_w
    sent = layer_w.new_zeros(b, u * s).scatter_add_(1, place, layer_w.flatten(1)).reshape(b, u, s)
    over_noise = (layers.interference_w / noise).flatten(1).gather(1, place).reshape(on.shape)
    mean_db = (over_noise.log10() * 10 * on).sum((2, 3)) / on.sum((2, 3)).clamp_min(1)
    room = torch.zeros(b, u, dtype=torch.float64, device=device)
    user = action.user.clamp_min(0).flatten(1)
    room = (room.scatter_add_(1, user, layers.rate_bps.flatten(1).double()) * budget.slot_s).long()
    return Transmission(room, layer_w.sum(3), sent, layers.interference_w, others, mean_db, own)
