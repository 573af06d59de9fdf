"""Graphs of networks whose gains come from a file: measured, imputed or ray-traced."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.channel import thermal_noise_w
from hetgraph.graph import CHANNEL, NEIGHBOURS, check, from_gain
from hetgraph.graph.masts import masts_at
from hetgraph.graph.sample import nearest_stations
from hetgraph.units import dbm_to_w, linear_to_db


@dataclass(frozen=True)
class Carrier:
    """What a measured network does not tell of itself.

    Args:
        power_dbm: power of a cell over its band.
        bandwidth_hz: band that all cells share.
        num_rbs: resource blocks R of the graph that share the band.
        noise_figure_db: of the phones.
        carrier_hz: carrier frequency.
        neighbours: nearest cells that are a cell's interference neighbourhood.

    Raises:
        ValueError: a band, carrier or number of blocks that is not positive.
    """

    power_dbm: float = 46.0
    bandwidth_hz: float = 18e6
    num_rbs: int = 1
    noise_figure_db: float = 9.0
    carrier_hz: float = 1.8e9
    neighbours: int = 6

    def __post_init__(self) -> None:
        for name in ("bandwidth_hz", "num_rbs", "carrier_hz"):
            if not getattr(self, name) > 0:
                raise ValueError(f"Carrier.{name}: got {getattr(self, name)}, expected a positive number")

    @property
    def power_w(self) -> float:
        """Power of a cell over its band, W."""
        return dbm_to_w(self.power_dbm)

    @property
    def noise_w(self) -> float:
        """Noise over the band, W."""
        return thermal_noise_w(self.bandwidth_hz, noise_figure_db=self.noise_figure_db)


def measured_graph(
    name: str,
    gain: Tensor,
    bs_pos: Tensor,
    ue_pos: Tensor,
    carrier: Carrier,
    *,
    measured: Tensor,
    serving: Tensor | None = None,
    los: Tensor | None = None,
) -> HeteroData:
    """Graph of ``N`` stations of one tier and ``U`` users; every station is a candidate of every user.

    Args:
        name: kept as the scenario's name.
        gain: linear power gain ``[U, N, R]``.
        bs_pos: ``[N, 3]``, m.
        ue_pos: ``[U, 3]``, m.
        carrier: power, band and noise.
        measured: the gain was measured ``[U, N]``.
        serving: station of each user, -1 for none ``[U]``.
        los: line of sight ``[U, N]``.

    Raises:
        ValueError: a network that breaks the contract.
    """
    data = from_gain(
        gain.transpose(0, 1),
        noise_w=carrier.noise_w / carrier.num_rbs,
        power_max_w=carrier.power_w,
        rb_bandwidth_hz=carrier.bandwidth_hz / carrier.num_rbs,
    )
    bs, ue, channel = data["bs"], data["ue"], data[CHANNEL]
    bs.pos, ue.pos = bs_pos, ue_pos
    bs.tier = torch.zeros(len(bs_pos), dtype=torch.long)
    bs.site = masts_at(bs_pos)
    ue.active = torch.ones(len(ue_pos), dtype=torch.bool)
    ue.serving_slot = -torch.ones(len(ue_pos), dtype=torch.long) if serving is None else serving
    channel.measured = measured.reshape(-1)
    channel.rsrp_dbm = carrier.power_dbm + linear_to_db(channel.gain.mean(1).clamp_min(1e-30))
    channel.distance_m = torch.cdist(ue_pos, bs_pos).reshape(-1).to(gain.dtype)
    if los is not None:
        channel.los = los.reshape(-1)
    data[NEIGHBOURS].edge_index = nearest_stations(bs_pos[None, :, :2], carrier.neighbours)[0]
    data.carrier_hz = gain.new_full((1,), carrier.carrier_hz)
    data.scenario = name
    check(data)
    return data
