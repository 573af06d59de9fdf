"""Inputs of agents: surroundings of stations, worked out once, and named columns of each slot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import networkx as nx
import torch
from torch import Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.facts import Facts
from hetgraph.graph.feature_table import COLUMNS, features
from hetgraph.graph.links import Links, links_of
from hetgraph.graph.schema import CONFLICTS
from hetgraph.nn.edge_sums import EdgeSums
from hetgraph.nn.hetero_layers import LayerSums
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
# The same of gains to and from neighbouring stations, at level ``neighbourhood``; for decisions alone, no messages.
CROSS_COLUMNS = ("block_threat_db", "block_beyond_db", "block_harm_log")
REACH = BLOCK_COLUMNS.index("block_reach_log")


@dataclass(frozen=True)
class Messages:
    """Edges over which agents' messages pass, with what sums over them share.

    Args:
        serving: stations and their users ``[2, B * U]``.
        own: the one column of these edges, which is one, and their weight ``[B * U, 1]``.
        neighbours: senders and receivers of messages among neighbouring stations ``[2, *]``.
        sums: sums over both.
        conflicts: pairs of users of a network ``[2, B * U * U]``, and sums over them at the second one in three groups: who
            disturbs it, whom it disturbs, and both; ``None`` without conflicts.
    """

    serving: Tensor
    own: Tensor
    neighbours: Tensor
    sums: LayerSums
    conflicts: tuple[Tensor, EdgeSums] | None

    @staticmethod
    def of(cells: Cells, relations: Tensor | None) -> "Messages":
        """Messages of networks with the given relations of users ``[B, U, U, 3]``, the second dimension for those that hear."""
        b, n, u, _ = cells.shape
        device = cells.station.device
        number = torch.arange(b, device=device)
        bs_network, ue_network = number.repeat_interleave(n), number.repeat_interleave(u)
        user, own = torch.arange(b * u, device=device), torch.ones(b * u, 1, device=device)
        links = Links(cells.serving, user, bs_network, ue_network, b, 1, False)
        network, target, source = cells.neighbours.nonzero().unbind(1)
        neighbours = torch.stack([source, target]) + n * network
        near = EdgeSums.among(neighbours, own.new_zeros(network.shape[0], 0), bs_network, b)
        sums = replace(LayerSums.of(links, own, own, None, "sum"), near=near)
        conflicts = None
        if relations is not None:
            source = user.reshape(b, 1, u).expand(b, u, u).flatten()
            pairs = Links(source, user.repeat_interleave(u), ue_network, ue_network, b, u, True)
            weight = relations.flatten(0, 2)
            ends = torch.stack([pairs.bs, pairs.ue])
            conflicts = ends, EdgeSums.of(pairs, weight.new_ones(weight.shape[0], 1), weight, "ue", "sum")
        return Messages(torch.stack([cells.serving, user]), own, neighbours, sums, conflicts)


@dataclass(frozen=True)
class Surroundings:
    """What does not change while an environment runs.

    Args:
        links: index structure of the channel edges of the observations.
        own_max_w: largest power of devices' stations on each of their resource blocks ``[B * U, R]``.
        cells: cells of the networks.
        relations: which devices conflict ``[B, U, U, 3]``, see :class:`Messages`; ``None`` without conflicts.
        colour: colour of each station in a greedy colouring of the neighbourhood graph, as zeros and a one ``[B, N, C]``.
        power_w: largest power per resource block ``[B, N, R]``.
        packets_per_reach: packets that a resource block carries in a slot, by the column ``block_reach_log`` ``[R, B, U]``.
        messages: edges of messages.
        table: devices of each station in the numbering of the batch, ``B * U`` where there is none ``[B * N * D]``.
    """

    links: Links
    own_max_w: Tensor
    near_edges: Tensor
    cells: Cells
    relations: Tensor | None
    colour: Tensor
    power_w: Tensor
    packets_per_reach: Tensor
    messages: Messages
    table: Tensor

    def select(self, networks: Tensor) -> "Surroundings":
        """Some of the networks, as often as they are named; ``links`` and ``own_max_w`` stay those of all."""
        cells = self.cells.select(networks)
        relations = None if self.relations is None else self.relations[networks]
        of_network = (self.colour[networks], self.power_w[networks], self.packets_per_reach[:, networks])
        built = (Messages.of(cells, relations), _table(cells))
        return Surroundings(self.links, self.own_max_w, self.near_edges, cells, relations, *of_network, *built)

    @cached_property
    def neighbour_lists(self) -> tuple[Tensor, Tensor, Tensor]:
        """Weights of means over neighbours ``[B, N, N]``, neighbours one after the other ``[B, N, K]``, places without one."""
        near = self.cells.neighbours.float()
        degree = near.sum(2, keepdim=True)
        most = max(int(degree.max()), 1)
        neighbour = torch.sort(near, dim=2, descending=True, stable=True).indices[..., :most]
        silent = (torch.arange(most, device=near.device) >= degree).unsqueeze(3)
        return near / degree.clamp_min(1), neighbour, silent


def surroundings_of(obs: HeteroData, colours: int, colour: Tensor | None = None) -> Surroundings:
    """Surroundings of the networks of an observation.

    Args:
        obs: of any level from ``neighbourhood``.
        colours: number C of colours; stations with a later one have the last.
        colour: colour of each station ``[B, N]`` (:func:`colours_of`); made here when ``None``.
    """
    cells = cells_of(obs)
    b, n, u, _ = cells.shape
    relations = _relations(obs[CONFLICTS].edge_index, b, u)
    most = obs["bs"].rb_power_max_w.reshape(b, n, -1)
    band = obs.rb_bandwidth_hz.reshape(b, -1).T.unsqueeze(2) * obs.slot_s.reshape(b, 1)
    per_reach = COLUMNS["ue", BLOCK_COLUMNS[REACH]].scale * band * LOG2E / obs["ue"].packet_bits.reshape(b, u)
    colour = colours_of(cells.neighbours) if colour is None else colour
    one = colour.clamp_max(colours - 1).unsqueeze(2) == torch.arange(colours, device=most.device)
    links = links_of(obs)
    built = (Messages.of(cells, relations), _table(cells))
    facts = Facts(obs, links)
    return Surroundings(
        links, facts.own_max_w, facts.near_edges, cells, relations, one.to(most), most, per_reach, *built
    )


def _relations(conflicts: Tensor, networks: int, users: int) -> Tensor | None:
    """Who disturbs a user, whom it disturbs, and both ``[B, U, U, 3]``; ``None`` without conflicts."""
    source, target = conflicts
    if not source.numel():
        return None
    hit = torch.zeros(networks, users, users, device=source.device)
    hit[target // users, target % users, source % users] = 1
    back = hit.transpose(1, 2)
    return torch.stack([hit * (1 - back), back * (1 - hit), hit * back], 3)


def _table(cells: Cells) -> Tensor:
    b, _, u, _ = cells.shape
    first = u * torch.arange(b, device=cells.device.device).reshape(b, 1, 1)
    return torch.where(cells.mask, cells.device + first, b * u).flatten()


def colours_of(neighbours: Tensor) -> Tensor:
    """Greedy colouring of each network's neighbourhood graph; equal networks are coloured once ``[B, N]``."""
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
    """Columns of devices.

    Args:
        device: ``[B, U, F]``.
        block: of a device on a resource block ``[R, B, U, G]``; ``None`` without reports, where all of them are zero.
        queue: packets ``[B, U]``.
        room: packets that a resource block is expected to clear at full power ``[R, B, U]``.
    """

    device: Tensor
    block: Tensor | None
    queue: Tensor
    room: Tensor

    def columns(self) -> Tensor:
        """Columns of devices, then means and maxima of those of their resource blocks ``[B * U, F + 2G]``."""
        device = self.device.flatten(0, 1)
        if self.block is None:
            return nn.functional.pad(device, (0, 2 * len(BLOCK_COLUMNS)))
        block = self.block[..., : len(BLOCK_COLUMNS)].flatten(1, 2)
        return torch.cat([device, block.mean(0), block.amax(0)], 1)

    def select(self, rows: Tensor) -> "Inputs":
        """Some of the networks."""
        block = None if self.block is None else self.block[:, rows]
        return Inputs(self.device[rows], block, self.queue[rows], self.room[:, rows])

    @staticmethod
    def stack(parts: Sequence["Inputs"]) -> "Inputs":
        """Inputs of several slots ``[T * B, ...]``."""
        device, queue = (torch.cat([getattr(part, name) for part in parts]) for name in ("device", "queue"))
        blocks = [part.block for part in parts if part.block is not None]
        room = torch.cat([part.room for part in parts], 1)
        return Inputs(device, torch.cat(blocks, 1) if blocks else None, queue, room)


def inputs_of(obs: HeteroData, around: Surroundings, cross: bool = False) -> Inputs:
    """Columns from an observation of level ``local`` or above; new tensors, not views of the state."""
    facts = Facts(obs, around.links)
    facts.own_max_w, facts.near_edges = around.own_max_w, around.near_edges  # the same in every slot
    b, _, u, _ = around.cells.shape
    blocks = around.power_w.shape[2]
    device, queue = features(facts, "ue", DEVICE_COLUMNS).reshape(b, u, -1), facts.packets.reshape(b, u)
    if "own_gain" not in facts.store("ue"):
        return Inputs(device, None, queue, device.new_ones(blocks, b, u))
    block = (
        features(facts, "ue", BLOCK_COLUMNS + CROSS_COLUMNS * cross).transpose(0, 1).contiguous()
    )  # means over blocks are fast
    block = block.reshape(blocks, b, u, -1)
    return Inputs(device, block, queue, block[..., REACH] * around.packets_per_reach)
