"""Classical policies for IoT networks: association, clusters and powers from one-slot-old channels."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.radio.schedule import Schedule, budgeted, clusters
from hetgraph.radio.spectrum import Spectrum, spectrum_of
from hetgraph.solvers.layers import layer_gains, layered_wmmse


def max_rsrp(view: Spectrum) -> Tensor:
    """The station that each user receives at the highest power ``[B, U]``; -1 for a user that is not there."""
    return torch.where(view.active, view.rsrp_dbm.argmax(2), -1)


def at_station(view: Spectrum, station: Tensor, value: Tensor) -> Tensor:
    """Values of links ``[B, U, N, *]`` at the users' own stations ``[B, U, *]``."""
    place = station.clamp_min(0).reshape(*station.shape, 1, *([1] * (value.dim() - 3)))
    return value.gather(2, place.expand(*station.shape, 1, *value.shape[3:])).squeeze(2)


def equal_power(user: Tensor) -> Tensor:
    """Equal parts of the budget on the subchannels that have users, and equal parts for these ``[B, N, S, L]``."""
    on = (user >= 0).float()
    used = (on.sum(3, keepdim=True) > 0).float()
    return on / on.sum(3, keepdim=True).clamp_min(1) / used.sum(2, keepdim=True).clamp_min(1)


class IoTPolicy(ABC):
    """Base of policies without memory: ``act`` hands dense tables to ``decide``."""

    level: Level = "global"
    name = ""

    def initial_state(self, obs: HeteroData) -> Any:
        """Nothing to remember."""
        return None

    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Schedule, Any]:
        """Schedule of a slot."""
        return self.decide(spectrum_of(obs), generator), state

    @abstractmethod
    def decide(self, view: Spectrum, generator: Generator | None) -> Schedule:
        """Schedule from dense tables."""


class RandomSchedule(IoTPolicy):
    """Any station for each user, as likely as any other, any of its users for each layer, random powers."""

    name = "random"

    def decide(self, view: Spectrum, generator: Generator | None) -> Schedule:
        """A random schedule of the users that have something to receive."""
        (b, n, u, s), device = view.shape, view.gain.device
        station = torch.where(view.active, torch.randint(n, (b, u), generator=generator, device=device), -1)
        user = clusters(
            torch.rand(b, u, s, generator=generator, device=device), station, n, view.layers, view.queue_bits > 0
        )
        return Schedule(
            station, user, budgeted(torch.rand(user.shape, generator=generator, device=device) * (user >= 0), view.cap)
        )


def deal(view: Spectrum, station: Tensor, quality: Tensor) -> Tensor:
    """The subchannels' layers dealt one by one to a station's best users in turn ``[B, N, S, L]``.

    Args:
        view: users and their queues.
        station: station of each user ``[B, U]``.
        quality: which users are best ``[B, U]``; those without bits get nothing.
    """
    b, n, _, s = view.shape
    ready = (station >= 0) & (view.queue_bits > 0)
    own = (station.unsqueeze(1) == torch.arange(n, device=station.device).reshape(1, n, 1)) & ready.unsqueeze(1)
    value = quality.unsqueeze(1).masked_fill(~own, -torch.inf)  # [B, N, U]
    order, count = value.argsort(dim=2, descending=True, stable=True), own.sum(2)
    turn = torch.arange(s * view.layers, device=station.device) % count.clamp_min(1).unsqueeze(2)
    user = torch.where(count.unsqueeze(2) > 0, order.gather(2, turn), -1)
    user = user.reshape(b, n, view.layers, s).transpose(2, 3)  # the layers of a subchannel are far apart in order
    first = user[..., :1]
    return torch.cat([first, torch.where(user[..., 1:] == first, -1, user[..., 1:])], 3)


class WMMSEMaxRSRP(IoTPolicy):
    """The paper's baseline: strongest station, its users with the best channels one after the other, sum-rate WMMSE powers.

    As many users as a station has subchannels times layers are scheduled, those with the best mean gain first; with fewer users
    they get several.

    Args:
        iterations: rounds of WMMSE.
    """

    name = "wmmse_max_rsrp"

    def __init__(self, iterations: int = 30) -> None:
        self.iterations = iterations

    def decide(self, view: Spectrum, generator: Generator | None) -> Schedule:
        """Schedule of the users that have something to receive."""
        station = max_rsrp(view)
        user = deal(view, station, at_station(view, station, view.gain).mean(2))
        gains = layer_gains(view.gain, user, view.noise_w, view.power_max_w)
        weight = (user >= 0).to(view.gain.dtype)
        power = layered_wmmse(gains, weight, equal_power(user).to(view.gain.dtype), self.iterations)
        return Schedule(station, user, budgeted(power, view.cap))
