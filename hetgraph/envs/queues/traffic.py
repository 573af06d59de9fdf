"""Packet arrivals: Poisson, or Poisson in bursts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from hetgraph.envs.queues.draws import Draws
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.traffic import Packets

CPU = torch.device("cpu")


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


def traffic_of(scenario: Any, load: "float | Traffic | None", slot_s: float, default: float) -> Traffic:
    """Arrivals of an environment.

    Args:
        scenario: whose own traffic counts where no load is given.
        load: mean packets per device and slot, or the arrivals themselves.
        slot_s: length of a slot, s.
        default: load where neither says.

    Raises:
        ValueError: traffic that is no packets.
    """
    if isinstance(load, Traffic):
        return load
    own = scenario.traffic if load is None and isinstance(scenario, Scenario) else None
    if own is None:
        return Traffic(default if load is None else load)
    if not isinstance(own, Packets):
        raise ValueError(f"traffic.kind: got {own.kind!r}, expected 'packets' in an environment of queues, or a load")
    bursts = {"burst_slots": own.burst_slots, "duty": own.duty} if own.law == "bursts" else {}
    return Traffic(own.rate_hz * slot_s, **bursts)


class Arrivals:
    """Draws the arrivals of ``B`` networks of ``U`` devices, in place.

    The numbers of packets come from uniform numbers by inversion, so that with one seed more load means more packets at the
    same times.

    Args:
        traffic: what arrives.
        seed: of the arrivals.
        networks: numbers of the networks; each has arrivals of its own, whatever others there are.
        devices: devices U of each.
        dtype: of the counts.
        device: where the counts are.
    """

    def __init__(
        self,
        traffic: Traffic,
        seed: int,
        networks: Sequence[int],
        devices: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device = CPU,
    ) -> None:
        self.traffic = traffic
        self.cdf = poisson_cdf(traffic.load / (traffic.duty if traffic.burst_slots else 1.0))
        self._thresholds: list[float] = torch.tensor(self.cdf).tolist()  # in float32, as the numbers are
        self._draws = Draws(seed, networks, "arrivals", (devices,), "uniform", device, transform=self._packets)
        self._bursts = Draws(seed, networks, "bursts", (devices,), "uniform", device)
        self.count = torch.zeros(len(networks), devices, dtype=dtype, device=device)
        self.bursting = torch.zeros(len(networks), devices, dtype=torch.bool, device=device)
        if traffic.burst_slots:
            self.bursting = self._bursts.further(range(len(networks))) < traffic.duty

    def _packets(self, uniform: Tensor) -> Tensor:
        """Packets of uniform numbers."""
        return thresholds_passed(uniform, self._thresholds)

    def draw(self) -> Tensor:
        """Packets that arrive in the next slot ``[B, U]``; the tensor is overwritten by the next call."""
        self.count.copy_(self._draws.next())
        if self.traffic.burst_slots:
            self.count *= self.bursting
            self._switch(self._bursts.next())
        return self.count

    def _switch(self, uniform: Tensor) -> None:
        """Bursts end with probability 1 / burst_slots and begin so often that they last ``duty`` of the time."""
        end = 1 / self.traffic.burst_slots
        begin = min(end * self.traffic.duty / max(1 - self.traffic.duty, 1e-9), 1.0)
        self.bursting = torch.where(self.bursting, uniform >= end, uniform < begin)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next arrivals depend on."""
        draws = {"draws": self._draws.state_dict(), "bursts": self._bursts.state_dict()}
        return {"bursting": self.bursting.clone(), **draws}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.bursting = state["bursting"].to(self.bursting.device, copy=True)
        self._draws.load_state_dict(state["draws"])
        self._bursts.load_state_dict(state["bursts"])


def thresholds_passed(value: Tensor, thresholds: Sequence[float]) -> Tensor:
    """How many of some thresholds each value has reached, as 16-bit integers.

    In-place comparisons of floating-point numbers are vectorised: for ten thresholds three times as fast as a binary search.
    """
    count, reached = torch.zeros_like(value), torch.empty_like(value)
    for threshold in thresholds:
        count += reached.copy_(value).ge_(threshold)
    return count.to(torch.int16)


def poisson_cdf(rate: float) -> list[float]:
    """Distribution function of a Poisson variable at 0, 1, ... up to where float32 no longer tells it from one."""
    term = total = math.exp(-rate)
    out = [total]
    while 1 - total > 2.0**-25 and len(out) < 400:
        term *= rate / len(out)
        total += term
        out.append(total)
    return out
