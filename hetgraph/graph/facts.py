"""Physical facts of a graph that several columns share, each worked out once."""

from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.links import Links, links_of
from hetgraph.graph.power import equal_power_w
from hetgraph.graph.schema import CHANNEL, NEIGHBOURS
from hetgraph.graph.sums_of_others import sum_of_other_edges
from hetgraph.graph.tracing import contained, holds

LEAST_RATIO = 1e-12  # ratios of powers below it are -120 dB
LEAST_POWER = 1e-30  # the same of gains and of powers in W
LEAST_RATE = 1e-6  # of what a station could send in a unit of time


def ratio_db(value: Tensor) -> Tensor:
    """Decibels of a ratio, -120 dB at least, so that what is unknown, and therefore zero, is a finite number."""
    return value.clamp_min(LEAST_RATIO).log10_().mul_(10)


def power_db(value: Tensor) -> Tensor:
    """Decibels of a gain or of a power in W, -300 dB at least."""
    return value.clamp_min(LEAST_POWER).log10_().mul_(10)


class Facts:
    """A graph, or a batch, with what columns read of it; valid as long as its attributes do not change.

    Args:
        graph: a graph or a batch of graphs.
        links: its index structure; made here when ``None``.
    """

    def __init__(self, graph: HeteroData, links: Links | None = None) -> None:
        self.graph = graph
        self.links = links_of(graph) if links is None else links
        self._stores: dict[Any, Any] = {None: graph._global_store}

    @cached_property
    def dtype(self) -> torch.dtype:
        """Of real attributes and of columns."""
        return self.edge("gain").dtype

    def store(self, key: str | tuple[str, str, str] | None) -> Any:
        """Attributes of nodes or edges of a type, or of the networks; PyG looks types up more slowly than columns are made."""
        if key not in self._stores:
            self._stores[key] = self.graph[key]
        return self._stores[key]

    # Attributes by name.

    def bs(self, name: str) -> Tensor:
        """Attribute of stations ``[N, *]``."""
        value: Tensor = self.store("bs")[name]
        return value

    def ue(self, name: str) -> Tensor:
        """Attribute of users ``[U, *]``."""
        value: Tensor = self.store("ue")[name]
        return value

    def antenna(self, name: str) -> Tensor:
        """Attribute of antennas ``[A, *]``."""
        value: Tensor = self.store("antenna")[name]
        return value

    def edge(self, name: str) -> Tensor:
        """Attribute of channel edges ``[E, *]``."""
        value: Tensor = self.store(CHANNEL)[name]
        return value

    def network(self, name: str) -> Tensor:
        """Attribute of networks ``[B, *]``."""
        value: Tensor = self.store(None)[name]
        return value

    def real(self, value: Tensor) -> Tensor:
        """Counts and flags as real numbers."""
        return value.to(self.dtype)

    def at_ue(self, network: Tensor) -> Tensor:
        """Values of networks ``[B, *]`` at their users ``[U, *]``."""
        return network.index_select(0, self.links.ue_network)

    def at_bs(self, network: Tensor) -> Tensor:
        """Values of networks ``[B, *]`` at their stations ``[N, *]``."""
        return network.index_select(0, self.links.bs_network)

    # Powers at equal power on all resource blocks, edge layout, W, means over the station's blocks.

    @cached_property
    def _powers(self) -> tuple[Tensor, Tensor, Tensor]:
        links, bs, ue = self.links, self.graph["bs"], self.graph["ue"]
        flat, far = self.edge("gain"), "far_interference_w" in ue
        if holds((bs.rb_power_max_w > 0).all()):  # one carrier: means over blocks before sums over stations
            mean_gain = links.lift(torch.mv(flat, flat.new_full((flat.shape[1],), 1 / flat.shape[1])))
            received = mean_gain * links.from_bs(bs.power_max_w / flat.shape[1])
            floor = links.from_ue((ue.noise_w + ue.far_interference_w).mean(1)) if far else self.noise_w
            return received, sum_of_other_edges(received, links), floor
        gain = links.lift(flat)
        owned = links.from_bs((bs.rb_power_max_w > 0).to(gain.dtype))
        count = owned.sum(-1).clamp_min(1)
        by_block = gain * links.from_bs(equal_power_w(bs.power_max_w, bs.rb_power_max_w))
        other = (sum_of_other_edges(by_block, links) * owned).sum(-1) / count
        floor = (links.from_ue(ue.noise_w + ue.far_interference_w) * owned).sum(-1) / count if far else self.noise_w
        return by_block.sum(-1) / count, other, floor

    @property
    def received_w(self) -> Tensor:
        """Received power of each edge."""
        return self._powers[0]

    @cached_property
    def noise_w(self) -> Tensor:
        """Noise alone, mean over the station's blocks, broadcastable to the edge layout."""
        links, noise, owned = self.links, self.ue("noise_w"), self.bs("rb_power_max_w") > 0
        if holds(owned.all()):
            return links.from_ue(noise.mean(1))
        lifted = links.from_bs(owned.to(noise.dtype))
        return (links.from_ue(noise) * lifted).sum(-1) / lifted.sum(-1).clamp_min(1)

    @cached_property
    def snr_db(self) -> Tensor:
        """Received power over noise and far interference."""
        return ratio_db(self.received_w / self._powers[2])

    @cached_property
    def sinr_db(self) -> Tensor:
        """The same against all other candidates, too."""
        return ratio_db(self.sinr)

    @cached_property
    def sinr(self) -> Tensor:
        """The same as a ratio."""
        return self.received_w / (self._powers[1] + self._powers[2])

    @cached_property
    def gap_db(self) -> Tensor:
        """Received power below that of the user's strongest candidate."""
        best = self.links.from_ue(self.links.max_to_ue(self.received_w))
        return ratio_db(self.received_w / best.clamp_min(LEAST_POWER))

    @cached_property
    def direction(self) -> tuple[Tensor, Tensor]:
        """Cosine and sine of the directions station -> user ``[E]``; zero without positions."""
        graph, links = self.graph, self.links
        if "offset_m" in graph[CHANNEL]:  # as kept with the edge where the layout wraps around
            east, north = self.real(self.edge("offset_m")).unbind(1)
        elif "pos" in graph["bs"] and "pos" in graph["ue"]:
            ends = ((links.from_ue(self.ue("pos")[:, i]), links.from_bs(self.bs("pos")[:, i])) for i in (0, 1))
            east, north = (links.flat(self.real(ue - bs)) for ue, bs in ends)
        else:
            none = torch.zeros(links.num_edges, dtype=self.dtype, device=links.ue.device)
            return none, none
        per_m = (east * east).addcmul(north, north).clamp_min(1e-12).rsqrt()
        return east * per_m, north * per_m

    # Who is served by whom.

    @cached_property
    def serving_slot(self) -> Tensor:
        """Slot of each user's station ``[U]``, -1 without one; without an association nobody is served."""
        if "serving_slot" in self.store("ue"):
            return self.ue("serving_slot")
        return torch.full((self.links.num_ue,), -1, device=self.links.ue.device)

    @cached_property
    def station(self) -> Tensor:
        """Station of each user ``[U]``, -1 without one."""
        return self.links.station_of(self.serving_slot)

    def own(self, edge: Tensor) -> Tensor:
        """Values of edges ``[E, *]`` on each user's own edge ``[U, *]``; zero without a station."""
        return self.links.pick(edge, self.serving_slot)

    def of_station(self, node: Tensor) -> Tensor:
        """Values of stations ``[N, *]`` at the users that they serve ``[U, *]``; zero without a station."""
        value = node[self.station.clamp_min(0)]
        served = (self.station >= 0).reshape(-1, *([1] * (value.dim() - 1)))
        return torch.where(served, value, torch.zeros((), dtype=value.dtype, device=value.device))

    def sum_of_users(self, value: Tensor) -> Tensor:
        """Sums of users' values ``[U]`` over those that each station serves ``[N]``."""
        return self.links.users_per_bs(self.station, value)

    @cached_property
    def users_served(self) -> Tensor:
        """Number of users that each station serves, 1 at least ``[N]``."""
        one = torch.ones(self.links.num_ue, dtype=self.dtype, device=self.links.ue.device)
        return self.sum_of_users(one).clamp_min(1)

    # Quantities of networks.

    @cached_property
    def load(self) -> Tensor:
        """Users of each station over those that it can take ``[N]``."""
        return self.bs("users") / self.real(self.bs("max_users")).clamp_min(1)

    @cached_property
    def rate_unit_hz(self) -> Tensor:
        """Band of each station over the rate that counts as one ``[N]``: efficiency times it is a rate in that unit."""
        owned = self.bs("rb_power_max_w") > 0
        band = (self.at_bs(self.network("rb_bandwidth_hz")) * owned).sum(1)
        return band / self.at_bs(self.network("rate_unit_bps"))

    @cached_property
    def log_rate(self) -> Tensor:
        """log(1 + rate / unit) that users had ``[U]``."""
        return (self.ue("rate_bps") / self.at_ue(self.network("rate_unit_bps"))).log1p()

    @cached_property
    def own_snr_db(self) -> Tensor:
        """Received power of users' own stations over noise ``[U]``."""
        return ratio_db(self.own(self.links.flat((self.received_w / self.noise_w).expand_as(self.received_w))))

    @cached_property
    def users_with_me(self) -> Tensor:
        """Users of each edge's station if the edge's user were there ``[E]``."""
        return self.edge("users") + 1 - self.real(self.own_edge)

    @cached_property
    def own_edge(self) -> Tensor:
        """Edges to serving stations ``[E]``, bool."""
        if "own" in self.store(CHANNEL):
            return self.edge("own")
        return self.edge("slot") == self.serving_slot[self.links.ue]

    @cached_property
    def near_edges(self) -> Tensor:
        """Edges from stations to the users of stations with which they hear each other ``[*]``."""
        source, target = self.graph[NEIGHBOURS].edge_index
        n, links = self.links.num_bs, self.links
        heard, hears = links.bs + n * self.station[links.ue], self.station[links.ue] + n * links.bs
        pairs = source + n * target
        served = self.station[links.ue] >= 0
        return (contained(heard, pairs, n * n) & contained(hears, pairs, n * n) & served).nonzero().squeeze(1)

    @cached_property
    def data_rate(self) -> Tensor:
        """Data per unit of time on each edge if the station were the user's alone ``[E]``."""
        return self.edge("rate") * self.network("time_unit").index_select(0, self.links.edge_network)

    @cached_property
    def need(self) -> Tensor:
        """Units of time that the rest of the user's demand takes if the station were its alone ``[E]``."""
        return self.ue("demand").index_select(0, self.links.ue) / self.data_rate.clamp_min(LEAST_RATE)

    @cached_property
    def need_log(self) -> Tensor:
        """Logarithm of one plus these ``[E]``."""
        return self.need.log1p()

    @cached_property
    def share_log(self) -> Tensor:
        """Logarithm of one plus the data in a unit of time of an equal share beside those who are there ``[E]``."""
        return (self.data_rate / self.users_with_me.clamp_min(1)).log1p()

    @cached_property
    def packets(self) -> Tensor:
        """Packets that wait for users ``[U]``."""
        return self.ue("queue_bits") / self.ue("packet_bits").clamp_min(1e-30)

    @cached_property
    def own_snr_of_blocks_db(self) -> Tensor:
        """The own station's full power over noise on each block ``[U, R]``."""
        return ratio_db(self.own_full_w / self.ue("noise_w"))

    @cached_property
    def own_max_w(self) -> Tensor:
        """Largest power of each block of users' own stations ``[U, R]``, W."""
        return self.of_station(self.bs("rb_power_max_w"))

    @cached_property
    def own_full_w(self) -> Tensor:
        """Power that users would receive of it on each block ``[U, R]``, W."""
        return self.ue("own_gain") * self.own_max_w
