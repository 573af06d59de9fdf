"""States of stations and of their devices, for the actor and the critic of neighbourhood MAPPO."""

import torch
from torch import Tensor, nn

from hetgraph.graph.schema import CHANNEL, NEIGHBOURS
from hetgraph.models.mappo_inputs import BLOCK_COLUMNS, DEVICE_COLUMNS, Messages, Surroundings
from hetgraph.nn.agents import AgentLinear, agent_mlp
from hetgraph.nn.channel_conv import ChannelConv
from hetgraph.nn.hetero_encoder import HeteroEncoder


class Trunk(nn.Module):
    """The encoder that all systems share at level ``neighbourhood``, and a layer over conflicts where there are any.

    Messages pass over serving edges and between neighbours. Stations read their colours, devices their columns, and stations sum
    over devices, any number of them. Devices hear those with which they conflict after that, and their stations hear them once
    more: what they hear goes no further, so that no station knows of conflicts farther than its neighbours.

    Args:
        hidden: width.
        hops: rounds of messages between neighbouring stations.
        colours: colours that tell neighbouring stations apart.
    """

    def __init__(self, hidden: int, hops: int, colours: int) -> None:
        super().__init__()
        self.graph = HeteroEncoder(
            {"ue": DEVICE_COLUMNS, CHANNEL: ("own",)},
            hidden,
            max(hops, 1),
            hops,
            "neighbourhood",
            extra={"bs": colours, "ue": 2 * len(BLOCK_COLUMNS)},
            reports=False,
            aggr="sum",
        )
        self.conflicts = ChannelConv(hidden, 1, "ue", aggr="sum", groups=3)
        self.gather = ChannelConv(hidden, 1, "bs", aggr="sum", groups=1)

    def forward(self, columns: Tensor, around: Surroundings) -> tuple[Tensor, Tensor]:
        """States of devices ``[B * U, H]`` and stations ``[B, N, H]``.

        Args:
            columns: of devices ``[B * U, F]``.
            around: surroundings.
        """
        messages = around.messages
        states = self.graph(_arguments({"bs": around.colour.flatten(0, 1), "ue": columns}, messages))
        device, station = states["ue"], states["bs"]
        if messages.conflicts is not None:
            pairs, sums = messages.conflicts
            one = columns.new_ones(1, 1).expand(pairs.shape[1], 1)
            device = self.conflicts((device, device), pairs, one, sums.weight.T, sums)
            ends = (messages.serving, messages.own, messages.own, messages.sums.to_bs)
            station = self.gather((station, device), *ends)
        return device, station.reshape(*around.colour.shape[:2], -1)


def _arguments(columns: dict[str, Tensor], messages: Messages) -> dict[str, object]:
    """Ready arguments of the encoder."""
    return {
        "x_dict": columns,
        "edge_index_dict": {CHANNEL: messages.serving, NEIGHBOURS: messages.neighbours},
        "edge_attr_dict": {CHANNEL: messages.own},
        "weight": messages.own,
        "links": messages.sums,
    }


class AgentTrunk(nn.Module):
    """The same kind of states with weights of their own for each station ("individual policies"), which no shared layer has.

    Devices exchange messages along conflicts, each kind with its own weights; stations sum over their devices and hear the mean
    and the maximum of their neighbours' states, one or more hops far.

    Args:
        hidden: width.
        hops: rounds of messages between neighbouring stations.
        colours: colours that tell neighbouring stations apart.
        agents: stations.
    """

    def __init__(self, hidden: int, hops: int, colours: int, agents: int) -> None:
        super().__init__()
        self.enter = agent_mlp(len(DEVICE_COLUMNS) + 2 * len(BLOCK_COLUMNS), hidden, hidden, agents=agents)
        self.related = nn.ModuleList(AgentLinear(hidden, hidden, agents, bias=False) for _ in range(3))
        self.colour = nn.Embedding(colours, hidden)
        self.gather = AgentLinear(hidden, hidden, agents)
        self.hops = nn.ModuleList(AgentLinear(3 * hidden, hidden, agents) for _ in range(hops))

    def forward(self, columns: Tensor, around: Surroundings) -> tuple[Tensor, Tensor]:
        """States of devices ``[B * U, H]`` and stations ``[B, N, H]``, see :class:`Trunk`."""
        cells = around.cells
        b, _, u, _ = cells.shape
        device = self.enter(cells.gather(columns.reshape(b, u, -1)))
        if around.relations is not None:
            flat = cells.spread(device)
            for matrix, linear in zip(around.relations.unbind(3), self.related, strict=True):
                device = device + linear(cells.gather(torch.bmm(matrix, flat)))
        device = nn.functional.silu(device) * cells.mask.unsqueeze(3)
        colour = around.colour @ self.colour.weight
        station = nn.functional.silu(self.gather(device.sum(2)) + colour)
        # By lists: a dense [N, N] table is a third of the time of training where stations have few neighbours.
        near, neighbour, silent = around.neighbour_lists
        place = neighbour.flatten(1).unsqueeze(2).expand(-1, -1, station.shape[2])
        for hop in self.hops:
            most = station.gather(1, place).reshape(*neighbour.shape, -1).masked_fill(silent, -1).amax(2)
            station = station + nn.functional.silu(hop(torch.cat([station, torch.bmm(near, station), most], 2)))
        return cells.spread(device).flatten(0, 1), station
