"""Scheduling on a conflict graph with collisions (Zhang and Guo, Section II-B)."""

from typing import Any

import networkx as nx
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.envs.queues.base import QueueEnv, Reward
from hetgraph.envs.queues.traffic import Traffic
from hetgraph.graph.conflict import conflict_8, conflict_graph_from_networkx
from hetgraph.graph.schema import CONFLICTS, Level
from hetgraph.radio.allocation import Allocation


class ConflictEnv(QueueEnv):
    """Agents schedule devices on subbands; a device succeeds where no active device disturbs it (eq. 3).

    Every success clears one packet. A device without packets is silent, whatever the action says.

    Args:
        scenario: ``conflict-8``, a directed networkx graph (see
            :func:`~hetgraph.graph.conflict.conflict_graph_from_networkx`), or a graph with conflict edges.
        num_envs: networks B.
        load: mean arrivals per device and slot, or a :class:`~hetgraph.envs.queues.traffic.Traffic`.
        episode_slots: length of an episode.
        max_queue: packets above which a network is terminated; ``None`` for never.
        discount: of the return after a termination.
        level: of the observations.
        record: keep what :meth:`delays` needs.
        reward: see :class:`~hetgraph.envs.QueueEnv`.
        seed: of the arrivals.
        device: where the tensors are.

    Raises:
        ValueError: an unknown scenario, or a graph without conflicts.
    """

    def __init__(
        self,
        scenario: "str | nx.Graph[Any] | HeteroData" = "conflict-8",
        num_envs: int = 1,
        *,
        load: float | Traffic = 0.5,
        episode_slots: int = 5000,
        max_queue: float | None = None,
        discount: float = 0.995,
        level: Level = "neighbourhood",
        record: bool = False,
        reward: Reward = "queue",
        seed: int = 0,
        device: str | torch.device = "cpu",
    ) -> None:
        graph = _graph_of(scenario)
        if num_envs < 1:
            raise ValueError(f"num_envs: got {num_envs}, expected at least 1")
        layout = Batch.from_data_list([graph] * num_envs).to(torch.device(device))
        super().__init__(
            layout,
            load if isinstance(load, Traffic) else Traffic(load),
            episode_slots=episode_slots,
            max_queue=max_queue,
            discount=discount,
            level=level,
            record=record,
            seed=seed,
            whole=True,
            reward=reward,
        )
        source, target = graph[CONFLICTS].edge_index.to(layout["bs"].power_max_w.device)
        self.disturbs = torch.zeros(self.num_devices, self.num_devices, dtype=self.dtype, device=self.device)
        self.disturbs[source, target] = 1

    def _capacity(self, allocation: Allocation) -> Tensor:
        assert allocation.airtime is not None
        b, u, r = self.num_envs, self.num_devices, self.num_rbs
        active = (allocation.airtime.reshape(b, u, r) > 0) & (self.queue > 0).unsqueeze(2)
        rows = active.transpose(1, 2).reshape(b * r, u).to(self.dtype)
        free = torch.mm(rows, self.disturbs) == 0
        return (rows * free).reshape(b, r, u).sum(1)


def _graph_of(scenario: Any) -> HeteroData:
    if isinstance(scenario, str):
        if scenario != "conflict-8":
            raise ValueError(f"scenario: got {scenario!r}, expected 'conflict-8', a networkx.DiGraph or a graph")
        return conflict_8()
    if isinstance(scenario, nx.Graph):
        return conflict_graph_from_networkx(scenario)
    if not isinstance(scenario, HeteroData) or not scenario[CONFLICTS].edge_index.numel():
        raise ValueError("scenario: got a graph without conflict edges, expected some in (ue, conflicts, ue)")
    return scenario
