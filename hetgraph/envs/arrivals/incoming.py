"""Arrivals of an episode in the layout of the state of service, so that a slot copies rows and computes nothing."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.envs.arrivals.table import Table

LEFT, ASKED, RATE, FAR, NOISE, POS = range(6)  # rows of ``real``; three of POS
ROWS = POS + 3


@dataclass(frozen=True)
class Incoming:
    """Who comes in ``T`` slots; demand, blocks, gains and rates are zero where nobody does.

    Args:
        real: what a user brings ``[T, ROWS, B]``; its own rate is written at admission.
        edges: gain and rate toward the stations that it hears ``[T, 2, B, K]``.
        station: these, counted within the network ``[T, B, K]``.
        global_station: and over all networks.
        usable: those strong enough ``[T, B, K]``.
        later: for users who move, gain and rate ``[T, B, P, 2, K]``.
        place: likewise far interference and place ``[T, B, P, 4]``.
    """

    real: Tensor
    edges: Tensor
    station: Tensor
    global_station: Tensor
    usable: Tensor
    later: Tensor | None
    place: Tensor | None


def incoming(table: Table, stations: int) -> Incoming:
    """Arrivals of a table in networks of so many stations."""
    signals, comes = table.signals, table.comes
    b, moves = comes.shape[1], signals.rate.shape[3] > 1
    rows = [table.demand * comes, table.asked * comes, torch.zeros_like(table.demand)]
    rows += [signals.far_interference_w[..., 0], signals.noise_w, *signals.pos[:, :, 0].unbind(2)]
    edges = torch.stack([signals.gain[..., 0], signals.rate[..., 0]], 1)
    offset = stations * torch.arange(b, device=comes.device).unsqueeze(1)
    later = place = None
    if moves:
        later = torch.stack([signals.gain, signals.rate], 2).movedim(4, 2).contiguous()
        place = torch.cat([signals.far_interference_w.unsqueeze(3), signals.pos], 3)
    return Incoming(
        torch.stack(rows, 1),
        edges * comes.reshape(-1, 1, b, 1),
        signals.station,
        signals.station + offset,
        comes.unsqueeze(2) & (signals.rate[..., 0] > 0),
        later,
        place,
    )
