"""The learned systems: a graph in, an allocation out."""

from hetgraph.models.compiled import CompiledAgents
from hetgraph.models.hetgnn import HetGNN, Prediction
from hetgraph.models.mappo import NeighbourhoodMAPPO

__all__ = ["CompiledAgents", "HetGNN", "NeighbourhoodMAPPO", "Prediction"]
