"""Users arrive one by one and are associated for as long as they stay (Randall et al., Section III-A)."""

import copy
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.action_spec import ActionSpec, Part
from hetgraph.envs.arrivals.graph import DENSE, CandidateNeighbours, bind, empty_graph, set_layout, share_stations
from hetgraph.envs.arrivals.incoming import incoming
from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.arrivals.replay import pack, unpack
from hetgraph.envs.arrivals.service import Users
from hetgraph.envs.arrivals.service_state import ServiceState
from hetgraph.envs.arrivals.sources import Source, strongest_with_room
from hetgraph.envs.arrivals.table import Table
from hetgraph.envs.base import GraphEnv, check_level
from hetgraph.envs.step import Step
from hetgraph.graph.counters import Networks
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import Level


class ArrivalEnv(GraphEnv[Tensor]):
    """``B`` networks; in each slot at most one user arrives and asks one of the stations it hears for resource blocks.

    A slot: an arrival, the decision, a slot of service, departures. The action ``place [B]`` names a place among the ``K``
    stations that the user hears, the strongest first; ``K`` rejects. A user that is sent to a station without room, or to one
    that is too weak, is rejected, too, and counted in ``info["refused"] [B]``. In slots without an arrival the action does not
    matter. ``info["decides"] [B]`` says where the observation asks for a decision: a user is there, and a station has room.

    The reward is the utility of the slot by station ``[B, N]``, the sum of ``log(1 + throughput)`` over its users.

    The graph has ``N C + 1`` users for stations of ``C`` places, the last one arrives. Each has an edge to every station that it
    heard on arrival, rewritten in place on admission; ``serving_slot`` is its own. Users who are not there are inactive, and
    their gains zero. A station knows itself and its users, who report the gains of all their edges to it; who arrives reports
    to all stations that it hears, which are neighbours of each other. So every edge of a user who is there is known at every
    level; levels differ by gains, places and rates of users who move, which are those of one slot ago for all but ``genie``.

    Episodes of all networks end together. With ``finite`` this is the end of the task (*terminated*), else a time limit
    (*truncated*) beyond which to bootstrap.

    Args:
        scenario: see :func:`~hetgraph.envs.arrivals.presets.arrivals`: a preset's name, a scenario, contract graphs, or a source.
        num_envs: networks B.
        probability: of an arrival in a slot; ``None`` for the source's own, of which each network draws one.
        demand: mean demand; likewise.
        finite: the episode's end is the task's end.
        level: of the observations.
        seed: of the arrivals.
        first: number of the first network; network i has the same random numbers alone and among many.
        device: where the tensors are.

    Raises:
        ValueError: a value out of its range, or a layout that does not fit.
    """

    def __init__(
        self,
        scenario: str | Scenario | HeteroData | Source = "grows-3",
        num_envs: int = 1,
        *,
        probability: float | None = None,
        demand: float | None = None,
        finite: bool = True,
        level: Level = "neighbourhood",
        seed: int = 0,
        first: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        if num_envs < 1 or first < 0:
            raise ValueError(f"num_envs, first: got {num_envs}, {first}, expected at least 1 and at least 0")
        check_level(level)
        self.source = arrivals(scenario, probability, demand)
        self.service, self.slots, k = self.source.service, self.source.slots, self.source.links_per_user
        self.num_envs, self.num_stations, self.places = num_envs, self.service.stations, self.service.places
        self.finite, self.level, self.device, self.first = finite, level, torch.device(device), first
        self.seed, self.episode = seed, -1
        place = (Part("place", ("B",), n=k + 1, mask="place_mask"),)
        sizes = {"B": num_envs, "N": self.num_stations, "U": self.num_stations * self.places + 1}
        self.action = ActionSpec(
            place, place, sizes, lambda parts: parts["place"], lambda action, name: action, self.device
        )
        self._allocate()
        self._start()

    def _allocate(self) -> None:
        """Tensors and graphs, once."""
        b, k = self.num_envs, self.source.links_per_user
        self.state = ServiceState(b, self.service, k, self.source.period, self.slots, self.device)
        graph = empty_graph(self.source, b, self.state)
        share_stations(graph, self.state)
        graph.slots_left = torch.zeros(b, device=self.device)
        below = copy.copy(graph)  # two levels that know the same
        self._graphs: dict[Level, HeteroData] = {
            "genie": graph,
            "global": copy.copy(graph),
            "neighbourhood": below,
            "local": below,
        }
        self._room = torch.zeros(b, k + 1, dtype=torch.bool, device=self.device)  # rejection is no room
        self._totals = torch.zeros(2, b, device=self.device)  # utility and users who were taken
        self._pairs = CandidateNeighbours(k, self.device)
        self._bound = False

    @property
    def users(self) -> Users:
        """Users in service, views of the state."""
        return self.state.users

    @property
    def episode_slots(self) -> int:
        """Length of an episode."""
        return self.slots

    def _start(self) -> None:
        self.episode += 1
        networks = Networks(self.seed, range(self.first, self.first + self.num_envs))
        self.load(self.source.draw(networks, self.episode))
        self._given = False

    def load(self, table: Table) -> None:
        """Start an episode of given arrivals."""
        self.table, self._given = table.to(self.device), True
        self._incoming = incoming(self.table, self.num_stations)
        self.state.clear(self.table.signals.noise_w[0])
        self._totals.zero_()
        self._admit_start()
        self.slot = 0
        for level, graph in self._graphs.items():
            set_layout(graph, self.table.layout)
            graph.arrival_probability, graph.mean_demand = self.table.probability, self.table.mean_demand
            if not self._bound:
                bind(graph, self.state, level)
            if "pos" not in self.table.layout.bs:
                graph["ue"].pop("pos", None)
        self._bound = True
        self._look()

    def _admit_start(self) -> None:
        """Users who are in service before the first slot."""
        start = self.table.start
        self._started = torch.zeros(self.num_envs, device=self.device)
        if start is None:
            return
        rows, place = incoming(start.table, self.num_stations), start.place.unsqueeze(2)
        for number in range(len(place)):
            self.state.admit(number, rows, place[number], start.table.comes[number].unsqueeze(1))
        self._started += self.state.start()

    def _look(self) -> None:
        """The slot's user arrives; what stations know, and which of them have room."""
        t, rows = self.slot, self._incoming
        self.stations = self.state.arrive(t, rows, self.table.comes[t])
        free = self.stations.free.gather(1, rows.station[t])
        room = (free >= self.table.asked[t].unsqueeze(1)) & rows.usable[t]
        self._room[:, :-1] = strongest_with_room(room, self.source)
        self.state.set_may_serve(self._room[:, :-1])
        graph = self._graphs["genie"]  # all levels share these
        graph.slots_left.fill_(self.slots - t)
        if self.num_stations > DENSE:
            self._pairs.write(graph, rows.global_station[t])

    def _start_info(self) -> dict[str, Any]:
        return {"decides": self._room.any(1)}

    def step(self, action: Tensor) -> Step:
        """Associate the arriving users and serve for a slot.

        Args:
            action: place of the chosen station among those that the user hears ``[B]``; ``K`` for none.

        Raises:
            ValueError: another shape or dtype, or a place that does not exist.
        """
        self.action.check(action)
        t, k = self.slot, self.source.links_per_user
        choice = action.long().unsqueeze(1)
        taken = self._room.gather(1, choice)
        refused = self.table.comes[t] & ~taken.squeeze(1) & (action < k)
        self.state.admit(t, self._incoming, choice.clamp_max(k - 1), taken)
        utility = self.state.serve()
        self.slot += 1
        self.state.move(self.slot, self._incoming)
        self._totals[0] += utility.sum(1)
        self._totals[1] += taken.squeeze(1)
        self._look()
        info: dict[str, Any] = {"refused": refused}
        over = self.slot >= self.slots
        if over:
            info |= {"final_obs": self.observe(self.level).clone(), "episode": self._episode()}
            self._start()
        info["decides"] = self._room.any(1)
        ended = torch.full((self.num_envs,), over, device=self.device)
        no = torch.zeros_like(ended)
        return Step(self.observe(self.level), utility, ended if self.finite else no, no if self.finite else ended, info)

    def _episode(self) -> dict[str, Tensor]:
        """Indicators of the episode that ends."""
        (utility, taken), arrived = self._totals, self.table.comes[: self.slots].sum(0).float()
        present = self.stations.users.sum(1)
        return {
            "utility": utility / self.slots,
            "arrivals": arrived,
            "rejections": arrived - taken,
            "completions": self._started + taken - present,
        }

    def masks(self) -> dict[str, Tensor]:
        """``place_mask [B, K + 1]``: stations with room, and rejection."""
        mask = self._room.clone()
        mask[:, -1] = True
        return {"place_mask": mask}

    def observe(self, level: Level) -> HeteroData:
        """The networks as contract graphs, views of the state that the next step overwrites.

        Rates follow by Shannon's formula from gains, powers, noise, ``far_interference_w`` and, in sources with interference, the
        other edges' stations.

        Raises:
            ValueError: an unknown level.
        """
        check_level(level)
        return self._graphs[level]

    def pack(self) -> dict[str, Tensor]:
        """Observations as rows ``{name: [B, ...]}``, for a replay memory."""
        return pack(self.state, self._graphs["genie"], self.first)

    def unpack(self, rows: dict[str, Tensor], level: Level) -> HeteroData:
        """Observations of :meth:`pack`'s rows, equal to those of then, in any choice and order of networks.

        Raises:
            ValueError: an unknown level.
        """
        check_level(level)
        return unpack(rows, self.source, self.table.layout, level, self.first)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on, beside the source and what :meth:`load` was given."""
        values = {"seed": self.seed, "episode": self.episode, "slot": self.slot, "totals": self._totals.clone()}
        return values | self.state.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        if (self.seed, self.episode) != (state["seed"], state["episode"]) or self._given:
            self.seed, self.episode = state["seed"], state["episode"] - 1
            self._start()
        self._go_on(state)

    def _go_on(self, state: dict[str, Any]) -> None:
        self.slot = state["slot"]
        self._totals.copy_(state["totals"])
        self.state.load_state_dict(state)
        self._look()

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and deepcopy: views do not survive these, so the tensors are made anew."""
        fixed = ("source", "num_envs", "finite", "level", "device", "first")
        table = self.table if self._given else None
        return {**{name: getattr(self, name) for name in fixed}, "state": self.state_dict(), "table": table}

    def __setstate__(self, saved: dict[str, Any]) -> None:
        """Inverse of :meth:`__getstate__`."""
        state, table = saved.pop("state"), saved.pop("table")
        self.__init__(saved.pop("source"), saved.pop("num_envs"), seed=state["seed"], **saved)  # type: ignore[misc]
        if table is None:
            self.load_state_dict(state)
            return
        self.episode = state["episode"]
        self.load(table)
        self._go_on(state)
