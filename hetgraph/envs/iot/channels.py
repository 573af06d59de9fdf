"""The channels of an episode, slot by slot: path loss along users' ways, Gauss-Markov fading, disturbance."""

import math
from typing import Any

import torch
from torch import Generator, Tensor

from hetgraph.channel import SPEED_OF_LIGHT
from hetgraph.envs.iot.mobility import Paths
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.streams import stream
from hetgraph.units import db_to_linear


class Air:
    """Gains ``[B, U, N, S]`` of ``B`` networks, now and in the slot before.

    A link's fading on a subchannel is a Gauss-Markov process whose correlation is Jakes' for the user's Doppler shift; its
    disturbance, the same on all subchannels, is one in dB. Each network has random numbers of its own, so that it is the same alone
    and among others.

    Args:
        scenario: channel and radio.
        paths: where users are; moved to the device.
        seeds: seed, numbers of the networks, episode.
        slots_per_step: slots between two places.
        like: a tensor of the wanted dtype and device.
    """

    def __init__(
        self, scenario: Scenario, paths: Paths, seeds: tuple[int, range, int], slots_per_step: int, like: Tensor
    ) -> None:
        seed, networks, episode = seeds
        b, _, u, n = paths.gain_db.shape
        channel, radio = scenario.channel, scenario.radio
        self.large_db = paths.gain_db.to(like)
        self.slots_per_step, self.slot = slots_per_step, -1
        doppler = (paths.speed_mps * channel.carrier_hz / SPEED_OF_LIGHT).clamp_min(scenario.mobility.doppler_hz)
        rho = torch.special.bessel_j0(2 * math.pi * radio.slot_s * doppler.double())
        self.rho = rho.to(like).reshape(b, 1, u, 1, 1)
        self.spread = ((1 - rho.square()) / 2).sqrt().to(like).reshape(b, 1, u, 1, 1)
        self.fades = channel.fading == "rayleigh"
        self.sigma_db = channel.disturbance_db
        self.memory = math.exp(-radio.slot_s / channel.disturbance_s)
        self.h = like.new_empty(b, 2, u, n, radio.num_rbs)
        self._innovation = torch.empty_like(self.h)
        self.disturbed = like.new_zeros(b, u, n)
        self.gain, self.gain_before = (like.new_empty(b, u, n, radio.num_rbs) for _ in range(2))
        self.wide_db = self.wide_db_before = self.large_db[:, 0]
        self._generators = {
            name: [_generator(seed, i, f"{name}/{episode}", like.device) for i in networks]
            for name in ("fading", "disturbance")
        }
        self._fill("fading", self.h).mul_(math.sqrt(0.5))
        if self.sigma_db:
            self._fill("disturbance", self.disturbed).mul_(self.sigma_db)
        self._renew()
        self.advance()

    def advance(self) -> None:
        """The next slot begins."""
        self.slot += 1
        if self.fades:
            self._fill("fading", self._innovation)
            self.h.mul_(self.rho).addcmul_(self._innovation, self.spread)
        if self.sigma_db:
            new = self._fill("disturbance", torch.empty_like(self.disturbed))
            self.disturbed = self.memory * self.disturbed + self.sigma_db * math.sqrt(1 - self.memory**2) * new
        self.gain, self.gain_before = self.gain_before, self.gain
        self._renew()

    def _renew(self) -> None:
        step = min(max(self.slot, 0) // self.slots_per_step, self.large_db.shape[1] - 1)
        self.wide_db, self.wide_db_before = self.large_db[:, step] + self.disturbed, self.wide_db
        wide = db_to_linear(self.wide_db).unsqueeze(3)
        if self.fades:
            torch.mul(self.h[:, 0], self.h[:, 0], out=self.gain)
            self.gain.addcmul_(self.h[:, 1], self.h[:, 1]).mul_(wide)
        else:
            self.gain.copy_(wide.expand_as(self.gain))

    def _fill(self, name: str, out: Tensor) -> Tensor:
        """Standard normal numbers, each network from its own generator."""
        for row, generator in zip(out, self._generators[name], strict=True):
            row.normal_(generator=generator)
        return out

    def state_dict(self) -> dict[str, Any]:
        """What the future depends on."""
        names = ("h", "disturbed", "gain", "gain_before", "wide_db", "wide_db_before")
        held = {name: getattr(self, name).clone() for name in names}
        states = {name: torch.stack([g.get_state() for g in gens]) for name, gens in self._generators.items()}
        return {"slot": self.slot, **held, "generators": states}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a :meth:`state_dict`."""
        self.slot = state["slot"]
        for name in ("h", "disturbed", "gain", "gain_before"):
            getattr(self, name).copy_(state[name])
        self.wide_db, self.wide_db_before = (
            state[n].to(self.large_db, copy=True) for n in ("wide_db", "wide_db_before")
        )
        for name, states in state["generators"].items():
            held = self._generators[name][0].get_state()
            if states.shape[1:] != held.shape:
                raise ValueError("air: got the state of another kind of device, expected to go on where the run was")
            for generator, value in zip(self._generators[name], states, strict=True):
                generator.set_state(value.cpu().clone())  # a row of a table crashes torch 2.13


def _generator(seed: int, network: int, purpose: str, device: torch.device) -> Generator:
    source = stream(seed, network, purpose)
    return source if device.type == "cpu" else Generator(device).manual_seed(source.initial_seed())
