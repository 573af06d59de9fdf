"""Encoders of users and their candidate cells: messages on the graph, or perceptrons."""

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from hetgraph.graph.facts import Facts
from hetgraph.nn.candidates import (
    BS_COLUMNS,
    EDGE_COLUMNS,
    STATE_COLUMNS,
    TIME_COLUMNS,
    UE_COLUMNS,
    CandidateEncoder,
    Candidates,
    GraphInputs,
    sum_by,
)
from hetgraph.nn.encoder import mlp
from hetgraph.radio.handover import rank_in_group

Encoder = Literal["graph", "flat", "flat-full", "single", "global"]
COLUMNS = {
    "bs": len(BS_COLUMNS) + len(TIME_COLUMNS),
    "ue": len(UE_COLUMNS),
    "edge": len(EDGE_COLUMNS),
    "state": len(STATE_COLUMNS),
}
RECEIVED, LOAD, LOG_RATE = 0, 0, 3  # columns of users, cells, users
GLOBAL = 24
SLOTS = 30  # users of a cell that a flat encoder has room for


@dataclass(frozen=True)
class Encoded:
    """Values and states of an encoder.

    Args:
        place: values of places ``[B * U, C]``.
        level: values of resource levels ``[B * U, L]``.
        own: a cell's own value ``[B * K]``.
        user: a user's own value, to the network and in its credit ``[B * U, 2]``.
        station: states of cells ``[B * K, H]``.
        state: state of the network ``[B, S]``.
    """

    place: Tensor
    level: Tensor
    own: Tensor
    user: Tensor
    station: Tensor
    state: Tensor


def head(inner: int, outer: int) -> nn.Linear:
    """A linear layer that begins at zero: nobody moves until something is known."""
    out = nn.Linear(inner, outer)
    nn.init.zeros_(out.weight)
    nn.init.zeros_(out.bias)
    return out


class GraphEncoder(nn.Module):
    """Messages on the graph; association values on edges, resource values on users.

    Values add a linear part of the features to that of the messages: how one rate compares with another is almost all of it.
    Levels have the same value for all users: with a head on users' states small errors cost more than there is to win.

    Args:
        hidden: width.
        rounds: rounds of messages.
        places: places C of a user.
        levels: resource levels.
        announced: the last column of places is their value if users do as they announce.
    """

    def __init__(self, hidden: int, rounds: int, places: int, levels: int, announced: bool) -> None:
        super().__init__()
        bs, ue, edge = (COLUMNS[kind] for kind in ("bs", "ue", "edge"))
        edge, self.announced = edge + announced, announced
        ue += places * (1 + edge)
        self.messages = CandidateEncoder(hidden, rounds, ue, edge)
        self.place, self.place_linear = head(hidden, 1), head(edge, 1)
        self.level = nn.Parameter(torch.zeros(levels))
        self.own, self.own_linear = head(hidden, 1), head(bs, 1)
        self.user, self.user_linear = head(hidden, 2), head(ue, 2)
        self.widths = hidden, 2 * hidden

    def inputs(self, facts: Facts, raw: Candidates) -> GraphInputs:
        """What messages read of a graph, beside candidates that are brought to scale."""
        return self.messages.inputs(facts, raw)

    def forward(self, candidates: Candidates, inputs: GraphInputs | None) -> Encoded:
        """Values and states."""
        assert inputs is not None
        candidates = replace(candidates, ue=user_columns(candidates))
        station, place = self.messages(candidates, inputs)
        wide = station.reshape(candidates.shape[0], candidates.shape[1], -1)
        state = torch.cat([wide.mean(1), wide.amax(1)], 1)
        level = self.level.expand(candidates.ue.shape[0], -1)
        user = self.user(place[:, 0]) + self.user_linear(candidates.ue)
        own = (self.own(station) + self.own_linear(candidates.bs)).squeeze(1)
        value = (self.place(place) + self.place_linear(candidates.edge)).squeeze(2)
        return Encoded(value, level, own, user, station, state)

    @torch.no_grad()
    def start(self, candidates: Candidates, weight: Tensor, reward: Tensor, credit: Tensor) -> None:
        """Let values begin with what of rewards and credits is linear in the features, and places with their announced value.

        Args:
            candidates: some observations.
            weight: importance of users ``[B * U]``.
            reward: normalised rewards of the cells that they led to ``[B * K]``.
            credit: normalised credits of users ``[B * U]``.
        """
        if self.announced:
            self.place_linear.weight.zero_()
            self.place_linear.weight[0, -1] = 1.0
        columns = user_columns(candidates)
        users = sum_by(candidates.serving, columns * weight.unsqueeze(1), candidates.cells())
        result = least_squares(torch.cat([candidates.bs, users], 1), reward)
        linear, users_linear, rest = torch.split(result, [candidates.bs.shape[1], columns.shape[1], 1])
        self.own_linear.weight[0], self.own_linear.bias[0], self.user_linear.weight[0] = linear, rest[0], users_linear
        result = least_squares(columns, credit)
        self.user_linear.weight[1], self.user_linear.bias[1] = result[:-1], result[-1]


def least_squares(columns: Tensor, value: Tensor) -> Tensor:
    """Weights of columns ``[n, F]`` and of a constant, the last one, that fit ``value [n]`` best; small ones are preferred."""
    table = torch.cat([columns, torch.ones_like(columns[:, :1])], 1).double()
    gram = table.T @ table + 1e-3 * len(table) * torch.eye(table.shape[1], device=table.device)
    result: Tensor = torch.linalg.solve(gram, table.T @ value.double()).to(value.dtype)
    return result


def user_columns(candidates: Candidates) -> Tensor:
    """What is known of users and all their places ``[B * U, Fu + C (1 + Fe)]``: what can be had later counts too."""
    return torch.cat([candidates.ue, candidates.edge.flatten(1), candidates.allowed.to(candidates.ue.dtype)], 1)


class FlatEncoder(nn.Module):
    """A perceptron for each cell on its 30 strongest users, one after the other; cells share its weights.

    The local state has the paper's 321 numbers: ten of each user, three of each of three neighbours, twelve of the cell. RSRQ and
    CQI, which follow from the SINR, give way to the last level and the steps since the last handover. With ``full`` all that is
    known of a user's places comes instead of the ten. Further users of a cell stay.

    Args:
        hidden: width.
        places: places C of a user.
        levels: resource levels.
        full: all features.
    """

    def __init__(self, hidden: int, places: int, levels: int, full: bool) -> None:
        super().__init__()
        self.full, self.places, self.levels = full, places, levels
        per = COLUMNS["ue"] + (places * (1 + COLUMNS["edge"]) if full else 2)
        width = SLOTS * per + 3 * (places - 1) + COLUMNS["bs"] + 3
        self.network = mlp(width, hidden, hidden)
        self.out, self.own = head(hidden, SLOTS * (places + levels + 1)), nn.Linear(hidden, 1)
        self.widths = hidden, GLOBAL

    def inputs(self, facts: Facts, raw: Candidates) -> None:
        """Nothing beside candidates."""

    def forward(self, candidates: Candidates, inputs: GraphInputs | None) -> Encoded:
        """Values; zero for users without a slot."""
        cells = candidates.cells()
        rank = rank_in_group(candidates.ue[:, RECEIVED], candidates.serving, cells)
        slot, has_slot = candidates.serving * SLOTS + rank.clamp_max(SLOTS - 1), (rank < SLOTS).unsqueeze(1)
        row = self._rows(candidates) * has_slot
        wide = row.new_zeros(cells * SLOTS, row.shape[1]).index_add_(0, slot, row)
        hidden = silu(self.network(torch.cat([wide.reshape(cells, -1), self._cell(candidates)], 1)))
        result = self.out(hidden).reshape(cells * SLOTS, -1)[slot] * has_slot
        place, level, user = result.split([self.places, self.levels, 1], 1)
        user = torch.cat([torch.zeros_like(user), user], 1)
        return Encoded(place, level, self.own(hidden).squeeze(1), user, hidden, totals(candidates))

    def _rows(self, candidates: Candidates) -> Tensor:
        """Columns of each user ``[B * U, F]``."""
        if self.full:
            return user_columns(candidates)
        power, distance = candidates.bs[candidates.serving, 4:5], candidates.edge[:, 0, 4:5]
        return torch.cat([candidates.ue, power, distance], 1)

    def _cell(self, candidates: Candidates) -> Tensor:
        """Mean gap, load and distance of the users' other places, the cell's columns, loads around it ``[B * K, 18 + ...]``."""
        b, k, _, _ = candidates.shape
        columns = torch.cat(
            [candidates.edge[:, 1:][..., [0, 2, 4]].flatten(1), torch.ones_like(candidates.ue[:, :1])], 1
        )
        total = sum_by(candidates.serving, columns, b * k)
        load = candidates.bs[:, LOAD].reshape(b, k)
        around = torch.stack([load - load.mean(1, keepdim=True), load.mean(1, keepdim=True).expand_as(load)], 2)
        most = load.amax(1, keepdim=True).expand_as(load).reshape(-1, 1)
        return torch.cat([total[:, :-1] / total[:, -1:].clamp_min(1), candidates.bs, around.flatten(0, 1), most], 1)


class UserEncoder(nn.Module):
    """A perceptron on what each user knows of itself and a place, with the network's totals or without; users are the agents.

    Args:
        hidden: width.
        levels: resource levels.
        everything: add the totals.
    """

    def __init__(self, hidden: int, levels: int, everything: bool) -> None:
        super().__init__()
        self.everything = everything
        self.network = mlp(COLUMNS["ue"] + COLUMNS["edge"] + GLOBAL * everything, hidden, hidden)
        self.place, self.level, self.user = head(hidden, 1), head(hidden, levels), head(hidden, 2)
        self.widths = 0, GLOBAL

    def inputs(self, facts: Facts, raw: Candidates) -> None:
        """Nothing beside candidates."""

    def forward(self, candidates: Candidates, inputs: GraphInputs | None) -> Encoded:
        """Values of users and their places."""
        _, _, u, c = candidates.shape
        columns, whole = [candidates.ue.unsqueeze(1).expand(-1, c, -1), candidates.edge], totals(candidates)
        if self.everything:
            columns.append(whole.repeat_interleave(u, 0).unsqueeze(1).expand(-1, c, -1))
        hidden = silu(self.network(torch.cat(columns, 2)))
        place, station = self.place(hidden).squeeze(2), hidden.new_zeros(candidates.cells(), 0)
        own, user = hidden.new_zeros(candidates.cells()), self.user(hidden[:, 0])
        return Encoded(place, self.level(hidden[:, 0]), own, user, station, whole)


def totals(candidates: Candidates) -> Tensor:
    """State of a network without a graph ``[B, 24]``: the paper's twelve, and deciles of loads and log rates, the time."""
    b, k, u, _ = candidates.shape
    tenths = candidates.bs.new_tensor([0.1, 0.3, 0.5, 0.7, 0.9])
    load, rate = candidates.bs[:, LOAD].reshape(b, k), candidates.ue[:, LOG_RATE].reshape(b, u)
    parts = [torch.quantile(value, tenths, dim=1).T for value in (load, rate)]
    return torch.cat([candidates.state, *parts, candidates.bs.reshape(b, k, -1)[:, 0, -2:]], 1)


def encoder_of(
    kind: Encoder, hidden: int, rounds: int, places: int, levels: int, announced: bool
) -> GraphEncoder | FlatEncoder | UserEncoder:
    """Encoder by name.

    Raises:
        ValueError: an unknown name, or announcements for an encoder that does not read them.
    """
    if kind not in get_args(Encoder):
        raise ValueError(f"encoder: got {kind!r}, expected one of {', '.join(get_args(Encoder))}")
    if announced and kind != "graph":
        raise ValueError(f"intentions: got announcements with encoder {kind!r}, expected 0 of them, or 'graph'")
    if kind == "graph":
        return GraphEncoder(hidden, rounds, places, levels, announced)
    if kind in ("flat", "flat-full"):
        return FlatEncoder(hidden, places, levels, kind == "flat-full")
    return UserEncoder(hidden, levels, kind == "global")
