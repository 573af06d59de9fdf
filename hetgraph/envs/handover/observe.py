"""Observations of a handover environment: its state as a graph, as much of it as a level may see."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.graph import STATE_COLUMNS, Terms, presence
from hetgraph.envs.handover.lookup import Look, Pool
from hetgraph.envs.handover.reward import BALANCED, SIGNAL_DB, per_cell
from hetgraph.graph.schema import CHANNEL, Level


@dataclass(frozen=True)
class Now:
    """The state at the beginning of a step.

    Args:
        row: row of each network in the pool ``[B]``.
        look: what users receive from their own cell and its rivals ``[B, U, k + 1]``.
        node: those cells as nodes of the batch ``[B, U, k + 1]``.
        count: users of each cell ``[B, K]``.
        users: users of those cells ``[B, U, k + 1]``.
        gain_db: how much stronger they are, with bias where it counts ``[B, U, k + 1]``.
        stronger: the user may ask for the cell, if it takes another user ``[B, U, k + 1]``.
        allowed: and it does ``[B, U, k + 1]``.
        level: users' levels in the last step ``[B, U]``.
        since: steps since their last handover ``[B, U]``.
        log_rate: their log(1 + rate / unit) in the last step ``[B, U]``.
        moved: share of users who were handed over in the last step ``[B]``.
        step: number of the step in the episode ``[B]``.
    """

    row: Tensor
    look: Look
    node: Tensor
    count: Tensor
    users: Tensor
    gain_db: Tensor
    stronger: Tensor
    allowed: Tensor
    level: Tensor
    since: Tensor
    log_rate: Tensor
    moved: Tensor
    step: Tensor


def fill(graph: HeteroData, pool: Pool, terms: Terms, now: Now, level: Level) -> HeteroData:
    """Write the state into a graph, and return it.

    Nodes ``bs`` have ``load``, ``users`` and ``room [B * K]`` and ``x``; ``ue`` has ``cell`` (its number in the network) and
    ``level [B * U]`` and ``x``; edges ``(bs, channel, ue)``, ``k + 1`` for each user with its own cell first, have ``allowed``,
    ``efficiency`` (bit/s/Hz) and ``gain_db`` (as the rule compares) ``[E]`` and ``edge_attr``; pairs ``(bs, neighbours, bs)``
    have their distance; the graph has ``step [B]`` and ``state [B, 12]``. Columns are those of
    :mod:`~hetgraph.envs.handover.graph`.

    What users receive they report to their own cell: all levels have it. ``local`` does not know the load of other cells
    (zero; ``allowed`` is then the margin alone); ``neighbourhood`` knows those that its users can ask for; ``global`` and
    ``genie`` have the ``state`` of the network, which is zero before.
    """
    local, everything = level == "local", level in ("global", "genie")
    bs, ue, edges = graph["bs"], graph["ue"], graph[CHANNEL]
    allowed = now.stronger if local else now.allowed
    bs.users = now.count.flatten()
    bs.load = bs.users / terms.rule.max_users
    bs.room = (terms.rule.room - bs.users).clamp_min(0)
    ue.cell, ue.level = now.look.cell[..., 0].flatten(), now.level.flatten()
    edges.edge_index[0] = now.node.flatten()
    edges.allowed, edges.gain_db = allowed.flatten(), now.gain_db.flatten()
    edges.efficiency = now.look.efficiency.flatten()
    _edge_columns(edges.edge_attr.view(*now.node.shape, -1), pool, terms, now, local)
    _user_columns(ue.x.view(*now.since.shape, -1), pool, terms, now)
    _cell_columns(bs.x.view(*now.count.shape, -1), terms, now, allowed)
    graph.step = now.step.clone()
    graph.state = _state(terms, now) if everything else now.moved.new_zeros(len(now.row), len(STATE_COLUMNS))
    return graph


def _edge_columns(x: Tensor, pool: Pool, terms: Terms, now: Now, local: bool) -> None:
    """Columns ``EDGE_COLUMNS`` of ``x [B, U, k + 1, Fe]``; that of staying stays."""
    look, users = now.look, now.users
    torch.mul(look.received_db - look.received_db[..., :1], 0.1, out=x[..., 0])
    torch.mul(look.efficiency, 0.2, out=x[..., 1])
    torch.mul(users, 1 / terms.rule.max_users, out=x[..., 2])
    with_it = users + 1
    with_it[..., 0] -= 1
    torch.log1p(look.efficiency / with_it * terms.scale, out=x[..., 3])
    x[..., 8] = presence(x[..., 3], with_it)
    if local:
        x[..., 1:, 2:4] = x[..., 8] = 0
    torch.mul(pool.distance(look), 1 / 500, out=x[..., 4])
    if pool.any_measured:
        x[..., 6] = pool.measured(look)
    if pool.biases:
        torch.mul(look.biased_db - look.received_db, 0.1, out=x[..., 7])


def _user_columns(x: Tensor, pool: Pool, terms: Terms, now: Now) -> None:
    """Columns ``UE_COLUMNS`` of ``x [B, U, Fu]``."""
    efficiency = now.look.efficiency[..., 0]
    x[..., 0] = now.look.received_db[..., 0] / SIGNAL_DB
    x[..., 1] = (efficiency.exp2() - 1).clamp_min(1e-9).log10() / 2
    x[..., 2] = efficiency / 5
    x[..., 3] = now.log_rate
    x[..., 4] = pool.trajectories.speed_mps.flatten(0, 1)[now.row] / 10
    x[..., 5] = now.level / max(terms.levels - 1, 1)
    x[..., 6] = now.since.clamp_max(10) / 10
    x[..., 7] = now.users[..., 0] / terms.rule.max_users


def _cell_columns(x: Tensor, terms: Terms, now: Now, allowed: Tensor) -> None:
    """Columns ``BS_COLUMNS`` of ``x [B, K, Fb]``; that of powers stays."""
    efficiency = now.look.efficiency[..., 0]
    leaves = allowed[..., 1:].any(2).to(efficiency.dtype)
    columns = [efficiency, efficiency.square(), leaves]
    total, square, leavers = per_cell(columns, now.node[..., 0], now.count.shape[1])
    there = now.count.clamp_min(1)
    mean = total / there
    x[..., 0] = now.count / terms.rule.max_users
    x[..., 1] = (x[..., 0] - BALANCED).abs()
    x[..., 2] = mean / 5
    x[..., 3] = (square / there - mean.square()).clamp_min(0).sqrt() / 5
    x[..., 5] = leavers / there
    x[..., 6] = (terms.rule.room - now.count).clamp_min(0) / terms.rule.max_users
    x[..., 7:9] = terms.turn(now.step).T.unsqueeze(1)


def _state(terms: Terms, now: Now) -> Tensor:
    """Columns ``STATE_COLUMNS`` of each network ``[B, 12]``."""
    load, received = now.count / terms.rule.max_users, now.look.received_db[..., 0] / SIGNAL_DB
    spread = load.std(1, correction=0)
    columns = [load.mean(1), spread, load.amax(1), load.amin(1), spread.square()]
    columns += [
        received.mean(1),
        received.std(1, correction=0),
        now.log_rate.mean(1),
        now.log_rate.std(1, correction=0),
    ]
    columns += [(load > 0).to(load.dtype).mean(1), now.moved, (now.count >= terms.rule.room).to(load.dtype).mean(1)]
    return torch.stack(columns, 1)
