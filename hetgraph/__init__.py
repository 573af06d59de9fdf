"""hetgraph: learning to run radio networks on heterogeneous graphs.

A network is a heterogeneous graph. A policy takes the graph and returns an allocation.
"""

__version__ = "0.1.0"
