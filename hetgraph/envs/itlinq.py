"""Fair-ITLinQ for cells: links join where treating interference as noise is near optimal (Naderializadeh and Avestimehr 2014)."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.schedulers import CellScheduler, Topology, packets, uniform
from hetgraph.graph.schema import Level
from hetgraph.radio.allocation import Allocation
from hetgraph.solvers.queued import link_gains


@dataclass(frozen=True)
class Margins:
    """Largest interference that a link bears and causes: ``factor * SNR ** exponent``.

    Args:
        factor: of links with an SNR above the threshold.
        exponent: their exponent.
        weak_factor: of the other links.
        weak_exponent: their exponent.
        threshold: SNR, linear.
    """

    factor: float = 20.0
    exponent: float = 0.7
    weak_factor: float = 2.0
    weak_exponent: float = 0.5
    threshold: float = 5000.0

    def of(self, snr: Tensor) -> Tensor:
        """Bounds on the interference-to-noise ratio."""
        strong = self.factor * snr**self.exponent
        return torch.where(snr > self.threshold, strong, self.weak_factor * snr**self.weak_exponent)


RANDOM_LAYOUT, HEXAGONAL_LAYOUT = Margins(), Margins(factor=10.0, weak_factor=0.1, threshold=1200.0)


class FairITLinQ(CellScheduler):
    """Links with packets join in random order, on each resource block by itself and at full power.

    A link joins if its station serves no other, if the links that joined before disturb it by no more than its margin, and if
    it disturbs none of them by more. Weak links have another margin, so that strong ones do not shut them out. Gains are one
    slot old.

    Args:
        margins: of the links; the defaults are those found best for the paper's random network.
    """

    level: Level = "global"
    name = "fair_itlinq"

    def __init__(self, margins: Margins = RANDOM_LAYOUT) -> None:
        self.margins = margins

    def act(self, obs: HeteroData, state: Topology, generator: Generator | None) -> tuple[Allocation, Topology]:
        """Schedule of a slot at full power."""
        cells = state.cells
        b, _, u, _ = cells.shape
        gain, most = link_gains(obs, cells)  # [B, R, U, U]
        blocks = gain.shape[1]
        bound = self.margins.of(gain.diagonal(dim1=2, dim2=3))  # [B, R, U]
        same = cells.station.unsqueeze(1) == cells.station.unsqueeze(2)  # [B, U, U]
        tolerable = (gain <= bound.unsqueeze(3)) & (gain.transpose(2, 3) <= bound.unsqueeze(3)) & ~same.unsqueeze(1)
        backlogged = (packets(obs, cells) > 1e-9).unsqueeze(1).expand(b, blocks, u)
        order = uniform((b, 1, u), generator, gain.device).expand(b, blocks, u).argsort(2)
        active = torch.zeros(b, blocks, u, dtype=torch.bool, device=gain.device)
        for place in order.unbind(2):
            row = tolerable.gather(2, place.reshape(b, blocks, 1, 1).expand(-1, -1, 1, u)).squeeze(2)
            joins = (row | ~active).all(2, keepdim=True) & backlogged.gather(2, place.unsqueeze(2))
            active.scatter_(2, place.unsqueeze(2), joins)
        return cells.of_devices(active.transpose(1, 2), cells.at_device(most)), state
