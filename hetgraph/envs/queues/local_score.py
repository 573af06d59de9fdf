"""A tunable local score: what nine numbers and no learning reach, the yardstick of learned schedulers for cells."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.queues.cell_rules import expected_packets
from hetgraph.envs.queues.conflict_rules import CellScheduler, Topology, packets
from hetgraph.graph.schema import Level
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import Cells

PARAMETERS = ("queue", "rate", "fit", "last", "calm", "share", "offset", "near", "cap_db")
START = (1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 4.0, 0.0, 30.0)
SPREAD = (0.7, 0.7, 1.0, 1.0, 0.5, 0.4, 2.0, 1.0, 2.0)

# Weights by network and load in packets/s: mean of the last generation of
# hetgraph.envs.queues.cross_entropy.tune_local_score(network, load).
TUNED = {
    ("random-19", 20.0): (1.1525, 1.2986, -0.7766, 0.2351, -0.5162, 0.5577, 5.8413, 0.0595, 30.4809),
    ("random-19", 25.0): (1.0903, 1.3594, -1.0379, 0.7833, -0.0813, 0.7119, 5.334, 1.893, 29.7557),
    ("random-19", 30.0): (1.2539, 1.0584, -0.6024, 0.9062, 0.2083, 0.8534, 4.361, 1.3689, 27.7638),
    ("hex-19", 15.0): (0.9865, 0.8155, -0.0125, 0.4225, -0.651, 0.4344, 5.3899, -0.3977, 29.4316),
    ("hex-19", 20.0): (1.1976, 0.7782, 0.01, 0.1099, -0.5481, 0.684, 6.138, 0.0189, 26.7684),
    ("hex-19", 25.0): (1.1948, 0.8757, -0.2759, 0.155, -0.4305, 0.8882, 6.6649, 0.3654, 22.9725),
}


class LocalScore(CellScheduler):
    r"""Stations give subbands to devices by the largest score, one pair at a time, and stay silent below zero.

    The score of a device on a subband is

    .. math:: w_1 \log q + w_2 \log r + w_3 \min(r / q, 1) + w_4 e - w_5 \log_{10}(I / N) + w_7 - w_8 \log(1 + Q)

    with the packets q that it has left, the packets r that the subband would have cleared at full power in the slot before, its
    spectral efficiency e there (in tens of bit/s/Hz), interference plus noise over noise I / N, and the mean Q of its neighbouring
    stations' queues. Of r only the share :math:`w_6` is counted as cleared when the next subband is given, so that below one a
    packet can get several. Power is what reaches an SINR of :math:`w_9` dB, and full power if nothing does.

    Args:
        weights: the nine numbers ``[9]`` in the order of ``PARAMETERS``, or nine for each network ``[B, 9]``.

    Raises:
        ValueError: another number of them.
    """

    level: Level = "neighbourhood"
    name = "local_score"

    def __init__(self, weights: Sequence[float] | Tensor = START) -> None:
        self.weights = torch.as_tensor(weights, dtype=torch.float32)
        self.weights = self.weights.reshape(-1, self.weights.shape[-1])
        if self.weights.shape[1] != len(PARAMETERS):
            raise ValueError(
                f"LocalScore: got {self.weights.shape[1]} weights, expected {len(PARAMETERS)}: {', '.join(PARAMETERS)}"
            )

    def act(self, obs: HeteroData, state: Topology, generator: Generator | None) -> tuple[Allocation, Topology]:
        """Schedule of a slot and its powers."""
        cells = state.cells
        b, n, _, _ = cells.shape
        queue = packets(obs, cells)
        room = expected_packets(obs, cells)
        blocks = room.shape[3]
        weights = self.weights.to(room.device).t().reshape(len(PARAMETERS), -1, 1, 1, 1)
        fixed = self._fixed(obs, cells, queue, room, weights)
        left = cells.gather(queue)
        choice = torch.zeros(b, n, blocks, dtype=torch.long, device=room.device)
        free = torch.ones(b, n, 1, blocks, dtype=torch.bool, device=room.device)
        for _ in range(blocks):
            rest = left.clamp_min(1e-9).unsqueeze(3)
            score = fixed + weights[0] * rest.log() + weights[2] * (room / rest).clamp_max(1)
            score = score.masked_fill(~(free & (left > 1e-6).unsqueeze(3)), -torch.inf).flatten(2)
            best, place = score.max(2, keepdim=True)  # [B, N, 1]
            device, block = place // blocks, place % blocks
            given = best > 0
            kept = choice.gather(2, block)
            choice.scatter_(2, block, torch.where(given, device + 1, kept))
            cleared = room.flatten(2).gather(2, place) * given * weights[5].clamp_min(0).reshape(-1, 1, 1)
            left = left.scatter_add(2, device, -cleared).clamp_min(0)
            free.squeeze(2).scatter_(2, block, False)
        return cells.allocation(choice, self._power(obs, cells, choice, weights[8])), state

    @staticmethod
    def _fixed(obs: HeteroData, cells: Cells, queue: Tensor, room: Tensor, weights: Tensor) -> Tensor:
        """Terms that do not change while a slot's subbands are given ``[B, N, D, R]``."""
        ue, (b, n, u, _) = obs["ue"], cells.shape
        last = cells.gather(ue.spectral_efficiency.reshape(b, u, -1)) / 10
        calm = cells.gather((ue.interference_w / ue.noise_w).log10().reshape(b, u, -1))
        station_queue = queue.new_zeros(b, n).scatter_add(1, cells.station, queue)
        near = cells.neighbours.to(queue.dtype)
        crowd = torch.matmul(near, station_queue.unsqueeze(2)) / near.sum(2, keepdim=True).clamp_min(1)  # [B, N, 1]
        out = weights[1] * room.clamp_min(1e-9).log() + weights[3] * last - weights[4] * calm
        out = out + weights[6] - weights[7] * crowd.log1p().unsqueeze(3)
        return out

    @staticmethod
    def _power(obs: HeteroData, cells: Cells, choice: Tensor, cap_db: Tensor) -> Tensor:
        """Powers ``[B, N, R]``."""
        ue, (b, n, u, _) = obs["ue"], cells.shape
        most = obs["bs"].rb_power_max_w.reshape(b, n, -1)
        need = cells.gather((ue.interference_w / ue.own_gain).reshape(b, u, -1))  # power for an SINR of one
        place = (choice - 1).clamp_min(0).unsqueeze(2)
        need = need.gather(2, place).squeeze(2) * torch.pow(10, cap_db.reshape(-1, 1, 1) / 10)
        return torch.minimum(most, need)
