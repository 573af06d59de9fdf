"""Centralised critics of schedules of IoT networks: what they promise, and message passing over stations, users and clusters."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hetgraph.graph.schema import CHANNEL
from hetgraph.models.iot.encoder import EDGE_COLUMNS, STATION_COLUMNS, USER_COLUMNS
from hetgraph.models.iot.priors import equal_parts
from hetgraph.models.iot.promise import Promise, promise
from hetgraph.models.iot.views import IoTViews, serves, sum_at
from hetgraph.nn.encoder import mlp
from hetgraph.nn.hetero_layers import HeteroLayers, LayerSums, Store
from hetgraph.radio.schedule import Schedule

# What depends on the action is no column of the graph: it joins these.
WIDTHS: dict[Store, int] = {
    "bs": len(STATION_COLUMNS) + 6,
    "ue": len(USER_COLUMNS) + 6,
    CHANNEL: len(EDGE_COLUMNS) + 1,
}
FIRST = (1.0, 0.1, -0.1)  # weights of throughput, energy efficiency and interference in IoTEnv's rewards
LARGEST = 5.0  # columns that depend on the action are cut there


@dataclass(frozen=True)
class Compared:
    """An action beside reference powers on the same clusters, as critics read them.

    Args:
        action: arguments of :class:`~hetgraph.nn.hetero_layers.HeteroLayers` with the powers of the action.
        reference: the same with reference powers.
        reward: promised reward ``[B, N, 3]``, see :class:`~hetgraph.models.iot.promise.Promise`.
        before: that of the reference.
    """

    action: dict[str, Any]
    reference: dict[str, Any]
    reward: Tensor
    before: Tensor


def compared(views: IoTViews, action: Schedule, reference: Tensor | None = None) -> Compared:
    """Arguments that all critics of an action share, differentiable in ``action.power``.

    Args:
        views: of the networks.
        action: association, clusters and powers.
        reference: powers on the same clusters, whatever those of the action ``[B, N, S, L]``; equal parts when ``None``.
    """
    base = Schedule(action.station, action.user, equal_parts(action.user) if reference is None else reference)
    promised, before = promise(views, action), promise(views, base)
    weight = _groups(views, action)
    return Compared(
        _arguments(views, action, promised, weight),
        _arguments(views, base, before, weight),
        promised.reward,
        before.reward,
    )


class GraphCritic(nn.Module):
    """Values of joint actions, one for each station, by messages between stations and users; of one size for any number of them.

    The layers are those of :class:`~hetgraph.nn.HeteroEncoder`, over the association of the action in place of the present one:
    users hear of their clusters (bits promised, bits left, time left) and of the power that they receive of each station; stations
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
        self.graph = HeteroLayers(WIDTHS, hidden, layers=1, hops=0, groups=2, reports=False)
        self.out = mlp(2 * hidden, hidden, 1)
        self.gain = mlp(2 * hidden, hidden, 1)
        self.first = nn.Parameter(torch.tensor(FIRST) if promised else torch.zeros(len(FIRST)))
        self.level = nn.Parameter(self.first.detach().clone())
        if promised:
            # Actors that follow a network that has learned nothing yet lose what their rule gains.
            for parameter in (*self.out[-1].parameters(), *self.gain[-1].parameters()):
                nn.init.zeros_(parameter)

    def forward(self, compared: Compared) -> Tensor:
        """Values ``[B, N]`` of an action of :func:`compared`."""
        b, n, _ = compared.reward.shape
        state, level = self._stations(compared.action, b, n), self._stations(compared.reference, b, n)
        gain = self.gain(state) - self.gain(level)
        out: Tensor = (self.out(level) + gain).squeeze(2)
        return out + compared.before @ self.level + (compared.reward - compared.before) @ self.first

    def _stations(self, arguments: dict[str, Any], networks: int, stations: int) -> Tensor:
        """States of stations and their mean ``[B, N, 2 H]``."""
        station = self.graph(**arguments)["bs"].reshape(networks, stations, -1)
        return torch.cat([station, station.mean(1, keepdim=True).expand_as(station)], 2)


def _groups(views: IoTViews, action: Schedule) -> Tensor:
    """Weights of edges in two groups, those to the stations of the action and others; none of absent users ``[E, 2]``."""
    view = views.spectrum
    own = serves(action.station, view.shape[1]).transpose(1, 2)  # [B, U, N]
    groups = torch.stack([own, ~own]) & view.active.unsqueeze(2)
    return groups.flatten(1).to(views.signal_w.dtype).T


def _arguments(views: IoTViews, action: Schedule, promised: Promise, weight: Tensor) -> dict[str, Any]:
    """Arguments of the layers: columns of the graph, and beside them what is promised."""
    inputs, links = views.inputs, views.links
    bs, ue, edge = inputs["x_dict"]["bs"], inputs["x_dict"]["ue"], inputs["edge_attr_dict"][CHANNEL]
    received = (promised.received_db.transpose(1, 2).reshape(-1, 1) / 20).clamp(-LARGEST, LARGEST)
    edge = torch.cat([edge, received], 1)
    return {
        "x_dict": {
            "bs": torch.cat([bs, of_stations(views, promised, action).flatten(0, 1)], 1),
            "ue": torch.cat([ue, of_users(views, promised).flatten(0, 1)], 1),
        },
        "edge_index_dict": inputs["edge_index_dict"],
        "edge_attr_dict": {CHANNEL: edge},
        "weight": weight,
        "links": LayerSums.of(links, edge, weight, None),
    }


def of_users(views: IoTViews, promised: Promise) -> Tensor:
    """What an action promises to users, at a scale of one ``[B, U, 6]``."""
    view = views.spectrum
    queue, left = view.queue_bits, view.queue_bits - promised.served
    last = (view.head_slots == 1).float()
    some = (queue > 0).float()
    columns = [
        left / 1e5,
        left / 1e5 * last,
        promised.served / queue.clamp_min(1),
        ((promised.bits + 1e3) / (queue + 1e3)).log() / 2,
        some * (left / (queue + 1)) * last,
        promised.interference_db / 10,
    ]
    return torch.stack(columns, 2).clamp(-LARGEST, LARGEST)


def of_stations(views: IoTViews, promised: Promise, action: Schedule) -> Tensor:
    """What an action takes of stations and promises to their users, at a scale of one ``[B, N, 6]``."""
    view = views.spectrum
    n = view.shape[1]
    left = sum_at(action.station, view.queue_bits - promised.served, n) / 1e6
    users = sum_at(action.station, view.active.float(), n)
    sent = promised.sent * view.power_max_w
    columns = [promised.sent, sent / 20, (sent + 0.01).log10(), left, users / 10, promised.reward[..., 0]]
    return torch.stack(columns, 2).clamp(-LARGEST, LARGEST)
