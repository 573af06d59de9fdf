"""Neighbourhood MAPPO: recurrent actors and critics on message passing between neighbouring stations (design 6.4)."""

from dataclasses import dataclass
from typing import Any, Literal

import networkx as nx
import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CONFLICTS, Level
from hetgraph.nn.encoder import mlp
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import Cells, cells_of


@dataclass(frozen=True)
class Surroundings:
    """What does not change while an environment runs.

    Args:
        cells: cells of the networks.
        neighbours: rows sum to one or zero ``[B, N, N]``.
        relations: device-to-device matrices ``[B, U, U]``: disturbs it, is disturbed by it, both; empty without conflicts.
        colour: colour of each station in a greedy colouring of the neighbourhood graph ``[B, N]``.
        power_w: largest power per resource block ``[B, N, R]``.
    """

    cells: Cells
    neighbours: Tensor
    relations: tuple[Tensor, ...]
    colour: Tensor
    power_w: Tensor


def surroundings_of(obs: HeteroData) -> Surroundings:
    """Surroundings of the networks of an observation."""
    cells = cells_of(obs)
    b, n, u, _ = cells.shape
    near = cells.neighbours.float()
    near = near / near.sum(2, keepdim=True).clamp_min(1)
    source, target = obs[CONFLICTS].edge_index
    relations: tuple[Tensor, ...] = ()
    if source.numel():
        hit = torch.zeros(b, u, u, device=source.device)
        hit[target // u, target % u, source % u] = 1  # row: device, column: who disturbs it
        back = hit.transpose(1, 2)
        relations = (hit * (1 - back), back * (1 - hit), hit * back)
    power = obs["bs"].rb_power_max_w.reshape(b, n, -1)
    return Surroundings(cells, near, relations, _colours(cells.neighbours), power)


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
    """

    device: Tensor
    block: Tensor
    queue: Tensor


DEVICE_FEATURES, BLOCK_FEATURES = 5, 5


def views_of(obs: HeteroData, around: Surroundings) -> Views:
    """Features from an observation of level ``local`` or above."""
    ue, cells = obs["ue"], around.cells
    b, _, u, _ = cells.shape
    queue = (ue.queue_bits / ue.packet_bits).reshape(b, u)
    columns = [queue.log1p(), queue.clamp_max(1), (queue - 1).clamp(0, 1), (queue - 2).clamp(0, 1), queue.sqrt() / 2]
    device = cells.gather(torch.stack(columns, 2))
    blocks = around.power_w.shape[2]
    if "own_gain" in ue:
        noise = ue.noise_w.reshape(b, u, blocks)
        most = cells.at_device(around.power_w)
        own, other, power = (ue[name].reshape(b, u, blocks) for name in ("own_gain", "interference_w", "power_w"))
        snr, rise = (own * most / noise).log10() / 3, (other / noise).log10() / 3
        served = ue.spectral_efficiency.reshape(b, u, blocks) / 10
        reach = (own * most / other).log1p() / 7
        block = torch.stack([snr, rise, served, (power / most).sqrt(), reach], 3)
    else:
        block = queue.new_zeros(b, u, blocks, BLOCK_FEATURES)
    return Views(device, cells.gather(block), cells.gather(queue))


class Trunk(nn.Module):
    """Station states from own devices and neighbours.

    Devices exchange messages along conflicts, each kind with its own weights; stations sum over their devices, any number of
    them, and hear the mean of their neighbours' states, one or more hops far.

    Args:
        hidden: width.
        hops: rounds of messages between neighbouring stations.
        colours: colours that tell neighbouring stations apart.
    """

    def __init__(self, hidden: int, hops: int, colours: int) -> None:
        super().__init__()
        self.enter = mlp(DEVICE_FEATURES + BLOCK_FEATURES, hidden, hidden)
        self.related = nn.ModuleList(nn.Linear(hidden, hidden, bias=False) for _ in range(3))
        self.colour = nn.Embedding(colours, hidden)
        self.gather = nn.Linear(hidden, hidden)
        self.hops = nn.ModuleList(nn.Linear(2 * hidden, hidden) for _ in range(hops))

    def forward(self, views: Views, around: Surroundings) -> tuple[Tensor, Tensor]:
        """States of devices ``[B, N, D, H]`` and stations ``[B, N, H]``."""
        cells = around.cells
        mask = cells.mask.unsqueeze(3)
        device = self.enter(torch.cat([views.device, views.block.mean(3)], 3))
        if around.relations:
            flat = device.new_zeros(*cells.station.shape, device.shape[3])
            place = cells.device.flatten(1).unsqueeze(2).expand(-1, -1, flat.shape[2])
            flat = flat.scatter_add(1, place, (device * mask).flatten(1, 2))
            for matrix, linear in zip(around.relations, self.related, strict=True):
                device = device + cells.gather(torch.bmm(matrix, linear(flat)))
        device = nn.functional.silu(device) * mask
        colour = self.colour(around.colour.clamp_max(self.colour.num_embeddings - 1))
        station = nn.functional.silu(self.gather(device.sum(2)) + colour)
        for hop in self.hops:
            heard = torch.bmm(around.neighbours, station)
            station = station + nn.functional.silu(hop(torch.cat([station, heard], 2)))
        return device, station


@dataclass(frozen=True)
class Action:
    """What stations decide.

    Args:
        choice: 0 for none, else 1 + device * levels + level, for each resource block ``[B, N, R]``.
    """

    choice: Tensor


class NeighbourhoodMAPPO(nn.Module):
    """Actor and critic of stations that see their own cell and hear their neighbours.

    A station decides its resource blocks one after the other: the distribution over a block's devices and power levels depends on
    what the blocks before it were given, so that together it is one joint distribution over all of them.

    Args:
        hidden: width.
        hops: rounds of messages between neighbouring stations.
        levels_db: power levels below the largest power, dB, from high to low.
        recurrent: keep a memory from slot to slot (gated recurrent unit), in the actor and in the critic.
        colours: colours that tell neighbouring stations apart.
        blocks: resource blocks.
        max_packets: packets per resource block and slot beyond which a further block is not worth it; 0 for no such mask.
    """

    level: Level = "neighbourhood"
    name = "mappo"

    def __init__(
        self,
        hidden: int = 64,
        hops: int = 1,
        levels_db: tuple[float, ...] = (0.0,),
        recurrent: bool = False,
        colours: int = 6,
        blocks: int = 3,
        max_packets: float = 0.0,
    ) -> None:
        super().__init__()
        self.options = {
            "hidden": hidden, "hops": hops, "levels_db": levels_db, "recurrent": recurrent, "colours": colours,
            "blocks": blocks, "max_packets": max_packets,
        }  # fmt: skip
        self.actor, self.critic = Trunk(hidden, hops, colours), Trunk(hidden, hops, colours)
        self.memory = nn.ModuleList(nn.GRUCell(hidden, hidden) for _ in range(2)) if recurrent else None
        self.value_head = mlp(hidden, hidden, 1)
        self.levels = len(levels_db)
        self.register_buffer("level_scale", 10 ** (torch.tensor(levels_db) / 10))
        self.block = nn.Embedding(blocks * colours, hidden)
        self.device_in = nn.Linear(hidden, hidden)
        self.station_in = nn.Linear(hidden, hidden)
        self.local_in = nn.Linear(BLOCK_FEATURES + 4, hidden)
        self.device_out = nn.Linear(hidden, self.levels)
        self.none_out = nn.Linear(hidden, 1)
        nn.init.zeros_(self.none_out.weight)

    def initial_memory(self, around: Surroundings) -> Tensor:
        """Memory of actor and critic before the first slot ``[2, B, N, H]``."""
        b, n, _, _ = around.cells.shape
        return torch.zeros(2, b, n, self.options["hidden"], device=around.colour.device)  # type: ignore[call-overload,no-any-return]

    def states(self, views: Views, around: Surroundings, memory: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Device states, station states of actor and critic, and the memory after the slot."""
        device, station = self.actor(views, around)
        _, judged = self.critic(views, around)
        if self.memory is not None:
            shape = station.shape
            kept = [
                cell(value.flatten(0, 1), past.flatten(0, 1)).reshape(shape)
                for cell, value, past in zip(self.memory, (station, judged), memory, strict=True)
            ]
            memory = torch.stack(kept)
            station, judged = station + kept[0], judged + kept[1]
        return device, station, judged, memory

    def logits(
        self, device: Tensor, station: Tensor, views: Views, around: Surroundings, given: Tensor, block: int
    ) -> Tensor:
        """Logits over none and the pairs of device and level on one resource block ``[B, N, 1 + D * L]``.

        Args:
            device: device states.
            station: station states.
            views: features.
            around: surroundings.
            given: expected packets of each device on the blocks before ``[B, N, D]``.
            block: number of the resource block.
        """
        left = (views.queue - given).clamp_min(0)
        local = [left.log1p(), left.clamp_max(1), given.clamp_max(3), (left - 1).clamp(0, 1)]
        local_features = torch.cat([views.block[..., block, :], torch.stack(local, 3)], 3)
        which = around.colour.clamp_max(self.actor.colour.num_embeddings - 1)
        place = self.station_in(station) + self.block(which * (self.block.num_embeddings // self.actor.colour.num_embeddings) + block)
        joint = nn.functional.silu(self.device_in(device) + self.local_in(local_features) + place.unsqueeze(2))
        score = self.device_out(joint)  # [B, N, D, L]
        free = around.cells.mask & (left > 1e-6)
        score = score.masked_fill(~free.unsqueeze(3), -1e9).flatten(2)
        return torch.cat([self.none_out(nn.functional.silu(place)), score], 2)

    def room(self, choice: Tensor, views: Views, block: int) -> Tensor:
        """Packets that a block given to a device is expected to clear ``[B, N, D]``."""
        most = views.queue.shape[2]
        chosen = (choice - 1).div(self.levels, rounding_mode="floor").unsqueeze(2) == torch.arange(most, device=choice.device)
        if bool((views.block == 0).all()):
            return chosen.to(views.queue.dtype)
        expected = views.block[..., block, 4] * 7 / torch.log(torch.tensor(2.0)) * 0.4
        return chosen * expected

    def decide(
        self,
        views: Views,
        around: Surroundings,
        memory: Tensor,
        *,
        generator: Generator | None = None,
        greedy: bool = False,
        taken: Tensor | None = None,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Decide, or judge decisions that were taken.

        Returns:
            choice ``[B, N, R]``, its log-probability ``[B, N]``, the entropy ``[B, N]``, the value ``[B, N]``, the memory.
        """
        device, station, judged, memory = self.states(views, around, memory)
        given = torch.zeros_like(views.queue)
        log_prob, entropy, choices = 0.0, 0.0, []
        for block in range(around.power_w.shape[2]):
            log = self.logits(device, station, views, around, given, block).log_softmax(2)
            if taken is not None:
                choice = taken[..., block]
            elif greedy:
                choice = log.argmax(2)
            else:
                noise = torch.empty_like(log).exponential_(generator=generator)
                choice = (log.exp() / noise).argmax(2)
            log_prob = log_prob + log.gather(2, choice.unsqueeze(2)).squeeze(2)
            entropy = entropy - (log.exp() * log.clamp_min(-50)).sum(2)
            given = given + self.room(choice, views, block)
            choices.append(choice)
        value = self.value_head(judged).squeeze(2)
        return torch.stack(choices, 2), log_prob, entropy, value, memory  # type: ignore[return-value]

    def allocation(self, choice: Tensor, around: Surroundings) -> Allocation:
        """Allocation of a decision."""
        index = (choice - 1).clamp_min(0)
        device = torch.where(choice > 0, index.div(self.levels, rounding_mode="floor") + 1, 0)
        power = around.power_w * self.level_scale[index % self.levels]  # type: ignore[index]
        return around.cells.allocation(device, power)

    def initial_state(self, obs: HeteroData) -> Any:
        """Surroundings and memory."""
        around = surroundings_of(obs)
        return around, self.initial_memory(around)

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Allocation, Any]:
        """Allocation of a slot: sampled with a generator, the most likely one without."""
        around, memory = state
        choice, *_, memory = self.decide(views_of(obs, around), around, memory, generator=generator, greedy=generator is None)
        return self.allocation(choice, around), (around, memory)


Execution = Literal["greedy", "sampled"]
