"""Centralised critics of schedules of IoT networks: what they promise, and message passing over stations, users and clusters."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hetgraph.models.iot.priors import equal_parts
from hetgraph.models.iot.views import STATION, USER, IoTViews, sum_at
from hetgraph.nn.encoder import mlp
from hetgraph.radio.interference import interference_on_blocks
from hetgraph.radio.noma import noma_rates
from hetgraph.radio.schedule import Schedule

PROMISED, OF_STATION, OF_EDGE = 6, 6, 3
FIRST = (1.0, 0.1, -0.1)  # weights of throughput, energy efficiency and interference in IoTEnv's rewards


@dataclass(frozen=True)
class Promise:
    """What a schedule would bring with the gains of the slot before; differentiable in its powers.

    Args:
        bits: that users' layers would carry ``[B, U]``.
        served: of those that wait ``[B, U]``.
        heard_db: interference plus noise over noise, mean over a user's layers ``[B, U]``, dB.
        sent: part of the budget that is sent ``[B, N]``.
        received_db: mean power that a user receives of each station over noise ``[B, N, U]``, dB, at least -20.
        reward: throughput, energy efficiency and interference as in the reward of ``sharing="own"`` ``[B, N, 3]``.
    """

    bits: Tensor
    served: Tensor
    heard_db: Tensor
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
    heard = other[network, index, block]
    carried = noma_rates(gain, layer_w, heard) * view.bits_per_efficiency.reshape(b, 1, 1, 1) * on
    level_db = (heard / view.noise_w[network, index, block]).log10() * 10 * on
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


class GraphCritic(nn.Module):
    """Values of joint actions, one for each station, by messages between stations and users; of one size for any number of them.

    Users hear of their clusters (bits promised, bits left, time left) and of the power that they receive of each station; stations
    of the users that they serve and of those that they disturb; and all of the mean.

    The value is that of reference powers on the same clusters, plus what the powers gain over these, both by networks and by the
    promised reward r with learned weights (dueling, Wang et al. 2016, with a reference instead of the mean):

    .. math::
        Q(s, a) = V(s, a_0) + w_0 r(s, a_0) + G(s, a) - G(s, a_0) + w (r(s, a) - r(s, a_0))

    Powers are high where much waits, and much is served later where much waits: without a reference critics learn that power pays.
    The weights w start at those of the environment and the networks at zero; or the weights start at zero.

    Args:
        hidden: width.
        promised: start from the promised reward.
    """

    def __init__(self, hidden: int = 32, promised: bool = True) -> None:
        super().__init__()
        self.user = nn.Linear(USER + PROMISED, hidden)
        self.station = nn.Linear(STATION + OF_STATION, hidden)
        self.edge = nn.Linear(OF_EDGE, hidden)
        self.to_user = nn.Linear(2 * hidden, hidden)
        self.to_station = nn.Linear(3 * hidden, hidden)
        self.out = mlp(2 * hidden, hidden, 1)
        self.gain = mlp(2 * hidden, hidden, 1)
        self.first = nn.Parameter(torch.tensor(FIRST) if promised else torch.zeros(len(FIRST)))
        self.level = nn.Parameter(self.first.detach().clone())
        if promised:
            # Actors that follow a network that has learned nothing yet lose what their rule is worth.
            for parameter in (*self.out[-1].parameters(), *self.gain[-1].parameters()):
                nn.init.zeros_(parameter)

    def forward(self, views: IoTViews, action: Schedule, reference: Tensor | None = None) -> Tensor:
        """Values ``[B, N]``, differentiable in ``action.power``.

        Args:
            views: of the networks.
            action: association, clusters and powers.
            reference: powers on the same clusters, whatever those of the action ``[B, N, S, L]``; equal parts when ``None``.
        """
        base = Schedule(action.station, action.user, equal_parts(action.user) if reference is None else reference)
        (state, reward), (level, before) = self._state(views, action), self._state(views, base)
        gain = self.gain(state) - self.gain(level)
        out: Tensor = (self.out(level) + gain).squeeze(2)
        return out + before @ self.level + (reward - before) @ self.first

    def _state(self, views: IoTViews, action: Schedule) -> tuple[Tensor, Tensor]:
        """States of stations ``[B, N, 2 H]`` and the promised reward ``[B, N, 3]``."""
        view, found = views.spectrum, promise(views, action)
        n, there = view.shape[1], view.active
        user = self._users(views, found, action)
        station = nn.functional.silu(self.station(self._stations(views, found, action)))
        own = (action.station.unsqueeze(1) == torch.arange(n, device=there.device).reshape(1, n, 1)).float()
        edge = torch.stack([found.received_db / 20, own, view.rsrp_dbm.transpose(1, 2) / 40 + 2], 3)
        edge = self.edge(edge.clamp(-5, 5))  # [B, N, U, H]
        heard = nn.functional.silu(edge + station.unsqueeze(2)).mean(1)
        user = user + nn.functional.silu(self.to_user(torch.cat([user, heard], 2)))
        present = there.unsqueeze(1).float()
        message = nn.functional.silu(edge + user.unsqueeze(1))
        served = _share(message, own * present)
        disturbed = _share(message, (1 - own) * present)
        station = station + nn.functional.silu(self.to_station(torch.cat([station, served, disturbed], 2)))
        everywhere = station.mean(1, keepdim=True).expand_as(station)
        return torch.cat([station, everywhere], 2), found.reward

    def _users(self, views: IoTViews, found: Promise, action: Schedule) -> Tensor:
        view = views.spectrum
        queue, left = view.queue_bits, view.queue_bits - found.served
        last = (view.head_slots == 1).float()
        some = (queue > 0).float()
        columns = [
            left / 1e5,
            left / 1e5 * last,
            found.served / queue.clamp_min(1),
            ((found.bits + 1e3) / (queue + 1e3)).log() / 2,
            some * (left / (queue + 1)) * last,
            found.heard_db / 10,
        ]
        state = torch.cat([views.user_x, torch.stack(columns, 2).clamp(-5, 5)], 2)
        out: Tensor = nn.functional.silu(self.user(state))
        return out * (view.active & (action.station >= 0)).unsqueeze(2)

    def _stations(self, views: IoTViews, found: Promise, action: Schedule) -> Tensor:
        view = views.spectrum
        n = view.shape[1]
        left = sum_at(action.station, view.queue_bits - found.served, n) / 1e6
        users = sum_at(action.station, view.active.float(), n)
        sent = found.sent * view.power_max_w
        columns = [found.sent, sent / 20, (sent + 0.01).log10(), left, users / 10, found.reward[..., 0]]
        return torch.cat([views.station_x, torch.stack(columns, 2).clamp(-5, 5)], 2)


def _share(message: Tensor, counts: Tensor) -> Tensor:
    """Mean of the messages that count, times the logarithm of one plus their number ``[B, N, H]``."""
    number = counts.sum(2, keepdim=True)
    mean = (counts.unsqueeze(2) @ message).squeeze(2) / number.clamp_min(1)
    return mean * (1 + number).log() / math.log(10)
