"""Packet delays, exact and for every packet, from what each slot served."""

from dataclasses import dataclass

import torch
from torch import Tensor


def nearest_rank(ordered: Tensor, percent: int) -> float:
    """Percentile by nearest rank: of n values the one at place ceil(percent n / 100), counted from one.

    Args:
        ordered: values in ascending order, at least one ``[n]``.
        percent: from 1 to 100.

    Raises:
        ValueError: a percentage out of its range, or no values.
    """
    if not 1 <= percent <= 100 or not ordered.numel():
        got = f"{percent} of {ordered.numel()} values"
        raise ValueError(f"percent: got {got}, expected a whole number from 1 to 100 and at least one value")
    return float(ordered[-(-percent * ordered.numel() // 100) - 1])


@dataclass(frozen=True)
class Delays:
    """Delays of packets in slots, one entry per packet.

    A packet that arrives at the beginning of slot s and whose last bit leaves in slot t after a fraction f of that slot has
    the delay t - s + f, of which t - s is waiting and f transmission. One that is still there at the end counts at its age.

    Args:
        network: network of each packet ``[P]``.
        device: its device.
        arrival: slot in which it came.
        waiting: whole slots that it waited.
        transmission: part of the slot in which it left; zero for a packet that is still there.
        delivered: whether it left.
    """

    network: Tensor
    device: Tensor
    arrival: Tensor
    waiting: Tensor
    transmission: Tensor
    delivered: Tensor

    @property
    def total(self) -> Tensor:
        """Delay of each packet, slots ``[P]``."""
        return self.waiting + self.transmission

    def before(self, slot: int) -> "Delays":
        """Only the packets that came before a slot."""
        kept = self.arrival < slot
        return Delays(*(value[kept] for value in vars(self).values()))

    def of_network(self, network: int) -> "Delays":
        """Only the packets of one network."""
        kept = self.network == network
        return Delays(*(value[kept] for value in vars(self).values()))

    def longest_queue(self) -> int:
        """Most packets of a device that are still there at the end."""
        waiting = ~self.delivered
        queue = self.network[waiting] * (int(self.device.max()) + 1 if len(self.device) else 1) + self.device[waiting]
        return int(torch.bincount(queue).max()) if queue.numel() else 0

    def of_each_network(self, networks: int) -> dict[str, Tensor]:
        """What :meth:`summary` says, of each network ``[B]`` and by the names of indicators; NaN without packets.

        Args:
            networks: their number B.
        """
        order = torch.argsort(self.total)
        order = order[torch.argsort(self.network[order], stable=True)]
        ordered = self.total.double()[order]
        count = torch.bincount(self.network, minlength=networks)
        first = count.cumsum(0) - count

        def mean(value: Tensor) -> Tensor:
            return torch.bincount(self.network, value.double(), minlength=networks) / count

        def percentile(percent: int) -> Tensor:
            if not ordered.numel():
                return torch.full_like(count, torch.nan, dtype=torch.float64)
            rank = first + torch.div(-percent * count, 100, rounding_mode="floor").neg() - 1
            return torch.where(count > 0, ordered[rank.clamp_min(0)], torch.nan)

        means = [mean(value) for value in (self.total, self.waiting, self.transmission, self.delivered)]
        values = (means[0], percentile(95), percentile(99), percentile(100), *means[1:])
        return dict(zip(INDICATORS, values, strict=True))

    def summary(self) -> dict[str, float]:
        """Mean, 95th and 99th percentile (see :func:`nearest_rank`) and maximum of the delay, mean waiting and transmission, and
        share delivered.
        """
        total = self.total.double()
        if not total.numel():
            return dict.fromkeys(("mean", "p95", "p99", "max", "waiting", "transmission", "delivered"), float("nan"))
        ordered = total.sort().values
        return {
            "mean": float(total.mean()),
            "p95": nearest_rank(ordered, 95),
            "p99": nearest_rank(ordered, 99),
            "max": float(ordered[-1]),
            "waiting": float(self.waiting.double().mean()),
            "transmission": float(self.transmission.double().mean()),
            "delivered": float(self.delivered.double().mean()),
        }


@dataclass(frozen=True)
class PacketDelays:
    """Delays of packets in a unit.

    Args:
        total: delay of each packet ``[P]``.
        unit: ``ms`` or ``slots``.
    """

    total: Tensor
    unit: str


TAIL_SLOTS = 200  # packets that come in the last slots of an episode have no time to show their delay
INDICATORS = ("mean_delay", "p95_delay", "p99_delay", "max_delay", "waiting", "transmission", "delivered")


def tail_slots(episode_slots: int) -> int:
    """Slots at the end of an episode whose packets do not count: 200, a fifth of short episodes."""
    return min(TAIL_SLOTS, episode_slots // 5)


class PacketLog:
    """Keeps arrivals and completions of every slot and device; queues are first in, first out.

    Args:
        whole: a packet takes the whole slot in which it leaves (conflict graphs), not a fraction of it.
    """

    def __init__(self, whole: bool) -> None:
        self.whole = whole
        self.arrivals: list[Tensor] = []
        self.completed: list[Tensor] = []
        self.head: list[Tensor] = []
        self.capacity: list[Tensor] = []

    def arrived(self, count: Tensor) -> None:
        """Packets ``[B, U]`` that came at the beginning of a slot."""
        self.arrivals.append(count.to(torch.int16))

    def served(self, completed: Tensor, head: Tensor, capacity: Tensor) -> None:
        """What a slot served.

        Args:
            completed: packets that left ``[B, U]``.
            head: part of the first packet in the queue that was still to be sent, 0..1 ``[B, U]``.
            capacity: packets that the slot had room for ``[B, U]``.
        """
        self.completed.append(completed.to(torch.int16))
        if not self.whole:
            self.head.append(head.clone())
            self.capacity.append(capacity.clone())

    def state_dict(self) -> dict[str, list[Tensor]]:
        """What was noted so far."""
        return {name: list(value) for name, value in vars(self).items() if isinstance(value, list)}

    def load_state_dict(self, state: dict[str, list[Tensor]]) -> None:
        """Go on from a :meth:`state_dict`."""
        for name, value in state.items():
            setattr(self, name, list(value))

    def delays(self) -> Delays:
        """Delays of all packets that came in the slots that were served."""
        slots = len(self.completed)
        came = torch.stack(self.arrivals[:slots]).permute(1, 2, 0).long()  # [B, U, T]
        left = torch.stack(self.completed).permute(1, 2, 0).long()
        networks, devices, _ = came.shape
        place = torch.arange(came.numel(), device=came.device)
        packet = torch.repeat_interleave(place, came.flatten())
        owner, arrival = packet // slots, packet % slots
        first = came.sum(2).flatten().cumsum(0) - came.sum(2).flatten()  # first packet of each device
        gone = torch.repeat_interleave(place, left.flatten())
        number = _running_number(gone // slots, networks * devices)
        index = first[gone // slots] + number  # packets leave in the order in which they came
        waiting = (slots - arrival).to(torch.float64)
        waiting[index] = ((gone % slots) - arrival[index]).to(torch.float64)
        transmission = torch.zeros_like(waiting)
        transmission[index] = self._fractions(gone, left)
        delivered = torch.zeros_like(waiting, dtype=torch.bool)
        delivered[index] = True
        return Delays(owner // devices, owner % devices, arrival, waiting, transmission, delivered)

    def _fractions(self, gone: Tensor, left: Tensor) -> Tensor:
        """Part of the slot after which each packet's last bit has left."""
        if self.whole:
            return torch.ones(gone.shape, dtype=torch.float64, device=gone.device)
        head = torch.stack(self.head).permute(1, 2, 0).flatten().double()
        capacity = torch.stack(self.capacity).permute(1, 2, 0).flatten().double()
        number = _running_number(gone, left.numel())
        return ((head[gone] + number) / capacity[gone]).clamp(max=1)


def _running_number(group: Tensor, groups: int) -> Tensor:
    """Place 0, 1, ... of each entry within its group; equal groups lie side by side."""
    count = torch.bincount(group, minlength=groups)
    return torch.arange(group.numel(), device=group.device) - (count.cumsum(0) - count)[group]
