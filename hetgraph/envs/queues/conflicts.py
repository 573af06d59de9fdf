"""Which users disturb each other, as edges of a graph, where gains alone are given."""

import torch
from torch import Tensor
from torch_geometric.data import Batch

from hetgraph.envs.queues.layout import received_w
from hetgraph.graph.schema import CHANNEL, CONFLICTS, NEIGHBOURS
from hetgraph.radio.cells import Cells


def with_conflicts(batch: Batch, cells: Cells, conflict_db: float) -> Batch:
    r"""The batch with conflicts from gains where it has none, and with neighbours where stations' users are in conflict.

    User u disturbs user v if the station s(u) is received by v within ``conflict_db`` of its own one:
    :math:`p_{s(u)} g_{s(u) v} \ge p_{s(v)} g_{s(v) v} 10^{-\mathrm{conflict\_db} / 10}`, without fading; and always if they have
    the same station.

    Args:
        batch: prepared networks, changed in place.
        cells: who serves whom.
        conflict_db: how far below the own signal another one still disturbs, dB.
    """
    if not batch[CONFLICTS].edge_index.numel():
        pairs = _disturbed(batch, cells, conflict_db).nonzero()
        _set_pairs(batch, CONFLICTS, pairs, cells.shape[2])
    _b, n, u, _ = cells.shape
    source, target = batch[CONFLICTS].edge_index
    network, ends = source // u, torch.stack([cells.serving[source], cells.serving[target]]) % n
    near = cells.neighbours.clone()
    near[network, ends[0], ends[1]] = True
    near[network, ends[1], ends[0]] = True
    near &= ~torch.eye(n, dtype=torch.bool, device=near.device)
    if not torch.equal(near, cells.neighbours):
        pairs = near.nonzero()
        _set_pairs(batch, NEIGHBOURS, pairs[:, [0, 2, 1]], n)  # in row k the stations that station k hears
    return batch


def _disturbed(batch: Batch, cells: Cells, conflict_db: float) -> Tensor:
    """Whether user u disturbs user v ``[B, U, U]`` (row: u, column: v)."""
    b, n, u, _ = cells.shape
    bs, ue = batch[CHANNEL].edge_index
    table = received_w(batch).new_zeros(b * u * n)
    table[ue * n + bs % n] = received_w(batch)
    table = table.reshape(b, u, n)  # of user v from each station
    own = table.gather(2, cells.station.unsqueeze(2))
    strong = (table >= own * 10 ** (-conflict_db / 10)) & (table > 0)  # [B, v, station]
    hit = strong.transpose(1, 2).gather(1, cells.station.unsqueeze(2).expand(b, u, u))  # [B, u, v]
    same = cells.station.unsqueeze(2) == cells.station.unsqueeze(1)
    result: Tensor = (hit | same) & ~torch.eye(u, dtype=torch.bool, device=hit.device)
    return result


def _set_pairs(batch: Batch, store: tuple[str, str, str], pairs: Tensor, size: int) -> None:
    """Edges of rows (network, source, target), sorted by network; ``size`` nodes of each network."""
    networks = int(batch.num_graphs)
    batch[store].edge_index = pairs[:, 1:].t().contiguous() + pairs[:, 0] * size
    count = torch.bincount(pairs[:, 0], minlength=networks).cpu()
    step = (torch.arange(networks) * size).reshape(-1, 1, 1).expand(-1, 2, 1)
    batch._slice_dict[store] = {"edge_index": torch.cat([count.new_zeros(1), count.cumsum(0)])}
    batch._inc_dict[store] = {"edge_index": step}
