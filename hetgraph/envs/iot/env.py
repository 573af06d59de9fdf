"""Heterogeneous IoT networks: association, subchannels and layer powers, slot by slot (Xie 2026, Section 2)."""

import math
from typing import Any, get_args

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.iot.channels import Air
from hetgraph.envs.iot.deadlines import Deadlines, Offered, deadline_slots, offer
from hetgraph.envs.iot.graph import dress, skeleton
from hetgraph.envs.iot.indicators import Tally, jain
from hetgraph.envs.iot.mobility import follow
from hetgraph.envs.iot.reward import IoTWeights, Sharing, Slot, rewards
from hetgraph.envs.step import Step
from hetgraph.graph.presets import preset
from hetgraph.graph.sample import noise_w, station_attributes
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import Level
from hetgraph.graph.streams import Streams
from hetgraph.radio.noma import noma_rates
from hetgraph.radio.schedule import Schedule, check_schedule, effective


class IoTEnv:
    r"""``B`` networks of a macro station and small cells whose users ask for streams and bursts in time.

    A slot: bits arrive; users are associated, clusters of at most L users are put on the stations' subchannels, with powers within
    their budgets; the clusters' layers carry :math:`T W \log_2(1 + \mathrm{SINR})` bits each, in whole bits, with the present
    gains, the interference of all that the stations really send, and cancellation in the order of gain over interference plus
    noise; bits whose deadline is over are dropped; users walk on. What policies see of channels is one slot old.

    An action (:class:`~hetgraph.radio.Schedule`) can be anything of the right shape: a layer counts only if its user is active, is
    associated with that station, has something to receive and is not in the cluster already; powers are scaled down to the
    budget. So no action breaks a budget or a cluster's size.

    The reward of a station is eq. 10: :math:`\omega_1 R - \omega_2 (1 - J) - \omega_3 H` with R the served bits per second and
    hertz, averaged over stations, J Jain's index over the shares of users' bits that were served in time, over about
    ``fairness_slots``, and H the share of users that changed their station. With ``sharing="team"`` all stations of a network get
    it; with ``"own"`` a station counts what it served and whom it took over itself, so that the mean is the same.

    Episodes of all networks end together, by a time limit (*truncated*), and are reset within the same step (``autoreset`` is
    ``same_step``): ``info["final_obs"]`` is the last observation of the old episode, ``info["episode"]`` has its indicators.
    Each episode has new users, and new stations unless ``layout_seed`` is given.

    Args:
        scenario: name of a preset (``iot-noma``, ``iot-oma``, with arguments as in ``iot-noma:users=200,subchannels=50``), or a
            scenario.
        num_envs: networks B.
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

    autoreset = "same_step"
    station: Tensor
    home: Tensor

    def __init__(
        self,
        scenario: str | Scenario = "iot-noma",
        num_envs: int = 1,
        *,
        first: int = 0,
        layout_seed: int | None = None,
        mean_users: float | None = None,
        episode_slots: int = 200,
        weights: IoTWeights | None = None,
        sharing: Sharing = "team",
        fairness_slots: int = 50,
        sic_residual: float = 0.0,
        level: Level = "local",
        seed: int = 0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.scenario = preset(scenario) if isinstance(scenario, str) else scenario
        _require("num_envs", num_envs, num_envs >= 1, "at least 1")
        _require("first", first, first >= 0, "0 or more")
        _require("episode_slots", episode_slots, episode_slots >= 1, "at least 1")
        _require("fairness_slots", fairness_slots, fairness_slots >= 1, "at least 1")
        _require("mean_users", mean_users, mean_users is None or mean_users > 0, "a positive number, or None")
        _require("sic_residual", sic_residual, 0 <= sic_residual <= 1, "a number from 0 to 1")
        _require("level", level, level in get_args(Level), "one of " + ", ".join(get_args(Level)))
        _require("sharing", sharing, sharing in get_args(Sharing), "'team' or 'own'")
        fading = self.scenario.channel.fading
        _require("channel.fading", fading, fading in ("rayleigh", "none"), "'rayleigh' or 'none' in this environment")
        self.num_envs, self.first, self.layout_seed, self.mean_users = num_envs, first, layout_seed, mean_users
        self.episode_slots, self.weights, self.sharing = episode_slots, weights or IoTWeights(), sharing
        self.fairness_slots, self.sic_residual, self.level, self.seed = fairness_slots, sic_residual, level, seed
        self.device, self.dtype, self.episode = torch.device(device), dtype, -1
        radio, services = self.scenario.radio, self.scenario.services
        self.num_stations, self.num_users = self.scenario.num_stations, self.scenario.users.count
        self.num_subchannels, self.layers, self.slot_s = radio.num_rbs, radio.layers, radio.slot_s
        self.subchannel_hz, self.noise_w = radio.bandwidth_hz / radio.num_rbs, noise_w(self.scenario)
        self.window = max(round(services.window_s / self.slot_s), 1)
        self.most_slots = max(deadline_slots(services, self.slot_s))
        self._graphs: dict[Level, HeteroData] = {}
        self._start()

    @property
    def networks(self) -> range:
        """Numbers of the networks."""
        return range(self.first, self.first + self.num_envs)

    # The public face.

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[HeteroData, dict[str, Any]]:
        """Start the next episode, or the first one of a seed.

        Args:
            seed: of everything that is random.
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

    def step(self, action: Schedule) -> Step:
        """Associate, transmit for a slot, and let users walk on.

        Args:
            action: association, clusters and powers.

        Raises:
            ValueError: another shape, a station or user that does not exist, or a power that is no number.
        """
        shape = (self.num_envs, self.num_stations, self.num_users, self.num_subchannels, self.layers)
        check_schedule(action, shape)
        station = torch.where(self.active, action.station, -1)
        moved = (station >= 0) & (self.home >= 0) & (station != self.home)
        self.station, self.home = station, torch.where(station >= 0, station, self.home)
        room = self._transmit(self._usable(action))
        served = self.queue.serve(room)
        dropped = self.queue.expire()
        reward, info = self._reward(served, dropped, moved)
        self.slot += 1
        over = self.slot >= self.episode_slots
        if over or self.slot % self.window == 0:
            self.tally.judge(self.scenario.services)
        self.air.advance()
        self._arrive()
        if over:
            info["final_obs"] = self.observe(self.level).clone()
            info["episode"] = self.kpis()
            self._start()
        ended = torch.full((self.num_envs,), over, device=self.device)
        return Step(self.observe(self.level), reward, torch.zeros_like(ended), ended, info)

    def observe(self, level: Level) -> HeteroData:
        """What a level may see; attributes are views of the state that the next step overwrites.

        All levels have the gains of the slot before on all channel edges, for each user measures all stations and reports to each
        of them; a policy that is ``local`` reads at a station its own edges and the users at their ends, no more. ``local`` has no
        edges between stations; ``genie`` has the present gains.

        Raises:
            ValueError: an unknown level.
        """
        if level not in get_args(Level):
            raise ValueError(f"level: got {level!r}, expected one of {', '.join(get_args(Level))}")
        if level not in self._graphs:
            self._graphs[level] = skeleton(self, level)
        return dress(self._graphs[level], self, level)

    def kpis(self) -> dict[str, Tensor]:
        """Indicators of the running episode so far, ``[B]`` each and ``load [B, N]``.

        ``throughput_bps`` (served bits), ``bit_per_j`` (over transmitted power by amplifier efficiency, plus circuit power),
        ``qos_violation`` (share of users' windows in which too many bits were late), ``jain`` (over the served shares of users'
        bits), ``jain_rate`` (over their rates), ``handover_rate`` (per user and slot), ``utilisation`` (share of pairs of a station
        and a subchannel with power), ``loss`` (share of bits that were late), ``load`` (users of each station) and the sums of
        arrived, served and dropped bits and of energy.
        """
        users = self.active.sum(1)
        return self.tally.kpis(max(self.slot, 1), self.slot_s, users, self.num_stations * self.num_subchannels)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on, beside the constructor's arguments."""
        tensors = {name: getattr(self, name).clone() for name in _KEPT}
        tally = {name: value.clone() for name, value in vars(self.tally).items() if isinstance(value, Tensor)}
        sums = {name: value.clone() for name, value in self.tally.sums.items()}
        times = {"seed": self.seed, "episode": self.episode, "slot": self.slot}
        return (
            times
            | tensors
            | {"waiting": self.queue.waiting.clone(), "tally": tally, "sums": sums, "air": self.air.state_dict()}
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.seed, self.episode = state["seed"], state["episode"] - 1
        self._start()
        self.slot = state["slot"]
        for name in _KEPT:
            setattr(self, name, state[name].to(self.device, copy=True))
        self.queue.waiting = state["waiting"].to(self.device, copy=True)
        for name, value in state["tally"].items():
            setattr(self.tally, name, value.to(self.device, copy=True))
        self.tally.sums = {name: value.to(self.device, copy=True) for name, value in state["sums"].items()}
        self.air.load_state_dict(state["air"])

    # How it works.

    def _start(self) -> None:
        """The next episode."""
        self.episode += 1
        b, n, u, s = self.num_envs, self.num_stations, self.num_users, self.num_subchannels
        like = torch.empty(0, dtype=self.dtype, device=self.device)
        streams = Streams(self.seed, self.networks, self.episode)
        geography = Streams(self.layout_seed, [0] * b) if self.layout_seed is not None else streams
        step_s = self.scenario.mobility.step_s
        per_step = max(round(step_s / self.slot_s), 1)
        paths = follow(self.scenario, streams, geography, math.ceil((self.episode_slots + 1) / per_step))
        self.paths = paths
        self.air = Air(self.scenario, paths, (self.seed, self.networks, self.episode), per_step, like)
        offered = offer(self.scenario.services, streams, u, self.episode_slots + 1, self.slot_s)
        self.active = self._present(streams)
        bits = offered.bits.to(self.device) * self.active
        mean = offered.mean_bps.to(like) * self.active
        self.offered = Offered(bits, mean, offered.deadline_slots.to(self.device), offered.video.to(self.device))
        stations = station_attributes(self.scenario, paths.stations)
        self.stations = {
            name: value.to(like) if value.is_floating_point() else value.to(self.device)
            for name, value in stations.items()
        }
        self.power_max_w = self.stations["power_max_w"]
        cap = self.stations["rb_power_max_w"] / self.power_max_w.unsqueeze(2)
        self.cap = cap if bool((cap < 1).any()) else None
        self.queue = Deadlines(b, u, self.most_slots, self.device)
        self.tally = Tally(b, n, u, self.device)
        self.slot = 0
        self.station = torch.full((b, u), -1, device=self.device)
        self.home = self.station.clone()
        self.power_w = like.new_zeros(b, n, s)
        self.layer_power_w = like.new_zeros(b, u, s)
        self.interference_w = like.new_full((b, u, s), self.noise_w)
        self.heard_w = like.new_zeros(b, u, n)
        self.interference_db = like.new_zeros(b, n)
        self.rate_bps = like.new_zeros(b, u)
        self.served_mean = mean * self.slot_s
        self.settled_mean = self.served_mean.clone()
        self._graphs.clear()
        self._arrive()

    def _present(self, streams: Streams) -> Tensor:
        """Active users ``[B, U]``: all, or the first of a Poisson number."""
        users = torch.arange(self.num_users)
        if self.mean_users is None:
            return torch.ones(self.num_envs, self.num_users, dtype=torch.bool, device=self.device)
        rate = torch.tensor([self.mean_users])
        count = torch.stack([torch.poisson(rate, generator=g) for g in streams.generators("present")])
        return (users < count.clamp_min(1)).to(self.device)

    def _arrive(self) -> None:
        bits = self.offered.bits[self.slot]
        self.queue.add(bits, self.offered.deadline_slots)
        self.tally.sums["arrived_bits"] += bits.sum(1)

    def _usable(self, action: Schedule) -> Schedule:
        """The layers that count, with powers within the budgets."""
        ready = torch.where(self.queue.bits > 0, self.station, -1)
        wished = Schedule(action.station, action.user, action.power.to(self.dtype))
        return effective(wished, self.station, ready, self.cap)

    def _transmit(self, action: Schedule) -> Tensor:
        """Bits that users' layers have room for in the slot ``[B, U]``."""
        b, n, s, _ = action.user.shape
        gain, on = self.air.gain, action.user >= 0
        layer_w = action.power * self.power_max_w.reshape(b, n, 1, 1)
        self.power_w = layer_w.sum(3)
        received = gain * self.power_w.unsqueeze(1)  # [B, U, N, S]
        self.heard_w = received.mean(3)
        own = self.station.unsqueeze(2) == torch.arange(n, device=self.device)
        # Sums of the others, not total minus own: the difference loses the interference beside a strong signal.
        self.interference_w = received.masked_fill_(own.unsqueeze(3), 0).sum(2) + self.noise_w
        user = action.user.clamp_min(0)
        block = torch.arange(s, device=self.device).reshape(1, 1, s, 1)
        network = torch.arange(b, device=self.device).reshape(b, 1, 1, 1)
        other = self.interference_w[network, user, block]  # [B, N, S, L]
        own_gain = gain[network, user, torch.arange(n, device=self.device).reshape(1, n, 1, 1), block]
        rate = self.subchannel_hz * noma_rates(own_gain, layer_w, other, sic_residual=self.sic_residual)
        place = user.flatten(1)
        self.layer_power_w = (
            torch.zeros(b, self.num_users * s, dtype=self.dtype, device=self.device)
            .scatter_add_(1, (user * s + block).flatten(1), layer_w.flatten(1))
            .reshape(b, -1, s)
        )
        level_db = (other / self.noise_w).log10() * 10 * on
        self.interference_db = level_db.sum((2, 3)) / on.sum((2, 3)).clamp_min(1)
        room = torch.zeros(b, self.num_users, dtype=torch.float64, device=self.device)
        return (room.scatter_add_(1, place, rate.flatten(1).double()) * self.slot_s).long()

    def _reward(self, served: Tensor, dropped: Tensor, moved: Tensor) -> tuple[Tensor, dict[str, Any]]:
        served_now, settled_now = served.to(self.dtype), (served + dropped).to(self.dtype)
        keep = 1 - 1 / self.fairness_slots
        self.rate_bps = served_now / self.slot_s
        self.served_mean = keep * self.served_mean + (1 - keep) * served_now
        self.settled_mean = keep * self.settled_mean + (1 - keep) * settled_now
        fair = jain(self.served_mean / self.settled_mean.clamp_min(1e-9), self.active)
        drawn = self.power_w.sum(2) / self.stations["amplifier_efficiency"] + self.stations["circuit_power_w"]
        energy_j = drawn.sum(1) * self.slot_s
        slot = Slot(served_now, moved, fair, energy_j, self.interference_db, self.station, self.active)
        capacity = self.slot_s * self.scenario.radio.bandwidth_hz
        found = rewards(slot, self.num_stations, capacity, self.weights, self.sharing)
        load = torch.zeros(self.num_envs, self.num_stations, dtype=torch.float64, device=self.device)
        load.scatter_add_(1, self.station.clamp_min(0), (self.station >= 0).double())
        busy = (self.power_w > 1e-6 * self.power_max_w.unsqueeze(2)).sum((1, 2))
        sums = {"energy_j": energy_j, "handovers": moved.sum(1), "busy": busy, "jain": fair}
        self.tally.add(served, dropped, load, sums)
        return found.reward, {
            "team_reward": found.team,
            "continuous_reward": found.further,
            "bit_per_j": found.bit_per_j,
            "interference_db": self.interference_db,
            "jain": fair,
            "handovers": moved.sum(1),
            "throughput_bps": self.rate_bps.sum(1),
            "served_bits": served,
            "dropped_bits": dropped,
        }


_KEPT = (
    "station",
    "home",
    "power_w",
    "layer_power_w",
    "interference_w",
    "heard_w",
    "interference_db",
    "rate_bps",
    "served_mean",
    "settled_mean",
)


def _require(name: str, value: object, valid: bool, expected: str) -> None:
    if not valid:
        raise ValueError(f"{name}: got {value!r}, expected {expected}")
