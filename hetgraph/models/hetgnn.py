"""HetGNN: joint user association and power allocation on the heterogeneous graph (design 6.1)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.features import ANTENNA_COLUMNS, BS_COLUMNS, EDGE_COLUMNS, UE_COLUMNS
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON
from hetgraph.nn.encoder import AntennaLayer, BipartiteLayer, Normalise, mlp
from hetgraph.nn.feedback import Channels, Objective, channels_of
from hetgraph.nn.refine import Refinement, Round, State
from hetgraph.radio.allocation import Allocation


@dataclass(frozen=True)
class Prediction:
    """What the network says, before rounding.

    Args:
        rounds: relaxed allocation after each round; the first is the encoder's own.
        antenna_logits: one per antenna node ``[A]``; a softmax over a station's antennas gives its probabilities.
        links: index structure of the graph.
    """

    rounds: list[Round]
    antenna_logits: Tensor
    links: Links


class HetGNN(nn.Module):
    r"""Heterogeneous graph network with an association, a power and an antenna head.

    Two type-aware layers over stations, users and antennas (Algorithm 1, step 5 of Tsachrelias et al.) are followed by
    shared refinement rounds that feed back what the current allocation achieves. With ``rounds=0`` it is the paper's
    student. The trunk is wideband: resource blocks enter as statistics per station and block and leave through a head that
    all blocks share, so that the answer is equivariant to the order of users, stations, blocks and antennas, and their
    numbers are free.

    Args:
        hidden: width of the node states.
        layers: type-aware layers.
        rounds: refinement rounds.
        memory: width of the memory per station and resource block.
        antennas: read the antenna nodes; without them the antenna head is uniform.
        objective: utility whose derivative the rounds feed back, ``pf`` or ``sum_rate``.
        temperature: of the association at the start of training.
    """

    def __init__(
        self,
        hidden: int = 32,
        layers: int = 2,
        rounds: int = 8,
        memory: int = 16,
        antennas: bool = True,
        objective: Objective = "pf",
        temperature: float = 0.2,
    ) -> None:
        super().__init__()
        self.rounds = rounds
        self.objective: Objective = objective
        self.antennas = antennas
        self.bs_scale = Normalise((40.0, 3.0, 1.0), (8.0, 1.5, 1.0))
        self.ue_scale = Normalise((30.0, 0.0), (20.0, 10.0))
        self.edge_scale = Normalise((10.0, -15.0, -20.0, 5.0, 0.0, 0.0), (20.0, 15.0, 20.0, 3.0, 1.0, 1.0))
        self.antenna_scale = Normalise((0.0,) * 6, (1.0, 1.0, 0.3, 0.1, 0.1, 0.1))
        self.bs_in = nn.Linear(len(BS_COLUMNS), hidden)
        self.ue_in = nn.Linear(len(UE_COLUMNS), hidden)
        self.antenna_in = nn.Linear(len(ANTENNA_COLUMNS), hidden)
        self.antenna_layers = nn.ModuleList(AntennaLayer(hidden) for _ in range(layers))
        self.layers = nn.ModuleList(BipartiteLayer(hidden, len(EDGE_COLUMNS)) for _ in range(layers))
        self.power_head = mlp(hidden + 2, hidden, 1 + memory)
        self.price_head = mlp(hidden, hidden, 1)
        self.antenna_head = mlp(2 * hidden, hidden, 1)
        self.refine = Refinement(hidden, memory, temperature=temperature)

    def forward(self, graph: HeteroData, rounds: int | None = None) -> Prediction:
        """Relaxed allocations after 0, 1, ... ``rounds`` rounds.

        Args:
            graph: a graph or a batch of graphs.
            rounds: number of rounds; the constructor's when ``None``.
        """
        links = links_of(graph)
        channels = channels_of(graph, links)
        prior = self._prior(graph, links, channels)
        bs, antenna_logits = self._encode(graph, links, prior)
        state = self._start(bs, prior, links, channels)
        seen = [self.refine.look(state, links, channels)]
        for _ in range(self.rounds if rounds is None else rounds):
            state = self.refine.step(state, seen[-1], bs, links, channels, self.objective)
            seen.append(self.refine.look(state, links, channels))
        return Prediction(seen, antenna_logits, links)

    @torch.no_grad()
    def allocate(self, graph: HeteroData, rounds: int | None = None) -> Allocation:
        """Allocation of a graph or batch: the best edge of every user, and power fractions times the budget."""
        prediction = self(graph, rounds)
        return to_allocation(graph, prediction.links, prediction.rounds[-1])

    def _prior(self, graph: HeteroData, links: Links, channels: Channels) -> Tensor:
        """Soft association by wideband SINR at equal power, edge layout."""
        sinr_db = links.lift(graph[CHANNEL].edge_attr[:, 1]).to(channels.snr.dtype)
        scores = sinr_db / 5
        if channels.may_serve is not None:
            scores = scores.masked_fill(~channels.may_serve, -1e9)
        return links.softmax(scores)

    def _encode(self, graph: HeteroData, links: Links, prior: Tensor) -> tuple[Tensor, Tensor]:
        bs = self.bs_in(self.bs_scale(graph["bs"].x)).relu()
        ue = self.ue_in(self.ue_scale(graph["ue"].x)).relu()
        antenna = self.antenna_in(self.antenna_scale(graph["antenna"].x)).relu()
        edge = links.lift(self.edge_scale(graph[CHANNEL].edge_attr))
        prior = prior.to(edge.dtype)
        mounted_on = graph[MOUNTED_ON].edge_index
        for antenna_layer, layer in zip(self.antenna_layers, self.layers, strict=True):
            if self.antennas:
                bs = antenna_layer(bs, antenna, mounted_on)
            bs, ue = layer(bs, ue, edge, prior, links)
        source, target = mounted_on
        logits = antenna.new_zeros(antenna.shape[0])
        if self.antennas:
            joint = self.antenna_head(torch.cat([antenna[source], bs[target]], 1)).squeeze(1)
            logits = logits.index_add(0, source, joint)
        return bs, logits

    def _start(self, bs: Tensor, prior: Tensor, links: Links, channels: Channels) -> State:
        """The encoder's own allocation: power and price heads on the station states and on statistics per block."""
        load = links.sum_to_bs(prior).clamp_min(1e-3)
        weight = prior.unsqueeze(-1)
        quality = links.sum_to_bs(weight * channels.snr) / load.unsqueeze(1)
        spill = links.sum_to_bs((1 - weight) * channels.snr)
        spill = spill / (links.sum_to_bs(torch.ones_like(prior)) - load).clamp_min(1e-3).unsqueeze(1)
        columns = [_relative_log(quality), _relative_log(spill)]  # [N, R]
        blocks = quality.shape[1]
        local = torch.stack(columns, -1).to(bs.dtype)
        out = self.power_head(torch.cat([local, bs.unsqueeze(1).expand(-1, blocks, -1)], -1))
        logits = out[..., 0] - torch.tensor(float(blocks)).log() + 3.0
        price = load.log().to(bs.dtype) + self.price_head(bs).squeeze(1)
        return State(logits, price, out[..., 1:].tanh())


def _relative_log(value: Tensor) -> Tensor:
    log = value.clamp_min(1e-12).log()
    return log - log.mean(1, keepdim=True)


def to_allocation(graph: HeteroData, links: Links, last: Round) -> Allocation:
    """Round a relaxed allocation: every user to its best edge, powers as they are."""
    slot = links.argmax_slot(last.scores)
    power = last.fraction.to(graph["bs"].power_max_w.dtype) * graph["bs"].power_max_w.unsqueeze(1)
    return Allocation(links.station_of(slot), power)
