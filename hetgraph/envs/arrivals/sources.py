"""Where arrivals come from: what users want, and how they hear stations."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from hetgraph.channel import thermal_noise_w
from hetgraph.envs.arrivals.service import Service, Stations
from hetgraph.envs.arrivals.table import Signals, Table
from hetgraph.graph.heard import HeardPlaces
from hetgraph.radio.rates import spectral_efficiency
from hetgraph.units import dbm_to_w


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
        slot_s: length of a slot, s.
        data_bits: bits in a unit of data: a rate is ``bandwidth_hz * slot_s / data_bits`` times a spectral efficiency.
    """

    service: Service
    slots: int = 40
    probabilities: Sequence[float] = (0.5, 0.7, 1.0)
    demands: Sequence[float] = (6.0, 8.0, 10.0, 12.0, 14.0)
    spread: Sequence[float] = (0.5, 1.0, 1.5)
    most_asked: int = 1
    slot_s: float = 1.0
    data_bits: float = 20e6

    @property
    def band_hz(self) -> float:
        """Bandwidth that a station shares among its users, Hz."""
        raise NotImplementedError  # pragma: no cover

    @property
    def noise_w(self) -> float:
        """Noise of a user over the whole band, W."""
        raise NotImplementedError  # pragma: no cover

    @property
    def power_w(self) -> Tensor:
        """Transmit power of each station ``[N]``, W."""
        raise NotImplementedError  # pragma: no cover

    @property
    def units_per_efficiency(self) -> float:
        """Units of data that a station carries in a slot at 1 bit/s/Hz."""
        return self.band_hz * self.slot_s / self.data_bits

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
        """Slots after which the places of users who move change; 0 where nobody does."""
        return 0

    def signals(self, slots: int, networks: int, generator: Generator) -> Signals:
        """How users hear stations."""
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
        return Table(comes, demand, asked, self.signals(*shape, generator), probability, mean)


def offered(table: Table, slot: int, stations: Stations, source: Source) -> tuple[Tensor, Tensor, Tensor]:
    """Rates of the stations that a slot's user hears, their free resource blocks, and which of them may take it ``[B, K]`` each."""
    rate = table.rate[slot, ..., 0]
    free = stations.free.gather(1, table.station[slot])
    room = (free >= table.asked[slot].unsqueeze(1)) & table.comes[slot].unsqueeze(1) & (rate > 0)
    return rate, free, room & (room.cumsum(1) <= source.candidates)


def pick(values: Sequence[float], generator: Generator, *size: int) -> Tensor:
    """Values drawn from some that are all as likely."""
    return torch.tensor(values)[torch.randint(len(values), size, generator=generator)]


@dataclass(frozen=True, kw_only=True)
class DiscreteArrivals(Source):
    """Arrivals of the paper's simulation: discrete demands and signal strengths, drawn for each user anew.

    Stations stand on a hexagonal grid. A user hears two or three neighbouring ones and stands between them at the place, and
    behind the walls, that give the rates drawn for it, see :mod:`hetgraph.graph.heard`; rates follow Shannon's formula without
    interference. All pairs or triangles of neighbours are as likely, so that stations at the edge, in fewer of them, have less to
    do.

    Args:
        rates: data per slot that a station alone gives at each signal strength, all as likely.
        bonus: what users get more from the first station, the one with slightly stronger signal.
        hears: stations that a user hears, neighbours of each other, at most three; 0 for all.
        spacing_m: distance of neighbouring stations, m.
        power_dbm: of a station, dBm.
        noise_figure_db: of a user, dB.
        bandwidth_hz: that a station shares among its users, Hz.

    Raises:
        ValueError: more than three stations that a user hears, a station without neighbours, or rates that no place gives.
    """

    rates: Sequence[float] = (1.0, 2.0, 3.0)
    bonus: float = 0.0
    hears: int = 0
    spacing_m: float = 500.0
    power_dbm: float = 46.0
    noise_figure_db: float = 9.0
    bandwidth_hz: float = 20e6

    def __post_init__(self) -> None:
        assert self._heard is not None  # refuses stations without neighbours and rates that no place gives

    @property
    def heard(self) -> int:
        """Stations that a user hears."""
        return self.hears or self.service.stations

    @property
    def band_hz(self) -> float:
        """Bandwidth that a station shares among its users, Hz."""
        return self.bandwidth_hz

    @property
    def noise_w(self) -> float:
        """Noise of a user over the whole band, W."""
        return thermal_noise_w(self.bandwidth_hz, noise_figure_db=self.noise_figure_db)

    @property
    def power_w(self) -> Tensor:
        """Transmit power of each station ``[N]``, W."""
        return torch.full((self.service.stations,), dbm_to_w(self.power_dbm))

    @cached_property
    def _heard(self) -> HeardPlaces:
        unit = self.units_per_efficiency
        return HeardPlaces(
            self.service.stations,
            self.heard,
            tuple(rate / unit for rate in self.rates),
            self.bonus / unit,
            self.spacing_m,
            dbm_to_w(self.power_dbm),
            self.noise_w,
        )

    @cached_property
    def _rate(self) -> Tensor:
        """Rates by levels ``[C, K]``; rounded from double, so that one level is one number and ties stay ties."""
        gain = self._heard.table.gain
        efficiency = spectral_efficiency(gain * dbm_to_w(self.power_dbm), gain.new_tensor(self.noise_w))
        return (efficiency * self.units_per_efficiency).float()

    def signals(self, slots: int, networks: int, generator: Generator) -> Signals:
        """How users hear stations: levels are drawn, places follow, and from these gains and rates."""
        heard = self._heard
        k, count, groups = self.heard, len(self.rates), heard.groups
        level, number = (
            torch.randint(count, (slots, networks, k), generator=generator),
            torch.zeros((), dtype=torch.long),
        )
        if len(groups) > 1:
            number = torch.randint(len(groups), (slots, networks), generator=generator)
        group = groups[number].expand(slots, networks, k)
        at = heard.combination(level, group).flatten()
        rate = self._rate.index_select(0, at).reshape(level.shape)
        gain = heard.table.gain.float().index_select(0, at).reshape(level.shape)
        ties = torch.rand(rate.shape, generator=generator) * 1e-4 * self.rates[0]
        order = (rate + ties).argsort(2, descending=True)
        row = number.expand(slots, networks).flatten() * len(self._rate) + at
        zero = torch.zeros(1, 1)
        return Signals(
            group.gather(2, order),
            rate.gather(2, order).unsqueeze(3),
            gain.gather(2, order).unsqueeze(3),
            zero.reshape(1, 1, 1, 1).expand(slots, networks, k, 1),
            zero.expand(slots, networks),
            heard.pos.index_select(0, row).reshape(slots, networks, 1, 3),
            heard.bs_pos.expand(networks, -1, -1),
        )
