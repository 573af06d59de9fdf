"""Cellular networks with queues, fading and stale channel knowledge (Zhang and Guo, Section II-C)."""

import math
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.channel import jakes_correlation
from hetgraph.envs.queues.base import QueueEnv, Reward
from hetgraph.envs.queues.traffic import Traffic
from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.interference import received_power
from hetgraph.radio.rates import spectral_efficiency


class CellularEnv(QueueEnv):
    r"""Stations give each subband to one of their devices, at a power of their choice.

    A slot carries :math:`T \sum_h W_h \log_2(1 + \mathrm{SINR}_h)` bits of a device (eq. 12, 15). Gains are large-scale gains
    times a Gauss-Markov process with Jakes' correlation. What a station knows is one slot old: each device's gain, the
    interference of other stations plus noise, the power it got and its spectral efficiency. A device without packets gets no
    power, whatever the action says.

    Args:
        scenario: name of a preset (``hex-19``, ``random-19``), a scenario, or a graph or batch that is taken as it is.
        num_envs: networks B.
        load: mean packets per device and second, or a :class:`~hetgraph.envs.queues.traffic.Traffic` per slot.
        layouts: how many different layouts the networks have in turn; ``None`` for one each.
        layout_seed: seed of the layouts.
        first_layout: number of the first one.
        packet_bits: bits of a packet.
        doppler_hz: maximum Doppler shift.
        max_sinr_db: SINR beyond which the rate no longer grows.
        episode_slots: length of an episode.
        max_queue: packets above which a network is terminated; ``None`` for never.
        discount: of the return after a termination.
        level: of the observations.
        record: keep what :meth:`delays` needs.
        reward: see :class:`~hetgraph.envs.QueueEnv`.
        seed: of arrivals and fading.
        device: where the tensors are.
        dtype: of the state.

    Raises:
        ValueError: a value out of its range.
    """

    def __init__(
        self,
        scenario: str | Scenario | HeteroData = "hex-19",
        num_envs: int = 1,
        *,
        load: float | Traffic = 20.0,
        layouts: int | None = None,
        layout_seed: int = 0,
        first_layout: int = 0,
        packet_bits: float = 0.5e6,
        doppler_hz: float = 10.0,
        max_sinr_db: float = 30.0,
        episode_slots: int = 5000,
        max_queue: float | None = None,
        discount: float = 0.995,
        level: Level = "neighbourhood",
        record: bool = False,
        reward: Reward = "queue",
        seed: int = 0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if num_envs < 1 or packet_bits <= 0:
            got = f"num_envs={num_envs}, packet_bits={packet_bits}"
            raise ValueError(f"CellularEnv: got {got}, expected at least one network and a positive size of packets")
        layout = _layout(scenario, num_envs, layouts or num_envs, layout_seed, first_layout).to(torch.device(device))
        layout[CHANNEL].gain = layout[CHANNEL].gain.to(dtype)
        slot_s = float(layout.slot_s[0])
        super().__init__(
            layout,
            load if isinstance(load, Traffic) else Traffic(load * slot_s),
            episode_slots=episode_slots,
            max_queue=max_queue,
            discount=discount,
            level=level,
            record=record,
            seed=seed,
            whole=False,
            reward=reward,
        )
        self.packet_bits = packet_bits
        self.correlation = jakes_correlation(doppler_hz, slot_s)
        self.max_sinr = 10 ** (max_sinr_db / 10)
        self._prepare(layout, slot_s)

    def _prepare(self, layout: Batch, slot_s: float) -> None:
        b, n, u, r = self.num_envs, self.num_stations, self.num_devices, self.num_rbs
        kind = {"dtype": self.dtype, "device": self.device}
        self._large = _large_scale(layout).to(**kind).reshape(b, u, n)
        self._noise = layout["ue"].noise_w.to(self.dtype).reshape(b, u, r)
        band = layout.rb_bandwidth_hz.to(self.dtype)
        self._packets_per_efficiency = (band * slot_s / self.packet_bits).unsqueeze(2)  # [B, R, 1]
        # With blocks first an observation [E, R] is a view of the gains.
        self._h = torch.zeros(2, r, b, u, n, **kind)  # real and imaginary parts
        self._innovation = torch.empty(2, b, r, u, n, **kind)
        self._cross = self._innovation[0].view(
            r, b, u, n
        )  # gains of other stations, in memory that is free during a slot
        self._gains = [torch.zeros_like(self._h[0]) for _ in range(2)]  # the current ones and those of the slot before
        station = self.cells.station
        self._foreign = (station.unsqueeze(2) != torch.arange(n, device=self.device)).to(self.dtype)  # [B, U, N]
        block = b * u * torch.arange(r, device=self.device)
        link = torch.arange(b * u, device=self.device).unsqueeze(1) + block  # row of a user and a block in the gains
        self._own_index = (link * n + station.reshape(-1, 1)).flatten()  # [B * U * R]
        self._seen = {
            name: torch.zeros(b, u, r, **kind)
            for name in ("own_gain", "interference_w", "power_w", "spectral_efficiency")
        }

    @property
    def gain(self) -> Tensor:
        """Current gains ``[R, B, U, N]``."""
        return self._gains[0]

    def _capacity(self, allocation: Allocation) -> Tensor:
        assert allocation.airtime is not None
        b, n, r = self.num_envs, self.num_stations, self.num_rbs
        backlogged = (self.queue > 0).to(self.dtype).reshape(-1, 1)
        active = (allocation.airtime > 0) * backlogged  # [B * U, R]
        on_air = active.new_zeros(b * n, r).index_add_(0, self.cells.serving, active) > 0
        power = allocation.power_w.to(self.dtype).reshape(b * n, r) * on_air  # [B * N, R]
        seen = {name: value.flatten(0, 1) for name, value in self._seen.items()}  # [B * U, R]
        own_gain = self._own_gain(self.gain, out=seen["own_gain"])
        at_device = power.index_select(0, self.cells.serving)
        torch.mul(self.gain, self._foreign, out=self._cross)
        others = received_power(self._cross, power.t().reshape(r, b, n))  # [R, B, U]
        torch.add(others.permute(1, 2, 0), self._noise, out=self._seen["interference_w"])
        efficiency = spectral_efficiency(own_gain * at_device, seen["interference_w"], most=self.max_sinr)
        torch.mul(efficiency, active, out=seen["spectral_efficiency"])
        torch.mul(at_device, active, out=seen["power_w"])
        room: Tensor = torch.bmm(self._seen["spectral_efficiency"], self._packets_per_efficiency)
        return room.squeeze(2)

    def _own_gain(self, gain: Tensor, out: Tensor) -> Tensor:
        """Gains ``[R, B, U, N]`` of users' own stations ``[B * U, R]``, written to ``out``."""
        torch.index_select(gain.view(-1), 0, self._own_index, out=out.view(-1))
        return out

    def _observed(self) -> dict[str, Tensor]:
        return {name: value.flatten(0, 1) for name, value in self._seen.items()}

    def _next_slot(self) -> None:
        """Gauss-Markov fading."""
        rho = self.correlation
        self._innovation.normal_(0, math.sqrt((1 - rho * rho) / 2), generator=self.generator)
        torch.add(self._innovation.transpose(1, 2), self._h, alpha=rho, out=self._h)
        self._gains.reverse()
        gain = self._gains[0]
        torch.mul(self._h[0], self._h[0], out=gain)
        gain.addcmul_(self._h[1], self._h[1]).mul_(self._large)

    def _start_networks(self, networks: Tensor | None) -> None:
        """Draw the fading of the slot before the first, which is what stations know, and of the first."""
        rows = slice(None) if networks is None else networks
        self._innovation.normal_(0, math.sqrt(0.5), generator=self.generator)
        fading = self._innovation.transpose(1, 2)[:, :, rows].clone()
        before = (fading[0].square() + fading[1].square()) * self._large[rows]
        rho = self.correlation
        self._innovation.normal_(0, math.sqrt((1 - rho * rho) / 2), generator=self.generator)
        fading = rho * fading + self._innovation.transpose(1, 2)[:, :, rows]
        self._h[:, :, rows] = fading
        self._gains[1][:, rows] = before
        self._gains[0][:, rows] = (fading[0].square() + fading[1].square()) * self._large[rows]
        own = self._own_gain(self._gains[1], torch.empty_like(self._seen["own_gain"]))
        self._seen["own_gain"][rows] = own[rows]
        self._seen["interference_w"][rows] = self._noise[rows]
        self._seen["power_w"][rows] = 0
        self._seen["spectral_efficiency"][rows] = 0

    def _gain(self, level: Level) -> Tensor:
        gain = self._gains[0 if level == "genie" else 1]
        return gain.view(self.num_rbs, -1).t()

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on."""
        fading = {"h": self._h.clone(), "gains": [gain.clone() for gain in self._gains]}
        return {**super().state_dict(), **fading, "seen": {name: value.clone() for name, value in self._seen.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        super().load_state_dict(state)
        self._h.copy_(state["h"])
        for gain, value in zip(self._gains, state["gains"], strict=True):
            gain.copy_(value)
        for name, value in state["seen"].items():
            self._seen[name].copy_(value)


def _layout(scenario: str | Scenario | HeteroData, networks: int, layouts: int, seed: int, first: int) -> Batch:
    if isinstance(scenario, HeteroData):
        one = scenario if "batch" in scenario["bs"] else Batch.from_data_list([scenario])
        held = int(one.num_graphs)
    else:
        held = min(layouts, networks)
        one = (preset(scenario) if isinstance(scenario, str) else scenario).sample(held, seed=seed, first=first)
    if held == networks:
        return one.clone()
    singles = one.to_data_list()
    return Batch.from_data_list([singles[i % held] for i in range(networks)])


def _large_scale(layout: Batch) -> Tensor:
    """Gain of every edge without fading ``[E]``."""
    channel = layout[CHANNEL]
    if "pathloss_db" not in channel:
        mean: Tensor = channel.gain.mean(1)
        return mean
    loss = channel.pathloss_db + channel.shadow_db - channel.antenna_gain_db
    return torch.pow(10, -loss.double() / 10)
