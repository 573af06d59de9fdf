"""Which station serves which device, as padded tables: what environments, schedulers and agents share."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL, NEIGHBOURS
from hetgraph.graph.tracing import exporting, holds
from hetgraph.radio.allocation import Allocation


@dataclass(frozen=True)
class Cells:
    """Cells of ``B`` networks of ``N`` stations and ``U`` devices each, at most ``D`` devices per station.

    Args:
        station: own station of each device ``[B, U]``, counted within the network.
        rank: place of each device among those of its station ``[B, U]``.
        device: devices of each station ``[B, N, D]``, counted within the network; 0 where there is none.
        mask: whether there is one ``[B, N, D]``.
        neighbours: ``[B, N, N]``; in row k the stations whose state station k hears, itself not among them.
        serving: own station of each device in the numbering of the batch ``[B * U]``.
    """

    station: Tensor
    rank: Tensor
    device: Tensor
    mask: Tensor
    neighbours: Tensor
    serving: Tensor

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``B, N, U, D``."""
        networks, stations, most = self.mask.shape
        return networks, stations, self.station.shape[1], most

    def select(self, networks: Tensor) -> "Cells":
        """Some of the networks, as often as they are named; ``serving`` counts stations within these."""
        station, stations = self.station[networks], self.mask.shape[1]
        offset = stations * torch.arange(len(networks), device=station.device).unsqueeze(1)
        rest = (self.rank[networks], self.device[networks], self.mask[networks], self.neighbours[networks])
        return Cells(station, *rest, (station + offset).flatten())

    def gather(self, value: Tensor) -> Tensor:
        """Values of devices ``[B, U, *]`` by station ``[B, N, D, *]``; zero where there is no device."""
        b, n, _, d = self.shape
        index = self.device.reshape(b, n * d, *([1] * (value.dim() - 2))).expand(b, n * d, *value.shape[2:])
        out = value.gather(1, index).reshape(b, n, d, *value.shape[2:])
        return out * self.mask.reshape(b, n, d, *([1] * (value.dim() - 2)))

    def spread(self, value: Tensor) -> Tensor:
        """Values by station ``[B, N, D, *]`` in the order of devices ``[B, U, *]``: what :meth:`gather` undoes."""
        b, _, u, d = self.shape
        index = (self.station * d + self.rank).reshape(b, u, *([1] * (value.dim() - 3)))
        return value.flatten(1, 2).gather(1, index.expand(b, u, *value.shape[3:]))

    def at_device(self, value: Tensor) -> Tensor:
        """Values of stations ``[B, N, *]`` at their devices ``[B, U, *]``."""
        b, _, u, _ = self.shape
        index = self.station.reshape(b, u, *([1] * (value.dim() - 2))).expand(b, u, *value.shape[2:])
        return value.gather(1, index)

    def allocation(self, choice: Tensor, power_w: Tensor) -> Allocation:
        """Allocation that gives each resource block of a station to one of its devices, or to none.

        Args:
            choice: 1 + place of the device among those of its station, 0 for none ``[B, N, R]``.
            power_w: power, W ``[B, N, R]``; none where there is no device.
        """
        airtime = self.at_device(choice) == (self.rank + 1).unsqueeze(2)
        power = power_w * (choice > 0)
        return Allocation(self.serving, power.flatten(0, 1), airtime.flatten(0, 1).to(power.dtype))

    def of_devices(self, active: Tensor, power_w: Tensor) -> Allocation:
        """Allocation from a mark on the scheduled devices ``[B, U, R]``, at most one per station and resource block.

        Args:
            active: devices that are scheduled.
            power_w: power of the scheduled devices, W, broadcastable to ``[B, U, R]``.
        """
        b, n, u, _ = self.shape
        spent = active * power_w
        index = self.station.unsqueeze(2).expand(b, u, active.shape[2])
        power = spent.new_zeros(b, n, active.shape[2]).scatter_add(1, index, spent)
        return Allocation(self.serving, power.flatten(0, 1), active.flatten(0, 1).to(power.dtype))


def gain_table(graph: HeteroData, cells: Cells) -> Tensor:
    """Gains ``[B, U, N, R]``, zero between stations and users without an edge; a view where there is every edge."""
    b, n, u, _ = cells.shape
    gain: Tensor = graph[CHANNEL].gain
    if len(gain) == b * u * n:
        return gain.reshape(b, u, n, -1)
    bs, ue = graph[CHANNEL].edge_index
    table = gain.new_zeros(b * u * n, gain.shape[1])
    table[ue * n + bs % n] = gain
    return table.reshape(b, u, n, -1)


def cells_of(graph: HeteroData) -> Cells:
    """Cells of a graph or of a batch of equal sizes.

    A device's station is the one in ``serving_slot``, where every device has one there, else the only one that may serve it.

    Raises:
        ValueError: networks of different sizes, or a device with no or several stations that may serve it.
    """
    bs, ue = graph[CHANNEL].edge_index
    may_serve = graph[CHANNEL].may_serve if "may_serve" in graph[CHANNEL] else torch.ones_like(bs, dtype=torch.bool)
    if "serving_slot" in graph["ue"]:
        served, own = (graph["ue"].serving_slot >= 0).all(), graph[CHANNEL].slot == graph["ue"].serving_slot[ue]
        may_serve = own if holds(served) else (served & own) | (~served & may_serve)
    num_bs, num_ue = graph["bs"].power_max_w.shape[0], graph["ue"].noise_w.shape[0]
    networks = int(graph.num_graphs) if "batch" in graph["bs"] else 1
    if exporting():  # what is not checked must be right, and a table has room for all users at one station
        serving, most = bs.new_zeros(num_ue).index_add(0, ue, bs * may_serve), num_ue
        return _cells(graph, serving, networks, most)
    count = torch.bincount(ue[may_serve], minlength=num_ue)
    if num_bs % networks or num_ue % networks or not bool((count == 1).all()):
        worst = int(count.ne(1).float().argmax())
        raise ValueError(
            f"(bs, channel, ue).may_serve: got {int(count[worst])} stations for user {worst}, expected one for each user"
        )
    serving = torch.empty(num_ue, dtype=torch.long, device=bs.device)
    serving[ue[may_serve]] = bs[may_serve]
    return _cells(graph, serving, networks, None)


def _cells(graph: HeteroData, serving: Tensor, networks: int, most: int | None) -> Cells:
    """Cells with the station of each device ``[B * U]``, and a table as wide as is needed, or for ``most`` devices."""
    num_bs, num_ue = graph["bs"].power_max_w.shape[0], serving.shape[0]
    n, u = num_bs // networks, num_ue // networks
    device_of = serving.device
    station = serving.reshape(networks, u) - n * torch.arange(networks, device=device_of).unsqueeze(1)
    one_hot = station.unsqueeze(2) == torch.arange(n, device=device_of)  # [B, U, N]
    rank = (one_hot.long().cumsum(1) - 1).gather(2, station.unsqueeze(2)).squeeze(2)
    most = max(int(rank.max()) + 1, 1) if most is None else most
    device = torch.zeros(networks, n, most, dtype=torch.long, device=device_of)
    mask = torch.zeros(networks, n, most, dtype=torch.bool, device=device_of)
    network = torch.arange(networks, device=device_of).unsqueeze(1).expand(networks, u)
    device[network, station, rank] = torch.arange(u, device=device_of).expand(networks, u)
    mask[network, station, rank] = True
    source, target = graph[NEIGHBOURS].edge_index
    neighbours = torch.zeros(networks, n, n, dtype=torch.bool, device=device_of)
    neighbours[target // n, target % n, source % n] = True
    return Cells(station, rank, device, mask, neighbours, serving)
