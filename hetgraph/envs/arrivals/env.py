"""Users arrive one by one and are associated for as long as they stay (Randall et al., Section III-A)."""

from dataclasses import replace
from typing import Any, get_args

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.arrivals.presets import arrivals
from hetgraph.envs.arrivals.service import Users, admit, serve, stations_of
from hetgraph.envs.arrivals.sources import Source, offered
from hetgraph.envs.arrivals.table import Table
from hetgraph.envs.arrivals.user_links import UserLinks
from hetgraph.envs.step import Step
from hetgraph.graph.schema import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS, SCHEMA_VERSION, Level
from hetgraph.graph.streams import stream

DENSE = 30  # stations up to which all are neighbours; beyond, agents know the candidates of an arrival


class ArrivalEnv:
    """``B`` networks; in each slot at most one user arrives and asks one of the stations it hears for resource blocks.

    A slot: an arrival, the decision, a slot of service, departures. The action names a place among the stations that the user
    hears, the strongest first; a user that is sent to one that is no candidate, or nowhere, is rejected and gone. The
    reward is the utility of the slot, the sum of ``log(1 + throughput)`` over all users in service. In slots without an
    arrival the action does not matter.

    Episodes of all networks end together, and are then reset within the same step (``autoreset`` is ``same_step``): ``obs`` is
    the first observation of the next episode, ``info["final_obs"]`` the last one of the old and ``info["episode"]`` its totals.
    ``info["station_utility"]`` has the parts of the reward that are the stations' ``[B, N]``. With
    ``finite`` this is the end of the task (*terminated*), else a time limit (*truncated*) beyond which to bootstrap.

    Args:
        scenario: name of a preset (``grows-3``, ``grows-city``) or a source of arrivals.
        num_envs: networks B.
        probability: of an arrival in a slot; ``None`` for the source's own, of which each network draws one.
        demand: mean demand; likewise.
        finite: the episode's end is the task's end.
        level: of the observations.
        seed: of the arrivals.
        device: where the tensors are.

    Raises:
        ValueError: a value out of its range.
    """

    autoreset = "same_step"

    def __init__(
        self,
        scenario: str | Source = "grows-3",
        num_envs: int = 1,
        *,
        probability: float | None = None,
        demand: float | None = None,
        finite: bool = True,
        level: Level = "neighbourhood",
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs: got {num_envs}, expected at least 1")
        if level not in get_args(Level):
            raise ValueError(f"level: got {level!r}, expected one of {', '.join(get_args(Level))}")
        self.source = arrivals(scenario, probability, demand) if isinstance(scenario, str) else scenario
        self.service, self.slots = self.source.service, self.source.slots
        self.num_envs, self.num_stations = num_envs, self.service.stations
        self.places = self.service.places
        self.finite, self.level, self.device = finite, level, torch.device(device)
        self.seed, self.episode = seed, -1
        self._graph = self._skeleton()
        self._start()

    def _start(self) -> None:
        self.episode += 1
        table = self.source.draw(self.num_envs, stream(self.seed, self.episode, "arrivals"))
        self.load(table)

    def load(self, table: Table) -> None:
        """Start an episode of given arrivals."""
        self.table = table.to(self.device)
        self.users = Users.none(self.num_envs, self.service, self.device)
        self.links = UserLinks(self.table.signals, self.num_stations * self.places, self.source.period)
        self._graph["bs"].pos = self.table.signals.bs_pos.flatten(0, 1)
        self.slot = 0
        zero = torch.zeros(self.num_envs, device=self.device)
        self.totals = {"utility": zero, "arrivals": zero, "rejections": zero, "completions": zero}
        self._look()

    def _look(self) -> None:
        """What stations know, and what they offer the user that arrives."""
        self.stations = stations_of(self.users, self.service)
        self.offered = offered(self.table, self.slot, self.stations, self.source)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[HeteroData, dict[str, Any]]:
        """Start the next episode, or the first one of a seed.

        Args:
            seed: of the arrivals.
            options: none are known.

        Raises:
            ValueError: an option.
        """
        if options:
            raise ValueError(f"options: got {', '.join(options)}, expected none")
        if seed is not None:
            self.seed, self.episode = seed, -1
        self._start()
        return self.observe(self.level), {}

    def step(self, action: Tensor) -> Step:
        """Associate the arriving users and serve for a slot.

        Args:
            action: place of the chosen station among those that the user hears ``[B]``; -1 for none.

        Raises:
            ValueError: another shape, or a place that does not exist.
        """
        heard = self.source.heard
        if action.shape != (self.num_envs,) or action.is_floating_point():
            got = f"{action.dtype} {tuple(action.shape)}"
            raise ValueError(f"action: got {got}, expected integers of shape ({self.num_envs},)")
        low, high = (int(value) for value in action.aminmax())
        if low < -1 or high >= heard:
            raise ValueError(f"action: got values from {low} to {high}, expected -1..{heard - 1}")
        table, t = self.table, self.slot
        comes, place = table.comes[t], action.clamp_min(0).unsqueeze(1)
        station = table.station[t].gather(1, place).squeeze(1)
        rates, _, room = self.offered
        rate, taken = rates.gather(1, place).squeeze(1), room.gather(1, place).squeeze(1) & (action >= 0)
        users, at = admit(self.users, torch.where(taken, station, -1), table.demand[t], rate, table.asked[t])
        self.links.admit(t, place.squeeze(1), at)
        users, each, gone = serve(users, self.service)
        utility = each.sum((1, 2))
        self.users = self._move(users)
        found = {"utility": utility, "arrivals": comes, "rejections": comes & ~taken, "completions": gone}
        self.totals = {name: total + found[name] for name, total in self.totals.items()}
        self.slot += 1
        self._look()
        over = self.slot >= self.slots
        info: dict[str, Any] = {"station_utility": each.sum(2)}
        ended = torch.full((self.num_envs,), over, device=self.device)
        if over:
            info |= {"final_obs": self.observe(self.level).clone(), "episode": self.totals}
            self._start()
        no = torch.zeros_like(ended)
        return Step(self.observe(self.level), utility, ended if self.finite else no, no if self.finite else ended, info)

    def _move(self, users: Users) -> Users:
        """Users in service move on: their rates are those of the places that they are at."""
        if not self.source.period:
            return users
        self.links.advance()
        return replace(users, rate=self.links.now[:, :-1, 0].reshape(users.rate.shape) * users.on)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on, beside the source and the seed."""
        held = {name: value.clone() for name, value in vars(self.users).items()}
        held |= {f"total_{name}": value.clone() for name, value in self.totals.items()}
        held |= self.links.state_dict()
        return {"seed": self.seed, "episode": self.episode, "slot": self.slot, **held}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.seed, self.episode = state["seed"], state["episode"] - 1
        self._start()
        self.slot = state["slot"]
        self.users = Users(*(state[name].clone() for name in ("left", "rate", "asked")))
        self.totals = {name: state[f"total_{name}"].clone() for name in self.totals}
        self.links.load_state_dict(state)
        self._look()

    def observe(self, level: Level) -> HeteroData:
        """The networks as graphs: stations, users in service with an edge to their station, and the arriving user's edges.

        Gains are those of the places where users are now; users who are gone keep their last place. An edge's rate follows by
        Shannon's formula from its gain, its station's power, the user's noise and ``far_interference_w``, which of a user in
        service comes from all stations but its own, and of the arriving one from those that it has no edge to.

        All levels see the same; what stations know of their own users is all there is to know before the next arrival.

        Raises:
            ValueError: an unknown level.
        """
        if level not in get_args(Level):
            raise ValueError(f"level: got {level!r}, expected one of {', '.join(get_args(Level))}")
        graph, table, t = self._graph, self.table, self.slot
        users, stations, comes = self.users, self.stations, table.comes[t]
        bs, ue, edges = graph["bs"], graph["ue"], graph[CHANNEL]
        bs.users, bs.free_rb = stations.users.flatten(), stations.free.flatten()
        bs.utility, bs.backlog_slots = stations.utility.flatten(), stations.backlog.flatten()
        on, here = users.on.flatten(1), comes.unsqueeze(1)
        asked, demand = table.asked[t] * comes, table.demand[t] * comes
        ue.active = torch.cat([on, here], 1).flatten()
        ue.serving_slot = torch.cat([on.long() - 1, torch.full_like(here, -1, dtype=torch.long)], 1).flatten()
        ue.demand = torch.cat([users.left.flatten(1), demand.unsqueeze(1)], 1).flatten()
        ue.asked_rb = torch.cat([users.asked.flatten(1), asked.unsqueeze(1)], 1).flatten()
        signals, now = table.signals, self.links.now  # [B, M + 1, 6]
        now[:, -1, 2], now[:, -1, 3:] = signals.far_interference_w[t], signals.pos[t, :, 0]
        ue.pos, ue.far_interference_w = now[..., 3:].flatten(0, 1), now[..., 2:3].flatten(0, 1)
        near, (rate, _, room) = table.station[t], self.offered
        edges.edge_index[0].reshape(self.num_envs, -1)[:, -near.shape[1] :] = near + self._first
        edges.rate = torch.cat([users.rate.flatten(1), rate], 1).flatten()
        edges.gain = torch.cat([now[:, :-1, 1] * on, signals.gain[t, ..., 0]], 1).reshape(-1, 1)
        edges.may_serve = torch.cat([on, room], 1).flatten()
        graph.arrival_probability, graph.mean_demand = table.probability, table.mean_demand
        graph.time_unit = torch.full_like(table.mean_demand, self.service.time_unit)
        graph.slots_left = torch.full_like(table.mean_demand, self.slots - t)
        return graph

    def _skeleton(self) -> HeteroData:
        """What does not change: who is where, and how edges are ordered."""
        b, n, m, heard = self.num_envs, self.num_stations, self.num_stations * self.places, self.source.heard
        networks = torch.arange(b, device=self.device)
        graph = Batch(_base_cls=HeteroData)
        graph._num_graphs = b
        power_w = self.source.power_w.to(self.device).repeat(b)
        graph["bs"].power_max_w, graph["bs"].rb_power_max_w = power_w, power_w.unsqueeze(1)
        graph["ue"].noise_w = torch.full((b * (m + 1), 1), self.source.noise_w, device=self.device)
        for store in ("bs", "antenna"):  # an antenna each, in the place of its station
            graph[store].batch = networks.repeat_interleave(n)
            graph[store].ptr = n * torch.arange(b + 1, device=self.device)
        graph["ue"].batch = networks.repeat_interleave(m + 1)
        graph["ue"].ptr = (m + 1) * torch.arange(b + 1, device=self.device)
        graph["antenna"].offset = torch.zeros(b * n, 3, device=self.device)
        graph["antenna"].boresight = torch.zeros(b * n, 2, device=self.device)
        graph[MOUNTED_ON].edge_index = torch.arange(b * n, device=self.device).expand(2, -1).contiguous()
        ends = torch.cat([torch.arange(m), torch.full((heard,), m)]).to(self.device)
        user = (ends + (m + 1) * networks.unsqueeze(1)).flatten()
        own = torch.cat([torch.arange(n).repeat_interleave(self.places), torch.zeros(heard, dtype=torch.long)])
        station = (own.to(self.device) + n * networks.unsqueeze(1)).flatten()
        graph[CHANNEL].edge_index = torch.stack([station, user])
        graph[CHANNEL].slot = (
            torch.cat([torch.zeros(m, dtype=torch.long), torch.arange(heard)]).to(self.device).repeat(b)
        )
        graph[CONFLICTS].edge_index = torch.zeros(2, 0, dtype=torch.long, device=self.device)
        pairs = (1 - torch.eye(n)).nonzero().T if n <= DENSE else torch.zeros(2, 0, dtype=torch.long)
        near = pairs.to(self.device).unsqueeze(1) + n * networks.reshape(1, -1, 1)
        graph[NEIGHBOURS].edge_index = near.flatten(1)
        graph.rb_bandwidth_hz = torch.full((b, 1), self.source.band_hz, device=self.device)
        graph.slot_s = torch.full((b,), self.source.slot_s, device=self.device)
        graph.schema_version = torch.full((b,), SCHEMA_VERSION)
        self._first = n * networks.unsqueeze(1)
        return graph
