"""Users and cells of a world of handovers with traffic, from tick to tick."""

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from hetgraph.envs.handover.traffic_physics import Physics
from hetgraph.envs.handover.traffic_world import Clock, Episode
from hetgraph.radio.airtime import processor_sharing
from hetgraph.radio.offsets import best_triggered, count_trigger
from hetgraph.radio.rates import spectral_efficiency
from hetgraph.units import db_to_linear

LONG_AGO = 10_000  # ticks since the last handover of a user that had none
LONGEST_TRIGGER = 60  # ticks; longer times to trigger are not counted
NEVER = 127  # more ticks than are counted
_NEPER = 0.2302585092994046  # natural logarithm of a power ratio of 1 dB


@dataclass(frozen=True)
class Limits:
    """Physics in ticks and ratios.

    Args:
        physics: as it was given.
        clock: times.
        bandwidth_hz: of every cell.
        most: largest SINR that counts.
    """

    physics: Physics
    clock: Clock
    bandwidth_hz: float
    most: float

    @property
    def bits_per_tick(self) -> float:
        """Bits of a spectral efficiency of one in a tick."""
        return self.bandwidth_hz * self.clock.tick_s

    def in_ticks(self, name: str) -> float:
        """A time of the physics in ticks."""
        time_s: float = getattr(self.physics, name)
        return time_s / self.clock.tick_s


@dataclass
class HandoverCounters:
    """Sums over the ticks of a decision step.

    Args:
        backlog: bits that wait at the ends of ticks ``[B, U]``.
        served: bits that were served ``[B, U]``.
        offered: bits that came ``[B, U]``.
        busy: shares of ticks in which cells sent ``[B, K]``.
        imbalance: mean distance of these shares from their mean ``[B]``.
        handovers: ``[B]``.
        ping_pongs: handovers back to the cell before ``[B]``.
        failures: links that were lost ``[B]``.
    """

    backlog: Tensor
    served: Tensor
    offered: Tensor
    busy: Tensor
    imbalance: Tensor
    handovers: Tensor
    ping_pongs: Tensor
    failures: Tensor

    @staticmethod
    def zeros(networks: int, users: int, cells: int, device: torch.device) -> "HandoverCounters":
        """Nothing yet."""
        backlog, served, offered = torch.zeros(3, networks, users, device=device)
        busy, events = torch.zeros(networks, cells, device=device), torch.zeros(4, networks, device=device)
        return HandoverCounters(backlog, served, offered, busy, *events)

    def add(self, other: "HandoverCounters") -> None:
        """Add another one's sums to this one's."""
        for field in fields(self):
            getattr(self, field.name).add_(getattr(other, field.name))


@dataclass
class TrafficState:
    """Users and cells of ``B`` networks; ``[B, U]`` where nothing else is said.

    Args:
        cell: that serves the user.
        level: resource level; a cell's airtime is shared in proportion to ``level + 1``.
        queue: bits that wait.
        dead: ticks that will pass before the user is served again.
        lost: its link was lost, and it is not connected yet.
        low: ticks in which its SINR has been too low.
        previous: cell that it left last; -1 for none.
        since: ticks since then.
        filtered: filtered measurements, received power over noise ``[B, U, K]``, dB.
        trigger: ticks in which A3's condition has held ``[B, U, K]``.
        activity: of each cell ``[B, K]``.
        offset_db: of each cell ``[B, K]``, dB.
        margin_db: of A3 ``[B]``, dB.
        trigger_ticks: ticks before the present one in which the condition has to have held ``[B]``.
    """

    cell: Tensor
    level: Tensor
    queue: Tensor
    dead: Tensor
    lost: Tensor
    low: Tensor
    previous: Tensor
    since: Tensor
    filtered: Tensor
    trigger: Tensor
    activity: Tensor
    offset_db: Tensor
    margin_db: Tensor
    trigger_ticks: Tensor

    @staticmethod
    def start(episode: Episode, limits: Limits, *, level: int, margin_db: float, trigger_ticks: int) -> "TrafficState":
        """Every user at the cell that it measures strongest, nothing in the queues, cells silent."""
        physics = limits.physics
        filtered = episode.received(0) + physics.noise_db * episode.measurement_noise(0)
        b, u, k = filtered.shape
        cell = filtered.argmax(2)
        zero = torch.zeros(b, u, device=cell.device)
        none = torch.zeros(b, device=cell.device)
        return TrafficState(
            cell=cell,
            level=torch.full_like(cell, level),
            queue=zero,
            dead=zero.clone(),
            lost=zero.bool(),
            low=zero.to(torch.int16),
            previous=torch.full_like(cell, -1),
            since=torch.full_like(cell, LONG_AGO),
            filtered=filtered,
            trigger=torch.zeros(b, u, k, dtype=torch.int8, device=cell.device),
            activity=torch.full((b, k), physics.least_activity, device=cell.device),
            offset_db=torch.zeros(b, k, device=cell.device),
            margin_db=none + margin_db,
            trigger_ticks=(none + trigger_ticks).long(),
        )

    def clone(self) -> "TrafficState":
        """A copy of its own."""
        return replace(self, **{field.name: getattr(self, field.name).clone() for field in fields(self)})

    def networks(self, row: Tensor) -> "TrafficState":
        """Some of the networks, a copy."""
        return replace(self, **{field.name: getattr(self, field.name)[row] for field in fields(self)})


def tick(
    state: TrafficState, episode: Episode, number: int, limits: Limits, counters: HandoverCounters, *, a3: bool
) -> None:
    """Let a tick pass: bits come, users measure and are handed over, cells serve; the state and the sums change in place.

    Args:
        state: of the networks.
        episode: what users receive and are offered.
        number: of the tick.
        limits: physics.
        counters: sums.
        a3: users are handed over by A3; else only those whose link was lost connect.
    """
    bits = episode.arrivals(number)
    state.queue += bits
    counters.offered += bits
    received = measure(state, episode, number, limits)
    _handovers_by_a3(state, number, limits, counters, a3)
    _serve(state, received, episode.floor(number), limits, counters)
    state.since += 1
    state.dead.sub_(1).clamp_min_(0)
    counters.backlog += state.queue


def measure(state: TrafficState, episode: Episode, number: int, limits: Limits) -> Tensor:
    """Filter a new measurement; the true received power over noise ``[B, U, K]``, dB."""
    physics, received = limits.physics, episode.received(number)
    state.filtered.lerp_(received, physics.filter)
    if physics.noise_db:
        state.filtered.add_(episode.measurement_noise(number), alpha=physics.filter * physics.noise_db)
    return received


def hand_over(state: TrafficState, target: Tensor, limits: Limits, counters: HandoverCounters) -> None:
    """Hand users over to cells ``[B, U]``, their own for those who stay; those without service stay where they are."""
    target = torch.where(state.dead > 0, state.cell, target)
    _execute_handovers(state, target, target != state.cell, limits, counters)


def _handovers_by_a3(state: TrafficState, number: int, limits: Limits, counters: HandoverCounters, a3: bool) -> None:
    """Connect users whose outage is over, and hand over those for whom A3's condition has held long enough."""
    connected = state.dead <= 0
    reconnects = state.lost & connected
    # Users who connect anew take the strongest cell, without offsets.
    with_offset = (~reconnects).to(state.filtered.dtype).unsqueeze(2)
    level = torch.addcmul(state.filtered, with_offset, state.offset_db.unsqueeze(1))
    threshold = level.gather(2, state.cell.unsqueeze(2)).squeeze(2) + state.margin_db.unsqueeze(1)
    compares = connected & ~reconnects if a3 else torch.zeros_like(reconnects)
    if number % LONGEST_TRIGGER == 0:
        state.trigger.clamp_max_(LONGEST_TRIGGER - 1)
    count_trigger(state.trigger, level, torch.where(compares, threshold, torch.inf))
    # Only ticks since the last handover count: those before were in comparison with another cell.
    needed = state.trigger_ticks.unsqueeze(1)
    least_ticks = torch.where(compares & (state.since > needed), needed, NEVER).masked_fill_(reconnects, -1)
    target, triggered = best_triggered(level, state.trigger, least_ticks.to(torch.int8))
    state.cell = torch.where(reconnects, target, state.cell)
    state.lost = state.lost & ~reconnects
    _execute_handovers(state, target, triggered & ~reconnects, limits, counters)


def _execute_handovers(
    state: TrafficState, target: Tensor, moved: Tensor, limits: Limits, counters: HandoverCounters
) -> None:
    """Handovers of users who ``moved [B, U]``."""
    returned = moved & (target == state.previous) & (state.since <= limits.in_ticks("ping_pong_s"))
    state.previous = torch.where(moved, state.cell, state.previous)
    state.since = torch.where(moved, 0, state.since)
    state.cell = torch.where(moved, target, state.cell)
    state.dead = state.dead + limits.in_ticks("interruption_s") * moved
    state.low = state.low * ~moved
    counters.handovers += moved.sum(1)
    counters.ping_pongs += returned.sum(1)


def links(state: TrafficState, power: Tensor, floor: Tensor | float) -> tuple[Tensor, Tensor]:
    """Signal and interference of users at their cells ``[B, U]``, both over noise, by the cells' activities.

    The own signal is subtracted from the sum: with an SINR of at most 24 dB that counts, float32 errs by 1e-4 of it.

    Args:
        state: cells and activities.
        power: received power over noise of all cells ``[B, U, K]``, linear.
        floor: noise plus background over noise.
    """
    cell = state.cell
    own = power.gather(2, cell.unsqueeze(2)).squeeze(2)
    total = torch.bmm(power, state.activity.unsqueeze(2)).squeeze(2)
    return own, (total - own * state.activity.gather(1, cell)).clamp_min(0) + floor


def _serve(
    state: TrafficState, received: Tensor, floor: Tensor | float, limits: Limits, counters: HandoverCounters
) -> None:
    """Share the cells' airtime, empty the queues, and count links that are too weak."""
    physics, (b, u, k) = limits.physics, received.shape
    signal, interference = links(state, received.mul_(_NEPER).exp_(), floor)
    weak = (signal < db_to_linear(physics.failure_db) * interference) & ~state.lost
    link_bits = spectral_efficiency(signal, interference, most=limits.most) * limits.bits_per_tick
    can_receive = (1 - state.dead).clamp(0, 1)
    demand = torch.minimum(state.queue / link_bits.clamp_min(1e-6), can_receive)
    node = (state.cell + k * torch.arange(b, device=received.device).unsqueeze(1)).flatten()
    weight = (state.level + 1).to(demand.dtype).flatten()
    share, busy = processor_sharing(demand.flatten(), node, b * k, weight)
    served = torch.minimum(share.view(b, u) * link_bits, state.queue)
    state.queue -= served
    busy = busy.view(b, k)
    state.activity = torch.lerp(state.activity, busy, physics.activity).clamp_min_(physics.least_activity)
    counters.served += served
    counters.busy += busy
    counters.imbalance += (busy - busy.mean(1, keepdim=True)).abs().mean(1)
    state.low = (state.low + 1) * weak
    failed = state.low >= max(round(limits.in_ticks("failure_s")), 1)
    state.lost |= failed
    state.low = state.low * ~failed
    state.dead = torch.where(failed, 1 + limits.in_ticks("outage_s"), state.dead)
    counters.failures += failed.sum(1)
