"""Stations and antennas of many networks of one size, as attributes by network."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.power import equal_power_w
from hetgraph.graph.schema import MOUNTED_ON


@dataclass(frozen=True)
class Layout:
    """``B`` networks of ``N`` stations and ``A`` antennas.

    Args:
        bs: attributes of stations ``[B, N, *]``, ``power_max_w`` among them.
        antenna: attributes of antennas ``[B, A, *]``.
        mounted: station of each antenna ``[B, A]``, counted within the network.
    """

    bs: dict[str, Tensor]
    antenna: dict[str, Tensor]
    mounted: Tensor

    def select(self, networks: Tensor) -> "Layout":
        """Some of the networks, as often as they are named."""
        return Layout(
            {name: value[networks] for name, value in self.bs.items()},
            {name: value[networks] for name, value in self.antenna.items()},
            self.mounted[networks],
        )

    def to(self, device: torch.device) -> "Layout":
        """The same on a device."""
        return Layout(
            {name: value.to(device) for name, value in self.bs.items()},
            {name: value.to(device) for name, value in self.antenna.items()},
            self.mounted.to(device),
        )


def plain_layout(bs_pos: Tensor, power_w: Tensor) -> Layout:
    """Stations at places ``[B, N, 3]`` with powers ``[N]``, each with one antenna in its place."""
    b, n = bs_pos.shape[:2]
    return Layout(
        {"pos": bs_pos, "power_max_w": power_w.expand(b, n)},
        {"offset": torch.zeros(b, n, 3), "boresight": torch.zeros(b, n, 2)},
        torch.arange(n).expand(b, n),
    )


STATIC = ("pos", "tier", "site", "carrier_hz", "azimuth_rad", "tilt_rad", "circuit_power_w", "amplifier_efficiency")


def layout_of(graph: HeteroData) -> Layout:
    """Stations and antennas of a batch of contract graphs; a station's power is that of all its blocks.

    Raises:
        ValueError: networks of different sizes.
    """
    bs, antenna, n = graph["bs"], graph["antenna"], equal_count(graph, "bs")
    power_w = equal_power_w(bs.power_max_w, bs.rb_power_max_w).sum(1)
    static = {name: each(bs[name], n) for name in STATIC if name in bs} | {"power_max_w": each(power_w, n)}
    if not antenna.num_nodes:
        plain = plain_layout(power_w.new_zeros(len(power_w) // n, n, 3), power_w[:n])
        return Layout(static, plain.antenna, plain.mounted)
    a = equal_count(graph, "antenna")
    at, station = graph[MOUNTED_ON].edge_index
    mounted = torch.empty_like(station).scatter_(0, at, station % n)
    return Layout(static, {name: each(antenna[name], a) for name in ("offset", "boresight")}, mounted.reshape(-1, a))


def each(value: Tensor, count: int) -> Tensor:
    """An attribute by network ``[B, count, *]``, float32 if real."""
    value = value.reshape(-1, count, *value.shape[1:])
    return value.float() if value.is_floating_point() else value


def equal_count(graph: HeteroData, store: str) -> int:
    """Number of nodes of each network.

    Raises:
        ValueError: not the same in all networks.
    """
    counts = graph[store].ptr.diff()
    if not bool((counts == counts[0]).all()):
        got = f"{int(counts.min())} to {int(counts.max())}"
        raise ValueError(f"{store}: got {got} in a network, expected as many in each, as actions have one shape")
    return int(counts[0])
