"""Graphs from bare gains: the shortest way from a measured or simulated channel to the data layer."""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.check import check
from hetgraph.graph.schema import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, SCHEMA_VERSION


def from_gain(
    gain: Tensor,
    *,
    noise_w: float | Tensor,
    power_max_w: float | Tensor,
    rb_bandwidth_hz: float | Tensor = 1.0,
) -> HeteroData:
    """Graph of ``N`` stations and ``U`` users from linear power gains; every station is a candidate of every user.

    A station has one antenna, in its own place.

    Args:
        gain: linear power gain of each station, user and resource block ``[N, U, R]``; its dtype is kept.
        noise_w: noise power per resource block, W; a number or anything that broadcasts to ``[U, R]``.
        power_max_w: power budget of a station, W; a number or ``[N]``.
        rb_bandwidth_hz: bandwidth of a resource block, Hz; a number or ``[R]``.

    Raises:
        ValueError: a shape, a sign or a value that no network can have.

    Example:
        >>> graph = from_gain(torch.tensor([[[2.0], [1.0]], [[0.5], [4.0]]]), noise_w=1.0, power_max_w=1.0)  # [N=2, U=2, R=1]
        >>> graph["bs", "channel", "ue"].edge_index  # stations and users of the edges, user by user
        tensor([[0, 1, 0, 1],
                [0, 0, 1, 1]])
    """
    if not isinstance(gain, Tensor) or not gain.is_floating_point() or gain.dim() != 3:
        got = tuple(gain.shape) if isinstance(gain, Tensor) else type(gain).__name__
        raise ValueError(f"gain: got {got}, expected a real floating-point tensor [N, U, R]")
    stations, users, blocks = gain.shape
    if 0 in gain.shape:
        raise ValueError(f"gain: got shape {tuple(gain.shape)}, expected at least one station, user and resource block")
    data = HeteroData()
    power = _expand("power_max_w", power_max_w, (stations,), gain)
    data["bs"].power_max_w = power
    data["bs"].rb_power_max_w = power.unsqueeze(1).expand(stations, blocks).contiguous()
    data["ue"].noise_w = _expand("noise_w", noise_w, (users, blocks), gain)
    data["antenna"].offset = gain.new_zeros(stations, 3)
    data["antenna"].boresight = gain.new_zeros(stations, 2)
    data[MOUNTED_ON].edge_index = torch.arange(stations, device=gain.device).expand(2, -1).contiguous()
    data[CHANNEL].edge_index = complete_edges(stations, users, gain.device)
    data[CHANNEL].slot = torch.arange(stations, device=gain.device).repeat(users)
    data[CHANNEL].gain = gain.transpose(0, 1).reshape(users * stations, blocks)
    for empty in (NEIGHBOURS, CONFLICTS):
        data[empty].edge_index = torch.zeros(2, 0, dtype=torch.long, device=gain.device)
    data.rb_bandwidth_hz = _expand("rb_bandwidth_hz", rb_bandwidth_hz, (1, blocks), gain)
    data.scenario, data.scenario_hash, data.schema_version = "from_gain", "", SCHEMA_VERSION
    for node, count in (("bs", stations), ("ue", users), ("antenna", stations)):  # PyG infers them from positions alone
        data[node].num_nodes = count
    check(data)
    return data


def complete_edges(stations: int, users: int, device: torch.device | None = None) -> Tensor:
    """Edges from every station to every user, sorted by user ``[2, N * U]``."""
    bs = torch.arange(stations, device=device).repeat(users)
    ue = torch.arange(users, device=device).repeat_interleave(stations)
    return torch.stack([bs, ue])


def _expand(name: str, value: float | Tensor, shape: tuple[int, ...], like: Tensor) -> Tensor:
    tensor = torch.as_tensor(value, dtype=like.dtype, device=like.device)
    try:
        return tensor.expand(shape).contiguous()
    except RuntimeError:
        raise ValueError(f"{name}: got shape {tuple(tensor.shape)}, expected a number or {list(shape)}") from None
