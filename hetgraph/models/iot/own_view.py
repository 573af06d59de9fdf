"""What the station of a user knows of it and of its channels, as columns of users on subchannels."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.radio.spectrum import Spectrum

LEAST = 1e-9
COLUMNS = 10  # of a user on a subchannel
ROUNDED = 5.0  # columns are cut here, after they are brought to scale


@dataclass(frozen=True)
class OwnView:
    """Users of ``B`` networks on ``S`` subchannels of their own station; everything is reported to that station.

    Args:
        columns: of users on subchannels ``[B, U, S, 10]``.
        level: received of each station at an equal part of its budget over noise, logarithmic ``[B, U, N, S]``.
        quality: SINR of the whole budget on a subchannel, others sending as in the slot before ``[B, U, S]``.
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


def own_view(view: Spectrum, station: Tensor, slot_s: Tensor) -> OwnView:
    """Columns by what users report to their stations alone.

    A user that changes its station in this slot is scheduled from the next one on: only then does the new one have its reports. One
    that comes without a station has reported to all.

    Args:
        view: dense tables.
        station: of each user from now on ``[B, U]``, -1 for none.
        slot_s: length of a slot ``[B]``, s.
    """
    (b, n, _, s), home = view.shape, station.clamp_min(0)
    at_home = home.reshape(b, -1, 1, 1).expand(-1, -1, 1, s)
    budget_w = view.power_max_w.gather(1, home).unsqueeze(2)
    own = view.gain.gather(2, at_home).squeeze(2)
    quality = own * budget_w / view.interference_w
    stays = (station == view.station) | (view.station < 0)
    ready = (station >= 0) & stays & (view.queue_bits > 0)
    need = torch.where(ready, view.queue_bits, 0)
    level = _log(view.gain * (view.power_max_w / s).reshape(b, 1, n, 1) / view.noise_w.unsqueeze(2))
    offered = (view.offered_bps * slot_s.unsqueeze(1)).clamp_min(1)
    users = (
        _log(need / view.bits_per_efficiency.unsqueeze(1)),
        view.head_slots.clamp_min(1).to(own.dtype).log(),
        view.deadline_slots.clamp_min(1).to(own.dtype).log(),
        _log(need / offered),
        _log(view.offered_bps / 1e6),
        budget_w.squeeze(2).log(),
        view.rate_mean_bps / view.offered_bps.clamp_min(1),
    )
    channels = (_log(own * budget_w / s / view.noise_w), _log(quality / s), _log(view.interference_w / view.noise_w))
    columns = torch.cat(
        [torch.stack(channels, 3) / 5, (torch.stack(users, 2) / 3).unsqueeze(2).expand(-1, -1, s, -1)], 3
    ).clamp(-ROUNDED, ROUNDED)
    return OwnView(columns, level / 5, quality, need, view.bits_per_efficiency, ready)


def _log(value: Tensor) -> Tensor:
    return value.clamp_min(LEAST).log()
