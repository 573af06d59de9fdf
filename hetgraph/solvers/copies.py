"""Copies of a graph or batch, one for each start of a search: numbered start by start, network ``b`` of start ``s`` is ``s B + b``."""

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.allocation import Allocation

_NODES = {"bs": ("power_max_w", "rb_power_max_w"), "ue": ("noise_w", "far_interference_w")}
_EDGES = ("gain", "slot", "may_serve", "rsrp_dbm")
# Constants of splitmix64 (Steele, Lea and Flood 2014) as signed integers.
_GAMMA, _MIX = -0x61C8864680B583EB, (-0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15)


def copies_of(graph: HeteroData, links: Links, count: int) -> Batch:
    """``count`` copies of a graph or batch as one batch, with the attributes that solvers read.

    Args:
        graph: a graph or a batch of graphs.
        links: its index structure.
        count: number of copies S.
    """
    out = Batch(_base_cls=HeteroData)
    out._num_graphs = links.num_networks * count
    for node, names in _NODES.items():
        for name in names:
            if name in graph[node]:
                out[node][name] = _repeat(graph[node][name], count)
    for name in _EDGES:
        if name in graph[CHANNEL]:
            out[CHANNEL][name] = _repeat(graph[CHANNEL][name], count)
    copy = torch.arange(count, device=links.bs.device).unsqueeze(1)
    out["bs"].batch = (links.bs_network + copy * links.num_networks).flatten()
    out["ue"].batch = (links.ue_network + copy * links.num_networks).flatten()
    ends = [(links.bs + copy * links.num_bs).flatten(), (links.ue + copy * links.num_ue).flatten()]
    out[CHANNEL].edge_index = torch.stack(ends)
    out.rb_bandwidth_hz = _repeat(graph.rb_bandwidth_hz, count)
    return out


def _repeat(value: Tensor, count: int) -> Tensor:
    return value.repeat(count, *[1] * (value.dim() - 1))


def stacked(serving: Tensor, power_w: Tensor) -> Allocation:
    """Allocation of the copies from associations of the graph ``[S, U]`` and powers ``[S, N, R]``, W."""
    shift = torch.arange(len(serving), device=serving.device).unsqueeze(1) * power_w.shape[1]
    return Allocation(torch.where(serving >= 0, serving + shift, -1).flatten(), power_w.flatten(0, 1))


def unstacked(allocation: Allocation, links: Links) -> tuple[Tensor, Tensor]:
    """Associations ``[S, U]`` in the numbering of the graph of ``links``, and powers ``[S, N, R]``; inverse of :func:`stacked`."""
    serving = allocation.serving.reshape(-1, links.num_ue)
    power_w = allocation.power_w.reshape(len(serving), links.num_bs, -1)
    shift = torch.arange(len(serving), device=serving.device).unsqueeze(1) * links.num_bs
    return torch.where(serving >= 0, serving - shift, -1), power_w


def chosen(allocation: Allocation, copy: Tensor, links: Links) -> tuple[Tensor, Tensor]:
    """Copy ``copy [T, B]`` of each network: associations ``[T, U]`` and powers ``[T, N, R]``."""
    serving, power_w = unstacked(allocation, links)
    of_user, of_station = copy[:, links.ue_network], copy[:, links.bs_network]
    stations = torch.arange(links.num_bs, device=copy.device)
    return serving.gather(0, of_user), power_w[of_station, stations]


def hashed(seed: int, *keys: Tensor) -> Tensor:
    """Uniform numbers in [0, 1) that depend on a seed and on integers, which broadcast: the same wherever they are asked for.

    Numbers that belong to a start and to a station's place within its network must not depend on the rest of the batch, as those
    of a generator would.
    """
    state = torch.tensor(seed)
    for key in keys:
        state = (state.to(key.device) + 1) * _GAMMA + key * _MIX[1]
        state = (state ^ _right(state, 30)) * _MIX[0]
        state = (state ^ _right(state, 27)) * _MIX[1]
        state = state ^ _right(state, 31)
    return _right(state, 11).double() / (1 << 53)


def _right(state: Tensor, bits: int) -> Tensor:
    return (state >> bits) & ((1 << (64 - bits)) - 1)  # a shift of signed integers copies the sign


def places(network: Tensor, networks: int) -> Tensor:
    """Number of each node within its network, from the network of each node, ascending."""
    count = torch.bincount(network, minlength=networks)
    return torch.arange(network.numel(), device=network.device) - (count.cumsum(0) - count)[network]
