"""Arrivals on any layout: users come to the places of the users of sampled or given graphs."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.arrivals.layout import Layout, equal_count, layout_of
from hetgraph.envs.arrivals.reception import Reception
from hetgraph.envs.arrivals.sources import SIGNALS, START, Source, first_of
from hetgraph.envs.arrivals.start_users import rest_of_demand, users_at_load, users_of_stations
from hetgraph.envs.arrivals.table import Signals, Start, Table
from hetgraph.graph.check import check
from hetgraph.graph.counters import Networks, uniforms
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import CHANNEL
from hetgraph.graph.source import Drawn
from hetgraph.graph.sources import DrawnNetworks, source_of


@dataclass(frozen=True, kw_only=True)
class LayoutArrivals(Source):
    """Users come to the places of a graph's users, all as likely, and stand there while they are served.

    A scenario is sampled once for each seed: network i is its sample of number i. Of given graphs, network i is the one of number i
    modulo their number. Rates follow Shannon's formula at the mean SINR over the band, see
    :class:`~hetgraph.envs.arrivals.reception.Reception`; gains are means over the blocks.

    Args:
        layout: a scenario, or a contract graph or batch of them.
        reception: which stations users receive, and how well.
        most_candidates: how many of them, the strongest with room, may take a user.

    Raises:
        ValueError: several carriers, or networks of different sizes.
    """

    layout: Scenario | HeteroData = field(compare=False)
    reception: Reception = Reception()
    most_candidates: int = 4
    _kept: dict[Networks, "Places"] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.layout, HeteroData):
            check(self.layout)
            self._check(as_batch(self.layout))
        elif len(self.layout.carriers) > 1:
            raise ValueError(f"radio.carriers: got {len(self.layout.carriers)}, expected one, which arrivals share")

    def _check(self, graph: HeteroData) -> None:
        """Refuse networks that do not fit."""
        if bool((graph["bs"].rb_power_max_w == 0).any()):
            raise ValueError("bs.rb_power_max_w: got stations without power on a block, expected one carrier")
        got = equal_count(graph, "bs")
        if got != self.service.stations:
            raise ValueError(f"service.stations: got {self.service.stations}, expected the graph's {got}")

    @property
    def links_per_user(self) -> int:
        """Stations that a user hears."""
        return min(self.reception.stations, self.service.stations)

    @property
    def candidates(self) -> int:
        """How many of them may take it."""
        return self.most_candidates

    @cached_property
    def band_hz(self) -> float:
        """Bandwidth that a station shares among its users, Hz."""
        return size_of(self.layout)[1]

    def signals(self, networks: Networks, episode: int, slots: int) -> tuple[Signals, Layout]:
        """How users receive stations: each is one of the graph's."""
        if networks not in self._kept:
            self._kept.clear()
            self._kept[networks] = self._places(networks)
        places = self._kept[networks]
        uniform = uniforms(networks.keys, first_of(episode, SIGNALS), 1, slots)[0]
        row = places.first + (uniform * places.count).long()  # [T, B]
        user = {name: value[row] for name, value in places.user.items()}
        b, n = len(networks.numbers), self.service.stations
        bs_pos = places.layout.bs.get("pos", torch.zeros(b, n, 3))
        return Signals(**user, bs_pos=bs_pos), places.layout

    def start(self, networks: Networks, episode: int, table: Table) -> Start | None:
        """Users of the layout who fill stations up to the ``load`` of a scenario's tiers, in the middle of their service.

        A station's users are those of the layout who receive it best, drawn with replacement; where there are none, those who
        receive it at all, and it stays empty where nobody does.
        """
        load = _loads(self.layout)
        wanted = None if load is None else users_at_load(load, self.service)
        if wanted is None or len(wanted) == 0:
            return None
        places, b = self._kept[networks], len(networks.numbers)
        uniform = uniforms(networks.keys, first_of(episode, START), 3, len(wanted))
        station, rate = places.user["station"], places.user["rate"][..., 0]
        network = torch.arange(b).repeat_interleave(places.count)
        row, place, comes = users_of_stations(wanted, station, rate, network, uniform[0], self.service.stations)
        demand = rest_of_demand(table.mean_demand, tuple(self.spread), uniform[1:])
        asked = torch.full_like(demand, self.service.least_asked)
        signals = Signals(**{name: value[row] for name, value in places.user.items()}, bs_pos=table.signals.bs_pos)
        known = (table.probability, table.mean_demand, table.layout)
        return Start(Table(comes, demand, asked, signals, *known), place)

    def _places(self, networks: Networks) -> "Places":
        if isinstance(self.layout, Scenario):
            graph = self.layout.sample(len(networks.numbers), seed=networks.seed, first=networks.numbers.start)
            self._check(graph)
            return places_of(graph, self.reception, self.units_per_efficiency)
        places = places_of(as_batch(self.layout), self.reception, self.units_per_efficiency)
        number = torch.tensor(list(networks.numbers)) % len(places.first)
        return Places(places.user, places.first[number], places.count[number], places.layout.select(number))


def _loads(layout: Scenario | HeteroData) -> Tensor | None:
    """Load of each station ``[N]`` at the start; ``None`` where no tier has one."""
    if not isinstance(layout, Scenario):
        return None
    source = source_of(layout)
    tiers = source.scenario.tiers if isinstance(source, DrawnNetworks) else ()
    if not any(tier.load for tier in tiers):
        return None
    return torch.tensor([load for tier in tiers for load in tier.load or (0.0,) * tier.count])


def as_batch(graph: HeteroData) -> HeteroData:
    """A graph as a batch of one; a batch as it is."""
    return graph if "ptr" in graph["bs"] else Batch.from_data_list([graph])


def size_of(layout: Scenario | HeteroData) -> tuple[int, float]:
    """Stations of a network and the band that they share, Hz; of files, which alone tell, as in the first network."""
    if isinstance(layout, Scenario):
        if isinstance(layout.source, Drawn):
            return layout.num_stations, layout.radio.bandwidth_hz
        layout = layout.sample(1)
    return int(as_batch(layout)["bs"].ptr[1]), float(layout.rb_bandwidth_hz[0].sum())


@dataclass(frozen=True)
class Places:
    """Users of some graphs, from whom those who come are drawn.

    Args:
        user: what :class:`~hetgraph.envs.arrivals.table.Signals` says of each user ``[U, *]``.
        first: row of the first user of each network ``[B]``.
        count: number of its users ``[B]``.
        layout: stations and antennas.
    """

    user: dict[str, Tensor]
    first: Tensor
    count: Tensor
    layout: Layout


def places_of(graph: HeteroData, reception: Reception, units_per_efficiency: float) -> Places:
    """How each user of a batch of graphs receives stations; those that are not among its edges have gain 0."""
    layout, ue, edges = layout_of(graph), graph["ue"], graph[CHANNEL]
    n = equal_count(graph, "bs")
    bs, user = edges.edge_index
    share = graph["bs"].rb_power_max_w / graph["bs"].rb_power_max_w.sum(1, keepdim=True)
    wideband = (edges.gain * share[bs]).sum(1)  # mean over blocks, by power
    wideband = wideband * edges.may_serve if "may_serve" in edges else wideband
    gain = wideband.new_zeros(len(ue.noise_w), n).index_put_((user, bs % n), wideband).float()
    noise_w = ue.noise_w.sum(1).float()
    power_w = layout.bs["power_max_w"][ue.batch].reshape(-1, 1, n, 1)
    far_w = (
        reception.load * ue.far_interference_w.sum(1).float().reshape(-1, 1, 1) if "far_interference_w" in ue else None
    )
    signals: dict[str, Any] = reception(gain.reshape(-1, 1, n, 1), power_w, noise_w.reshape(-1, 1, 1, 1), far_w)
    signals = {name: value.squeeze(1) for name, value in signals.items()}
    rate = signals.pop("efficiency") * units_per_efficiency
    pos = ue.pos.float() if "pos" in ue else gain.new_zeros(len(gain), 3)
    table = signals | {"rate": rate, "noise_w": noise_w, "pos": pos.unsqueeze(1)}
    return Places(table, ue.ptr[:-1], ue.ptr.diff(), layout)
