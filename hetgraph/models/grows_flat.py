"""Q-values without a graph: one network on all stations' features together, for a fixed number of them."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from hetgraph.models.grows import FULL, GROWS, PAPER, Arrival, Features
from hetgraph.models.options import keep_options


@keep_options
class FlatQ(GROWS):
    """DQN without a graph: a perceptron on the features of all stations in order of strength, one output for each.

    Args:
        stations: stations K that a user hears; it runs for no other number.
        widths: widths of the hidden layers.
        features: as in :class:`~hetgraph.models.GROWS`.
    """

    name = "dqn"

    def __init__(self, stations: int = 3, widths: Sequence[int] = (64, 64), features: Features = "full") -> None:
        super().__init__((1, 1), 1, features)
        del self.layers, self.readout
        self.stations = stations
        sizes = [stations * (1 + (PAPER if features == "paper" else FULL)), *widths, stations]
        layers: list[nn.Module] = []
        for a, b in pairwise(sizes):
            layers += [nn.ReLU()] if layers else []
            layers.append(nn.Linear(a, b))
        self.network = nn.Sequential(*layers)

    def forward(self, arrival: Arrival) -> Tensor:
        """Q-values ``[B, K]``; minus infinity where there is no room.

        Raises:
            ValueError: another number of stations.
        """
        room = arrival.room
        if room.shape[1] != self.stations:
            raise ValueError(f"stations: got {room.shape[1]}, expected {self.stations}, as in training")
        node = (arrival.station - self.mean) / self.std
        flat = torch.cat([node.flatten(1), room.float()], 1)
        out: Tensor = self.network(flat)
        return out.masked_fill(~room, -torch.inf)
