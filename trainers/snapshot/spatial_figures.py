"""Figures of stations that precode: where their beams point, and the power of each antenna."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.channel.link import SPEED_OF_LIGHT
from hetgraph.channel.paths import directions, wave
from hetgraph.graph import links_of
from hetgraph.radio import Allocation
from hetgraph.radio.precoders import antenna_power, from_antennas
from hetgraph.radio.spatial import spatial_channel
from hetgraph.solvers.antenna_powers import antenna_places
from hetgraph.trainers.judge.plots import COLOURS, grid, save, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_ANGLES = 361
_REACH = 0.45  # of the least distance of two stations, that the strongest beam is drawn as long as


def precoder_figures(graph: HeteroData, allocations: dict[str, Allocation], folder: Path) -> list[Path]:
    """All figures of precoders on one network; none without positions or channels of antennas."""
    precoded = {name: each for name, each in allocations.items() if each.precoder is not None}
    if not precoded or "pos" not in graph["bs"]:
        return []
    names = list(dict.fromkeys([next(iter(precoded)), list(precoded)[-1]]))
    chosen = {name: precoded[name] for name in names}
    return [
        save(beams(graph, chosen), folder, "beams"),
        save(antenna_powers(graph, chosen), folder, "power_per_antenna"),
    ]


def radiated(graph: HeteroData, allocation: Allocation, block: int = 0) -> tuple[Tensor, Tensor]:
    r"""Power toward each azimuth in the plane of the antennas, on a block: the sum over a station's streams of |a(phi)^H w|^2.

    Args:
        graph: one network with positions of antennas.
        allocation: precoders.
        block: resource block.

    Returns:
        azimuths in rad, counter-clockwise from east ``[K]``, and power of each station, W ``[N, K]``; groups take turns.
    """
    assert allocation.precoder is not None
    links = links_of(graph)
    azimuth = torch.linspace(0, 2 * torch.pi, _ANGLES, dtype=torch.float64)
    antenna, station, place = antenna_places(graph)
    widest = allocation.precoder.shape[1]
    offset = torch.zeros(links.num_bs, widest, 3, dtype=torch.float64)
    offset[station, place] = graph["antenna"].offset[antenna].double()
    wavelength = SPEED_OF_LIGHT / graph.carrier_hz.double()[links.bs_network]
    toward = directions(azimuth, torch.full_like(azimuth, torch.pi / 2)).expand(links.num_bs, -1, -1)
    response = wave(toward, offset, wavelength).mT  # [N, A, K]; precoders are zero where there is no antenna
    served = allocation.serving >= 0
    group, own = allocation.groups[served, block], allocation.serving[served]
    turns = torch.zeros(links.num_bs, dtype=torch.long).scatter_reduce(0, own, group + 1, "amax")
    received = (response[own].conj() * allocation.precoder[served, :, block].to(response).unsqueeze(2)).sum(1)
    power = received.abs().square() / turns.clamp_min(1)[own].unsqueeze(1)
    return azimuth, power.new_zeros(links.num_bs, _ANGLES).index_add(0, own, power)


def beams(graph: HeteroData, allocations: dict[str, Allocation]) -> "Figure":
    """Map of the network: stations with what they radiate in each direction, and their users in the same colour."""
    place, users = graph["bs"].pos[:, :2].numpy(), graph["ue"].pos[:, :2].numpy()
    away = np.linalg.norm(place[:, None] - place[None], axis=2) + 1e9 * np.eye(len(place))
    reach = _REACH * float(away.min()) if len(place) > 1 else 0.2 * float(np.ptp(users, axis=0).max())
    radiations = {name: radiated(graph, each) for name, each in allocations.items()}
    top = max(float(power.max()) for _, power in radiations.values())
    figure, panels = grid(len(allocations), 2, 5.0, sharey=True)
    for axes, (name, allocation) in zip(panels, allocations.items(), strict=True):
        azimuth, power = radiations[name]
        length = (reach * (power / top).sqrt()).numpy()
        for n in range(len(place)):
            colour, mine = COLOURS[n % len(COLOURS)], (allocation.serving == n).numpy()
            line = place[n] + length[n][:, None] * torch.stack([azimuth.cos(), azimuth.sin()], 1).numpy()
            axes.fill(line[:, 0], line[:, 1], color=colour, alpha=0.35, linewidth=0.8)
            axes.plot(*place[n], marker="^", color=colour, markersize=5)
            axes.scatter(
                users[mine, 0], users[mine, 1], s=9, color=colour, edgecolors="black", linewidths=0.3, zorder=3
            )
        axes.set(title=shortened(name), xlabel="east, m", aspect="equal")
    panels[0].set_ylabel("north, m")
    return figure


def antenna_powers(graph: HeteroData, allocations: dict[str, Allocation]) -> "Figure":
    """Mean power of each antenna as a part of its station's budget."""
    tables = list[Tensor]()
    for each in allocations.values():
        assert each.precoder is not None
        channel = spatial_channel(graph, each.serving, each.groups, reduced=False)
        tables.append(antenna_power(channel, from_antennas(channel, each.precoder)))
    top = max(float(table.max()) for table in tables)
    figure, panels = grid(len(tables), 2, 3.2, sharey=True)
    for axes, name, table in zip(panels, allocations, tables, strict=True):
        image = axes.imshow(table.numpy(), aspect="auto", cmap="viridis", vmin=0, vmax=top, interpolation="nearest")
        axes.set(title=shortened(name), xlabel="antenna")
        axes.locator_params(integer=True)
        axes.grid(False)
    panels[0].set_ylabel("cell")
    figure.colorbar(image, ax=panels, label="share of the station's budget")
    return figure
