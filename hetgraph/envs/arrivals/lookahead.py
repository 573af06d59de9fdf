"""References for association that look ahead: a causal one on drawn futures, and one that knows what comes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.arrivals.rules import Rule
from hetgraph.envs.arrivals.service import Stations, Users, admit, serve, stations_of
from hetgraph.envs.arrivals.sources import Source, rates_and_room
from hetgraph.envs.arrivals.start_users import users_at_start
from hetgraph.envs.arrivals.table import Table
from hetgraph.graph.counters import Networks
from hetgraph.graph.schema import Level
from hetgraph.radio.candidate_stations import CandidateStations, candidate_stations_of

Decide = Callable[[int, CandidateStations], Tensor]


def candidate_stations_at(
    table: Table, slot: int, stations: Stations, source: Source, slots_left: int
) -> CandidateStations:
    """Those of a slot, straight from the tables; :func:`~hetgraph.radio.candidate_stations.candidate_stations_of` reads the graph."""
    comes, asked, near = table.comes[slot], table.asked[slot], table.station[slot]
    rate, free, room = rates_and_room(table, slot, stations, source)
    return CandidateStations(
        comes,
        table.demand[slot] * comes,
        asked * comes,
        near,
        rate,
        room,
        stations.users.gather(1, near),
        free,
        stations.utility.gather(1, near),
        stations.backlog.gather(1, near),
        table.probability,
        table.mean_demand,
        torch.full_like(table.mean_demand, slots_left),
        torch.full_like(table.mean_demand, source.service.time_unit),
    )


def play(
    users: Users, table: Table, source: Source, decide: Decide, *, first: int = 0, last: int
) -> tuple[Tensor, Users]:
    """Utility of slots ``first`` to ``last - 1`` ``[B]`` and who is left; rates stay what they are on arrival."""
    service = source.service
    total = torch.zeros(users.left.shape[0], device=users.left.device)
    for slot in range(first, last):
        stations = stations_of(users, service)
        candidates = candidate_stations_at(table, slot, stations, source, last - slot)
        place = decide(slot, candidates)
        most = candidates.room.shape[1] - 1
        at = place.clamp_max(most).unsqueeze(1)
        rate = candidates.rate.gather(1, at).squeeze(1)
        room = candidates.room.gather(1, at).squeeze(1) & (place <= most)
        station = torch.where(room, candidates.station.gather(1, at).squeeze(1), -1)
        users, _ = admit(users, station, candidates.demand, rate, candidates.asked)
        users, utility, _ = serve(users, service)
        total = total + utility.sum((1, 2))
    return total, users


def users_of(obs: HeteroData) -> Users:
    """Users in service in an observation."""
    ue, b = obs["ue"], obs.mean_demand.shape[0]
    stations, per = obs["bs"].users.shape[0] // b, ue.active.shape[0] // b
    columns = (value.reshape(b, per)[:, :-1] for value in (ue.demand, ue.rate, ue.asked_rb))
    return Users(*(value.reshape(b, stations, -1) for value in columns))


class RolloutLookahead:
    """The best first choice on the mean of drawn futures, in which a rule goes on (Bertsekas' one-step rollout).

    All choices are tried on the same futures. It knows how arrivals are drawn and who is in service, and sums utility to the end
    of the episode without a discount: the strongest causal reference here.

    Args:
        source: of the futures.
        base: the rule that goes on.
        futures: how many are drawn.
        horizon: slots that are looked ahead; ``None`` for all that are left.
    """

    level: Level = "global"
    name = "rollout"

    def __init__(self, source: Source, base: Rule, futures: int = 16, horizon: int | None = None) -> None:
        self.source, self.base, self.futures, self.horizon = source, base, futures, horizon

    def initial_state(self, obs: HeteroData) -> None:
        """Nothing to remember."""

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Tensor, Any]:
        """Places of the chosen stations ``[B]``."""
        candidates, generator = candidate_stations_of(obs), generator or Generator()
        out = self.base.choose(candidates, generator)
        open_ = (candidates.room.sum(1) > 1).nonzero().squeeze(1)
        if len(open_):
            out[open_] = self._try(candidates, users_of(obs), open_, generator)
        return out, state

    def _try(self, candidates: CandidateStations, users: Users, rows: Tensor, generator: Generator) -> Tensor:
        """Best places of some networks ``[n]``."""
        s, k, n = self.futures, candidates.room.shape[1], len(rows)
        slots = (
            int(candidates.slots_left.max())
            if self.horizon is None
            else min(int(candidates.slots_left.max()), self.horizon)
        )
        each = rows.repeat_interleave(s)
        drawn = Networks(int(torch.randint(1 << 40, (), generator=generator)), range(n * s))
        probability, mean = candidates.probability[each], candidates.mean_demand[each]
        table = self.source.draw(drawn, slots=slots, probability=probability, mean=mean)
        copies = torch.arange(n * s).repeat_interleave(k)  # futures of a network, choices of a future
        table = table.select(copies)
        network = each.repeat_interleave(k)
        table.comes[0], table.demand[0], table.asked[0] = True, candidates.demand[network], candidates.asked[network]
        table.station[0], table.rate[0] = candidates.station[network], candidates.rate[network].unsqueeze(2)
        place = torch.arange(k).repeat(n * s)

        def decide(slot: int, now: CandidateStations) -> Tensor:
            return place if slot == 0 else self.base.choose(now, generator)

        total, _ = play(users.select(network), table, self.source, decide, last=slots)
        mean = total.reshape(n, s, k).mean(1)
        return mean.masked_fill(~candidates.room[rows], -torch.inf).argmax(1)


def clairvoyant(table: Table, source: Source, start: Tensor, *, sweeps: int = 4) -> tuple[Tensor, Tensor]:
    """Local search over all choices of an episode whose arrivals are known: a ceiling, as far as the search goes.

    The choices for two users who arrive one after the other are changed together where that raises the episode's utility, pair
    after pair, until a sweep changes nothing.

    Args:
        table: arrivals of ``T`` slots.
        source: of the arrivals.
        start: places to start from ``[T, B]``; K rejects.
        sweeps: largest number of sweeps.

    Returns:
        utility of the episodes ``[B]`` and the places ``[T, B]``.
    """
    last, networks = start.shape
    script, single = start.clone(), torch.arange(table.station.shape[2] + 1)
    first, second = (choice.flatten() for choice in torch.meshgrid(single, single, indexing="ij"))
    wide = torch.arange(networks).repeat_interleave(len(first))
    copies, later_user = table.select(wide), _next_arrival(table.comes[:last])
    for _ in range(sweeps):
        before, users = script.clone(), users_at_start(table, source.service)
        for slot in range(last):
            tried = script[:, wide].scatter(
                0, later_user[slot, wide].unsqueeze(0), second.repeat(networks).unsqueeze(0)
            )
            tried[slot] = first.repeat(networks)
            result, _ = play(users.select(wide), copies, source, _follow(tried), first=slot, last=last)
            kept, _ = play(users, table, source, _follow(script), first=slot, last=last)
            most, pair = result.reshape(networks, -1).max(1)
            better = tried[:, pair + len(first) * torch.arange(networks)]
            script = torch.where(most > kept + 1e-5, better, script)
            _, users = play(users, table, source, _follow(script), first=slot, last=slot + 1)
        if torch.equal(before, script):
            break
    total, _ = play(users_at_start(table, source.service), table, source, _follow(script), last=last)
    return total, script


def _follow(script: Tensor) -> Decide:
    return lambda slot, candidates: script[slot]


def _next_arrival(comes: Tensor) -> Tensor:
    """Slot of the next arrival after each slot ``[T, B]``; the slot itself where there is none."""
    own = torch.arange(len(comes)).unsqueeze(1).expand(comes.shape)
    out = own.clone()
    for slot in range(len(comes) - 2, -1, -1):
        after = out[slot + 1].masked_fill(out[slot + 1] == slot + 1, slot)  # none beyond the next slot
        out[slot] = torch.where(comes[slot + 1], slot + 1, after)
    return out
