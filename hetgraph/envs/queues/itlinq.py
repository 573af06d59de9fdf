"""Fair-ITLinQ for cells: links join where treating interference as noise is near optimal (Naderializadeh and Avestimehr 2014)."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.queues.conflict_rules import CellScheduler, Topology, packets, uniform
from hetgraph.graph.schema import Level
from hetgraph.radio.allocation import Allocation
from hetgraph.solvers.queued import link_gains

Priority = Literal["queue", "random"]


@dataclass(frozen=True)
class Margins:
    """Largest interference that a link bears and causes: ``factor * SNR ** exponent``.

    The defaults have the least mean delay of 35 on validation networks of ``random-19`` at 25 packets/s.

    Args:
        factor: of links with an SNR above the threshold.
        exponent: their exponent.
        weak_factor: of the other links.
        weak_exponent: their exponent.
        threshold: SNR, linear.
    """

    factor: float = 1.0
    exponent: float = 0.9
    weak_factor: float = 0.1
    weak_exponent: float = 0.7
    threshold: float = 300.0

    def of(self, snr: Tensor) -> Tensor:
        """Bounds on the interference-to-noise ratio."""
        strong = self.factor * snr**self.exponent
        return torch.where(snr > self.threshold, strong, self.weak_factor * snr**self.weak_exponent)


# Constants for the random and the hexagonal network of Zhang and Guo, where links come in random order.
RANDOM_LAYOUT = Margins(20.0, 0.7, 2.0, 0.5, 5000.0)
HEXAGONAL_LAYOUT = Margins(10.0, 0.7, 0.1, 0.5, 1200.0)
DEFAULT = Margins()


class FairITLinQ(CellScheduler):
    """Links with packets join in order of priority, on each resource block by itself and at full power.

    A link joins if its station serves no other, if the links that joined before disturb it by no more than its margin, and if
    it disturbs none of them by more. Weak links have another margin, so that strong ones do not shut them out. Gains are one
    slot old.

    Args:
        margins: of the links.
        priority: ``queue`` puts the longest queue of the network first, ties at random; ``random`` draws a new order in each slot,
            as between device-to-device links without queues, and leaves devices of crowded stations behind.

    Raises:
        ValueError: an unknown priority.
    """

    level: Level = "global"
    name = "fair_itlinq"

    def __init__(self, margins: Margins = DEFAULT, priority: Priority = "queue") -> None:
        if priority not in ("queue", "random"):
            raise ValueError(f"fair_itlinq priority: got {priority!r}, expected 'queue' or 'random'")
        self.margins, self.priority = margins, priority

    def act(self, obs: HeteroData, state: Topology, generator: Generator | None) -> tuple[Allocation, Topology]:
        """Schedule of a slot at full power."""
        cells = state.cells
        gain, most = link_gains(obs, cells)  # [B, R, U, U]
        same = cells.station.unsqueeze(1) == cells.station.unsqueeze(2)  # [B, U, U]
        queue = packets(obs, cells)
        order = uniform(tuple(queue.shape), generator, gain.device).argsort(1)
        if self.priority == "queue":
            order = order.gather(1, queue.gather(1, order).argsort(dim=1, descending=True, stable=True))
        active = admit(tolerable(gain, self.margins) & ~same.unsqueeze(1), order, queue > 1e-9)
        return cells.of_devices(active.transpose(1, 2), cells.at_device(most)), state


def tolerable(gain: Tensor, margins: Margins) -> Tensor:
    """Whether link u bears link k and spares it, by the margin of u alone ``[B, R, U, U]`` (row: u, column: k).

    Args:
        gain: interference-to-noise ratios at full power ``[B, R, U, U]`` (row: receiver, column: transmitter), SNRs on the diagonal.
        margins: of the links.
    """
    bound = margins.of(gain.diagonal(dim1=2, dim2=3)).unsqueeze(3)
    return (gain <= bound) & (gain.transpose(2, 3) <= bound)


def admit(compatible: Tensor, order: Tensor, ready: Tensor) -> Tensor:
    """Links that join one after the other, each if it is compatible with all that joined before ``[B, R, U]``.

    Args:
        compatible: whether link u (row) may join once link k (column) is active ``[B, R, U, U]``.
        order: links by falling priority ``[B, U]``.
        ready: links with something to send ``[B, U]``.
    """
    b, blocks, u, _ = compatible.shape
    active = torch.zeros(b, blocks, u, dtype=torch.bool, device=compatible.device)
    for link in order.unbind(1):
        row = compatible.gather(2, link.reshape(b, 1, 1, 1).expand(b, blocks, 1, u)).squeeze(2)
        joins = (row | ~active).all(2, keepdim=True) & ready.gather(1, link.unsqueeze(1)).unsqueeze(1)
        active.scatter_(2, link.reshape(b, 1, 1).expand(b, blocks, 1), joins)
    return active
