"""The reward of a slot of an IoT network (Xie 2026, eq. 10 and Section 2.1.2)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

Sharing = Literal["team", "own"]


@dataclass(frozen=True)
class IoTWeights:
    """Weights of eq. 10, and of the terms that the continuous stage adds (Section 2.1.2).

    Args:
        throughput: of the served bits, in bit/s/Hz per station.
        fairness: of one minus Jain's index over the shares of their bits that users were served lately.
        handover: of the share of users that change their station in a slot.
        energy: of the energy efficiency, in Mbit/J.
        interference: of the interference in scheduled layers over noise, in tens of dB.
    """

    throughput: float = 1.0
    fairness: float = 1.0
    handover: float = 1.0
    energy: float = 0.1
    interference: float = 0.1


@dataclass(frozen=True)
class Slot:
    """What happened in a slot of ``B`` networks of ``N`` stations and ``U`` users.

    Args:
        served_bits: of each user ``[B, U]``.
        moved: users that changed their station ``[B, U]``.
        jain: Jain's index of the shares of users' bits that were served lately ``[B]``.
        energy_j: what all stations drew ``[B]``.
        interference_db: interference of a station's layers over noise, mean ``[B, N]``.
        station: station of each user, -1 for none ``[B, U]``.
        active: users that are there ``[B, U]``.
    """

    served_bits: Tensor
    moved: Tensor
    jain: Tensor
    energy_j: Tensor
    interference_db: Tensor
    station: Tensor
    active: Tensor


@dataclass(frozen=True)
class Rewards:
    """Rewards of a slot.

    Args:
        reward: of each station, eq. 10 ``[B, N]``.
        team: of all, their mean whatever the sharing ``[B]``.
        further: of each station, with energy and interference ``[B, N]``.
        bit_per_j: energy efficiency ``[B]``.
    """

    reward: Tensor
    team: Tensor
    further: Tensor
    bit_per_j: Tensor


def rewards(slot: Slot, stations: int, hertz_seconds: float, weights: IoTWeights, sharing: Sharing) -> Rewards:
    r"""Eq. 10: :math:`\omega_1 R - \omega_2 (1 - J) - \omega_3 H`, and energy and interference for the continuous stage.

    Args:
        slot: what happened.
        stations: number of stations N.
        hertz_seconds: bandwidth times the length of the slot.
        weights: of the terms.
        sharing: ``team`` for the same reward at all stations, ``own`` where a station counts what it served and whom it took over
            itself, so that the mean is the same.
    """
    w, place, served = weights, slot.station.clamp_min(0), slot.served_bits
    at_station = served.new_zeros(len(served), stations)
    throughput = at_station.scatter_add(1, place, served) / hertz_seconds
    users = slot.active.sum(1, keepdim=True).to(served.dtype)
    taken = at_station.scatter_add(1, place, slot.moved.to(served.dtype)) / users
    own = w.throughput * throughput - w.fairness * (1 - slot.jain).unsqueeze(1) - w.handover * stations * taken
    team = own.mean(1)
    reward = own if sharing == "own" else team.unsqueeze(1).expand_as(own).clone()
    efficiency = served.sum(1) / slot.energy_j.clamp_min(1e-30)
    level = slot.interference_db / 10
    shared_level = level if sharing == "own" else level.mean(1, keepdim=True)
    further = reward + w.energy * efficiency.unsqueeze(1) / 1e6 - w.interference * shared_level
    return Rewards(reward, team, further, efficiency)
