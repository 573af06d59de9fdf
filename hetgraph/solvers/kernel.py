"""What every power iteration needs of the gains, on complete and on sparse graphs alike.

Gains are normalised: power is a fraction of the station's budget, and a user's gains and noise are divided by all that it would
receive at full power, noise included. None exceeds one, so that products of them stay finite in float32 at any noise and gain.
The gain of a user's own station stands apart (``own_gain``) from those of all others (``cross``), whose sum is then the
interference itself and not a difference of two large numbers.

User arrays are ``[B, R, u]`` on complete graphs and ``[U, R]`` otherwise (the *user layout*); station arrays ``[B, R, n]``
or ``[N, R]`` (the *station layout*).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.rates import equal_airtime, noise_plus_far_w
from hetgraph.solvers.arrays import Array, as_numpy, as_tensor, at_least, at_most, of_type, precision

_SMALL = 1 << 20  # gains up to which a round is faster on NumPy arrays
_NOISE = 0.63  # exponent of the least normal number: noise floor over full power, 240 dB below it in float32


@dataclass(frozen=True)
class Kernel:
    """Normalised gains of a graph for one association.

    Args:
        links: index structure.
        serving: serving station of each user ``[U]``; -1 for none.
        own_gain: gain of the own station, user layout; zero for a user that is not served.
        gain: gains of all stations: ``[B * R, n, u]`` on complete graphs (``[n, u]`` if ``single``), else edge layout.
        cross: the same, zero for the own station.
        noise: noise plus the power of stations that are no candidates, user layout.
        choose: one-hot association ``[B, n, u]`` on complete graphs, else ``None``.
        paired: a complete graph in which station i serves user i and no other.
        single: NumPy arrays of one network and one resource block; products with its gains have shape ``[u]`` or ``[n]``.
        cap: largest fraction on a resource block, station layout.
        bandwidth: bandwidth of the resource blocks, Hz, broadcastable against the user layout.
        airtime: share of its station's time that each user gets, user layout with one resource block.
    """

    links: Links
    serving: Tensor
    own_gain: Array
    gain: Array
    cross: Array
    noise: Array
    choose: Array | None
    paired: bool
    single: bool
    cap: Array
    bandwidth: Array
    airtime: Array

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(B, u, n)`` of a complete graph."""
        b = self.links.num_networks
        return b, self.links.num_ue // b, self.links.num_bs // b

    def array(self, tensor: Tensor) -> Array:
        """A tensor as the kind of array that this kernel computes with."""
        return tensor if isinstance(self.gain, Tensor) else as_numpy(tensor)

    def interference(self, fraction: Array) -> Array:
        """Interference plus noise of each user, user layout."""
        if self.single:
            return fraction[0, 0].dot(self.cross) + self.noise
        if self.choose is None:
            return self.links.sum_to_ue(self.cross * self.links.from_bs(fraction)) + self.noise
        b, blocks, n = fraction.shape
        times = torch.bmm if isinstance(self.cross, Tensor) else np.matmul
        return times(fraction.reshape(-1, 1, n), self.cross).reshape(b, blocks, -1) + self.noise

    def spill(self, pain: Array) -> Array:
        """What each station's power costs the users of others, summed: station layout."""
        return self._back(self.cross, pain)

    def burden(self, pain: Array) -> Array:
        """What each station's power costs all users, its own too, summed: station layout."""
        return self.gain.dot(pain[0, 0]) if self.single else self._back(self.gain, pain)

    def _back(self, gain: Array, pain: Array) -> Array:
        if self.single:
            return gain.dot(pain[0, 0])
        if self.choose is None:
            return self.links.sum_to_bs(gain * self.links.from_ue(pain))
        b, blocks, u = pain.shape
        if isinstance(gain, Tensor):
            # The order of the factors matters: as matrix times column this product takes MKL 14 times as long.
            return torch.bmm(pain.reshape(-1, 1, u), gain.transpose(1, 2)).reshape(b, blocks, -1)
        return np.matmul(gain, pain.reshape(-1, u, 1)).reshape(b, blocks, -1)  # not so for NumPy's

    def at_user(self, station: Array) -> Array:
        """Value of each user's own station: station layout -> user layout; zero for a user that is not served."""
        if self.paired:
            return station
        if self.choose is not None:
            return station @ self.choose
        return station[self.serving.clamp_min(0)] * (self.serving >= 0).unsqueeze(1)

    def to_station(self, user: Array) -> Array:
        """Sum over each station's own users: user layout -> station layout."""
        if self.paired:
            return user
        if self.choose is not None:
            return user @ self.choose.swapaxes(1, 2)
        value = user * (self.serving >= 0).unsqueeze(1)
        return value.new_zeros(self.links.num_bs, value.shape[1]).index_add(0, self.serving.clamp_min(0), value)

    def user_layout(self, user: Tensor) -> Tensor:
        """``[U]`` or ``[U, R]`` in the user layout."""
        wide = user.unsqueeze(1) if user.dim() == 1 else user
        if self.choose is None:
            return wide
        b, u, _ = self.shape
        return wide.reshape(b, u, -1).transpose(1, 2).contiguous()

    def user_flat(self, user: Array) -> Tensor:
        """User layout -> ``[U, *]``."""
        value = as_tensor(user)
        return value if self.choose is None else value.transpose(1, 2).reshape(self.links.num_ue, -1)

    def station_layout(self, station: Tensor) -> Tensor:
        """``[N, R]`` in the station layout."""
        if self.choose is None:
            return station
        b, _, n = self.shape
        return station.reshape(b, n, -1).transpose(1, 2).contiguous()

    def station_flat(self, station: Array) -> Tensor:
        """Station layout -> ``[N, R]``."""
        value = as_tensor(station)
        return value if self.choose is None else value.transpose(1, 2).reshape(self.links.num_bs, -1)

    def network_sum(self, user: Array) -> Array:
        """Sum over a network's users and resource blocks ``[B]``."""
        if self.choose is not None:
            return user.sum((1, 2))
        return self.links.sum_ue_to_network(user.sum(1))

    def per_network(self, value: Array, like: Array) -> Array:
        """``[B]`` broadcastable against a station-layout array ``like``."""
        if self.choose is not None:
            return value.reshape(-1, 1, 1)
        return value[self.links.bs_network].reshape(-1, *([1] * (like.dim() - 1)))


def kernel_of(graph: HeteroData, serving: Tensor, *, links: Links | None = None, light: bool = False) -> Kernel:
    """Normalised gains of a graph or batch for an association ``serving [U]``; -1 for a user that is not served.

    Args:
        graph: a graph or a batch of graphs.
        serving: serving station of each user ``[U]``.
        links: index structure, when at hand.
        light: NumPy arrays in place of tensors where rounds cost less on them: small complete graphs on a CPU.

    Raises:
        ValueError: an association of another shape, or one that leads to a station that is no candidate.
    """
    links = links or links_of(graph)
    if tuple(serving.shape) != (links.num_ue,) or serving.is_floating_point():
        got = f"{tuple(serving.shape)} of {serving.dtype}"
        raise ValueError(f"serving: got {got}, expected ({links.num_ue},) of station indices")
    if not links.dense:
        return _sparse(graph, serving, links)
    gain: Tensor = graph[CHANNEL].gain
    light = light and gain.device.type == "cpu" and gain.numel() <= _SMALL
    return _dense(graph, gain, serving, links, as_numpy if light else torch.as_tensor)


def _sparse(graph: HeteroData, serving: Tensor, links: Links) -> Kernel:
    bs, noise, slot = graph["bs"], noise_plus_far_w(graph), links.slot_of(serving)
    lost = (slot < 0) & (serving != -1)
    if bool(lost.any()):
        _refuse(serving, lost)
    gain = links.lift(graph[CHANNEL].gain) * links.from_bs(bs.power_max_w.unsqueeze(1))
    full = links.sum_to_ue(gain) + noise
    gain, noise = gain / links.from_ue(full), (noise / full).clamp_min(_floor(gain))
    own = (links.lift(graph[CHANNEL].slot) == links.from_ue(slot)).unsqueeze(-1)  # edge layout
    own_gain, cross = links.pick(links.flat(gain), slot), gain.masked_fill(own, 0)
    cap = (bs.rb_power_max_w / bs.power_max_w.clamp_min(1e-30).unsqueeze(1)).clamp(0, 1)
    band = graph.rb_bandwidth_hz[links.ue_network].to(gain.dtype)
    airtime = equal_airtime(links, serving, gain)
    return Kernel(links, serving, own_gain, gain, cross, noise, None, False, False, cap, band, airtime)


def _dense(graph: HeteroData, gain_w: Tensor, serving: Tensor, links: Links, to: Callable[[Tensor], Array]) -> Kernel:
    bs, b, device = graph["bs"], links.num_networks, serving.device
    n, u = links.num_bs // b, links.num_ue // b
    limit = to(bs.power_max_w).reshape(b, 1, n)
    gain = to(gain_w.reshape(b, u, n, -1).permute(0, 3, 2, 1).contiguous()) * limit[..., None]  # [B, R, n, u]
    noise = to(noise_plus_far_w(graph).reshape(b, u, -1).transpose(1, 2).contiguous())
    full = gain.sum(2) + noise
    gain, noise = gain / full[:, :, None], at_least(noise / full, _floor(gain))
    station, chosen = to(torch.arange(b * n, device=device)), to(serving)
    paired = n == u and bool((station == chosen).all())
    own = station.reshape(b, n, 1) == chosen.reshape(b, 1, u)  # [B, n, u]
    if not paired and int(own.sum()) < int((chosen != -1).sum()):
        _refuse(serving, ~as_tensor(own).any(1).flatten() & (serving != -1))
    one_hot = of_type(own, gain)
    own_gain = gain * one_hot[:, None]
    cross = gain - own_gain  # exact: one of the two is zero
    airtime = one_hot.sum(1)[:, None] if paired else (1 / at_least(one_hot.sum(2), 1.0))[:, None] @ one_hot
    cap = to(bs.rb_power_max_w.reshape(b, n, -1).transpose(1, 2).contiguous()) / at_least(limit, 1e-30)
    single = b * gain.shape[1] == 1 and not isinstance(gain, Tensor)
    shape = (n, u) if single else (b * gain.shape[1], n, u)
    return Kernel(
        links,
        serving,
        own_gain=own_gain.sum(2),
        gain=gain.reshape(shape),
        cross=cross.reshape(shape),
        noise=noise,
        choose=one_hot,
        paired=paired,
        single=single,
        cap=at_most(cap, 1.0),
        bandwidth=of_type(to(graph.rb_bandwidth_hz), gain)[..., None],
        airtime=airtime,
    )


def _floor(gain: Array) -> float:
    return float(precision(gain)[1] ** _NOISE)


def _refuse(serving: Tensor, wrong: Tensor) -> NoReturn:
    user = int(wrong.nonzero()[0])
    raise ValueError(
        f"serving: got station {int(serving[user])} for user {user}, expected one of its candidates, or -1"
    )
