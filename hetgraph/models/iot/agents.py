"""MADDQN-DMADDPG: stations that choose users and subchannels by value, and powers by a policy (Xie 2026, Section 2.2)."""

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.models.inference import Extra
from hetgraph.models.iot import priors
from hetgraph.models.iot.bids import Bids
from hetgraph.models.iot.decision import Agents, Discrete
from hetgraph.models.iot.encoder import StationEncoder
from hetgraph.models.iot.powers import PowerLogits, shares_of
from hetgraph.models.iot.views import IoTViews, at_station, iot_views, serves
from hetgraph.models.options import keep_options
from hetgraph.nn.agents import agent_mlp
from hetgraph.radio.auction import auction
from hetgraph.radio.rates import shannon
from hetgraph.radio.schedule import Schedule, budgeted, clusters, contest

Scope = Literal["agents", "central"]
DiscreteBy = Literal["learned", "rule", "greedy"]
PowerBy = Literal["learned", "rule", "equal"]
LEAST_OFF = 1e-3
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
    bits that wait and for how long, rates, and their mean interference.

    Args:
        hidden: width.
        heads: heads of the attention.
        agents: stations with weights of their own; 0 for shared ones, which any number of stations can have.
        attention: weigh the received channels; else their mean.
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
    settings = ("layers",)  # of a network that are no inputs of an exported program
    level: Level = "global"  # messages pass over all edges, whoever serves the user

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
        self.encoder = StationEncoder(hidden, heads, agents, attention, scope == "central", self.level)
        self.value = agent_mlp(hidden, hidden, 1, agents=agents)
        self.bids = Bids(hidden, agents, prior)
        self.powers = PowerLogits(hidden, agents, prior)
        self.weights = nn.Parameter(torch.full((2,), -2.0))  # softplus: 0.13

    def views(self, obs: HeteroData) -> IoTViews:
        """What agents read of an observation of :class:`~hetgraph.envs.IoTEnv`."""
        return iot_views(obs, self.encoder.graph)

    def encode(self, views: IoTViews) -> Agents:
        """States of channels and stations."""
        channel, station, context = self.encoder(views)
        return Agents(channel, station, context, *self.reported(views))

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
            bid = self.bids.of_edges(agents)
            bid = self.rule.association_bid(view) + _within(bid, EDGE_LIMIT) if self.prior else bid
        return bid.masked_fill(~view.active.unsqueeze(1), -torch.inf)

    def pair_bid(self, views: IoTViews, agents: Agents, station: Tensor, sinr: Tensor) -> Tensor:
        """Bids of users for subchannels of their station ``[B, U, S]``."""
        rule = self.rule.subchannel_bid(views, sinr)
        if self.discrete != "learned":
            return rule if self.prior else shannon(sinr, nats=True)
        bid = self.bids.of_pairs(views, agents, station, sinr)
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
        advantage = self._weighted_bids(views, choice)
        if self.dueling:
            advantage = advantage - self._weighted_bids(views, self.choose(views, agents))
        out: Tensor = self.value(agents.station).squeeze(2) + advantage
        return out

    def _weighted_bids(self, views: IoTViews, choice: Discrete) -> Tensor:
        """Weighted bids that stations chose ``[B, N]``."""
        _, n, _, s = views.spectrum.shape
        user, users = choice.user, views.spectrum.active.sum(1, keepdim=True)
        edges = choice.edge_bid.masked_fill(~serves(choice.station, n), 0).sum(2) * n / users
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
        if not self.prior:
            silence = agents.price.new_zeros(*agents.price.shape[:2], 1)
            logits: tuple[Tensor, Tensor] = self.powers(views, agents, choice, None, silence)
            return logits
        if rule is None:
            rule = self.reference(views, agents, choice)
        left = (1 - rule.sum((2, 3)).unsqueeze(2)).clamp_min(LEAST_OFF).log()
        logit, off = self.powers(views, agents, choice, rule, left)
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
        bids = list(self.bids.parameters())
        rest = [p for name, p in self.named_parameters() if not name.startswith("bids.")]
        return [{"params": [*rest, *others], "lr": lr}, {"params": bids, "lr": bid_lr * lr}]

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """``station [U]``, users of clusters ``user [N, S, L]``, and ``power [N, S, L]`` as fractions of the budget."""
        schedule = self.decide(self.views(graph))
        return {name: value.squeeze(0) for name, value in vars(schedule).items()}

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    @torch.inference_mode()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Schedule, Any]:
        """Schedule of a slot, without exploration."""
        return self.decide(self.views(obs)), state


def _within(value: Tensor, limit: float) -> Tensor:
    """The same near zero, and never beyond the limit."""
    return limit * (value / limit).tanh()
