"""What users of a world of handovers receive and are offered in an episode."""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hetgraph.envs.handover.sources import Networks, World, world_of
from hetgraph.graph.flows import draw_flows
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.streams import Streams, stream
from hetgraph.graph.traffic import Flows
from hetgraph.graph.trajectories import Trajectories
from hetgraph.units import linear_to_db

PLACE_S = 0.5  # between two places at which gains are drawn; between them they are interpolated in dB
WALK_EVERY = 2  # of these places, of users who walk
TICK_S = 0.1
DECIDE_EVERY = 10  # ticks between two decisions
NOISE_TICKS = 16  # a network's table of measurement noise holds that of so many ticks
LEAST_SNR = 1e-12  # received power over noise below which it makes no difference


@dataclass(frozen=True)
class Clock:
    """Times of an environment.

    Args:
        tick_s: length of a tick.
        every: ticks between two decisions.
        steps: decisions of an episode.
    """

    tick_s: float
    every: int
    steps: int

    @property
    def ticks(self) -> int:
        """Ticks of an episode."""
        return self.every * self.steps

    @property
    def step_s(self) -> float:
        """Time between two decisions."""
        return self.every * self.tick_s

    @staticmethod
    def of(source: Networks, steps: int) -> "Clock":
        """Of a scenario whose traffic is flows; else ten ticks of 0.1 s."""
        if isinstance(source, Scenario) and isinstance(source.traffic, Flows):
            return Clock(source.radio.slot_s, source.rules.decide_every, steps)
        return Clock(TICK_S, DECIDE_EVERY, steps)


@dataclass(frozen=True)
class Episode:
    """An episode of ``B`` networks: G places of U users in time, K cells, T ticks.

    Args:
        received_db: power that users receive of each cell at its full power, over noise ``[G, B, U, K]``, dB.
        rise: noise plus background over noise ``[G, B, U]``; ``None`` where there is no background.
        ue_pos: ``[G, B, U, 2]``, m.
        speed_mps: ``[G, B, U]``.
        bits: that come at the beginning of a tick ``[T, B, U]``.
        mean_bps: mean rate at which they come, without the crowd ``[B, U]``.
        noise: table of standard normal numbers ``[B, M]``.
        shift: where the noise of each tick begins in the table; the same for all networks, so that it is read in place.
        places_per_tick: places in a tick, a fraction.
        network: number of each network in the world ``[B]``.
        first_place: number of the first place in the tables.
        first_tick: number of the first tick in them.
    """

    received_db: Tensor
    rise: Tensor | None
    ue_pos: Tensor
    speed_mps: Tensor
    bits: Tensor
    mean_bps: Tensor
    noise: Tensor
    shift: tuple[int, ...]
    places_per_tick: float
    network: Tensor
    first_place: int = 0
    first_tick: int = 0

    def at(self, tick: int) -> tuple[int, float]:
        """Place before a tick, and how far the next one is reached; after the last one users stand still."""
        where = min(tick * self.places_per_tick - self.first_place, len(self.received_db) - 1)
        before = min(int(where + 1e-6), max(len(self.received_db) - 2, 0))
        return before, max(where - before, 0.0)

    def arrivals(self, tick: int) -> Tensor:
        """Bits that come at the beginning of a tick ``[B, U]``."""
        return self.bits[tick - self.first_tick]

    def received(self, tick: int, out: Tensor | None = None) -> Tensor:
        """Received power over noise at a tick ``[B, U, K]``, dB."""
        before, part = self.at(tick)
        after = min(before + 1, len(self.received_db) - 1)
        result: Tensor = torch.lerp(self.received_db[before], self.received_db[after], part, out=out)
        return result

    def floor(self, tick: int) -> Tensor | float:
        """Noise plus background over noise at a tick ``[B, U]``, or 1."""
        return 1.0 if self.rise is None else self.rise[self.at(tick)[0]]

    def measurement_noise(self, tick: int) -> Tensor:
        """Standard normal numbers of a tick ``[B, U, K]``, a view."""
        _, b, users, cells = self.received_db.shape
        begin = self.shift[tick % len(self.shift)]
        return self.noise[:, begin : begin + users * cells].view(b, users, cells)

    def window(self, begin: int, end: int) -> "Episode":
        """The same from tick ``begin`` to before tick ``end``; beyond, users stand still and nothing comes.

        Tables of what is outside are left out; numbers of ticks stay.
        """
        first, last = self.at(begin)[0], min(self.at(max(end - 1, begin))[0] + 2, len(self.received_db))
        rise = None if self.rise is None else self.rise[first:last]
        tables = {name: getattr(self, name)[first:last] for name in ("received_db", "ue_pos", "speed_mps")}
        bits = self.bits[begin : min(end, len(self.bits))]
        return replace(self, **tables, bits=bits, rise=rise, first_place=self.first_place + first, first_tick=begin)

    def networks(self, row: Tensor) -> "Episode":
        """Some of the networks, by their places in the batch."""
        rise = None if self.rise is None else self.rise[:, row]
        wide = {name: getattr(self, name)[:, row] for name in ("received_db", "ue_pos", "speed_mps", "bits")}
        narrow = {name: getattr(self, name)[row] for name in ("mean_bps", "noise", "network")}
        return replace(self, **wide, **narrow, rise=rise)


def traffic_world(source: Networks, networks: int, clock: Clock, *, seed: int, first: int) -> World:
    """Networks of a source, users' places every half second.

    Raises:
        ValueError: traffic that is none of flows, or a source that has no networks for users who move.
    """
    flows_of(source)
    places = math.ceil(clock.ticks * clock.tick_s / PLACE_S) + 1
    if isinstance(source, Scenario):
        source = replace(source, traffic=None, radio=replace(source.radio, slot_s=PLACE_S))
    return world_of(source, networks, steps=places, seed=seed, first=first, every=WALK_EVERY)


def flows_of(source: Networks) -> Flows:
    """The traffic of a source; flows by default where it has none.

    Raises:
        ValueError: traffic of another kind.
    """
    traffic = source.traffic if isinstance(source, Scenario) else None
    if traffic is not None and not isinstance(traffic, Flows):
        raise ValueError(f"scenario.traffic: got {type(traffic).__name__}, expected Flows or none")
    return Flows() if traffic is None else traffic


def episode_of(world: World, flows: Flows, clock: Clock, network: Tensor, streams: Streams) -> Episode:
    """Draw an episode.

    Args:
        world: of all networks, on the device of the episode.
        flows: the law of the traffic.
        clock: times.
        network: number of each network in the world ``[B]``.
        streams: of traffic and noise; their attempt is the number of the episode.
    """
    t, device = world.trajectories, network.device
    rows = network.to(t.gain.device)
    pairs = t.users * t.cells
    offered = draw_flows(
        flows,
        streams,
        ue_pos=t.ue_pos[rows].cpu(),
        place_s=t.slot_s,
        bs_pos=t.bs_pos[rows].cpu(),
        power_w=t.power_w[rows].cpu(),
        ticks=clock.ticks,
        tick_s=clock.tick_s,
    )
    noise = streams.normal("noise", (NOISE_TICKS + 1) * pairs)
    generator = stream(streams.seed, 0, f"noise/{streams.attempt}")
    shift = torch.randint(NOISE_TICKS * pairs + 1, (clock.ticks,), generator=generator)
    far = t.background_w
    return Episode(
        received_db=received_db(t, rows),
        rise=None if far is None else (1 + far[rows] / t.noise_w).transpose(0, 1).contiguous(),
        ue_pos=t.ue_pos[rows].transpose(0, 1).contiguous(),
        speed_mps=t.speed_mps[rows].transpose(0, 1).contiguous(),
        bits=offered.bits.to(device),
        mean_bps=offered.mean_bps.to(device),
        noise=noise.to(device),
        shift=tuple(shift.tolist()),
        places_per_tick=clock.tick_s / t.slot_s,
        network=network,
    )


def received_db(t: Trajectories, rows: Tensor) -> Tensor:
    """Received power over noise of some networks ``[G, B, U, K]``, dB."""
    gain = t.gain[rows].transpose(0, 1)  # [G, B, U, K]
    snr = gain * (t.power_w[rows] / t.noise_w).unsqueeze(1)
    return linear_to_db(snr.clamp_min_(LEAST_SNR)).float().contiguous()
