"""Arrivals of whole episodes as tables, so that all policies meet the same users."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Signals:
    """How the users of ``T`` slots hear ``K`` stations of ``B`` networks, now and in each of ``P`` periods from then on.

    Args:
        station: stations that the user hears, the strongest first ``[T, B, K]``.
        rate: data per slot if that station were its alone, 0 for one that cannot take it ``[T, B, K, P]``.
        gain: linear power gain ``[T, B, K, P]``.
        interference_w: of all other stations ``[T, B, K, P]``, W.
        far_interference_w: of the stations that it does not hear, in the first period ``[T, B]``, W.
        pos: place of the user ``[T, B, P, 3]``, m.
        bs_pos: places of the stations ``[B, N, 3]``, m.
    """

    station: Tensor
    rate: Tensor
    gain: Tensor
    interference_w: Tensor
    far_interference_w: Tensor
    pos: Tensor
    bs_pos: Tensor

    def select(self, networks: Tensor) -> "Signals":
        """Some of the networks, as often as they are named."""
        slots = {name: value[:, networks] for name, value in vars(self).items() if name != "bs_pos"}
        return Signals(**slots, bs_pos=self.bs_pos[networks])


@dataclass(frozen=True)
class Table:
    """Who comes when in ``B`` networks over ``T`` slots, at most one user per slot and network.

    Args:
        comes: ``[T, B]``.
        demand: what the user wants ``[T, B]``: data or slots.
        asked: resource blocks ``[T, B]``.
        signals: how it hears stations.
        probability: of an arrival in a slot ``[B]``.
        mean_demand: ``[B]``.
    """

    comes: Tensor
    demand: Tensor
    asked: Tensor
    signals: Signals
    probability: Tensor
    mean_demand: Tensor

    @property
    def station(self) -> Tensor:
        """Stations that the user hears, the strongest first ``[T, B, K]``."""
        return self.signals.station

    @property
    def rate(self) -> Tensor:
        """Data per slot if that station were its alone, in each period from then on ``[T, B, K, P]``."""
        return self.signals.rate

    def select(self, networks: Tensor) -> "Table":
        """Some of the networks, as often as they are named."""
        return Table(
            self.comes[:, networks],
            self.demand[:, networks],
            self.asked[:, networks],
            self.signals.select(networks),
            self.probability[networks],
            self.mean_demand[networks],
        )

    def to(self, device: torch.device) -> "Table":
        """The same on a device."""
        signals = Signals(*(value.to(device) for value in vars(self.signals).values()))
        rest = {name: value.to(device) for name, value in vars(self).items() if name != "signals"}
        return Table(**rest, signals=signals)
