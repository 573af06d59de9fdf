"""The strong classical policy for IoT networks: PF association, max-weight clusters, WMMSE with the same weights."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.iot.rules import at_station, max_rsrp
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import Level
from hetgraph.graph.sums_of_others import sum_of_others
from hetgraph.radio.interference import interference_on_blocks
from hetgraph.radio.noma import noma_power_split, noma_rates
from hetgraph.radio.rates import LOG2E, spectral_efficiency
from hetgraph.radio.schedule import Schedule, budgeted
from hetgraph.radio.spectrum import Spectrum, min_path_loss, spectrum_of
from hetgraph.solvers.association import improve_by_moves
from hetgraph.solvers.layers import LayerGains, layer_gains, layered_wmmse

Association = Literal["pf", "max_rsrp", "path_loss"]
Weighting = Literal["queue", "urgency", "need", "fair"]
LEAST_BITS = 1.0


@dataclass(frozen=True)
class Memory:
    """What :class:`MaxWeight` remembers.

    Args:
        slot: number of slots decided.
        station: association ``[B, U]``.
        fading: gains over their means in the slot before ``[B, U, N, S]``.
        correlation: of each user's gains from slot to slot, estimated ``[B, U]``.
    """

    slot: int
    station: Tensor
    fading: Tensor
    correlation: Tensor


@dataclass(frozen=True)
class Subchannel:
    """What a subchannel would carry for each user at its own station ``[B, U]``, the power being an equal part of the budget.

    Args:
        gain: own gain.
        other: interference plus noise, W.
        budget: power, W.
        weight: of the user's bits.
        left: bits that are not yet given a subchannel.
        bits: that the subchannel carries at 1 bit/s/Hz ``[B, 1]``.
        mine: users of each station ``[B, N, U]``.
    """

    gain: Tensor
    other: Tensor
    budget: Tensor
    weight: Tensor
    left: Tensor
    bits: Tensor
    mine: Tensor

    def value(self, members: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Weighted bits of clusters ``[B, C]``, and the powers and bits of their users ``[B, C, K]``.

        Args:
            members: users of clusters, all of one station ``[B, C, K]``; -1 for none.
        """
        present, index = members >= 0, members.clamp_min(0)

        def of(value: Tensor) -> Tensor:
            return value.gather(1, index.flatten(1)).reshape(members.shape)

        gain, weight = of(self.gain) * present, of(self.weight) * present
        budget = of(self.budget).amax(2, keepdim=True)
        power = noma_power_split(gain, of(self.other), budget, weights=weight)
        bits = torch.minimum(noma_rates(gain, power, of(self.other)) * self.bits.unsqueeze(2), of(self.left))
        return (weight * bits).sum(2), power, bits

    def clusters(self, layers: int) -> tuple[Tensor, Tensor, Tensor]:
        """Users of each station's cluster, one added after the other as long as it helps, their powers and bits ``[B, N, L]``."""
        b, n, u = self.mine.shape
        everyone = torch.arange(u, device=self.gain.device).reshape(1, u, 1).expand(b, u, 1)
        station = self.mine.to(torch.uint8).argmax(1)  # [B, U]
        chosen, best = everyone.new_full((b, n, 0), -1), self.gain.new_zeros(b, n)
        for _ in range(layers):
            with_me = chosen.gather(1, station.unsqueeze(2).expand(b, u, chosen.shape[2]))
            value, _, _ = self.value(torch.cat([with_me, everyone], 2))
            value = value.masked_fill((with_me == everyone).any(2) | (self.left < LEAST_BITS), 0)
            top, user = value.unsqueeze(1).masked_fill(~self.mine, 0).max(2)
            helps = top > best * (1 + 1e-6)
            chosen = torch.cat([chosen, torch.where(helps, user, -1).unsqueeze(2)], 2)
            best = torch.maximum(top, best)
        _, power, bits = self.value(chosen)
        return chosen, power, bits


class MaxWeight:
    """Proportional-fair association, clusters by weighted rates with queues that count down, WMMSE with the same weights.

    Subchannels are filled one after the other: the cluster that adds most to the weighted sum of bits gets it, at the powers that are
    optimal for it, and its users' queues count without these bits from then on. Then WMMSE, with each user's weight in all its
    layers, sets all powers against each other's interference. At last layers get no more power than their user's bits need.

    Gains are one slot old. What they say of the present depends on how fast a user moves: its correlation from slot to slot is
    estimated and gains are drawn to their mean by it.

    Args:
        weighting: ``queue`` (bits), ``urgency`` (bits over what the user is offered per second and over the slots left for the
            oldest), ``need`` (bits over these slots) or ``fair`` (one over the mean rate).
        associate: ``pf`` (largest sum of log(rate / users) at full power), ``max_rsrp``, or ``path_loss`` for the least one.
        power: ``wmmse``, or ``equal``: each subchannel an equal part of the budget, split optimally within the cluster.
        iterations: rounds of WMMSE.
        rounds: how often subchannels are filled, each time after the powers of the time before; the best counts.
        every: slots after which users are associated anew.
        margin: layers get power for so many times the bits that wait; 0 for all that WMMSE gives.
        predict: draw gains to their mean.
    """

    level: Level = "global"

    def __init__(
        self,
        weighting: Weighting = "urgency",
        associate: Association = "pf",
        power: Literal["wmmse", "equal"] = "wmmse",
        *,
        iterations: int = 20,
        rounds: int = 2,
        every: int = 10,
        margin: float = 1.2,
        predict: bool = True,
        name: str = "wmmse_pf",
    ) -> None:
        self.weighting, self.associate, self.power = weighting, associate, power
        self.iterations, self.rounds, self.every = iterations, rounds, every
        self.margin, self.predict = margin, predict
        self.name = name

    def initial_state(self, obs: HeteroData) -> Memory:
        """Nothing known but the strongest station."""
        view = spectrum_of(obs)
        return Memory(0, max_rsrp(view), _fading(view), torch.ones_like(view.queue_bits))

    def act(self, obs: HeteroData, state: Memory, generator: Generator | None) -> tuple[Schedule, Memory]:
        """Schedule of a slot."""
        view, station = spectrum_of(obs), state.station
        if state.slot % self.every == 0:
            station = self._station(obs, view, station)
        station = torch.where(view.active, station, -1)
        fading, correlation = _fading(view), state.correlation
        gain = view.gain
        if self.predict and state.slot:
            new = _correlation(fading, state.fading)
            correlation = new if state.slot == 1 else 0.9 * correlation + 0.1 * new
            mean = gain / fading
            gain = mean * (1 + correlation.clamp(0, 1)[..., None, None] * (fading - 1))
        return self._schedule(view, station, gain), Memory(state.slot + 1, station, fading.clone(), correlation)

    def _station(self, obs: HeteroData, view: Spectrum, station: Tensor) -> Tensor:
        if self.associate == "pf":
            return self._pf(view, links_of(obs), station)
        return max_rsrp(view) if self.associate == "max_rsrp" else min_path_loss(view)

    def _pf(self, view: Spectrum, links: Links, station: Tensor) -> Tensor:
        """Association that no single user's move improves, from the present one."""
        received = 10 ** ((view.rsrp_dbm - 30) / 10)
        interference = sum_of_others(received, 2) + view.noise_w.sum(2, keepdim=True)
        rate = spectral_efficiency(received, interference, nats=True).clamp_min(1e-12)
        slot = torch.where(station >= 0, station, max_rsrp(view).clamp_min(0)).flatten()
        moved = improve_by_moves(rate.log(), slot, links, 1000, active=view.active.flatten())
        return moved.reshape(station.shape)

    def _weights(self, view: Spectrum, left: Tensor) -> Tensor:
        """Weights of users' bits ``[B, U]``."""
        waits = left >= LEAST_BITS
        head = view.head_slots.clamp_min(1)
        if self.weighting == "queue":
            return left
        if self.weighting == "need":
            return left / head
        if self.weighting == "fair":
            return waits / view.rate_mean_bps.clamp_min(1e4)
        return left / head / view.offered_bps.clamp_min(1e3)

    def _schedule(self, view: Spectrum, station: Tensor, gain: Tensor) -> Schedule:
        other = at_station(view, station, view.candidate_interference_w())
        user, power = self._fill(view, station, gain, other)
        if self.power == "equal":
            return Schedule(station, user, budgeted(power, view.cap))
        power, value = self._powers(view, gain, user, power)
        for _ in range(1, self.rounds):
            other = _interference(view, station, gain, power)
            again, start = self._fill(view, station, gain, other)
            result, new_value = self._powers(view, gain, again, start)
            better = (new_value > value).reshape(-1, 1, 1, 1)
            user, power = torch.where(better, again, user), torch.where(better, result, power)
            value = torch.maximum(value, new_value)
        return Schedule(station, user, budgeted(power, view.cap))

    def _powers(self, view: Spectrum, gain: Tensor, user: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
        """Powers of clusters ``[B, N, S, L]``, and the weighted bits that they carry of those that wait ``[B]``."""
        gains = layer_gains(gain, user, view.noise_w, view.power_max_w)
        weight = self._weights(view, view.queue_bits)
        weight = weight / weight.amax(1, keepdim=True).clamp_min(1e-30)
        power = layered_wmmse(gains, _of_users(weight, user), start.clamp_min(1e-4) * (user >= 0), self.iterations)
        if self.margin:
            power = self._needed(view, gains, user, power)
        carried = self._carried(view, gains, user, power)
        return power, (weight * torch.minimum(carried, view.queue_bits)).sum(1)

    def _fill(self, view: Spectrum, station: Tensor, gain: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Clusters ``[B, N, S, L]`` and their powers at equal parts of the budget."""
        b, n, _, s = view.shape
        own = at_station(view, station, gain)
        part = view.power_max_w / s
        budget = part.gather(1, station.clamp_min(0))
        mine = station.unsqueeze(1) == torch.arange(n, device=station.device).reshape(1, n, 1)
        bits, left = view.bits_per_efficiency.reshape(b, 1), view.queue_bits
        result = []
        for block in range(s):
            weight = self._weights(view, left) * (station >= 0)
            chance = Subchannel(own[..., block], other[..., block], budget, weight, left, bits, mine)
            user, power_w, carried = chance.clusters(view.layers)
            index = user.clamp_min(0).flatten(1)
            left = left.scatter_add(1, index, -(carried * (user >= 0)).flatten(1)).clamp_min(0)
            result.append((user, power_w / view.power_max_w.unsqueeze(2)))
        users, powers = zip(*result, strict=True)
        return torch.stack(users, 2), torch.stack(powers, 2)

    def _needed(self, view: Spectrum, gains: LayerGains, user: Tensor, power: Tensor) -> Tensor:
        """Powers with which layers carry what waits, with a margin; where others send less, less is needed."""
        for _ in range(3):
            nats = gains.efficiency(power)
            total = self._carried(view, gains, user, power)
            part = _of_users((self.margin * view.queue_bits / total.clamp_min(1)).clamp_max(1), user)
            power = power * torch.where(nats > 1e-9, (part * nats).expm1() / nats.expm1().clamp_min(1e-12), 1)
        return power

    @staticmethod
    def _carried(view: Spectrum, gains: LayerGains, user: Tensor, power: Tensor) -> Tensor:
        """Bits that a slot would carry for each user ``[B, U]``."""
        bits = view.bits_per_efficiency.reshape(-1, 1, 1, 1) * LOG2E * gains.efficiency(power) * (user >= 0)
        return torch.zeros_like(view.queue_bits).scatter_add(1, user.clamp_min(0).flatten(1), bits.flatten(1))


def _interference(view: Spectrum, station: Tensor, gain: Tensor, power: Tensor) -> Tensor:
    """What users would hear of stations other than their own, plus noise ``[B, U, S]``, W; powers in parts of budgets."""
    sent = power.sum(3) * view.power_max_w.unsqueeze(2)
    return interference_on_blocks(gain * sent.unsqueeze(1), station, view.noise_w)


def _of_users(value: Tensor, user: Tensor) -> Tensor:
    """Values of users ``[B, U]`` at layers ``[B, N, S, L]``; zero for a free layer."""
    return value.gather(1, user.clamp_min(0).flatten(1)).reshape(user.shape) * (user >= 0)


def _fading(view: Spectrum) -> Tensor:
    """Gains over their means ``[B, U, N, S]``."""
    mean = 10 ** ((view.rsrp_dbm - 30) / 10) / view.power_max_w.unsqueeze(1)
    return view.gain / mean.unsqueeze(3)


def _correlation(now: Tensor, before: Tensor) -> Tensor:
    """Correlation of each user's fading over all its links and subchannels ``[B, U]``."""
    a, b = now - 1, before - 1
    scale = (a.square().mean((2, 3)) * b.square().mean((2, 3))).sqrt()
    return (a * b).mean((2, 3)) / scale.clamp_min(1e-12)
