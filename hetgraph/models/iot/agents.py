"""MADDQN-DMADDPG: stations that choose users and subchannels by value, and powers by a policy (Xie 2026, Section 2.2)."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.models.iot import priors
from hetgraph.models.iot.decision import Agents, Discrete
from hetgraph.models.iot.views import EDGE, STATION, USER, IoTViews, at_station, iot_views
from hetgraph.models.options import keep_options
from hetgraph.nn.agents import AgentLinear, agent_mlp
from hetgraph.nn.attention import EdgeHead, InterferenceAttention
from hetgraph.radio.auction import auction
from hetgraph.radio.rates import shannon
from hetgraph.radio.schedule import Schedule, budgeted, clusters, contest

Scope = Literal["agents", "central"]
DiscreteBy = Literal["learned", "rule", "greedy"]
PowerBy = Literal["learned", "rule", "equal"]
PAIR, LAYER, LEAST_OFF = 6, 9, 1e-3
BIDS = ("edge_head", "pair_head", "pair_stats")
EDGE_LIMIT, PAIR_LIMIT, POWER_LIMIT = 0.3, 0.5, 1.0  # largest corrections: 3 dB, factors of 1.6 and 2.7


@keep_options
class HybridMADDPG(nn.Module):
    r"""Agents that are the stations of an IoT network, for any number of stations, users and subchannels.

    **Discrete stage.** A station bids for every user that it hears, and the highest bid wins the user; a station's users bid for
    its subchannels. The value of an agent's choice is that of its state plus the bids that it chose, less those of the best choice,

    .. math::
        Q_n = V_n + \Big[\frac{\kappa_1}{U / N} \sum_{u \in n} q_{nu} + \frac{\kappa_2}{S} \sum_{(u, s)} q_{us}\Big]_{a^*}^{a}

    with learned positive weights (dueling with the maximum, Wang et al. 2016, eq. 8): bids learn from how choices differ from the
    best one, and what only tells of the state is left to :math:`V_n`. An agent's best choice is that of the highest bids. (The
    contest couples agents, and the auction is greedy: the joint choice is the best one up to these two.) Without ``dueling`` the bids
    of the best choice are not subtracted, so that the maximum over choices is one of estimates, as in the paper.

    **Continuous stage.** An actor gives each layer of the clusters a share of the budget, and one to silence: a softmax over what
    channel-interference attention, the user's channel and the layer's expected rate say.

    **Prior.** With ``prior`` bids and shares are corrections of rules (:mod:`hetgraph.models.iot.priors`): received power less a price
    of the budget; rate and urgency, users asking for no more subchannels than their bits need; distributed WMMSE against the prices
    that others' users announce, and no more power than the bits need.
    The last layers start at zero, so that untrained agents are this rule; corrections are bounded. Without it bids and shares
    are the networks' alone, and clusters are the highest bids, as in the paper.

    **Reports.** Stations tell each other, for every subchannel, what power on it would take from their users, and the price that
    these announce. Without ``reports`` they do not, as in the paper, and know what users tell all stations that hear them: channels,
    bits that wait and for how long, rates, and what they heard on average.

    Args:
        hidden: width.
        heads: heads of the attention.
        agents: stations with weights of their own; 0 for shared ones, which any number of stations can have.
        attention: weigh the channels heard; else their mean.
        prior: correct rules; else the networks alone.
        scope: ``agents`` see their own station, ``central`` is one agent that sees all of them (DQN-DDDPG).
        discrete: ``learned``, ``rule`` for the rule's association and bids, or ``greedy`` for the strongest station and the
            rule's bids for subchannels, without ``prior`` the rates there (MADDPG).
        power: ``learned``, ``rule`` for the rule's, or ``equal`` parts (QMIX).
        rounds: rounds of the auction for each layer.
        reports: users report harm and prices on subchannels; else both are zero.
        dueling: values less the best choice's bids.
        rule: constants of the rule that are not the default of :class:`~hetgraph.models.iot.priors.Rule`; kept with the weights.
    """

    name, task = "maddqn", "iot"
    level: Level = "global"  # stations encode every user, whoever serves it

    def __init__(
        self,
        hidden: int = 32,
        heads: int = 2,
        agents: int = 0,
        attention: bool = True,
        prior: bool = True,
        scope: Scope = "agents",
        discrete: DiscreteBy = "learned",
        power: PowerBy = "learned",
        rounds: int = 4,
        reports: bool = True,
        dueling: bool = True,
        rule: Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        for name, value, known in (
            ("scope", scope, ("agents", "central")),
            ("discrete", discrete, get_args(DiscreteBy)),
            ("power", power, get_args(PowerBy)),
        ):
            if value not in known:
                raise ValueError(f"{name}: got {value!r}, expected one of {', '.join(known)}")
        if not prior and "rule" in (discrete, power):
            raise ValueError("prior: got False with 'rule' for discrete or power, expected True")
        self.prior, self.scope, self.discrete, self.power_by, self.rounds = prior, scope, discrete, power, rounds
        self.reports, self.dueling = reports, dueling
        self.rule = priors.Rule(**(rule or {}))  # type: ignore[arg-type]
        self.enter, self.enter_user = AgentLinear(EDGE, hidden, agents), AgentLinear(USER, hidden, agents, bias=False)
        self.enter_station = AgentLinear(STATION, hidden, agents)
        self.channel = AgentLinear(hidden, hidden, agents)
        self.gather = AgentLinear(3 * hidden, hidden, agents)
        self.everywhere = AgentLinear(hidden, hidden, agents) if scope == "central" else None
        self.attention = InterferenceAttention(hidden, heads, agents, attention)
        self.value = agent_mlp(hidden, hidden, 1, agents=agents)
        self.edge_head = EdgeHead(hidden, hidden, hidden, 1, agents, prior)
        self.pair_head = EdgeHead(hidden, hidden, hidden, hidden // 2 + 1, agents, prior)
        self.pair_stats = nn.Linear(PAIR, hidden // 2)
        self.layer_head = EdgeHead(hidden, 2 * hidden, hidden, hidden // 2 + 1, agents, prior)
        self.layer_stats = nn.Linear(LAYER, hidden // 2)
        self.off_head = agent_mlp(2 * hidden + 1, hidden, 1, agents=agents)
        self.weights = nn.Parameter(torch.full((2,), -2.0))  # softplus: 0.13
        if prior:
            for parameter in self.off_head[-1].parameters():
                nn.init.zeros_(parameter)

    def encode(self, views: IoTViews) -> Agents:
        """States of channels and stations."""
        view = views.spectrum
        b, n, u, _ = view.shape
        user = self.enter_user(views.user_x.unsqueeze(1).expand(b, self.enter_user.agents or 1, u, USER))
        own = self.enter_station(views.station_x)
        channel = self.enter(views.edge_x) + user + own.unsqueeze(2)
        channel = nn.functional.silu(self.channel(nn.functional.silu(channel)))
        heard = view.active.unsqueeze(1).expand(b, n, u)
        serves = _serves(view.station, n) & heard
        served = _mean(channel, serves)
        station = nn.functional.silu(self.gather(torch.cat([own, served, _mean(channel, heard)], 2)))
        if self.everywhere is not None:
            station = station + nn.functional.silu(self.everywhere(station.mean(1, keepdim=True).expand_as(station)))
        return Agents(channel, station, self.attention(channel, served, heard), *self.reported(views))

    @torch.no_grad()
    def reported(self, views: IoTViews) -> tuple[Tensor, Tensor]:
        """Harm and prices ``[B, N, S]`` as users report them; zero without ``reports``."""
        if not self.reports:
            b, n, _, s = views.spectrum.shape
            zero = views.spectrum.gain.new_zeros(b, n, s)
            return zero, zero
        return priors.harm(views), priors.announced_price(views, self.rule.weights(views.spectrum))

    def edge_bid(self, views: IoTViews, agents: Agents) -> Tensor:
        """Bids of stations for users ``[B, N, U]``; minus infinity for users that are not there."""
        view = views.spectrum
        if self.discrete == "greedy":
            bid = view.rsrp_dbm.transpose(1, 2) / 10
        elif self.discrete == "rule":
            bid = self.rule.association_bid(view)
        else:
            bid = self.edge_head(agents.channel, agents.station).squeeze(3)
            bid = self.rule.association_bid(view) + _within(bid, EDGE_LIMIT) if self.prior else bid
        return bid.masked_fill(~view.active.unsqueeze(1), -torch.inf)

    def pair_bid(self, views: IoTViews, agents: Agents, station: Tensor, sinr: Tensor) -> Tensor:
        """Bids of users for subchannels of their station ``[B, U, S]``."""
        view = views.spectrum
        rule = self.rule.subchannel_bid(views, sinr)
        if self.discrete != "learned":
            return rule if self.prior else shannon(sinr, nats=True)
        share = view.power_w / view.power_max_w.unsqueeze(2)
        home = station.clamp_min(0).unsqueeze(2).expand_as(sinr)
        of_station, harm = share.gather(1, home) * sinr.shape[2], agents.harm.gather(1, home)
        price = agents.price.gather(1, home)
        rate, heard = shannon(sinr, nats=True), (view.interference_w / view.noise_w).log()
        stats = [
            rate / 3,
            rate - rate.mean(2, keepdim=True),
            of_station - 1,
            heard / 3 - 1,
            harm / 3,
            price.log1p() / 3,
        ]
        basis = nn.functional.silu(self.pair_stats(torch.stack(stats, 3).clamp(-5, 5)))
        factor = self.pair_head.own(agents.channel, agents.station, station)
        bid = (basis * factor[..., :-1].unsqueeze(2)).sum(3) / math.sqrt(basis.shape[3]) + factor[..., -1:]
        return rule + _within(bid, PAIR_LIMIT) if self.prior else bid

    def choose(
        self, views: IoTViews, agents: Agents, edge_noise: Tensor | None = None, pair_noise: Tensor | None = None
    ) -> Discrete:
        """Association and clusters of the highest bids.

        Args:
            views: of the networks.
            agents: states.
            edge_noise: added to stations' bids ``[B, N, U]``.
            pair_noise: added to users' bids ``[B, N, U, S]``, by station.
        """
        view = views.spectrum
        edge_bid = self.edge_bid(views, agents)
        noisy = edge_bid if edge_noise is None else edge_bid + edge_noise
        station = contest(noisy, view.active.unsqueeze(1).expand_as(noisy))
        sinr = priors.expected_sinr(view, station)
        pair_bid = self.pair_bid(views, agents, station, sinr)
        noisy = pair_bid if pair_noise is None else pair_bid + at_station(station, pair_noise)
        user = self.clusters(views, agents, station, noisy.detach(), sinr)
        return Discrete(station, user, edge_bid, pair_bid, sinr)

    def clusters(self, views: IoTViews, agents: Agents, station: Tensor, bid: Tensor, sinr: Tensor) -> Tensor:
        """Users of clusters ``[B, N, S, L]`` by bids ``[B, U, S]``, with ``prior`` for no more than their bits need."""
        view = views.spectrum
        if not self.prior:
            return clusters(bid, station, view.shape[1], view.layers, view.queue_bits > 0)
        bits = self.rule.bits_of(view, station, sinr, agents.harm)
        return auction(bid, bits, self.rule.wanted_bits(view), station, view.shape[1], view.layers, self.rounds)

    def taken(self, views: IoTViews, agents: Agents, station: Tensor, user: Tensor) -> Discrete:
        """A choice that was made before, with the bids that it gets now; arguments as in :class:`Discrete`."""
        sinr = priors.expected_sinr(views.spectrum, station)
        pair_bid = self.pair_bid(views, agents, station, sinr)
        return Discrete(station, user, self.edge_bid(views, agents), pair_bid, sinr)

    def discrete_value(self, views: IoTViews, agents: Agents, choice: Discrete) -> Tensor:
        """Values of the agents' choices ``[B, N]``."""
        advantage = self._worth(views, choice)
        if self.dueling:
            advantage = advantage - self._worth(views, self.choose(views, agents))
        out: Tensor = self.value(agents.station).squeeze(2) + advantage
        return out

    def _worth(self, views: IoTViews, choice: Discrete) -> Tensor:
        """Weighted bids that stations chose ``[B, N]``."""
        _, n, _, s = views.spectrum.shape
        user, users = choice.user, views.spectrum.active.sum(1, keepdim=True)
        edges = choice.edge_bid.masked_fill(~_serves(choice.station, n), 0).sum(2) * n / users
        block = torch.arange(s, device=user.device).reshape(1, 1, s, 1)
        chosen = choice.pair_bid.flatten(1).gather(1, (user.clamp_min(0) * s + block).flatten(1)).reshape(user.shape)
        pairs = (chosen * (user >= 0)).sum((2, 3)) / s
        weight = nn.functional.softplus(self.weights)
        return weight[0] * edges + weight[1] * pairs

    def shares(
        self, views: IoTViews, agents: Agents, choice: Discrete, noise: Tensor | None = None, rule: Tensor | None = None
    ) -> Tensor:
        """Shares of the budget of the clusters' layers ``[B, N, S, L]``; the rest is not sent.

        Args:
            views: of the networks.
            agents: states.
            choice: association and clusters.
            noise: added to the logits of users and of silence ``[B, N, U + 1]``.
            rule: of :meth:`reference`, where it is known.
        """
        view, user = views.spectrum, choice.user
        if self.power_by == "equal":
            return budgeted(priors.equal_parts(user), view.cap)
        if self.power_by == "rule":
            return budgeted(self.reference(views, agents, choice) if rule is None else rule, view.cap)
        logit, off = self.logits(views, agents, choice, rule)
        if noise is not None:
            place = user.clamp_min(0).flatten(2)
            logit = logit + noise[..., :-1].gather(2, place).reshape(user.shape)
            off = off + noise[..., -1:]
        return shares_of(logit, off, user, view.cap)

    def logits(
        self, views: IoTViews, agents: Agents, choice: Discrete, rule: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits of layers ``[B, N, S, L]`` and of silence ``[B, N, 1]``; ``rule`` as in :meth:`shares`."""
        view, user, sinr = views.spectrum, choice.user, choice.sinr
        b, n, s, _ = user.shape
        if not self.prior:
            rule = None
        elif rule is None:
            rule = self.reference(views, agents, choice)
        on = user >= 0
        quality = priors.of_layers(sinr, user)
        heard = priors.of_layers((view.interference_w / view.noise_w).log(), user)
        mates = on.sum(3, keepdim=True) - 1
        best = torch.where(on, quality, 0).amax(3, keepdim=True)
        level = (rule * s).clamp_min(1e-4).log() if rule is not None else torch.zeros_like(quality)
        stats = [quality.log1p() / 3, heard / 3 - 1, mates.expand_as(quality), (quality < best).float(), level / 3]
        weight = priors.urgency(view).clamp_min(1e-6).log().unsqueeze(2).expand_as(sinr)
        stats += [(best.log1p() - quality.log1p()) / 3, agents.harm.unsqueeze(3).expand_as(quality) / 3]
        stats += [agents.price.log1p().unsqueeze(3).expand_as(quality) / 3, priors.of_layers(weight, user) / 3 + 1.5]
        basis = nn.functional.silu(self.layer_stats(torch.stack(stats, 4).clamp(-5, 5)))
        around = torch.cat([agents.station, agents.context], 2)
        factor = self.layer_head.own(agents.channel, around, choice.station)  # [B, U, K + 1]
        place = user.clamp_min(0).flatten(1).unsqueeze(2).expand(-1, -1, factor.shape[2])
        factor = factor.gather(1, place).reshape(*user.shape, -1)
        logit = (basis * factor[..., :-1]).sum(4) / math.sqrt(basis.shape[4]) + factor[..., -1]
        left = logit.new_ones(b, n, 1) if rule is None else 1 - rule.sum((2, 3)).unsqueeze(2)
        left = left.to(logit).clamp_min(LEAST_OFF).log()
        off = self.off_head(torch.cat([around, left], 2))
        if rule is None:
            return logit, off
        return _within(logit, POWER_LIMIT) + rule.clamp_min(1e-12).log(), _within(off, POWER_LIMIT) + left

    @torch.no_grad()
    def reference(self, views: IoTViews, agents: Agents, choice: Discrete) -> Tensor:
        """Powers on given clusters that critics compare others with ``[B, N, S, L]``: the rule's, or equal parts without one."""
        if not self.prior or self.power_by == "equal":
            return priors.equal_parts(choice.user)
        return self.rule.powers(views.spectrum, choice.user, choice.sinr, agents.price)

    def decide(
        self,
        views: IoTViews,
        edge_noise: Tensor | None = None,
        pair_noise: Tensor | None = None,
        power_noise: Tensor | None = None,
    ) -> Schedule:
        """Both stages; noise as in :meth:`choose` and :meth:`shares`."""
        agents = self.encode(views)
        chosen = self.choose(views, agents, edge_noise, pair_noise)
        share = self.shares(views, agents, chosen, power_noise)
        return Schedule(chosen.station, chosen.user, share)

    def parameter_groups(self, others: Iterable[nn.Parameter], lr: float, bid_lr: float) -> list[dict[str, Any]]:
        """For an optimiser: the heads that bid with a learning rate of ``bid_lr * lr``, the rest and ``others`` with ``lr``."""
        bids = [p for head in BIDS for p in getattr(self, head).parameters()]
        rest = [p for name, p in self.named_parameters() if name.split(".")[0] not in BIDS]
        return [{"params": [*rest, *others], "lr": lr}, {"params": bids, "lr": bid_lr * lr}]

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    @torch.inference_mode()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Schedule, Any]:
        """Schedule of a slot, without exploration."""
        return self.decide(iot_views(obs)), state


def shares_of(logit: Tensor, off: Tensor, user: Tensor, cap: Tensor) -> Tensor:
    """Shares of the budget ``[B, N, S, L]`` by a softmax over a station's layers and silence.

    Args:
        logit: of layers ``[B, N, S, L]``.
        off: of silence ``[B, N, 1]``.
        user: users of clusters; a free layer (-1) gets nothing.
        cap: largest fraction on a subchannel ``[B, N, S]``.
    """
    logit = logit.masked_fill(user < 0, -torch.inf)
    share = torch.softmax(torch.cat([logit.flatten(2), off], 2), 2)[..., :-1].reshape(user.shape)
    return budgeted(share, cap)


def _serves(station: Tensor, stations: int) -> Tensor:
    """Whether a station serves a user ``[B, N, U]``."""
    return station.unsqueeze(1) == torch.arange(stations, device=station.device).reshape(1, -1, 1)


def _within(value: Tensor, limit: float) -> Tensor:
    """The same near zero, and never beyond the limit."""
    return limit * (value / limit).tanh()


def _mean(channel: Tensor, counts: Tensor) -> Tensor:
    """Mean of the states that count ``[B, N, H]``."""
    weight = counts.to(channel.dtype).unsqueeze(2)
    return (weight @ channel).squeeze(2) / weight.sum(3).clamp_min(1)
