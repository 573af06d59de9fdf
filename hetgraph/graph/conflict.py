"""Conflict graphs: devices that disturb one another, without geometry."""

from collections.abc import Sequence
from typing import Any

import networkx as nx
import torch
from torch import Tensor
from torch_geometric.data import Batch, HeteroData

from hetgraph.graph.antennas import antenna_attributes
from hetgraph.graph.build import from_gain
from hetgraph.graph.scenario_fields import ScenarioFields
from hetgraph.graph.schema import CHANNEL, CONFLICTS, MOUNTED_ON, NEIGHBOURS
from hetgraph.units import dbm_to_w


def conflict_graph(agent: Sequence[int], conflicts: Sequence[tuple[int, int]], *, num_rbs: int = 3) -> HeteroData:
    """Graph of agents that schedule devices which disturb one another.

    Gains are one between a device and its agent and zero elsewhere. Agents are neighbours when devices of theirs conflict,
    in either direction.

    Args:
        agent: agent of each device.
        conflicts: pairs (i, j): device i disturbs device j.
        num_rbs: subbands.

    Raises:
        ValueError: an agent without devices, or a conflict between devices that are none or the same.
    """
    station = torch.tensor(list(agent))
    if not len(station) or sorted(set(station.tolist())) != list(range(int(station.max()) + 1)):
        raise ValueError(f"agent: got {sorted(set(station.tolist()))}, expected 0, 1, ... with a device each")
    pairs = torch.tensor(list(conflicts)).reshape(-1, 2)
    users, agents = len(station), int(station.max()) + 1
    wrong = (pairs < 0).any(1) | (pairs >= users).any(1) | (pairs[:, 0] == pairs[:, 1])
    if bool(wrong.any()):
        raise ValueError(f"conflicts: got {tuple(pairs[wrong][0].tolist())}, expected two devices out of {users}")
    own = station.unsqueeze(0) == torch.arange(agents).unsqueeze(1)  # [N, U]
    gain = own.float().unsqueeze(2).expand(agents, users, num_rbs).contiguous()
    graph = from_gain(gain, noise_w=1.0, power_max_w=float(num_rbs))
    graph["bs"].rb_power_max_w.fill_(1.0)
    graph[CHANNEL].may_serve = own.T.reshape(-1)
    graph[CONFLICTS].edge_index = pairs.T.contiguous()
    graph[NEIGHBOURS].edge_index = _neighbours(station, pairs)
    graph.slot_s = torch.ones(1)
    graph.scenario = "conflict"
    return graph


def _neighbours(station: Tensor, pairs: Tensor) -> Tensor:
    ends = station[pairs]
    both = torch.cat([ends, ends.flip(1)])
    apart: Tensor = torch.unique(both[both[:, 0] != both[:, 1]], dim=0)
    return apart.T.contiguous()


def conflict_graph_from_networkx(graph: "nx.Graph[Any]", *, num_rbs: int = 3) -> HeteroData:
    """Conflict graph from a directed networkx graph: an edge (i, j) says that i disturbs j.

    Args:
        graph: nodes have the attribute ``agent``; they are numbered in the graph's order.
        num_rbs: subbands.

    Raises:
        ValueError: an undirected graph, or a node without the attribute.
    """
    if not graph.is_directed():
        raise ValueError("graph: got an undirected graph, expected a networkx.DiGraph")
    number = {node: i for i, node in enumerate(graph)}
    missing = [node for node, values in graph.nodes(data=True) if "agent" not in values]
    if missing:
        raise ValueError(f"graph: got no attribute 'agent' at node {missing[0]!r}, expected the number of its agent")
    names = list(dict.fromkeys(values["agent"] for _, values in graph.nodes(data=True)))
    agent = [names.index(graph.nodes[node]["agent"]) for node in graph]
    return conflict_graph(agent, [(number[i], number[j]) for i, j in graph.edges], num_rbs=num_rbs)


_BOTH_WAYS = ((0, 1), (2, 3), (4, 5), (6, 7), (1, 2), (3, 4), (5, 6), (7, 0))
_ONE_WAY = ((1, 7), (7, 5), (5, 3), (3, 1), (0, 2), (2, 4), (4, 6), (6, 0))
CONFLICT_8_STATIONS = (0, 0, 1, 1, 2, 2, 3, 3)
CONFLICT_8 = (*_BOTH_WAYS, *((j, i) for i, j in _BOTH_WAYS), *_ONE_WAY)


def conflict_networks(scenario: ScenarioFields, n: int, noise_w: float) -> Batch:
    """``n`` times the conflict graph of a scenario whose ``users.placement`` is ``conflicts``; nothing in it is drawn.

    Args:
        scenario: users' stations and conflicts, power, band and antennas.
        n: number of networks.
        noise_w: noise power per resource block, W.
    """
    users, radio, (tier,) = scenario.users, scenario.radio, scenario.tiers
    graph = conflict_graph(users.station, users.conflicts, num_rbs=radio.num_rbs)
    budget_w = dbm_to_w(tier.power_dbm)
    limit_dbm = tier.power_dbm if tier.rb_power_dbm is None else tier.rb_power_dbm
    graph["bs"].power_max_w.fill_(budget_w)
    graph["bs"].rb_power_max_w.fill_(dbm_to_w(limit_dbm))
    graph["ue"].noise_w.fill_(noise_w)
    antennas, mounted = antenna_attributes(scenario, 1)
    for name, value in antennas.items():
        graph["antenna"][name] = value[0]
    graph["antenna"].num_nodes = mounted.shape[-1]
    graph[MOUNTED_ON].edge_index = mounted[0].contiguous()
    graph.rb_bandwidth_hz.fill_(radio.bandwidth_hz / radio.num_rbs)
    graph.slot_s = torch.full((1,), radio.slot_s)
    graph.scenario, graph.scenario_hash = scenario.name, scenario.hash
    return Batch.from_data_list([graph] * n)
