"""Messages between stations and users over channel edges."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu
from torch_geometric.nn import MessagePassing

from hetgraph.graph.links import Links
from hetgraph.graph.tracing import exporting
from hetgraph.nn.edge_sums import Aggregation, EdgeSums, Target, normalised
from hetgraph.nn.hooks import has_hooks

Message = Literal["linear", "relu"]


class ChannelConv(MessagePassing):  # type: ignore[misc]
    r"""One step of messages over (bs, channel, ue), to users or to stations, with edge columns and groups of edges.

    .. math::
        h_v' = h_v + \mathrm{SiLU}\Big(W \big[h_v, \big(\textstyle\sum_{e \to v} \hat w_{e,g} m_e\big)_{g}\big] + b\Big)

    The message :math:`m_e` is :math:`[h_u, x_e]`, or :math:`\mathrm{ReLU}(A h_u + B h_v + C x_e)`. Groups are, as a rule, edges over
    which a user is served and all others: what a station serves and what it disturbs. Linear messages need no tensor of edges
    times width.

    Three paths give the same: ``propagate`` of PyG for any graph, which uses torch-scatter where PyG does (PyG chooses it
    itself, if it is installed); sums of bags of rows for edges in the order of their users; matrix products where all stations
    are candidates. The last two are taken with ``links``, and step aside for explainers and hooks of PyG.

    Args:
        hidden: width H of node states.
        edge_dim: columns C of edges.
        to: nodes that hear.
        message: ``linear`` or ``relu``.
        aggr: ``mean`` or ``sum`` over the edges of a group, weighted.
        groups: groups G of edges.
        source: read the states of the senders; without it, messages hold edge columns only.

    Raises:
        ValueError: an unknown name.
    """

    def __init__(
        self,
        hidden: int,
        edge_dim: int,
        to: Target = "ue",
        message: Message = "linear",
        aggr: Aggregation = "mean",
        groups: int = 2,
        source: bool = True,
    ) -> None:
        super().__init__(aggr="sum")
        for name, value, known in (("to", to, Target), ("message", message, Message), ("aggr", aggr, Aggregation)):
            if value not in get_args(known):
                raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(get_args(known))}")
        self.hidden, self.groups, self.to, self.kind, self.aggregation = hidden, groups, to, message, aggr
        self.sender = hidden * source
        if message == "relu":
            self.from_source = nn.Linear(hidden, hidden) if source else None
            self.from_target = nn.Linear(hidden, hidden, bias=not source)
            self.from_edge = nn.Linear(edge_dim, hidden, bias=False)
        width = hidden if message == "relu" else self.sender + edge_dim
        self.update_state = nn.Linear(hidden + groups * width, hidden)

    def forward(
        self,
        x: tuple[Tensor, Tensor],
        edge_index: Tensor,
        edge_attr: Tensor,
        weight: Tensor | None = None,
        links: Links | EdgeSums | None = None,
    ) -> Tensor:
        """New states of users ``[U, H]`` or of stations ``[N, H]``.

        Args:
            x: states of stations ``[N, H]`` and users ``[U, H]``.
            edge_index: stations and users of edges ``[2, E]``, in both directions of messages.
            edge_attr: columns of edges ``[E, C]``.
            weight: weights of edges and groups ``[E, G]``, not negative; all one when ``None``.
            links: index structure of the edges for the fused paths, or the sums made of it and of weights and columns, which
                several layers share.

        Raises:
            ValueError: weights of another shape, or sums for the other direction.
        """
        if weight is None:
            weight = edge_attr.new_ones(edge_attr.shape[0], self.groups)
        if weight.shape != (edge_attr.shape[0], self.groups):
            raise ValueError(
                f"weight: got {list(weight.shape)}, expected {[edge_attr.shape[0], self.groups]} of edges and groups"
            )
        if links is None or weight.requires_grad or has_hooks(self) or (not exporting() and edge_attr.shape[0] == 0):
            return self._propagated(x, edge_index, edge_attr, weight)
        if self.kind == "relu":
            return self._relu(x, edge_attr, weight, links.links if isinstance(links, EdgeSums) else links)
        if isinstance(links, Links):
            links = EdgeSums.of(links, edge_attr, weight, self.to, self.aggregation, bool(self.sender))
        if links.to != self.to:
            raise ValueError(f"links: got sums at {links.to!r}, expected sums at {self.to!r}")
        return self._linear(x, links)

    def message(self, x_j: Tensor, x_i: Tensor, edge_attr: Tensor, weight: Tensor) -> Tensor:
        """Weighted messages of all groups ``[E, G * M]``."""
        if self.kind == "relu":
            value: Tensor = (x_i + self.from_edge(edge_attr) + (x_j if self.sender else 0)).relu()
        else:
            value = torch.cat([x_j[:, : self.sender], edge_attr], 1)
        return (weight.unsqueeze(2) * value.unsqueeze(1)).flatten(1)

    def _propagated(self, x: tuple[Tensor, Tensor], edge_index: Tensor, edge_attr: Tensor, weight: Tensor) -> Tensor:
        source, target = x if self.to == "ue" else x[::-1]
        index = edge_index if self.to == "ue" else edge_index.flip(0)  # flow="target_to_source" fails on two node types
        size = source.shape[0], target.shape[0]
        total = weight.new_zeros(size[1], self.groups).index_add(0, index[1], weight)
        weight = normalised(weight, total[index[1]], self.aggregation)
        sent = (self._sent(source), self.from_target(target)) if self.kind == "relu" else (source, target)
        received = self.propagate(index, x=sent, edge_attr=edge_attr, weight=weight, size=size)
        if self.kind == "linear":
            groups = received.unflatten(1, (self.groups, -1))
            received = torch.cat([groups[..., : self.sender].flatten(1), groups[..., self.sender :].flatten(1)], 1)
        return self._next(target, received)

    def _linear(self, x: tuple[Tensor, Tensor], sums: EdgeSums) -> Tensor:
        """States are transformed where nodes are few: stations before they speak to users, sums after users spoke to them."""
        bs, ue = x
        if self.to == "bs" or not self.sender:
            nodes = sums.nodes(ue) if self.sender else ()
            return self._next(bs if self.to == "bs" else ue, *nodes, sums.edges.to(bs.dtype))
        own, *sent, edge = torch.split(
            self.update_state.weight, [self.hidden] * (1 + self.groups) + [sums.edges.shape[1]], 1
        )
        spoken = [linear(bs, weight) for weight in sent]  # G of [N, H]
        change = torch.addmm(linear(ue, own, self.update_state.bias), sums.edges.to(ue.dtype), edge.T)
        return ue + silu(change + sums.nodes(*spoken))

    def _relu(self, x: tuple[Tensor, Tensor], edge_attr: Tensor, weight: Tensor, links: Links) -> Tensor:
        """Messages in the edge layout of the links."""
        source, target = x if self.to == "ue" else x[::-1]
        sent, own = self._sent(source), self.from_target(target)
        at_bs, at_ue = (sent, own) if self.to == "ue" else (own, sent)
        value = links.lift(self.from_edge(edge_attr)) + links.from_bs(at_bs)
        value = (value + links.from_ue(at_ue)).relu()
        lifted = links.lift(weight)
        add = links.sum_to_ue if self.to == "ue" else links.sum_to_bs
        ends = links.from_ue if self.to == "ue" else links.from_bs
        lifted = normalised(lifted, ends(add(lifted)), self.aggregation)
        return self._next(target, torch.cat([add(value * part.unsqueeze(-1)) for part in lifted.unbind(-1)], 1))

    def _sent(self, source: Tensor) -> Tensor:
        return self.from_source(source) if self.from_source is not None else source.new_zeros(len(source), self.hidden)

    def _next(self, state: Tensor, *received: Tensor) -> Tensor:
        out: Tensor = state + silu(self.update_state(torch.cat([state, *received], 1)))
        return out

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.hidden}, to={self.to!r}, message={self.kind!r}, groups={self.groups})"
