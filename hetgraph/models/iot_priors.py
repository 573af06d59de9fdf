"""Rules that the agents of :class:`~hetgraph.models.HybridMADDPG` correct: association, subchannels and powers of a slot.

They read what a local agent may see, and are no part of the MADDQN-DMADDPG paper.
"""

import math

import torch
from torch import Tensor

from hetgraph.models.iot_views import IoTViews
from hetgraph.radio.auction import needed_power
from hetgraph.radio.spectrum import Spectrum
from hetgraph.units import linear_to_db

# Found by trying a few values by hand on `iot-noma` with 20, 100 and 200 users, validation networks among them; no test networks.
BUDGET_WEIGHT = (
    1.0  # part of the budget's advantage in dB that is not counted: 1 is least path loss, 0 strongest signal
)
STAY_DB = 2.0  # for the station that serves already
RATE_WEIGHT, URGENCY_WEIGHT = 2.0, 0.5  # of logarithms in a bid
HARM_WEIGHT = 0.3  # part of what others would lose that a subchannel must bring
MARGIN = 1.1  # power is for this much more than the bits that wait
SPREAD = 2.0  # subchannels are for this much more: more of them at less power each


def association_bid(view: Spectrum) -> Tensor:
    """Received power less a price of the station's budget, in tens of dB below the user's best offer ``[B, N, U]``."""
    budget_dbm = linear_to_db(view.power_max_w) + 30
    serves = view.station.unsqueeze(2) == torch.arange(view.shape[1], device=view.gain.device)
    offer = view.rsrp_dbm - BUDGET_WEIGHT * budget_dbm.unsqueeze(1) + STAY_DB * serves
    return ((offer - offer.amax(2, keepdim=True)) / 10).transpose(1, 2)


def expected_sinr(view: Spectrum, station: Tensor) -> Tensor:
    """SINR of each user alone on each subchannel of its station, with an equal part of the budget ``[B, U, S]``.

    Gains and interference are those of the slot before: of all power that the user heard then, less what came from that station.
    """
    _, _, _, s = view.shape
    gain, before = _of(view.gain, station), _of(view.gain, view.station)
    of_station = station.clamp_min(0).unsqueeze(2).expand_as(gain)
    heard_w = gain * view.power_w.gather(1, of_station)
    served_w = before * view.power_w.gather(1, view.station.clamp_min(0).unsqueeze(2).expand_as(gain))
    # The same station as before: subtracting what is added would leave rounding errors above the interference.
    same = (station == view.station).unsqueeze(2)
    served_w = torch.where((view.station >= 0).unsqueeze(2), served_w, 0)
    other_w = torch.where(same, view.interference_w, view.interference_w + served_w - heard_w)
    part_w = (view.power_max_w / s).gather(1, station.clamp_min(0)).unsqueeze(2)
    return gain * part_w / torch.maximum(other_w, view.noise_w)


def _of(gain: Tensor, station: Tensor) -> Tensor:
    """Gains ``[B, U, N, S]`` of one station for each user ``[B, U, S]``."""
    place = station.clamp_min(0).reshape(*station.shape, 1, 1).expand(-1, -1, 1, gain.shape[3])
    return gain.gather(2, place).squeeze(2)


def subchannel_bid(view: Spectrum, sinr: Tensor) -> Tensor:
    """Logarithms of the rate and of the bits per slot left, weighted ``[B, U, S]``."""
    rate = sinr.log1p().clamp_min(1e-6).log()
    pressing = (view.queue_bits / view.head_slots.clamp_min(1)).clamp_min(1).div(1e4).log()
    return RATE_WEIGHT * rate + URGENCY_WEIGHT * pressing.unsqueeze(2)


def harm(views: IoTViews) -> Tensor:
    """What an equal part of a station's budget on a subchannel takes from others' users there, in nats ``[B, N, S]``.

    The sum, over users that other stations served on it in the slot before, of the logarithm of one plus the power received over
    what they heard. All of it is reported to the station by the users that it hears.
    """
    view = views.spectrum
    part_w = (view.power_max_w / view.shape[3]).unsqueeze(2)
    foreign = view.station.unsqueeze(2) != torch.arange(view.shape[1], device=view.gain.device)
    counts = foreign.unsqueeze(3) & views.served_on.unsqueeze(2)
    lost = (view.gain * part_w.unsqueeze(1) / view.interference_w.unsqueeze(2)).log1p()
    return (lost * counts).sum(1)


def bits_of(view: Spectrum, station: Tensor, sinr: Tensor, lost: Tensor) -> Tensor:
    """Bits that a subchannel carries in a slot ``[B, U, S]``; none where others lose too much.

    Args:
        view: dense tables.
        station: station of each user ``[B, U]``.
        sinr: of :func:`expected_sinr`.
        lost: of :func:`harm`.
    """
    rate = sinr.log1p()
    at_home = lost.gather(1, station.clamp_min(0).unsqueeze(2).expand_as(rate))
    return rate * (rate >= HARM_WEIGHT * at_home) / math.log(2) * view.bits_per_efficiency.reshape(-1, 1, 1)


def power_for_queues(view: Spectrum, user: Tensor, sinr: Tensor) -> Tensor:
    """Powers that carry what waits, with a margin ``[B, N, S, L]``; within the budget."""
    need = MARGIN * view.queue_bits / view.bits_per_efficiency.unsqueeze(1)
    power = needed_power(user, sinr, need)
    return power / power.sum((2, 3), keepdim=True).clamp_min(1)


def equal_parts(user: Tensor) -> Tensor:
    """Equal parts of the budget on all subchannels, and of these for a cluster's users ``[B, N, S, L]``."""
    on = (user >= 0).float()
    return on / on.sum(3, keepdim=True).clamp_min(1) / user.shape[2]
