"""Centralised critics of joint schedules of IoT networks, by sums over users, which only training has."""

import torch
from torch import Tensor, nn

from hetgraph.models.iot.critic import of_stations, of_users
from hetgraph.models.iot.promise import promise
from hetgraph.models.iot.views import IoTViews, at_station, sum_at
from hetgraph.nn.encoder import mlp
from hetgraph.radio.schedule import Schedule

USERS, STATIONS = 6 + 9, 6 + 3  # columns: what an action promises, and states or rewards
LARGEST = 5.0  # columns are cut there
REWARDS = 3


class JointCritic(nn.Module):
    """Values of joint actions, one for each station, of all stations' and users' states, choices and powers.

    Powers, with all gains, are what users receive and suffer, and by that the bits that they would be sent
    (:func:`~hetgraph.models.iot.promise.promise`), through which gradients come to each layer's power. Networks make of these, of
    bits and slots that are left and of what is sent a state of each user, of their sum over a station's users a state of the
    station, and of it and of the mean of all its value. What the promise is worth is learned: nothing of the reward is given.

    Args:
        hidden: width.
    """

    def __init__(self, hidden: int = 64) -> None:
        super().__init__()
        self.user = mlp(USERS, hidden, hidden)
        self.station = mlp(hidden + STATIONS, hidden, hidden)
        self.out = mlp(2 * hidden, hidden, 1)
        self.promised = nn.Linear(REWARDS, 1, bias=False)
        nn.init.zeros_(self.promised.weight)

    def forward(self, views: IoTViews, action: Schedule) -> Tensor:
        """Values ``[B, N]``; gradients flow to the powers of the action.

        Args:
            views: of all, with the gains that the action will meet.
            action: association, clusters and powers.
        """
        promised = promise(views, action)
        users = torch.cat([of_users(views, promised), _state_of_users(views, action)], 2)
        sums = sum_at(action.station, self.user(users), views.spectrum.shape[1])
        stations = torch.cat([sums / 5, of_stations(views, promised, action), promised.reward / 5], 2)
        state = self.station(stations)
        both = torch.cat([state, state.mean(1, keepdim=True).expand_as(state)], 2)
        out: Tensor = (self.out(both) + self.promised(promised.reward)).squeeze(2)
        return out


def _state_of_users(views: IoTViews, action: Schedule) -> Tensor:
    """What is known of users whatever is done ``[B, U, 9]``."""
    view, b, n = views.spectrum, len(views.slot_s), views.spectrum.shape[1]
    offered = (view.offered_bps * views.slot_s.unsqueeze(1)).clamp_min(1)
    budget_w = view.power_max_w.reshape(b, n, 1, 1)
    reached = (view.gain.transpose(1, 2) * budget_w).mean(3) / view.noise_w.mean(2).unsqueeze(1)  # [B, N, U]
    own = at_station(action.station, reached)
    columns = [
        (view.queue_bits / offered).log1p(),
        view.queue_bits / offered / view.head_slots.clamp_min(1) / 2,
        view.head_slots.clamp_min(1).to(own.dtype).log(),
        view.deadline_slots.clamp_min(1).to(own.dtype).log(),
        (view.offered_bps / 1e6).clamp_min(1e-3).log() / 2,
        view.rate_mean_bps / view.offered_bps.clamp_min(1),
        3 * views.served_share,
        own.clamp_min(1e-9).log() / 5,
        (own / (reached.sum(1) - own).clamp_min(1e-9)).clamp_min(1e-9).log() / 5,
    ]
    return torch.stack(columns, 2).clamp(-LARGEST, LARGEST)
