"""Arrivals of whole episodes as tables, so that all policies meet the same users."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from hetgraph.envs.service import Service, Stations


@dataclass(frozen=True)
class Table:
    """Who comes when in ``B`` networks over ``T`` slots, at most one user per slot and network.

    Args:
        comes: ``[T, B]``.
        demand: what the user wants ``[T, B]``: data or slots.
        asked: resource blocks ``[T, B]``.
        station: stations that the user hears, the strongest first ``[T, B, K]``.
        rate: data per slot if that station were its alone, 0 for one that cannot take it ``[T, B, K]``; with users who move
            ``[T, B, K, P]``, in each of P periods from then on.
        probability: of an arrival in a slot ``[B]``.
        mean_demand: ``[B]``.
    """

    comes: Tensor
    demand: Tensor
    asked: Tensor
    station: Tensor
    rate: Tensor
    probability: Tensor
    mean_demand: Tensor

    def select(self, networks: Tensor) -> "Table":
        """Some of the networks, as often as they are named."""
        return Table(
            self.comes[:, networks],
            self.demand[:, networks],
            self.asked[:, networks],
            self.station[:, networks],
            self.rate[:, networks],
            self.probability[networks],
            self.mean_demand[networks],
        )


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where arrivals come from: what users want; how they hear stations is a subclass's.

    Args:
        service: how stations serve.
        slots: slots T of an episode.
        probabilities: of an arrival in a slot; each network and episode draws one of them.
        demands: mean demands; likewise.
        spread: demands of users as parts of the mean, all as likely.
        most_asked: users ask for ``service.least_asked`` to so many resource blocks, all as likely.
    """

    service: Service
    slots: int = 40
    probabilities: Sequence[float] = (0.5, 0.7, 1.0)
    demands: Sequence[float] = (6.0, 8.0, 10.0, 12.0, 14.0)
    spread: Sequence[float] = (0.5, 1.0, 1.5)
    most_asked: int = 1

    @property
    def heard(self) -> int:
        """Stations K that a user hears."""
        raise NotImplementedError  # pragma: no cover

    @property
    def candidates(self) -> int:
        """How many of them, the strongest with room, may take it."""
        return self.heard

    @property
    def period(self) -> int:
        """Slots after which the rates of users who move change; 0 where nobody does."""
        return 0

    def signals(self, slots: int, networks: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Stations that users hear and their rates, ``station`` and ``rate`` of a :class:`Table`."""
        raise NotImplementedError  # pragma: no cover

    def draw(
        self,
        networks: int,
        generator: Generator,
        *,
        probability: Tensor | None = None,
        mean: Tensor | None = None,
        slots: int | None = None,
    ) -> Table:
        """Arrivals of an episode, with one slot more, for what is seen at its end.

        Args:
            networks: number of networks.
            generator: random numbers.
            probability: of an arrival in each network, instead of a draw.
            mean: mean demand in each network, instead of a draw.
            slots: slots, instead of an episode's.
        """
        shape = ((slots or self.slots) + 1, networks)
        probability = pick(self.probabilities, generator, networks) if probability is None else probability
        mean = pick(self.demands, generator, networks) if mean is None else mean
        comes = torch.rand(shape, generator=generator) < probability
        demand = mean * pick(self.spread, generator, *shape)
        asked = torch.randint(self.service.least_asked, self.most_asked + 1, shape, generator=generator).float()
        return Table(comes, demand, asked, *self.signals(*shape, generator), probability, mean)


def offered(table: Table, slot: int, stations: Stations, source: Source) -> tuple[Tensor, Tensor, Tensor]:
    """Rates of the stations that a slot's user hears, their free resource blocks, and which of them may take it ``[B, K]`` each."""
    rate = table.rate[slot] if table.rate.dim() == 3 else table.rate[slot, ..., 0]
    free = stations.free.gather(1, table.station[slot])
    room = (free >= table.asked[slot].unsqueeze(1)) & table.comes[slot].unsqueeze(1) & (rate > 0)
    return rate, free, room & (room.cumsum(1) <= source.candidates)


def pick(values: Sequence[float], generator: Generator, *size: int) -> Tensor:
    """Values drawn from some that are all as likely."""
    return torch.tensor(values)[torch.randint(len(values), size, generator=generator)]


@dataclass(frozen=True, kw_only=True)
class DiscreteArrivals(Source):
    """Arrivals of the paper's simulation: discrete demands and signal strengths, drawn for each user anew.

    Args:
        rates: data per slot that a station alone gives at each signal strength, all as likely.
        bonus: what users get more from the first station, the one with slightly stronger signal.
        hears: stations that a user hears, any of them as likely; 0 for all.
    """

    rates: Sequence[float] = (1.0, 2.0, 3.0)
    bonus: float = 0.0
    hears: int = 0

    @property
    def heard(self) -> int:
        """Stations that a user hears."""
        return self.hears or self.service.stations

    def signals(self, slots: int, networks: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """Stations that users hear and their rates."""
        rate = pick(self.rates, generator, slots, networks, self.heard)
        who = torch.arange(self.heard).expand(rate.shape)
        if self.heard < self.service.stations:
            everyone = torch.rand(slots, networks, self.service.stations, generator=generator)
            who = everyone.topk(self.heard, 2).indices
        rate = rate + self.bonus * (who == 0)
        ties = torch.rand(rate.shape, generator=generator) * 1e-4 * self.rates[0]
        order = (rate + ties).argsort(2, descending=True)
        return who.gather(2, order), rate.gather(2, order)
