"""What becomes of wishes that the rules do not allow."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hetgraph.radio.handover import rank_in_group
from hetgraph.radio.schedule import Schedule, effective

SLACK = 1 + 1e-5  # of budgets, for rounding in float32


@dataclass(frozen=True)
class Rules:
    """What restricts a schedule beside budgets.

    Args:
        active: users that are there ``[B, U]``.
        may_serve: which stations may serve a user ``[B, U, N]``; ``None`` for all.
        max_users: users that a station takes, 0 for any number ``[B, N]``; ``None`` for any number at all stations.
        cap: largest fraction of the budget on a subchannel ``[B, N, S]``; ``None`` for the budget.
    """

    active: Tensor
    may_serve: Tensor | None
    max_users: Tensor | None
    cap: Tensor | None


def associated(wish: Tensor, before: Tensor, rules: Rules, rsrp_dbm: Tensor | None) -> tuple[Tensor, Tensor]:
    """Station of each user ``[B, U]``, -1 for none, and which wishes were refused ``[B, U]``.

    A user that is not there has none; one that a station may not serve stays where it was; of more users than a station takes,
    those that receive it worst have none.

    Args:
        wish: stations ``[B, U]``, -1 for none.
        before: stations in the slot before ``[B, U]``.
        rules: who may be served by whom.
        rsrp_dbm: received power of the full budget ``[B, U, N]``, dBm, needed where stations take only so many users.
    """
    station = torch.where(rules.active, wish, -1)
    if rules.may_serve is not None:
        may = rules.may_serve.gather(2, station.clamp_min(0).unsqueeze(2)).squeeze(2)
        station = torch.where(may | (station < 0), station, before)
    if rules.max_users is not None:
        assert rsrp_dbm is not None
        (b, u), n = station.shape, rsrp_dbm.shape[2]
        place = station.clamp_min(0)
        group = torch.where(station >= 0, place + n * torch.arange(b, device=place.device).unsqueeze(1), b * n)
        received_dbm = rsrp_dbm.gather(2, place.unsqueeze(2)).flatten()
        rank = rank_in_group(received_dbm, group.flatten(), b * n + 1).reshape(b, u)
        most = rules.max_users.gather(1, place)
        station = torch.where((most > 0) & (rank >= most), -1, station)
    return station, station != wish


def scheduled(action: Schedule, ready: Tensor, cap: Tensor | None) -> tuple[Schedule, Tensor]:
    """The layers that count, with powers within the budgets, and how many wishes of each network were refused ``[B]``.

    Refused are layers with power for a user that is another station's, has nothing to receive or is in the cluster already, and
    the budgets of stations that wish for more than them, or for more on a subchannel than its cap.

    Args:
        action: stations' wishes, with the association of :func:`associated`.
        ready: station of each user that has something to receive, -1 for the others ``[B, U]``.
        cap: see :class:`Rules`.
    """
    result = effective(action, action.station, ready, cap)
    wished = (action.user >= 0) & (action.power > 0)
    counts = result.user >= 0
    refused = (wished ^ counts).sum((1, 2, 3))
    power = (action.power * counts).sum(3)
    over = power.sum(2) > SLACK
    if cap is not None:
        over = over | (power > cap * SLACK).any(2)
    return result, refused + over.sum(1)
