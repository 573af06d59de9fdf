"""What all batched environments have in common: queues, clock, resets, neighbourhood rewards, observation levels."""

from typing import Any, Literal, get_args

import torch
from torch import Generator, Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.queues.delays import Delays, Ledger
from hetgraph.envs.queues.traffic import Arrivals, Traffic
from hetgraph.envs.step import Step
from hetgraph.graph.schema import CHANNEL, CONFLICTS, NEIGHBOURS, Level
from hetgraph.graph.streams import stream
from hetgraph.radio.allocation import Allocation, violations
from hetgraph.radio.cells import Cells, cells_of

Reward = Literal["queue", "delay"]


class QueueEnv:
    """``B`` networks whose stations serve first-in-first-out queues of packets, slot by slot.

    Arrivals come at the beginning of a slot, then the decision, then the transmission: a packet can leave in the slot in which
    it came. A network that ends is reset within the same step (``autoreset`` is ``same_step``): ``obs`` is then the first
    observation of its next episode and ``info["final_obs"]`` holds the last one of the old.

    A network is *truncated* when its time is up, and its value is to be bootstrapped. It is *terminated* when a queue goes over
    ``max_queue``; the last reward is then what it would be if the queues stayed so for ever, divided by ``1 - discount``, so
    that ending early never pays.

    Args:
        layout: the networks, equal in size.
        traffic: arrivals.
        episode_slots: length of an episode.
        max_queue: packets in a queue above which a network is terminated; ``None`` for never.
        discount: of the return for ever after a termination.
        level: observation level of ``step`` and ``reset``.
        record: keep what is needed for :meth:`delays`.
        seed: of arrivals and fading.
        whole: a packet takes the whole slot in which it leaves.
        reward: ``queue`` for the packets left at the end of a slot (eq. 9-10); ``delay`` for the time, in slots, that packets spent
            in the queue during the slot, whose sum over an episode is the sum of all delays.
    """

    autoreset = "same_step"

    def __init__(
        self,
        layout: Batch,
        traffic: Traffic,
        *,
        episode_slots: int,
        max_queue: float | None,
        discount: float,
        level: Level,
        record: bool,
        seed: int,
        whole: bool,
        reward: Reward = "queue",
    ) -> None:
        if reward not in get_args(Reward):
            raise ValueError(f"reward: got {reward!r}, expected one of {', '.join(get_args(Reward))}")
        if episode_slots < 1:
            raise ValueError(f"episode_slots: got {episode_slots}, expected at least 1")
        if not 0 <= discount < 1:
            raise ValueError(f"discount: got {discount}, expected a number of 0 or more, below 1")
        if level not in get_args(Level):
            raise ValueError(f"level: got {level!r}, expected one of {', '.join(get_args(Level))}")
        self.cells: Cells = cells_of(layout)
        self.traffic, self.episode_slots, self.max_queue = traffic, episode_slots, max_queue
        self.discount, self.level, self.record, self.whole = discount, level, record, whole
        self.reward = reward
        gain = layout[CHANNEL].gain
        self.dtype, self.device = gain.dtype, gain.device
        self.num_rbs = gain.shape[1]
        b, n, u, _ = self.cells.shape
        self.num_envs, self.num_stations, self.num_devices = b, n, u
        self.queue = torch.zeros(b, u, dtype=self.dtype, device=self.device)
        self.slot = torch.zeros(b, dtype=torch.long, device=self.device)
        hears = self.cells.neighbours | torch.eye(n, dtype=torch.bool, device=self.device)
        self._hears = hears.to(self.dtype)
        self._seed(seed)
        self._layout = layout
        self._queue_bits = torch.zeros(b * u, dtype=self.dtype, device=self.device)
        self._graphs: dict[Level, HeteroData] = {}
        self.ledger = Ledger(whole)

    def _seed(self, seed: int) -> None:
        b, u = self.queue.shape
        self.generator = stream(seed, 0, "fading")
        if self.device.type != "cpu":
            self.generator = Generator(self.device).manual_seed(self.generator.initial_seed())
        source = stream(seed, 0, "arrivals")
        if self.device.type != "cpu":
            source = Generator(self.device).manual_seed(source.initial_seed())
        self.arrivals = Arrivals(self.traffic, b, u, source, self.dtype)

    # What a kind of network adds.

    packet_bits = 1.0

    def _capacity(self, allocation: Allocation) -> Tensor:
        """Packets that each device's slot has room for ``[B, U]``."""
        raise NotImplementedError  # pragma: no cover

    def _next_slot(self) -> None:
        """Whatever changes from slot to slot besides the queues."""

    def _start_networks(self, networks: Tensor | None) -> None:
        """Start networks ``[B]`` (all, when ``None``) anew, queues apart."""

    def _observed(self) -> dict[str, Tensor]:
        """Attributes of devices that their own station sees, ``[B * U, *]``, updated in place."""
        return {}

    def _gain(self, level: Level) -> Tensor:
        """Gains ``[E, R]`` as a level sees them."""
        gain: Tensor = self._layout[CHANNEL].gain
        return gain

    # The public face.

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[HeteroData, dict[str, Any]]:
        """Start all networks anew with empty queues; a seed also starts the random numbers anew.

        Args:
            seed: of arrivals and fading.
            options: none are known.

        Raises:
            ValueError: an option.
        """
        if options:
            raise ValueError(f"options: got {', '.join(options)}, expected none")
        if seed is not None:
            self._seed(seed)
        self.queue.zero_()
        self.slot.zero_()
        self.ledger = Ledger(self.whole)
        self._start_networks(None)
        self._arrive(None)
        return self.observe(self.level), {}

    def step(self, action: Allocation, *, check: bool = False) -> Step:
        """Transmit for one slot.

        Args:
            action: who is scheduled on which resource block (``airtime``) and at which power.
            check: refuse an action that breaks a constraint.

        Raises:
            ValueError: an airtime that is missing or of another shape; with ``check``, any broken constraint.
        """
        self._check_action(action, thorough=check)
        capacity = self._capacity(action)
        left = (self.queue - capacity).clamp_min_(0)
        before = self.queue.ceil()
        completed, head = before - left.ceil(), self.queue - before + 1
        if self.record:
            self.ledger.served(completed, head, capacity)
        cost = left if self.reward == "queue" else self._sojourn(before, completed, head, capacity)
        self.queue.copy_(left)
        self.slot += 1
        reward = self._reward(cost)
        truncated = self.slot >= self.episode_slots
        terminated = torch.zeros_like(truncated)
        if self.max_queue is not None:
            terminated = (self.queue > self.max_queue).any(1)
            reward = torch.where(terminated.unsqueeze(1), reward / (1 - self.discount), reward)
        self._next_slot()
        self._arrive(None)
        done, info = terminated | truncated, {}
        if bool(done.any()):
            info["final_obs"] = self.observe(self.level).clone()
            self._restart(done)
        return Step(self.observe(self.level), reward, terminated, truncated, info)

    def observe(self, level: Level) -> HeteroData:
        """What a level may see; attributes are views of the state that the next step overwrites.

        ``local`` and ``neighbourhood`` have no gains but what a device measures and reports, one slot old, and differ in the
        edges between stations; ``global`` adds all gains, one slot old; ``genie`` has the current ones.

        Raises:
            ValueError: an unknown level.
        """
        if level not in get_args(Level):
            raise ValueError(f"level: got {level!r}, expected one of {', '.join(get_args(Level))}")
        torch.mul(self.queue.reshape(-1), self.packet_bits, out=self._queue_bits)
        if level not in self._graphs:
            self._graphs[level] = self._graph_of(level)
        if level in ("global", "genie"):
            self._graphs[level][CHANNEL].gain = self._gain(level)
        return self._graphs[level]

    def delays(self) -> Delays:
        """Delays of all packets since the last reset of all networks.

        Raises:
            ValueError: nothing was recorded.
        """
        if not self.record or not self.ledger.completed:
            raise ValueError("delays: got an environment that recorded nothing, expected record=True and a step")
        return self.ledger.delays()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on."""
        return {
            "queue": self.queue.clone(),
            "slot": self.slot.clone(),
            "bursting": self.arrivals.bursting.clone(),
            "generator": self.generator.get_state(),
            "arrivals": self.arrivals.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.queue.copy_(state["queue"])
        self.slot.copy_(state["slot"])
        self.arrivals.bursting = state["bursting"].clone()
        self.generator.set_state(state["generator"])
        self.arrivals.generator.set_state(state["arrivals"])

    # How it works.

    def _arrive(self, networks: Tensor | None) -> None:
        count = self.arrivals.draw()
        if networks is not None:
            count = count * networks.unsqueeze(1)
        self.queue += count
        if self.record:
            self.ledger.arrived(count)

    def _sojourn(self, before: Tensor, completed: Tensor, head: Tensor, capacity: Tensor) -> Tensor:
        """Time that each device's packets spend in its queue during a slot, in slots ``[B, U]``."""
        if self.whole:
            return before
        inside = completed * (head + (completed - 1) / 2) / capacity.clamp_min(1e-9)
        return before - completed + inside

    def _reward(self, cost: Tensor) -> Tensor:
        held = torch.zeros(self.num_envs, self.num_stations, dtype=self.dtype, device=self.device).scatter_add_(
            1, self.cells.station, cost
        )
        return -torch.matmul(self._hears, held.unsqueeze(2)).squeeze(2)

    def _restart(self, done: Tensor) -> None:
        if self.record and not bool(done.all()):
            raise ValueError(
                "record: got networks that end at different times, expected max_queue=None with record=True"
            )
        if self.record:
            return  # the ledger is about one episode; reset() starts the next
        came = self.arrivals.count
        self.queue.copy_(torch.where(done.unsqueeze(1), came, self.queue))
        self.slot.masked_fill_(done, 0)
        self._start_networks(done)

    def _check_action(self, action: Allocation, *, thorough: bool) -> None:
        expected = (self.num_envs * self.num_devices, self.num_rbs)
        got = None if action.airtime is None else tuple(action.airtime.shape)
        if got != expected:
            raise ValueError(f"action.airtime: got {got}, expected a tensor of shape {expected}")
        if thorough:
            found = violations(self.observe("genie"), action)
            if found:
                raise ValueError(found[0].replace("allocation.", "action."))

    def _graph_of(self, level: Level) -> HeteroData:
        graph = HeteroData() if level in ("local", "neighbourhood") else self._layout.clone()
        source, graph_type = self._layout, type(self._layout)
        if level in ("local", "neighbourhood"):
            graph = graph_type(_base_cls=HeteroData)
            graph._num_graphs = self.num_envs
            for store, names in _SEEN.items():
                for name in names:
                    if name in source[store]:
                        graph[store][name] = source[store][name]
            graph.rb_bandwidth_hz, graph.slot_s = source.rb_bandwidth_hz, source.slot_s
        graph["ue"].queue_bits = self._queue_bits
        graph["ue"].packet_bits = torch.full_like(self._queue_bits, self.packet_bits)
        for name, value in self._observed().items():
            graph["ue"][name] = value
        if level == "local":
            for edges in (NEIGHBOURS, CONFLICTS):
                graph[edges].edge_index = torch.zeros(2, 0, dtype=torch.long, device=self.device)
        return graph


# Static attributes that a station knows of itself and its devices.
_SEEN: dict[Any, tuple[str, ...]] = {
    "bs": ("power_max_w", "rb_power_max_w", "batch", "ptr"),
    "ue": ("noise_w", "batch", "ptr"),
    CHANNEL: ("edge_index", "slot", "may_serve"),
    NEIGHBOURS: ("edge_index",),
    CONFLICTS: ("edge_index",),
}
