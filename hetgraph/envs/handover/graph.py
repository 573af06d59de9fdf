"""What does not change in the graphs of a handover environment: who is where, and how edges are ordered."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.handover.masts import Masts
from hetgraph.graph.schema import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, SCHEMA_VERSION
from hetgraph.radio.handover import HandoverRule, ResourceModel

DENSE, NEAREST = 30, 8  # all pairs of cells are neighbours up to so many; beyond, the nearest of each cell


@dataclass(frozen=True)
class Sizes:
    """Networks B, cells K, users U and places k + 1 of each user."""

    networks: int
    cells: int
    users: int
    places: int


@dataclass(frozen=True)
class Terms:
    """Constants of a handover environment.

    Args:
        rule: when a user may change.
        model: how levels count.
        levels: number of levels.
        bandwidth_hz: of every cell.
        noise_w: over the band.
        slot_s: time between two steps.
        rate_unit_bps: rate that counts as one in log(1 + rate).
        steps: of an episode.
    """

    rule: HandoverRule
    model: ResourceModel
    levels: int
    bandwidth_hz: float
    noise_w: float
    slot_s: float
    rate_unit_bps: float
    steps: int

    @property
    def scale(self) -> float:
        """Rate of a spectral efficiency of one, in units of the utility."""
        return self.bandwidth_hz / self.rate_unit_bps

    def log_rate(self, efficiency: Tensor) -> Tensor:
        """log(1 + rate / unit) of a spectral efficiency."""
        return (efficiency * self.scale).log1p()


def empty_graph(sizes: Sizes, terms: Terms, device: torch.device) -> HeteroData:
    """Stations with an antenna each, users with ``k + 1`` edges each, the own one in slot 0, and constants."""
    b, k, u = sizes.networks, sizes.cells, sizes.users
    networks = torch.arange(b, device=device)
    graph = Batch(_base_cls=HeteroData)
    graph._num_graphs = b
    for store, count in (("bs", k), ("ue", u), ("antenna", k)):
        graph[store].batch = networks.repeat_interleave(count)
        graph[store].ptr = count * torch.arange(b + 1, device=device)
    graph["bs"].max_users = torch.full((b * k,), terms.rule.max_users, device=device)
    graph["ue"].noise_w = torch.full((b * u, 1), terms.noise_w, device=device)
    graph["ue"].serving_slot = torch.zeros(b * u, dtype=torch.long, device=device)
    graph["antenna"].offset = torch.zeros(b * k, 3, device=device)
    graph["antenna"].boresight = torch.zeros(b * k, 2, device=device)
    graph[MOUNTED_ON].edge_index = torch.arange(b * k, device=device).expand(2, -1).contiguous()
    graph[CONFLICTS].edge_index = torch.zeros(2, 0, dtype=torch.long, device=device)
    user = torch.arange(b * u, device=device).repeat_interleave(sizes.places)
    slot = torch.arange(sizes.places, device=device).repeat(b * u)
    edges = graph[CHANNEL]
    edges.edge_index, edges.slot = torch.stack([torch.zeros_like(user), user]), slot
    edges.known, edges.own = torch.ones_like(slot, dtype=torch.bool), slot == 0
    graph.rb_bandwidth_hz = torch.full((b, 1), terms.bandwidth_hz, device=device)
    for name, value in (
        ("slot_s", terms.slot_s),
        ("rate_unit_bps", terms.rate_unit_bps),
        ("episode_slots", float(terms.steps)),
        ("levels", terms.levels),
        ("shared", terms.model == "shared"),
        ("schema_version", SCHEMA_VERSION),
    ):
        graph[name] = torch.full((b,), value, device=device)
    return graph


def set_network(graph: HeteroData, bs_pos: Tensor, power_w: Tensor) -> Tensor | None:
    """What changes with the networks: places, powers and neighbours of cells.

    Args:
        graph: of :func:`empty_graph`.
        bs_pos: cells' positions ``[B, K, 2]``, m.
        power_w: their powers ``[B, K]``, W.

    Returns:
        Whether each cell hears of each other one, or is it ``[B, K, K]``; ``None`` where all hear of all.
    """
    b, k = power_w.shape
    distance = torch.cdist(bs_pos, bs_pos)
    apart = distance + torch.diag(torch.full((k,), torch.inf, device=distance.device))
    near = k - 1 if k <= DENSE else NEAREST
    source = apart.topk(near, dim=2, largest=False).indices.sort(2).values  # [B, K, near]
    first = k * torch.arange(b, device=source.device).reshape(-1, 1, 1)
    target = torch.arange(k, device=source.device).reshape(1, -1, 1) + first
    graph[NEIGHBOURS].edge_index = torch.stack([(source + first).flatten(), target.expand_as(source).flatten()])
    bs = graph["bs"]
    bs.pos = torch.cat([bs_pos, torch.zeros_like(bs_pos[..., :1])], 2).flatten(0, 1).float()
    bs.power_max_w = power_w.flatten()
    bs.rb_power_max_w = power_w.reshape(-1, 1)
    if near == k - 1:
        return None
    own = torch.eye(k, dtype=torch.bool, device=source.device).expand(b, -1, -1)
    return own.scatter(2, source, True)


def set_masts(graph: HeteroData, masts: Masts, network: Tensor, tier: Tensor) -> None:
    """Antennas, heights and kinds of the stations.

    Args:
        graph: of :func:`empty_graph` after :func:`set_network`.
        masts: of all networks.
        network: number of each network of the graph ``[B]``.
        tier: of its cells ``[B, K]``.
    """
    (b, k), count, device = tier.shape, len(masts.station), tier.device
    numbers, antenna = torch.arange(b, device=device), graph["antenna"]
    antenna.batch, antenna.ptr = numbers.repeat_interleave(count), count * torch.arange(b + 1, device=device)
    antenna.offset, antenna.boresight = masts.offset[network].flatten(0, 1), masts.boresight[network].flatten(0, 1)
    owner = (masts.station + k * numbers.unsqueeze(1)).flatten()
    graph[MOUNTED_ON].edge_index = torch.stack([torch.arange(b * count, device=device), owner])
    graph["bs"].tier = tier.flatten()
    graph["bs"].pos[:, 2] = masts.height_m[network].flatten()
