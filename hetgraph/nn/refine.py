"""Refinement rounds: powers and prices follow what the current allocation achieves."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hetgraph.graph.links import Links
from hetgraph.nn.encoder import mlp
from hetgraph.radio.relaxed import Channels, Objective, Rates, edge_rates, fractions, pull

_TINY = 1e-6


@dataclass(frozen=True)
class State:
    """What the rounds carry.

    Args:
        logits: power logits per station and resource block ``[N, R]``; the idle slot has logit zero.
        price: price of a station, in nats ``[N]``.
        memory: hidden state per station and resource block ``[N, R, M]``.
    """

    logits: Tensor
    price: Tensor
    memory: Tensor


@dataclass(frozen=True)
class Round:
    """A relaxed allocation and what it achieves.

    Args:
        fraction: power fractions ``[N, R]``.
        association: soft association, edge layout, summing to one over a user's edges.
        scores: logits of the association, edge layout.
        rates: rates of all edges.
        price: price of each station ``[N]``.
    """

    fraction: Tensor
    association: Tensor
    scores: Tensor
    rates: Rates
    price: Tensor


class Refinement(nn.Module):
    """One shared round, applied as often as wanted.

    The association is softmax((log rate - price) / T); prices move toward the logarithm of the load they cause, and power
    logits by a perceptron shared by all stations and resource blocks, which sees own gain, harm, power and load there, the
    station's state and its own memory. Equivariant to the order of stations, users and resource blocks.

    Args:
        hidden: width of the station states of the encoder.
        memory: width of the memory per station and resource block.
        width: width of the perceptrons.
        temperature: T at the start of training; learned.
    """

    POWER_INPUTS = 9
    PRICE_INPUTS = 4

    def __init__(self, hidden: int, memory: int = 16, width: int = 32, temperature: float = 0.2) -> None:
        super().__init__()
        self.power = mlp(self.POWER_INPUTS + memory + 4, width, width, 1 + memory)
        self.context = nn.Linear(hidden, 4)
        self.price = mlp(self.PRICE_INPUTS + 4, 16, 2)
        self.log_temperature = nn.Parameter(torch.tensor(temperature).log())
        last = self.power[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight[:1])

    def associate(self, rates: Rates, price: Tensor, links: Links, channels: Channels) -> tuple[Tensor, Tensor]:
        """Scores and soft association, edge layout."""
        scores = (rates.rate.clamp_min(1e-9).log() - links.from_bs(price)) / self.log_temperature.exp()
        if channels.may_serve is not None:
            scores = scores.masked_fill(~channels.may_serve, -1e9)
        return scores, links.softmax(scores)

    def look(self, state: State, links: Links, channels: Channels, scores: Tensor | None = None) -> Round:
        """The relaxed allocation of a state; ``scores`` of an edge head stand in for rates and prices."""
        fraction = fractions(state.logits, channels.cap)
        rates = edge_rates(channels, links, fraction)
        if scores is None:
            scores, association = self.associate(rates, state.price, links, channels)
        else:
            association = links.softmax(scores)
        return Round(fraction, association, scores, rates, state.price)

    def step(
        self, state: State, last_round: Round, context: Tensor, links: Links, channels: Channels, objective: Objective
    ) -> State:
        """Next state from what the current allocation achieves."""
        own, harm, load = pull(last_round.rates, last_round.association, channels, links, objective)
        blocks = own.shape[1]
        scale = blocks / own.sum(1, keepdim=True).clamp_min(_TINY)  # an average block gains one
        own, harm = own * scale, harm * scale
        share = last_round.fraction * blocks
        used = last_round.fraction.sum(1, keepdim=True)
        log_own, log_harm = (own + 1e-3).log(), (harm + 1e-3).log()
        mean_load = links.sum_bs_to_network(load) / links.sum_bs_to_network(torch.ones_like(load))
        crowd = (load / mean_load[links.bs_network].clamp_min(_TINY) + 1e-2).log()
        columns = [
            (share + 1e-3).log(),
            log_own,
            log_harm,
            (own - harm).clamp(-4, 4),
            ((own + 1e-2) / (share + 1e-2)).log(),  # log marginal gain per watt
            ((harm + 1e-2) / (share + 1e-2)).log(),
            own.amax(1, keepdim=True).log1p().expand_as(own),
            (1 - used + 1e-2).log().expand_as(own),
            crowd.unsqueeze(1).expand_as(own),
        ]
        local = torch.cat([torch.stack(columns, -1) / 2, state.memory], -1)
        around = self.context(context).unsqueeze(1).expand(-1, blocks, -1)
        change = self.power(torch.cat([local, around], -1))
        logits = state.logits + change[..., 0]
        memory = (state.memory + change[..., 1:]).tanh()
        return State(logits, self._next_price(state.price, load, crowd, own, harm, context), memory)

    def _next_price(
        self, price: Tensor, load: Tensor, crowd: Tensor, own: Tensor, harm: Tensor, context: Tensor
    ) -> Tensor:
        target = (load + 0.1).log()
        surplus = (own.sum(1) + 1e-2).log() - (harm.sum(1) + 1e-2).log()
        columns = torch.stack([crowd, target - price, surplus, (load < 1).to(load.dtype)], 1)
        out: Tensor = self.price(torch.cat([columns, self.context(context)], 1))
        new: Tensor = price + out[:, 0].sigmoid() * (target - price) + 0.1 * out[:, 1]
        return new
