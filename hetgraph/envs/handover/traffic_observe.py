"""Observations of a world of handovers with traffic: its state as a graph, as much of it as a level may see."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.handover.graph import Terms
from hetgraph.envs.handover.observe import known_places
from hetgraph.envs.handover.traffic_state import Limits, TrafficState
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.radio.rates import spectral_efficiency
from hetgraph.units import db_to_linear

LONGEST = 255  # decision steps since the last handover beyond which rows do not count


@dataclass(frozen=True)
class TrafficView:
    """What cells and users know when a decision is asked for; received powers and interference are over noise.

    Args:
        cell: each user's cell and its strongest others by filtered measurements ``[B, U, k + 1]``.
        reported_db: filtered measurements of them, dB.
        present_db: what users really receive of them, dB.
        reported_sum: interference of all cells by their activities, noise and background included, by the measurements ``[B, U]``.
        present_sum: the same of what they really receive ``[B, U]``.
        queue: bits that wait ``[B, U]``.
        rate: bits over time that were served in the last step ``[B, U]``, bit/s.
        rate_mean: its moving mean ``[B, U]``, bit/s.
        level: resource level ``[B, U]``.
        since: decision steps since the last handover ``[B, U]``.
        connected: users that can be served ``[B, U]``.
        pos: places of users ``[B, U, 3]``, m.
        speed: theirs ``[B, U]``, m/s.
        activity: of cells ``[B, K]``.
        offset_db: of cells ``[B, K]``, dB.
        moved: handovers over users in the last step ``[B]``.
        step: number of the decision ``[B]``.
    """

    cell: Tensor
    reported_db: Tensor
    present_db: Tensor
    reported_sum: Tensor
    present_sum: Tensor
    queue: Tensor
    rate: Tensor
    rate_mean: Tensor
    level: Tensor
    since: Tensor
    connected: Tensor
    pos: Tensor
    speed: Tensor
    activity: Tensor
    offset_db: Tensor
    moved: Tensor
    step: Tensor

    def allowed(self) -> Tensor:
        """Places to which users may be sent ``[B, U, k + 1]``: all of them, but only the own one without a link."""
        allowed = self.connected.unsqueeze(2).expand(self.cell.shape).clone()
        allowed[..., 0] = True
        return allowed


def candidates(filtered: Tensor, cell: Tensor, places: int) -> Tensor:
    """Each user's cell and its strongest others ``[B, U, places]``, by measurements of all cells ``[B, U, K]``."""
    strongest = filtered.topk(places, dim=2).indices
    after_own = (strongest == cell.unsqueeze(2)).cumsum(2) > 0  # from the own cell on the list moves up by one
    result = torch.empty_like(strongest)
    result[..., 0] = cell
    result[..., 1:] = torch.where(after_own[..., :-1], strongest[..., 1:], strongest[..., :-1])
    return result


def interference(power_db: Tensor, activity: Tensor, floor: Tensor | float) -> Tensor:
    """Interference of all cells at their activities plus noise ``[B, U]``, over noise."""
    return torch.bmm(db_to_linear(power_db), activity.unsqueeze(2)).squeeze(2) + floor


def efficiencies(power_db: Tensor, total: Tensor, activity: Tensor, cell: Tensor, most: float) -> Tensor:
    """Spectral efficiency at each place ``[B, U, k + 1]``, all other cells interfering by their activities.

    Args:
        power_db: received power over noise ``[B, U, k + 1]``, dB.
        total: of :func:`interference` ``[B, U]``.
        activity: of cells ``[B, K]``.
        cell: of each place ``[B, U, k + 1]``.
        most: largest SINR that counts.
    """
    power = db_to_linear(power_db)
    own = power * activity.gather(1, cell.flatten(1)).view_as(power)
    return spectral_efficiency(power, (total.unsqueeze(2) - own).clamp_min(1.0), most=most)


def fill(
    graph: HeteroData, view: TrafficView, terms: Terms, limits: Limits, level: Level, near: Tensor | None
) -> HeteroData:
    """Write the state into a graph, and return it.

    Edges ``(bs, channel, ue)``, ``k + 1`` for each user with its own cell first, have what the user measured last, filtered, but at
    level ``genie``, where they have what it really receives: ``gain``; ``spectral_efficiency`` with all other cells interfering by
    their activities; ``distance_m``; the ``users`` of the edge's cell; and ``allowed``, whether the user may be sent there.
    Stations have ``users``, ``activity``, ``offset_db`` and ``backlog_slots``, the decision steps that their users' queues need at
    the present efficiencies; users ``queue_bits``, ``rate_bps`` of the last step and ``rate_mean_bps``. Levels hide what
    :func:`~hetgraph.envs.handover.observe.fill` hides.

    Args:
        graph: of the level.
        view: what is known.
        terms: constants.
        limits: physics.
        level: whose graph it is.
        near: cells that hear of each other ``[B, K, K]``, see :func:`~hetgraph.envs.handover.graph.set_network`.
    """
    genie = level == "genie"
    power_db, total = (view.present_db, view.present_sum) if genie else (view.reported_db, view.reported_sum)
    bs, ue, edges, (b, k) = graph["bs"], graph["ue"], graph[CHANNEL], view.activity.shape
    node = view.cell + k * torch.arange(b, device=view.cell.device).reshape(-1, 1, 1)
    own = node[..., 0].flatten()
    efficiency = efficiencies(power_db, total, view.activity, view.cell, limits.most)
    work = view.queue / (efficiency[..., 0] * terms.bandwidth_hz * terms.slot_s).clamp_min(1e-3)
    zero = view.activity.new_zeros(b * k)
    count = zero.scatter_add(0, own, torch.ones_like(view.queue).flatten())
    bs.users, bs.room = count, (terms.rule.max_users - count).clamp_min(0)
    bs.activity, bs.offset_db = view.activity.flatten(), view.offset_db.flatten()
    bs.backlog_slots = zero.scatter_add(0, own, work.flatten())
    ue.level, ue.since_slots = view.level.flatten(), view.since.flatten()
    ue.queue_bits, ue.speed_mps, ue.pos = view.queue.flatten(), view.speed.flatten(), view.pos.flatten(0, 1)
    ue.rate_bps, ue.rate_mean_bps = view.rate.flatten(), view.rate_mean.flatten()
    edges.edge_index[0] = node.flatten()
    power = db_to_linear(power_db)
    edges.gain = (power * terms.noise_w / bs.power_max_w[node]).reshape(-1, 1)
    sent = (power * view.activity.gather(1, view.cell.flatten(1)).view_as(power)).sum(2)
    ue.far_interference_w = ((total - sent - 1).clamp_min(0) * terms.noise_w).reshape(-1, 1)
    edges.spectral_efficiency, edges.allowed = efficiency.flatten(), view.allowed().flatten()
    users, known = count[node], known_places(graph, view.cell, level, near)
    edges.users = (users if known is None else users * known).flatten()
    edges.bias_db, edges.measured = torch.zeros_like(edges.users), torch.zeros_like(edges.own)
    away = bs.pos[node.flatten(), :2] - ue.pos[edges.edge_index[1], :2]
    edges.distance_m = away.norm(dim=1)
    graph.slots_left = terms.steps - view.step.to(power.dtype)
    graph.time_unit = torch.ones_like(graph.slots_left)
    graph.tick_s = torch.full_like(graph.slots_left, limits.clock.tick_s)
    if level in ("global", "genie"):
        graph.handover_rate = view.moved
    return graph


def packed(view: TrafficView, cells: int) -> dict[str, Tensor]:
    """Rows of each network, one for each field of the view; small integers in one or two bytes."""
    small = torch.uint8 if cells <= 256 else torch.int16
    kinds = {"cell": small, "level": torch.uint8, "since": torch.uint8}
    return {name: value.to(kinds.get(name, value.dtype), copy=True) for name, value in vars(view).items()}


def unpacked(rows: Mapping[str, Tensor]) -> TrafficView:
    """Inverse of :func:`packed`."""
    long = ("cell", "level", "since")
    names = TrafficView.__dataclass_fields__
    return TrafficView(**{name: rows[name].long() if name in long else rows[name] for name in names})


def view_of(
    state: TrafficState,
    present_db: Tensor,
    floor: Tensor | float,
    *,
    places: int,
    every: int,
    rate: Tensor,
    rate_mean: Tensor,
    pos: Tensor,
    speed: Tensor,
    moved: Tensor,
    step: int,
) -> TrafficView:
    """What is known of a state.

    Args:
        state: of the networks.
        present_db: received power over noise of all cells ``[B, U, K]``, dB.
        floor: noise plus background over noise.
        places: of each user.
        every: ticks of a decision step.
        rate: see :class:`TrafficView`, as for the others.
        rate_mean: likewise.
        pos: likewise.
        speed: likewise.
        moved: likewise.
        step: number of the decision.
    """
    cell = candidates(state.filtered, state.cell, places)
    return TrafficView(
        cell=cell,
        reported_db=state.filtered.gather(2, cell),
        present_db=present_db.gather(2, cell),
        reported_sum=interference(state.filtered, state.activity, floor),
        present_sum=interference(present_db, state.activity, floor),
        queue=state.queue.clone(),
        rate=rate,
        rate_mean=rate_mean,
        level=state.level.clone(),
        since=torch.div(state.since, every, rounding_mode="floor").clamp_max(LONGEST),
        connected=state.dead <= 0,
        pos=pos,
        speed=speed,
        activity=state.activity.clone(),
        offset_db=state.offset_db.clone(),
        moved=moved,
        step=torch.full((len(cell),), step, device=cell.device),
    )
