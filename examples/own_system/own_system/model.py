"""A small network for powers: the library's encoder and one head."""

from typing import Any

import torch
from torch import Generator, Tensor, nn
from torch_geometric.data import HeteroData

from hetgraph.graph.schema import CHANNEL, Level
from hetgraph.models import keep_options
from hetgraph.nn import HeteroEncoder
from hetgraph.radio import Allocation
from hetgraph.solvers import max_rsrp_association

COLUMNS = {"bs": ("power_dbm",), "ue": ("best_snr_db", "best_sinr_db"), CHANNEL: ("snr_db", "sinr_db", "gap_db")}


@keep_options  # keeps the constructor's arguments, with which a checkpoint builds the model again
class PowerNet(nn.Module):
    """Share of its largest power that each station uses.

    Args:
        hidden: width.
        layers: rounds of messages.
    """

    name, task = "power_net", "powers"
    level: Level = "global"

    def __init__(self, hidden: int = 32, layers: int = 2) -> None:
        super().__init__()
        self.encoder = HeteroEncoder(COLUMNS, hidden, layers, hops=0)
        self.head = nn.Linear(hidden, 1)
        nn.init.constant_(self.head.bias, 2.0)  # untrained, stations nearly send at full power

    def forward(self, graph: HeteroData) -> Tensor:
        """Shares ``[N]``, from 0 to 1."""
        return self.head(self.encoder(graph)["bs"]).squeeze(1).sigmoid()

    def initial_state(self, obs: HeteroData) -> None:
        """Nothing to remember."""

    @torch.no_grad()
    def act(self, obs: HeteroData, state: Any, generator: Generator | None) -> tuple[Allocation, Any]:
        """The action for an observation: what the protocol of policies asks for."""
        power = self(obs).unsqueeze(1) * obs["bs"].rb_power_max_w
        return Allocation(max_rsrp_association(obs), power), state
