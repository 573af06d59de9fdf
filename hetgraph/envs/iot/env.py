"""Heterogeneous IoT networks: association, subchannels and layer powers, slot by slot (Xie 2026, Section 2)."""

from collections.abc import Mapping
from typing import Any, get_args

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.base import GraphEnv, check_level, number_of_networks
from hetgraph.envs.iot.actions import masks, schedules
from hetgraph.envs.iot.deadlines import Deadlines, deadline_slots
from hetgraph.envs.iot.episode import Draw, draw_episode
from hetgraph.envs.iot.indicators import KPIS, EpisodeSums, jain
from hetgraph.envs.iot.networks import Values
from hetgraph.envs.iot.observe import channel_values, layout_graph, rsrp_dbm, write_values
from hetgraph.envs.iot.pack import pack, unpack
from hetgraph.envs.iot.resolve import associated, scheduled
from hetgraph.envs.iot.reward import IoTWeights, Sharing, Slot, rewards
from hetgraph.envs.iot.sources import source_of
from hetgraph.envs.iot.transmission import Transmission, silence, transmit
from hetgraph.envs.step import Step
from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.radio.schedule import Schedule

LEAST_BITS, LEAST_W = 1e-9, 1e-30
# Layer-3 filtering of measurements (3GPP TS 38.331, 5.5.3.2): coefficients k of 7 and 15, of which a new one counts 2^(-k/4).
FILTER = (2 ** (-7 / 4), 2 ** (-15 / 4))


class IoTEnv(GraphEnv[Schedule]):
    r"""``B`` networks of stations whose users ask for streams and bursts in time.

    A slot: bits arrive; users are associated, clusters of at most L users are put on the stations' subchannels, with powers within
    their budgets; the clusters' layers carry :math:`T W \log_2(1 + \mathrm{SINR})` bits each, in whole bits, with the present
    gains, the interference of all that the stations really send, and cancellation in the order of gain over interference plus
    noise; bits whose deadline is over are dropped; users walk on. What policies see of channels is one slot old.

    An action is a :class:`~hetgraph.radio.Schedule`; -1 stands for no station and for a free layer. A layer counts only if its user
    is active, is associated with that station, has something to receive and is not in the cluster already; powers are scaled down
    to the budget (:mod:`hetgraph.envs.iot.resolve`). ``info["refused"] [B]`` counts what was not granted.

    The reward of a station is eq. 10: :math:`\omega_1 R - \omega_2 (1 - J) - \omega_3 H` with R the served bits per second and
    hertz, averaged over stations, J Jain's index over the shares of users' bits that were served in time, over about
    ``fairness_slots``, and H the share of users that changed their station. With ``sharing="team"`` all stations of a network get
    it; with ``"own"`` a station counts what it served and whom it took over itself, so that the mean is the same.

    Episodes of all networks end together, by a time limit (*truncated*). Each has new users, and new stations unless
    ``layout_seed`` is given; networks of given graphs have new traffic and fading.

    Args:
        scenario: name of a preset (``iot-noma``, ``iot-oma``, with arguments as in ``iot-noma:users=200,subchannels=50``), a
            scenario, or a graph or batch of graphs, see :class:`~hetgraph.envs.iot.given.GivenNetworks`.
        num_envs: networks B; ``None`` for one, or for as many as a batch has.
        first: number of the first network, so that network ``first + i`` is the same alone and among others.
        layout_seed: seed of stations, line of sight and shadowing that all networks and episodes share; ``None`` for new ones.
        mean_users: active users are Poisson with this mean, at most the scenario's number; ``None`` for all.
        episode_slots: length of an episode.
        weights: of the reward.
        sharing: of the reward.
        fairness_slots: time constant of the shares in Jain's index and of mean rates.
        sic_residual: part of a cancelled layer's power that remains.
        level: of the observations.
        seed: of everything that is random.
        device: where the tensors are.
        dtype: of the channels.

    Raises:
        ValueError: a value out of its range.
    """

    kpis = KPIS
    station: Tensor
    home: Tensor

    def __init__(
        self,
        scenario: str | Scenario | HeteroData = "iot-noma",
        num_envs: int | None = None,
        *,
        first: int = 0,
        layout_seed: int | None = None,
        mean_users: float | None = None,
        episode_slots: int = 200,
        weights: IoTWeights | None = None,
        sharing: Sharing = "team",
        fairness_slots: int = 50,
        sic_residual: float = 0.0,
        level: Level = "global",
        seed: int = 0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.scenario = preset(scenario) if isinstance(scenario, str) else scenario
        num_envs = number_of_networks(self.scenario, num_envs)
        _require("num_envs", num_envs, num_envs >= 1, "at least 1")
        _require("first", first, first >= 0, "0 or more")
        _require("episode_slots", episode_slots, episode_slots >= 1, "at least 1")
        _require("fairness_slots", fairness_slots, fairness_slots >= 1, "at least 1")
        _require("mean_users", mean_users, mean_users is None or mean_users > 0, "a positive number, or None")
        _require("sic_residual", sic_residual, 0 <= sic_residual <= 1, "a number from 0 to 1")
        _require("sharing", sharing, sharing in get_args(Sharing), "'team' or 'own'")
        check_level(level)
        networks = source_of(self.scenario, num_envs, first, layout_seed or 0)
        self.source, self.num_envs, self.first, self.layout_seed = networks, num_envs, first, layout_seed
        self.mean_users, self.weights, self.sharing = mean_users, weights or IoTWeights(), sharing
        self.fairness_slots, self.sic_residual, self.level, self.seed = fairness_slots, sic_residual, level, seed
        self.device, self.dtype, self.episode, self._slots = torch.device(device), dtype, -1, episode_slots
        self.sizes, self.services = networks.sizes, networks.services
        self.num_stations, self.num_users = self.sizes.stations, self.sizes.users
        self.num_subchannels, self.layers, self.slot_s = self.sizes.subchannels, self.sizes.layers, self.sizes.slot_s
        self.window = max(round(self.services.window_s / self.slot_s), 1)
        self.most_slots = max(deadline_slots(self.services, self.slot_s))
        self.action = schedules(self.sizes, num_envs, self.device)
        self._graphs: dict[Level, HeteroData] = {}
        self._start()

    @property
    def networks(self) -> range:
        """Numbers of the networks."""
        return range(self.first, self.first + self.num_envs)

    @property
    def episode_slots(self) -> int:
        """Length of an episode."""
        return self._slots

    # The public face.

    def step(self, action: Schedule) -> Step:
        """Associate, transmit for a slot, and let users walk on.

        Args:
            action: association, clusters and powers.

        Raises:
            ValueError: a malformed action.
        """
        self.action.check(action)
        limited = self.drawn.rules.max_users is not None
        received_dbm = rsrp_dbm(self.channels.wide_db_before, self.drawn.budget.power_max_w) if limited else None
        station, kept_out = associated(action.station.long(), self.station, self.drawn.rules, received_dbm)
        moved = (station >= 0) & (self.home >= 0) & (station != self.home)
        self.station, self.home = station, torch.where(station >= 0, station, self.home)
        wish = Schedule(station, action.user.long(), action.power.to(self.dtype))
        granted, refused = scheduled(wish, torch.where(self.queue.bits > 0, station, -1), self.drawn.rules.cap)
        self.sent = transmit(granted, self.channels.gain, self.drawn.budget)
        self._filter()
        served = self.queue.serve(self.sent.room_bits)
        dropped = self.queue.expire()
        reward, info = self._reward(served, dropped, moved)
        info["refused"] = refused + kept_out.sum(1)
        self.slot += 1
        over = self.slot >= self.episode_slots
        if over or self.slot % self.window == 0:
            self.sums.end_window(self.services)
        self.channels.advance()
        self._arrive()
        if over:
            info["final_obs"] = self.observe(self.level).clone()
            info["episode"] = self.indicators()
            self._start()
        ended = torch.full((self.num_envs,), over, device=self.device)
        return Step(self.observe(self.level), reward, torch.zeros_like(ended), ended, info)

    def observe(self, level: Level) -> HeteroData:
        """What a level may see; attributes are views of the state that the next step overwrites.

        Each user measures all stations and reports to the one that serves it, or to all without one; below ``global`` users that are
        not there do not report. ``genie`` has the present gains.

        Raises:
            ValueError: an unknown level.
        """
        check_level(level)
        if level not in self._graphs:
            self._graphs[level] = layout_graph(self.source, self.drawn.values, self.drawn.layout, self.dtype)
        return write_values(self._graphs[level], self._values(level), level)

    def masks(self) -> dict[str, Tensor]:
        """``station_mask [B, U, N + 1]`` and ``user_mask [B, 1, 1, 1, U + 1]``, choices counted from -1 for none.

        An active user may be served by any station, or by those of the scenario's ``may_serve``; a layer is of use to a user that has
        something to receive.
        """
        return masks(self.queue.bits > 0, self.active, self.drawn.rules.may_serve, self.num_stations)

    def pack(self, filtered: bool = True) -> dict[str, Tensor]:
        """Rows ``[B, *]`` from which :meth:`unpack` makes the present observation again: channels in half precision.

        Args:
            filtered: with filtered interference, which only few models read.
        """
        values = self.drawn.values | self._values(self.level)
        if not filtered:
            del values["ue", "interference_mean_w"]
        return pack(values, self.drawn.layout)

    def unpack(self, rows: Mapping[str, Tensor], level: Level) -> HeteroData:
        """Observation of rows of :meth:`pack`, of any number of networks.

        Raises:
            ValueError: an unknown level, or present gains asked of rows that have those of the slot before, or the other way round.
        """
        check_level(level)
        if (level == "genie") != (self.level == "genie"):
            raise ValueError(f"level: got {level!r} for rows of level {self.level!r}, expected their gains")
        values, layout = unpack(rows, self.dtype)
        own = values["ue", "serving_slot"].unsqueeze(2) == torch.arange(self.num_stations, device=layout.device)
        values |= {("bs", "users"): own.sum(1).to(self.dtype), (CHANNEL, "own"): own.flatten(1)}
        graph = layout_graph(self.source, values, layout, self.dtype)
        return write_values(graph, values, level)

    def indicators(self) -> dict[str, Tensor]:
        """Indicators of the running episode so far ``[B]``, see :data:`~hetgraph.envs.iot.indicators.KPIS`."""
        users = self.active.sum(1)
        return self.sums.kpis(max(self.slot, 1), self.slot_s, users, self.num_stations * self.num_subchannels)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on, beside the constructor's arguments."""
        tensors = {name: getattr(self, name).clone() for name in _KEPT}
        times = {"seed": self.seed, "episode": self.episode, "slot": self.slot}
        sent = {name: value.clone() for name, value in vars(self.sent).items()}
        parts = {"waiting": self.queue.waiting.clone(), "sent": sent, "sums": self.sums.state_dict()}
        return times | tensors | parts | {"channels": self.channels.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.seed, self.episode = state["seed"], state["episode"] - 1
        self._start()
        self.slot = state["slot"]
        for name in _KEPT:
            setattr(self, name, state[name].to(self.device, copy=True))
        self.queue.waiting = state["waiting"].to(self.device, copy=True)
        self.sent = Transmission(**{name: value.to(self.device, copy=True) for name, value in state["sent"].items()})
        self.sums.load_state_dict(state["sums"])
        self.channels.load_state_dict(state["channels"])

    def __getstate__(self) -> dict[str, Any]:
        """Without observations: they are made anew as views of the copy."""
        return self.__dict__ | {"_graphs": {}}

    # How it works.

    def _start(self) -> None:
        """The next episode."""
        self.episode += 1
        b, u, like = self.num_envs, self.num_users, torch.empty(0, dtype=self.dtype, device=self.device)
        layout, mean, residual = self.layout_seed, self.mean_users, self.sic_residual
        draw = Draw(self.seed, self.networks, self.episode, self.episode_slots, layout, mean, residual)
        self.drawn = draw_episode(self.source, draw, like)
        self.channels, self.active, self.slot = self.drawn.channels, self.drawn.rules.active, 0
        self.queue, self.sums = Deadlines(b, u, self.most_slots, self.device), EpisodeSums(b, u, self.device)
        self.station = torch.full((b, u), -1, device=self.device)
        self.home = self.station.clone()
        self.sent = silence(self.drawn.budget, self.num_stations)
        self.interference_log = self._measured().repeat(1, 1, 1, len(FILTER))
        self.rate_bps = like.new_zeros(b, u)
        self.served_mean = self.drawn.offered.mean_bps * self.slot_s
        self.settled_mean = self.served_mean.clone()
        self._graphs.clear()
        self._arrive()

    def _arrive(self) -> None:
        bits = self.drawn.offered.bits[self.slot]
        self.queue.add(bits, self.drawn.offered.deadline_slots)
        self.sums.sums["arrived_bits"] += bits.sum(1)
        self._slot_values: Values = {}

    def _values(self, level: Level) -> Values:
        """Attributes that change with the slot ``[B, *]``, as a level with all edges knows them."""
        if not self._slot_values:
            self._slot_values = self._state_values()
        return self._slot_values | channel_values(self.drawn, present=level == "genie")

    def _state_values(self) -> Values:
        sent, b = self.sent, self.num_envs
        left = torch.full((b,), self.episode_slots - self.slot, dtype=self.dtype, device=self.device)
        return {
            (None, "slots_left"): left,
            ("bs", "users"): sent.own.sum(1).to(self.dtype),
            ("bs", "power_w"): sent.power_w,
            ("bs", "interference_db"): sent.interference_db,
            ("ue", "serving_slot"): self.station,
            ("ue", "queue_bits"): self.queue.bits.to(self.dtype),
            ("ue", "head_slots"): self.queue.head_slots,
            ("ue", "rate_bps"): self.rate_bps,
            ("ue", "rate_mean_bps"): self.served_mean / self.slot_s,
            ("ue", "served_share"): self.served_mean / self.settled_mean.clamp_min(LEAST_BITS),
            ("ue", "interference_w"): sent.interference_w,
            ("ue", "interference_mean_w"): self.interference_log.exp(),
            ("ue", "power_w"): sent.layer_power_w,
            (CHANNEL, "interference_w"): sent.candidate_interference_w.flatten(1),
            (CHANNEL, "own"): sent.own.flatten(1),
        }

    def _filter(self) -> None:
        """Filtered interference with the slot's."""
        new = self._measured()
        self.interference_log = self.interference_log + new.new_tensor(FILTER) * (new - self.interference_log)

    def _measured(self) -> Tensor:
        """Interference as it is filtered, logarithmic ``[B, U, S, 1]``."""
        return self.sent.interference_w.clamp_min(LEAST_W).log().unsqueeze(3)

    def _reward(self, served: Tensor, dropped: Tensor, moved: Tensor) -> tuple[Tensor, dict[str, Any]]:
        served_now, settled_now = served.to(self.dtype), (served + dropped).to(self.dtype)
        keep, sent = 1 - 1 / self.fairness_slots, self.sent
        self.rate_bps = served_now / self.slot_s
        self.served_mean = keep * self.served_mean + (1 - keep) * served_now
        self.settled_mean = keep * self.settled_mean + (1 - keep) * settled_now
        fair = jain(self.served_mean / self.settled_mean.clamp_min(LEAST_BITS), self.active)
        drawn = (
            sent.power_w.sum(2) / self.drawn.stations["amplifier_efficiency"] + self.drawn.stations["circuit_power_w"]
        )
        energy_j = drawn.sum(1) * self.slot_s
        slot = Slot(served_now, moved, fair, energy_j, sent.interference_db, self.station, self.active)
        capacity = self.slot_s * self.sizes.subchannel_hz * self.num_subchannels
        result = rewards(slot, self.num_stations, capacity, self.weights, self.sharing)
        busy = (sent.power_w > 1e-6 * self.drawn.budget.power_max_w.unsqueeze(2)).sum((1, 2))
        handovers = moved.sum(1)
        self.sums.add(
            served, dropped, {"energy_j": energy_j, "handovers": handovers, "busy": busy, "return": result.team}
        )
        return result.reward, {
            "team_reward": result.team,
            "continuous_reward": result.further,
            "bit_per_j": result.bit_per_j,
            "interference_db": sent.interference_db,
            "jain": fair,
            "handovers": handovers,
            "throughput_bps": self.rate_bps.sum(1),
            "served_bits": served,
            "dropped_bits": dropped,
        }


_KEPT = ("station", "home", "rate_bps", "served_mean", "settled_mean", "interference_log")


def _require(name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise ValueError(f"{name}: got {value!r}, expected {expected}")
