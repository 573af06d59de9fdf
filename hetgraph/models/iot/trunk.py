"""The trunk of IoT schedulers: states of users on subchannels by their own view, interferers and rounds of expected shares."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.models.inference import Extra
from hetgraph.models.iot.own_view import COLUMNS, FILTERED, LEAST, OwnView, own_view
from hetgraph.models.iot.powers import shares_of
from hetgraph.models.iot.prices import prices_of_neighbours
from hetgraph.models.iot.views import sum_at
from hetgraph.nn.interferer_attention import InterfererAttention
from hetgraph.radio.rates import shannon
from hetgraph.radio.schedule import Schedule, clusters
from hetgraph.radio.spectrum import Spectrum, min_path_loss, spectrum_of

BOUND = 12.0  # of logits
FEEDBACK = 5


@dataclass(frozen=True)
class StationViews:
    """What stations of ``B`` networks see, each of its own users.

    Args:
        spectrum: dense tables.
        own: columns of users on the subchannels of their stations.
        station: of each user from now on ``[B, U]``, -1 for none.
    """

    spectrum: Spectrum
    own: OwnView
    station: Tensor


@dataclass(frozen=True)
class Shares:
    """What both heads say of the states of one round.

    Args:
        value: of putting a user into the cluster of a subchannel ``[B, U, S]``, within ``BOUND``.
        share: of a subchannel that a user is expected to get, a softmax of values over a station's users and nobody ``[B, U, S]``.
        power: logits of powers; they grow with the share ``[B, U, S]``.
        summary: states of stations ``[B, N, H]``.
        silence: logits of what stations do not send ``[B, N]``.
    """

    value: Tensor
    share: Tensor
    power: Tensor
    summary: Tensor
    silence: Tensor


class SchedulerTrunk(nn.Module):
    """States for each user and subchannel of its station, and two heads on them, for any number of stations, users and subchannels.

    Users go to the station of least path loss, or of the strongest signal, or between these, by their own measurements. A state is
    made of what the user reports on the subchannel (:func:`~hetgraph.models.iot.own_view.own_view`) and of attention over the stations
    that it hears there. In each round a softmax over a station's users, and nobody, shares each subchannel, a softmax over its layers
    and silence its budget, and states hear what the expected bits are beside those that wait.

    Args:
        hidden: width of states.
        width: width of the attention.
        rounds: rounds of expected shares.
        attention: weigh the stations that a user hears; else their mean.
        prices: neighbouring stations tell each other, for every subchannel, what power there would cost their users
            (:func:`~hetgraph.models.iot.prices.prices_of_neighbours`); the level is ``neighbourhood`` then, else ``local``.
        budget: part of the difference of stations' budgets that does not count in the association: 1 is least path loss, which costs
            the least energy, 0 strongest signal; between them loads are more even.
        filtered: users report the interference of the last slots, filtered, beside that of the last one.

    Raises:
        ValueError: a negative number of rounds.
    """

    settings = ("layers",)  # of a network that are no inputs of an exported program
    level: Level

    def __init__(
        self,
        hidden: int = 48,
        width: int = 24,
        rounds: int = 3,
        attention: bool = True,
        prices: bool = False,
        budget: float = 1.0,
        filtered: bool = False,
    ) -> None:
        super().__init__()
        if rounds < 0:
            raise ValueError(f"rounds: got {rounds}, expected 0 or more")
        self.level, self.prices, self.rounds = "neighbourhood" if prices else "local", prices, rounds
        self.budget, self.filtered = budget, filtered
        columns = COLUMNS + FILTERED * filtered + prices
        self.attention = InterfererAttention(columns, width, attention)
        self.first = nn.Sequential(nn.Linear(columns + width, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.round = nn.Sequential(nn.Linear(hidden + FEEDBACK, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.around = nn.Linear(hidden, hidden, bias=False)
        self.score = nn.Linear(hidden, 2)
        self.silence = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1))
        self.nobody = nn.Parameter(torch.tensor(-2.0))

    def views(self, obs: HeteroData) -> StationViews:
        """What stations read of an observation of :class:`~hetgraph.envs.IoTEnv`."""
        view = spectrum_of(obs)
        station = min_path_loss(view, part=self.budget)
        own = own_view(obs, view, station, self.filtered)
        if self.prices:
            price = prices_of_neighbours(obs, view, self.level == "global").gather(1, at_home(station, view.shape[3]))
            own = replace(own, columns=torch.cat([own.columns, price.unsqueeze(3)], 3))
        return StationViews(view, own, station)

    def shares(self, views: StationViews) -> Shares:
        """What the heads say after all rounds."""
        n, own = views.spectrum.shape[1], views.own
        other = views.station.unsqueeze(2) != torch.arange(n, device=views.station.device)
        heard = self.attention(own.columns, own.level, other)
        state = self.first(torch.cat([own.columns, heard], 3))
        for _ in range(self.rounds):
            state = self._again(state, own, views.station, n)
        return self._heads(state, own, views.station, n)

    def decide(self, views: StationViews) -> Schedule:
        """Clusters and powers, without exploration."""
        return self.schedule(views, self.shares(views))

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """``station [U]``, users of clusters ``user [N, S, L]``, and ``power [N, S, L]`` as fractions of the budget."""
        schedule = self.decide(self.views(graph))
        return {name: value.squeeze(0) for name, value in vars(schedule).items()}

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Schedule, Any]:
        """Schedule of a slot."""
        return self.decide(self.views(obs)), state

    def schedule(
        self, views: StationViews, shares: Shares, choice_noise: Tensor | None = None, power_noise: Tensor | None = None
    ) -> Schedule:
        """Clusters of the largest shares, and powers through which gradients flow to both heads.

        Args:
            views: of the networks.
            shares: of :meth:`shares`.
            choice_noise: added to the logarithms of shares ``[B, U, S]``.
            power_noise: added to the logits of users' layers on subchannels and of silence ``[B, N, U * S + 1]``.
        """
        view = views.spectrum
        value = shares.share.detach().clamp_min(LEAST).log()
        value = value if choice_noise is None else value + choice_noise
        user = clusters(value, views.station, view.shape[1], view.layers, views.own.ready)
        return Schedule(views.station, user, self.powers(views, shares, user, power_noise))

    def powers(self, views: StationViews, shares: Shares, user: Tensor, noise: Tensor | None = None) -> Tensor:
        """Shares of budgets ``[B, N, S, L]`` of the layers of given clusters; arguments as in :meth:`schedule`."""
        (b, n, u, s), logit, silence = views.spectrum.shape, shares.power, shares.silence.unsqueeze(2)
        table = logit.transpose(1, 2).unsqueeze(1).expand(b, n, s, u)
        if noise is not None:
            table = table + noise[..., :-1].reshape(b, n, s, u)
            silence = silence + noise[..., -1:]
        return shares_of(table.gather(3, user.clamp_min(0)), silence, user, views.spectrum.cap)

    def heard(self, summary: Tensor) -> Tensor:
        """What a round tells the users of each station ``[B, N, H]``, by the states of stations ``[B, N, H]``."""
        out: Tensor = self.around(summary)
        return out

    def _heads(self, state: Tensor, own: OwnView, station: Tensor, n: int) -> Shares:
        value, power = (BOUND * (head / BOUND).tanh() for head in self.score(state).unbind(3))
        chance = value.exp() * own.ready.unsqueeze(2)
        total = sum_at(station, chance, n) + self.nobody.exp()
        share = chance / total.gather(1, at_home(station, state.shape[2]))
        summary = sum_at(station, (share.unsqueeze(3) * state).mean(2), n)
        return Shares(value, share, power + share.clamp_min(LEAST).log(), summary, self.silence(summary).squeeze(2))

    def _again(self, state: Tensor, own: OwnView, station: Tensor, n: int) -> Tensor:
        """States after a round ``[B, U, S, H]``."""
        heads = self._heads(state, own, station, n)
        home, share, silence = station.clamp_min(0), heads.share, heads.silence
        weight = heads.power.exp() * own.ready.unsqueeze(2)
        total = sum_at(station, weight.sum(2), n) + silence.exp()
        power = weight / total.gather(1, home).unsqueeze(2)
        efficiency = shannon(power * own.quality)
        carried = efficiency.sum(2) * own.bits.unsqueeze(1)
        met = (carried.clamp_min(1) / own.need_bits.clamp_min(1)).log().clamp(-5, 5)
        around = self.heard(heads.summary).gather(1, home.unsqueeze(2).expand(-1, -1, state.shape[3]))
        feedback = (
            met.unsqueeze(2).expand_as(share),
            share,
            power.clamp_min(3e-7).log() / 5,
            efficiency,
            silence.gather(1, home).unsqueeze(2).expand_as(share) / 3,
        )
        inner = self.round[0](torch.cat([state, torch.stack(feedback, 3)], 3)) + around.unsqueeze(2)
        change: Tensor = self.round[1:](inner)
        return state + change


def gumbel_like(value: Tensor) -> Tensor:
    """Noise with which the largest logit is a draw from their softmax."""
    return -(-torch.rand_like(value).clamp(1e-9, 1 - 1e-7).log()).log()


def at_home(station: Tensor, subchannels: int) -> Tensor:
    """Places of users' stations in tables ``[B, N, S]``: ``[B, U, S]``."""
    return station.clamp_min(0).unsqueeze(2).expand(-1, -1, subchannels)
