"""The learned systems: a graph in, an allocation out."""

from hetgraph.models.hetgnn import HetGNN, Prediction
from hetgraph.models.mappo import NeighbourhoodMAPPO

__all__ = ["HetGNN", "NeighbourhoodMAPPO", "Prediction"]
