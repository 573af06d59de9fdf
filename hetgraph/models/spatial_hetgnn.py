"""HetGNN for stations that precode: users, powers and directions on the graph of stations, users and antennas."""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links
from hetgraph.graph.schema import Level
from hetgraph.graph.tracing import exporting
from hetgraph.models.inference import Extra
from hetgraph.models.options import keep_options
from hetgraph.nn.encoders import TypedEncoder
from hetgraph.nn.hetgnn_inputs import inputs_of
from hetgraph.nn.precoding_rounds import Achieved, PrecodingRounds, PrecodingState, achieved
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.precoders import antenna_caps, precoding
from hetgraph.radio.relaxed import Objective
from hetgraph.radio.spatial import SpatialChannel, spatial_channel
from hetgraph.solvers.association import dual_price_association, equal_power, max_rsrp_association
from hetgraph.solvers.fair_precoding import vector_wmmse_pf
from hetgraph.solvers.spatial_association import expected_rates, groups_by_gain
from hetgraph.solvers.vector_wmmse import vector_wmmse

Association = Literal["max_rsrp", "prices"]
_LEAST_RATE = 1e-6  # bit/s/Hz, under the logarithm of proportional fairness


@dataclass(frozen=True)
class PrecodingRound:
    """What precoders of a round achieve.

    Args:
        precoder: normalised precoders, complex ``[Q, L, D]``.
        rate: of each user, as a part of the band, bit/s/Hz ``[U]``.
        utility: mean logarithm of the served users' rates, or the sum of rates, of each network ``[B]``.
    """

    precoder: Tensor
    rate: Tensor
    utility: Tensor


@dataclass(frozen=True)
class PrecodingPrediction:
    """Rounds for an association.

    Args:
        rounds: after each round; the first is SLNR.
        serving: station of each user ``[U]``.
        group: group of each user on each block ``[U, R]``.
        channel: normalised channels.
    """

    rounds: list[PrecodingRound]
    serving: Tensor
    group: Tensor
    channel: SpatialChannel


@keep_options
class SpatialHetGNN(nn.Module):
    """Precoders by message passing: the type-aware encoder of HetGNN, then shared rounds that precode and hear what that achieves.

    Messages pass between antennas, stations and users; rounds set the weights of users in precoders of the optimal structure and
    powers, see :class:`~hetgraph.nn.precoding_rounds.PrecodingRounds`. Any number of stations, users, blocks and antennas;
    permuting them permutes the answer. The cost is linear in edges times antennas.

    Args:
        hidden: width of the node states.
        layers: type-aware layers.
        rounds: rounds of precoding.
        memory: width of the memory of a stream.
        objective: ``sum_rate``, or ``pf``, the mean logarithm of rates.
        association: ``max_rsrp``, or ``prices``: dual prices on expected multi-user rates, anew at the powers that the rounds
            end with.
        stages: how often a network is precoded with ``prices``; one takes the expected rates at equal powers.
        antennas: read the antenna nodes and what lies between them; without, directions are those of maximum ratio
            transmission, and users, stations and powers are all that is decided.
        polish: rounds of WMMSE, of the sum rate or of proportional fairness, that follow in :meth:`allocate`.
    """

    name = "hetgnn-mimo"
    task = "snapshot"
    level: Level = "global"

    def __init__(
        self,
        hidden: int = 32,
        layers: int = 2,
        rounds: int = 8,
        memory: int = 16,
        objective: Objective = "sum_rate",
        association: Association = "max_rsrp",
        stages: int = 2,
        antennas: bool = True,
        polish: int = 0,
    ) -> None:
        super().__init__()
        for name, value, least in (("rounds", rounds, 1), ("stages", stages, 1), ("polish", polish, 0)):
            if value < least:
                raise ValueError(f"{name}: got {value}, expected at least {least}")
        if association not in ("max_rsrp", "prices"):
            raise ValueError(f"association: got {association!r}, expected max_rsrp or prices")
        self.rounds, self.stages, self.polish = rounds, stages, polish
        self.objective: Objective = objective
        self.association: Association = association
        self.encoder = TypedEncoder(hidden, layers, antennas=antennas)
        self.refine = PrecodingRounds(hidden, memory, structure=antennas)

    def forward(self, graph: HeteroData, rounds: int | None = None) -> PrecodingPrediction:
        """Precoders after 0, 1, ... ``rounds`` rounds.

        Args:
            graph: a graph or a batch of graphs with ``h``.
            rounds: number of rounds; the constructor's when ``None``.

        Raises:
            ValueError: a graph without ``h``.
        """
        count = self.rounds if rounds is None else rounds
        inputs = inputs_of(graph, self._dtype)
        links, (bs, ue) = inputs.links, self.encoder(inputs)
        power, stages = equal_power(graph), self.stages if self.association == "prices" else 1
        for stage in range(stages):
            serving = self._serving(graph, power, links)
            last = stage == stages - 1
            with torch.set_grad_enabled(last and torch.is_grad_enabled()):
                prediction = self._precode(graph, serving, links, bs, ue, count)
            if not last:
                power = self._best(graph, prediction).power_w
        return prediction

    @torch.no_grad()
    def allocate(self, graph: HeteroData, rounds: int | None = None) -> Allocation:
        """Allocation of a graph or batch: each network gets the best of its rounds, then ``polish`` rounds of WMMSE.

        Raises:
            ValueError: a graph without ``h``.
        """
        prediction = self(graph, rounds)
        allocation = self._best(graph, prediction)
        if not self.polish or exporting():  # no part of programs, see infer
            return allocation
        assert allocation.precoder is not None
        polish = vector_wmmse if self.objective == "sum_rate" else _fair
        return polish(
            graph, allocation.serving, group=prediction.group, iterations=self.polish, init=allocation.precoder
        )

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """The decision of :meth:`allocate`, with complex numbers as pairs.

        Station of each user ``serving [U]``, its ``group [U, R]`` on each block, which take turns for equal airtimes, mean powers of
        stations ``power_w [N, R]``, W, and precoders of users from their stations while their groups are served, in the root of W,
        ``precoder [U, Amax, R, 2]``: real and imaginary part.

        Raises:
            ValueError: a graph without ``h``, or a program with rounds of ``polish``, which end where values say so.
        """
        if self.polish and torch.compiler.is_exporting():
            raise ValueError(f"polish: got {self.polish} rounds, expected none in a program")
        decision = self.allocate(graph)
        assert decision.precoder is not None and decision.group is not None
        return {
            "serving": decision.serving,
            "group": decision.group,
            "power_w": decision.power_w,
            "precoder": torch.view_as_real(decision.precoder),
        }

    def predict(self, graph: HeteroData) -> PrecodingPrediction:
        """As :meth:`forward`."""
        prediction: PrecodingPrediction = self(graph)
        return prediction

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Allocation, Any]:
        """Allocation of a graph or batch."""
        return self.allocate(obs), state

    @property
    def _dtype(self) -> torch.dtype:
        return self.refine.context.weight.dtype

    def _serving(self, graph: HeteroData, power: Tensor, links: Links) -> Tensor:
        if self.association == "max_rsrp":
            return max_rsrp_association(graph, links)
        return dual_price_association(graph, power, rate=expected_rates(graph, links, power))

    def _precode(
        self, graph: HeteroData, serving: Tensor, links: Links, bs: Tensor, ue: Tensor, count: int
    ) -> PrecodingPrediction:
        group = groups_by_gain(graph, serving, links)
        alone = "antenna_power_max_w" in graph["bs"]
        channel = spatial_channel(graph, serving, group, links=links, reduced=not alone, double=True)
        # Rounds are some hundred small operations each; without views and versions to track they take a sixth less. Nothing that
        # they leave is kept with the graph.
        with torch.inference_mode(not (torch.is_grad_enabled() or exporting())):
            rounds = self._rounds(graph, channel, serving, links, bs, ue, count)
        return PrecodingPrediction(rounds, serving, group, channel)

    def _rounds(
        self,
        graph: HeteroData,
        channel: SpatialChannel,
        serving: Tensor,
        links: Links,
        bs: Tensor,
        ue: Tensor,
        count: int,
    ) -> list[PrecodingRound]:
        band = graph.rb_bandwidth_hz / graph.rb_bandwidth_hz.sum(1, keepdim=True)
        band = band[links.ue_network].to(channel.noise)  # [U, R]
        weight = channel.groups.gather(band) * channel.groups.share.unsqueeze(1)
        terms = self.refine.terms(channel, bs, ue, antenna_caps(graph, channel))
        state: PrecodingState = self.refine.start(terms)
        precoders, streams = list[Tensor](), list[Tensor]()
        for number in range(count + 1):
            now: Achieved = achieved(channel, state.precoder)
            precoders.append(state.precoder)
            streams.append(now.rate)
            if number < count:
                state = self.refine.step(terms, state, now, self._worth(channel, weight, band, now.rate))
        rate = _user_rates(channel, band, torch.stack(streams, 2))  # of all rounds at once
        utility = self._utility(rate, (serving >= 0).to(rate), links)
        return [PrecodingRound(*one) for one in zip(precoders, rate.unbind(1), utility.unbind(1), strict=True)]

    def _worth(self, channel: SpatialChannel, weight: Tensor, band: Tensor, stream: Tensor) -> Tensor:
        """What a nat of each stream is worth, but for a factor: the slope of the utility times band and airtime ``[Q, L]``."""
        if self.objective == "sum_rate":
            return weight
        slope = 1 / _user_rates(channel, band, stream.unsqueeze(2)).clamp_min(_LEAST_RATE)
        return weight * channel.groups.gather(slope.expand_as(band))

    def _utility(self, rate: Tensor, served: Tensor, links: Links) -> Tensor:
        """Utility of each network ``[B, K]`` at rates of users ``[U, K]``."""
        if self.objective == "sum_rate":
            total: Tensor = links.sum_ue_to_network(rate)
            return total
        count = links.sum_ue_to_network(served).clamp_min(1).unsqueeze(1)
        return links.sum_ue_to_network(rate.clamp_min(_LEAST_RATE).log() * served.unsqueeze(1)) / count

    def _best(self, graph: HeteroData, prediction: PrecodingPrediction) -> Allocation:
        """Allocation of the round of the highest utility, for each network on its own."""
        channel = prediction.channel
        network = channel.links.bs_network[channel.groups.station]
        which = _best_rounds(prediction)[network]  # [Q]
        rounds = torch.stack([one.precoder for one in prediction.rounds])
        precoder = rounds[which, torch.arange(which.shape[0], device=which.device)]
        dtype = graph["bs"].power_max_w.dtype
        return precoding(channel, prediction.serving, prediction.group, precoder, dtype)


def _user_rates(channel: SpatialChannel, band: Tensor, stream: Tensor) -> Tensor:
    """Rates of users ``[U, K]``, as parts of the band, of those of streams ``[Q, L, K]``."""
    return (band.unsqueeze(2) * channel.groups.scatter(stream)).sum(1)


def _fair(graph: HeteroData, serving: Tensor, **options: Any) -> Allocation:
    return vector_wmmse_pf(graph, serving, **options)[0]


def _best_rounds(prediction: PrecodingPrediction) -> Tensor:
    """Number of the round of the highest utility of each network ``[B]``."""
    return torch.stack([one.utility for one in prediction.rounds]).argmax(0)
