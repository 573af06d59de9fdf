"""Inputs of agents: surroundings of stations, worked out once, and named columns of each slot."""

from collections.abc import Sequence
from dataclasses import dataclass

import networkx as nx
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.features import COLUMNS, features
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CONFLICTS
from hetgraph.radio.cells import Cells, cells_of
from hetgraph.radio.rates import LOG2E

DEVICE_COLUMNS = ("packets_log", "packet_first", "packet_second", "packet_third", "packets_root")
# Of a device on a resource block; zeros where the graph has no reports, as on conflict graphs.
BLOCK_COLUMNS = (
    "block_snr_db",
    "block_interference_db",
    "block_efficiency",
    "block_power_root",
    "block_reach_log",
    "block_snr_excess_db",
)
REACH = BLOCK_COLUMNS.index("block_reach_log")


@dataclass(frozen=True)
class Surroundings:
    """What does not change while an environment runs.

    Args:
        links: index structure of the channel edges of the observations.
        own_max_w: largest power of devices' stations on each of their resource blocks ``[B * U, R]``.
        cells: cells of the networks.
        neighbours: rows sum to one or zero ``[B, N, N]``.
        heard: neighbours of each station, one after the other ``[B, N, K]``; any station where there are no more.
        silent: where there are no more ``[B, N, K, 1]``.
        relations: device-to-device matrices ``[B, U, U]``: disturbs it, is disturbed by it, both; empty without conflicts.
        colour: colour of each station in a greedy colouring of the neighbourhood graph ``[B, N]``.
        power_w: largest power per resource block ``[B, N, R]``.
        packets_per_nat: packets that a resource block carries in a slot, by spectral efficiency in nats ``[B, U, R]``.
    """

    links: Links
    own_max_w: Tensor
    cells: Cells
    neighbours: Tensor
    heard: Tensor
    silent: Tensor
    relations: tuple[Tensor, ...]
    colour: Tensor
    power_w: Tensor
    packets_per_nat: Tensor

    def select(self, networks: Tensor) -> "Surroundings":
        """Some of the networks, as often as they are named; ``links`` and ``own_max_w`` stay those of all."""
        return Surroundings(
            self.links,
            self.own_max_w,
            self.cells.select(networks),
            self.neighbours[networks],
            self.heard[networks],
            self.silent[networks],
            tuple(relation[networks] for relation in self.relations),
            self.colour[networks],
            self.power_w[networks],
            self.packets_per_nat[networks],
        )


def surroundings_of(obs: HeteroData) -> Surroundings:
    """Surroundings of the networks of an observation."""
    cells = cells_of(obs)
    b, n, u, _ = cells.shape
    near = cells.neighbours.float()
    degree = near.sum(2, keepdim=True)
    most_heard = max(int(degree.max()), 1)
    heard = torch.sort(near, dim=2, descending=True, stable=True).indices[..., :most_heard]
    silent = (torch.arange(most_heard, device=near.device) >= degree).unsqueeze(3)
    near = near / degree.clamp_min(1)
    source, target = obs[CONFLICTS].edge_index
    relations: tuple[Tensor, ...] = ()
    if source.numel():
        hit = torch.zeros(b, u, u, device=source.device)
        hit[target // u, target % u, source % u] = 1  # row: device, column: who disturbs it
        back = hit.transpose(1, 2)
        relations = (hit * (1 - back), back * (1 - hit), hit * back)
    most = obs["bs"].rb_power_max_w.reshape(b, n, -1)
    band = obs.rb_bandwidth_hz.reshape(b, 1, -1) * obs.slot_s.reshape(b, 1, 1)
    per_nat = band * LOG2E / obs["ue"].packet_bits.reshape(b, u, 1)
    colour, links = _colours(cells.neighbours), links_of(obs)
    return Surroundings(
        links, Facts(obs, links).own_max_w, cells, near, heard, silent, relations, colour, most, per_nat
    )


def _colours(neighbours: Tensor) -> Tensor:
    """Greedy colouring of each network's neighbourhood graph; equal networks are coloured once."""
    known: dict[bytes, list[int]] = {}
    out = []
    for network in neighbours.cpu():
        key = network.numpy().tobytes()
        if key not in known:
            graph = nx.from_numpy_array(network.numpy())
            colour = nx.greedy_color(graph, "DSATUR")
            known[key] = [colour[k] for k in range(len(colour))]
        out.append(known[key])
    return torch.tensor(out, device=neighbours.device)


@dataclass(frozen=True)
class Inputs:
    """Columns of devices by station.

    Args:
        device: ``[B, N, D, F]``.
        block: of a device on a resource block ``[B, N, D, R, G]``.
        queue: packets ``[B, N, D]``.
        room: packets that a resource block is expected to clear at full power ``[B, N, D, R]``.
    """

    device: Tensor
    block: Tensor
    queue: Tensor
    room: Tensor

    def select(self, rows: Tensor) -> "Inputs":
        """Some of the networks."""
        return Inputs(self.device[rows], self.block[rows], self.queue[rows], self.room[rows])

    @staticmethod
    def stack(parts: Sequence["Inputs"]) -> "Inputs":
        """Inputs of several slots ``[T * B, ...]``."""
        names = ("device", "block", "queue", "room")
        return Inputs(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def inputs_of(obs: HeteroData, around: Surroundings) -> Inputs:
    """Columns from an observation of level ``local`` or above; new tensors, not views of the state."""
    cells, facts = around.cells, Facts(obs, around.links)
    facts.own_max_w = around.own_max_w  # the same in every slot
    b, n, u, d = cells.shape
    blocks = around.power_w.shape[2]
    queue = (obs["ue"].queue_bits / obs["ue"].packet_bits).reshape(b, u, 1)
    columns = features(facts, "ue", DEVICE_COLUMNS).reshape(b, u, -1)
    if "own_gain" not in obs["ue"]:
        wide = cells.gather(torch.cat([queue, columns], 2))
        block, room = wide.new_zeros(b, n, d, blocks, len(BLOCK_COLUMNS)), cells.mask.to(wide.dtype).unsqueeze(3)
        return Inputs(wide[..., 1:], block, wide[..., 0], room.expand(b, n, d, blocks))
    of_block = features(facts, "ue", BLOCK_COLUMNS).reshape(b, u, blocks, -1)
    room = of_block[..., REACH] * (COLUMNS["ue", BLOCK_COLUMNS[REACH]].scale * around.packets_per_nat)
    wide = cells.gather(torch.cat([queue, columns, room, of_block.flatten(2)], 2))
    first = 1 + len(DEVICE_COLUMNS)
    block = wide[..., first + blocks :].reshape(b, n, d, blocks, -1)
    return Inputs(wide[..., 1:first], block, wide[..., 0], wide[..., first : first + blocks])
