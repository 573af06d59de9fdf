"""Scheduling on a conflict graph with collisions (Zhang and Guo, Section II-B)."""

from typing import Any, Unpack

import networkx as nx
import torch
from torch import Tensor
from torch_geometric.data import HeteroData

from hetgraph.envs.queues.base import QueueEnv
from hetgraph.envs.queues.conflicts import with_conflicts
from hetgraph.envs.queues.layout import graphs_of, network_numbers, prepared
from hetgraph.envs.queues.options import QueueOptions
from hetgraph.envs.queues.traffic import Traffic, traffic_of
from hetgraph.graph.conflict import conflict_graph_from_networkx
from hetgraph.graph.presets import preset
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.schema import CONFLICTS
from hetgraph.radio.cells import cells_of

LOAD = 0.5  # packets of a device and slot
MOST_PAIRS = 128  # pairs of device and resource block up to which one matrix says which pairs disturb which
SLOT_S = 1.0  # of graphs that do not say; delays are in slots


class ConflictEnv(QueueEnv):
    """Agents schedule devices on subbands; a device succeeds where no active device disturbs it (eq. 3).

    Every success clears one packet, at any power above zero. A device without packets is silent, whatever the action says. Users
    keep the station that may serve them, of several the one that they receive best.

    Args:
        scenario: ``conflict-8`` or another preset, a scenario, a directed networkx graph (see
            :func:`~hetgraph.graph.conflict.conflict_graph_from_networkx`), or a graph or batch of graphs. Without conflict edges
            conflicts follow from gains (:func:`~hetgraph.envs.queues.conflicts.with_conflicts`).
        num_envs: networks B; ``None`` for one, or as many as a batch has.
        load: mean arrivals per device and slot, or a :class:`~hetgraph.envs.queues.traffic.Traffic`; ``None`` for the scenario's
            packets, 0.5 a slot where it names none.
        first: number of the first network; network i has the same layout and traffic alone and among many.
        layout_seed: seed of a scenario's layouts.
        conflict_db: how far below a user's own signal another one still disturbs it, dB, where conflicts follow from gains;
            ``None`` for the scenario's ``rules.conflict_db``, else 0.
        device: where the tensors are.
        options: see :class:`~hetgraph.envs.queues.options.QueueOptions`.

    Raises:
        ValueError: an unknown scenario, or one that breaks the contract.
    """

    def __init__(
        self,
        scenario: "str | Scenario | nx.Graph[Any] | HeteroData" = "conflict-8",
        num_envs: int | None = None,
        *,
        load: float | Traffic | None = None,
        first: int = 0,
        layout_seed: int = 0,
        conflict_db: float | None = None,
        device: str | torch.device = "cpu",
        **options: Unpack[QueueOptions],
    ) -> None:
        source = _source_of(scenario)
        layout = prepared(graphs_of(source, network_numbers(source, num_envs, first), layout_seed), SLOT_S)
        if conflict_db is None:
            conflict_db = source.rules.conflict_db if isinstance(source, Scenario) else 0.0
        layout = with_conflicts(layout, cells_of(layout), conflict_db).to(torch.device(device))
        super().__init__(
            layout,
            traffic_of(source, load, float(layout.slot_s[0]), LOAD),
            first=first,
            whole=True,
            **options,
        )
        b, u = self.num_envs, self.num_devices
        pairs = layout[CONFLICTS].edge_index
        disturbs = torch.zeros(b, u, u, dtype=self.dtype, device=self.device)
        disturbs[pairs[0] // u, pairs[0] % u, pairs[1] % u] = 1
        same = bool((disturbs == disturbs[:1]).all())  # one layout: a product of matrices for all networks
        self.disturbs = disturbs[0] if same else disturbs
        self._pairs: tuple[Tensor, Tensor] | None = None
        if same and u * self.num_rbs <= MOST_PAIRS:
            ones = torch.eye(u, dtype=self.dtype, device=self.device)
            blocks = torch.eye(self.num_rbs, dtype=self.dtype, device=self.device)
            self._pairs = torch.kron(disturbs[0], blocks), torch.kron(ones, torch.ones_like(blocks[:, :1]))

    def _capacity(self, active: Tensor, power_w: Tensor) -> Tensor:
        b, u, r = self.num_envs, self.num_devices, self.num_rbs
        if self._pairs is not None:  # the same without transposing
            disturbs, sum_blocks = self._pairs
            rows = active.reshape(b, u * r)
            return torch.mm(torch.mm(rows, disturbs).eq_(0).mul_(rows), sum_blocks)
        rows = active.reshape(b, u, r).transpose(1, 2).contiguous()
        return torch.matmul(rows, self.disturbs).eq_(0).mul_(rows).sum(1)


def _source_of(scenario: Any) -> Scenario | HeteroData:
    if isinstance(scenario, str):
        return preset(scenario)
    if isinstance(scenario, nx.Graph):
        return conflict_graph_from_networkx(scenario)
    result: Scenario | HeteroData = scenario
    return result
