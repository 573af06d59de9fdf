"""What the cells and users of a handover environment look like as a graph, column by column."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph.schema import CHANNEL, NEIGHBOURS
from hetgraph.radio.handover import HandoverRule, ResourceModel

BS_COLUMNS = (
    "load",  # users / max_users
    "off_balance",  # abs(load - 0.5)
    "efficiency",  # mean spectral efficiency of its users' links, 5 bit/s/Hz as one
    "efficiency_spread",  # and its standard deviation
    "power",  # transmit power, dB over 1 W, 10 dB as one
    "leavers",  # share of its users that may leave
    "room",  # users that it takes now / max_users
    "cos_time",  # of the episode, one turn
    "sin_time",
)
UE_COLUMNS = (
    "received",  # power of its cell over noise, 40 dB as one
    "sinr",  # 20 dB as one
    "efficiency",  # log2(1 + SINR), 5 bit/s/Hz as one
    "log_rate",  # log(1 + rate / unit) that it had in the last step
    "speed",  # 10 m/s as one
    "level",  # of the last step, the highest as one
    "since_handover",  # steps, 10 and more as one
    "load",  # of its cell
)
EDGE_COLUMNS = (
    "gap",  # received power over that of the serving cell, 10 dB as one
    "efficiency",  # spectral efficiency there, 5 bit/s/Hz as one
    "load",  # there
    "log_rate",  # log(1 + rate / unit) there, with an equal share for itself beside those who are there
    "distance",  # 500 m as one
    "stay",  # the serving cell
    "measured",
    "bias",  # range expansion that the rule counts, 10 dB as one
    "worth",  # what the user's presence there adds to the utility of all, see `presence`
)
STATE_COLUMNS = (
    "load_mean",
    "load_std",
    "load_max",
    "load_min",
    "load_variance",
    "received_mean",  # of users, 40 dB as one
    "received_std",
    "log_rate_mean",
    "log_rate_std",
    "active",  # share of cells with users
    "handover_rate",  # of the last step
    "peak",  # share of cells that take nobody
)
DENSE, NEAREST = 30, 8  # all pairs of cells are neighbours up to so many; beyond, the nearest of each cell


@dataclass(frozen=True)
class Sizes:
    """Networks B, cells K, users U and places k + 1 of each user."""

    networks: int
    cells: int
    users: int
    places: int


def skeleton(sizes: Sizes, device: torch.device) -> HeteroData:
    """What does not change: who is where, and how edges are ordered."""
    b, k, u = sizes.networks, sizes.cells, sizes.users
    networks = torch.arange(b, device=device)
    graph = Batch(_base_cls=HeteroData)
    graph._num_graphs = b
    for store, count in (("bs", k), ("ue", u)):
        graph[store].batch = networks.repeat_interleave(count)
        graph[store].ptr = count * torch.arange(b + 1, device=device)
    graph["bs"].x = torch.zeros(b * k, len(BS_COLUMNS), device=device)
    graph["ue"].x = torch.zeros(b * u, len(UE_COLUMNS), device=device)
    user = torch.arange(b * u, device=device).repeat_interleave(sizes.places)
    graph[CHANNEL].edge_index = torch.stack([torch.zeros_like(user), user])
    edge = torch.zeros(b * u, sizes.places, len(EDGE_COLUMNS), device=device)
    edge[:, 0, EDGE_COLUMNS.index("stay")] = 1
    graph[CHANNEL].edge_attr = edge.flatten(0, 1)
    return graph


def set_network(graph: HeteroData, bs_pos: Tensor, power_w: Tensor) -> None:
    """What changes with the networks: neighbours and their distances, powers.

    Args:
        graph: of :func:`skeleton`.
        bs_pos: cells' positions ``[B, K, 2]``, m.
        power_w: their powers ``[B, K]``, W.
    """
    b, k = power_w.shape
    distance = torch.cdist(bs_pos, bs_pos)
    apart = distance + torch.diag(torch.full((k,), torch.inf, device=distance.device))
    near = k - 1 if k <= DENSE else NEAREST
    source = apart.topk(near, dim=2, largest=False).indices.sort(2).values  # [B, K, near]
    first = k * torch.arange(b, device=source.device).reshape(-1, 1, 1)
    target = torch.arange(k, device=source.device).reshape(1, -1, 1) + first
    edges = graph[NEIGHBOURS]
    edges.edge_index = torch.stack([(source + first).flatten(), target.expand_as(source).flatten()])
    edges.edge_attr = distance.gather(2, source).reshape(-1, 1) / 500
    graph["bs"].x[:, BS_COLUMNS.index("power")] = power_w.log10().flatten()


@dataclass(frozen=True)
class Terms:
    """Constants that an observation is read by.

    Args:
        rule: when a user may change.
        model: how levels count.
        levels: number of levels.
        bandwidth_hz: of every cell.
        rate_unit_bps: rate that counts as one in log(1 + rate).
        steps: of an episode.
    """

    rule: HandoverRule
    model: ResourceModel
    levels: int
    bandwidth_hz: float
    rate_unit_bps: float
    steps: int

    @property
    def scale(self) -> float:
        """Rate of a spectral efficiency of one, in units of the utility."""
        return self.bandwidth_hz / self.rate_unit_bps

    def log_rate(self, efficiency: Tensor) -> Tensor:
        """log(1 + rate / unit) of a spectral efficiency."""
        return (efficiency * self.scale).log1p()

    def write(self, graph: HeteroData, networks: int) -> None:
        """Tell a graph of so many networks what does not change: ``max_users``, ``levels``, ``scale`` and ``shared [B]``."""
        device = graph["bs"].x.device
        graph.max_users = torch.full((networks,), self.rule.max_users, device=device)
        graph.levels = torch.full((networks,), self.levels, device=device)
        graph.scale = torch.full((networks,), self.scale, device=device)
        graph.shared = torch.full((networks,), self.model == "shared", device=device)

    def turn(self, step: Tensor) -> Tensor:
        """Cosine and sine of the time in the episode ``[2, B]``."""
        angle = 2 * math.pi / self.steps * step
        return torch.stack([angle.cos(), angle.sin()])


def presence(log_rate: Tensor, users: Tensor) -> Tensor:
    r"""What a user adds to the sum of log rates of all by being in a cell: its own, less what the others lose.

    Of n equal shares each of the others loses :math:`\log(n / (n - 1))` as long as rates are well above the utility's unit.

    Args:
        log_rate: log(1 + rate / unit) of the user there ``[*]``.
        users: n, itself included ``[*]``.
    """
    others = (users - 1).clamp_min(0)
    return log_rate - (others * (users / others.clamp_min(1)).log())
