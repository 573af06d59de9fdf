"""Observations of a handover environment: its state as a graph, as much of it as a level may see."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.graph import Terms
from hetgraph.envs.handover.tables import ReportedLinks, TrajectoryTables
from hetgraph.graph.schema import CHANNEL, NEIGHBOURS, Level
from hetgraph.radio.handover import resource_rates

LONGEST = 255  # steps since the last handover beyond which rows do not count


@dataclass(frozen=True)
class StepState:
    """The state at the beginning of a step.

    Args:
        row: row of each network in the tables ``[B]``, of what users have reported.
        links: what they reported of their own cell and its rivals ``[B, U, k + 1]``.
        node: those cells as nodes of the batch ``[B, U, k + 1]``.
        count: users of each cell ``[B, K]``.
        users: users of those cells ``[B, U, k + 1]``.
        gain_db: how much stronger they are, with bias where it counts ``[B, U, k + 1]``.
        stronger: the user may ask for the cell, if it takes another user ``[B, U, k + 1]``.
        allowed: and it does ``[B, U, k + 1]``.
        level: users' levels in the last step ``[B, U]``.
        since: steps since their last handover ``[B, U]``.
        rate: their rates over the bandwidth in the last step ``[B, U]``.
        moved: share of users who were handed over in the last step ``[B]``.
        step: number of the step in the episode ``[B]``.
    """

    row: Tensor
    links: ReportedLinks
    node: Tensor
    count: Tensor
    users: Tensor
    gain_db: Tensor
    stronger: Tensor
    allowed: Tensor
    level: Tensor
    since: Tensor
    rate: Tensor
    moved: Tensor
    step: Tensor


def fill(
    graph: HeteroData,
    tables: TrajectoryTables,
    terms: Terms,
    state: StepState,
    level: Level,
    near: Tensor | None = None,
) -> HeteroData:
    """Write the state into a graph, and return it.

    Edges ``(bs, channel, ue)``, ``k + 1`` for each user with its own cell first, have what the user reported one step ago, but
    at level ``genie``, where gains and efficiencies are the present ones: ``gain``, ``spectral_efficiency`` with all other cells at
    full power, ``bias_db``, ``distance_m``, ``measured``; the ``users`` of the edge's cell; and ``allowed``, whether the user may ask
    for it. ``local`` does not know the users of other cells (zero; ``allowed`` is then the margin alone) and has no edges
    between cells; ``neighbourhood`` knows those of its neighbours; ``global`` and ``genie`` know all, and have the share of
    users that were handed over, too.

    Args:
        graph: of the level.
        tables: what users receive.
        terms: constants.
        state: of the networks.
        level: whose graph it is.
        near: cells that hear of each other ``[B, K, K]``, see :func:`~hetgraph.envs.handover.graph.set_network`.
    """
    known = known_places(graph, state.links.cell, level, near)
    links = tables.present(state.links, state.row) if level == "genie" else state.links
    bs, ue, edges = graph["bs"], graph["ue"], graph[CHANNEL]
    bs.users = state.count.flatten()
    bs.room = (terms.rule.room - bs.users).clamp_min(0)
    ue.level, ue.since_slots = state.level.flatten(), state.since.flatten()
    ue.rate_bps = (state.rate * terms.bandwidth_hz).flatten()
    ue.speed_mps = tables.trajectories.speed_mps.flatten(0, 1)[state.row].flatten()
    ue.pos = tables.places(state.row).flatten(0, 1)
    edges.edge_index[0] = state.node.flatten()
    gain = tables.gain(links)
    edges.gain = gain.reshape(-1, 1)
    ue.far_interference_w = tables.far_interference_w(state.row, links, gain).reshape(-1, 1)
    edges.spectral_efficiency = links.efficiency.flatten()
    edges.allowed = (state.allowed if known is None else torch.where(known, state.allowed, state.stronger)).flatten()
    edges.users = (state.users if known is None else state.users * known).flatten()
    edges.bias_db = (links.biased_db - links.received_db).flatten()
    edges.distance_m = tables.distance(links).flatten()
    edges.measured = tables.measured(links).flatten()
    graph.slots_left = terms.steps - state.step.to(gain.dtype)
    if level in ("global", "genie"):
        graph.handover_rate = state.moved
    return graph


def known_places(graph: HeteroData, cell: Tensor, level: Level, near: Tensor | None) -> Tensor | None:
    """Places whose cell's users the serving cell knows ``[B, U, k + 1]``; ``None`` for all.

    Args:
        graph: of the level.
        cell: of each place, the serving one first ``[B, U, k + 1]``.
        level: whose graph it is.
        near: cells that hear of each other ``[B, K, K]``, see :func:`~hetgraph.envs.handover.graph.set_network`.
    """
    if level == "local":
        own: Tensor = graph[CHANNEL].own.view_as(cell)
        return own
    if level != "neighbourhood" or near is None:
        return None
    of_own = near.gather(1, cell[..., :1].expand(-1, -1, near.shape[2]))  # [B, U, K]
    return of_own.gather(2, cell)


def level_graph(graph: HeteroData, level: Level) -> HeteroData:
    """Graph of a level beside that of others: the same tensors, no neighbours at ``local``."""
    out = graph.__copy__()
    if level == "local":
        out[NEIGHBOURS].edge_index = torch.zeros(2, 0, dtype=torch.long, device=graph["bs"].max_users.device)
    return out


def packed_rows(state: StepState, network: Tensor, begin: Tensor, cells: int) -> dict[str, Tensor]:
    """The state of each network in 4 bytes a user: what :func:`recalled` needs beside the trajectories.

    Cells, levels, steps since the last handover (up to 255, far beyond what observations tell) and, as bits, which cells the
    user may ask for.
    """
    kind = torch.uint8 if cells <= 256 else torch.int16
    bits = 2 ** torch.arange(state.stronger.shape[2], device=state.row.device)
    return {
        "network": network.clone(),
        "begin": begin.clone(),
        "step": state.step.clone(),
        "cell": state.links.cell[..., 0].to(kind),
        "level": state.level.to(torch.uint8),
        "since": state.since.clamp_max(LONGEST).to(torch.uint8),
        "stronger": (state.stronger * bits).sum(2).to(torch.uint8 if len(bits) <= 8 else torch.long),
        "moved": state.moved.clone(),
    }


def unpacked_state(rows: Mapping[str, Tensor], tables: TrajectoryTables, terms: Terms, places: int) -> StepState:
    """State of rows of :func:`rows_of`, any number of them."""
    step, cell = rows["step"], rows["cell"].long()
    n, k = len(step), tables.trajectories.cells
    row = tables.rows(rows["network"], rows["begin"] + step)
    links = tables.links(row, cell)
    node = links.cell + k * torch.arange(n, device=cell.device).reshape(-1, 1, 1)
    count = torch.bincount(node[..., 0].flatten(), minlength=n * k).to(links.efficiency.dtype)
    users, level = count[node], rows["level"].long()
    bits = 2 ** torch.arange(places, device=cell.device)
    stronger = (rows["stronger"].long().unsqueeze(2) & bits) > 0
    allowed = stronger & (users < terms.rule.room)
    allowed[..., 0] = True
    # Users were served where they reported from, in the step before.
    rate = resource_rates(cell, level, links.efficiency[..., 0], k, levels=terms.levels, model=terms.model)
    return StepState(
        row=row,
        links=links,
        node=node,
        count=count.reshape(n, k),
        users=users,
        gain_db=links.biased_db - links.biased_db[..., :1],
        stronger=stronger,
        allowed=allowed,
        level=level,
        since=rows["since"].long(),
        rate=rate,
        moved=rows["moved"],
        step=step,
    )
