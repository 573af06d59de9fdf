"""What the station of a user knows of it and of its channels, as columns of users on subchannels."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.radio.spectrum import Spectrum

LEAST = 1e-9
COLUMNS = 17  # of a user on a subchannel
FILTERED = 2  # more of them, of filtered interference
ROUNDED = 5.0  # columns are cut here, after they are brought to scale


@dataclass(frozen=True)
class OwnView:
    """Users of ``B`` networks on ``S`` subchannels of their own station; everything is reported to that station.

    Args:
        columns: of users on subchannels ``[B, U, S, 17]``, with filtered interference ``[B, U, S, 19]``.
        level: received of each station at an equal part of its budget over noise, logarithmic ``[B, U, N, S]``.
        quality: SINR of the whole budget on a subchannel, others sending as in the slot before, or in the last slots
            ``[B, U, S]``.
        need_bits: bits that wait ``[B, U]``; 0 for users that may not be scheduled.
        bits: that a subchannel carries in a slot at 1 bit/s/Hz ``[B]``.
        ready: users that may be scheduled ``[B, U]``.
    """

    columns: Tensor
    level: Tensor
    quality: Tensor
    need_bits: Tensor
    bits: Tensor
    ready: Tensor


def own_view(obs: HeteroData, view: Spectrum, station: Tensor, filtered: bool = False) -> OwnView:
    """Columns by what users report to their stations alone, and by the place of a subchannel in the band.

    With the place stations of different budgets can learn to prefer different parts of the band, without a word between them.

    A user that changes its station in this slot is scheduled from the next one on: only then does the new one have its reports. One
    that comes without a station has reported to all.

    Args:
        obs: observation of :class:`~hetgraph.envs.IoTEnv`.
        view: its dense tables.
        station: of each user from now on ``[B, U]``, -1 for none.
        filtered: users report filtered interference, too: what others will send is nearer to that than to what they sent last.

    Raises:
        ValueError: a graph without filtered interference.
    """
    (b, n, u, s), home = view.shape, station.clamp_min(0)
    at_home = home.reshape(b, -1, 1, 1).expand(-1, -1, 1, s)
    budget_w = view.power_max_w.gather(1, home).unsqueeze(2)
    own = view.gain.gather(2, at_home).squeeze(2)
    quality = own * budget_w / view.interference_w
    stays = (station == view.station) | (view.station < 0)
    ready = (station >= 0) & stays & (view.queue_bits > 0)
    need = torch.where(ready, view.queue_bits, 0)
    level = _log(view.gain * (view.power_max_w / s).reshape(b, 1, n, 1) / view.noise_w.unsqueeze(2))
    offered = (view.offered_bps * obs.slot_s.unsqueeze(1)).clamp_min(1)
    over_noise = _log(view.interference_w / view.noise_w)
    reached = _log(own * budget_w / s / view.noise_w)
    sent = view.power_w.gather(1, home.unsqueeze(2).expand(-1, -1, s)) / budget_w
    layer_w = obs["ue"].power_w.reshape(b, u, s)
    users = (
        _log(need / view.bits_per_efficiency.unsqueeze(1)),
        view.head_slots.clamp_min(1).to(own.dtype).log(),
        view.deadline_slots.clamp_min(1).to(own.dtype).log(),
        _log(need / offered),
        _log(view.offered_bps / 1e6),
        budget_w.squeeze(2).log(),
        view.rate_mean_bps / view.offered_bps.clamp_min(1),
        3 * obs["ue"].served_share.reshape(b, u),
        0.6 * reached.mean(2),
        0.6 * over_noise.mean(2),
    )
    turn = math.pi * (torch.arange(s, device=own.device, dtype=own.dtype) + 0.5) / s
    channels: tuple[Tensor, ...] = (
        turn.cos().expand_as(own),
        (2 * turn).cos().expand_as(own),
        reached / 5,
        _log(quality / s) / 5,
        over_noise / 5,
        (s * sent).log1p() / 2,  # of the slot before, as what follows
        (own * layer_w / view.interference_w).log1p() / 3,
    )
    if filtered:
        mean_w = _mean_interference_w(obs).reshape(b, u, s, FILTERED)
        channels += tuple((_log(mean_w / view.noise_w.unsqueeze(3)) / 5).unbind(3))
        quality = own * budget_w / mean_w[..., 0]
    table = torch.cat(
        [torch.stack(channels, 3), (torch.stack(users, 2) / 3).unsqueeze(2).expand(-1, -1, s, -1)], 3
    ).clamp(-ROUNDED, ROUNDED)
    return OwnView(table, level / 5, quality, need, view.bits_per_efficiency, ready)


def _mean_interference_w(obs: HeteroData) -> Tensor:
    if "interference_mean_w" not in obs["ue"]:
        raise ValueError("graph: got no ue.interference_mean_w, expected an observation of IoTEnv")
    out: Tensor = obs["ue"].interference_mean_w
    return out


def _log(value: Tensor) -> Tensor:
    return value.clamp_min(LEAST).log()
