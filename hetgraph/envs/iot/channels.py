"""The channels of an episode, slot by slot: gains along users' ways, Gauss-Markov fading, disturbance."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor

from hetgraph.channel import SPEED_OF_LIGHT
from hetgraph.graph.scenario_parts import Channel
from hetgraph.graph.streams import stream
from hetgraph.units import db_to_linear

BLOCK_SLOTS, BLOCK_NUMBERS = 64, 2**16  # most slots, and most numbers of a network, that are drawn at once


@dataclass(frozen=True)
class LargeScale:
    """Gains of an episode without fast fading.

    Args:
        gain_db: of links, place after place ``[B, P, U, N]``, dB.
        by_block: gain of each subchannel over that ``[B, U, N, S]``; ``None`` for one.
        doppler_hz: Doppler shift of users ``[B, U]``.
        slots_per_step: slots between two places.
    """

    gain_db: Tensor
    by_block: Tensor | None
    doppler_hz: Tensor
    slots_per_step: int


def doppler_hz(speed_mps: Tensor, carrier_hz: float, least_hz: float) -> Tensor:
    """Doppler shift of users ``[B, U]``, Hz; of whatever moves around them where they stand."""
    return (speed_mps * carrier_hz / SPEED_OF_LIGHT).clamp_min(least_hz)


class Channels:
    """Gains ``[B, U, N, S]`` of ``B`` networks, now and in the slot before.

    A link's fading on a subchannel is a Gauss-Markov process whose correlation is Jakes' for the user's Doppler shift, Rician
    fading one around a constant; its disturbance, the same on all subchannels, is one in dB. Each network has random numbers of its
    own, so that it is the same alone and among others; they are drawn for several slots at once.

    Args:
        channel: fading and disturbance.
        large_scale: the rest; moved to the device.
        slot_s: length of a slot, s.
        subchannels: number S.
        seeds: seed, numbers of the networks, episode.
        like: a tensor of the wanted dtype and device.
    """

    def __init__(
        self,
        channel: Channel,
        large_scale: LargeScale,
        slot_s: float,
        subchannels: int,
        seeds: tuple[int, range, int],
        like: Tensor,
    ) -> None:
        seed, networks, episode = seeds
        b, _, u, n = large_scale.gain_db.shape
        self.large_db = large_scale.gain_db.to(like)
        self.by_block = None if large_scale.by_block is None else large_scale.by_block.to(like)
        self.slots_per_step, self.slot = large_scale.slots_per_step, -1
        rho = torch.special.bessel_j0(2 * math.pi * slot_s * large_scale.doppler_hz.double())
        self.rho = rho.to(like).reshape(b, 1, u, 1, 1)
        self.spread = ((1 - rho.square()) / 2).sqrt().to(like).reshape(b, 1, u, 1, 1)
        self.fading = channel.fading
        k = 10 ** (channel.rician_k_db / 10) if channel.fading == "rician" else 0.0
        self.constant, self.scattered = math.sqrt(k / (k + 1)), math.sqrt(1 / (k + 1))
        self.sigma_db = channel.disturbance_db
        self.memory = math.exp(-slot_s / channel.disturbance_s)
        self.h = like.new_empty(b, 2, u, n, subchannels)
        self.disturbed = like.new_zeros(b, u, n)
        self.gain, self.gain_before = (like.new_empty(b, u, n, subchannels) for _ in range(2))
        self.wide_db = self.wide_db_before = self.large_db[:, 0]
        self._generators = {
            name: [_generator(seed, i, f"{name}/{episode}", like.device) for i in networks]
            for name in ("fading", "disturbance")
        }
        self._fill("fading", self.h).mul_(math.sqrt(0.5))
        if self.sigma_db:
            self._fill("disturbance", self.disturbed).mul_(self.sigma_db)
        self.block = min(max(BLOCK_NUMBERS // self.h[0].numel(), 1), BLOCK_SLOTS)
        self._numbers = {"fading": like.new_empty(b, self.block, *self.h.shape[1:])}
        if self.sigma_db:
            self._numbers["disturbance"] = like.new_empty(b, self.block, u, n)
        self._renew()
        self.advance()

    def advance(self) -> None:
        """The next slot begins."""
        self.slot += 1
        place = self.slot % self.block
        if place == 0:
            for name, numbers in self._numbers.items():
                if name != "fading" or self.fading != "none":
                    self._fill(name, numbers)
        if self.fading != "none":
            self.h.mul_(self.rho).addcmul_(self._numbers["fading"][:, place], self.spread)
        if self.sigma_db:
            new = self._numbers["disturbance"][:, place]
            self.disturbed = self.memory * self.disturbed + self.sigma_db * math.sqrt(1 - self.memory**2) * new
        self.gain, self.gain_before = self.gain_before, self.gain
        self._renew()

    def step_of(self, slot: int) -> int:
        """Number of the place at which users are in a slot."""
        return min(max(slot, 0) // self.slots_per_step, self.large_db.shape[1] - 1)

    def _renew(self) -> None:
        self.wide_db, self.wide_db_before = self.large_db[:, self.step_of(self.slot)] + self.disturbed, self.wide_db
        wide = db_to_linear(self.wide_db).unsqueeze(3)
        wide = wide if self.by_block is None else wide * self.by_block
        if self.fading == "none":
            self.gain.copy_(wide.expand_as(self.gain))
            return
        real, imaginary = self.h[:, 0], self.h[:, 1]
        if self.constant:
            real = self.constant + self.scattered * real
            imaginary = self.scattered * imaginary
        torch.mul(real, real, out=self.gain)
        self.gain.addcmul_(imaginary, imaginary).mul_(wide)

    def _fill(self, name: str, out: Tensor) -> Tensor:
        """Standard normal numbers, each network from its own generator."""
        for row, generator in zip(out, self._generators[name], strict=True):
            row.normal_(generator=generator)
        return out

    def state_dict(self) -> dict[str, Any]:
        """What the future depends on."""
        values = {name: getattr(self, name).clone() for name in _HELD}
        states = {name: torch.stack([g.get_state() for g in gens]) for name, gens in self._generators.items()}
        # Of a block of one slot nothing is left to be used.
        numbers = {name: value.clone() for name, value in self._numbers.items()} if self.block > 1 else {}
        return {"slot": self.slot, **values, "generators": states, "numbers": numbers}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`.

        Raises:
            ValueError: a state of another kind of device.
        """
        self.slot = state["slot"]
        for name in _HELD:
            setattr(self, name, state[name].to(self.large_db, copy=True))
        for name, numbers in state["numbers"].items():
            self._numbers[name].copy_(numbers)
        for name, states in state["generators"].items():
            present = self._generators[name][0].get_state()
            if states.shape[1:] != present.shape:
                raise ValueError("channels: got the state of another kind of device, expected that of the run before")
            for generator, value in zip(self._generators[name], states, strict=True):
                generator.set_state(value.cpu().clone())  # a row of a table crashes torch 2.13


_HELD = ("h", "disturbed", "gain", "gain_before", "wide_db", "wide_db_before")


def _generator(seed: int, network: int, purpose: str, device: torch.device) -> Generator:
    source = stream(seed, network, purpose)
    return source if device.type == "cpu" else Generator(device).manual_seed(source.initial_seed())
