"""Networks whose logits say who serves whom and with what power, and how these become an allocation."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph import links_of
from hetgraph.graph.links import Links
from hetgraph.graph.schema import Level
from hetgraph.models.inference import Extra
from hetgraph.nn.refine import Round
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.relaxed import Objective, channels_of, edge_rates, fractions

NEVER = -1e9  # logit of an edge that must not serve


@dataclass(frozen=True)
class Prediction:
    """What a network says, before rounding.

    Args:
        rounds: relaxed allocation after each round; the first is the encoder's own.
        antenna_logits: one per antenna node ``[A]``; a softmax over a station's antennas gives its probabilities. ``None`` for a
            network that does not tell.
        links: index structure of the graph.
    """

    rounds: list[Round]
    antenna_logits: Tensor | None
    links: Links


class AllocatingModel(nn.Module):
    """A network that allocates users and powers at once: the base of models of the task ``snapshot``.

    A subclass has a ``name``, :func:`~hetgraph.models.keep_options`, and a ``forward`` from a graph or a batch of graphs to

    - ``edge_logits [E]``: of the edges from stations to users; a user is served over its highest one,
    - ``power_logits [N, R]``: the softmax of a station's logits and of an idle slot's zero are its parts of the budget.

    :class:`~hetgraph.trainers.SupervisedModule` trains it, and it is a policy: ``hetgraph compare`` takes its checkpoints.

    Example:
        >>> @keep_options
        ... class Strongest(AllocatingModel):
        ...     name = "strongest"
        ...     def forward(self, graph):
        ...         gain = graph["bs", "channel", "ue"].gain
        ...         return {"edge_logits": gain.mean(1).log(), "power_logits": torch.zeros_like(graph["bs"].rb_power_max_w)}
    """

    task = "snapshot"
    level: Level = "global"
    objective: Objective = "pf"

    def predict(self, graph: HeteroData) -> Prediction:
        """The relaxed allocation of the logits, and what it achieves.

        Raises:
            ValueError: logits of other shapes.
        """
        out, links = self(graph), links_of(graph)
        edge, power = (_logits(out, name, shape) for name, shape in _shapes(graph))
        channels = channels_of(graph, links, edge.dtype)
        scores = links.lift(edge)
        if channels.may_serve is not None:
            scores = scores.masked_fill(~channels.may_serve, NEVER)
        fraction = fractions(power, channels.cap.to(power.dtype))
        price = fraction.new_zeros(len(fraction))
        return Prediction(
            [Round(fraction, links.softmax(scores), scores, edge_rates(channels, links, fraction), price)], None, links
        )

    @torch.no_grad()
    def allocate(self, graph: HeteroData) -> Allocation:
        """Allocation of a graph or batch: the best edge of every user, and power fractions times the budget."""
        return best_round(graph, self.predict(graph), self.objective)

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """Station of each user ``serving [U]``, and ``power_w [N, R]`` of stations on blocks."""
        allocation = self.allocate(graph)
        return {"serving": allocation.serving, "power_w": allocation.power_w}

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Allocation, Any]:
        """Allocation of a graph or batch."""
        return self.allocate(obs), state


def _shapes(graph: HeteroData) -> list[tuple[str, tuple[int, ...]]]:
    edges = graph["bs", "channel", "ue"].edge_index.shape[1]
    return [("edge_logits", (edges,)), ("power_logits", tuple(graph["bs"].rb_power_max_w.shape))]


def _logits(out: Any, name: str, shape: tuple[int, ...]) -> Tensor:
    logits = out.get(name) if isinstance(out, dict) else None
    if not isinstance(logits, Tensor) or tuple(logits.shape) != shape:
        got = tuple(logits.shape) if isinstance(logits, Tensor) else "nothing"
        raise ValueError(f"model: got {name} {got}, expected a dict with {name} {shape}")
    return logits


def best_round(graph: HeteroData, prediction: Prediction, objective: Objective) -> Allocation:
    """Rounded allocation of that round which has the highest utility, for each network on its own."""
    links = prediction.links
    slot, value, fraction = _rounded(prediction.rounds[0], links, objective)
    for relaxed in prediction.rounds[1:]:
        new_slot, new_value, new_fraction = _rounded(relaxed, links, objective)
        better = new_value > value
        value = torch.where(better, new_value, value)
        slot = torch.where(better[links.ue_network], new_slot, slot)
        fraction = torch.where(better[links.bs_network].unsqueeze(1), new_fraction, fraction)
    return _allocation(graph, links, slot, fraction)


def _rounded(relaxed: Round, links: Links, objective: Objective) -> tuple[Tensor, Tensor, Tensor]:
    """Best slot of every user, the utility that this gives each network, and the power fractions."""
    slot = links.argmax_slot(relaxed.scores)
    station = links.station_of(slot)
    rate = links.pick(links.flat(relaxed.rates.rate), slot)
    rate = rate / links.users_per_bs(station).clamp_min(1)[station].to(rate.dtype)
    return slot, links.sum_ue_to_network(rate.clamp_min(1e-12).log() if objective == "pf" else rate), relaxed.fraction


def to_allocation(graph: HeteroData, links: Links, scores: Tensor, fraction: Tensor) -> Allocation:
    """Round a relaxed allocation: every user to its best edge, powers as they are."""
    return _allocation(graph, links, links.argmax_slot(scores), fraction)


def _allocation(graph: HeteroData, links: Links, slot: Tensor, fraction: Tensor) -> Allocation:
    power = fraction.to(graph["bs"].power_max_w.dtype) * graph["bs"].power_max_w.unsqueeze(1)
    return Allocation(links.station_of(slot), power)
