"""A part of a network that is a network itself."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.check import check
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON


def subgraph(graph: HeteroData, nodes: Mapping[str, Tensor]) -> HeteroData:
    """The graph of some stations and users, with the edges among them; antennas go with their stations.

    Slots are counted anew along each user's edges, and users whose station is gone have none (``serving_slot`` -1).

    Args:
        graph: a single graph.
        nodes: ``bs``, ``ue`` or both, each a mask ``[N]`` or ``[U]`` or the numbers of what stays, in ascending order; what is
            not named stays as it is.

    Raises:
        ValueError: a batch, another node type, a mask of another size, nobody left, or a user who loses all stations.
    """
    if "batch" in graph["bs"]:
        raise ValueError(f"graph: got a batch of {graph.num_graphs} networks, expected one graph, as in batch[0]")
    for name in nodes:
        if name not in ("bs", "ue"):
            raise ValueError(f"nodes: got {name!r}, expected bs or ue; antennas go with their stations")
    sizes = {"bs": len(graph["bs"].power_max_w), "ue": len(graph["ue"].noise_w)}
    keep = {name: _mask(name, nodes.get(name), size, graph[CHANNEL].slot.device) for name, size in sizes.items()}
    bs, ue = graph[CHANNEL].edge_index
    stays = keep["bs"][bs] & keep["ue"][ue]
    degree = torch.zeros(sizes["ue"], dtype=torch.long, device=ue.device).index_add(0, ue, stays.long())
    lonely = (keep["ue"] & (degree == 0)).nonzero()
    if lonely.numel():
        user = int(lonely[0])
        raise ValueError(f"nodes: got user {user} without any of its stations, expected at least one of them to stay")
    antenna, owner = graph[MOUNTED_ON].edge_index
    mounted = torch.zeros(len(graph["antenna"].offset), dtype=torch.bool, device=bs.device)
    mounted[antenna[keep["bs"][owner]]] = True
    part: HeteroData = graph.subgraph({**keep, "antenna": mounted})
    first = degree.cumsum(0) - degree  # number of a user's first edge among those that stay
    slot = stays.long().cumsum(0) - 1 - first[ue]
    part[CHANNEL].slot = slot[stays]
    if "serving_slot" in graph["ue"]:
        own = stays & (graph[CHANNEL].slot == graph["ue"].serving_slot[ue])
        serving = torch.full((sizes["ue"],), -1, device=ue.device).scatter(0, ue[own], slot[own])
        part["ue"].serving_slot = serving[keep["ue"]]
    check(part)
    return part


def _mask(name: str, value: Tensor | None, size: int, device: torch.device) -> Tensor:
    if value is None:
        return torch.ones(size, dtype=torch.bool, device=device)
    if value.dtype == torch.bool:
        if value.shape != (size,):
            raise ValueError(f"nodes[{name!r}]: got a mask of shape {tuple(value.shape)}, expected [{size}]")
        mask = value.to(device)
    else:
        if value.dim() != 1 or value.dtype != torch.long or bool((value[1:] <= value[:-1]).any()):
            raise ValueError(
                f"nodes[{name!r}]: got {value.dtype} {tuple(value.shape)}, expected a mask or ascending numbers"
            )
        if value.numel() and not 0 <= int(value[0]) <= int(value[-1]) < size:
            raise ValueError(
                f"nodes[{name!r}]: got {int(value[0])}..{int(value[-1])}, expected numbers of 0..{size - 1}"
            )
        mask = torch.zeros(size, dtype=torch.bool, device=device)
        mask[value.to(device)] = True
    if not bool(mask.any()):
        raise ValueError(f"nodes[{name!r}]: got nothing that stays, expected at least one")
    return mask
