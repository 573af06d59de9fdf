"""Arrivals of whole episodes as tables, so that all policies meet the same users."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.envs.arrivals.layout import Layout


@dataclass(frozen=True)
class Signals:
    """How the users of ``T`` slots hear ``K`` stations of ``B`` networks, now and in each of ``P`` periods from then on.

    Args:
        station: stations that the user hears, the strongest first ``[T, B, K]``.
        rate: data per slot if that station were its alone, 0 for one that cannot take it ``[T, B, K, P]``.
        gain: linear power gain ``[T, B, K, P]``.
        far_interference_w: of the stations that it does not hear ``[T, B, P]``, W.
        noise_w: over the whole band ``[T, B]``, W.
        pos: place of the user ``[T, B, P, 3]``, m.
        bs_pos: places of the stations ``[B, N, 3]``, m.
    """

    station: Tensor
    rate: Tensor
    gain: Tensor
    far_interference_w: Tensor
    noise_w: Tensor
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
        layout: stations and antennas.
        start: who is in service before the first slot; ``None`` for nobody.
    """

    comes: Tensor
    demand: Tensor
    asked: Tensor
    signals: Signals
    probability: Tensor
    mean_demand: Tensor
    layout: Layout
    start: "Start | None" = None

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
            self.layout.select(networks),
            None if self.start is None else self.start.select(networks),
        )

    def to(self, device: torch.device) -> "Table":
        """The same on a device."""
        signals = Signals(*(value.to(device) for value in vars(self.signals).values()))
        parts = (self.comes, self.demand, self.asked, self.probability, self.mean_demand)
        comes, demand, asked, probability, mean = (value.to(device) for value in parts)
        start = None if self.start is None else self.start.to(device)
        return Table(comes, demand, asked, signals, probability, mean, self.layout.to(device), start)


@dataclass(frozen=True)
class Start:
    """Users in service before the first slot of ``B`` networks.

    Args:
        table: who they are and what they still want, one after the other instead of slot after slot.
        place: place of each one's station among those that it hears ``[T, B]``.
    """

    table: Table
    place: Tensor

    def select(self, networks: Tensor) -> "Start":
        """Some of the networks, as often as they are named."""
        return Start(self.table.select(networks), self.place[:, networks])

    def to(self, device: torch.device) -> "Start":
        """The same on a device."""
        return Start(self.table.to(device), self.place.to(device))
