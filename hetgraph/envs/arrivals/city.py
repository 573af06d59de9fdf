"""Arrivals in a city: hundreds of stations, flash crowds and users who move, on the channels of a scenario."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.envs.arrivals.layout import Layout, plain_layout
from hetgraph.envs.arrivals.reception import Reception
from hetgraph.envs.arrivals.sources import Source
from hetgraph.envs.arrivals.table import Signals
from hetgraph.graph.background import propagate_with_background
from hetgraph.graph.counters import Networks
from hetgraph.graph.placement import place_stations
from hetgraph.graph.sample import noise_w
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.streams import Streams
from hetgraph.graph.user_state import draw_user_state
from hetgraph.units import dbm_to_w

MOST_PAIRS = 5_000_000  # of a station and a user's place at once


@dataclass(frozen=True, kw_only=True)
class CityArrivals(Source):
    """Users come anywhere, for a while many of them at one place, and walk or drive straight on while they are served.

    Rates follow Shannon's formula at the users' mean SINR, with all other stations at ``load`` of their power, up to
    ``most_bps_hz``, over the scenario's band; a unit of data is ``data_bits``. Path loss, line of sight and shadowing are
    functions of the place, so that they change as users move; fast fading is averaged out over a stay.

    Args:
        scenario: stations, channel and radio.
        hears: strongest stations K that a user hears.
        most_candidates: how many of them, the strongest with room, may take it.
        crowd: share of the users who come to the crowd while it lasts.
        crowd_radius_m: standard deviation of its places.
        crowd_window: when it comes and goes, as parts of the episode.
        speed_mps: largest speed of users.
        moves_every: slots after which places and rates change.
        periods: how many of them are followed; then users stand still.
        load: share of full power at which other stations interfere.
        most_bps_hz: largest spectral efficiency.
        least_bps_hz: spectral efficiency below which a station does not take a user; who moves away while served keeps it.
    """

    scenario: Scenario
    slot_s: float = 5e-3
    hears: int = 8
    most_candidates: int = 4
    crowd: float = 0.5
    crowd_radius_m: float = 150.0
    crowd_window: tuple[float, float] = (0.25, 0.5)
    speed_mps: float = 15.0
    moves_every: int = 1000
    periods: int = 4
    load: float = 0.3
    most_bps_hz: float = 6.0
    least_bps_hz: float = 0.3

    @property
    def links_per_user(self) -> int:
        """Stations that a user hears."""
        return min(self.hears, self.service.stations)

    @property
    def candidates(self) -> int:
        """How many of them may take it."""
        return self.most_candidates

    @property
    def period(self) -> int:
        """Slots after which places and rates change."""
        return self.moves_every

    @property
    def reception(self) -> Reception:
        """Which stations users receive, and how well."""
        return Reception(self.hears, self.load, self.most_bps_hz, self.least_bps_hz)

    @property
    def band_hz(self) -> float:
        """Bandwidth that a station shares among its users, Hz."""
        return self.scenario.radio.bandwidth_hz

    @property
    def noise_w(self) -> float:
        """Noise of a user over the whole band, W."""
        return noise_w(self.scenario) * self.scenario.radio.num_rbs

    @property
    def power_w(self) -> Tensor:
        """Transmit power of each station ``[N]``, W."""
        return torch.tensor([dbm_to_w(tier.power_dbm) for tier in self.scenario.tiers for _ in range(tier.count)])

    def signals(self, networks: Networks, episode: int, slots: int) -> tuple[Signals, Layout]:
        """How users receive stations, a few networks at a time for memory's sake."""
        numbers, few = networks.numbers, max(MOST_PAIRS // (slots * self.periods * self.service.stations), 1)
        parts = [
            self._networks(Streams(networks.seed, numbers[at : at + few], episode), slots)
            for at in range(0, len(numbers), few)
        ]
        table = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        signals = {name: value if name == "bs_pos" else value.transpose(0, 1) for name, value in table.items()}
        return Signals(**signals), plain_layout(table["bs_pos"], self.power_w)

    def _networks(self, streams: Streams, users: int) -> dict[str, Tensor]:
        """The fields of :class:`Signals`, networks first."""
        n, stations = len(streams.networks), place_stations(self.scenario, streams)
        place = self._places(streams, users)  # [n, T, P, 2]
        scenario, p = self.scenario, self.periods
        state = draw_user_state(scenario, streams, users)
        state = None if state is None else state.repeat_interleave(p)
        points = place.reshape(n, -1, 2)
        paths, far_w = propagate_with_background(scenario, stations, points, streams, state=state, fast_fading=False)
        gain = paths.gain.reshape(n, -1, users, p).transpose(1, 2)  # [n, T, N, P]
        noise = torch.tensor(self.noise_w)
        far_w = None if far_w is None else far_w.reshape(n, users, p)
        signals = self.reception(gain, self.power_w.reshape(-1, 1), noise, far_w)
        rate = signals.pop("efficiency") * self.units_per_efficiency
        height = torch.tensor([tier.height_m for tier in scenario.tiers for _ in range(tier.count)])
        return signals | {
            "rate": rate,
            "noise_w": noise.expand(n, users),
            "pos": torch.cat([place, torch.full_like(place[..., :1], scenario.users.height_m)], 3),
            "bs_pos": torch.cat([stations, height.reshape(1, -1, 1).expand(n, -1, 1)], 2),
        }

    def _places(self, streams: Streams, users: int) -> Tensor:
        """Where users are in each period ``[n, T, P, 2]``, m; those who leave the city come in again on the other side."""
        extent = torch.tensor([self.scenario.layout.width_m, self.scenario.layout.height_m])
        place = streams.uniform("places", users, 2) * extent
        centre = streams.uniform("crowd", 1, 2) * extent
        when = torch.arange(users) / users
        low, high = self.crowd_window
        joins = (when >= low) & (when < high) & (streams.uniform("joins", users) < self.crowd)
        crowd = centre + self.crowd_radius_m * streams.normal("places in the crowd", users, 2)
        place = torch.where(joins.unsqueeze(2), crowd, place)
        motion = streams.uniform("motion", users, 2)
        heading, speed = 2 * math.pi * motion[..., 0], self.speed_mps * motion[..., 1]
        step = torch.stack([heading.cos(), heading.sin()], 2) * (speed * self.period * self.slot_s).unsqueeze(2)
        return (place.unsqueeze(2) + step.unsqueeze(2) * torch.arange(self.periods).reshape(1, 1, -1, 1)) % extent
