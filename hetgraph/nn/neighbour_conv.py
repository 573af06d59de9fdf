"""Messages between neighbouring stations."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu
from torch_geometric.nn import MessagePassing

from hetgraph.nn.edge_sums import EdgeSums
from hetgraph.nn.hooks import has_hooks


class NeighbourConv(MessagePassing):  # type: ignore[misc]
    r"""One step of messages over (bs, neighbours, bs): :math:`h_n' = h_n + \mathrm{SiLU}(W [h_n, \mathrm{mean}_m [h_m, x_{mn}]] + b)`.

    Two paths give the same: ``propagate`` of PyG, which takes torch-scatter for the mean where it is installed, and sums of bags
    of rows, taken with ``sums`` unless an explainer or a hook of PyG looks on.

    Args:
        hidden: width H of the states.
        edge_dim: columns C of edges; 0 without.
    """

    def __init__(self, hidden: int, edge_dim: int = 0) -> None:
        super().__init__(aggr="mean")
        self.edge_dim = edge_dim
        self.update_state = nn.Linear(2 * hidden + edge_dim, hidden)

    def forward(
        self, bs: Tensor, edge_index: Tensor, edge_attr: Tensor | None = None, sums: EdgeSums | None = None
    ) -> Tensor:
        """New states ``[N, H]`` of stations ``[N, H]``; one without neighbours receives zeros.

        Args:
            bs: states of stations.
            edge_index: from which station to which ``[2, *]``.
            edge_attr: columns of edges ``[*, C]``.
            sums: means over these edges, which several layers share (:meth:`EdgeSums.among`).

        Raises:
            ValueError: columns that the layer was not made for, or none where it was.
        """
        columns = 0 if edge_attr is None else edge_attr.shape[1]
        if columns != self.edge_dim:
            raise ValueError(f"edge_attr: got {columns} columns, expected {self.edge_dim}")
        if sums is None or has_hooks(self):
            edge_attr = bs.new_zeros(edge_index.shape[1], 0) if edge_attr is None else edge_attr
            received = [self.propagate(edge_index, x=bs, edge_attr=edge_attr)]
        else:
            received = [sums.nodes(bs), sums.edges.to(bs.dtype)]
        out: Tensor = bs + silu(self.update_state(torch.cat([bs, *received], 1)))
        return out

    def message(self, x_j: Tensor, edge_attr: Tensor) -> Tensor:
        """States and columns ``[*, H + C]``."""
        return torch.cat([x_j, edge_attr], 1)
