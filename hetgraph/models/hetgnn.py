"""HetGNN: joint user association and power allocation on the heterogeneous graph."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON
from hetgraph.models.allocating import AllocatingModel, Prediction, best_round, to_allocation
from hetgraph.models.options import keep_options
from hetgraph.nn.encoder import edge_sum, mlp
from hetgraph.nn.encoders import Encoding, encoder_of
from hetgraph.nn.hetgnn_inputs import (
    ANTENNA_COLUMNS,
    EDGE_COLUMNS,
    UE_COLUMNS,
    VELOCITY_COLUMNS,
    Inputs,
    inputs_of,
)
from hetgraph.nn.near_graph import near_graph_of
from hetgraph.nn.refine import Refinement, State
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.rates import noise_plus_far_w
from hetgraph.radio.relaxed import Objective, fractions, power_caps
from hetgraph.solvers.antenna_powers import in_phase


@keep_options
class HetGNN(AllocatingModel):
    r"""Heterogeneous graph network with an association, a power and an antenna head.

    Type-aware messages over stations, users and antennas (Algorithm 1, step 5 of Tsachrelias et al.), those of
    :class:`~hetgraph.nn.HeteroEncoder`, are followed by shared refinement rounds that feed back what the current allocation
    achieves. With ``rounds=0``, ``association="edge"`` and ``encoder="sage"`` it is the paper's student. The trunk is wideband:
    resource blocks enter as statistics per station and block and leave through a head that all blocks share, so that the answer
    is equivariant to the order of users, stations, blocks and antennas, and their numbers are free.

    Args:
        hidden: width of the node states.
        layers: type-aware layers.
        rounds: refinement rounds.
        memory: width of the memory per station and resource block.
        encoder: ``hetero``, ``sage`` (the paper's layers, cheaper), or an ablation: ``no_antennas``, ``homogeneous``,
            ``bs_only``, ``edge_mlp``.
        association: ``price``, softmax((log rate - price) / T) with a price per station, or ``edge``, the paper's head of
            logits on channel edges, which the rounds do not touch.
        objective: utility whose derivative the rounds feed back, ``pf`` or ``sum_rate``.
        temperature: of the association at the start of training.
        candidates: strongest stations of a user that its messages pass over and that may serve it, 0 for all. The others
            interfere with the power that the rounds give them.
        velocity: read the users' velocities, as the paper's dynamic mode has it (eq. 1); the graph must have them then.

    Example:
        >>> batch = preset("uma-5bs:users=20").sample(2, seed=1)
        >>> HetGNN(rounds=2).allocate(batch).serving.shape
        torch.Size([40])
    """

    name = "hetgnn"
    BEFORE = {"candidates": 0}  # what checkpoints had that do not name it

    def __init__(
        self,
        hidden: int = 32,
        layers: int = 2,
        rounds: int = 8,
        memory: int = 16,
        encoder: Encoding = "hetero",
        association: Literal["price", "edge"] = "price",
        objective: Objective = "pf",
        temperature: float = 0.2,
        candidates: int = 8,
        velocity: bool = False,
    ) -> None:
        super().__init__()
        if candidates < 0:
            raise ValueError(f"candidates: got {candidates}, expected 0 (all) or more")
        self.rounds, self.candidates = rounds, candidates
        self.objective: Objective = objective
        self.association = association
        self.ue_columns = UE_COLUMNS + VELOCITY_COLUMNS * velocity
        self.encoder = encoder_of(encoder, hidden, layers, self.ue_columns)
        self.power_head = mlp(hidden + 2, hidden, 1 + memory)
        self.price_head = mlp(hidden, hidden, 1)
        self.antenna_head = mlp(len(ANTENNA_COLUMNS) + hidden, hidden, 1) if encoder != "no_antennas" else None
        self.refine = Refinement(hidden, memory, temperature=temperature)
        if association == "edge":
            width = max(hidden // 2, 4)  # a matrix of edges times width is the largest that this head makes
            self.edge_bs, self.edge_ue = nn.Linear(hidden, width), nn.Linear(hidden, width)
            self.edge_in, self.edge_out = nn.Linear(len(EDGE_COLUMNS), width), nn.Linear(width, 1)

    def forward(self, graph: HeteroData, rounds: int | None = None) -> Prediction:
        """Relaxed allocations after 0, 1, ... ``rounds`` rounds.

        Args:
            graph: a graph or a batch of graphs.
            rounds: number of rounds; the constructor's when ``None``.
        """
        near = near_graph_of(graph, self.candidates, self._dtype)
        links, channels, inputs = near.links, near.channels, inputs_of(near.graph, self._dtype, self.ue_columns)
        bs, ue = self.encoder(inputs)
        state = self._start(near.graph, bs, inputs.prior, links)
        scores = self._edge_scores(bs, ue, inputs, links)
        relaxed = [self.refine.look(state, links, channels, scores)]
        for _ in range(self.rounds if rounds is None else rounds):
            state = self.refine.step(state, relaxed[-1], bs, links, channels, self.objective)
            relaxed.append(self.refine.look(state, links, channels, scores))
        return Prediction(relaxed, self._antenna_logits(bs, inputs), links)

    @torch.no_grad()
    def allocate(self, graph: HeteroData, rounds: int | None = None) -> Allocation:
        """Allocation of a graph or batch: the best edge of every user, and power fractions times the budget.

        Each network gets the best of its rounds, judged by the objective after rounding, so that more rounds are never worse.
        Where antennas have channels, stations send with the powers per antenna of the antenna head, in phase with each user.
        """
        allocation, antenna_logits = self._allocated(graph, self.rounds if rounds is None else rounds)
        if "h" not in graph[CHANNEL]:
            return allocation
        share = _antenna_shares(antenna_logits, graph).to(allocation.power_w)
        return in_phase(graph, allocation.serving, allocation.power_w, share)

    def _allocated(self, graph: HeteroData, count: int) -> tuple[Allocation, Tensor]:
        """Association and powers, and the antenna head's logits ``[A]``."""
        if count > 0 or self.association != "edge":
            prediction: Prediction = self(graph, count)
            assert prediction.antenna_logits is not None
            return best_round(graph, prediction, self.objective), prediction.antenna_logits
        graph = near_graph_of(graph, self.candidates, self._dtype).graph
        inputs = inputs_of(graph, self._dtype, self.ue_columns)  # the paper's student needs no rates
        links = inputs.links
        bs, ue = self.encoder(inputs)
        scores = self._edge_scores(bs, ue, inputs, links)
        assert scores is not None
        logits = self._start(graph, bs, inputs.prior, links).logits
        fraction = fractions(logits, power_caps(graph).to(logits.dtype))
        return to_allocation(graph, links, scores, fraction), self._antenna_logits(bs, inputs)

    def predict(self, graph: HeteroData) -> Prediction:
        """As :meth:`forward`."""
        prediction: Prediction = self(graph)
        return prediction

    @property
    def _dtype(self) -> torch.dtype:
        return self.refine.log_temperature.dtype

    def _antenna_logits(self, bs: Tensor, inputs: Inputs) -> Tensor:
        source, target = inputs.mounted_on
        logits = bs.new_zeros(inputs.antenna.shape[0])
        if self.antenna_head is None:
            return logits
        joint = torch.cat([inputs.antenna[source], bs[target]], 1)
        return logits.index_add(0, source, self.antenna_head(joint).squeeze(1))

    def _edge_scores(self, bs: Tensor, ue: Tensor, inputs: Inputs, links: Links) -> Tensor | None:
        """Logits of the paper's edge head, edge layout."""
        if self.association != "edge":
            return None
        joint = edge_sum(self.edge_bs(bs), self.edge_ue(ue), inputs.edge, self.edge_in, links)
        scores: Tensor = self.edge_out(joint.relu_()).squeeze(-1)
        return scores if inputs.may_serve is None else scores.masked_fill(~inputs.may_serve, -1e9)

    def _start(self, graph: HeteroData, bs: Tensor, prior: Tensor, links: Links) -> State:
        """The encoder's own allocation: power and price heads on the station states and on statistics per block."""
        load = links.sum_to_bs(prior).clamp_min(1e-3)
        power, noise = graph["bs"].power_max_w, noise_plus_far_w(graph).mean(1)
        scale = (links.from_bs(power) / links.from_ue(noise)).to(prior.dtype)
        weights = torch.stack([prior * scale, (1 - prior) * scale], -1)
        own_snr, other_snr = links.weigh_edges_to_bs(weights, graph[CHANNEL].gain.to(prior.dtype)).unbind(1)  # [N, R]
        others = links.sum_to_bs(1 - prior).clamp_min(1e-3).unsqueeze(1)
        quality, spill = own_snr / load.unsqueeze(1), other_snr / others
        blocks = quality.shape[1]
        local = torch.stack([_relative_log(quality), _relative_log(spill)], -1).to(bs.dtype)  # [N, R, 2]
        out = self.power_head(torch.cat([local, bs.unsqueeze(1).expand(-1, blocks, -1)], -1))
        logits = out[..., 0] + 3.0 - torch.full((), blocks, dtype=torch.get_default_dtype()).log()
        price = load.log().to(bs.dtype) + self.price_head(bs).squeeze(1)
        return State(logits, price, out[..., 1:].tanh())


def _antenna_shares(logits: Tensor, graph: HeteroData) -> Tensor:
    """Softmax of antennas' logits over each station's ``[A]``."""
    source, target = graph[MOUNTED_ON].edge_index
    weight = (logits - logits.max()).exp()
    total = weight.new_zeros(len(graph["bs"].power_max_w)).index_add(0, target, weight[source])
    share = torch.zeros_like(weight)
    share[source] = weight[source] / total[target]
    return share


def _relative_log(value: Tensor) -> Tensor:
    log = value.clamp_min(1e-12).log()
    return log - log.mean(1, keepdim=True)
