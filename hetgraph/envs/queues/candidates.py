"""Channel edges as tables over users' candidates, for gains that change in every slot."""

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetgraph.graph.links import links_of
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.interference import received_power


class CandidateTable:
    """Edges ``[E]`` of ``B`` networks as ``[B, U, K]``; users with fewer than ``K`` candidates have gains of zero beyond.

    Args:
        layout: the networks, equal in size.
        networks: their number B.
    """

    def __init__(self, layout: Batch, networks: int) -> None:
        links, slot = links_of(layout), layout[CHANNEL].slot
        self.width = int(slot.max()) + 1
        self.shape = (networks, links.num_ue // networks, self.width)
        self.dense = links.dense
        place = links.ue * self.width + slot
        # Where all users have K candidates, the table is the edges in their order.
        self._place = None if links.degree == self.width else place
        station = torch.zeros(links.num_ue * self.width, dtype=torch.long, device=slot.device)
        station[place] = links.bs % (links.num_bs // networks)
        self._station = station.reshape(1, networks, -1)  # [1, B, U * K]

    def of_edges(self, value: Tensor) -> Tensor:
        """Values of edges ``[E]`` as a table."""
        if self._place is None:
            return value.reshape(self.shape)
        table = value.new_zeros(torch.Size(self.shape).numel())
        table[self._place] = value
        return table.reshape(self.shape)

    def edges(self, table: Tensor) -> Tensor:
        """Edges ``[E, R]`` of a table of resource blocks ``[R, B, U, K]``; a view where all users have K candidates."""
        flat = table.flatten(1).t()
        return flat if self._place is None else flat[self._place]

    def of_rows(self, value: Tensor) -> Tensor:
        """Values of edges ``[E, R]`` as a table of resource blocks ``[R, B, U, K]``."""
        return torch.stack([self.of_edges(column) for column in value.unbind(1)])

    def received_power(self, gain: Tensor, power_w: Tensor) -> Tensor:
        """Power that users receive of their candidates ``[R, B, U]``, W.

        Args:
            gain: table of gains, zero where a candidate is left out ``[R, B, U, K]``.
            power_w: transmit power ``[R, B, N]``, W.
        """
        if self.dense:
            return received_power(gain, power_w)
        candidate_power_w = power_w.gather(
            2, self._station.expand(len(gain), -1, -1)
        )  # power of each candidate [R, B, U * K]
        return (gain * candidate_power_w.reshape(gain.shape)).sum(3)
