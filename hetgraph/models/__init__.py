"""The learned systems: a graph in, an allocation out."""

from hetgraph.models.compiled import CompiledAgents
from hetgraph.models.grows import GROWS
from hetgraph.models.hetgnn import HetGNN, Prediction
from hetgraph.models.hybrid import HybridMADDPG
from hetgraph.models.mappo import NeighbourhoodMAPPO
from hetgraph.models.qmix import GraphQMIX

__all__ = ["GROWS", "CompiledAgents", "GraphQMIX", "HetGNN", "HybridMADDPG", "NeighbourhoodMAPPO", "Prediction"]
