"""What networks read: ``x`` and ``edge_attr``, column by column, from the physical attributes of the graph.

All columns come from gains, powers and noise, so that a bare gain matrix has them too; direction columns are zero where
positions are unknown. Values are physical (dB, W in dBm): normalisation belongs to the model, whose buffers carry it.
"""

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.others import sum_of_other_edges
from hetgraph.graph.power import equal_power_w
from hetgraph.graph.schema import CHANNEL

EDGE_COLUMNS = (
    "snr_db",  # wideband SNR of the link at equal power on all resource blocks
    "sinr_db",  # the same against all other candidates at equal power
    "gap_db",  # received power below the user's strongest candidate
    "spread_db",  # standard deviation over resource blocks of the gain in dB
    "cos_azimuth",  # direction station -> user; zero without positions
    "sin_azimuth",
)
BS_COLUMNS = ("power_dbm", "users_per_bs", "strongest_share")
UE_COLUMNS = ("best_snr_db", "best_sinr_db")
ANTENNA_COLUMNS = ("cos_azimuth", "sin_azimuth", "tilt_rad", "offset_x_m", "offset_y_m", "offset_z_m")

_FLOOR = 1e-30


def add_features(data: HeteroData) -> HeteroData:
    """Fill ``bs.x``, ``ue.x``, ``antenna.x`` and ``(bs, channel, ue).edge_attr`` in place, and return the graph."""
    links = links_of(data)
    channel, bs, ue = data[CHANNEL], data["bs"], data["ue"]
    noise = ue.noise_w + ue.far_interference_w if "far_interference_w" in ue else ue.noise_w
    received, other, floor = _powers(data, links, noise)
    best = links.max_to_ue(received)
    snr_db = _db(received / floor)
    sinr_db = _db(received / (other + floor))
    gap_db = _db(received / links.from_ue(best).clamp_min(_FLOOR))
    log_gain = _db(channel.gain)
    spread_db = log_gain.std(1, correction=0)
    columns = [links.flat(value) for value in (snr_db, sinr_db, gap_db)] + [spread_db, *_direction(data, links)]
    channel.edge_attr = torch.stack(columns, 1)
    strongest = links.flat((gap_db >= 0).to(received.dtype))
    bs.x = _bs_columns(data, links, strongest)
    ue.x = torch.stack([links.max_to_ue(snr_db), links.max_to_ue(sinr_db)], 1)
    antenna = data["antenna"]
    azimuth, tilt = antenna.boresight.unbind(1)
    antenna.x = torch.cat(
        [azimuth.cos().unsqueeze(1), azimuth.sin().unsqueeze(1), tilt.unsqueeze(1), antenna.offset], 1
    )
    return data


def _powers(data: HeteroData, links: Links, noise: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Received power, that of all other candidates, and noise, mean over the station's blocks (edge layout), W."""
    bs, gain = data["bs"], links.lift(data[CHANNEL].gain)
    if bool((bs.rb_power_max_w > 0).all()):  # one carrier: means over blocks before sums over stations
        received = gain.mean(-1) * links.from_bs(bs.power_max_w / gain.shape[-1])
        return received, sum_of_other_edges(received, links), links.from_ue(noise.mean(1))
    owned = links.from_bs((bs.rb_power_max_w > 0).to(gain.dtype))
    count = owned.sum(-1).clamp_min(1)
    by_block = gain * links.from_bs(equal_power_w(bs.power_max_w, bs.rb_power_max_w))
    other = (sum_of_other_edges(by_block, links) * owned).sum(-1) / count
    return by_block.sum(-1) / count, other, (links.from_ue(noise) * owned).sum(-1) / count


def _bs_columns(data: HeteroData, links: Links, strongest: Tensor) -> Tensor:
    power_dbm = _db(data["bs"].power_max_w) + 30
    ones = torch.ones(links.num_ue, dtype=power_dbm.dtype, device=power_dbm.device)
    users = links.sum_ue_to_network(ones)[links.bs_network]
    stations = links.sum_bs_to_network(torch.ones_like(power_dbm))[links.bs_network]
    share = links.sum_to_bs(links.lift(strongest)) * stations / users.clamp_min(1)
    return torch.stack([power_dbm, (users / stations).clamp_min(1e-3).log(), share], 1)


def _direction(data: HeteroData, links: Links) -> list[Tensor]:
    gain = data[CHANNEL].gain
    if "pos" not in data["bs"] or "pos" not in data["ue"]:
        return [gain.new_zeros(links.num_edges)] * 2
    offset = offset_m(data, links.bs, links.ue).to(gain.dtype)
    distance = offset.norm(dim=1).clamp_min(1e-6)
    return [offset[:, 0] / distance, offset[:, 1] / distance]


def offset_m(data: HeteroData, bs: Tensor, ue: Tensor) -> Tensor:
    """Horizontal offsets of channel edges ``[E, 2]``, m: as kept with the edge where the layout wraps around."""
    if "offset_m" in data[CHANNEL]:
        kept: Tensor = data[CHANNEL].offset_m
        return kept
    between: Tensor = data["ue"].pos[ue, :2] - data["bs"].pos[bs, :2]
    return between


def _db(value: Tensor) -> Tensor:
    return value.clamp_min(_FLOOR).log10() * 10
