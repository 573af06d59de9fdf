"""Bids of stations for users and of users for subchannels, as networks make them of states."""

import torch
from torch import Tensor, nn

from hetgraph.models.iot.decision import Agents
from hetgraph.models.iot.edge_basis import EdgeBasis
from hetgraph.models.iot.views import IoTViews
from hetgraph.nn.attention import EdgeHead
from hetgraph.radio.rates import shannon

STATS = 6


class Bids(nn.Module):
    """Networks of the discrete stage.

    Args:
        hidden: width.
        agents: stations with weights of their own; 0 for shared ones.
        silent: the last layers start at zero.
    """

    def __init__(self, hidden: int, agents: int, silent: bool) -> None:
        super().__init__()
        self.edge = EdgeHead(hidden, hidden, hidden, 1, agents, silent)
        self.pair = EdgeBasis(STATS, hidden, hidden, agents, silent)

    def of_edges(self, agents: Agents) -> Tensor:
        """Bids of stations for users ``[B, N, U]``."""
        out: Tensor = self.edge(agents.channel, agents.station).squeeze(3)
        return out

    def of_pairs(self, views: IoTViews, agents: Agents, station: Tensor, sinr: Tensor) -> Tensor:
        """Bids of users for subchannels of their station ``[B, U, S]``.

        Args:
            views: of the networks.
            agents: states.
            station: station of each user ``[B, U]``.
            sinr: of users alone on its subchannels ``[B, U, S]``.
        """
        view = views.spectrum
        share = view.power_w / view.power_max_w.unsqueeze(2)
        home = station.clamp_min(0).unsqueeze(2).expand_as(sinr)
        of_station, harm = share.gather(1, home) * sinr.shape[2], agents.harm.gather(1, home)
        price = agents.price.gather(1, home)
        rate, interference = shannon(sinr, nats=True), (view.interference_w / view.noise_w).log()
        stats = [
            rate / 3,
            rate - rate.mean(2, keepdim=True),
            of_station - 1,
            interference / 3 - 1,
            harm / 3,
            price.log1p() / 3,
        ]
        weights = self.pair.weights_of(agents.channel, agents.station, station)
        out: Tensor = self.pair(torch.stack(stats, 3).clamp(-5, 5), weights.unsqueeze(2))
        return out
