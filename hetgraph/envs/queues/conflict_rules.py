"""Schedulers for conflict graphs: greedy maximal scheduling, local longest queue, Q-CSMA; and a random one."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CONFLICTS, Level
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import Cells, cells_of


def packets(obs: HeteroData, cells: Cells) -> Tensor:
    """Queues in packets ``[B, U]``."""
    ue = obs["ue"]
    value: Tensor = ue.queue_bits / ue.packet_bits
    return value.reshape(cells.shape[0], -1)


def disturbs(obs: HeteroData, cells: Cells) -> Tensor:
    """Whether device i disturbs device j ``[B, U, U]``, as numbers."""
    b, _, u, _ = cells.shape
    source, target = obs[CONFLICTS].edge_index
    out = torch.zeros(b, u, u, device=source.device)
    out[target // u, source % u, target % u] = 1
    return out


def uniform(shape: tuple[int, ...], generator: Generator | None, device: torch.device) -> Tensor:
    """Uniform numbers for ties and coins."""
    return torch.rand(shape, generator=generator, device=device)


@dataclass(frozen=True)
class Topology:
    """What a scheduler works out once: cells and conflicts."""

    cells: Cells
    disturbs: Tensor


class CellScheduler:
    """Base of schedulers to which conflicts do not matter."""

    level: Level = "local"

    def initial_state(self, obs: HeteroData) -> Topology:
        """Cells of the networks."""
        cells = cells_of(obs)
        return Topology(cells, torch.zeros(0, device=cells.mask.device))


class Scheduler(ABC):
    """Base of schedulers: ``act`` hands cells and conflicts to ``schedule`` and gives full power to whom it picks."""

    level: Level = "local"
    name = ""

    def initial_state(self, obs: HeteroData) -> Any:
        """Cells and conflicts of the networks."""
        cells = cells_of(obs)
        return Topology(cells, disturbs(obs, cells))

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Allocation, Any]:
        """Schedule of a slot at full power."""
        active, state = self.schedule(obs, state, generator)
        power = state.cells.at_device(obs["bs"].rb_power_max_w.reshape(*state.cells.shape[:2], -1))
        return state.cells.of_devices(active, power), state

    @abstractmethod
    def schedule(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Devices that transmit ``[B, U, R]``, and the memory for the next slot."""


class ConflictScheduler(Scheduler):
    """A scheduler that needs conflict edges."""

    def initial_state(self, obs: HeteroData) -> Any:
        """Cells and conflicts of the networks.

        Raises:
            ValueError: no conflict edges.
        """
        if not obs[CONFLICTS].edge_index.numel():
            raise ValueError(f"policy {self.name}: got a graph without conflict edges, expected some, as in conflict-8")
        return super().initial_state(obs)


class GreedyMaximal(ConflictScheduler):
    """Greedy maximal scheduling (GMS): the longest queue first, then the longest that conflicts with none chosen before.

    Args:
        paper: as in the MAPPO paper's code, weaker: a choice excludes only the devices that would disturb it, and one set serves
            all subbands. By default a choice also excludes those that it would disturb, and each subband has its own set,
            chosen after the packets that earlier subbands clear.
    """

    level: Level = "global"

    def __init__(self, paper: bool = False) -> None:
        self.paper = paper
        self.name = "gms_paper" if paper else "gms"

    def schedule(self, obs: HeteroData, state: Topology, generator: Generator | None) -> tuple[Tensor, Any]:
        """Devices that transmit ``[B, U, R]``."""
        queue, blocks = packets(obs, state.cells), obs["ue"].noise_w.shape[1]
        blocked_by = state.disturbs.transpose(1, 2)  # choosing row i excludes whom it is disturbed by
        if not self.paper:
            blocked_by = blocked_by + state.disturbs
        if self.paper:
            return _greedy_set(queue, blocked_by, generator).unsqueeze(2).expand(-1, -1, blocks), state
        out = []
        for _ in range(blocks):
            out.append(_greedy_set(queue, blocked_by, generator))
            queue = (queue - out[-1].to(queue.dtype)).clamp_min(0)
        return torch.stack(out, 2), state


def _greedy_set(queue: Tensor, excludes: Tensor, generator: Generator | None) -> Tensor:
    """Longest queues first ``[B, U]``; equal ones in random order."""
    order = queue + 0.5 * uniform(tuple(queue.shape), generator, queue.device)
    free, active = queue > 0, torch.zeros_like(queue, dtype=torch.bool)
    for _ in range(queue.shape[1]):
        if not bool(free.any()):
            break
        best = order.masked_fill(~free, -1).argmax(1, keepdim=True)
        chosen = torch.zeros_like(free).scatter_(1, best, True) & free
        active |= chosen
        hit = torch.matmul(chosen.to(queue.dtype).unsqueeze(1), excludes).squeeze(1) > 0
        free &= ~(chosen | hit)
    return active


class LongestLocalQueue(Scheduler):
    """LLQ: who has the longest queue around transmits.

    On a conflict graph a device does if none that it conflicts with has a longer queue; of j equal ones each with chance 1/j. In
    cells a station serves its longest queue on all subbands if no neighbour has a longer one; ties at random.
    """

    level: Level = "neighbourhood"
    name = "llq"

    def schedule(self, obs: HeteroData, state: Topology, generator: Generator | None) -> tuple[Tensor, Any]:
        """Devices that transmit ``[B, U, R]``."""
        queue, blocks = packets(obs, state.cells), obs["ue"].noise_w.shape[1]
        if not obs[CONFLICTS].edge_index.numel():
            return _longest_of_cells(queue, state.cells, generator).unsqueeze(2).expand(-1, -1, blocks), state
        related = (state.disturbs + state.disturbs.transpose(1, 2)) > 0
        rival = queue.unsqueeze(1).masked_fill(~related, -1)  # [B, device, rival]
        longest = queue >= rival.amax(2)
        ties = 1 + (rival == queue.unsqueeze(2)).sum(2)
        coin = uniform((*queue.shape, blocks), generator, queue.device)
        active: Tensor = ((queue > 0) & longest).unsqueeze(2) & (coin * ties.unsqueeze(2) < 1)
        return _one_per_station(active, queue, state.cells), state


def _longest_of_cells(queue: Tensor, cells: Cells, generator: Generator | None) -> Tensor:
    """Devices whose queue is the longest of their own and all neighbouring cells ``[B, U]``; equal queues in random order."""
    key = queue + 1e-4 * uniform(tuple(queue.shape), generator, queue.device)
    longest = cells.gather(key).masked_fill(~cells.mask, -1).amax(2)  # [B, N]
    rival = longest.unsqueeze(1).masked_fill(~cells.neighbours, -1).amax(2).maximum(longest)
    return (queue > 1e-9) & (key >= cells.at_device(rival))


def _one_per_station(active: Tensor, queue: Tensor, cells: Cells) -> Tensor:
    """Keep the first of a station's active devices on each resource block."""
    table = cells.gather(active.to(queue.dtype))  # [B, N, D, R]
    first = ((table.cumsum(2) == 1) & (table > 0)).to(queue.dtype)
    rank = cells.rank.reshape(*cells.rank.shape, 1, 1).expand(-1, -1, 1, active.shape[2])
    return cells.at_device(first).gather(2, rank).squeeze(2) > 0


@dataclass(frozen=True)
class Carrier:
    """Memory of Q-CSMA: who was active on which subband."""

    topology: Topology
    active: Tensor

    @property
    def cells(self) -> Cells:
        """Cells of the networks."""
        return self.topology.cells


class QCSMA(ConflictScheduler):
    """Q-CSMA (Ni, Tan and Srikant 2011), as the MAPPO paper runs it: weights log(10 q), a window of twice the devices.

    In a contention window devices with packets draw a mini-slot and announce themselves unless they have heard a device that
    disturbs them; announced devices without such a rival decide anew, all others go on as in the slot before.
    """

    level: Level = "global"
    name = "qcsma"

    def initial_state(self, obs: HeteroData) -> Carrier:
        """Nobody is active."""
        topology = super().initial_state(obs)
        b, _, u, _ = topology.cells.shape
        blocks = obs["ue"].noise_w.shape[1]
        return Carrier(topology, torch.zeros(b, u, blocks, dtype=torch.bool, device=topology.disturbs.device))

    def schedule(self, obs: HeteroData, state: Carrier, generator: Generator | None) -> tuple[Tensor, Carrier]:
        """Devices that transmit ``[B, U, R]``, which the next slot remembers."""
        queue, active = packets(obs, state.cells), state.active
        b, u, blocks = active.shape
        draws = [uniform((b, u), generator, queue.device) for _ in range(2 * blocks)]
        window, coin = torch.stack(draws[::2], 1), torch.stack(draws[1::2], 2)  # [B, R, U], [B, U, R]
        hears = state.topology.disturbs.transpose(1, 2)  # row: device, column: whom it is disturbed by
        decides = self._decides(queue, hears, (window * 2 * u).long()).transpose(1, 2)
        quiet = torch.matmul(hears, active.to(hears.dtype)) == 0
        weight = (10 * queue).unsqueeze(2)
        go = coin < weight / (1 + weight)
        active = torch.where(decides, quiet & go, active) & (queue > 0).unsqueeze(2)
        return active, Carrier(state.topology, active)

    def _decides(self, queue: Tensor, hears: Tensor, slot: Tensor) -> Tensor:
        """Devices that decide anew ``[B, R, U]``, from their mini-slots."""
        hears = hears.unsqueeze(1)
        backlogged = (queue > 0).unsqueeze(1).expand_as(slot)
        announced = _in_turn(backlogged, hears * (slot.unsqueeze(2) < slot.unsqueeze(3)))
        return _in_turn(announced, hears.tril(-1))  # of announced rivals the first in order


def _in_turn(wanting: Tensor, waits_for: Tensor) -> Tensor:
    """Devices that go ahead where each does unless one that it waits for does ``[B, R, U]``.

    What one does depends on earlier ones alone, so that repeating all at once settles after as many rounds as the longest chain.

    Args:
        wanting: devices that would go ahead.
        waits_for: the earlier devices (columns) that stop each device (rows) ``[B, R or 1, U, U]``, as numbers.
    """
    ahead = wanting
    for _ in range(wanting.shape[2] + 1):
        stopped = torch.matmul(waits_for, ahead.to(waits_for.dtype).unsqueeze(3)).squeeze(3) > 0
        previous, ahead = ahead, wanting & ~stopped
        if torch.equal(previous, ahead):
            break
    return ahead


class RandomScheduler(CellScheduler):
    """Each station and resource block picks one of its devices, or none, at random."""

    name = "random"

    def act(self, obs: HeteroData, state: Topology, generator: Generator | None) -> tuple[Allocation, Topology]:
        """A random schedule at full power."""
        cells = state.cells
        b, n, _, most = cells.shape
        power = obs["bs"].rb_power_max_w.reshape(b, n, -1)
        choice = (uniform((b, n, power.shape[2]), generator, power.device) * (most + 1)).long()
        return cells.allocation(choice, power), state
