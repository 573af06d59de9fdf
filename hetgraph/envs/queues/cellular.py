"""Cellular networks with queues, fading and stale channel knowledge (Zhang and Guo, Section II-C)."""

import math
from collections.abc import Mapping
from typing import Any, Literal, Unpack

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.channel import jakes_correlation
from hetgraph.envs.queues.base import QueueEnv
from hetgraph.envs.queues.candidates import CandidateTable
from hetgraph.envs.queues.draws import Draws
from hetgraph.envs.queues.layout import graphs_of, large_scale, network_numbers, prepared
from hetgraph.envs.queues.options import QueueOptions
from hetgraph.envs.queues.traffic import Traffic, traffic_of
from hetgraph.graph.levels import LEVELS, sees_everything
from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Radio
from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.graph.traffic import Packets
from hetgraph.radio.rates import noise_plus_far_w, spectral_efficiency

LOAD_HZ, PACKET_BITS = 20.0, 0.5e6  # Zhang and Guo, Table I


class CellularEnv(QueueEnv):
    r"""Stations give each subband to one of their devices, at a power of their choice.

    A slot carries :math:`T \sum_h W_h \log_2(1 + \mathrm{SINR}_h)` bits of a device (eq. 12, 15). Gains are large-scale gains
    times a Gauss-Markov process with Jakes' correlation. What a station knows is one slot old: each device's gain, the
    interference of other stations plus noise, the power it got and its spectral efficiency. A device without packets gets no
    power, whatever the action says. Users keep the station that may serve them; of several the one that they receive best
    without fading. Up to 64 stations all interfere by their actual powers; in larger networks, or where a scenario says how many
    candidates users have, the others are far interference at full power.

    Args:
        scenario: name of a preset (``hex-19``, ``random-19``), a scenario, or a graph or batch of graphs.
        num_envs: networks B; ``None`` for one, or as many as a batch has. Network i of given graphs is the i-th one, modulo their
            number.
        load: mean packets per device and second, or a :class:`~hetgraph.envs.queues.traffic.Traffic` per slot; ``None`` for the
            scenario's packets, 20 a second where it names none.
        first: number of the first network; network i has the same layout, traffic and fading alone and among many.
        layouts: how many different layouts the networks have in turn; ``None`` for one each.
        layout_seed: seed of the layouts.
        first_layout: number of the layout of network 0.
        packet_bits: bits of a packet; ``None`` for the scenario's, 0.5 Mbit where it names none.
        doppler_hz: maximum Doppler shift.
        max_sinr_db: SINR beyond which the rate no longer grows.
        device: where the tensors are.
        dtype: of the state.
        options: see :class:`~hetgraph.envs.queues.options.QueueOptions`.

    Raises:
        ValueError: a value out of its range, or a scenario that breaks the contract.
    """

    delay_unit: Literal["slots", "ms"] = "ms"

    def __init__(
        self,
        scenario: str | Scenario | HeteroData = "hex-19",
        num_envs: int | None = None,
        *,
        load: float | Traffic | None = None,
        first: int = 0,
        layouts: int | None = None,
        layout_seed: int = 0,
        first_layout: int = 0,
        packet_bits: float | None = None,
        doppler_hz: float = 10.0,
        max_sinr_db: float = 30.0,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        **options: Unpack[QueueOptions],
    ) -> None:
        scenario = preset(scenario) if isinstance(scenario, str) else scenario
        packet_bits = _packet_bits(scenario) if packet_bits is None else packet_bits
        if packet_bits <= 0:
            raise ValueError(f"packet_bits: got {packet_bits}, expected a positive size of packets")
        numbers = network_numbers(scenario, num_envs, first)
        if layouts is not None and layouts < 1:
            raise ValueError(f"layouts: got {layouts}, expected at least 1, or None for one each")
        drawn = [first_layout + (number % layouts if layouts else number) for number in numbers]
        layout = prepared(graphs_of(scenario, drawn, layout_seed), Radio().slot_s, dtype).to(torch.device(device))
        slot_s = float(layout.slot_s[0])
        self.packet_bits = packet_bits
        self.correlation = jakes_correlation(doppler_hz, slot_s)
        self.max_sinr = 10 ** (max_sinr_db / 10)
        self.slot_ms = 1e3 * slot_s
        a_slot = load * slot_s if isinstance(load, (int, float)) else load
        super().__init__(
            layout,
            traffic_of(scenario, a_slot, slot_s, LOAD_HZ * slot_s),
            first=first,
            whole=False,
            **options,
        )
        self._prepare(layout, slot_s)

    def _prepare(self, layout: Batch, slot_s: float) -> None:
        b, u, r = self.num_envs, self.num_devices, self.num_rbs
        kind: dict[str, Any] = {"dtype": self.dtype, "device": self.device}
        self._table = CandidateTable(layout, b)
        k = self._table.width
        self._large = self._table.of_edges(large_scale(layout).to(**kind))  # [B, U, K]
        self._noise = noise_plus_far_w(layout).to(self.dtype).reshape(b, u, r)
        band = layout.rb_bandwidth_hz.to(self.dtype)
        self._packets_per_efficiency = (band * slot_s / self.packet_bits).unsqueeze(2)  # [B, R, 1]
        # With blocks first an observation [E, R] is a view of the gains.
        self._h = torch.zeros(2, r, b, u, k, **kind)  # real and imaginary parts
        self._gains = [torch.zeros_like(self._h[0]) for _ in range(2)]  # the current ones and those of the slot before
        self._cross = torch.zeros_like(self._h[0])  # gains of other stations
        slot = layout["ue"].serving_slot
        self._foreign = (slot.reshape(b, u, 1) != torch.arange(k, device=self.device)).to(self.dtype)  # [B, U, K]
        block = b * u * torch.arange(r, device=self.device)
        link = torch.arange(b * u, device=self.device).unsqueeze(1) + block  # row of a user and a block in the gains
        self._own_index = (link * k + slot.unsqueeze(1)).flatten()  # [B * U * R]
        self._reports = {
            name: torch.zeros(b, u, r, **kind)
            for name in ("own_gain", "interference_w", "power_w", "spectral_efficiency")
        }
        self._known: dict[Level, Tensor] = {}
        self._known_gains: dict[Level, Tensor] = {}

    def _set_seed(self, seed: int) -> None:
        super()._set_seed(seed)
        shape = (2, self.num_rbs, self.num_devices, int(self._layout[CHANNEL].slot.max()) + 1)
        scale = math.sqrt((1 - self.correlation**2) / 2)
        self._draws = Draws(seed, self.networks, "fading", shape, "normal", self.device, self.dtype, scale)

    @property
    def gain(self) -> Tensor:
        """Current gains ``[R, B, U, K]`` of users' candidates."""
        return self._gains[0]

    def _kpi_scale(self, name: str) -> float:
        return 1.0 if name == "delivered" else self.slot_ms

    def _capacity(self, active: Tensor, power_w: Tensor) -> Tensor:
        reports = {name: value.flatten(0, 1) for name, value in self._reports.items()}  # [B * U, R]
        own_gain = self._own_gain(self.gain, out=reports["own_gain"])
        at_device = power_w.index_select(0, self.cells.serving)
        torch.mul(self.gain, self._foreign, out=self._cross)
        others = self._table.received_power(
            self._cross, power_w.t().reshape(len(self.gain), self.num_envs, -1)
        )  # [R, B, U]
        torch.add(others.permute(1, 2, 0), self._noise, out=self._reports["interference_w"])
        efficiency = spectral_efficiency(own_gain * at_device, reports["interference_w"], most=self.max_sinr)
        torch.mul(efficiency, active, out=reports["spectral_efficiency"])
        torch.mul(at_device, active, out=reports["power_w"])
        room: Tensor = torch.bmm(self._reports["spectral_efficiency"], self._packets_per_efficiency)
        return room.squeeze(2)

    def _own_gain(self, gain: Tensor, out: Tensor) -> Tensor:
        """Gains ``[R, B, U, K]`` of users' own stations ``[B * U, R]``, written to ``out``."""
        torch.index_select(gain.view(-1), 0, self._own_index, out=out.view(-1))
        return out

    def _reported(self) -> dict[str, Tensor]:
        return self._reports

    def _next_slot(self) -> None:
        """Gauss-Markov fading."""
        innovation = self._draws.next().permute(1, 2, 0, 3, 4)  # [2, R, B, U, K]
        torch.add(innovation, self._h, alpha=self.correlation, out=self._h)
        self._gains.reverse()
        gain = self._gains[0]
        torch.mul(self._h[0], self._h[0], out=gain)
        gain.addcmul_(self._h[1], self._h[1]).mul_(self._large)

    def _start_networks(self, networks: Tensor) -> None:
        """Draw the fading of the slot before the first, which is what stations know, and of the first."""
        rows, large = networks.tolist(), self._large[networks]
        before = self._draws.further(rows).permute(1, 2, 0, 3, 4) * math.sqrt(0.5)  # [2, R, n, U, K]
        fading = self._draws.further(rows).permute(1, 2, 0, 3, 4) * self._draws.scale + self.correlation * before
        self._h[:, :, networks] = fading
        self._gains[1][:, networks] = before.square().sum(0) * large
        self._gains[0][:, networks] = fading.square().sum(0) * large
        own = self._own_gain(self._gains[1], torch.empty_like(self._reports["own_gain"]))
        self._reports["own_gain"][networks] = own[networks]
        self._reports["interference_w"][networks] = self._noise[networks]
        self._reports["power_w"][networks] = 0
        self._reports["spectral_efficiency"][networks] = 0

    def _set_gain(self, graph: Batch, level: Level) -> None:
        table = self._gains[0 if level == "genie" else 1]
        if not sees_everything(level):
            if level not in self._known_gains:
                known = graph[CHANNEL].known
                self._known[level] = self._table.of_edges(known.to(self.dtype))
                # What is free between two observations of the environment's own level serves both.
                self._known_gains[level] = self._cross if level == self.level else torch.zeros_like(table)
            table = torch.mul(table, self._known[level], out=self._known_gains[level])
        graph[CHANNEL].gain = self._table.edges(table)

    def _packed_gains(self) -> dict[str, Tensor]:
        """Gains of known edges, stations' own at ``local``."""
        if self.level == "local":
            return {}
        gain = self._gains[0 if self.level == "genie" else 1]
        return {"gain": gain.transpose(0, 1).clone()}  # [B, R, U, K]

    def _check_packed(self, level: Level) -> None:
        super()._check_packed(level)
        wider = LEVELS.index(level) > LEVELS.index(self.level)
        if wider or (level != self.level and self.level == "genie"):
            raise ValueError(f"level: got {level!r}, expected {self.level!r}, of which the rows are, or a narrower one")

    def _unpacked_gains(self, rows: Mapping[str, Tensor], graph: Batch) -> Tensor:
        table, edges = CandidateTable(graph, len(rows["network"])), graph[CHANNEL]
        if "gain" in rows:
            gain = table.edges(rows["gain"].transpose(0, 1).to(self.dtype))
            known: Tensor = gain * edges.known.unsqueeze(1)
            return known
        gain = torch.zeros_like(edges.gain)
        gain[edges.own] = rows["own_gain"].flatten(0, 1).to(self.dtype)
        return gain

    def state_dict(self) -> dict[str, Any]:
        """Everything that the future depends on."""
        fading = {
            "h": self._h.clone(),
            "gains": [gain.clone() for gain in self._gains],
            "draws": self._draws.state_dict(),
        }
        return {
            **super().state_dict(),
            **fading,
            "reports": {name: value.clone() for name, value in self._reports.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        super().load_state_dict(state)
        self._draws.load_state_dict(state["draws"])
        self._h.copy_(state["h"])
        for gain, value in zip(self._gains, state["gains"], strict=True):
            gain.copy_(value)
        for name, value in state["reports"].items():
            self._reports[name].copy_(value)


def _packet_bits(scenario: Scenario | HeteroData) -> float:
    """Size of the scenario's packets."""
    traffic = scenario.traffic if isinstance(scenario, Scenario) else None
    return traffic.bits if isinstance(traffic, Packets) else PACKET_BITS
