"""Where an IoT environment's networks come from."""

from torch_geometric.data import HeteroData

from hetgraph.envs.iot.drawn import DrawnNetworks
from hetgraph.envs.iot.given import GivenNetworks
from hetgraph.envs.iot.networks import Networks
from hetgraph.graph.scenario import Scenario


def source_of(scenario: Scenario | HeteroData) -> Networks:
    """Source of a scenario's networks, or of given graphs.

    Raises:
        ValueError: neither of them, or one that the environment cannot use.
    """
    if isinstance(scenario, HeteroData):
        return GivenNetworks(scenario)
    if isinstance(scenario, Scenario):
        return DrawnNetworks(scenario)
    raise ValueError(f"scenario: got {type(scenario).__name__}, expected a preset, a Scenario, a graph or a batch")
