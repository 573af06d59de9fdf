"""Links that interfere but do not serve: what arrives over them, and what harm is done over them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.graph.links import Links


@dataclass(frozen=True)
class FarLinks:
    """SNRs at full budget of the edges of a graph that are no candidates.

    Args:
        snr: of all stations at all users, zero for candidates ``[B, R, u, n]``, where networks are of one size and every station
            has an edge to every user of its network; else of the far edges ``[F, R]``.
        bs: station of each far edge ``[F]``; ``None`` in the first case.
        ue: user of each far edge ``[F]``.
    """

    snr: Tensor
    bs: Tensor | None = None
    ue: Tensor | None = None

    @staticmethod
    def of(snr: Tensor, near: Tensor, links: Links) -> "FarLinks":
        """Far edges of a graph.

        Args:
            snr: of all edges ``[E, R]``.
            near: numbers of the candidates' edges, ascending.
            links: index structure of all edges.
        """
        if links.dense:
            rest = links.lift(snr.index_fill(0, near, 0.0))
            return FarLinks(rest.permute(0, 3, 1, 2).contiguous())
        far = torch.ones(links.num_edges, dtype=torch.bool, device=snr.device).index_fill_(0, near, False)
        return FarLinks(snr[far], links.bs[far], links.ue[far])

    def interference(self, fraction: Tensor, links: Links) -> Tensor:
        """Received power over noise ``[U, R]`` when stations put ``fraction [N, R]`` of their budgets on the blocks."""
        if self.bs is None:
            networks, blocks = self.snr.shape[:2]
            power = fraction.reshape(networks, -1, blocks).transpose(1, 2).unsqueeze(3)
            return torch.matmul(self.snr, power).squeeze(3).transpose(1, 2).reshape(links.num_ue, blocks)
        out = self.snr.new_zeros(links.num_ue, self.snr.shape[1])
        return out.index_add(0, self._users, self.snr * fraction[self.bs])

    def harm(self, fraction: Tensor, pain: Tensor, links: Links) -> Tensor:
        """What users suffer from each station ``[N, R]``, ``pain [U, R]`` per received power over noise."""
        if self.bs is None:
            networks, blocks = self.snr.shape[:2]
            weight = pain.reshape(networks, -1, blocks).transpose(1, 2).unsqueeze(2)
            total = torch.matmul(weight, self.snr).squeeze(2).transpose(1, 2).reshape(links.num_bs, blocks)
        else:
            total = pain.new_zeros(links.num_bs, self.snr.shape[1])
            total = total.index_add(0, self.bs, self.snr * pain[self._users])
        return fraction * total

    @property
    def _users(self) -> Tensor:
        assert self.ue is not None
        return self.ue
