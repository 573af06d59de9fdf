"""The learned systems: a graph in, an allocation out."""

from hetgraph.models.allocating import AllocatingModel, Prediction
from hetgraph.models.checkpoint import load, register, save, systems
from hetgraph.models.grows import GROWS
from hetgraph.models.hetgnn import HetGNN
from hetgraph.models.inference import Given, InferenceNetwork, Inferring
from hetgraph.models.iot.agents import HybridMADDPG
from hetgraph.models.iot.trunk_agents import TrunkMADDPG
from hetgraph.models.iot.unrolled import UnrolledScheduler
from hetgraph.models.mappo import NeighbourhoodMAPPO
from hetgraph.models.mappo_compiled import CompiledAgents
from hetgraph.models.offset_qmix import OffsetQMIX
from hetgraph.models.options import keep_options
from hetgraph.models.qmix import GraphQMIX
from hetgraph.models.spatial_hetgnn import SpatialHetGNN

__all__ = [
    "GROWS",
    "AllocatingModel",
    "CompiledAgents",
    "Given",
    "GraphQMIX",
    "HetGNN",
    "HybridMADDPG",
    "InferenceNetwork",
    "Inferring",
    "NeighbourhoodMAPPO",
    "OffsetQMIX",
    "Prediction",
    "SpatialHetGNN",
    "TrunkMADDPG",
    "UnrolledScheduler",
    "keep_options",
    "load",
    "register",
    "save",
    "systems",
]
