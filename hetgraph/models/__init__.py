"""The learned systems: a graph in, an allocation out."""

from hetgraph.models.hetgnn import HetGNN, Prediction

__all__ = ["HetGNN", "Prediction"]
