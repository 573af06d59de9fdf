"""Schedulers for cells: who gets which subband of a station, from what the station knows of its own devices."""

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.queues.conflict_rules import CellScheduler, Topology, packets
from hetgraph.graph.schema import Level
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import Cells, gain_table
from hetgraph.radio.rates import noise_plus_far_w, spectral_efficiency

MAX_SINR = 1000.0


def expected_packets(obs: HeteroData, cells: Cells) -> Tensor:
    """Packets that a subband would have cleared in the slot before at full power ``[B, N, D, R]``.

    Raises:
        ValueError: an environment without channels.
    """
    ue, (b, n, u, _) = obs["ue"], cells.shape
    if "own_gain" not in ue:
        raise ValueError("policy: got an environment without channels, expected one of cells, such as random-19")
    power = cells.at_device(obs["bs"].rb_power_max_w.reshape(b, n, -1))
    gain, other = (ue[name].reshape(b, u, -1) for name in ("own_gain", "interference_w"))
    band = obs.rb_bandwidth_hz.unsqueeze(1) * obs.slot_s.reshape(-1, 1, 1) / ue.packet_bits.reshape(b, u, 1)
    return cells.gather(spectral_efficiency(gain * power, other, most=MAX_SINR) * band)


class LongestQueueFirst(CellScheduler):
    """LQF per subband: a station gives its subbands one by one to its longest queue, at full power.

    A queue counts without the packets that the subbands given to it before are expected to clear.

    Args:
        order: ``given`` takes the subbands in their order; ``best`` gives the longest queue the best of those still free for it
            ("best free subband in LQF order"); ``weighted`` takes them in order and gives each to the device with the largest queue
            times expected packets.
    """

    level: Level = "local"

    def __init__(self, order: str = "given") -> None:
        names = {"given": "lqf_subband", "best": "lqf_best", "weighted": "max_weight_local"}
        if order not in names:
            raise ValueError(f"order: got {order!r}, expected one of {', '.join(names)}")
        self.order, self.name = order, names[order]

    def act(self, obs: HeteroData, state: Topology, generator: Generator | None) -> tuple[Allocation, Topology]:
        """Schedule of a slot at full power."""
        cells = state.cells
        b, n, _, _ = cells.shape
        left, room = cells.gather(packets(obs, cells)), expected_packets(obs, cells)
        blocks = room.shape[3]
        choice = torch.zeros(b, n, blocks, dtype=torch.long, device=left.device)
        free = torch.ones(b, n, blocks, dtype=torch.bool, device=left.device)
        for number in range(blocks):
            key = left * room[..., number] if self.order == "weighted" else left
            device = key.masked_fill(left <= 1e-9, -1).argmax(2, keepdim=True)  # [B, N, 1]
            own = room.gather(2, device.unsqueeze(3).expand(-1, -1, 1, blocks)).squeeze(2)  # [B, N, R]
            block = torch.full_like(device, number)
            if self.order == "best":
                block = own.masked_fill(~free, -1).argmax(2, keepdim=True)
                free.scatter_(2, block, False)
            backlogged = left.gather(2, device) > 1e-9
            choice.scatter_(2, block, torch.where(backlogged, device + 1, 0))
            left = left.scatter_add(2, device, -own.gather(2, block)).clamp_min(0)
        power = obs["bs"].rb_power_max_w.reshape(b, n, -1)
        return cells.allocation(choice, power), state


class GreedyGenie(CellScheduler):
    """Max-weight with current gains, greedily: stations join a subband in turn while the weighted sum of rates grows.

    An upper reference: it sees all gains of the slot in which it transmits. For each subband stations are taken from the
    largest own weighted rate to the smallest; each joins with its best device at full power if queue times rate, summed over all
    that transmit, grows by it.

    Args:
        share: of the packets that a subband is expected to clear, what counts as cleared when the next one is given; below one a
            packet can get several subbands, which shortens its transmission where there is room.
    """

    level: Level = "genie"

    def __init__(self, share: float = 1.0) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share: got {share}, expected a number from 0 to 1")
        self.share, self.name = share, "genie" if share == 1 else "genie_shared"

    def act(self, obs: HeteroData, state: Topology, generator: Generator | None) -> tuple[Allocation, Topology]:
        """Schedule of a slot at full power."""
        cells = state.cells
        b, n, u, _ = cells.shape
        gain = gain_table(obs, cells)
        noise = noise_plus_far_w(obs).reshape(b, u, -1)
        power = obs["bs"].rb_power_max_w.reshape(b, n, -1)
        left = packets(obs, cells)
        band = obs.rb_bandwidth_hz * obs.slot_s.reshape(-1, 1) / obs["ue"].packet_bits.reshape(b, u)[:, :1]
        choice = torch.zeros(b, n, power.shape[2], dtype=torch.long, device=gain.device)
        for block in range(power.shape[2]):
            received = gain[..., block] * power[..., block].unsqueeze(1)  # [B, U, N]
            rank, rate = self._subband(cells, received, noise[..., block], left)
            choice[..., block] = rank
            left = (left - self.share * rate * band[:, block : block + 1]).clamp_min(0)
        return cells.allocation(choice, power), state

    @staticmethod
    def _subband(cells: Cells, received: Tensor, noise: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
        """Choice of each station ``[B, N]`` and the spectral efficiency of each device ``[B, U]``."""
        b, n, u, _ = cells.shape
        own = received.gather(2, cells.station.unsqueeze(2)).squeeze(2)
        alone = left * spectral_efficiency(own, noise, most=MAX_SINR)
        table = cells.gather(alone).masked_fill(~cells.mask, -1)
        best, rank = table.max(2)  # [B, N]
        chosen = cells.device.gather(2, rank.unsqueeze(2)).squeeze(2)  # device of each station
        weight = left.gather(1, chosen)
        device_received_w = received.gather(
            1, chosen.unsqueeze(2).expand(b, n, n)
        )  # row: station's device, column: from station
        signal = device_received_w.diagonal(dim1=1, dim2=2)
        floor = noise.gather(1, chosen)
        active = torch.zeros(b, n, dtype=torch.bool, device=left.device)
        value = torch.zeros(b, device=left.device)
        cross = device_received_w * (1 - torch.eye(n, device=left.device))
        for place in best.argsort(1, descending=True).unbind(1):
            joined = active.scatter(1, place.unsqueeze(1), True)
            other = torch.bmm(cross, joined.to(cross.dtype).unsqueeze(2)).squeeze(2) + floor
            result = (weight * spectral_efficiency(signal, other, most=MAX_SINR) * joined).sum(1)
            better = (result > value).unsqueeze(1)
            active, value = torch.where(better, joined, active), torch.maximum(result, value)
        other = torch.bmm(cross, active.to(cross.dtype).unsqueeze(2)).squeeze(2) + floor
        rate = spectral_efficiency(signal, other, most=MAX_SINR) * active
        return torch.where(active, rank + 1, 0), rate.new_zeros(b, u).scatter_add(1, chosen, rate)
