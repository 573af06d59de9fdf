"""Rules that the agents of :class:`~hetgraph.models.HybridMADDPG` correct: association, subchannels and powers of a slot.

They are no part of the MADDQN-DMADDPG paper.
"""

from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.graph.tracing import exporting
from hetgraph.models.iot.views import IoTViews
from hetgraph.radio.auction import needed_power
from hetgraph.radio.interference import interference_on_blocks
from hetgraph.radio.rates import LOG2E, shannon
from hetgraph.radio.spectrum import Spectrum
from hetgraph.solvers.layers import inside_clusters, priced_wmmse
from hetgraph.units import linear_to_db

LEAST_POWER = 1e-4


class Rule(nn.Module):
    """Constants of the rules, kept with the weights of the agents.

    The defaults are the best of a few dozen tries on validation networks of `iot-noma` with 100 and 200 users; no test networks.

    Args:
        budget: part of a budget's advantage in dB that does not count in the association: 1 is least path loss, 0 strongest signal.
        stay_db: for the station that serves already.
        rate: weight of the logarithm of the rate in a bid for a subchannel.
        urgency: weight of the logarithm of the bits per slot left.
        stay: bid more for a subchannel on which the user was served: what others hear changes less from slot to slot.
        harm: part of what others would lose that a subchannel must bring.
        spread: subchannels are for so many times the bits that wait: more of them at less power each.
        weight: power of :func:`urgency` that weights users' rates.
        price: weight of what others' users announce as the price of interference.
        margin: power is for so many times the bits that wait.
        iterations: rounds of WMMSE.
    """

    budget: Tensor
    stay_db: Tensor
    rate: Tensor
    urgency: Tensor
    stay: Tensor
    harm: Tensor
    spread: Tensor
    weight: Tensor
    price: Tensor
    margin: Tensor
    iterations: Tensor

    def __init__(
        self,
        budget: float = 1.1,
        stay_db: float = 2.0,
        rate: float = 2.0,
        urgency: float = 0.5,
        stay: float = 0.7,
        harm: float = 0.15,
        spread: float = 2.0,
        weight: float = 0.4,
        price: float = 1.0,
        margin: float = 1.2,
        iterations: int = 12,
    ) -> None:
        super().__init__()
        constants = {
            "budget": budget, "stay_db": stay_db, "rate": rate, "urgency": urgency, "stay": stay, "harm": harm,
            "spread": spread, "weight": weight, "price": price, "margin": margin,
        }  # fmt: skip
        for name, value in constants.items():
            self.register_buffer(name, torch.tensor(float(value)))
        self.register_buffer("iterations", torch.tensor(iterations))
        self.rounds = iterations  # the same where a program is exported, which no value of a tensor shapes

    def _load_from_state_dict(self, *arguments: Any) -> None:
        super()._load_from_state_dict(*arguments)
        self.rounds = int(self.iterations)

    def association_bid(self, view: Spectrum) -> Tensor:
        """Received power less a price of the station's budget, in tens of dB below the user's best station ``[B, N, U]``."""
        budget_dbm = linear_to_db(view.power_max_w) + 30
        serves = view.station.unsqueeze(2) == torch.arange(view.shape[1], device=view.gain.device)
        score_db = view.rsrp_dbm - self.budget * budget_dbm.unsqueeze(1) + self.stay_db * serves
        return ((score_db - score_db.amax(2, keepdim=True)) / 10).transpose(1, 2)

    def subchannel_bid(self, views: IoTViews, sinr: Tensor) -> Tensor:
        """Logarithms of the rate and of the bits per slot left, weighted, and more for where it was ``[B, U, S]``."""
        view = views.spectrum
        rate = shannon(sinr, nats=True).clamp_min(1e-6).log()
        pressing = (view.queue_bits / view.head_slots.clamp_min(1)).clamp_min(1).div(1e4).log()
        return self.rate * rate + self.urgency * pressing.unsqueeze(2) + self.stay * (views.signal_w > 0)

    def bits_of(self, view: Spectrum, station: Tensor, sinr: Tensor, lost: Tensor) -> Tensor:
        """Bits that a subchannel carries in a slot ``[B, U, S]``; none where others lose too much.

        Args:
            view: dense tables.
            station: station of each user ``[B, U]``.
            sinr: of :func:`expected_sinr`.
            lost: of :func:`harm`.
        """
        rate = shannon(sinr, nats=True)
        at_home = lost.gather(1, station.clamp_min(0).unsqueeze(2).expand_as(rate))
        return rate * (rate >= self.harm * at_home) * LOG2E * view.bits_per_efficiency.reshape(-1, 1, 1)

    def weights(self, view: Spectrum) -> Tensor:
        """Of users' rates ``[B, U]``."""
        return urgency(view).pow(self.weight)

    def wanted_bits(self, view: Spectrum) -> Tensor:
        """Bits for which users ask for subchannels ``[B, U]``."""
        return self.spread * self.margin * view.queue_bits

    def powers(self, view: Spectrum, user: Tensor, sinr: Tensor, price: Tensor) -> Tensor:
        """Powers of distributed WMMSE, none above what the bits that wait need ``[B, N, S, L]``; within the budget.

        Args:
            view: dense tables.
            user: users of clusters ``[B, N, S, L]``.
            sinr: of :func:`expected_sinr` ``[B, U, S]``.
            price: of :func:`announced_price` ``[B, N, S]``.
        """
        on, s = user >= 0, user.shape[2]
        quality = of_layers(sinr, user) * s * on
        weight = self.weights(view).gather(1, user.clamp_min(0).flatten(1)).reshape(user.shape) * on
        efficiency = self.margin * view.queue_bits / view.bits_per_efficiency.unsqueeze(1)
        start = needed_power(user, sinr, efficiency).clamp_min(LEAST_POWER) * on
        start = start / start.sum((2, 3), keepdim=True).clamp_min(1)
        power = priced_wmmse(
            quality, weight, self.price * price, start, self.rounds if exporting() else int(self.iterations)
        )
        return self._needed(view, user, quality, power)

    def _needed(self, view: Spectrum, user: Tensor, quality: Tensor, power: Tensor) -> Tensor:
        """Powers with which layers carry what waits, with a margin; where a stronger layer sends less, less is needed."""
        place = user.clamp_min(0).flatten(1)
        bits = view.bits_per_efficiency.reshape(-1, 1, 1, 1) * LOG2E  # per nat
        inside = inside_clusters(quality, quality)
        for _ in range(3):
            interference = 1 + (inside * power.unsqueeze(3)).sum(4)
            nats = shannon(quality * power / interference, nats=True)
            total = torch.zeros_like(view.queue_bits).scatter_add(1, place, (bits * nats).flatten(1))
            part = (
                (self.margin * view.queue_bits / total.clamp_min(1)).clamp_max(1).gather(1, place).reshape(user.shape)
            )
            power = power * torch.where(nats > 1e-9, (part * nats).expm1() / nats.expm1().clamp_min(1e-12), 1)
        return power


def urgency(view: Spectrum) -> Tensor:
    """How urgent users' bits are ``[B, U]``: bits over what the user is offered per second and over the slots left for the oldest."""
    return view.queue_bits / view.head_slots.clamp_min(1) / view.offered_bps.clamp_min(1e3)


def expected_sinr(view: Spectrum, station: Tensor) -> Tensor:
    """SINR of each user alone on each subchannel of its station, with an equal part of the budget ``[B, U, S]``.

    Gains and powers of the other stations are those of the slot before.
    """
    s, chosen = view.shape[3], station.clamp_min(0)
    other_w = interference_on_blocks(view.gain * view.power_w.unsqueeze(1), chosen, view.noise_w)
    part_w = (view.power_max_w / s).gather(1, chosen).unsqueeze(2)
    return _of(view.gain, station) * part_w / other_w


def _of(gain: Tensor, station: Tensor) -> Tensor:
    """Gains ``[B, U, N, S]`` of one station for each user ``[B, U, S]``."""
    place = station.clamp_min(0).reshape(*station.shape, 1, 1).expand(-1, -1, 1, gain.shape[3])
    return gain.gather(2, place).squeeze(2)


def of_layers(value: Tensor, user: Tensor) -> Tensor:
    """Values of users on subchannels ``[B, U, S]`` at the layers ``[B, N, S, L]``; those of the first user for a free layer."""
    s = user.shape[2]
    where = user.clamp_min(0) * s + torch.arange(s, device=user.device).reshape(1, 1, s, 1)
    return value.flatten(1).gather(1, where.flatten(1)).reshape(user.shape)


def harm(views: IoTViews) -> Tensor:
    """What an equal part of a station's budget on a subchannel takes from others' users there, in nats ``[B, N, S]``.

    The sum, over users that other stations served on it in the slot before, of the logarithm of one plus the power received over
    their interference. All of it is reported to the station by the users that it hears.
    """
    view = views.spectrum
    part_w = (view.power_max_w / view.shape[3]).unsqueeze(2)
    over = torch.where(views.signal_w > 0, 1 / view.interference_w, 0)  # who was not served there loses nothing
    lost = (view.gain * part_w.unsqueeze(1) * over.unsqueeze(2)).log1p()
    return torch.einsum("buns,bun->bns", lost, _foreign(view).to(lost.dtype))


def announced_price(views: IoTViews, weight: Tensor) -> Tensor:
    """What a station's full budget on a subchannel costs others' users, by their weights, to first order ``[B, N, S]``.

    A user announces on each subchannel what a watt of interference would have cost it in the slot before: its weight times
    :math:`g p / (I (I + g p))`, with the power gp that it received of its own layer and the interference I (interference pricing,
    Huang, Berry and Honig 2006; in WMMSE the weighted squared receiver). It needs no more than what the user measured, and a station
    hears it from the users that hear the station.

    Args:
        views: of the networks.
        weight: of the users' rates ``[B, U]``.
    """
    view = views.spectrum
    total_w = view.interference_w + views.signal_w
    pain = weight.unsqueeze(2) * views.signal_w / (view.interference_w * total_w)
    # [B, U, N, S] only once: gains times the prices of others' users.
    price = torch.einsum("buns,bun,bus->bns", view.gain, _foreign(view).to(pain.dtype), pain)
    return price * view.power_max_w.unsqueeze(2)


def _foreign(view: Spectrum) -> Tensor:
    """Whether a user was another station's in the slot before ``[B, U, N]``."""
    return view.station.unsqueeze(2) != torch.arange(view.shape[1], device=view.gain.device)


def equal_parts(user: Tensor) -> Tensor:
    """Equal parts of the budget on all subchannels, and of these for a cluster's users ``[B, N, S, L]``."""
    on = (user >= 0).float()
    return on / on.sum(3, keepdim=True).clamp_min(1) / user.shape[2]
