"""Neighbourhood MAPPO: recurrent actors and critics on message passing between neighbouring stations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.models.inference import Extra, Given
from hetgraph.models.mappo_inputs import (
    BLOCK_COLUMNS,
    CROSS_COLUMNS,
    Inputs,
    Surroundings,
    colours_of,
    inputs_of,
    surroundings_of,
)
from hetgraph.models.mappo_trunks import AgentTrunk, Trunk
from hetgraph.models.options import keep_options
from hetgraph.nn.agents import CELLS, AgentGRU, AgentLinear, AgentLSTM, Recurrence, agent_mlp
from hetgraph.radio.allocation import Allocation
from hetgraph.radio.cells import cells_of

LEFT_FEATURES = 5
LEFT_MOST = (math.inf, 1.0, 3.0, 1.0, math.inf)
NOTHING = 1e-6  # packets
NEVER = -1e9  # logit


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


@keep_options
class NeighbourhoodMAPPO(nn.Module):
    """Actor and critic of stations that see their own cell and hear their neighbours.

    A station decides its resource blocks one after the other: the distribution over a block's devices and power levels depends on
    what the blocks before it were given, so that together it is one joint distribution over all of them. Neighbouring stations
    are told apart by colours of a greedy colouring, which any network has.

    Args:
        hidden: width.
        hops: rounds of messages between neighbouring stations.
        levels_db: power levels relative to the largest power, dB.
        recurrence: memory from slot to slot, in the actor and in the critic: ``none``, ``gru``, or ``lstm``, the paper's.
        agents: stations with weights of their own ("individual policies"); 0 for one policy that all share.
        colours: colours that tell neighbouring stations apart.
        blocks: resource blocks.
        overbook: a device may get more resource blocks than its packets are expected to need.
        autoregressive: the choice on a resource block depends on the choices on the blocks before it; without, a station's blocks
            are independent given its state, all of them with the queues of the slot's beginning.
        cross_gains: a station knows the gains between itself and its neighbours' users, and between these stations and its own: what
            a neighbour may cause it, what of its interference comes from farther away, and what it may cost its neighbours.

    Raises:
        ValueError: an unknown recurrence.
    """

    level: Level = "neighbourhood"
    name, task = "mappo", "queues"
    fixed_sizes = ("R",)  # of an exported program: blocks are decided one after the other

    def __init__(
        self,
        hidden: int = 64,
        hops: int = 1,
        levels_db: Sequence[float] = (0.0,),
        recurrence: Recurrence = "gru",
        agents: int = 0,
        colours: int = 6,
        blocks: int = 3,
        overbook: bool = False,
        autoregressive: bool = True,
        cross_gains: bool = False,
    ) -> None:
        super().__init__()
        if recurrence not in get_args(Recurrence):
            raise ValueError(f"recurrence: got {recurrence!r}, expected one of {', '.join(get_args(Recurrence))}")
        self.cross_gains = cross_gains
        self.overbook, self.autoregressive = overbook, autoregressive
        self.hidden, self.colours, self.levels = hidden, colours, len(levels_db)
        self.actor, self.critic = (
            AgentTrunk(hidden, hops, colours, agents) if agents else Trunk(hidden, hops, colours) for _ in range(2)
        )
        cell = None if recurrence == "none" else CELLS[recurrence]
        self.memory = nn.ModuleList(cell(hidden, agents) for _ in range(2)) if cell else None
        self.memory_width = 2 * hidden if recurrence == "lstm" else hidden
        self.value_head = agent_mlp(hidden, hidden, 1, agents=agents)
        self.level_scale: Tensor
        self.register_buffer("level_scale", 10 ** (torch.tensor(tuple(levels_db)) / 10))
        self.left_most: Tensor
        self.left_least: Tensor
        self.nobody: Tensor
        self.register_buffer("left_most", torch.tensor(LEFT_MOST), persistent=False)
        self.register_buffer("left_least", torch.zeros(LEFT_FEATURES), persistent=False)
        self.register_buffer("nobody", torch.full((1, self.levels), NEVER), persistent=False)  # where no device is
        self.block = nn.Embedding(blocks * colours, hidden)
        self.device_in = AgentLinear(hidden, hidden, agents)
        self.station_in = AgentLinear(hidden, hidden, agents)
        self.block_in = AgentLinear(len(BLOCK_COLUMNS + CROSS_COLUMNS * cross_gains), hidden, agents)
        self.left_in = AgentLinear(LEFT_FEATURES, hidden, agents, bias=False)
        self.device_out = AgentLinear(hidden, self.levels, agents)
        self.none_out = AgentLinear(hidden, 1, agents)
        nn.init.zeros_(self.none_out.weight)

    def initial_memory(self, around: Surroundings) -> Tensor:
        """Memory of actor and critic before the first slot ``[2, B, N, H]``, of an LSTM ``[2, B, N, 2 H]``."""
        b, n, _, _ = around.cells.shape
        return torch.zeros(2, b, n, self.memory_width, device=around.colour.device)

    def decide(
        self,
        inputs: Inputs,
        around: Surroundings,
        memory: Tensor,
        *,
        generator: Generator | None = None,
        taken: Tensor | None = None,
        ended: Tensor | None = None,
    ) -> Decision:
        """Draw decisions for a slot, or judge what was decided in ``T`` slots in a row.

        Args:
            inputs: columns, of ``T * B`` networks when judging, the slots one after the other.
            around: surroundings of as many networks.
            memory: memory before the first slot ``[2, B, N, H]``.
            generator: random numbers of the draw.
            taken: decisions to judge instead ``[T * B, N, R]``.
            ended: networks that ended after each slot ``[T, B]``, whose memory starts anew; for ``taken``.
        """
        columns = inputs.columns()
        device, station = self.actor(columns, around)
        _, judged = self.critic(columns, around)
        station, acted = self._remember(0, station, memory[0], ended)
        judged, remembered = self._remember(1, judged, memory[1], ended)
        value = self.value_head(judged).squeeze(-1)
        log_prob, entropy, choices = torch.zeros_like(value), torch.zeros_like(value), []
        blocks = self._blocks(device, station, inputs, around)
        for place in range(around.power_w.shape[2]):
            log = blocks.logits().log_softmax(2)
            if taken is not None:
                choice = taken[..., place]
            else:
                noise = torch.empty_like(log).exponential_(generator=generator)
                choice = (log.exp() / noise).argmax(2)
            log_prob = log_prob + log.gather(2, choice.unsqueeze(2)).squeeze(2)
            entropy = entropy - (log.exp() * log.clamp_min(-50)).sum(2)
            blocks.give(choice)
            choices.append(choice)
        return Decision(torch.stack(choices, 2), log_prob, entropy, value, torch.stack([acted, remembered]))

    def most_likely(self, inputs: Inputs, around: Surroundings, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Most likely decision on each resource block in turn ``[B, N, R]`` and the actor's memory ``[B, N, H]``; no critic."""
        device, station = self.actor(inputs.columns(), around)
        station, memory = self._remember(0, station, memory, None)
        blocks = self._blocks(device, station, inputs, around)
        choices = [blocks.logits().argmax(2)]
        for _ in range(1, around.power_w.shape[2]):
            blocks.give(choices[-1])
            choices.append(blocks.logits().argmax(2))
        return torch.stack(choices, 2), memory

    def _remember(self, which: int, value: Tensor, memory: Tensor, ended: Tensor | None) -> tuple[Tensor, Tensor]:
        """States with what is remembered ``[T * B, N, H]``, and the memory after the last slot ``[B, N, H]``."""
        if self.memory is None:
            return value, memory
        cell = self.memory[which]
        assert isinstance(cell, AgentGRU | AgentLSTM)
        entry, out = cell.entry(value), []
        for number, part in enumerate(entry.split(memory.shape[0])):
            if number and ended is not None:
                memory = memory.masked_fill(ended[number - 1].reshape(-1, 1, 1), 0)
            memory = cell.step(part, memory)
            out.append(cell.output(memory))
        return value + (torch.cat(out) if len(out) > 1 else out[0]), memory

    def _blocks(self, device: Tensor, station: Tensor, inputs: Inputs, around: Surroundings) -> "_Blocks":
        """What of the logits does not depend on decisions, for all resource blocks at once."""
        blocks, known = around.power_w.shape[2], self.block.num_embeddings // self.colours
        if blocks > known:
            raise ValueError(
                f"blocks: got {blocks} resource blocks, expected at most {known}, as the agents were made for"
            )
        of_colour = self.block.weight.reshape(self.colours, -1, self.hidden)[:, :blocks]
        embedded = around.colour @ of_colour.flatten(1)
        place = self.station_in(station).unsqueeze(2) + embedded.reshape(
            *station.shape[:2], -1, self.hidden
        )  # [B, N, R, H]
        none = self.none_out(nn.functional.silu(place)).reshape(-1, place.shape[2])
        reports = (
            device.new_zeros(1, device.shape[0], len(BLOCK_COLUMNS + CROSS_COLUMNS * self.cross_gains))
            if inputs.block is None
            else inputs.block
        )
        # In place, as fresh memory is most of the time of adding.
        base = place.flatten(0, 1).transpose(0, 1).index_select(1, around.cells.serving)  # [R, B * U, H]
        base += self.at_devices(self.device_in, device, around)
        base += self.at_devices(self.block_in, reports.reshape(reports.shape[0], device.shape[0], -1), around)
        return _Blocks(self, base, none, inputs, around)

    def at_devices(self, layer: AgentLinear, value: Tensor, around: Surroundings) -> Tensor:
        """A layer on values of devices ``[*, B * U, F]``, with the weights of their stations where these have their own."""
        if not layer.agents:
            out: Tensor = layer(value)
            return out
        cells = around.cells
        b, _, u, _ = cells.shape
        rows = value.movedim(-2, 0)
        wide = cells.gather(rows.reshape(b, u, *rows.shape[1:]))
        return cells.spread(layer(wide)).flatten(0, 1).movedim(0, -2)

    def allocation(self, choice: Tensor, around: Surroundings) -> Allocation:
        """Allocation of a decision."""
        if self.levels == 1:
            return around.cells.allocation(choice, around.power_w * self.level_scale)
        index = choice - 1  # none is -1, of which the device is 0 and the power counts for nothing
        device = index.div(self.levels, rounding_mode="floor") + 1
        return around.cells.allocation(device, around.power_w * self.level_scale.take(index % self.levels))

    def given(self, graph: HeteroData) -> dict[str, Given]:
        """Colours, which no formula tells, and the memory before the first slot."""
        cells = cells_of(graph)
        memory = torch.zeros(cells.shape[1], self.memory_width)
        return {
            "colour": Given(colours_of(cells.neighbours).squeeze(0), ("N",), "greedy colouring of the neighbours"),
            "memory": Given(memory, ("N", str(self.memory_width)), "memory after the slot before, zeros at first"),
        }

    def infer(self, graph: HeteroData, extra: Extra) -> dict[str, Tensor]:
        """``power_w [N, R]``, the devices that get the blocks ``airtime [U, R]``, and the memory of the next slot."""
        around = surroundings_of(graph, self.colours, extra["colour"].unsqueeze(0))
        inputs = inputs_of(graph, around, self.cross_gains)
        choice, memory = self.most_likely(inputs, around, extra["memory"].unsqueeze(0))
        allocation = self.allocation(choice, around)
        assert allocation.airtime is not None
        return {"power_w": allocation.power_w, "airtime": allocation.airtime, "memory_next": memory.squeeze(0)}

    def initial_state(self, obs: HeteroData) -> Any:
        """Surroundings and memory."""
        around = surroundings_of(obs, self.colours)
        return around, self.initial_memory(around)[0]

    @torch.inference_mode()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Allocation, Any]:
        """Allocation of a slot, the most likely one."""
        around, memory = state
        choice, memory = self.most_likely(inputs_of(obs, around, self.cross_gains), around, memory)
        return self.allocation(choice, around), (around, memory)


class _Blocks:
    """Resource blocks of all stations, decided one after the other."""

    def __init__(
        self, policy: NeighbourhoodMAPPO, base: Tensor, none: Tensor, inputs: Inputs, around: Surroundings
    ) -> None:
        self.policy, self.around, self.queue = policy, around, inputs.queue.flatten()
        self.base, self.none, self.room = base.unbind(0), torch.split(none, 1, 1), inputs.room.flatten(1).unbind(0)
        self.given, self.place = torch.zeros_like(self.queue), 0
        self.rank = around.cells.rank.flatten()
        self.blocked = self.queue <= NOTHING

    def logits(self) -> Tensor:
        """Logits over none and the pairs of device and level on the next resource block ``[B, N, 1 + D * L]``."""
        policy, (b, n, _, _) = self.policy, self.around.cells.shape
        left, room = (self.queue - self.given).clamp_min(0), self.room[self.place]
        local = torch.stack([left.log1p(), left, self.given, left - 1, torch.minimum(left, room)], 1)
        added = policy.at_devices(policy.left_in, local.clamp(policy.left_least, policy.left_most), self.around)
        joint = nn.functional.silu(self.base[self.place] + added)
        blocked = self.blocked if policy.overbook else left <= NOTHING
        score = policy.at_devices(policy.device_out, joint, self.around).masked_fill(blocked.unsqueeze(1), NEVER)
        wide = torch.cat([score, policy.nobody]).index_select(0, self.around.table)
        return torch.cat([self.none[self.place], wide.reshape(b * n, -1)], 1).reshape(b, n, -1)

    def give(self, choice: Tensor) -> None:
        """Give the resource block; the next one knows what this is expected to clear, unless blocks are independent."""
        if not self.policy.autoregressive:
            self.place += 1
            return
        levels, number = self.policy.levels, (choice - 1).flatten()
        number = number if levels == 1 else number.div(levels, rounding_mode="floor")
        chosen = number.index_select(0, self.around.cells.serving) == self.rank
        self.given = self.given + chosen * self.room[self.place]
        self.place += 1
