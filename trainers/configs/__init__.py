"""Shipped configurations, found by name: ``hetgraph fit --config hetgnn``."""
