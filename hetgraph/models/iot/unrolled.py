"""Schedules of IoT networks by an unrolled network on each station's own view, which learns by the gradient of rates."""

from dataclasses import replace
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.models.inference import Extra
from hetgraph.models.iot.own_view import COLUMNS, LEAST, OwnView, own_view
from hetgraph.models.iot.powers import shares_of
from hetgraph.models.iot.prices import prices_of_neighbours
from hetgraph.models.iot.views import sum_at
from hetgraph.models.options import keep_options
from hetgraph.nn.interferer_attention import InterfererAttention
from hetgraph.radio.rates import shannon
from hetgraph.radio.schedule import Schedule, clusters
from hetgraph.radio.spectrum import Spectrum, min_path_loss, spectrum_of

BOUND = 12.0  # of logits
FEEDBACK = 5


@keep_options
class UnrolledScheduler(nn.Module):
    r"""Stations that schedule their users by rounds of expected shares, for any number of stations, users and subchannels.

    Users go to the station of least path loss, or of the strongest signal, or between these, by their own measurements. A state for
    each user and subchannel of its station is made of what the user reports there (:func:`~hetgraph.models.iot.own_view.own_view`)
    and of attention over the stations that it hears there. In each round a softmax over a station's users, and nobody, shares each
    subchannel, a softmax over its layers and silence its budget, and states hear what the expected bits are beside those that wait.
    At last the users of the largest shares form clusters, and the budget is shared among these layers and silence.

    Choices are made differentiable by powers alone: a layer's power grows with its share. In training choices are drawn, by noise on
    the logits (Gumbel), and the gradient is that of what all stations' users really get
    (:class:`~hetgraph.trainers.UnrolledModule`); decisions need no other station.

    Args:
        hidden: width of states.
        width: width of the attention.
        rounds: rounds of expected shares.
        attention: weigh the stations that a user hears; else their mean.
        prices: neighbouring stations tell each other, for every subchannel, what power there would cost their users
            (:func:`~hetgraph.models.iot.prices.prices_of_neighbours`); the level is ``neighbourhood`` then, else ``local``.
        budget: part of the difference of stations' budgets that does not count in the association: 1 is least path loss, which costs
            the least energy, 0 strongest signal; between them loads are more even.
    """

    name, task = "iot-unrolled", "iot"
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
    ) -> None:
        super().__init__()
        if rounds < 0:
            raise ValueError(f"rounds: got {rounds}, expected 0 or more")
        self.level, self.prices, self.rounds = "neighbourhood" if prices else "local", prices, rounds
        self.budget = budget
        columns = COLUMNS + prices
        self.attention = InterfererAttention(columns, width, attention)
        self.first = nn.Sequential(nn.Linear(columns + width, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.round = nn.Sequential(nn.Linear(hidden + FEEDBACK, hidden), nn.SiLU(), nn.Linear(hidden, hidden))
        self.around = nn.Linear(hidden, hidden, bias=False)
        self.score = nn.Linear(hidden, 2)
        self.silence = nn.Sequential(nn.Linear(hidden, hidden), nn.SiLU(), nn.Linear(hidden, 1))
        self.nobody = nn.Parameter(torch.tensor(-2.0))

    def forward(self, obs: HeteroData, noise: float = 0.0) -> Schedule:
        """Schedule with powers through which gradients flow.

        Args:
            obs: observation of :class:`~hetgraph.envs.IoTEnv`.
            noise: part of Gumbel noise on the logits of choices.
        """
        view = spectrum_of(obs)
        station = min_path_loss(view, part=self.budget)
        own = own_view(obs, view, station)
        if self.prices:
            price = prices_of_neighbours(obs, view).gather(1, _home(station, view.shape[3]))
            own = replace(own, columns=torch.cat([own.columns, price.unsqueeze(3)], 3))
        state = self._states(view, own, station)
        for _ in range(self.rounds):
            state = self._again(state, own, station, view.shape[1])
        return self._schedule(state, view, own, station, noise)

    def _states(self, view: Spectrum, own: OwnView, station: Tensor) -> Tensor:
        """States before the first round ``[B, U, S, H]``."""
        stations = torch.arange(view.shape[1], device=station.device)
        other = station.unsqueeze(2) != stations
        heard = self.attention(own.columns, own.level, other)
        states: Tensor = self.first(torch.cat([own.columns, heard], 3))
        return states

    def _shares(self, state: Tensor, own: OwnView, station: Tensor, n: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Shares of subchannels and logits of powers ``[B, U, S]``, states and silence of stations ``[B, N, H]``, ``[B, N]``."""
        choice, power = (BOUND * (value / BOUND).tanh() for value in self.score(state).unbind(3))
        chance = choice.exp() * own.ready.unsqueeze(2)
        total = sum_at(station, chance, n) + self.nobody.exp()
        share = chance / total.gather(1, _home(station, state.shape[2]))
        summary = sum_at(station, (share.unsqueeze(3) * state).mean(2), n)
        return share, power + share.clamp_min(LEAST).log(), summary, self.silence(summary).squeeze(2)

    def _again(self, state: Tensor, own: OwnView, station: Tensor, n: int) -> Tensor:
        """States after a round."""
        share, logit, summary, silence = self._shares(state, own, station, n)
        home = station.clamp_min(0)
        weight = logit.exp() * own.ready.unsqueeze(2)
        total = sum_at(station, weight.sum(2), n) + silence.exp()
        power = weight / total.gather(1, home).unsqueeze(2)
        efficiency = shannon(power * own.quality)
        carried = efficiency.sum(2) * own.bits.unsqueeze(1)
        met = (carried.clamp_min(1) / own.need_bits.clamp_min(1)).log().clamp(-5, 5)
        around = self.around(summary).gather(1, home.unsqueeze(2).expand(-1, -1, state.shape[3]))
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

    def _schedule(self, state: Tensor, view: Spectrum, own: OwnView, station: Tensor, noise: float) -> Schedule:
        b, n, u, s = view.shape
        share, logit, _, silence = self._shares(state, own, station, n)
        value = share.detach().clamp_min(LEAST).log()
        if noise:
            value = value - noise * (-torch.rand_like(value).clamp(1e-9, 1 - 1e-7).log()).log()
        user = clusters(value, station, n, view.layers, own.ready)
        of_layers = logit.transpose(1, 2).unsqueeze(1).expand(b, n, s, u).gather(3, user.clamp_min(0))
        power = shares_of(of_layers, silence.unsqueeze(2), user, view.cap)
        return Schedule(station, user, power)

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """``station [U]``, users of clusters ``user [N, S, L]``, and ``power [N, S, L]`` as fractions of the budget."""
        schedule = self(graph)
        return {name: value.squeeze(0) for name, value in vars(schedule).items()}

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Schedule, Any]:
        """Schedule of a slot."""
        return self(obs), state


def _home(station: Tensor, subchannels: int) -> Tensor:
    """Places of users' stations in tables ``[B, N, S]``: ``[B, U, S]``."""
    return station.clamp_min(0).unsqueeze(2).expand(-1, -1, subchannels)
