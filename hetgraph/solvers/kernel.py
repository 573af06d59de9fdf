"""What every power iteration needs of the gains, on complete and on sparse graphs alike.

Gains are normalised: power is a fraction of the station's budget and noise is one, so that numbers are near one in float32.
The gain of a user's own station stands apart (``own_gain``) from those of all others (``cross``), whose sum is then the
interference itself and not a difference of two large numbers.

User tensors are ``[B, R, u]`` on complete graphs and ``[U, R]`` otherwise (the *user layout*); station tensors ``[B, R, n]``
or ``[N, R]`` (the *station layout*).
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CHANNEL
from hetgraph.radio.rates import noise_plus_far_w


@dataclass(frozen=True)
class Kernel:
    """Normalised gains of a graph for one association.

    Args:
        links: index structure.
        serving: serving station of each user ``[U]``; -1 for none.
        own_gain: gain of the own station, user layout; zero for a user that is not served.
        gain: gains of all stations: ``[B * R, n, u]`` on complete graphs, edge layout otherwise.
        cross: the same, zero for the own station.
        choose: one-hot association ``[B, n, u]`` on complete graphs, else ``None``.
        cap: largest fraction on a resource block, station layout.
        bandwidth: bandwidth of the resource blocks, Hz, broadcastable against the user layout.
        count: users of each station ``[N]``.
    """

    links: Links
    serving: Tensor
    own_gain: Tensor
    gain: Tensor
    cross: Tensor
    choose: Tensor | None
    cap: Tensor
    bandwidth: Tensor
    count: Tensor

    @property
    def shape(self) -> tuple[int, int, int]:
        """``(B, u, n)`` of a complete graph."""
        b = self.links.num_networks
        return b, self.links.num_ue // b, self.links.num_bs // b

    def interference(self, fraction: Tensor) -> Tensor:
        """Interference plus noise of each user, user layout."""
        if self.choose is not None:
            b, u, n = self.shape
            return torch.bmm(fraction.reshape(-1, 1, n), self.cross).reshape(b, -1, u).add_(1)
        heard = self.cross * self.links.from_bs(fraction)
        return self.links.sum_to_ue(heard) + 1

    def spill(self, pain: Tensor) -> Tensor:
        """What each station's power costs the users of others, summed: station layout."""
        return self._back(self.cross, pain)

    def burden(self, pain: Tensor) -> Tensor:
        """What each station's power costs all users, its own too, summed: station layout."""
        return self._back(self.gain, pain)

    def _back(self, gain: Tensor, pain: Tensor) -> Tensor:
        if self.choose is not None:
            b, u, n = self.shape
            # The order of the factors matters: as matrix times column this product takes MKL 14 times as long.
            return torch.bmm(pain.reshape(-1, 1, u), gain.transpose(1, 2)).reshape(b, -1, n)
        return self.links.sum_to_bs(gain * self.links.from_ue(pain))

    def at_user(self, station: Tensor) -> Tensor:
        """Value of each user's own station: station layout -> user layout; zero for a user that is not served."""
        if self.choose is not None:
            return torch.matmul(station, self.choose)
        return station[self.serving.clamp_min(0)] * (self.serving >= 0).unsqueeze(1)

    def to_station(self, user: Tensor) -> Tensor:
        """Sum over each station's own users: user layout -> station layout."""
        if self.choose is not None:
            return torch.matmul(user, self.choose.transpose(1, 2))
        value = user * (self.serving >= 0).unsqueeze(1)
        return value.new_zeros(self.links.num_bs, value.shape[1]).index_add(0, self.serving.clamp_min(0), value)

    def user_layout(self, user: Tensor) -> Tensor:
        """``[U]`` or ``[U, R]`` in the user layout."""
        wide = user.unsqueeze(1) if user.dim() == 1 else user
        if self.choose is None:
            return wide
        b, u, _ = self.shape
        return wide.reshape(b, u, -1).transpose(1, 2).contiguous()

    def user_flat(self, user: Tensor) -> Tensor:
        """User layout -> ``[U, *]``."""
        return user if self.choose is None else user.transpose(1, 2).reshape(self.links.num_ue, -1)

    def station_layout(self, station: Tensor) -> Tensor:
        """``[N, R]`` in the station layout."""
        if self.choose is None:
            return station
        b, _, n = self.shape
        return station.reshape(b, n, -1).transpose(1, 2).contiguous()

    def station_flat(self, station: Tensor) -> Tensor:
        """Station layout -> ``[N, R]``."""
        return station if self.choose is None else station.transpose(1, 2).reshape(self.links.num_bs, -1)

    def sum_over_blocks(self, value: Tensor) -> Tensor:
        """Sum over the resource blocks, kept as a dimension of one."""
        return value.sum(1, keepdim=True)

    def network_sum(self, user: Tensor) -> Tensor:
        """Sum over a network's users and resource blocks ``[B]``."""
        if self.choose is not None:
            return user.sum((1, 2))
        return self.links.sum_ue_to_network(user.sum(1))

    def per_network(self, value: Tensor, like: Tensor) -> Tensor:
        """``[B]`` broadcastable against a station-layout tensor ``like``."""
        if self.choose is not None:
            return value.reshape(-1, 1, 1)
        return value[self.links.bs_network].reshape(-1, *([1] * (like.dim() - 1)))


def kernel_of(graph: HeteroData, serving: Tensor, *, links: Links | None = None) -> Kernel:
    """Normalised gains of a graph or batch for an association ``serving [U]``; -1 for a user that is not served.

    Raises:
        ValueError: an association of another shape, or one that leads to a station that is no candidate.
    """
    links = links or links_of(graph)
    channel, bs, noise = graph[CHANNEL], graph["bs"], noise_plus_far_w(graph)
    slot = _slots(links, serving)
    own = (links.lift(channel.slot) == links.from_ue(slot)).unsqueeze(-1)  # edge layout
    gain = links.lift(channel.gain) * links.from_bs(bs.power_max_w.unsqueeze(1)) / links.from_ue(noise)
    cap = (bs.rb_power_max_w / bs.power_max_w.clamp_min(1e-30).unsqueeze(1)).clamp(0, 1)
    own_gain = links.pick(links.flat(gain), slot)
    count = links.users_per_bs(serving, gain.new_ones(serving.shape))
    band = graph.rb_bandwidth_hz.to(gain.dtype)
    if not links.dense:
        cross, band = gain.masked_fill(own, 0), band[links.ue_network]
        return Kernel(links, serving, own_gain, gain, cross, None, cap, band, count)
    b, n = links.num_networks, links.num_bs // links.num_networks
    gain = gain.permute(0, 3, 2, 1).reshape(-1, n, links.num_ue // b).contiguous()  # [B, u, n, R] -> [B * R, n, u]
    choose = own.reshape(b, -1, n).transpose(1, 2).contiguous()  # [B, u, n, 1] -> [B, n, u]
    cross = gain.reshape(b, -1, n, links.num_ue // b).masked_fill(choose.unsqueeze(1), 0).reshape(gain.shape)
    kernel = Kernel(links, serving, own_gain, gain, cross, choose.to(gain.dtype), cap, band.unsqueeze(2), count)
    return replace(kernel, own_gain=kernel.user_layout(own_gain), cap=kernel.station_layout(cap))


def _slots(links: Links, serving: Tensor) -> Tensor:
    if tuple(serving.shape) != (links.num_ue,) or serving.is_floating_point():
        got = f"{tuple(serving.shape)} of {serving.dtype}"
        raise ValueError(f"serving: got {got}, expected ({links.num_ue},) of station indices")
    slot = links.slot_of(serving)
    wrong = (slot < 0) & (serving != -1)
    if bool(wrong.any()):
        user = int(wrong.nonzero()[0])
        raise ValueError(
            f"serving: got station {int(serving[user])} for user {user}, expected one of its candidates, or -1"
        )
    return slot
