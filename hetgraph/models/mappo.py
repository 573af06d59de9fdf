"""Neighbourhood MAPPO: recurrent actors and critics on message passing between neighbouring stations (design 6.4)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import networkx as nx
import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CONFLICTS, Level
from hetgraph.nn.agents import AgentGRU, AgentLinear, agent_mlp
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import Cells, cells_of

DEVICE_FEATURES, BLOCK_FEATURES = 5, 6


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

    def select(self, networks: Tensor) -> "Surroundings":
        """Some of the networks, as often as they are named."""
        return Surroundings(
            self.cells.select(networks),
            self.neighbours[networks],
            tuple(relation[networks] for relation in self.relations),
            self.colour[networks],
            self.power_w[networks],
        )


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
    return Surroundings(cells, near, relations, _colours(cells.neighbours), obs["bs"].rb_power_max_w.reshape(b, n, -1))


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


def views_of(obs: HeteroData, around: Surroundings) -> Views:
    """Features from an observation of level ``local`` or above; new tensors, not views of the state."""
    ue, cells = obs["ue"], around.cells
    b, _, u, _ = cells.shape
    queue = (ue.queue_bits / ue.packet_bits).reshape(b, u)
    columns = [queue.log1p(), queue.clamp_max(1), (queue - 1).clamp(0, 1), (queue - 2).clamp(0, 1), queue.sqrt() / 2]
    device = cells.gather(torch.stack(columns, 2))
    blocks = around.power_w.shape[2]
    if "own_gain" not in ue:
        block, room = queue.new_zeros(b, u, blocks, BLOCK_FEATURES), queue.new_ones(b, u, blocks)
        return Views(device, cells.gather(block), cells.gather(queue), cells.gather(room))
    noise, most = ue.noise_w.reshape(b, u, blocks), cells.at_device(around.power_w)
    own, other, power = (ue[name].reshape(b, u, blocks) for name in ("own_gain", "interference_w", "power_w"))
    reach = (own * most / other).clamp_max(1000).log1p()
    band = obs.rb_bandwidth_hz.reshape(b, 1, blocks) * obs.slot_s.reshape(b, 1, 1)
    room = reach / math.log(2) * band / ue.packet_bits.reshape(b, u, 1)
    served = ue.spectral_efficiency.reshape(b, u, blocks) / 10
    snr = (own * most / noise).log10()
    parts = [snr / 3, (other / noise).log10() / 3, served, (power / most).sqrt(), reach / 7, (snr - 3).clamp_min(0)]
    return Views(device, cells.gather(torch.stack(parts, 3)), cells.gather(queue), cells.gather(room))


class Trunk(nn.Module):
    """Station states from own devices and neighbours.

    Devices exchange messages along conflicts, each kind with its own weights; stations sum over their devices, any number of
    them, and hear the mean of their neighbours' states, one or more hops far.

    Args:
        hidden: width.
        hops: rounds of messages between neighbouring stations.
        colours: colours that tell neighbouring stations apart.
        agents: agents with weights of their own; 0 for shared ones.
    """

    def __init__(self, hidden: int, hops: int, colours: int, agents: int) -> None:
        super().__init__()
        self.enter = agent_mlp(DEVICE_FEATURES + 2 * BLOCK_FEATURES, hidden, hidden, agents=agents)
        self.related = nn.ModuleList(AgentLinear(hidden, hidden, agents, bias=False) for _ in range(3))
        self.colour = nn.Embedding(colours, hidden)
        self.gather = AgentLinear(hidden, hidden, agents)
        self.hops = nn.ModuleList(AgentLinear(3 * hidden, hidden, agents) for _ in range(hops))

    def forward(self, views: Views, around: Surroundings) -> tuple[Tensor, Tensor]:
        """States of devices ``[B, N, D, H]`` and stations ``[B, N, H]``."""
        cells = around.cells
        mask = cells.mask.unsqueeze(3)
        device = self.enter(torch.cat([views.device, views.block.mean(3), views.block.amax(3)], 3))
        if around.relations:
            flat = device.new_zeros(*cells.station.shape, device.shape[3])
            place = cells.device.flatten(1).unsqueeze(2).expand(-1, -1, flat.shape[2])
            flat = flat.scatter_add(1, place, (device * mask).flatten(1, 2))
            for matrix, linear in zip(around.relations, self.related, strict=True):
                device = device + linear(cells.gather(torch.bmm(matrix, flat)))
        device = nn.functional.silu(device) * mask
        colour = self.colour(around.colour.clamp_max(self.colour.num_embeddings - 1))
        station = nn.functional.silu(self.gather(device.sum(2)) + colour)
        near = cells.neighbours.unsqueeze(3)
        for hop in self.hops:
            heard = torch.bmm(around.neighbours, station)
            most = station.unsqueeze(1).masked_fill(~near, -1).amax(2)
            station = station + nn.functional.silu(hop(torch.cat([station, heard, most], 2)))
        return device, station


@dataclass(frozen=True)
class Decision:
    """What stations decide in some slots.

    Args:
        choice: 0 for none, else 1 + device * levels + level, for each resource block ``[B, N, R]``.
        log_prob: logarithm of its probability ``[B, N]``.
        entropy: of each resource block's distribution, summed ``[B, N]``.
        value: what the critic expects, normalised ``[B, N]``.
        memory: memory of actor and critic after the (last) slot ``[2, B, N, H]``.
    """

    choice: Tensor
    log_prob: Tensor
    entropy: Tensor
    value: Tensor
    memory: Tensor


class NeighbourhoodMAPPO(nn.Module):
    """Actor and critic of stations that see their own cell and hear their neighbours.

    A station decides its resource blocks one after the other: the distribution over a block's devices and power levels depends on
    what the blocks before it were given, so that together it is one joint distribution over all of them. Neighbouring stations
    are told apart by colours of a greedy colouring, which any network has.

    Args:
        hidden: width.
        hops: rounds of messages between neighbouring stations.
        levels_db: power levels relative to the largest power, dB.
        recurrent: keep a memory from slot to slot, in the actor and in the critic.
        agents: stations with weights of their own ("individual policies"); 0 for one policy that all share.
        colours: colours that tell neighbouring stations apart.
        blocks: resource blocks.
    """

    level: Level = "neighbourhood"
    name = "mappo"

    def __init__(
        self,
        hidden: int = 64,
        hops: int = 1,
        levels_db: Sequence[float] = (0.0,),
        recurrent: bool = True,
        agents: int = 0,
        colours: int = 6,
        blocks: int = 3,
    ) -> None:
        super().__init__()
        self.hidden, self.colours, self.levels = hidden, colours, len(levels_db)
        self.actor, self.critic = (Trunk(hidden, hops, colours, agents) for _ in range(2))
        self.memory = nn.ModuleList(AgentGRU(hidden, agents) for _ in range(2)) if recurrent else None
        self.value_head = agent_mlp(hidden, hidden, 1, agents=agents)
        self.level_scale: Tensor
        self.register_buffer("level_scale", 10 ** (torch.tensor(tuple(levels_db)) / 10))
        self.block = nn.Embedding(blocks * colours, hidden)
        self.device_in = AgentLinear(hidden, hidden, agents)
        self.station_in = AgentLinear(hidden, hidden, agents)
        self.local_in = AgentLinear(BLOCK_FEATURES + 5, hidden, agents)
        self.device_out = AgentLinear(hidden, self.levels, agents)
        self.none_out = AgentLinear(hidden, 1, agents)
        nn.init.zeros_(self.none_out.weight)

    def initial_memory(self, around: Surroundings) -> Tensor:
        """Memory of actor and critic before the first slot ``[2, B, N, H]``."""
        b, n, _, _ = around.cells.shape
        return torch.zeros(2, b, n, self.hidden, device=around.colour.device)

    def decide(
        self,
        views: Views,
        around: Surroundings,
        memory: Tensor,
        *,
        generator: Generator | None = None,
        greedy: bool = False,
        taken: Tensor | None = None,
        ended: Tensor | None = None,
    ) -> Decision:
        """Decide for a slot, or judge what was decided in ``T`` slots in a row.

        Args:
            views: features, of ``T * B`` networks when judging, the slots one after the other.
            around: surroundings of as many networks.
            memory: memory before the first slot ``[2, B, N, H]``.
            generator: random numbers of the draw.
            greedy: take the most likely.
            taken: decisions to judge instead.
            ended: networks that ended after each slot ``[T, B]``, whose memory starts anew; for ``taken``.
        """
        device, station = self.actor(views, around)
        _, judged = self.critic(views, around)
        if self.memory is not None:
            kept = [
                self._remember(cell, value, past, ended)
                for cell, value, past in zip(self.memory, (station, judged), memory, strict=True)
            ]
            memory = torch.stack([value[-memory.shape[1] :] for value in kept])
            station, judged = station + kept[0], judged + kept[1]
        value = self.value_head(judged).squeeze(-1)
        base = self.device_in(device)
        given = torch.zeros_like(views.queue)
        log_prob, entropy, choices = torch.zeros_like(value), torch.zeros_like(value), []
        for block in range(around.power_w.shape[2]):
            log = self._logits(base, station, views, around, given, block).log_softmax(2)
            if taken is not None:
                choice = taken[..., block]
            elif greedy:
                choice = log.argmax(2)
            else:
                noise = torch.empty_like(log).exponential_(generator=generator)
                choice = (log.exp() / noise).argmax(2)
            log_prob = log_prob + log.gather(2, choice.unsqueeze(2)).squeeze(2)
            entropy = entropy - (log.exp() * log.clamp_min(-50)).sum(2)
            given = given + self._cleared(choice, views, block)
            choices.append(choice)
        return Decision(torch.stack(choices, 2), log_prob, entropy, value, memory)

    @staticmethod
    def _remember(cell: nn.Module, value: Tensor, memory: Tensor, ended: Tensor | None) -> Tensor:
        """Memory after each slot ``[T * B, N, H]``."""
        assert isinstance(cell, AgentGRU)
        entry, out = cell.entry(value), []
        for number, part in enumerate(entry.split(memory.shape[0])):
            if number and ended is not None:
                memory = memory.masked_fill(ended[number - 1].reshape(-1, 1, 1), 0)
            memory = cell.step(part, memory)
            out.append(memory)
        return torch.cat(out)

    def _logits(
        self, base: Tensor, station: Tensor, views: Views, around: Surroundings, given: Tensor, block: int
    ) -> Tensor:
        """Logits over none and the pairs of device and level on one resource block ``[B, N, 1 + D * L]``."""
        left = (views.queue - given).clamp_min(0)
        room = views.room[..., block]
        local = [left.log1p(), left.clamp_max(1), given.clamp_max(3), (left - 1).clamp(0, 1), torch.minimum(left, room)]
        features = torch.cat([views.block[..., block, :], torch.stack(local, 3)], 3)
        colour = around.colour.clamp_max(self.colours - 1)
        place = self.station_in(station) + self.block(colour * (self.block.num_embeddings // self.colours) + block)
        joint = nn.functional.silu(base + self.local_in(features) + place.unsqueeze(2))
        free = around.cells.mask & (left > 1e-6)
        score = self.device_out(joint).masked_fill(~free.unsqueeze(3), -1e9).flatten(2)
        return torch.cat([self.none_out(nn.functional.silu(place)), score], 2)

    def _cleared(self, choice: Tensor, views: Views, block: int) -> Tensor:
        """Packets that a block given to a device is expected to clear ``[B, N, D]``."""
        number = (choice - 1).div(self.levels, rounding_mode="floor").unsqueeze(2)
        chosen = number == torch.arange(views.queue.shape[2], device=choice.device)
        return chosen * views.room[..., block]

    def allocation(self, choice: Tensor, around: Surroundings) -> Allocation:
        """Allocation of a decision."""
        index = (choice - 1).clamp_min(0)
        device = torch.where(choice > 0, index.div(self.levels, rounding_mode="floor") + 1, 0)
        return around.cells.allocation(device, around.power_w * self.level_scale[index % self.levels])

    def initial_state(self, obs: HeteroData) -> Any:
        """Surroundings and memory."""
        around = surroundings_of(obs)
        return around, self.initial_memory(around)

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Allocation, Any]:
        """Allocation of a slot, the most likely one."""
        around, memory = state
        decision = self.decide(views_of(obs, around), around, memory, greedy=True)
        return self.allocation(decision.choice, around), (around, decision.memory)
