"""Messages between users, the cells that they hear, and neighbouring cells."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.features import features
from hetgraph.graph.schema import CHANNEL, NEIGHBOURS

BS_COLUMNS = (
    "load",
    "off_balance",
    "efficiency_mean",
    "efficiency_std",
    "power_dbm",
    "leavers_share",
    "room_share",
)
TIME_COLUMNS = ("cos_time", "sin_time")  # of the network, told to its stations
UE_COLUMNS = (
    "own_snr_db",
    "own_sinr_db",
    "own_efficiency",
    "log_rate",
    "speed_mps",
    "level_share",
    "since_handover",
    "own_load",
)
EDGE_COLUMNS = (
    "own_gap_db",
    "efficiency",
    "load",
    "log_rate",
    "distance_m",
    "own",
    "measured",
    "bias_db",
    "presence",
)
NEIGHBOUR_COLUMNS = ("distance_m",)
STATE_COLUMNS = (
    "load_mean",
    "load_std",
    "load_max",
    "load_min",
    "load_variance",
    "own_snr_mean_db",
    "own_snr_std_db",
    "log_rate_mean",
    "log_rate_std",
    "busy_share",
    "handover_rate",
    "full_share",
)


@dataclass(frozen=True)
class Candidates:
    """Users and the cells that each may stay in or ask for, place 0 its own; cells are counted through the whole batch.

    Args:
        shape: networks B, cells K, users U and places C.
        bs: features of cells ``[B * K, Fb]``.
        ue: features of users ``[B * U, Fu]``.
        edge: features of a user's places ``[B * U, C, Fe]``.
        allowed: places that may be asked for ``[B * U, C]``.
        cell: cell of each place ``[B * U, C]``.
        near: pairs of neighbouring cells ``[2, N]``.
        near_edge: their features ``[N, Fn]``.
        state: totals of the networks ``[B, S]``.
        rate: of each place if its cell were the user's alone, in units of the utility ``[B * U, C]``.
        scale: rate of a spectral efficiency of 1 bit/s/Hz in these units ``[B * U]``.
        shared: levels share a cell ``[B * U]``.
        room: how many users each cell takes ``[B * K]``.
    """

    shape: tuple[int, int, int, int]
    bs: Tensor
    ue: Tensor
    edge: Tensor
    allowed: Tensor
    cell: Tensor
    near: Tensor
    near_edge: Tensor
    state: Tensor
    rate: Tensor
    scale: Tensor
    shared: Tensor
    room: Tensor

    @property
    def serving(self) -> Tensor:
        """Cell of each user ``[B * U]``."""
        return self.cell[:, 0]

    def cells(self) -> int:
        """Cells of all networks."""
        return self.shape[0] * self.shape[1]


def candidates_of(obs: HeteroData, totals: bool = True) -> Candidates:
    """What is read of an observation.

    Args:
        obs: of a handover environment.
        totals: work out totals of the networks; else, and below level ``global``, which alone knows them, they are zero.
    """
    facts, channel = Facts(obs), obs[CHANNEL]
    b, cells, users = int(obs.num_graphs), len(obs["bs"].users), len(obs["ue"].level)
    places = len(channel.slot) // users
    time = facts.at_bs(features(facts, None, TIME_COLUMNS))
    scale = obs.rb_bandwidth_hz[:, 0] / obs.rate_unit_bps
    knows_all = totals and "handover_rate" in obs._global_store
    return Candidates(
        (b, cells // b, users // b, places),
        torch.cat([features(facts, "bs", BS_COLUMNS), time], 1),
        features(facts, "ue", UE_COLUMNS),
        features(facts, CHANNEL, EDGE_COLUMNS).reshape(users, places, -1),
        channel.allowed.reshape(users, places),
        channel.edge_index[0].reshape(users, places),
        obs[NEIGHBOURS].edge_index,
        features(facts, NEIGHBOURS, NEIGHBOUR_COLUMNS),
        features(facts, None, STATE_COLUMNS) if knows_all else time.new_zeros(b, len(STATE_COLUMNS)),
        (channel.spectral_efficiency.reshape(b, -1) * scale.reshape(-1, 1)).reshape(users, places),
        scale.repeat_interleave(users // b),
        obs.shared.repeat_interleave(users // b),
        obs["bs"].room,
    )


def union(parts: Sequence[Candidates]) -> Candidates:
    """Observations of equal shape as one of all their networks."""
    b, *rest = parts[0].shape
    cells = parts[0].cells()
    shifted = [replace(one, cell=one.cell + i * cells, near=one.near + i * cells) for i, one in enumerate(parts)]
    names = [name for name in vars(parts[0]) if name not in ("shape", "near")]
    joined: dict[str, Any] = {name: torch.cat([getattr(one, name) for one in shifted]) for name in names}
    return Candidates((b * len(parts), *rest), near=torch.cat([one.near for one in shifted], 1), **joined)  # type: ignore[arg-type]


def sum_by(index: Tensor, value: Tensor, size: int) -> Tensor:
    """Rows of ``value [n, *]`` summed by ``index [n]`` into ``[size, *]``."""
    return value.new_zeros(size, *value.shape[1:]).index_add(0, index, value)


class CandidateEncoder(nn.Module):
    r"""States of cells and of users' places after rounds of messages user -> cell -> user.

    A place's state is :math:`\phi(W_e e + W_u u + W_s s_{cell} + W_o s_{serving})`. In each round a cell hears three sums: of the
    users that it serves, of the places to which these may leave, and of the users who may come from elsewhere. The last two tell
    it, and through it the users, how many others have the same wish. Once, cells hear their neighbours.

    Args:
        hidden: width of the states.
        rounds: rounds of messages.
        columns: features of cells, users, places and pairs of cells.
    """

    def __init__(self, hidden: int, rounds: int, columns: tuple[int, int, int, int]) -> None:
        super().__init__()
        bs, ue, edge, near = columns
        self.bs_in = nn.Linear(bs, hidden)
        self.ue_in, self.edge_in = nn.Linear(ue, hidden), nn.Linear(edge, hidden, bias=False)
        self.near_in, self.near_out = nn.Linear(near, 1), nn.Linear(hidden, hidden)
        self.enter = nn.Linear(hidden, 2 * hidden, bias=False)
        self.gather = nn.ModuleList(nn.Linear(5 * hidden, hidden) for _ in range(rounds))
        self.spread = nn.ModuleList(nn.Linear(hidden, 2 * hidden, bias=False) for _ in range(rounds))
        self.again = nn.ModuleList(nn.Linear(hidden, hidden) for _ in range(rounds))

    def forward(self, seen: Candidates) -> tuple[Tensor, Tensor]:
        """States of cells ``[B * K, H]`` and of places ``[B * U, C, H]``."""
        station = silu(self.bs_in(seen.bs))
        source, target = seen.near
        weight = self.near_in(seen.near_edge).sigmoid()
        heard = sum_by(target, weight * station[source], len(station))
        total = sum_by(target, weight, len(station)).clamp_min(1e-6)
        station = station + silu(self.near_out(heard / total))
        entry = self.edge_in(seen.edge) + self.ue_in(seen.ue).unsqueeze(1)
        place = silu(entry + self._ends(self.enter, station, seen))
        for gather, spread, again in zip(self.gather, self.spread, self.again, strict=True):
            station = station + silu(gather(torch.cat([station, *self._sums(place, seen)], 1)))
            place = silu(again(place) + entry + self._ends(spread, station, seen))
        return station, place

    def _ends(self, linear: nn.Module, station: Tensor, seen: Candidates) -> Tensor:
        """What a place's cell and the user's own cell say to it ``[B * U, C, H]``."""
        there, here = linear(station).chunk(2, 1)
        out: Tensor = there[seen.cell] + here[seen.serving].unsqueeze(1)
        return out

    def _sums(self, place: Tensor, seen: Candidates) -> list[Tensor]:
        """What cells hear: mean and sum of their users, sums of those who may leave and who may come ``[B * K, H]`` each."""
        size, serving, others = seen.cells(), seen.serving, seen.cell[:, 1:]
        may = place[:, 1:] * seen.allowed[:, 1:].unsqueeze(2)
        own = torch.cat([place[:, 0], torch.ones_like(place[:, 0, :1]), may.sum(1)], 1)
        own = sum_by(serving, own, size)
        width = place.shape[2]
        stay, count, leave = own[:, :width], own[:, width : width + 1], own[:, width + 1 :]
        come = sum_by(others.flatten(), may.flatten(0, 1), size)
        return [stay / count.clamp_min(1), stay / 10, leave / 10, come / 10]
