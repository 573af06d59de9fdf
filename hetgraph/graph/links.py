"""Channel edges as arrays: the reductions and broadcasts that physics, solvers and models share.

Edges are sorted by user. Where every user has the same number ``k`` of candidate stations a reduction over a user's
edges is a reshape and a sum, and where every station is a candidate of every user of its network (``dense``) no index is
needed at all. Kernels are written once, on the *edge layout*: ``lift`` brings a tensor ``[E, *]`` into it, and
``from_bs``/``from_ue`` give node tensors that broadcast against it.

=========== ================= ================== ==================
case        edge layout       ``from_bs``        ``from_ue``
=========== ================= ================== ==================
dense       ``[B, u, n, *]``  ``[B, 1, n, *]``   ``[B, u, 1, *]``
constant k  ``[U, k, *]``     ``[U, k, *]``      ``[U, 1, *]``
otherwise   ``[E, *]``        ``[E, *]``         ``[E, *]``
=========== ================= ================== ==================
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.tracing import count, exporting


@dataclass(frozen=True)
class Links:
    """Index structure of the channel edges of a graph or of a batch of graphs.

    Args:
        bs: station of each edge ``[E]``.
        ue: user of each edge ``[E]``, ascending.
        bs_network: network of each station ``[N]``.
        ue_network: network of each user ``[U]``.
        num_networks: number of networks B.
        degree: candidates per user when constant, else ``None``.
        dense: every user's candidates are all stations of its network, in order, and all networks have one size.
    """

    bs: Tensor
    ue: Tensor
    bs_network: Tensor
    ue_network: Tensor
    num_networks: int
    degree: int | None
    dense: bool

    @property
    def num_bs(self) -> int:
        """Number of stations N over all networks."""
        return self.bs_network.numel()

    @property
    def num_ue(self) -> int:
        """Number of users U over all networks."""
        return self.ue_network.numel()

    @property
    def num_edges(self) -> int:
        """Number of channel edges E."""
        return self.bs.numel()

    @cached_property
    def edge_network(self) -> Tensor:
        """Network of each edge ``[E]``."""
        return self.ue_network.index_select(0, self.ue)

    def lift(self, edge: Tensor) -> Tensor:
        """``[E, *]`` in the edge layout."""
        if self.dense:
            return edge.reshape(self.num_networks, -1, self.num_bs // self.num_networks, *edge.shape[1:])
        if self.degree is not None:
            return edge.reshape(self.num_ue, self.degree, *edge.shape[1:])
        return edge

    def flat(self, edge: Tensor) -> Tensor:
        """Inverse of :meth:`lift`."""
        if self.dense:
            return edge.reshape(self.num_edges, *edge.shape[3:])
        if self.degree is not None:
            return edge.reshape(self.num_edges, *edge.shape[2:])
        return edge

    def from_bs(self, node: Tensor) -> Tensor:
        """Station tensor ``[N, *]``, broadcastable against the edge layout."""
        if self.dense:
            return node.reshape(self.num_networks, 1, -1, *node.shape[1:])
        if self.degree is not None:
            return node.index_select(0, self.bs).reshape(self.num_ue, self.degree, *node.shape[1:])
        return node.index_select(0, self.bs)

    def from_ue(self, node: Tensor) -> Tensor:
        """User tensor ``[U, *]``, broadcastable against the edge layout."""
        if self.dense:
            return node.reshape(self.num_networks, -1, 1, *node.shape[1:])
        if self.degree is not None:
            return node.unsqueeze(1)
        return node.index_select(0, self.ue)

    def sum_to_ue(self, edge: Tensor) -> Tensor:
        """Sum over each user's edges: edge layout -> ``[U, *]``."""
        if self.dense:
            return edge.sum(2).reshape(self.num_ue, *edge.shape[3:])
        if self.degree is not None:
            return edge.sum(1)
        out = edge.new_zeros(self.num_ue, *edge.shape[1:])
        return out.index_add(0, self.ue, edge)

    def sum_to_bs(self, edge: Tensor) -> Tensor:
        """Sum over each station's edges: edge layout -> ``[N, *]``."""
        if self.dense:
            return edge.sum(1).reshape(self.num_bs, *edge.shape[3:])
        flat = self.flat(edge)
        if not exporting() and flat.dim() == 2 and flat.is_floating_point() and flat.numel():
            # several times as fast as index_add
            order, first = self.by_station
            return embedding_bag(order, flat, first, mode="sum")
        out = flat.new_zeros(self.num_bs, *flat.shape[1:])
        return out.index_add(0, self.bs, flat)

    def weigh_to_ue(self, weight: Tensor, node: Tensor) -> Tensor:
        """Sum of the stations' ``node [N, H]`` over each user's edges, with edge weights in the edge layout ``[U, H]``."""
        if self.dense:
            own = node.reshape(self.num_networks, -1, node.shape[1])
            return torch.bmm(weight, own).reshape(self.num_ue, -1)
        return self.sum_to_ue(weight.unsqueeze(-1) * self.from_bs(node))

    def weigh_to_bs(self, weight: Tensor, node: Tensor) -> Tensor:
        """Sum of the users' ``node [U, *]`` over each station's edges, with edge weights in the edge layout ``[N, *]``."""
        if self.dense:
            own = node.reshape(self.num_networks, -1, node.shape[1])
            return torch.bmm(weight.transpose(1, 2), own).reshape(self.num_bs, -1)
        return self.sum_to_bs(weight.unsqueeze(-1) * self.from_ue(node))

    def mean_to_bs(self, edge: Tensor) -> Tensor:
        """Mean over each station's edges: edge layout -> ``[N, *]``; zero for a station without edges."""
        if self.dense:
            return edge.mean(1).reshape(self.num_bs, *edge.shape[3:])
        number = count(self.bs, self.num_bs).clamp_min(1).to(edge.dtype)
        return self.sum_to_bs(edge) / number.reshape(-1, *([1] * (self.flat(edge).dim() - 1)))

    def mean_over_bs(self, node: Tensor) -> Tensor:
        """Mean of the stations' ``node [N, H]`` over each user's candidates ``[U, H]``; where all are, a broadcast view."""
        if self.dense:
            mean = node.reshape(self.num_networks, -1, 1, node.shape[1]).mean(1)
            return mean.expand(-1, self.num_ue // self.num_networks, -1).reshape(self.num_ue, -1)
        number = count(self.ue, self.num_ue).clamp_min(1).to(node.dtype)
        values = self.from_bs(node)
        return self.sum_to_ue(values) / number.unsqueeze(1)

    def mean_over_ue(self, node: Tensor) -> Tensor:
        """Mean of the users' ``node [U, H]`` over each station's edges ``[N, H]``."""
        if self.dense:
            mean = node.reshape(self.num_networks, -1, node.shape[1]).mean(1, keepdim=True)
            return mean.expand(-1, self.num_bs // self.num_networks, -1).reshape(self.num_bs, -1)
        values = self.from_ue(node)
        if self.degree is not None:
            values = values.expand(-1, self.degree, -1)
        return self.mean_to_bs(values)

    def weigh_edges_to_bs(self, weight: Tensor, edge: Tensor) -> Tensor:
        """Sums of ``edge [E, R]`` over each station's edges under K sets of weights, edge layout ``[*, K]``: ``[N, K, R]``."""
        if self.dense:
            b, n, (blocks, sets) = (
                self.num_networks,
                self.num_bs // self.num_networks,
                (edge.shape[1], weight.shape[-1]),
            )
            values = self.lift(edge).transpose(1, 2)  # [B, n, u, R]
            chosen = weight.permute(0, 2, 3, 1)  # [B, n, K, u]
            return torch.stack([torch.bmm(chosen[i], values[i]) for i in range(b)]).reshape(b * n, sets, blocks)
        return self.sum_to_bs(weight.unsqueeze(-1) * self.lift(edge).unsqueeze(-2))

    def max_to_ue(self, edge: Tensor) -> Tensor:
        """Largest value over each user's edges: edge layout -> ``[U, *]``."""
        if self.dense:
            return edge.amax(2).reshape(self.num_ue, *edge.shape[3:])
        if self.degree is not None:
            return edge.amax(1)
        least = -torch.inf if edge.is_floating_point() else torch.iinfo(edge.dtype).min
        out = edge.new_full((self.num_ue, *edge.shape[1:]), least)
        ue = self.ue.reshape(-1, *([1] * (edge.dim() - 1))).expand_as(edge)
        return out.scatter_reduce(0, ue, edge, "amax")

    def softmax(self, logits: Tensor) -> Tensor:
        """Softmax over each user's edges, in the edge layout."""
        if self.dense or self.degree is not None:
            return logits.softmax(2 if self.dense else 1)
        top = self.from_ue(self.max_to_ue(logits)).detach()
        weight = (logits - top).exp()
        return weight / self.from_ue(self.sum_to_ue(weight))

    def argmax_slot(self, score: Tensor) -> Tensor:
        """Slot of each user's best edge: edge layout without trailing dimension -> ``[U]``; the first wins a tie."""
        if self.dense or self.degree is not None:
            return score.argmax(-1).reshape(self.num_ue)
        best = score >= self.max_to_ue(score)[self.ue]
        edge = torch.where(best, torch.arange(self.num_edges, device=score.device), self.num_edges)
        first = torch.full((self.num_ue,), self.num_edges, device=score.device)
        first = first.scatter_reduce(0, self.ue, edge, "amin")
        return first - self.first_edge

    @property
    def first_edge(self) -> Tensor:
        """Index of each user's first edge ``[U]``."""
        if self.degree is not None:
            return torch.arange(0, self.num_edges, self.degree, device=self.bs.device)
        number = count(self.ue, self.num_ue)
        return number.cumsum(0) - number

    @cached_property
    def by_station(self) -> tuple[Tensor, Tensor]:
        """Edges in the order of their stations ``[E]``, by user within each, and where those of each station begin ``[N]``."""
        number = torch.zeros_like(self.bs_network).index_add(0, self.bs, torch.ones_like(self.bs))
        return torch.argsort(self.bs, stable=True), number.cumsum(0) - number

    def slot_of(self, serving: Tensor) -> Tensor:
        """Slot of station ``serving [U]`` among each user's candidates; -1 where it is none of them (or -1 itself)."""
        if self.dense:
            n = self.num_bs // self.num_networks
            slot = serving - self.ue_network * n
            return torch.where((serving >= 0) & (slot >= 0) & (slot < n), slot, -1)
        hit = self.lift(self.bs) == self.from_ue(serving)
        slot = self.argmax_slot(hit.long())
        result = hit.any(1) if self.degree is not None else self.sum_to_ue(hit.long()) > 0
        return torch.where(result & (serving >= 0), slot, -1)

    def station_of(self, slot: Tensor) -> Tensor:
        """Station of candidate ``slot [U]``; -1 where the slot is -1."""
        edge = self.first_edge + slot.clamp_min(0)
        return torch.where(slot >= 0, self.bs[edge], -1)

    def pick(self, edge: Tensor, slot: Tensor) -> Tensor:
        """Value of edge tensor ``[E, *]`` on each user's edge in ``slot [U]`` -> ``[U, *]``; zero where the slot is -1."""
        value = edge[self.first_edge + slot.clamp_min(0)]
        served = (slot >= 0).reshape(-1, *([1] * (value.dim() - 1)))
        return torch.where(served, value, torch.zeros((), dtype=value.dtype, device=value.device))

    def users_per_bs(self, serving: Tensor, weight: Tensor | None = None) -> Tensor:
        """Number (or summed ``weight [U]``) of users of each station ``[N]``; unserved users count nowhere."""
        served = serving >= 0
        value = torch.ones(serving.shape, dtype=torch.get_default_dtype(), device=serving.device)
        value = (value if weight is None else weight) * served
        out = value.new_zeros(self.num_bs)
        return out.index_add(0, serving.clamp_min(0), value)

    def sum_bs_to_network(self, node: Tensor) -> Tensor:
        """Sum over each network's stations: ``[N, *] -> [B, *]``."""
        return _segment_sum(node, self.bs_network, self.num_networks, self.dense)

    def sum_ue_to_network(self, node: Tensor) -> Tensor:
        """Sum over each network's users: ``[U, *] -> [B, *]``."""
        return _segment_sum(node, self.ue_network, self.num_networks, self.dense)


def _segment_sum(node: Tensor, network: Tensor, num: int, equal: bool) -> Tensor:
    if equal or num == 1:
        return node.reshape(num, -1, *node.shape[1:]).sum(1)
    out = node.new_zeros(num, *node.shape[1:])
    return out.index_add(0, network, node)


def links_of(data: HeteroData) -> Links:
    """Index structure of ``data``, a single graph or a PyG batch.

    Raises:
        ValueError: the channel edges are not sorted by user.
    """
    bs, ue = data[CHANNEL].edge_index
    num_bs, num_ue = data["bs"].power_max_w.shape[0], data["ue"].noise_w.shape[0]
    device = bs.device
    if "batch" in data["bs"]:
        bs_network, ue_network, num = data["bs"].batch, data["ue"].batch, int(data.num_graphs)
    else:
        bs_network = torch.zeros(num_bs, dtype=torch.long, device=device)
        ue_network, num = torch.zeros(num_ue, dtype=torch.long, device=device), 1
    if exporting():  # a program is for graphs of all kinds
        return Links(bs, ue, bs_network, ue_network, num, None, False)
    degree = bs.numel() // num_ue if num_ue and bs.numel() % num_ue == 0 else None
    if degree is not None and not torch.equal(ue.reshape(num_ue, degree), _repeated(num_ue, degree, device)):
        degree = None
    if degree is None and not bool((ue[1:] >= ue[:-1]).all()):
        raise ValueError("(bs, channel, ue).edge_index: got edges in another order, expected them sorted by user")
    dense = False
    if degree is not None and num_bs == degree * num and num_ue % num == 0:
        users = num_ue // num
        expected = torch.arange(num_bs, device=device).reshape(num, 1, degree).expand(num, users, degree)
        equal = torch.equal(ue_network.reshape(num, users), _repeated(num, users, device))
        dense = equal and torch.equal(bs.reshape(num, users, degree), expected)
    return Links(bs, ue, bs_network, ue_network, num, degree, dense)


def _repeated(rows: int, columns: int, device: torch.device) -> Tensor:
    return torch.arange(rows, device=device).unsqueeze(1).expand(rows, columns)
