"""What users receive along their trajectories, worked out once, so that a step only looks it up."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from hetgraph.graph.sums_of_others import sum_of_others
from hetgraph.graph.trajectories import Trajectories
from hetgraph.radio.handover import HandoverRule
from hetgraph.radio.rates import spectral_efficiency

_PART = 100_000  # pairs of a user and a cell at once: their doubles stay in a core's cache


@dataclass(frozen=True)
class ReportedLinks:
    """Each user's serving cell and its strongest others at one step, the serving one in place 0: ``[B, U, k + 1]`` each.

    Args:
        cell: number of the cell.
        where: place in the flat tables.
        received_db: received power over noise, dB.
        biased_db: the same plus the cell's range expansion where the rule counts it.
        efficiency: log2(1 + SINR) with all other cells at full power, bit/s/Hz.
    """

    cell: Tensor
    where: Tensor
    received_db: Tensor
    biased_db: Tensor
    efficiency: Tensor


@dataclass(frozen=True)
class TrajectoryTables:
    """Trajectories and what follows from them.

    Args:
        trajectories: P networks of T steps, U users and K cells.
        bias_db: range expansion of each cell ``[P, K]``; zero where the rule does not count it.
        biased_db: received power over noise plus bias ``[P * T * U * K]``, dB.
        efficiency: log2(1 + SINR) ``[P * T * U * K]``, bit/s/Hz.
        distance_m: ``[P * T * U * K]``, m.
        ue_pos: users' positions ``[P * T, U, 3]``, m.
        total_w: power that users receive from all cells at full power and from the background ``[P * T * U]``, W, double.
        strongest: the ``k + 1`` strongest cells after bias, the strongest first ``[P * T, U, k + 1]``.
        biases: whether any cell has a bias.
        any_measured: whether any gain was measured.
    """

    trajectories: Trajectories
    bias_db: Tensor
    biased_db: Tensor
    efficiency: Tensor
    distance_m: Tensor
    ue_pos: Tensor
    total_w: Tensor
    strongest: Tensor
    biases: bool
    any_measured: bool

    @staticmethod
    def of(
        trajectories: Trajectories, rule: HandoverRule, bias_db: float, neighbours: int, height_m: Tensor
    ) -> "TrajectoryTables":
        """Work out the tables of some trajectories.

        Args:
            trajectories: of the users.
            rule: whether bias counts.
            bias_db: range expansion of all cells whose power is below their network's largest.
            neighbours: other cells k that a user can ask for.
            height_m: of each user ``[P, U]``, m.
        """
        t = replace(trajectories, gain=trajectories.gain.contiguous())
        small = t.power_w < 0.99 * t.power_w.amax(1, keepdim=True)
        bias = torch.where(small, bias_db if rule.bias else 0.0, 0.0).to(t.gain.dtype)
        biased, efficiency, distance = (torch.empty_like(t.gain) for _ in range(3))
        strongest = torch.empty(*t.gain.shape[:3], neighbours + 1, dtype=torch.long, device=t.gain.device)
        height = height_m.to(t.ue_pos).unsqueeze(1).unsqueeze(3).expand(-1, t.steps, -1, -1)
        pos = torch.cat([t.ue_pos, height], 3)
        total = torch.empty(t.gain.shape[:3], dtype=torch.double, device=t.gain.device)
        few = max(_PART // t.gain[0].numel(), 1)
        for first in range(0, t.networks, few):
            rows = slice(first, first + few)
            snr = t.gain[rows].double() * (t.power_w[rows].double() / t.noise_w).unsqueeze(1).unsqueeze(2)
            background_w = snr.new_zeros(()) if t.background_w is None else t.background_w[rows].double()
            rise = 1 + (background_w / t.noise_w).unsqueeze(-1)  # of the noise [P, T, U, 1]
            efficiency[rows] = spectral_efficiency(snr, sum_of_others(snr, 3) + rise)  # over noise, all at full power
            biased[rows] = 10 * snr.log10() + bias[rows].unsqueeze(1).unsqueeze(2)
            distance[rows] = torch.cdist(t.ue_pos[rows], t.bs_pos[rows].unsqueeze(1).to(t.ue_pos.dtype))
            total[rows] = snr.sum(3) * t.noise_w + background_w
            strongest[rows] = biased[rows].topk(neighbours + 1, dim=3).indices
        tables = (
            biased.flatten(),
            efficiency.flatten(),
            distance.flatten(),
            pos.flatten(0, 1),
            total.flatten(),
            strongest.flatten(0, 1),
        )
        return TrajectoryTables(t, bias, *tables, biases=bool(bias.any()), any_measured=bool(t.measured.any()))

    def rows(self, network: Tensor, step: Tensor) -> Tensor:
        """Rows ``[B]`` of networks at steps; after the last step users stand still."""
        return network * self.trajectories.steps + step.clamp_max(self.trajectories.steps - 1)

    def links(self, row: Tensor, cell: Tensor) -> ReportedLinks:
        """Serving cells and their rivals.

        Args:
            row: of :meth:`rows` ``[B]``.
            cell: serving cell of each user ``[B, U]``.
        """
        strongest = self.strongest.index_select(0, row)
        result = torch.empty_like(strongest)
        result[..., 0] = cell
        met = torch.zeros_like(cell, dtype=torch.bool)
        for place in range(strongest.shape[2] - 1):  # skip the serving cell where it is met
            met |= strongest[..., place] == cell
            torch.where(met, strongest[..., place + 1], strongest[..., place], out=result[..., place + 1])
        where = self._where(row, result)
        biased, efficiency = _pick(self.biased_db, where), _pick(self.efficiency, where)
        if not self.biases:
            return ReportedLinks(result, where, biased, biased, efficiency)
        network = torch.div(row, self.trajectories.steps, rounding_mode="floor")
        bias = _pick(self.bias_db.view(-1), result + self.trajectories.cells * network.reshape(-1, 1, 1))
        return ReportedLinks(result, where, biased - bias, biased, efficiency)

    def _where(self, row: Tensor, cell: Tensor) -> Tensor:
        users, cells = self.trajectories.users, self.trajectories.cells
        start = (row.unsqueeze(1) * users + torch.arange(users, device=row.device)) * cells
        return start.unsqueeze(2) + cell

    def everywhere(self, row: Tensor) -> Tensor:
        """Received power over noise plus bias of all cells ``[B, U, K]``, dB."""
        t = self.trajectories
        return self.biased_db.view(-1, t.users, t.cells)[row]

    def present(self, links: ReportedLinks, row: Tensor) -> ReportedLinks:
        """The same cells one step after they were looked at.

        Args:
            links: of :meth:`links`.
            row: rows that it was of ``[B]``.
        """
        where = self._where(self.after(row), links.cell)
        biased, efficiency = _pick(self.biased_db, where), _pick(self.efficiency, where)
        if not self.biases:
            return ReportedLinks(links.cell, where, biased, biased, efficiency)
        return ReportedLinks(links.cell, where, biased - (links.biased_db - links.received_db), biased, efficiency)

    def after(self, row: Tensor) -> Tensor:
        """Rows of the next step; after the last step users stand still."""
        last = self.trajectories.steps - 1
        return row + (row % self.trajectories.steps < last).long()

    def places(self, row: Tensor) -> Tensor:
        """Users' positions ``[B, U, 3]``, m."""
        return self.ue_pos[row]

    def gain(self, links: ReportedLinks) -> Tensor:
        """Power gains ``[B, U, k + 1]``."""
        return _pick(self.trajectories.gain.view(-1), links.where)

    def far_interference_w(self, row: Tensor, links: ReportedLinks, gain: Tensor) -> Tensor:
        """What users receive from cells that are none of their candidates, all at full power, and the background ``[B, U]``, W.

        Args:
            row: rows of the networks ``[B]``.
            links: cells and where they are in the tables.
            gain: of :meth:`gain`.
        """
        t = self.trajectories
        network = torch.div(row, t.steps, rounding_mode="floor")
        power = t.power_w[network]
        at = (links.where // t.cells)[..., 0]  # row of each user in the tables
        near = gain.double() * power.gather(1, links.cell.flatten(1)).view_as(gain).double()
        return (self.total_w[at] - near.sum(2)).clamp_min(0).to(gain.dtype)

    def distance(self, links: ReportedLinks) -> Tensor:
        """Distance to cells ``[B, U, k + 1]``, m."""
        return _pick(self.distance_m, links.where)

    def measured(self, links: ReportedLinks) -> Tensor:
        """Which cells' gains were measured ``[B, U, k + 1]``."""
        if not self.any_measured:
            return torch.zeros_like(links.where, dtype=torch.bool)
        return self.trajectories.measured.take(links.where)


def _pick(table: Tensor, where: Tensor) -> Tensor:
    """Elements of a table ``[M]`` at places of any shape."""
    return table.index_select(0, where.view(-1)).view(where.shape)
