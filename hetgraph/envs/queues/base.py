"""What all batched environments of queues have in common: queues, clock, resets, neighbourhood rewards, levels, indicators."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.base import GraphEnv, check_level
from hetgraph.envs.queues.actions import Rules, device_mask, specification
from hetgraph.envs.queues.delays import INDICATORS, Delays, PacketDelays, PacketLog, tail_slots
from hetgraph.envs.queues.layout import put
from hetgraph.envs.queues.observe import level_graph, with_users
from hetgraph.envs.queues.options import Reward, check_queue_options
from hetgraph.envs.queues.traffic import Arrivals, Traffic
from hetgraph.envs.step import Step
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.kpi_table import INDICATORS as KPI_TABLE
from hetgraph.kpi_table import Kpi
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import Cells, cells_of


class QueueEnv(GraphEnv[Allocation]):
    """``B`` networks whose stations serve first-in-first-out queues of packets, slot by slot.

    Arrivals come at the beginning of a slot, then the decision, then the transmission: a packet can leave in the slot in which
    it came. A network that ends is reset within the same step (``autoreset`` is ``same_step``): ``obs`` is then the first
    observation of its next episode and ``info["final_obs"]`` holds the last one of the old.

    A network is *truncated* when its time is up, and its value is to be bootstrapped. It is *terminated* when a queue goes over
    ``max_queue``; the last reward is then what it would be if the queues stayed so for ever, divided by ``1 - discount``, so
    that ending early never pays.

    The action is an :class:`~hetgraph.radio.Allocation` whose ``airtime`` marks who is scheduled; wishes outside the rules are
    resolved by :class:`~hetgraph.envs.queues.actions.Rules`. Levels: :mod:`hetgraph.envs.queues.observe`.

    Args:
        layout: the networks, from :func:`~hetgraph.envs.queues.layout.prepared`.
        traffic: arrivals.
        first: number of the first network.
        whole: a packet takes the whole slot in which it leaves.
        episode_slots, max_queue, discount, level, record, reward, seed: see
            :class:`~hetgraph.envs.queues.options.QueueOptions`.

    Raises:
        ValueError: a value out of its range.
    """

    delay_unit: Literal["slots", "ms"] = "slots"

    def __init__(
        self,
        layout: Batch,
        traffic: Traffic,
        *,
        whole: bool,
        first: int = 0,
        episode_slots: int = 5000,
        max_queue: float | None = None,
        discount: float = 0.995,
        level: Level = "neighbourhood",
        record: bool = False,
        reward: Reward = "queue",
        seed: int = 0,
    ) -> None:
        check_queue_options(episode_slots, discount, level, reward)
        self._layout, self.first, self.traffic, self._episode_slots = layout, first, traffic, episode_slots
        self.max_queue, self.discount, self.level, self.whole = max_queue, discount, level, whole
        self.reward = reward
        self.cells: Cells = cells_of(layout)
        b, n, u, _ = self.cells.shape
        self.num_envs, self.num_stations, self.num_devices = b, n, u
        gain = layout[CHANNEL].gain
        self.dtype, self.device, self.num_rbs = gain.dtype, gain.device, gain.shape[1]
        self.queue = torch.zeros(b, u, dtype=self.dtype, device=self.device)
        self.slot = torch.zeros(b, dtype=torch.long, device=self.device)
        hears = self.cells.neighbours | torch.eye(n, dtype=torch.bool, device=self.device)
        self._hears = hears.to(self.dtype)
        station, self._weights = self.cells.station, None
        # Whole packets of one layout: one product of matrices, exact in any order of its sums.
        if whole and bool((station == station[:1]).all() and (hears == hears[:1]).all()):
            self._weights = -self._hears[0].t()[station[0]]  # [U, N]
        most_w = layout["bs"].rb_power_max_w.to(self.dtype).reshape(b, n, -1)
        self.rules = Rules(self.cells, most_w, layout["bs"].power_max_w.to(self.dtype).reshape(b, n))
        self.action = specification(self.cells, most_w)
        self._queue_bits = torch.zeros(b * u, dtype=self.dtype, device=self.device)
        self._graphs: dict[Level, Batch] = {}
        self.record, self._log = False, PacketLog(whole)
        self._finished: Delays | None = None
        if record:
            self.record_episodes()
        self._set_seed(seed)

    @property
    def episode_slots(self) -> int:
        """Length of an episode."""
        return self._episode_slots

    @property
    def kpis(self) -> tuple[Kpi, ...]:
        """Indicators of an episode."""
        return tuple(KPI_TABLE[self._kpi_name(name)] for name in INDICATORS)

    def _kpi_name(self, name: str) -> str:
        return name if name == "delivered" else f"{name}_{self.delay_unit}"

    def record_episodes(self) -> None:
        """Keep what indicators of episodes need, from the next reset on.

        Raises:
            ValueError: networks that may end at different times.
        """
        if self.max_queue is not None:
            got = f"max_queue={self.max_queue:g}"
            raise ValueError(f"record: got {got}, expected None, so that all networks end at the same time")
        self.record = True

    @property
    def networks(self) -> range:
        """Numbers of the networks."""
        return range(self.first, self.first + self.num_envs)

    def _set_seed(self, seed: int) -> None:
        """Start the random numbers of all networks."""
        self.arrivals = Arrivals(self.traffic, seed, self.networks, self.num_devices, self.dtype, self.device)

    # What a kind of network adds.

    packet_bits = 1.0

    @abstractmethod
    def _capacity(self, active: Tensor, power_w: Tensor) -> Tensor:
        """Packets that each device's slot has room for ``[B, U]``.

        Args:
            active: 1 for scheduled devices with packets, at most one of a station and resource block ``[B * U, R]``.
            power_w: powers of stations within their budgets ``[B * N, R]``, W.
        """

    def _next_slot(self) -> None:
        """Whatever changes from slot to slot besides the queues."""

    def _start_networks(self, networks: Tensor) -> None:
        """Start networks, rows ``[n]``, anew, queues apart."""

    def _reported(self) -> dict[str, Tensor]:
        """What devices reported of the slot before ``[B, U, R]``."""
        return {}

    def _set_gain(self, graph: Batch, level: Level) -> None:
        """Give an observation the gains ``[E, R]`` that its level knows, where they change."""

    def _start(self) -> None:
        """Start all networks anew with empty queues."""
        self.queue.zero_()
        self.slot.zero_()
        self._log, self._finished = PacketLog(self.whole), None
        self._start_networks(torch.arange(self.num_envs, device=self.device))
        self.queue += self.arrivals.draw()
        if self.record:
            self._log.arrived(self.arrivals.count)

    def step(self, action: Allocation) -> Step:
        """Transmit for one slot.

        Args:
            action: who is scheduled on which resource block (``airtime``) and at which power.

        Raises:
            ValueError: a malformed action; nothing has changed then.
        """
        self.action.check(action)
        active, power_w, refused = self.rules.resolve(action, self.queue > 0)
        capacity = self._capacity(active, power_w)
        left = (self.queue - capacity).clamp_min_(0)
        cost = left
        if self.record or self.reward == "delay":
            before = self.queue.ceil()
            completed, head = before - left.ceil(), self.queue - before + 1
            if self.record:
                self._log.served(completed, head, capacity)
            if self.reward == "delay":
                cost = self._sojourn(before, completed, head, capacity)
        self.queue.copy_(left)
        self.slot += 1
        reward = self._reward(cost)
        done = truncated = self.slot >= self._episode_slots
        terminated = torch.zeros_like(truncated)
        if self.max_queue is not None:
            terminated = (self.queue > self.max_queue).any(1)
            reward = torch.where(terminated.unsqueeze(1), reward / (1 - self.discount), reward)
            done = terminated | truncated
        self._next_slot()
        self.queue += self.arrivals.draw()
        info: dict[str, Any] = {"refused": refused}
        if bool(done.any()):
            info |= self._end(done)
        elif self.record:
            self._log.arrived(self.arrivals.count)
        return Step(self.observe(self.level), reward, terminated, truncated, info)

    def _end(self, done: Tensor) -> dict[str, Any]:
        """Last observation and indicators of networks that ended, which are started anew with what came in this slot."""
        info: dict[str, Any] = {"final_obs": self.observe(self.level).clone()}
        if self.record:
            self._finished = self._log.delays()
            counted = self._finished.before(self._episode_slots - tail_slots(self._episode_slots))
            info["episode"] = self._indicators(counted)
            self._log = PacketLog(self.whole)
            self._log.arrived(self.arrivals.count)
        self.queue.copy_(torch.where(done.unsqueeze(1), self.arrivals.count, self.queue))
        self.slot.masked_fill_(done, 0)
        self._start_networks(done.nonzero().squeeze(1))
        return info

    def _indicators(self, delays: Delays) -> dict[str, Tensor]:
        result = delays.of_each_network(self.num_envs)
        return {self._kpi_name(name): value * self._kpi_scale(name) for name, value in result.items()}

    def _kpi_scale(self, name: str) -> float:
        """Of an indicator in slots to its unit."""
        return 1.0

    def observe(self, level: Level) -> HeteroData:
        """What a level may know (:mod:`hetgraph.envs.queues.observe`); attributes are views that the next step overwrites.

        Raises:
            ValueError: an unknown level.
        """
        check_level(level)
        torch.mul(self.queue.reshape(-1), self.packet_bits, out=self._queue_bits)
        if level not in self._graphs:
            graph = level_graph(self._layout, self.cells, level)
            users = {"queue_bits": self._queue_bits, "packet_bits": torch.full_like(self._queue_bits, self.packet_bits)}
            users |= {name: value.flatten(0, 1) for name, value in self._reported().items()}
            self._graphs[level] = with_users(graph, users)
        graph = self._graphs[level]
        self._set_gain(graph, level)
        return graph

    def masks(self) -> dict[str, Tensor]:
        """``device_mask [B, N, D + 1]``: none, and the devices of each station that have packets."""
        return {"device_mask": device_mask(self.cells, self.queue > 0)}

    def delays(self) -> Delays:
        """Delays of all packets of the present episode, or of the last one as long as the present one has no slot behind it.

        Raises:
            ValueError: nothing was recorded.
        """
        if self._log.completed:
            return self._log.delays()
        if self._finished is None:
            raise ValueError("delays: got an environment that recorded nothing, expected record=True and a step")
        return self._finished

    def details(self) -> PacketDelays:
        """Delays of the packets that count: of all but those that came in the last slots of the episode."""
        counted = self.delays().before(self._episode_slots - tail_slots(self._episode_slots))
        return PacketDelays(counted.total * self._kpi_scale("mean_delay"), self.delay_unit)

    def pack(self) -> dict[str, Tensor]:
        """What changes of the present observation, for a replay: :meth:`unpack` makes it again.

        Returns:
            ``network [B]``, ``queue [B, U]`` and what devices reported ``[B, U, R]``.
        """
        network = torch.arange(self.num_envs, device=self.device)
        values = {name: value.clone() for name, value in self._reported().items()}
        return {"network": network, "queue": self.queue.clone(), **values, **self._packed_gains()}

    def unpack(self, rows: Mapping[str, Tensor], level: Level | None = None) -> HeteroData:
        """Observation of packed rows of any networks and slots, equal to those of their time.

        Args:
            rows: as :meth:`pack` gave them, any of them in any order.
            level: ``None`` for the environment's own; narrower ones than it are made of the same rows.

        Raises:
            ValueError: a level that knows what the rows do not have.
        """
        level = self.level if level is None else level
        self._check_packed(level)
        network, layout, cells = rows["network"], self._layout, self.cells
        if not torch.equal(network, torch.arange(self.num_envs, device=network.device)):
            singles = self._layout.to_data_list()
            layout = Batch.from_data_list([singles[i] for i in network.tolist()])
            cells = cells_of(layout)
        graph = level_graph(layout, cells, level)
        bits = (rows["queue"].reshape(-1) * self.packet_bits).to(self.dtype)
        users = {"queue_bits": bits, "packet_bits": torch.full_like(bits, self.packet_bits)}
        users |= {name: rows[name].flatten(0, 1) for name in self._reported()}
        with_users(graph, users)
        put(graph, CHANNEL, "gain", self._unpacked_gains(rows, graph))
        return graph

    def _packed_gains(self) -> dict[str, Tensor]:
        """Gains that a row needs; none where they never change."""
        return {}

    def _unpacked_gains(self, rows: Mapping[str, Tensor], graph: Batch) -> Tensor:
        """Gains ``[E, R]`` of packed rows at a level's graph."""
        gain: Tensor = graph[CHANNEL].gain
        return gain

    def _check_packed(self, level: Level) -> None:
        check_level(level)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on."""
        return {
            "queue": self.queue.clone(),
            "slot": self.slot.clone(),
            "arrivals": self.arrivals.state_dict(),
            "log": self._log.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.queue.copy_(state["queue"])
        self.slot.copy_(state["slot"])
        self.arrivals.load_state_dict(state["arrivals"])
        self._log.load_state_dict(state["log"])
        self._finished = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the observations: pickle would tear them from the state that they are views of."""
        return {**vars(self), "_graphs": {}}

    # How it works.

    def _sojourn(self, before: Tensor, completed: Tensor, head: Tensor, capacity: Tensor) -> Tensor:
        """Time that each device's packets spend in its queue during a slot, in slots ``[B, U]``."""
        if self.whole:
            return before
        inside = completed * (head + (completed - 1) / 2) / capacity.clamp_min(1e-9)
        return before - completed + inside

    def _reward(self, cost: Tensor) -> Tensor:
        """Minus what the devices of each station and of its neighbours cost ``[B, N]``."""
        if self._weights is not None:
            return torch.mm(cost, self._weights)
        of_station = torch.zeros(self.num_envs, self.num_stations, dtype=self.dtype, device=self.device).scatter_add_(
            1, self.cells.station, cost
        )
        return -torch.matmul(self._hears, of_station.unsqueeze(2)).squeeze(2)
