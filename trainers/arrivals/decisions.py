"""What a policy decided on a network of arriving users, over an episode."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs import ArrivalEnv
from hetgraph.envs.arrivals.layouts import LayoutArrivals
from hetgraph.envs.arrivals.rules import Rule, best
from hetgraph.envs.arrivals.service import admit, throughputs, utilities
from hetgraph.envs.arrivals.sources import Source
from hetgraph.envs.arrivals.table import Table
from hetgraph.envs.step import Step
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.candidate_stations import CandidateStations, candidate_stations_of
from hetgraph.solvers.offsets import Reports
from hetgraph.trainers.judge.decision_columns import Means
from hetgraph.trainers.judge.offsets import OFFSET
from hetgraph.trainers.task import Decisions

SAME_PLACE_M = 0.05  # places are kept in single precision


def decisions(env: ArrivalEnv, steps: Iterator[tuple[Tensor, Step]]) -> Decisions:
    """Stations of all who came, in the order in which they came, with what they received while they stayed."""
    table, service, slots, means = env.table, env.service, env.slots, Means()
    owner = torch.full((service.stations * service.places,), -1)  # who has a place at a station
    serving = torch.full((slots,), -1)  # of each slot's user
    rooms = torch.zeros_like(table.station[:slots, 0], dtype=torch.bool)
    data, utility, stay = (torch.zeros(slots, dtype=torch.double) for _ in range(3))
    for slot in range(slots):
        before, room = env.users.select(torch.tensor([0])), env.masks()["place_mask"][0, :-1].clone()
        action, _ = next(steps)
        rooms[slot] = room
        place = min(int(action[0]), len(room) - 1)
        if int(action[0]) < len(room) and bool(room[place]):
            serving[slot] = table.station[slot, 0, place]
        new = (table.demand[slot, :1], table.rate[slot, :1, place, 0], table.asked[slot, :1])
        users, seat = admit(before, serving[slot : slot + 1], *new)  # as the environment has just done
        owner[seat[seat >= 0]] = slot
        on = users.on.flatten() & (owner >= 0)  # without those who were there before
        received = throughputs(users, service, users.on.sum(2)).flatten()[on].double()
        who = owner[on]
        data.index_add_(0, who, received)
        utility.index_add_(0, who, utilities(received, service))
        stay.index_add_(0, who, torch.ones_like(received))
        means.add(users=users.on.sum(2)[0], load=users.asked.sum(2)[0] / service.blocks)
    came = table.comes[:slots, 0]
    rate = data * env.source.data_bits / (env.source.slot_s * stay.clamp_min(1))
    values = {"slot": torch.arange(slots), "stay_slots": stay, "rate_bps": rate, "utility": utility / stay.clamp_min(1)}
    admitted = torch.bincount(serving[serving >= 0], minlength=service.stations)
    received_w = table.signals.gain[:slots, 0, :, 0] * table.layout.bs["power_max_w"][0][table.station[:slots, 0]]
    near = torch.where(rooms, table.station[:slots, 0], -1)  # full stations take nobody, whatever their offset
    return Decisions(
        serving[came],
        {name: value[came] for name, value in values.items()},
        {"users": means["users"], "load": means["load"], "admitted": admitted},
        user=_who(env.source, table)[:slots][came],
        reports=Reports.of(near, 10 * received_w.log10(), serving),
    )


def _who(source: Source, table: Table) -> Tensor:
    """Which of the layout's users came in each slot ``[T]``, by where they stand; -1 where they come from anywhere."""
    where = table.signals.pos[:, 0, 0, :2].double()
    unknown = torch.full((len(where),), -1)
    if not isinstance(source, LayoutArrivals) or not isinstance(source.layout, Scenario):
        return unknown
    crowd = source.layout.users
    if crowd.placement != "fixed":
        return unknown
    distance, user = torch.cdist(where, torch.tensor(crowd.positions, dtype=torch.double)).min(1)
    return torch.where(distance < SAME_PLACE_M, user, -1)


class OffsetStation(Rule):
    """The strongest station with room after individual offsets.

    Args:
        offset_db: of each station ``[N]``, dB.
    """

    name = "offsets"

    def __init__(self, offset_db: Tensor) -> None:
        self.offset_db = offset_db

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the largest received power, offset included ``[B]``."""
        near = candidate_stations_of(obs)
        (b, k), power_w = near.station.shape, obs["bs"].power_max_w
        gain = obs[CHANNEL].gain.view(b, -1, k)[:, -1]  # the last user is the one who comes
        received_w = gain * power_w.view(b, -1).gather(1, near.station)
        return best(near, 10 * received_w.log10() + self.offset_db.to(gain)[near.station]), state

    def choose(self, candidates: CandidateStations, generator: Generator | None) -> Tensor:
        """Without offsets: the strongest with room."""
        return candidates.or_reject(candidates.room.to(torch.uint8).argmax(1))


def by_offsets(result: Decisions) -> OffsetStation:
    """Users at their strongest station with room after the offsets of decisions."""
    return OffsetStation(result.cells[OFFSET])
