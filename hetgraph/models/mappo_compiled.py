"""Neighbourhood MAPPO for use: a decision as one compiled function."""

from typing import Any

import torch
from torch import Generator, Tensor
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import Level
from hetgraph.models.mappo import NeighbourhoodMAPPO
from hetgraph.models.mappo_inputs import Inputs, Surroundings, inputs_of
from hetgraph.radio.allocation import Allocation


class CompiledAgents:
    """The same decisions as the agents', several times faster where networks are few.

    A decision of a few stations is some 250 small tensor operations, and their dispatch is its time; ``torch.compile`` makes a
    few of them. The first decision for networks of a size compiles, which takes about half a minute and needs a C++ compiler.

    Args:
        agents: whose decisions.
    """

    level: Level = "neighbourhood"
    name = "mappo_compiled"

    def __init__(self, agents: NeighbourhoodMAPPO) -> None:
        self.agents = agents
        self._decision = torch.compile(self._decide, dynamic=False, fullgraph=True)

    def initial_state(self, obs: HeteroData) -> Any:
        """Surroundings and memory."""
        return self.agents.initial_state(obs)

    @torch.inference_mode()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Allocation, Any]:
        """Allocation of a slot, the most likely one."""
        around, memory = state
        power, airtime, memory = self._decision(inputs_of(obs, around, self.agents.cross_gains), around, memory)
        return Allocation(around.cells.serving, power, airtime), (around, memory)

    def _decide(self, inputs: Inputs, around: Surroundings, memory: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        choice, memory = self.agents.most_likely(inputs, around, memory)
        allocation = self.agents.allocation(choice, around)
        return allocation.power_w, allocation.airtime, memory
