"""Networks that are given as graphs: measured or simulated gains, or a batch that somebody drew."""

import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.iot.channels import LargeScale
from hetgraph.envs.iot.networks import Drop, Networks, Sizes, Values
from hetgraph.graph.check import check
from hetgraph.graph.links import links_of
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.scenario_parts import Tier
from hetgraph.graph.schema import CHANNEL, MOUNTED_ON, NEIGHBOURS, SCHEMA
from hetgraph.graph.streams import Streams
from hetgraph.units import linear_to_db

STATION = tuple(f.name for f in SCHEMA if f.store == "bs" and not f.dynamic and f.name != "x")
LEAST_GAIN = 1e-30


class GivenNetworks(Networks):
    """Networks of given graphs, each of ``G`` graphs in turn; users stand, and their gains are those without fading.

    Gains are taken from ``rsrp_dbm`` where the graph has it, without the fading with which it was drawn; else they are means over
    time of each resource block. What a graph does not say is as in a scenario of defaults: circuit powers of zero, amplifiers
    without losses, an antenna at each station.

    Args:
        graph: a graph or a batch of graphs of equal sizes, every station a candidate of every user.
        scenario: services, fading, and length of a slot where the graph has none.
        first: number of the first graph's network.

    Raises:
        ValueError: a graph that breaks the contract, of networks of different sizes, with users that lack candidates, or with
            resource blocks of several bandwidths.
    """

    def __init__(self, graph: HeteroData, scenario: Scenario | None = None, first: int = 0) -> None:
        scenario = Scenario() if scenario is None else scenario
        check(graph)
        batch = (graph if "batch" in graph["bs"] else Batch.from_data_list([graph])).clone().cpu()
        links, b = links_of(batch), int(batch.num_graphs)
        if not links.dense:
            raise ValueError(
                "(bs, channel, ue).edge_index: got users without an edge to some station, or networks of different sizes, "
                "expected every station a candidate of every user"
            )
        bands = batch.rb_bandwidth_hz
        if bool((bands != bands[0, 0]).any()):
            raise ValueError("rb_bandwidth_hz: got resource blocks of several bandwidths, expected one of all")
        n, u = links.num_bs // b, links.num_ue // b
        antennas, mounted = _antennas(batch, b, n)
        subchannels = int(batch["ue"].noise_w.shape[1])
        layers, slot_s = (
            float(batch[name][0]) if name in batch._global_store else default
            for name, default in (
                ("layers", max(scenario.radio.layers, scenario.rules.layers)),
                ("slot_s", scenario.radio.slot_s),
            )
        )
        carrier = batch._global_store.get("carrier_hz")
        carrier_hz = scenario.channel.carrier_hz if carrier is None else float(carrier[0])
        sizes = Sizes(n, u, subchannels, len(mounted), int(layers), float(bands[0, 0]), slot_s, carrier_hz)
        super().__init__(sizes, scenario.services, scenario.channel, mounted, antennas)
        self.first, self.doppler_hz = first, scenario.mobility.doppler_hz
        self._stations(batch, b)
        self._users(batch, b)
        self._gains(batch, b)
        self._neighbours = _padded(batch[NEIGHBOURS].edge_index, b, n)

    def _stations(self, batch: HeteroData, b: int) -> None:
        bs = batch["bs"]
        power = bs.power_max_w
        defaults = {"circuit_power_w": Tier().circuit_power_w, "amplifier_efficiency": Tier().amplifier_efficiency}
        columns = {name: torch.full_like(power, value) for name, value in defaults.items()}
        columns |= {name: bs[name] for name in STATION if name in bs}
        self.fixed |= {("bs", name): value.reshape(b, -1, *value.shape[1:]) for name, value in columns.items()}

    def _users(self, batch: HeteroData, b: int) -> None:
        ue, names = (
            batch["ue"],
            ("noise_w", "rate_min_bps", "indoor", "floor", "indoor_distance_m", "penetration_loss_db"),
        )
        columns = {name: ue[name] for name in names if name in ue}
        self.fixed |= {("ue", name): value.reshape(b, -1, *value.shape[1:]) for name, value in columns.items()}
        self.positions = ue.pos.reshape(b, 1, -1, 3) if "pos" in ue else None

    def _gains(self, batch: HeteroData, b: int) -> None:
        edges, sizes = batch[CHANNEL], self.sizes
        shape = (b, sizes.users, sizes.stations)
        gain = edges.gain.reshape(*shape, sizes.subchannels)
        self.by_block = None
        if "rsrp_dbm" in edges:
            power_dbm = linear_to_db(batch["bs"].power_max_w).reshape(b, 1, -1) + 30
            gain_db = edges.rsrp_dbm.reshape(shape) - power_dbm
        else:
            mean = gain.mean(3).clamp_min(LEAST_GAIN)
            gain_db = linear_to_db(mean)
            self.by_block = gain / mean.unsqueeze(3)
        self.gain_db = gain_db.unsqueeze(1)
        self.may = edges.may_serve.reshape(shape) if "may_serve" in edges else None

    def drop(self, streams: Streams, geography: Streams, slots: int) -> Drop:
        """The same in every episode."""
        row = (torch.tensor(list(streams.networks)) - self.first) % len(self.gain_db)
        gain_db = self.gain_db[row]
        doppler = gain_db.new_full((len(row), self.sizes.users), self.doppler_hz)
        by_block = None if self.by_block is None else self.by_block[row]
        positions = None if self.positions is None else self.positions[row]
        may = None if self.may is None else self.may[row]
        return Drop(LargeScale(gain_db, by_block, doppler, slots), {}, positions, may, row)

    def neighbours(self, values: Values, layout: Tensor) -> Tensor:
        """Those of the graphs."""
        return self._neighbours[layout.cpu()]


def _antennas(batch: HeteroData, b: int, n: int) -> tuple[Values, Tensor]:
    """Antennas, one at each station where the graphs have none, and the station of each."""
    antenna, own, gain = batch["antenna"], batch[MOUNTED_ON].edge_index, batch[CHANNEL].gain
    count = own.shape[1]
    if count == 0:
        one: Values = {
            ("antenna", "offset"): gain.new_zeros(1, n, 3),
            ("antenna", "boresight"): gain.new_zeros(1, n, 2),
        }
        return one, torch.arange(n)
    local = own[1, own[0].argsort()].reshape(b, -1) - n * torch.arange(b).unsqueeze(1) if count % b == 0 else None
    if local is None or bool((local != local[0]).any()) or not torch.equal(local[0].unique(), torch.arange(n)):
        raise ValueError("antenna: got networks with other antennas, expected the same ones, at every station some")
    return {("antenna", k): antenna[k].reshape(b, count // b, -1) for k in ("offset", "boresight")}, local[0]


def _padded(index: Tensor, b: int, stations: int) -> Tensor:
    """Edges of a batch by network ``[b, 2, most]``, counted within it; -1 beyond a network's last."""
    network = index[1] // stations
    order = network.argsort(stable=True)
    index, network = index[:, order], network[order]
    count = torch.bincount(network, minlength=b)
    place = torch.arange(len(network)) - (count.cumsum(0) - count)[network]
    out = index.new_full((b, 2, int(count.max()) if b else 0), -1)
    out[network, :, place] = (index - network * stations).T
    return out
