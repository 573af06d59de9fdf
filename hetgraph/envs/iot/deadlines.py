"""Bits that wait for service and are dropped at their deadline, and where they come from."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.graph.mobility import Services
from hetgraph.graph.streams import Streams


@dataclass(frozen=True)
class OfferedTraffic:
    """What ``B`` networks of ``U`` users are to receive in ``T`` slots.

    Args:
        bits: that come at the beginning of a slot ``[T, B, U]``, whole numbers.
        mean_bps: mean rate ``[B, U]``, bit/s.
        deadline_slots: slots in which a bit can be served, that of its arrival included ``[B, U]``.
        video: whether the user receives a stream ``[B, U]``.
    """

    bits: Tensor
    mean_bps: Tensor
    deadline_slots: Tensor
    video: Tensor


def deadline_slots(services: Services, slot_s: float) -> tuple[int, int]:
    """Slots in which bits of streams and of bursts can be served."""
    return max(round(services.video_deadline_s / slot_s), 1), max(round(services.burst_deadline_s / slot_s), 1)


def draw_traffic(services: Services, streams: Streams, users: int, slots: int, slot_s: float) -> OfferedTraffic:
    """Draw what comes in some slots.

    Raises:
        ValueError: more than one burst in a slot on average.
    """
    chance = services.bursts_per_s * services.load * slot_s
    if chance > 1:
        raise ValueError(f"services.bursts_per_s: got {chance:g} bursts per slot, expected at most one")
    video = streams.uniform("video", users) < services.video
    rates = torch.tensor(services.video_bps)
    stream_bps = services.load * rates[(streams.uniform("video/rate", users) * len(rates)).long()]
    draw = streams.uniform("bits", slots, users)
    jitter = 1 + services.video_jitter * (2 * draw - 1)
    # One uniform number tells whether a burst comes and, rescaled, how large it is.
    size = -services.burst_bits * (draw / chance if chance else draw).clamp(1e-9, 1).log()
    burst = torch.where(draw < chance, size, 0)
    bits = torch.where(video.unsqueeze(1), stream_bps.unsqueeze(1) * slot_s * jitter, burst)
    mean = torch.where(video, stream_bps, services.bursts_per_s * services.load * services.burst_bits)
    near, far = deadline_slots(services, slot_s)
    return OfferedTraffic(bits.round().long().transpose(0, 1), mean, torch.where(video, near, far), video)


class Deadlines:
    """First-in-first-out queues ``[B, U]`` in whole bits; what is late is dropped. Bits are conserved to the last one.

    Args:
        networks: number of networks B.
        users: users U of each.
        most_slots: longest deadline D.
        device: where the tensors are.
    """

    def __init__(self, networks: int, users: int, most_slots: int, device: torch.device) -> None:
        self.waiting = torch.zeros(networks, users, most_slots, dtype=torch.long, device=device)  # by slots left

    @property
    def bits(self) -> Tensor:
        """Bits that wait ``[B, U]``."""
        return self.waiting.sum(2)

    @property
    def head_slots(self) -> Tensor:
        """Slots in which the oldest bit can still be served ``[B, U]``; 0 for an empty queue."""
        some = self.waiting > 0
        return torch.where(some.any(2), some.to(torch.uint8).argmax(2) + 1, 0)

    def add(self, bits: Tensor, deadline: Tensor) -> None:
        """Bits ``[B, U]`` arrive, to be served in one of ``deadline [B, U]`` slots."""
        self.waiting.scatter_add_(2, (deadline - 1).unsqueeze(2), bits.unsqueeze(2))

    def serve(self, room: Tensor) -> Tensor:
        """Serve up to ``room [B, U]`` bits, the oldest first; how many were served ``[B, U]``."""
        before = self.waiting.cumsum(2)
        left = (before - room.unsqueeze(2)).clamp_min(0)
        served = before[..., -1] - left[..., -1]
        torch.sub(left[..., 1:], left[..., :-1], out=self.waiting[..., 1:])
        self.waiting[..., 0] = left[..., 0]
        return served

    def expire(self) -> Tensor:
        """The slot ends; how many bits were late ``[B, U]``."""
        late = self.waiting[..., 0].clone()
        self.waiting = self.waiting.roll(-1, 2)
        self.waiting[..., -1] = 0
        return late
