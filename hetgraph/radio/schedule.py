"""Association, clusters and powers of a slot as dense tables, and how the wishes of stations become them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.radio.allocation import Allocation


@dataclass(frozen=True)
class Schedule:
    """Who is associated with whom, which users share a subchannel of a station, and at which powers.

    ``B`` networks of ``N`` stations, ``U`` users and ``S`` subchannels; a cluster has at most ``L`` users. Stations and users
    are counted within their network.

    Args:
        station: station of each user ``[B, U]``; -1 for none.
        user: users of each cluster ``[B, N, S, L]``, in any order; -1 for a free layer.
        power: power of each layer as a fraction of the station's budget, 0 to 1 ``[B, N, S, L]``. More than a budget in sum is
            scaled down to it, see :func:`budgeted`.
    """

    station: Tensor
    user: Tensor
    power: Tensor

    def allocation(self, power_max_w: Tensor) -> Allocation:
        """The same as an :class:`Allocation` in the numbering of the batch; rates are those of the ``superposed`` convention.

        Args:
            power_max_w: budgets ``[B, N]``, W; powers are taken as they are.
        """
        (b, n, s, layers), u = self.user.shape, self.station.shape[1]
        layer_w = self.power * power_max_w.reshape(b, n, 1, 1) * (self.user >= 0)
        table = layer_w.new_zeros(b, u, s)
        place = self.user.clamp_min(0).transpose(1, 2).reshape(b, s, n * layers).transpose(1, 2)
        table.scatter_add_(1, place, layer_w.transpose(1, 2).reshape(b, s, n * layers).transpose(1, 2))
        first = n * torch.arange(b, device=self.station.device).unsqueeze(1)
        serving = torch.where(self.station >= 0, self.station + first, -1)
        return Allocation(serving.flatten(), layer_w.sum(3).flatten(0, 1), layer_power_w=table.flatten(0, 1))


def contest(bid: Tensor, wanted: Tensor) -> Tensor:
    """Station of each user ``[B, U]``: of the stations that want it, the one with the highest bid (its Q-value); -1 for none.

    Args:
        bid: value of a user for each station ``[B, N, U]``.
        wanted: whether the station wants it ``[B, N, U]``.
    """
    best, station = bid.masked_fill(~wanted, -torch.inf).max(1)
    return torch.where(best > -torch.inf, station, -1)


def clusters(bid: Tensor, station: Tensor, stations: int, layers: int, allowed: Tensor | None = None) -> Tensor:
    """Users of each subchannel's cluster ``[B, N, S, L]``: the highest bids among a station's own users; -1 for none.

    Args:
        bid: of users for subchannels of their own station ``[B, U, S]``.
        station: station of each user ``[B, U]``; -1 for none.
        stations: number of stations N.
        layers: users L of a cluster.
        allowed: users that may be scheduled ``[B, U]`` or ``[B, U, S]``; all when ``None``.
    """
    (b, u, s), most = bid.shape, min(layers, bid.shape[1])
    own = station.unsqueeze(1) == torch.arange(stations, device=station.device).reshape(1, -1, 1)  # [B, N, U]
    own = own.unsqueeze(2)
    if allowed is not None:
        may = allowed.unsqueeze(2) if allowed.dim() == 2 else allowed
        own = own & may.transpose(1, 2).unsqueeze(1)
    value = bid.transpose(1, 2).unsqueeze(1).masked_fill(~own, -torch.inf)  # [B, N, S, U]
    best, user = value.expand(b, stations, s, u).topk(most, 3)
    user = torch.where(best > -torch.inf, user, -1)
    return torch.nn.functional.pad(user, (0, layers - most), value=-1)


def budgeted(power: Tensor, cap: Tensor | None = None) -> Tensor:
    """Fractions ``[B, N, S, L]`` brought within 0..1, within each subchannel's cap and, in sum, within the budget.

    Args:
        power: wished fractions of the station's budget.
        cap: largest fraction on a subchannel ``[B, N, S]``; none when ``None``.
    """
    power = power.clamp(0, 1)
    if cap is not None:
        # Denominators that are not zero for an empty subchannel keep gradients finite.
        power = power * (cap / torch.maximum(power.sum(3), cap.clamp_min(1e-30))).unsqueeze(3)
    # Rounding must not break the budget: the sum of the quotients may exceed one by a few units in the last place.
    total = power.sum((2, 3), keepdim=True)
    return torch.where(total > 1, power / total.clamp_min(1) * (1 - 8 * torch.finfo(power.dtype).eps), power)


def effective(action: Schedule, station: Tensor, ready: Tensor, cap: Tensor | None = None) -> Schedule:
    """The layers that count, with powers within the budgets: of a station's own users that are ready, each once in a cluster.

    Args:
        action: what stations wish.
        station: station of each user ``[B, U]``; -1 for none.
        ready: the same for users that have something to receive, -1 for the others ``[B, U]``.
        cap: as in :func:`budgeted`.
    """
    b, n, s, layers = action.user.shape
    index, device = action.user.clamp_min(0), action.user.device
    of = ready.unsqueeze(1).expand(b, n, -1).gather(2, index.flatten(2)).reshape(b, n, s, layers)
    counts = (action.user >= 0) & (of == torch.arange(n, device=device).reshape(1, n, 1, 1))
    counts &= action.power > 0
    same = index.unsqueeze(4) == index.unsqueeze(3)  # [B, N, S, L, L]
    earlier = torch.ones(layers, layers, dtype=torch.bool, device=device).tril(-1)
    counts &= ~(same & earlier & counts.unsqueeze(3)).any(4)
    return Schedule(station, torch.where(counts, action.user, -1), budgeted(action.power * counts, cap))
