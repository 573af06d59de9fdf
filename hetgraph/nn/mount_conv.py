"""Messages of antennas to the stations on which they are mounted."""

import torch
from torch import Tensor, nn
from torch.nn.functional import silu
from torch_geometric.nn import MessagePassing


class MountConv(MessagePassing):  # type: ignore[misc]
    r"""One step of messages over (antenna, mounted_on, bs): :math:`h_n' = h_n + \mathrm{SiLU}(W [h_n, \mathrm{mean}_a h_a] + b)`.

    PyG takes torch-scatter for the mean where it is installed.

    Args:
        hidden: width H of the states.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__(aggr="mean")
        self.update_state = nn.Linear(2 * hidden, hidden)

    def forward(self, x: tuple[Tensor, Tensor], edge_index: Tensor) -> Tensor:
        """New states of stations ``[N, H]``; one without antennas hears zeros.

        Args:
            x: states of antennas ``[A, H]`` and stations ``[N, H]``.
            edge_index: antennas and their stations ``[2, A]``.
        """
        antenna, bs = x
        messages = self.propagate(edge_index, x=(antenna, None), size=(antenna.shape[0], bs.shape[0]))
        out: Tensor = bs + silu(self.update_state(torch.cat([bs, messages], 1)))
        return out

    def message(self, x_j: Tensor) -> Tensor:
        """States of antennas ``[A, H]``."""
        return x_j
