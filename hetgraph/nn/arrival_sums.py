"""Sums over the edges of arrivals, made by arithmetic: who is served where follows from a user's place."""

import torch
from torch import Tensor

from hetgraph.nn.edge_sums import EdgeSums
from hetgraph.nn.hetero_layers import LayerSums
from hetgraph.radio.arriving import ArrivalShape


def arrival_weights(served: Tensor, room: Tensor) -> Tensor:
    """Weights of edges in two groups, of users in service and of who arrives to stations with room ``[B (K C + K), 2]``.

    Args:
        served: one where a user is in service, by station and place ``[B, K C]``.
        room: stations that may be chosen ``[B, K]``.
    """
    users = served.shape[1]
    weight = served.new_zeros(
        2, len(served), users + room.shape[1]
    )  # groups first in memory, as they are summed one by one
    weight[0, :, :users], weight[1, :, users:] = served, room
    return weight.flatten(1).T


def arrival_sums(shape: ArrivalShape, edge: Tensor, served: Tensor, room: Tensor) -> LayerSums:
    """The sums of :meth:`~hetgraph.nn.hetero_layers.LayerSums.of` with these weights, as products with small matrices.

    Args:
        shape: how nodes and edges are numbered.
        edge: columns of edges ``[B, K C + K, F]``.
        served: one where a user is in service ``[B, K C]``.
        room: stations that may be chosen ``[B, K]``.
    """
    (b, users), k, width = served.shape, room.shape[1], edge.shape[2]
    there = room.to(served.dtype)
    mean_ue, count = there / there.sum(1, keepdim=True).clamp_min(1), served.view(b, k, -1).sum(2).clamp_min(1)
    of_served, of_last = edge[:, :users] * served.unsqueeze(2), edge[:, users:]
    at_ue = edge.new_zeros(b, users + 1, 2 * width)
    at_ue[:, :users, :width] = of_served
    torch.sum(of_last * mean_ue.unsqueeze(2), 1, out=at_ue[:, -1, width:])
    mean = of_served.view(b, k, -1, width).sum(2) / count.unsqueeze(2)
    at_bs = torch.cat([mean, of_last * there.unsqueeze(2)], 2)
    matrix = served.new_zeros(4, b, users + 1, k)  # two groups, to users and to stations
    own = served.unsqueeze(2) * shape.own
    matrix[0, :, :users], matrix[1, :, -1] = own, mean_ue
    matrix[2, :, :users], matrix[3, :, -1] = own / count.unsqueeze(1), there
    to_ue, to_bs = matrix.view(2, 2, -1)
    return LayerSums(
        EdgeSums(shape.dense, "ue", to_ue, at_ue.flatten(0, 1), None),
        EdgeSums(shape.dense, "bs", to_bs, at_bs.flatten(0, 1), None),
        None,
    )
