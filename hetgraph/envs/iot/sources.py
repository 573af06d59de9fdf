"""Where an IoT environment's networks come from."""

from dataclasses import replace

from torch_geometric.data import HeteroData

from hetgraph.envs.iot.drawn import DrawnNetworks
from hetgraph.envs.iot.given import GivenNetworks
from hetgraph.envs.iot.networks import Networks
from hetgraph.graph import sources
from hetgraph.graph.mobility import Services
from hetgraph.graph.scenario import Scenario
from hetgraph.graph.source import Drawn, Given


def source_of(scenario: Scenario | HeteroData, networks: int, first: int, seed: int) -> Networks:
    """Source of a scenario's networks, or of given graphs.

    Sites of files are drawn like any other scenario; of other files each network has a graph of its own, the same in every episode,
    in which users stand.

    Args:
        scenario: a scenario, a graph or a batch.
        networks: number of networks.
        first: number of the first one.
        seed: of what a reader of files draws.

    Raises:
        ValueError: neither of them, one that the environment cannot use, or traffic that is none of services.
    """
    if isinstance(scenario, HeteroData):
        return GivenNetworks(scenario)
    if not isinstance(scenario, Scenario):
        raise ValueError(f"scenario: got {type(scenario).__name__}, expected a preset, a Scenario, a graph or a batch")
    if scenario.traffic is not None and not isinstance(scenario.traffic, Services):
        raise ValueError(f"scenario.traffic: got {type(scenario.traffic).__name__}, expected Services or none")
    if not isinstance(scenario.source, Given):
        return DrawnNetworks(scenario)
    files = sources.source_of(scenario)
    if isinstance(files, sources.DrawnNetworks):
        assert isinstance(files.scenario, Scenario)
        return DrawnNetworks(replace(files.scenario, source=Drawn()))
    return GivenNetworks(files.sample(networks, seed=seed, first=first), scenario, first)
