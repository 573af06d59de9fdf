"""Where arrivals come from: what users want, and how they hear stations."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from hetgraph.channel import thermal_noise_w
from hetgraph.envs.arrivals.layout import Layout, plain_layout
from hetgraph.envs.arrivals.service import Service, Stations
from hetgraph.envs.arrivals.table import Signals, Start, Table
from hetgraph.graph.counters import Networks, choices, uniforms
from hetgraph.graph.efficiency_places import EfficiencyPlaces
from hetgraph.radio.rates import spectral_efficiency
from hetgraph.units import dbm_to_w


@dataclass(frozen=True, kw_only=True)
class Source(ABC):
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
    @abstractmethod
    def band_hz(self) -> float:
        """Bandwidth that a station shares among its users, Hz."""

    @property
    def units_per_efficiency(self) -> float:
        """Units of data that a station carries in a slot at 1 bit/s/Hz."""
        return self.band_hz * self.slot_s / self.data_bits

    @property
    @abstractmethod
    def links_per_user(self) -> int:
        """Stations K that a user hears."""

    @property
    def candidates(self) -> int:
        """How many of them, the strongest with room, may take it."""
        return self.links_per_user

    @property
    def period(self) -> int:
        """Slots after which the places of users who move change; 0 where nobody does."""
        return 0

    @abstractmethod
    def signals(self, networks: Networks, episode: int, slots: int) -> tuple[Signals, Layout]:
        """How users hear stations, and the layout.

        Args:
            networks: whose users.
            episode: number of the episode.
            slots: slots.
        """

    def draw(
        self,
        networks: Networks,
        episode: int = 0,
        *,
        probability: Tensor | None = None,
        mean: Tensor | None = None,
        slots: int | None = None,
    ) -> Table:
        """Arrivals of an episode, with one slot more, for the observation at its end.

        Args:
            networks: whose arrivals.
            episode: number of the episode.
            probability: of an arrival in each network, instead of a draw.
            mean: mean demand in each network, instead of a draw.
            slots: slots, instead of an episode's, at whose start nobody is in service.
        """
        whole, slots, keys = slots is None, (slots or self.slots) + 1, networks.keys
        load = uniforms(keys, first_of(episode, LOADS), 2, 1)[:, 0]
        probability = pick(self.probabilities, load[0]) if probability is None else probability
        mean = pick(self.demands, load[1]) if mean is None else mean
        comes, part, blocks = uniforms(keys, first_of(episode, USERS), 3, slots)
        least = self.service.least_asked
        asked = (least + choices(blocks, self.most_asked + 1 - least)).float()
        signals, layout = self.signals(networks, episode, slots)
        table = Table(comes < probability, mean * pick(self.spread, part), asked, signals, probability, mean, layout)
        return replace(table, start=self.start(networks, episode, table)) if whole else table

    def start(self, networks: Networks, episode: int, table: Table) -> Start | None:
        """Who is in service before the first slot of an episode; nobody, as a rule.

        Args:
            networks: whose users.
            episode: number of the episode.
            table: its arrivals.
        """
        return None


LOADS, USERS, SIGNALS, START = range(4)  # what numbers are for


def first_of(episode: int, purpose: int) -> int:
    """Number of the first hash of an episode and a purpose: 2^34 for each of four purposes, more than any episode takes."""
    return (4 * episode + purpose) << 34


def rates_and_room(table: Table, slot: int, stations: Stations, source: Source) -> tuple[Tensor, Tensor, Tensor]:
    """Rates of the stations that a slot's user hears, their free resource blocks, and which of them may take it ``[B, K]`` each."""
    comes = table.comes[slot].unsqueeze(1)
    rate = table.rate[slot, ..., 0] * comes
    free = stations.free.gather(1, table.station[slot])
    return rate, free, strongest_with_room((free >= table.asked[slot].unsqueeze(1)) & (rate > 0), source)


def strongest_with_room(room: Tensor, source: Source) -> Tensor:
    """The first of the stations with room ``[B, K]``, as many as may take a user."""
    return room if source.candidates >= source.links_per_user else room & (room.cumsum(1) <= source.candidates)


def pick(values: Sequence[float], uniform: Tensor) -> Tensor:
    """Values of uniform numbers, all as likely."""
    return torch.tensor(values, device=uniform.device)[choices(uniform, len(values))]


@dataclass(frozen=True, kw_only=True)
class DiscreteArrivals(Source):
    """Arrivals of the paper's simulation: discrete demands and signal strengths, drawn for each user anew.

    Stations stand on a hexagonal grid. A user hears two or three neighbouring ones and stands between them at the place, and
    behind the walls, that give the rates drawn for it, see :mod:`hetgraph.graph.efficiency_places`; rates follow Shannon's formula
    without interference. All pairs or triangles of neighbours are as likely, so that stations at the edge, in fewer of them, have
    less to do.

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
        assert self._efficiency_places is not None  # refuses stations without neighbours and rates that no place gives

    @property
    def links_per_user(self) -> int:
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
    def _efficiency_places(self) -> EfficiencyPlaces:
        unit = self.units_per_efficiency
        return EfficiencyPlaces(
            self.service.stations,
            self.links_per_user,
            tuple(rate / unit for rate in self.rates),
            self.bonus / unit,
            self.spacing_m,
            dbm_to_w(self.power_dbm),
            self.noise_w,
        )

    @cached_property
    def _gain(self) -> Tensor:
        """Gains by levels ``[C, K]``."""
        return self._efficiency_places.table.gain.float()

    @cached_property
    def _rate(self) -> Tensor:
        """Rates by levels ``[C, K]``; rounded from double, so that one level is one number and ties stay ties."""
        gain = self._efficiency_places.table.gain
        efficiency = spectral_efficiency(gain * dbm_to_w(self.power_dbm), gain.new_tensor(self.noise_w))
        return (efficiency * self.units_per_efficiency).float()

    def signals(self, networks: Networks, episode: int, slots: int) -> tuple[Signals, Layout]:
        """How users hear stations: levels are drawn, places follow, and from these gains and rates."""
        k, one = self.links_per_user, len(self._efficiency_places.groups) == 1
        drawn = uniforms(networks.keys, first_of(episode, SIGNALS), 2 * k + (not one), slots)
        number = (
            drawn.new_zeros((), dtype=torch.long) if one else choices(drawn[2 * k], len(self._efficiency_places.groups))
        )
        signals = self.signals_of(choices(drawn[:k], len(self.rates)), number, drawn[k : 2 * k])
        return signals, plain_layout(signals.bs_pos, self.power_w)

    def signals_of(self, level: Tensor, number: Tensor, ties: Tensor) -> Signals:
        """How users hear stations at given levels.

        Args:
            level: of the rates of each station of a group ``[K, T, B]``.
            number: of the group ``[T, B]``, or a number for all.
            ties: which of equal rates comes first ``[K, T, B]``, from 0 to 1.
        """
        k, count, (slots, networks) = self.links_per_user, len(self.rates), level.shape[1:]
        group = self._efficiency_places.groups[number].expand(slots, networks, k)
        level = level + count * (group.movedim(2, 0) == 0)  # the first station's bonus makes its levels others
        weight = (2 * count) ** torch.arange(k - 1, -1, -1).reshape(k, 1, 1)
        flat = (level * weight).sum(0).flatten()
        order = (self._rate[flat] + ties.flatten(1).T * (1e-4 * self.rates[0])).argsort(1, descending=True)
        rate, gain = self._rate[flat].gather(1, order), self._gain[flat].gather(1, order)
        row = number.expand(slots, networks).flatten() * len(self._rate) + flat
        shape, zero = (slots, networks), torch.zeros(1, 1)
        return Signals(
            group.gather(2, order.reshape(*shape, k)),
            rate.reshape(*shape, k, 1),
            gain.reshape(*shape, k, 1),
            zero.unsqueeze(2).expand(*shape, 1),
            zero.expand(shape) + self.noise_w,
            self._efficiency_places.pos.index_select(0, row).reshape(*shape, 1, 3),
            self._efficiency_places.bs_pos.expand(networks, -1, -1),
        )
