"""Packet arrivals: Poisson, or Poisson in bursts."""

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor


@dataclass(frozen=True)
class Traffic:
    """Arrivals of each device at the beginning of a slot.

    Args:
        load: mean packets per device and slot.
        burst_slots: mean length of a burst; 0 for arrivals without bursts.
        duty: share of the time in which a device's bursts last; within them it gets ``load / duty`` packets per slot.

    Raises:
        ValueError: a value out of its range.
    """

    load: float
    burst_slots: float = 0.0
    duty: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.load < 100:
            raise ValueError(f"load: got {self.load}, expected a number of 0 or more, below 100")
        if self.burst_slots != 0 and self.burst_slots < 1:
            raise ValueError(f"burst_slots: got {self.burst_slots}, expected 0, or at least 1")
        if not 0 < self.duty <= 1:
            raise ValueError(f"duty: got {self.duty}, expected a number above 0, at most 1")


class Arrivals:
    """Draws the arrivals of ``B`` networks of ``U`` devices, in place.

    The numbers of packets come from uniform numbers by inversion, so that with one seed more load means more packets at the
    same times.

    Args:
        traffic: what arrives.
        networks: number of networks B.
        devices: devices U of each.
        generator: random numbers.
        dtype: of the counts.
    """

    def __init__(
        self, traffic: Traffic, networks: int, devices: int, generator: Generator, dtype: torch.dtype = torch.float32
    ) -> None:
        self.traffic, self.generator = traffic, generator
        device = generator.device
        rate = traffic.load / (traffic.duty if traffic.burst_slots else 1.0)
        self.cdf = poisson_cdf(rate)
        self._uniform = torch.empty(networks, devices, device=device)
        self.count = torch.zeros(networks, devices, dtype=dtype, device=device)
        self.bursting = torch.zeros(networks, devices, dtype=torch.bool, device=device)
        if traffic.burst_slots:
            self.bursting = self._uniform.uniform_(generator=generator) < traffic.duty

    def draw(self) -> Tensor:
        """Packets that arrive in the next slot ``[B, U]``; the tensor is overwritten by the next call."""
        self._uniform.uniform_(generator=self.generator)
        self.count.zero_()
        for threshold in self.cdf:
            self.count += self._uniform >= threshold
        if self.traffic.burst_slots:
            self.count *= self.bursting
            self._switch()
        return self.count

    def _switch(self) -> None:
        """Bursts end with probability 1 / burst_slots and begin so often that they last ``duty`` of the time."""
        end = 1 / self.traffic.burst_slots
        begin = min(end * self.traffic.duty / max(1 - self.traffic.duty, 1e-9), 1.0)
        self._uniform.uniform_(generator=self.generator)
        self.bursting = torch.where(self.bursting, self._uniform >= end, self._uniform < begin)


def poisson_cdf(rate: float) -> list[float]:
    """Distribution function of a Poisson variable at 0, 1, ... up to where float32 no longer tells it from one."""
    term = total = math.exp(-rate)
    out = [total]
    while 1 - total > 2.0**-25 and len(out) < 400:
        term *= rate / len(out)
        total += term
        out.append(total)
    return out
