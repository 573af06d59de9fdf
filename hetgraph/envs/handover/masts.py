"""What stands at the places of a handover environment's cells: heights and antennas."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.antennas import antenna_attributes
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.schema import MOUNTED_ON
from hetgraph.graph.trajectories import Trajectories


@dataclass(frozen=True)
class Masts:
    """Stations of P networks, each with the same number of antennas.

    Args:
        height_m: of each cell ``[P, K]``, m.
        offset: antennas' places from their cell's ``[P, A, 3]``, m.
        boresight: azimuth and downtilt ``[P, A, 2]``, rad.
        station: cell of each antenna ``[A]``, ascending; each has at least one.
        user_height_m: of each user ``[P, U]``, m.
    """

    height_m: Tensor
    offset: Tensor
    boresight: Tensor
    station: Tensor
    user_height_m: Tensor

    def to(self, device: torch.device) -> "Masts":
        """The same on another device."""
        return Masts(**{name: value.to(device) for name, value in vars(self).items()})


def masts(height_m: Tensor, offset: Tensor, boresight: Tensor, station: Tensor, user_height_m: Tensor) -> Masts:
    """Masts, with an antenna at the middle of each cell that has none; arguments as in :class:`Masts`, ``station`` in any order."""
    networks, cells = height_m.shape
    bare = (torch.bincount(station, minlength=cells) == 0).nonzero().squeeze(1)
    order = torch.cat([station, bare]).argsort(stable=True)
    blank = offset.new_zeros(networks, len(bare), 3)
    return Masts(
        height_m=height_m,
        offset=torch.cat([offset, blank], 1)[:, order],
        boresight=torch.cat([boresight, blank[..., :2]], 1)[:, order],
        station=torch.cat([station, bare])[order],
        user_height_m=user_height_m,
    )


def bare_masts(trajectories: Trajectories) -> Masts:
    """An antenna at each cell, nothing else being known."""
    p, cells = trajectories.networks, trajectories.cells
    none = torch.zeros(p, 0, 3)
    ground = torch.zeros(p, cells), torch.zeros(p, trajectories.users)
    return masts(ground[0], none, none[..., :2], torch.zeros(0, dtype=torch.long), ground[1])


def drawn_masts(scenario: ScenarioFields, networks: int) -> Masts:
    """Masts of a scenario, the same in all its networks."""
    attributes, mounted = antenna_attributes(scenario, networks)
    height = torch.tensor([tier.height_m for tier in scenario.tiers for _ in range(tier.count)])
    users = torch.full((networks, scenario.users.count), scenario.users.height_m)
    every = height.expand(networks, -1).contiguous()
    return masts(every, attributes["offset"], attributes["boresight"], mounted[0, 1], users)


def given_masts(batch: HeteroData, networks: int, cells: int) -> Masts:
    """Masts of a batch of graphs.

    Raises:
        ValueError: networks that differ in which station has how many antennas.
    """
    antenna, (node, owner) = batch["antenna"], batch[MOUNTED_ON].edge_index
    count, rest = divmod(len(owner), networks)
    station = owner[node.argsort()]
    if rest or bool((station.view(networks, -1) % cells != station[:count] % cells).any()):
        raise ValueError("antenna: got networks with other antennas, expected the same number on the same stations")
    first = station.view(networks, -1) // cells
    if count and bool((first != torch.arange(networks).unsqueeze(1)).any()):
        raise ValueError("antenna: got antennas in another order than their networks, expected network after network")
    offset, boresight = (
        antenna[name].view(networks, count, -1).float() if name in antenna else torch.zeros(networks, count, size)
        for name, size in (("offset", 3), ("boresight", 2))
    )
    bs, ue = (batch[kind].pos[:, 2] if "pos" in batch[kind] else None for kind in ("bs", "ue"))
    height = torch.zeros(networks, cells) if bs is None else bs.view(networks, -1).float()
    users = torch.zeros(networks, len(batch["ue"].noise_w) // networks) if ue is None else ue.view(networks, -1).float()
    return masts(height, offset, boresight, station[:count] % cells, users)
