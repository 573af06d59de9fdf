"""What agents see: surroundings of stations, worked out once, and features of each slot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import networkx as nx
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CONFLICTS
from hetgraph.radio.cells import Cells, cells_of
from hetgraph.radio.rates import LOG2E, spectral_efficiency

DEVICE_FEATURES, BLOCK_FEATURES = 5, 6
BLOCK_SCALE = torch.tensor([1 / 3, 1 / 3, 1 / 10, 1.0, 1 / 7, 1.0])  # brings features to the order of one


@dataclass(frozen=True)
class Surroundings:
    """What does not change while an environment runs.

    Args:
        cells: cells of the networks.
        neighbours: rows sum to one or zero ``[B, N, N]``.
        heard: neighbours of each station, one after the other ``[B, N, K]``; any station where there are no more.
        silent: where there are no more ``[B, N, K, 1]``.
        relations: device-to-device matrices ``[B, U, U]``: disturbs it, is disturbed by it, both; empty without conflicts.
        colour: colour of each station in a greedy colouring of the neighbourhood graph ``[B, N]``.
        power_w: largest power per resource block ``[B, N, R]``.
        device_power_w: the same at the station's devices ``[B, U, R]``.
        packets_per_nat: packets that a resource block carries in a slot, by spectral efficiency in nats ``[B, U, R]``.
    """

    cells: Cells
    neighbours: Tensor
    heard: Tensor
    silent: Tensor
    relations: tuple[Tensor, ...]
    colour: Tensor
    power_w: Tensor
    device_power_w: Tensor
    packets_per_nat: Tensor

    def select(self, networks: Tensor) -> "Surroundings":
        """Some of the networks, as often as they are named."""
        return Surroundings(
            self.cells.select(networks),
            self.neighbours[networks],
            self.heard[networks],
            self.silent[networks],
            tuple(relation[networks] for relation in self.relations),
            self.colour[networks],
            self.power_w[networks],
            self.device_power_w[networks],
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
    colour = _colours(cells.neighbours)
    return Surroundings(cells, near, heard, silent, relations, colour, most, cells.at_device(most), per_nat)


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
class Views:
    """Features of devices by station.

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

    def select(self, rows: Tensor) -> "Views":
        """Some of the networks."""
        return Views(self.device[rows], self.block[rows], self.queue[rows], self.room[rows])

    @staticmethod
    def stack(parts: Sequence["Views"]) -> "Views":
        """Views of several slots ``[T * B, ...]``."""
        names = ("device", "block", "queue", "room")
        return Views(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


OBSERVED = (
    "queue_bits",
    "packet_bits",
    "noise_w",
    "own_gain",
    "interference_w",
    "power_w",
    "spectral_efficiency",
)


def views_of(obs: HeteroData, around: Surroundings) -> Views:
    """Features from an observation of level ``local`` or above; new tensors, not views of the state."""
    return device_views({name: obs["ue"][name] for name in OBSERVED if name in obs["ue"]}, around)


def device_views(ue: Mapping[str, Tensor], around: Surroundings) -> Views:
    """Features from the attributes of devices named in ``OBSERVED``; all but the first two are missing on conflict graphs."""
    cells, most = around.cells, around.device_power_w
    b, n, u, d = cells.shape
    blocks = most.shape[2]
    queue = (ue["queue_bits"] / ue["packet_bits"]).reshape(b, u)
    device = [
        queue,
        queue.log1p(),
        queue.clamp_max(1),
        (queue - 1).clamp(0, 1),
        (queue - 2).clamp(0, 1),
        queue.sqrt() / 2,
    ]
    columns = torch.stack(device, 2)
    if "own_gain" not in ue:
        wide = cells.gather(columns)
        block, room = wide.new_zeros(b, n, d, blocks, BLOCK_FEATURES), cells.mask.to(wide.dtype).unsqueeze(3)
        return Views(wide[..., 1:], block, wide[..., 0], room.expand(b, n, d, blocks))
    noise = ue["noise_w"].reshape(b, u, blocks)
    own, other, power, served = (
        ue[name].reshape(b, u, blocks) for name in ("own_gain", "interference_w", "power_w", "spectral_efficiency")
    )
    reachable = own * most
    snr, inr = (reachable / noise).log10(), (other / noise).log10()
    reach = spectral_efficiency(reachable, other, most=1000, nats=True)
    room = reach * around.packets_per_nat
    parts = [room, snr, inr, served, (power / most).sqrt(), reach, (snr - 3).clamp_min(0)]
    wide = cells.gather(torch.cat([columns, *parts], 2))
    table = wide[..., len(device) :].reshape(b, n, d, 1 + BLOCK_FEATURES, blocks)
    block = table[..., 1:, :].transpose(3, 4) * BLOCK_SCALE.to(wide)
    return Views(wide[..., 1 : len(device)], block, wide[..., 0], table[..., 0, :])
