"""MADDQN-DMADDPG on one trunk: values of choices and a policy of powers on the same states (Xie 2026, Section 2.2)."""

from typing import Literal, get_args

import torch
from torch import Tensor, nn

from hetgraph.models.iot.own_view import LEAST
from hetgraph.models.iot.powers import shares_of
from hetgraph.models.iot.trunk import SchedulerTrunk, Shares, StationViews
from hetgraph.models.options import keep_options
from hetgraph.nn.encoder import mlp
from hetgraph.radio.schedule import Schedule, clusters

Scope = Literal["stations", "central"]
Power = Literal["learned", "equal"]


@keep_options
class TrunkMADDPG(SchedulerTrunk):
    r"""Stations that learn values of clusters and a policy of powers on one trunk, from nothing, each on its own view.

    The discrete stage has a value q for each user and subchannel of its station: a station takes the users of the largest ones. The
    continuous stage is a softmax of the budget over the layers and silence, a part p of it for each. Both read the same states
    (:class:`~hetgraph.models.iot.trunk.SchedulerTrunk`), with attention over interferers on each subchannel before them. The value of
    what a station did, clusters c and parts p, is

    .. math::
        Q_n(c, p) = V_n + \frac{\kappa_1}{S} \Big[\sum_{(u, s) \in c} q_{us} - \sum_{(u, s) \in c^*} q_{us}\Big]
        - \kappa_2 \sum_i p_i \log \frac{p_i}{\pi_i(c)}

    with learned positive weights, c* the clusters of largest values and :math:`\pi(c)` the policy's parts on the clusters c. It is
    largest where both stages do what they would do: dueling with the maximum (Wang et al. 2016, eq. 8) for choices, and for powers
    what normalised advantage functions are (Gu et al. 2016), with a divergence for the square. So a joint value of all stations
    teaches both heads, as critics do, which gradients of the powers lead to both (:meth:`powers`). Without ``dueling`` c* counts
    nothing: the maximum over choices is one of estimates, as in the paper.

    Args:
        hidden: width of states.
        width: width of the attention.
        rounds: rounds of expected shares.
        attention: weigh the stations that a user hears; else their mean.
        prices: neighbouring stations tell each other what power would cost their users, as in the trunk.
        budget: part of the difference of stations' budgets that does not count in the association, as in the trunk.
        dueling: values less those of the best clusters.
        scope: ``stations`` for agents of their own, ``central`` for one agent that decides for all of them: in every round stations
            hear the mean of all, and what power would cost the users of every other; the level is ``global``.
        power: ``learned``, or ``equal`` parts of the budget for the layers that send, for agents of choices alone.
        filtered: users report filtered interference, too, as in the trunk.

    Raises:
        ValueError: another scope or power.
    """

    name, task = "iot-trunk", "iot"

    def __init__(
        self,
        hidden: int = 48,
        width: int = 16,
        rounds: int = 3,
        attention: bool = True,
        prices: bool = False,
        budget: float = 1.0,
        dueling: bool = True,
        scope: Scope = "stations",
        power: Power = "learned",
        filtered: bool = False,
    ) -> None:
        for option, got, known in (("scope", scope, get_args(Scope)), ("power", power, get_args(Power))):
            if got not in known:
                raise ValueError(f"{option}: got {got!r}, expected one of {', '.join(known)}")
        super().__init__(hidden, width, rounds, attention, prices or scope == "central", budget, filtered)
        self.dueling, self.scope, self.power = dueling, scope, power
        self.everywhere = nn.Linear(hidden, hidden, bias=False) if scope == "central" else None
        if self.everywhere is not None:
            self.level = "global"
        self.state_value = mlp(hidden, hidden, 1)
        self.weights = nn.Parameter(torch.full((2,), -2.0))  # softplus: 0.13

    def heard(self, summary: Tensor) -> Tensor:
        """What a round tells the users of each station ``[B, N, H]``; of one agent for all, with the mean of all stations."""
        out: Tensor = self.around(summary)
        return out if self.everywhere is None else out + self.everywhere(summary.mean(1, keepdim=True))

    def powers(self, views: StationViews, shares: Shares, user: Tensor, noise: Tensor | None = None) -> Tensor:
        """Shares of budgets ``[B, N, S, L]`` of the layers of given clusters; arguments as in :meth:`schedule`."""
        if self.power == "learned":
            return super().powers(views, shares, user, noise)
        even = shares.power.new_zeros(user.shape)
        return shares_of(even, even.new_full((*user.shape[:2], 1), -1e9), user, views.spectrum.cap)

    def station_values(self, views: StationViews, shares: Shares, action: Schedule) -> Tensor:
        """Values of what stations did ``[B, N]``.

        Args:
            views: of the networks.
            shares: of :meth:`shares`.
            action: clusters and parts of budgets; association as in ``views``.
        """
        weight = nn.functional.softplus(self.weights)
        chosen = _sum_of_chosen(shares.value, action.user)
        if self.dueling:
            view = views.spectrum
            best = clusters(shares.share.detach(), views.station, view.shape[1], view.layers, views.own.ready)
            chosen = chosen - _sum_of_chosen(shares.value, best)
        state = self.state_value(shares.summary).squeeze(2)
        if self.power == "equal":
            out: Tensor = state + weight[0] * chosen
            return out
        apart = _divergence(action.power, self.powers(views, shares, action.user), action.user >= 0)
        out = state + weight[0] * chosen - weight[1] * apart
        return out


def _sum_of_chosen(value: Tensor, user: Tensor) -> Tensor:
    """Values ``[B, U, S]`` of clusters' users ``[B, N, S, L]``, mean over subchannels ``[B, N]``."""
    s = user.shape[2]
    place = user.clamp_min(0) * s + torch.arange(s, device=user.device).reshape(1, 1, s, 1)
    chosen = value.flatten(1).gather(1, place.flatten(1)).reshape(user.shape)
    return (chosen * (user >= 0)).sum((2, 3)) / s


def _divergence(taken: Tensor, policy: Tensor, on: Tensor) -> Tensor:
    """Kullback-Leibler divergence of the policy's parts of budgets ``[B, N, S, L]`` and silence from those taken ``[B, N]``."""
    taken, policy = taken * on, policy * on
    silent = [(1 - part.sum((2, 3))).clamp_min(LEAST) for part in (taken, policy)]
    ratio = taken.clamp_min(LEAST).log() - policy.clamp_min(LEAST).log()
    return (taken * ratio).sum((2, 3)) + silent[0] * (silent[0] / silent[1]).log()
