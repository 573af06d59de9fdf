"""What agents make of the users and the cells that they see: messages on the graph, or none."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from hetgraph.nn.candidates import CandidateEncoder, Candidates, sum_by

Encoder = Literal["graph", "flat", "single", "global"]
COLUMNS = {"bs": 8, "ue": 8, "edge": 8, "near_edge": 1}


@dataclass(frozen=True)
class Encoded:
    """What an encoder finds.

    Args:
        place: two numbers for each place: for the cell that a user leaves and for the one that it joins ``[B * U, C, 2]``.
        level: values of resource levels ``[B * U, L]``.
        station: states of cells ``[B * K, H]``.
        user: states of users ``[B * U, H]``.
        state: pooled state ``[B, S]``.
    """

    place: Tensor
    level: Tensor
    station: Tensor
    user: Tensor
    state: Tensor


class GraphEncoder(nn.Module):
    """Messages between users and cells; association values on edges, resource values on users.

    Args:
        hidden: width.
        rounds: rounds of messages.
        levels: resource levels.
    """

    def __init__(self, hidden: int, rounds: int, levels: int) -> None:
        super().__init__()
        self.messages = CandidateEncoder(hidden, rounds, tuple(COLUMNS.values()))  # type: ignore[arg-type]
        self.place, self.level, self.common = (nn.Linear(hidden, width) for width in (2, levels, levels))
        for head in (self.place, self.level, self.common):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, seen: Candidates) -> Encoded:
        """Values and states."""
        station, place = self.messages(seen)
        wide = station.reshape(seen.shape[0], seen.shape[1], -1)
        state = torch.cat([wide.mean(1), wide.amax(1)], 1)
        level = self.common(station)[seen.serving] + self.level(place[:, 0])
        return Encoded(self.place(place), level, station, place[:, 0], state)


STATE = 24


def encoder_of(kind: Encoder, hidden: int, rounds: int, places: int, levels: int) -> nn.Module:
    """Encoder by name.

    Raises:
        ValueError: an unknown name.
    """
    if kind not in get_args(Encoder):
        raise ValueError(f"encoder: got {kind!r}, expected one of {', '.join(get_args(Encoder))}")
    return GraphEncoder(hidden, rounds, levels)
